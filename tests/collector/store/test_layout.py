"""The layout of half-hours: what goes in comes out, and a database of the layout before keeps every fact."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, select, text
from support import old_databases, postgres
from support.estates import NOW, Estate
from support.facts import half_hour, held, put

from roadworthy_collector.store import half_hours, schema, slots
from roadworthy_collector.store.engine import Database, open_engine, write_transaction
from roadworthy_collector.store.half_hours import Battery, Energy, HalfHour, Use
from roadworthy_collector.store.queries import away, facts
from roadworthy_collector.store.upgrade import upgrade

DAY = 86_400
TODAY = int(NOW) // DAY * DAY
STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")

ratio = st.integers(0, 10_000).map(lambda whole: whole / 10_000)
word = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=128)
quality = st.sampled_from(slots.QUALITIES)
use = st.builds(Use, ratio, st.none() | ratio, quality, word)
joules = st.integers(0, 1_000_000_000)
energy = st.builds(
    Energy,
    st.sampled_from(slots.SCOPES),
    joules,
    st.integers(0, 2**53 - 1),
    st.none() | st.integers(0, 1800),
    quality,
    word,
    st.none() | st.integers(0, 10_000).map(lambda whole: whole / 1000),
)
battery = st.builds(Battery, joules, st.integers(0, 1800), st.none() | joules, word)


@st.composite
def states(draw: st.DrawFn) -> tuple[int, ...]:
    cuts = sorted(draw(st.lists(st.integers(0, 1800), min_size=5, max_size=5)))
    return tuple(end - begin for begin, end in zip([0, *cuts], [*cuts, 1800], strict=True))


content = st.builds(
    HalfHour,
    device=st.integers(0, 2),
    start=st.integers(0, 3 * 48 - 1).map(lambda slot: TODAY + slot * 1800),
    observed_seconds=st.integers(0, 1800),
    samples=st.integers(0, 1800),
    cpu=st.none() | use,
    memory=st.none() | use,
    content_hash=st.binary(min_size=8, max_size=8),
    states=states(),
    energy=st.lists(energy, max_size=6, unique_by=lambda one: one.scope),
    battery=st.none() | battery,
    incomplete=st.booleans(),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(content, max_size=12, unique_by=lambda one: one[:2]), data=st.data())
def test_what_goes_in_comes_out_in_whatever_pieces(
    estate: Estate, found: list[HalfHour], data: st.DataObject
) -> None:
    estate.clear()
    devices = [estate.device() for _ in range(3)]
    placed = [one._replace(device=devices[one.device]) for one in found]
    cut = data.draw(st.integers(0, len(placed)))
    for some in (placed[:cut], placed[cut:]):
        put(estate.engine, some)
    expected = sorted(placed, key=lambda one: one[:2])
    with estate.engine.connect() as connection:
        periods = [row for device in devices for row in facts.periods(connection, device)]
        keys = [(one.device, one.start) for one in expected]
        assert half_hours.held(connection, keys) == {one[:2]: one.content_hash for one in expected}
        assert half_hours.held(connection, [(device, start + 3 * DAY) for device, start in keys]) == {}
    assert [row[:4] for row in periods] == [one[:4] for one in expected]
    assert [_use(row, "cpu") for row in periods] == [one.cpu for one in expected]
    assert [_use(row, "memory") for row in periods] == [one.memory for one in expected]
    assert [row[-2:] for row in periods] == [(one.content_hash, one.incomplete) for one in expected]
    told = [tuple(row[f"{name}_seconds"] for name in STATES) for row in held(estate.engine, "states")]
    assert told == [one.states for one in expected]
    drawn = sorted((one.device, scope.scope, one.start, *scope[1:]) for one in placed for scope in one.energy)
    assert sorted(tuple(row.values()) for row in held(estate.engine, "energy")) == drawn
    batteries = [(*one[:2], *one.battery) for one in expected if one.battery is not None]
    assert [tuple(row.values()) for row in held(estate.engine, "battery_use")] == batteries
    _counters_are_the_newest(estate, placed)


def _use(row: Any, name: str) -> Use | None:
    if getattr(row, f"{name}_mean_ratio") is None:
        return None
    return Use(*(getattr(row, f"{name}_{part}") for part in ("mean_ratio", "p95_ratio", "quality", "source")))


def _counters_are_the_newest(estate: Estate, found: list[HalfHour]) -> None:
    newest: dict[tuple[int, str], int] = {}
    for one in sorted(found, key=lambda one: one.start):
        newest |= {(one.device, scope.scope): scope.counter_end_joules for scope in one.energy}
    with estate.engine.connect() as connection:
        rows = connection.execute(select(schema.energy_counters)).all()
    assert {(row.device, row.scope): row.counter_end_joules for row in rows} == newest


def test_past_the_last_number_new_sources_are_one(estate: Estate) -> None:
    device = estate.device()
    estate.put(schema.sources, id=slots.MAX_SOURCE - 2, source="an old one")
    one = {"scope": "cpu", "joules": 1, "counter_end_joules": 1, "quality": "sensor"}
    for slot, source in enumerate(("an old one", "the last", "another", "the last")):
        put(estate.engine, [half_hour(device, TODAY + slot * 1800, energy=[{**one, "source": source}])])
    found = [row["source"] for row in held(estate.engine, "energy")]
    assert found == ["an old one", "the last", "(more)", "the last"]


def test_a_device_that_is_forgotten_leaves_the_others(estate: Estate) -> None:
    mine, other = estate.device(), estate.device()
    day = {f"{name}_seconds": 0 for name in STATES} | {"periods": 1, "observed_seconds": 1, "startups": 0}
    for device in (mine, other):
        put(estate.engine, [half_hour(device, TODAY - back * DAY) for back in (0, 1, 29)])
        placed = {"device": device, "site": 1, "unit": 1, **day}
        estate.put(schema.days, day=TODAY - 700 * DAY, **placed)
        estate.put(schema.local_days, date="2025-01-01", start=0, half_hours=48, **placed)
    with write_transaction(estate.engine) as connection:
        half_hours.forget(connection, mine, range(TODAY - 800 * DAY, TODAY + DAY, DAY))
    assert {row["device"] for kind in ("periods", "states") for row in held(estate.engine, kind)} == {other}
    with estate.engine.connect() as connection:
        for table in (schema.days, schema.local_days):
            assert connection.scalars(select(table.c.device)).all() == [other]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield where a database may be made."""
    if request.param == "sqlite":
        yield tmp_path / "roadworthy.db"
        return
    url: URL = postgres.fresh_database(empty=True)
    yield url
    postgres.drop_database(url)


