"""Erasure: nothing that tells of the device is left anywhere, and what it drew stays in the sums."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from collector.commands import call_here, call_json_here
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    Boolean,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)
from support.estates import NOW, Estate, make_database
from support.facts import half_hour, put
from support.running import call

from roadworthy_collector.jobs.privacy import erase_due
from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import erasure
from roadworthy_collector.security.erasure import WAIT_SECONDS, ErasureError
from roadworthy_collector.security.tokens import create_device_token, create_enrol_key
from roadworthy_collector.store import books_schema, schema
from roadworthy_collector.store.columns import IsoDate, Joules, PeriodStart, Ratio
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries import audit, local_totals
from roadworthy_collector.store.queries.devices import retire

DAY = 86_400
TODAY = int(NOW) // DAY * DAY
ZONE = "Europe/London"
PLANTED = "PLANTED-7f3a"
# What stays of a device, and why: the record of what was done. Holds would stop the erasure.
KEPT = {"audit", "audit_chain"}


def erase(estate: Estate, device: int, now: float = NOW) -> None:
    with write_transaction(estate.engine) as connection:
        row = connection.scalar(select(schema.devices.c.device_id).where(schema.devices.c.id == device))
        erasure.begin(connection, str(row), reason="request 114", now=int(now))
    with write_transaction(estate.engine) as connection:
        assert erasure.finish(connection, device, now=now + WAIT_SECONDS, zone=ZONE)


# What a value of a type may be; the first that fits counts.
VALUES: tuple[tuple[type, Any], ...] = (
    (Joules, {"cpu": {"sensor": 5}}),
    (IsoDate, "2026-09-20"),
    (JSON, {"name": PLANTED}),
    (Boolean, False),
    (Float, 0.5),
    (Ratio, 0.5),
    (LargeBinary, PLANTED.encode()),
    (String, PLANTED),
    (Integer, 0),
    (PeriodStart, 0),
)


def filled(table: Table, device: int, item: int) -> dict[str, Any]:
    """Return a row of `table` about `device`, which is `item` in the register, with PLANTED wherever it can be."""
    named = {"device": device, "item": item, "day": TODAY - DAY, "scope": "cpu", "quality": "sensor"}
    if table.name == "state_days":
        named["unobserved_seconds"] = DAY
    row = {}
    for column in table.c:
        value = next((value for kind, value in VALUES if isinstance(column.type, kind)), None)
        length = getattr(column.type, "length", None)
        row[column.name] = value[:length] if isinstance(value, (str, bytes)) and length else value
    return row | {name: value for name, value in named.items() if name in table.c}


def dump(estate: Estate) -> dict[str, str]:
    """Return everything every table holds, as text."""
    with estate.engine.connect() as connection:
        return {
            table.name: "\n".join(map(repr, connection.execute(select(table)).all()))
            for table in schema.metadata.sorted_tables
        }


def test_nothing_of_it_is_left_in_any_table(estate: Estate) -> None:
    other = estate.device(hostname="other")
    device = estate.device(
        hostname=PLANTED,
        serial=PLANTED,
        asset_tag=PLANTED,
        instance=PLANTED,
        boot_id=PLANTED,
        facts={"hardware": {"serial": PLANTED}},
        agent={"note": PLANTED},
        fingerprint={"board": PLANTED},
    )
    name = estate.device_id(device)
    # A device may be told of by another one's clone, a relay, a receiver: every table that names a device.
    tables = [
        table
        for table in schema.metadata.sorted_tables
        if "device" in table.c and table.name not in {"hold_devices", "erasures"}
    ]
    words = {"kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "unknown", "updated_at": 0}
    estate.put(books_schema.register_items, id=1, **words)
    item = 1
    slots = {"use_slots", "state_slots", "energy_slots"}  # bytes of their own making
    for table in tables:
        if table.name in slots:
            continue
        with write_transaction(estate.engine) as connection:
            if "id" in table.c and not isinstance(table.c["id"].type, Integer):
                connection.execute(insert(table).values(filled(table, device, item) | {"id": "0" * 16}))
            else:
                row = filled(table, device, item)
                row.pop("id", None)
                connection.execute(insert(table).values(row))
    put(estate.engine, [half_hour(device, TODAY - DAY), half_hour(other, TODAY - DAY)])
    estate.put(schema.charts, hash="0" * 64, spec={"label": PLANTED}, asked_at=1)
    decided = {"one": f"agent:{name}", "other": "register:1", "same": True, "made_at": 1, "made_by": "ada"}
    estate.put(books_schema.match_decisions, **decided)
    planted = {table for table, rows in dump(estate).items() if PLANTED in rows}
    assert len(planted) > 8  # the test plants something
    erase(estate, device)
    left = {table: rows for table, rows in dump(estate).items() if PLANTED in rows or name in rows}
    assert set(left) <= KEPT
    with estate.engine.connect() as connection:
        for table in tables:
            count = select(func.count()).select_from(table).where(table.c.device == device)
            assert connection.scalar(count) == 0, table.name
        assert connection.scalar(select(func.count()).select_from(schema.devices)) == 1
        assert audit.verify(connection).broken is None
        rows = [(row["action"], row["detail"]) for row in audit.read(connection)]
    assert rows == [
        ("device.erase_asked", {"reason": "request 114"}),
        ("device.erase", {"reason": "request 114", "asked_by": "command line"}),
    ]
    assert PLANTED not in str(left.get("audit"))


def sums(estate: Estate) -> Counter[tuple[Any, ...]]:
    """Return joules by calendar, date, site, scope and quality: of the devices and of what erased ones left."""
    found: Counter[tuple[Any, ...]] = Counter()
    with estate.engine.connect() as connection:
        kept = connection.execute(select(schema.days.c.day, schema.days.c.site, schema.days.c.joules)).all()
        totals = [("utc", schema_date(row.day), row) for row in kept]
        first, last = date(2021, 1, 1), date(2028, 1, 1)  # more than any test tells of
        local = local_totals.read(connection, first, last, "Europe/London", ("site", "joules"))
        totals += [("local", total.date.isoformat(), total.values) for total in local]
        for calendar, day, row in totals:
            for scope, told in (row.joules or {}).items():
                for quality, joules in told.items():
                    found[calendar, day, row.site, scope, quality] += joules
        for row in connection.execute(select(schema.anonymous_site_days)):
            found[row.calendar, row.date, row.site, row.scope, row.quality] += row.joules
    return found


def schema_date(day: int) -> str:
    return datetime.fromtimestamp(day, UTC).date().isoformat()


ENERGY = st.lists(
    st.tuples(
        st.integers(0, 3),  # device
        st.integers(0, 20),  # half-hours ago, in steps of 5 hours
        st.sampled_from(["cpu", "machine", "wall"]),
        st.sampled_from(["sensor", "metered", "modelled"]),
        st.integers(0, 10**9),
    ),
    unique_by=lambda one: (one[0], one[1]),
    max_size=25,
)


@pytest.fixture
def plain(tmp_path: Path) -> Any:
    """One SQLite estate; the sums are the same statements on both databases."""
    make_database(tmp_path / "roadworthy.db")
    estate = Estate(open_engine(tmp_path / "roadworthy.db"), tmp_path / "roadworthy.db")
    yield estate
    estate.engine.dispose()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=ENERGY,
    rolled=st.booleans(),
    gone=st.sets(st.integers(0, 3), min_size=1),
    season=st.sampled_from([0, 180]),
)
def test_the_sums_of_the_estate_stay_as_they_were(
    plain: Estate, told: list[tuple[int, int, str, str, int]], gone: set[int], season: int, *, rolled: bool
) -> None:
    """Whether or not the last days were rolled up, in summer and winter: erasing devices changes no site's energy."""
    at = NOW + season * DAY
    clean(plain)
    devices = [plain.device(site=f"Site {number % 2}") for number in range(4)]
    halves = []
    for number, ago, scope, quality, joules in told:
        start = int(at) // 1800 * 1800 - 1800 - ago * 5 * 3600
        energy = {"scope": scope, "quality": quality, "joules": joules}
        one = energy | {"counter_end_joules": joules, "source": "rapl"}
        halves.append(half_hour(devices[number], start, energy=[one]))
    put(plain.engine, halves)
    for one in halves:
        row = {"device": one.device, "day": one.start // DAY * DAY}
        with write_transaction(plain.engine) as connection:
            have = connection.scalar(select(func.count()).select_from(schema.dirty).filter_by(**row))
            if not have:
                connection.execute(insert(schema.dirty).values(row))
    later = at + DAY  # today's totals are settled too
    expected = rolled_up(plain, later) if rolled else None
    for number in gone:
        erase(plain, devices[number], later)
    after = rolled_up(plain, later)
    joules = sum(one[4] for one in told)
    assert sum(after[key] for key in after if key[0] == "utc") == joules
    assert sum(after[key] for key in after if key[0] == "local") == joules
    assert expected is None or +expected == +after


def rolled_up(estate: Estate, now: float) -> Counter[tuple[Any, ...]]:
    roll_up(Work(estate.engine, estate.settings(), clock=lambda: now, rests=False))
    return sums(estate)


def clean(estate: Estate) -> None:
    """Empty everything but the audit, which nothing empties."""
    with write_transaction(estate.engine) as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table.name not in {"estate", "audit", "audit_chain"}:
                connection.execute(delete(table))


def test_a_device_of_years_goes_in_pieces_and_the_sums_hold_between_them(plain: Estate) -> None:
    device, site = plain.device(), plain.site("HQ")
    blank = {f"{name}_seconds": 0 for name in ("in_use", "idle", "locked", "asleep", "off", "unobserved")}
    told = {"device": device, "site": site, "unit": 1, "periods": 48, "observed_seconds": 0, "startups": 0}
    told |= {"joules": {"cpu": {"sensor": 7}}, **blank}
    with write_transaction(plain.engine) as connection:
        for ago in range(1500):
            day = TODAY - ago * DAY
            connection.execute(insert(schema.days).values(day=day, **told))
            local = {"date": schema_date(day), "start": day, "half_hours": 48}
            connection.execute(insert(schema.local_days).values(**local, **told))
        erasure.begin(connection, estate_name(connection, device), reason="request 114", now=int(NOW))
    # Half-hours older than any daily total, as those of a device that was held: they go too.
    put(plain.engine, [half_hour(device, TODAY - 1600 * DAY)])
    before, pieces = sums(plain), 0
    # With a clock that stands each piece is twice the one before.
    work = Work(plain.engine, plain.settings(), monotonic=lambda: 0.0)

    def stop_after_some() -> float:
        nonlocal pieces
        pieces += 1
        assert sums(plain) == before
        if pieces == 8:
            work.stop.set()
        return NOW + WAIT_SECONDS

    work.clock = stop_after_some
    assert erase_due(work) == 0  # ended early; what is done is done, and the rest is still asked for
    with plain.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.devices)) == 1
        assert 0 < (connection.scalar(select(func.count()).select_from(schema.days)) or 0) < 1500
    work.stop.clear()
    assert erase_due(work) == 1
    assert pieces > 8
    assert sums(plain) == before
    with plain.engine.connect() as connection:
        for table in (schema.days, schema.local_days, schema.use_slots, schema.state_slots, schema.devices):
            assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_little_is_left_for_the_last_transaction(plain: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a device has thousands of goes in pieces of its own, and so do the charts."""
    many = ("startups", "battery_days", "gaps", "charts")
    device, other = plain.device(), plain.device()
    for one in (device, other):
        for number in range(30):
            plain.startup(one, start_id=f"boot-{number}")
            begin = TODAY + number
            plain.put(
                schema.gaps, device=one, begin=begin, end=begin + 1, kind="off", content_hash=b"12345678"
            )
    for number in range(30):
        plain.put(schema.charts, hash=f"{number:064}", spec={}, asked_at=TODAY, svg="x" * 10_000)
    left: dict[str, int] = {}

    def counted(connection: Any, *arguments: Any, **named: Any) -> bool:
        for name in many:
            table = schema.metadata.tables[name]
            query = select(func.count()).select_from(table)
            left[name] = connection.scalar(
                query.where(table.c.device == device) if "device" in table.c else query
            )
        return remove(connection, *arguments, **named)

    remove = erasure.remove
    monkeypatch.setattr(erasure, "remove", counted)
    with write_transaction(plain.engine) as connection:
        erasure.begin(connection, plain.device_id(device), reason="request 114", now=int(NOW))
    work = Work(plain.engine, plain.settings(), clock=lambda: NOW + WAIT_SECONDS, rests=False)
    assert erase_due(work) == 1
    assert left == dict.fromkeys(many, 0)
    with plain.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.startups)) == 30


def test_a_report_cannot_bring_it_back(estate: Estate) -> None:
    device = estate.device()
    with write_transaction(estate.engine) as connection:
        create_device_token(connection, device, now=int(NOW))
        erasure.begin(connection, estate_name(connection, device), reason="request 114", now=int(NOW))
        assert connection.scalar(select(func.count()).select_from(schema.tokens)) == 0
        with pytest.raises(ErasureError, match="its tokens may still be remembered"):
            erasure.finish(connection, device, now=NOW + WAIT_SECONDS - 1, zone=ZONE)
        assert erasure.list_due(connection, NOW + WAIT_SECONDS - 1) == []
        assert erasure.list_due(connection, NOW + WAIT_SECONDS) == [device]


def estate_name(connection: Any, device: int) -> str:
    return str(connection.scalar(select(schema.devices.c.device_id).where(schema.devices.c.id == device)))


def test_asked_twice_it_goes_on_where_it_stood(estate: Estate) -> None:
    device = estate.device()
    for _ in range(2):
        with write_transaction(estate.engine) as connection:
            erasure.begin(connection, estate_name(connection, device), reason="request 114", now=int(NOW))
    assert erase_due(Work(estate.engine, estate.settings(), clock=lambda: NOW + 10, rests=False)) == 1
    assert erase_due(Work(estate.engine, estate.settings(), clock=lambda: NOW + 10, rests=False)) == 0
    with write_transaction(estate.engine) as connection:
        assert not erasure.finish(connection, device, now=NOW + 20, zone=ZONE)


def test_what_cannot_be_erased(estate: Estate) -> None:
    device = estate.device()
    name = estate.device_id(device)
    with write_transaction(estate.engine) as connection:
        for who, values, said in (
            ("rwd_nobody", {}, "there is no device of that id"),
            (name, {"scope": frozenset()}, "there is no device of that id"),
            (name, {"reason": "x"}, "give a reason of 5 to 512"),
        ):
            with pytest.raises(ErasureError, match=said):
                erasure.begin(connection, who, **{"reason": "request 114", "now": int(NOW), **values})
        with pytest.raises(ErasureError, match="wait 6 s"):  # nobody asked for it
            erasure.finish(connection, device, now=NOW, zone=ZONE)


def test_retirement_keeps_the_facts(estate: Estate) -> None:
    device = estate.device(hostname="HQ-1")
    put(estate.engine, [half_hour(device, TODAY - DAY)])
    before = dump(estate)
    with write_transaction(estate.engine) as connection:
        assert retire(connection, estate.device_id(device), now=int(NOW))
    after = dump(estate)
    assert {name for name, rows in after.items() if rows != before[name]} == {
        "devices",
        "audit",
        "audit_chain",
    }
    assert "HQ-1" in after["devices"]


def test_the_command_erases_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "data" / "roadworthy.db"
    make_database(path)
    estate = Estate(open_engine(path), path)
    name = estate.device_id(estate.device(hostname=PLANTED))
    with write_transaction(estate.engine) as connection:
        create_enrol_key(connection, now=int(NOW))
    estate.engine.dispose()  # a command that opens the file in this process would take away its locks
    missing = call_here("devices", "erase", "rwd_nobody", "--reason", "request 114", folder=tmp_path)
    assert (missing.returncode, "Traceback" in missing.stderr) == (2, False)
    done = call("devices", "erase", name, "--reason", "request 114", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{name}: erased\n")
    assert call_json_here("devices", "list", folder=tmp_path) == []
    assert PLANTED not in "".join(dump(estate).values())
    estate.engine.dispose()
