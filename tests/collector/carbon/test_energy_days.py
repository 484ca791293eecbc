"""A day and its half-hours at the wall: sums that close to the joule, clocks that change, who may see one person's."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select
from support import facts
from support.estates import Estate
from support.people import Person
from support.web import client_of
from typer.testing import CliRunner

from roadworthy_collector.carbon import (
    energy_day_shown,
    energy_days,
    energy_facts,
    energy_half_hours,
    plug_store,
    power,
)
from roadworthy_collector.carbon.energy_day_shown import Asked, Who
from roadworthy_collector.carbon.estate import parse_period
from roadworthy_collector.carbon.fed import Fed, FedDay
from roadworthy_collector.cli import app
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.ledger import QUALITIES
from roadworthy_inventory.carbon.server_power import Server
from roadworthy_inventory.replacement_inputs import Range

ZONE = "Europe/London"
NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
KWH = 3_600_000
SHORT, LONG, PLAIN = dt.date(2026, 3, 29), dt.date(2025, 10, 26), dt.date(2026, 4, 15)
MACHINE = Who("command line", may_read_history=True)
_spec = importlib.util.spec_from_file_location("test_energy", Path(__file__).with_name("test_energy.py"))
assert _spec is not None
assert _spec.loader is not None
ledger = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(ledger)


def tell(estate: Estate, device: int, date: dt.date, *, halves: bool = True, **place: Any) -> None:
    """Put a day in which a device is in use from 09:00 for four hours, locked for one and off; and its half-hours."""
    span = local_day(date, ZONE)
    states = []
    for start in span.starts():
        hour = dt.datetime.fromtimestamp(start, ZoneInfo(ZONE)).hour
        states.append("in_use" if 9 <= hour < 13 else "locked" if hour == 13 else "off")
    seconds = {name: 1800 * states.count(name) for name in ledger.DAY}
    ledger.told(estate, device, date.isoformat(), seconds=seconds, **place)
    if halves:
        some = [
            facts.half_hour(
                device, start, observed_seconds=0 if state == "off" else 1800, **{f"{state}_seconds": 1800}
            )
            for start, state in zip(span.starts(), states, strict=True)
        ]
        facts.put(estate.engine, some)


def fill(estate: Estate) -> None:
    estate.site("Cells", restricted=True)
    enrolled = int(dt.datetime(2025, 9, 1, tzinfo=dt.UTC).timestamp())
    for number in range(6):
        one = estate.device(device_class="desktop", model=f"M{number % 2}", enrolled_at=enrolled)
        for date in (SHORT, LONG, PLAIN):
            tell(estate, one, date, halves=number != 5)  # the last is of daily policy
    alone = estate.device(device_class="laptop", site="North", unit="CID", enrolled_at=enrolled)
    hidden = estate.device(device_class="desktop", site="Cells", unit="Custody", enrolled_at=enrolled)
    tell(estate, alone, PLAIN, site="North", unit="CID")
    tell(estate, hidden, PLAIN, site="Cells", unit="Custody")
    ledger.made(estate, NOW)


@pytest.fixture
def filled(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(fill)


def work_of(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


def day(estate: Estate, date: dt.date = PLAIN, by: Any = "half-hour", **asked: Any) -> dict[str, Any]:
    return energy_day_shown.day(work_of(estate), Asked(date, by, **asked), MACHINE)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_shares_add_up_whatever_the_weights(amount: int, weights: list[int]) -> None:
    found = energy_half_hours.shares(amount, weights)
    assert sum(found) == amount
    assert min(found) >= 0
    whole = sum(weights) or len(weights)
    for share, weight in zip(found, weights if any(weights) else [1] * len(weights), strict=True):
        assert abs(share - amount * weight / whole) <= 1 + 1e-9 * amount


def test_half_hours_add_up_to_the_day_to_the_joule(filled: Estate) -> None:
    for date, periods in ((SHORT, 46), (PLAIN, 48), (LONG, 50)):
        closes(filled, date, periods)


def closes(filled: Estate, date: dt.date, periods: int) -> None:
    work = work_of(filled)
    days = [one for some in energy_days.read(work, date) for one in some]
    shapes = energy_days.half_hours(work, date, days)
    for one, shape in zip(days, shapes, strict=True):
        for quality, some in zip(QUALITIES, shape.joules, strict=True):
            assert len(some) == periods
            assert sum(some) == one.entry.joules[quality]
    sums = energy_half_hours.by_half_hour(local_day(date, ZONE).starts(), shapes).values()
    for model, off in energy_days.total_of(days).shared.items():
        assert sum(one.total.shared[model].up for one in sums) == pytest.approx(off.up)
    told = day(filled, date)
    assert sum(row["joules"] for row in told["rows"]) == energy_days.total_of(days).wall_joules
    # Used from nine: no half-hour of the night draws what one of the morning does.
    by_title = {row["title"][:5]: row["kwh"] for row in told["rows"]}
    assert by_title["09:00"] > 5 * by_title["03:00"] > 0


def test_every_way_adds_up_to_the_day(filled: Estate) -> None:
    whole = day(filled)["kwh"]
    for by in ("site", "unit", "class", "model", "place", "quality", "day"):
        told = day(filled, by=by)
        assert sum(row["kwh"] for row in told["rows"]) == pytest.approx(told["kwh"], abs=0.005)
        assert told["kwh"] == pytest.approx(whole)
        assert "Cells" not in json.dumps(told)
        assert "Custody" not in json.dumps(told)


def test_days_add_up_to_the_month_and_months_to_the_year(filled: Estate) -> None:
    rows = energy_day_shown.days(work_of(filled), parse_period("2026-04"))
    assert len(rows) == 30
    assert {row["title"] for row in rows if row["kwh"] is not None} == {"2026-04-15"}  # the others: unknown
    month = ledger.read(filled, "2026-04").total
    assert sum(row["kwh"] or 0 for row in rows) == pytest.approx(float(month.kwh), abs=0.001)
    # A device's own error is the same every day, and a model's all day long: in a straight line both.
    assert sum(row["high_kwh"] or 0 for row in rows) == pytest.approx(month.high_joules / KWH, abs=0.001)
    year = ledger.read(filled, "2025/26").total
    assert sum(day(filled, date)["kwh"] for date in (SHORT, LONG)) == pytest.approx(
        float(year.kwh), abs=0.001
    )
    with pytest.raises(RoadworthyError, match="a month at a time"):
        energy_day_shown.days(work_of(filled), parse_period("2026/27"))


def test_a_device_of_daily_policy_is_spread_by_its_class(filled: Estate) -> None:
    told = day(filled, SHORT)
    # Six alike, one without half-hours: its day has the others' profile, and says that its time of day is modelled.
    assert told["spread_kwh"] == pytest.approx(told["kwh"] / 6, abs=0.001)
    assert told["even_kwh"] == 0
    assert all(row["spread_kwh"] == pytest.approx(row["kwh"] / 6, abs=0.001) for row in told["rows"])


def test_a_page_does_not_wait_for_too_many_devices(filled: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy_day_shown, "_MOST_ONLINE", {True: 7, False: 8})
    online = Who("vi", may_read_history=False, waits=True)
    with pytest.raises(RoadworthyError, match="8 devices are more than a page waits for"):
        energy_day_shown.day(work_of(filled), Asked(PLAIN), online)
    assert energy_day_shown.day(work_of(filled), Asked(PLAIN, "class"), online)["devices"] == 8
    assert len(energy_day_shown.day(work_of(filled), Asked(PLAIN, site="HQ"), online)["rows"]) == 48
    assert len(day(filled)["rows"]) == 48  # the command's


def test_one_persons_half_hours_take_a_right_and_a_reason(filled: Estate) -> None:
    with filled.engine.connect() as connection:
        alone = connection.scalar(
            select(schema.devices.c.device_id).where(schema.devices.c.device_class == "laptop")
        )
    assert day(filled, by="site", site="North")["devices"] == 1
    for asked in ({"site": "North"}, {"device": alone}, {"by": "device"}):
        with pytest.raises(RoadworthyError, match="give a reason"):
            day(filled, **asked)
        wanted = Asked(PLAIN, **{"by": "half-hour", "reason": "an enquiry"} | asked)
        with pytest.raises(RoadworthyError, match="your role does not include"):
            energy_day_shown.day(work_of(filled), wanted, Who("vi", may_read_history=False))
    assert len(day(filled, device=alone, reason="a fault is looked for")["rows"]) == 48
    with filled.engine.connect() as connection:
        (row,) = connection.execute(select(schema.audit).where(schema.audit.c.action == "device.open")).all()
    assert (row.subject, row.actor) == (alone, "command line")
    for asked in ({"site": "Cells"}, {"site": "Nowhere"}, {"device": "rwd_none"}):
        with pytest.raises(NotFoundError):
            day(filled, **asked, reason="an enquiry")
    with pytest.raises(RoadworthyError, match="has not begun"):
        day(filled, dt.date(2026, 6, 11))
    with pytest.raises(RoadworthyError, match="no agent told anything before"):
        day(filled, dt.date(188, 6, 6))
    untold = day(filled, dt.date(2026, 5, 1))
    assert (untold["kwh"], untold["rows"]) == (None, [])  # not known, and not nought


def away(estate: Estate, device: int, date: dt.date, kind: str = "off") -> None:
    """Put a gap from the evening before a day to the morning after it."""
    span = local_day(date, ZONE)
    place = {"begin": span.start - 6 * 3600, "end": span.end + 8 * 3600, "kind": kind}
    estate.put(schema.gaps, device=device, basis="boot_id_changed", content_hash=b"8" * 8, **place)


def test_devices_that_were_off_all_day_hide_nobody(estate: Estate) -> None:
    enrolled = int(dt.datetime(2025, 9, 1, tzinfo=dt.UTC).timestamp())
    some = [estate.device(device_class="desktop", model="M1", enrolled_at=enrolled) for _ in range(5)]
    tell(estate, some[0], PLAIN)
    for one in some[1:]:
        away(estate, one, PLAIN)
    assert day(estate, by="site")["devices"] == 5
    for asked in ({}, {"site": "HQ"}):
        with pytest.raises(RoadworthyError, match="give a reason"):
            day(estate, **asked)
    assert len(day(estate, reason="a fault is looked for")["rows"]) == 48
    # The night before, none of four was on: that says who was away.
    before = PLAIN - dt.timedelta(days=1)
    for one in some[1:]:
        away(estate, one, before - dt.timedelta(days=1))
    with pytest.raises(RoadworthyError, match="give a reason"):
        day(estate, before - dt.timedelta(days=1))
    # Five that were all off draw a flat line.
    away(estate, some[0], before - dt.timedelta(days=1))
    rows = day(estate, before - dt.timedelta(days=1))["rows"]
    assert max(row["joules"] for row in rows) - min(row["joules"] for row in rows) <= 5


def test_too_many_are_refused_before_their_gaps_are_read(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled = int(dt.datetime(2025, 9, 1, tzinfo=dt.UTC).timestamp())
    for site in ("HQ", "HQ", "HQ", "North"):
        one = estate.device(device_class="desktop", model="M1", site=site, enrolled_at=enrolled)
        away(estate, one, PLAIN)
    estate.device(device_class="desktop", model="M1", last_report_at=0)  # cannot have told of the day
    monkeypatch.setattr(energy_day_shown, "_MOST_ONLINE", {True: 3, False: 3})
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        asked.append(statement)

    event.listen(estate.engine, "before_cursor_execute", note)
    online = Who("vi", may_read_history=False, waits=True)
    try:
        with pytest.raises(RoadworthyError, match="4 devices are more than a page waits for"):
            energy_day_shown.day(work_of(estate), Asked(PLAIN, "class"), online)
        assert asked
        assert not any("FROM gaps" in statement for statement in asked)
        told = energy_day_shown.day(work_of(estate), Asked(PLAIN, "class", "HQ"), online)
        assert told["devices"] == 3
        assert any("FROM gaps" in statement for statement in asked)
    finally:
        event.remove(estate.engine, "before_cursor_execute", note)


def test_a_day_nobody_can_explain_is_not_known_and_not_nought(estate: Estate) -> None:
    enrolled = int(dt.datetime(2025, 9, 1, tzinfo=dt.UTC).timestamp())
    some = [estate.device(device_class="desktop", model="M1", enrolled_at=enrolled) for _ in range(5)]
    for one in some:
        away(estate, one, SHORT, "unobserved")
    told = day(estate, SHORT)
    assert (told["kwh"], told["high_kwh"], told["spread_kwh"], told["rows"]) == (None, None, None, [])
    assert told["by_quality"]["modelled"] == {"kwh": None, "share": None}
    assert (told["devices"], told["unknown_hours"]) == (5, 5 * 23)
    (row,) = day(estate, SHORT, "day")["rows"]
    assert row["kwh"] is None
    month = {
        row["title"]: row["kwh"] for row in energy_day_shown.days(work_of(estate), parse_period("2026-03"))
    }
    assert set(month.values()) == {None}
    # A class nobody has watts of is not known beside one that is.
    tell(estate, some[0], PLAIN)
    network = estate.device(device_class="network", model="U1", enrolled_at=enrolled)
    tell(estate, network, PLAIN)
    first, last = day(estate, PLAIN, "device", reason="an enquiry")["rows"]
    assert (first["key"], first["reason"]) == (estate.device_id(some[0]), None)
    assert first["kwh"] > 0
    assert (last["key"], last["kwh"], last["by_quality"]["assumed"]["kwh"]) == (
        estate.device_id(network), None, None,
    )  # fmt: skip
    assert "not known" in last["reason"]


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_by_the_command_and_the_api(filled: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(filled.path.parent))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["carbon", "energy", *words])

    told = json.loads(run("--year", "2025-10-26", "--format", "json").output)
    assert len(told["rows"]) == 50
    said = run("--year", "2025-10-26").output
    assert "01:00 BST" in said
    assert "01:00 GMT" in said
    assert "spread by the profile of their class (modelled)" in said
    assert len(json.loads(run("--year", "2026-04", "--by", "day", "--format", "json").output)["rows"]) == 30
    assert "M1" in run("--year", "2026-04-15", "--by", "model").output
    assert "2026-04-15" in run("--year", "2026-04", "--by", "day", "--format", "csv").output
    assert len(json.loads(run("--year", "2026-04", "--by", "device", "--format", "json").output)["rows"]) == 7
    assert "of one day" in str(run("--year", "2026-04", "--by", "half-hour").exception)
    client = client_of(filled.engine, tmp_path, NOW)
    viewer = Person(filled.engine, "vi", "viewer", now=NOW)
    desk = Person(filled.engine, "desk", "service_desk", now=NOW)
    path = "/api/v1/carbon/energy/day?date=2026-04-15"
    answer = client.get(f"{path}&site=HQ", **viewer.bearer)
    assert (answer.status_code, len(answer.json()["rows"])) == (200, 48)
    assert client.get(f"{path}&site=North", **viewer.bearer).status_code == 422
    assert client.get(f"{path}&site=North", **desk.bearer).status_code == 422
    assert client.get(f"{path}&site=North&reason=an+enquiry", **desk.bearer).status_code == 200
    assert client.get(f"{path}&site=Cells", **desk.bearer).status_code == 404
    shown = client.get("/carbon/day?date=2025-10-26&site=HQ", **viewer.cookie)
    assert (shown.status_code, shown.text.count("<tr")) == (200, 51)
    assert "Cells" not in shown.text
    assert shown.text.count("<table") == shown.text.count("<caption")
    refused = client.get("/carbon/day?date=2026-04-15&site=North", **viewer.cookie)
    assert (refused.status_code, "may be about one person" in refused.text) == (422, True)
    assert client.get("/carbon/day?date=soon", **viewer.cookie).status_code == 422
    assert client.get("/carbon/day", **viewer.cookie).status_code == 200
    client.close()


def test_one_persons_half_hours_are_not_lent_to_others(estate: Estate) -> None:
    enrolled = int(dt.datetime(2025, 9, 1, tzinfo=dt.UTC).timestamp())
    some = [estate.device(device_class="desktop", model="M1", enrolled_at=enrolled) for _ in range(6)]
    for place, one in enumerate(some):
        tell(estate, one, PLAIN, halves=place < 4)  # the others are of daily policy
    assert day(estate, by="site")["devices"] == 6
    with pytest.raises(RoadworthyError, match="give a reason"):
        day(estate)
    told = day(estate, reason="a fault is looked for")
    # Four tell too little for a profile: the two others' time of day is not known, and their days are spread evenly.
    assert told["even_kwh"] == told["spread_kwh"] == pytest.approx(told["kwh"] / 3, abs=0.001)
    even = {row["even_kwh"] for row in told["rows"]}
    assert max(even) - min(even) <= 0.001
    # Five that were on tell enough; one more that was off all day does not make them five.
    tell(estate, estate.device(device_class="desktop", model="M1", enrolled_at=enrolled), SHORT, halves=False)
    for one in some[:4]:
        tell(estate, one, SHORT)
    away(estate, some[4], SHORT)
    assert day(estate, SHORT, reason="a fault is looked for")["even_kwh"] > 0
    for one in some[:5]:
        tell(estate, one, LONG)
    tell(estate, some[5], LONG, halves=False)
    assert (day(estate, LONG)["even_kwh"], len(day(estate, LONG)["rows"])) == (0, 50)


@pytest.mark.parametrize("metered", [6, 1])
def test_metered_devices_of_a_class_without_published_watts_keep_their_energy(
    estate: Estate, metered: int
) -> None:
    enrolled = int(dt.datetime(2025, 9, 1, tzinfo=dt.UTC).timestamp())
    some = [estate.device(device_class="thin_client", model="S1", enrolled_at=enrolled) for _ in range(6)]
    for one in some:
        tell(estate, one, PLAIN)
    with write_transaction(estate.engine) as connection:
        for one in some[:metered]:
            plug_store.add(connection, one, {PLAIN: KWH}, 1, int(NOW))
    ledger.made(estate, NOW)
    told = day(estate)
    assert [row["kwh"] for row in told["rows"]] == [pytest.approx(metered / 48, abs=0.001)] * 48
    assert told["kwh"] == told["even_kwh"] == pytest.approx(metered)


def test_a_half_hour_nobody_knows_is_not_nought(estate: Estate, tmp_path: Path) -> None:
    enrolled = int(dt.datetime(2025, 9, 1, tzinfo=dt.UTC).timestamp())
    for _ in range(5):
        one = estate.device(device_class="desktop", model="M1", enrolled_at=enrolled)
        start = local_day(PLAIN, ZONE).start
        seconds = {"in_use": 7200, "unobserved": 1800}
        ledger.told(estate, one, PLAIN.isoformat(), seconds=dict.fromkeys(ledger.DAY, 0) | seconds)
        halves = [
            facts.half_hour(one, start + at * 1800, observed_seconds=1800, in_use_seconds=1800)
            for at in range(20, 24)
        ]
        blind = facts.half_hour(one, start + 24 * 1800, observed_seconds=0, in_use_seconds=0)
        facts.put(estate.engine, [*halves, blind])
    rows = day(estate)["rows"]
    assert [at for at, row in enumerate(rows) if row["kwh"] is not None] == [20, 21, 22, 23]
    assert rows[24] == {
        "key": str(local_day(PLAIN, ZONE).start + 24 * 1800), "title": "12:00 BST", "joules": None, "kwh": None,
        "low_kwh": None, "high_kwh": None, "spread_kwh": None, "even_kwh": None, "corrected_kwh": None,
        "by_quality": {name: {"kwh": None, "share": None} for name in QUALITIES},
    }  # fmt: skip
    viewer = Person(estate.engine, "vi", "viewer", now=NOW)
    client = client_of(estate.engine, tmp_path, NOW)
    page = client.get(f"/carbon/day?date={PLAIN}", **viewer.cookie).text
    client.close()
    assert page.count("not known") == 44
    assert "0.000 to" not in page


def test_a_sites_day_reads_no_gap_of_other_sites(estate: Estate) -> None:
    enrolled = int(dt.datetime(2025, 9, 1, tzinfo=dt.UTC).timestamp())
    some = [
        estate.device(device_class="desktop", model="M1", site=site, enrolled_at=enrolled)
        for site in ("HQ", "North", "HQ")
    ]
    for one in some:
        away(estate, one, PLAIN)
    asked: list[Any] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_others: Any) -> None:
        if "FROM gaps" in statement:
            asked.append(str(parameters))

    event.listen(estate.engine, "before_cursor_execute", note)
    try:
        found = [
            one.machine.id
            for part in energy_days.read(work_of(estate), PLAIN, site=estate.site("HQ"))
            for one in part
        ]
    finally:
        event.remove(estate.engine, "before_cursor_execute", note)
    assert found == [some[0], some[2]]
    with estate.engine.connect() as connection:
        told, _ = energy_facts.read_told(
            connection, PLAIN, PLAIN, ZONE, frozenset({some[0], some[2]}), Fed(), now=NOW
        )
    assert sorted(told) == [some[0], some[2]]


_SECONDS = st.integers(0, 300)


@given(
    item_class=st.sampled_from(["desktop", "laptop", "server", "ups", "virtual_machine"]),
    seconds=st.none() | st.tuples(*[_SECONDS] * 5),
    observed=st.integers(0, 1800),
    ratio=st.none() | st.floats(0, 1),
    joules=st.none()
    | st.dictionaries(
        st.sampled_from(["cpu", "machine", "wall", "memory"]), st.tuples(*[st.integers(0, 10**6)] * 4)
    ),
    taught=st.booleans(),
    is_known_server=st.booleans(),
)
def test_half_hours_draw_what_the_ledgers_models_say(
    item_class: str,
    seconds: tuple[int, ...] | None,
    observed: int,
    ratio: float | None,
    joules: dict[str, tuple[int, int, int, int]] | None,
    *,
    taught: bool,
    is_known_server: bool,
) -> None:
    made = dt.date(2021, 3, 1)
    server = Server(chips=2, cores=32, memory_gb=256, made=made) if is_known_server else None
    machine = power.Machine(1, item_class, "M1", 1, 1, made, None, made, server)
    rest = RestOfMachine(Range(5.0, 9.0, 12.0), 4, 1.5) if taught else None
    states = None if seconds is None else (*seconds, 1800 - sum(seconds))
    half = energy_half_hours.Half(observed, ratio, states, joules)
    told = power.Told()
    spent = states or (0,) * 6
    by_scope = {scope: dict(zip(QUALITIES, some, strict=True)) for scope, some in (joules or {}).items()}
    told.add(FedDay(0, 0, observed, *spent, ratio, by_scope))
    entry = power.entry(machine, told, rest)
    mine = energy_half_hours.draws(machine, energy_half_hours.watts_of(machine), half, rest)
    assert [entry.joules[name] for name in QUALITIES] == pytest.approx(list(mine or (0,) * 4), abs=2)
    if mine is None:
        assert entry.unknown_seconds == pytest.approx(
            sum(spent[:5]) + max(observed - sum(spent[:3]), spent[5])
        )