def old_rows() -> dict[str, list[dict[str, Any]]]:
    """Return what a database of the layout before held: two devices, two days, everything that can be missing."""
    starts = [TODAY - DAY + slot * 1800 for slot in (0, 5, 47)] + [TODAY]
    use = {
        "cpu_mean_ratio": 0.1234, "cpu_p95_ratio": None, "cpu_quality": "sensor", "cpu_source": "psutil.cpu_times",
        "memory_mean_ratio": None, "memory_p95_ratio": None, "memory_quality": None, "memory_source": None,
    }  # fmt: skip
    energy = {
        "counter_end_joules": 2**53 - 1,
        "covered_seconds": None,
        "quality": "metered",
        "source": "ups:1",
    }
    error = {"covered_seconds": 1799, "quality": "sensor", "source": "rapl", "relative_error": 0.05}
    totals = {f"{name}_seconds": number for number, name in enumerate(STATES)} | {
        "site": 1, "unit": 1, "periods": 48, "observed_seconds": 86_400, "cpu_mean_ratio": 0.25,
        "memory_mean_ratio": None, "startups": 2, "startup_seconds_sum": 61.5, "startup_seconds_max": 40.25,
        "joules": {"wall": {"metered": 5_000_000_000}, "cpu": {"sensor": 7, "modelled": 9}},
    }  # fmt: skip
    device = {"site": 1, "unit": 1, "enrolled_at": 0, "device_class": "laptop", "environment": "physical"}
    return {
        "sites": [{"id": 1, "name": "HQ", "kind": "force", "restricted": False}],
        "units": [{"id": 1, "name": "IT", "valid_from": 0}],
        "devices": [
            {"id": number, "device_id": f"rwd_{number}", "system_medium": "ssd", **device} for number in (1, 2)
        ],
        "periods": [
            {
                "device": 1, "start": start, "observed_seconds": 1700, "samples": 29, "content_hash": b"%08d" % number,
                "incomplete": number == 2, **use,
            }
            for number, start in enumerate(starts)
        ],
        "state_periods": [
            {"device": 1, "start": start, **{f"{name}_seconds": 300 for name in STATES}} for start in starts
        ],
        "energy_periods": [
            {"device": 1, "scope": "cpu", "start": starts[0], "joules": 5, "counter_end_joules": 900, **error},
            {"device": 1, "scope": "cpu", "start": starts[3], "joules": 5, "counter_end_joules": 950, **error},
            # Without a half-hour of its own: held all the same.
            {"device": 2, "scope": "wall", "start": starts[1], "joules": 10**9, "relative_error": None, **energy},
        ],
        "energy_days": [
            {"device": 2, "scope": "cpu", "day": TODAY, "joules": 5, "counter_end_joules": 77, **error}
        ],
        "battery_use": [
            {
                "device": 1, "start": TODAY, "length_seconds": length, "discharge_joules": 18_000,
                "discharge_seconds": 900, "cpu_joules": cpu, "source": "BAT0",
            }
            for length, cpu in ((1800, None), (86_400, 9))
        ],
        "days": [{"device": 1, "day": TODAY - DAY, **totals}, {"device": 2, "day": 0, **totals, "joules": None}],
        "local_days": [
            {"device": 1, "date": "2026-03-29", "start": 1_774_742_400, "half_hours": 46, **totals},
            {"device": 1, "date": "2026-07-01", "start": 1_782_860_400, "half_hours": 48, **totals},
            # Kept as a UTC day too, and now as that alone.
            {"device": 1, "date": "2026-01-05", "start": 1_767_571_200, "half_hours": 48, **totals},
        ],
        "dirty": [{"device": 1, "day": TODAY}],
    }  # fmt: skip


