from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, insert, select, update
from support.estates import NOW, Estate
from support.facts import half_hour, put

from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import half_hours, schema
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES, mark_dirty, set_pruned_before

TODAY = int(NOW) // DAY_SECONDS * DAY_SECONDS
YESTERDAY = TODAY - DAY_SECONDS


def work(estate: Estate, now: float = NOW) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: now, rests=False)


def add_period(estate: Estate, device: int, start: int, **values: Any) -> None:
    """Put in a half-hour with its states as ingest would, and mark the day."""
    put(estate.engine, [half_hour(device, start, **values)])
    mark(estate, device, start)


def mark(estate: Estate, device: int, at: float) -> None:
    with write_transaction(estate.engine) as connection:
        day = int(at) // DAY_SECONDS * DAY_SECONDS
        connection.execute(
            schema.dirty.delete().where(schema.dirty.c.device == device, schema.dirty.c.day == day)
        )
        connection.execute(insert(schema.dirty).values(device=device, day=day))


def days(estate: Estate) -> dict[tuple[int, int], Any]:
    with estate.engine.connect() as connection:
        return {(row.device, row.day): row for row in connection.execute(select(schema.days))}


def pending(estate: Estate) -> int:
    with estate.engine.connect() as connection:
        return len(connection.execute(select(schema.dirty)).all())


period = st.fixed_dictionaries(
    {
        "device": st.integers(0, 3),
        "slot": st.integers(0, 3 * 48 - 1),
        "observed_seconds": st.integers(0, 1800),
        "in_use_seconds": st.integers(0, 1800),
        "cpu": st.one_of(st.none(), st.integers(0, 10_000).map(lambda whole: whole / 10_000)),
        "joules": st.one_of(st.none(), st.integers(0, 10**6)),
    }
)
startup = st.tuples(
    st.integers(0, 3),
    st.integers(0, 3 * DAY_SECONDS - 1),
    st.one_of(st.none(), st.floats(0, 7200)),
    st.booleans(),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.lists(period, max_size=15, unique_by=lambda row: (row["device"], row["slot"])),
    late=st.lists(period, max_size=5, unique_by=lambda row: (row["device"], row["slot"])),
    started=st.lists(startup, max_size=8),
)
def test_days_are_what_the_facts_add_up_to(
    estate: Estate,
    found: list[dict[str, Any]],
    late: list[dict[str, Any]],
    started: list[tuple[int, int, float | None, bool]],
) -> None:
    """Estate = sum of sites = sum of devices = sum of facts; rolling up again changes nothing; late data does."""
    estate.clear()
    devices = [estate.device(site=f"site {number % 2}") for number in range(4)]
    first = TODAY - 2 * DAY_SECONDS
    for number, offset, total, final in started:
        at = float(first + offset)
        estate.startup(devices[number], started_at=at, total_seconds=total, final=final)
        mark(estate, devices[number], at)
    facts: list[dict[str, Any]] = []
    held = {(row["device"], row["slot"]) for row in found}
    for batch in (found, [row for row in late if (row["device"], row["slot"]) not in held]):
        for row in batch:
            _put(estate, devices[row["device"]], first + row["slot"] * 1800, row)
        facts += batch
        assert roll_up(work(estate)) >= bool(batch)
        assert pending(estate) == 0
        _holds(estate, devices, first, facts, started)
    before = days(estate)
    for device, day in before:
        mark(estate, device, day)
    roll_up(work(estate))
    assert days(estate) == before


def _put(estate: Estate, device: int, start: int, row: dict[str, Any]) -> None:
    energy = {"scope": "cpu", "counter_end_joules": 1, "quality": "sensor", "source": "rapl:package-0"}
    add_period(
        estate,
        device,
        start,
        observed_seconds=row["observed_seconds"],
        in_use_seconds=row["in_use_seconds"],
        cpu_mean_ratio=row["cpu"],
        energy=[] if row["joules"] is None else [{"joules": row["joules"], **energy}],
    )


