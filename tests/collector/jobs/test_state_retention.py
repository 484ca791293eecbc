"""Device state goes before its half-hours where that is asked for, and no total loses a second it knew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, func, select
from support.estates import NOW as SOME_TIME
from support.estates import Estate
from support.facts import half_hour, held, put

from roadworthy_collector.jobs.prune import prune
from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.site_half_hours import AGAIN_SECONDS, roll_up_sites
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import half_hours, schema
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES, mark_dirty, states_pruned_before

NOW = SOME_TIME // DAY_SECONDS * DAY_SECONDS + 6 * 3600  # twelve hours later it is the same day
STATE_DAYS = 7
# As half-hours do, states stay a day longer than is said: a local day reaches into two UTC days.
HORIZON = (int(NOW) - (STATE_DAYS + 1) * DAY_SECONDS) // DAY_SECONDS * DAY_SECONDS
OLD = HORIZON - DAY_SECONDS
ENERGY = {"scope": "cpu", "joules": 5, "counter_end_joules": 5, "quality": "sensor", "source": "rapl"}


def work(estate: Estate, now: float = NOW, **values: Any) -> Work:
    values.setdefault("state_half_hour_retention_days", STATE_DAYS)
    return Work(estate.engine, estate.settings(**values), clock=lambda: now, rests=False)


def mark(estate: Estate, device: int, start: int) -> None:
    with write_transaction(estate.engine) as connection:
        mark_dirty(connection, device, start // DAY_SECONDS * DAY_SECONDS, NOW)


def add(estate: Estate, device: int, start: int, **states: int) -> None:
    """Put in a half-hour as ingest would."""
    put(estate.engine, [half_hour(device, start, energy=[ENERGY], **states)])
    mark(estate, device, start)


def settle(estate: Estate, now: float = NOW) -> int:
    """Do all that the jobs do; return how many device days of states went."""
    before = count(estate, schema.state_slots)
    roll_up(work(estate, now))
    roll_up_sites(work(estate, now))
    assert prune(work(estate, now)) == 0
    return before - count(estate, schema.state_slots)


def count(estate: Estate, table: Any) -> int:
    with estate.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def rows(estate: Estate, table: Any) -> list[Any]:
    with estate.engine.connect() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key.columns)))


def day_of(estate: Estate, device: int, day: int) -> Any:
    return {(row.device, row.day): row for row in rows(estate, schema.days)}[device, day]


def test_states_go_first_and_their_totals_stay(estate: Estate) -> None:
    device = estate.device()
    for start in (OLD, HORIZON - 1800, HORIZON):
        add(estate, device, start, in_use_seconds=600, idle_seconds=1200)
    roll_up(work(estate))
    roll_up_sites(work(estate))
    before = [rows(estate, table) for table in (schema.days, schema.local_days, schema.site_half_hours)]
    assert settle(estate) == 1
    assert [row["start"] for row in held(estate.engine, "states")] == [HORIZON]
    for kind in ("periods", "energy"):
        assert len(held(estate.engine, kind)) == 3
    for again in (OLD, HORIZON):
        mark(estate, device, again)
    assert settle(estate, NOW + AGAIN_SECONDS) == 0
    after = [rows(estate, table) for table in (schema.days, schema.local_days, schema.site_half_hours)]
    assert after == before


def test_where_nobody_asks_for_it_they_go_together(estate: Estate) -> None:
    add(estate, estate.device(), OLD)
    assert prune(work(estate, state_half_hour_retention_days=None)) == 0
    with estate.engine.connect() as connection:
        assert states_pruned_before(connection) == 0
    assert len(held(estate.engine, "states")) == 1


def test_late_facts_of_a_day_whose_states_are_gone_leave_its_seconds(estate: Estate) -> None:
    device = estate.device()
    at = OLD + 12 * 3600
    add(estate, device, at, in_use_seconds=600, idle_seconds=1200)
    settle(estate)
    add(estate, device, at + 1800, locked_seconds=1800)
    estate.startup(device, started_at=float(at), total_seconds=30.0)
    later = NOW + AGAIN_SECONDS
    assert settle(estate, later) == 1  # the late ones go too
    for row in (day_of(estate, device, OLD), *rows(estate, schema.local_days)):
        assert (row.periods, row.startups, row.joules) == (2, 1, {"cpu": {"sensor": 10}})
        assert (row.in_use_seconds, row.idle_seconds, row.locked_seconds, row.unobserved_seconds) == (
            600,
            1200,
            0,
            0,
        )
    first, second = rows(estate, schema.site_half_hours)
    assert (first.start, first.in_use_seconds, first.idle_seconds) == (at, 600, 1200)
    assert (second.start, second.locked_seconds, second.joules) == (at + 1800, 1800, {"cpu": {"sensor": 5}})


def test_another_device_of_the_site_adds_its_own(estate: Estate) -> None:
    """Late ones of a device nothing was known of that day are all there, and are counted in full in its own day."""
    early, late = estate.device(), estate.device()
    add(estate, early, OLD, in_use_seconds=600, idle_seconds=1200)
    settle(estate)
    for start in (OLD, OLD + 1800):
        add(estate, late, start, asleep_seconds=1800)
    settle(estate, NOW + AGAIN_SECONDS)
    assert day_of(estate, late, OLD).asleep_seconds == 3600
    assert day_of(estate, early, OLD).in_use_seconds == 600
    both, alone = rows(estate, schema.site_half_hours)
    assert (both.devices, both.in_use_seconds, both.asleep_seconds) == (2, 600, 0)
    assert (alone.devices, alone.asleep_seconds) == (1, 1800)


def test_what_is_not_added_up_yet_stays(estate: Estate) -> None:
    device = estate.device()
    add(estate, device, OLD)
    for step in (roll_up, roll_up_sites):
        prune(work(estate))
        assert len(held(estate.engine, "states")) == 1
        step(work(estate))
    prune(work(estate))
    assert held(estate.engine, "states") == []
    assert day_of(estate, device, OLD).idle_seconds == 1800


def test_one_that_waits_does_not_keep_the_others(estate: Estate) -> None:
    waiting, done = estate.device(), estate.device()
    for device in (waiting, done):
        add(estate, device, OLD)
    roll_up(work(estate))
    roll_up_sites(work(estate))
    mark(estate, waiting, OLD)
    prune(work(estate))
    assert [row["device"] for row in held(estate.engine, "states")] == [waiting]


def test_a_legal_hold_keeps_them_and_late_ones_count_in_full(estate: Estate) -> None:
    mine, other = estate.device(), estate.device()
    for device in (mine, other):
        add(estate, device, OLD, in_use_seconds=1800)
    hold = {"reason": "an inquiry", "asked_by": "ada", "asked_at": 0, "lapses_at": int(NOW) * 2}
    estate.put(schema.holds, id=1, expires_at=int(NOW) * 2, **hold)
    estate.put(schema.hold_devices, hold=1, device=mine)
    assert settle(estate) == 1
    assert [row["device"] for row in held(estate.engine, "states")] == [mine]
    for device in (mine, other):
        add(estate, device, OLD + 1800, in_use_seconds=1800)
    settle(estate, NOW + AGAIN_SECONDS)
    assert [day_of(estate, device, OLD).in_use_seconds for device in (mine, other)] == [3600, 1800]


@pytest.mark.parametrize("known", [False, True])
def test_a_day_told_late_as_a_whole_counts_where_nothing_was_known(estate: Estate, known: bool) -> None:  # noqa: FBT001 - both cases of one rule
    device = estate.device()
    add(estate, device, OLD, in_use_seconds=900 if known else 0)
    settle(estate)
    told = dict.fromkeys((f"{name}_seconds" for name in STATES), 0) | {"asleep_seconds": DAY_SECONDS}
    row = {"observed_seconds": 0, "content_hash": b"12345678", **told}
    estate.put(schema.state_days, device=device, day=OLD, **row)
    mark(estate, device, OLD)
    settle(estate, NOW + AGAIN_SECONDS)
    row_held = day_of(estate, device, OLD)
    expected = (900, 0) if known else (0, DAY_SECONDS)
    assert (row_held.in_use_seconds, row_held.asleep_seconds) == expected


def test_a_late_startup_leaves_seconds_nobody_observed(estate: Estate) -> None:
    device = estate.device()
    add(estate, device, OLD, in_use_seconds=0)  # all 1,800 s unobserved
    settle(estate)
    estate.startup(device, started_at=float(OLD), total_seconds=30.0)
    mark(estate, device, OLD)
    settle(estate, NOW + AGAIN_SECONDS)
    row = day_of(estate, device, OLD)
    assert (row.startups, row.unobserved_seconds) == (1, 1800)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.sets(st.tuples(st.integers(0, 1), st.integers(0, 3 * 4 - 1)), max_size=5), min_size=2, max_size=3
    )
)
def test_seconds_once_known_are_never_lost(estate: Estate, batches: list[set[tuple[int, int]]]) -> None:
    """Whatever comes late and however often the jobs run: before the horizon nothing falls, after it all is exact."""
    estate.clear()
    devices = [estate.device(), estate.device()]
    came: set[tuple[int, int]] = set()
    known: dict[tuple[int, int], int] = {}
    for number, batch in enumerate(batches):
        for device, place in sorted(batch - came):
            start = OLD - DAY_SECONDS + place // 4 * DAY_SECONDS + place % 4 * 1800
            add(estate, devices[device], start, idle_seconds=1800)
        came |= batch
        settle(estate, NOW + number * 60)
        found = {(row.device, row.day): row for row in rows(estate, schema.days)}
        for key, row in found.items():
            mine = [
                one for one in came if (devices[one[0]], OLD - DAY_SECONDS + one[1] // 4 * DAY_SECONDS) == key
            ]
            assert row.periods == len(mine)
            assert known.get(key, 0) <= row.idle_seconds <= 1800 * len(mine)
            assert row.idle_seconds == 1800 * len(mine) or row.day < HORIZON
            assert row.idle_seconds > 0
            known[key] = row.idle_seconds


@pytest.mark.needs("postgresql")
def test_what_a_report_under_way_adds_to_is_left_alone(server_database: URL, tmp_path: Path) -> None:
    """Nobody waits for the other: a job that waited for a report could wait for one that waits for the job."""
    engine = open_engine(server_database)
    estate = Estate(engine, tmp_path / "roadworthy.db", server_database)
    busy, other = estate.device(), estate.device()
    for device in (busy, other):
        add(estate, device, OLD, in_use_seconds=1800)
    roll_up(work(estate))
    roll_up_sites(work(estate))
    with write_transaction(engine) as ingest:
        half_hours.append(ingest, [half_hour(busy, OLD + 1800, in_use_seconds=1800)])
        mark_dirty(ingest, busy, OLD, NOW)
        prune(work(estate))
        assert count(estate, schema.state_slots) == 1
    settle(estate, NOW + AGAIN_SECONDS)
    assert day_of(estate, busy, OLD).in_use_seconds == 3600
    assert day_of(estate, other, OLD).in_use_seconds == 1800
    engine.dispose()