def test_a_database_of_the_layout_before_keeps_every_fact(place: Database) -> None:
    before = old_databases.make_at(place, "0003")
    old = old_rows()
    for table, rows in old.items():
        old_databases.insert(before, table, rows)
    before.dispose()
    upgrade(place, clock=lambda: NOW)
    engine = open_engine(place)
    assert held(engine, "periods") == _sorted(old["periods"], "start")
    assert held(engine, "states") == _sorted(old["state_periods"], "start")
    assert held(engine, "energy") == _sorted(old["energy_periods"], "device", "scope", "start")
    whole = [
        {"day": row.pop("start"), **row} for row in old["battery_use"] if row.pop("length_seconds") == DAY
    ]
    assert held(engine, "battery_use") == [row for row in old["battery_use"] if "start" in row]
    for table, rows in {
        **{name: old[name] for name in ("days", "dirty")},
        "local_days": old["local_days"][:2],
        "battery_days": whole,
    }.items():
        assert _rows(engine, table, rows[0]) == _sorted(rows, *list(rows[0])[:2]), table
    counters = [(1, "cpu", TODAY + 1800, "sensor", 950), (2, "cpu", TODAY + DAY, "sensor", 77)]
    counters.append((2, "wall", TODAY - DAY + 6 * 1800, "metered", 2**53 - 1))
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(select(schema.energy_counters))] == counters
        # Their site half-hours are still to be made.
        assert connection.scalars(select(schema.site_dirty.c.day)).all() == [TODAY - DAY, TODAY]
    engine.dispose()


def _sorted(rows: list[dict[str, Any]], *keys: str) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [row[key] for key in keys])


def _rows(engine: Any, table: str, like: dict[str, Any]) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(select(schema.metadata.tables[table])).mappings()
        rows = [{name: row[name] for name in like} for row in found]
    return _sorted(rows, *list(like)[:2])


@pytest.mark.parametrize(("first_gap", "is_whole"), [("2025-03-20", True), ("2025-06-02", False)])
def test_a_database_of_the_version_before_says_since_when_its_gaps_are_whole(
    place: Database, first_gap: str, *, is_whole: bool
) -> None:
    before = old_databases.make_at(place, "0013")
    first_day, end = (
        int(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()) for day in ("2025-03-10", first_gap)
    )
    zero = {f"{name}_seconds": 0 for name in (*STATES, "observed")}
    total = {"day": first_day // DAY, "device": 1, "site": 9, "unit": 9, "periods": 0, "startups": 0, **zero}
    row = {"site": 9, "unit": 9, "enrolled_at": 0, "device_class": "desktop", "environment": "physical"}
    gap = {"kind": "off", "content_hash": b"8" * 8}
    hold = {"reason": "an inquiry", "asked_by": "ada", "asked_at": 0, "lapses_at": 9, "expires_at": 9}
    with write_transaction(before) as connection:
        for table, values in (
            ("sites", {"id": 9, "name": "HQ", "kind": "force", "restricted": False}),
            ("units", {"id": 9, "name": "IT", "valid_from": 0}),
            *(("devices", {"id": n, "device_id": f"rwd_{n}", "system_medium": "ssd", **row}) for n in (1, 2)),
            ("days", total),
            ("gaps", {"device": 1, "begin": end - 3600, "end": end, **gap}),
            ("gaps", {"device": 2, "begin": first_day, "end": first_day + 9, **gap}),
            ("holds", {"id": 1, **hold}),
            ("hold_devices", {"hold": 1, "device": 2}),  # its gaps stay for longer
        ):
            names = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join(f":{name}" for name in values)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)  # noqa: S608 - constants
    before.dispose()
    upgrade(place, clock=lambda: NOW)
    engine = open_engine(place)
    with engine.connect() as connection:
        # Gaps from before the first that is left may have gone uncounted, and months of then are not made anew.
        assert away.whole_from(connection) == (0 if is_whole else end)
    engine.dispose()