def _holds(
    estate: Estate,
    devices: list[int],
    first: int,
    facts: list[dict[str, Any]],
    started: list[tuple[int, int, float | None, bool]],
) -> None:
    rolled = days(estate)
    by_day: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in facts:
        by_day[devices[row["device"]], first + row["slot"] // 48 * DAY_SECONDS].append(row)
    starts: dict[tuple[int, int], list[float]] = defaultdict(list)
    for number, offset, total, final in started:
        if final and total is not None:
            starts[devices[number], first + offset // DAY_SECONDS * DAY_SECONDS].append(total)
    assert set(rolled) == set(by_day) | set(starts)
    for key, row in rolled.items():
        mine = by_day.get(key, [])
        assert row.periods == len(mine)
        assert row.observed_seconds == sum(fact["observed_seconds"] for fact in mine)
        assert sum(getattr(row, f"{name}_seconds") for name in STATES) == 1800 * len(mine)
        assert row.in_use_seconds == sum(fact["in_use_seconds"] for fact in mine)
        over = sum(fact["observed_seconds"] for fact in mine if fact["cpu"] is not None)
        weighted = sum(fact["cpu"] * fact["observed_seconds"] for fact in mine if fact["cpu"] is not None)
        assert row.cpu_mean_ratio == (pytest.approx(weighted / over, abs=5e-5) if over else None)
        assert row.memory_mean_ratio is None
        joules = [fact["joules"] for fact in mine if fact["joules"] is not None]
        assert row.joules == ({"cpu": {"sensor": sum(joules)}} if joules else None)
        assert row.startups == len(starts.get(key, []))
        assert row.startup_seconds_sum == (pytest.approx(sum(starts[key])) if key in starts else None)
        assert row.startup_seconds_max == (max(starts[key]) if key in starts else None)
    by_site: dict[int, int] = defaultdict(int)
    for row in rolled.values():
        by_site[row.site] += row.in_use_seconds
    assert sum(by_site.values()) == sum(fact["in_use_seconds"] for fact in facts)


def test_late_data_does_not_move_a_past_day_to_another_site(estate: Estate) -> None:
    device = estate.device(site="Old")
    for day in (YESTERDAY, TODAY):
        add_period(estate, device, day)
    roll_up(work(estate))
    new = estate.site("New")
    with write_transaction(estate.engine) as connection:
        connection.execute(update(schema.devices).values(site=new))
    for day in (YESTERDAY, TODAY):
        add_period(estate, device, day + 1800)
    roll_up(work(estate))
    rolled = days(estate)
    assert rolled[device, YESTERDAY].site == estate.site("Old")
    assert rolled[device, TODAY].site == new
    assert rolled[device, YESTERDAY].periods == rolled[device, TODAY].periods == 2


def test_a_day_whose_half_hours_are_going_keeps_its_totals(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    device = estate.device()
    add_period(estate, device, YESTERDAY)
    roll_up(work(estate))
    before = days(estate)
    with write_transaction(estate.engine) as connection:
        set_pruned_before(connection, TODAY)
        connection.execute(schema.use_slots.delete())
    mark(estate, device, YESTERDAY)
    roll_up(work(estate))
    assert days(estate) == before
    assert pending(estate) == 0
    assert "totals kept" in caplog.text


def test_a_day_without_facts_makes_no_row_and_takes_none_away(estate: Estate) -> None:
    imported, other = estate.device(), estate.device()
    values = {f"{name}_seconds": 0 for name in STATES} | {"periods": 48, "observed_seconds": 5, "startups": 1}
    estate.put(schema.days, device=imported, day=YESTERDAY, site=1, unit=1, **values)
    for device in (imported, other):
        mark(estate, device, YESTERDAY)
    roll_up(work(estate))
    assert {key: row.periods for key, row in days(estate).items()} == {(imported, YESTERDAY): 48}


def test_nothing_to_do_is_nothing_done(estate: Estate) -> None:
    run = work(estate)
    assert roll_up(run) == 0
    assert run.longest_transaction_seconds is None


def test_a_stopping_collector_leaves_the_rest_for_later(estate: Estate) -> None:
    add_period(estate, estate.device(), TODAY)
    stop = threading.Event()
    stop.set()
    assert roll_up(Work(estate.engine, estate.settings(), clock=lambda: NOW, stop=stop)) == 0
    assert pending(estate) == 1


def test_the_day_that_is_going_on_is_rolled_up_once_an_hour(estate: Estate) -> None:
    """Each report marks it; a day that is over does not wait."""
    device = estate.device()
    began = TODAY + 6 * 3600.0
    for start, at in ((TODAY, began), (YESTERDAY, began), (TODAY + 1800, began + 1800)):
        put(estate.engine, [half_hour(device, start)])
        with write_transaction(estate.engine) as connection:
            mark_dirty(connection, device, start // DAY_SECONDS * DAY_SECONDS, at)
    assert roll_up(work(estate, began + 3599)) == 1
    assert set(days(estate)) == {(device, YESTERDAY)}
    assert roll_up(work(estate, began + 3600)) == 1
    assert days(estate)[device, TODAY].periods == 2


@pytest.mark.needs("postgresql")
def test_a_commit_under_way_keeps_its_mark(server_database: URL, tmp_path: Path) -> None:
    """On PostgreSQL a roll-up does not see what is not committed, and must not take away the mark of it."""
    engine = open_engine(server_database)
    estate = Estate(engine, tmp_path / "roadworthy.db", server_database)
    device = estate.device()
    add_period(estate, device, YESTERDAY)
    with write_transaction(engine) as ingest:
        half_hours.append(ingest, [half_hour(device, YESTERDAY + 1800)])
        mark_dirty(ingest, device, YESTERDAY, NOW)
        roll_up(work(estate))  # waits for nobody
        assert pending(estate) == 1
    roll_up(work(estate))
    assert days(estate)[device, YESTERDAY].periods == 2
    assert pending(estate) == 0
    engine.dispose()
