"""Pruning where the clocks change: the day of 46 and the day of 50 half-hours keep their totals, and go whole.

Half-hours go by UTC days, and a local day reaches into two of them, another hour of each side of a change. 2026-03-29
begins with UTC and ends an hour before; 2026-10-25 begins an hour before and ends with UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from support.estates import Estate
from support.facts import half_hour, held, put

from roadworthy_collector.ingest.validate import Bounds
from roadworthy_collector.jobs.prune import prune, prune_history
from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.site_half_hours import roll_up_sites
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.queries.jobs import DAY_SECONDS
from roadworthy_inventory.calendar import PERIOD_SECONDS, local_day

ZONE = "Europe/London"
RETENTION_DAYS, DAILY_DAYS = 30, 40
JOULES = 7
CHANGES = [
    pytest.param(date(2026, 3, 29), 46, id="clocks go forward"),
    pytest.param(date(2026, 10, 25), 50, id="clocks go back"),
]


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def work(estate: Estate, now: float) -> Work:
    settings = estate.settings(
        half_hour_retention_days=RETENTION_DAYS, daily_retention_days=DAILY_DAYS, reporting_timezone=ZONE
    )
    return Work(estate.engine, settings, clock=lambda: now, rests=False)


def arrive(estate: Estate, device: int, *starts: int) -> None:
    """Put half-hours in, and mark their days, as ingest does."""
    energy = {
        "scope": "cpu",
        "joules": JOULES,
        "counter_end_joules": JOULES,
        "quality": "sensor",
        "source": "rapl",
    }
    put(estate.engine, [half_hour(device, at, energy=[energy]) for at in starts])
    with write_transaction(estate.engine) as connection:
        rows = [
            {"device": device, "day": day}
            for day in sorted({at // DAY_SECONDS * DAY_SECONDS for at in starts})
        ]
        connection.execute(insert(schema.dirty), rows)


def settle(estate: Estate, now: float) -> None:
    """Do what the jobs process does in an hour."""
    roll_up(work(estate, now))
    roll_up_sites(work(estate, now))
    prune(work(estate, now))
    prune_history(work(estate, now))


def totals(estate: Estate, around: date, days: int = 4) -> dict[date, tuple[int, int]]:
    """Return {local day: (half-hours it has, joules)} of the days around one."""
    first, last = around - timedelta(days=days), around + timedelta(days=days)
    with estate.engine.connect() as connection:
        found = list(local_totals.read(connection, first, last, ZONE, ("periods", "joules")))
    assert all(one.values.joules == {"cpu": {"sensor": JOULES * one.values.periods}} for one in found)
    return {one.date: (one.span.periods, one.values.periods) for one in found}


def kept(estate: Estate) -> set[int]:
    return {row["start"] for row in held(estate.engine, "energy")}


def last_moment(start: int) -> int:
    """Return the latest time a report may bring the half-hour `start` at."""
    now = start + (RETENTION_DAYS + 3) * DAY_SECONDS
    while Bounds.at(now, RETENTION_DAYS).oldest_period > start:
        now -= PERIOD_SECONDS
    return now


@pytest.mark.parametrize(("changed", "half_hours"), CHANGES)
def test_the_day_of_a_change_keeps_its_totals_while_its_half_hours_go(
    estate: Estate, changed: date, half_hours: int
) -> None:
    device = estate.device()
    first = midnight(changed - timedelta(days=3))
    starts = range(first, first + 7 * DAY_SECONDS, PERIOD_SECONDS)
    arrive(estate, device, *starts)
    settle(estate, starts.stop + DAY_SECONDS)
    whole = totals(estate, changed)
    assert whole[changed] == (half_hours, half_hours)
    assert sum(count for _, count in whole.values()) == len(starts)
    gone = midnight(changed) + (RETENTION_DAYS - 1) * DAY_SECONDS
    for now in range(gone, gone + 5 * DAY_SECONDS, DAY_SECONDS // 2):
        settle(estate, now)
        assert totals(estate, changed) == whole
        oldest = Bounds.at(now, RETENTION_DAYS).oldest_period
        left = kept(estate)
        # Whole UTC days, all that a late half-hour may still change a total of, and no more than a day besides.
        assert left == {start for start in starts if start >= min(left, default=starts.stop)}
        assert min(left, default=starts.stop) % DAY_SECONDS == 0
        assert {start for start in starts if start >= oldest} <= left
        assert min(left, default=starts.stop) >= min(oldest - 2 * DAY_SECONDS, starts.stop)
    settle(estate, starts.stop + (RETENTION_DAYS + 2) * DAY_SECONDS)
    assert kept(estate) == set()
    assert totals(estate, changed) == whole


@pytest.mark.parametrize(("changed", "half_hours"), CHANGES)
@pytest.mark.parametrize("place", [0, -1], ids=["its first", "its last"])
def test_a_half_hour_that_comes_at_the_last_moment_completes_the_day_of_a_change(
    estate: Estate, changed: date, half_hours: int, place: int
) -> None:
    device = estate.device()
    span = local_day(changed, ZONE)
    late = span.starts()[place]
    around = range(midnight(changed) - 2 * DAY_SECONDS, midnight(changed) + 3 * DAY_SECONDS, PERIOD_SECONDS)
    arrive(estate, device, *(start for start in around if start != late))
    settle(estate, around.stop + DAY_SECONDS)
    assert totals(estate, changed)[changed] == (half_hours, half_hours - 1)
    now = last_moment(late)
    settle(estate, now)
    arrive(estate, device, late)
    settle(estate, now)
    assert totals(estate, changed)[changed] == (half_hours, half_hours)
    assert sum(count for _, count in totals(estate, changed).values()) == len(around)


@pytest.mark.parametrize(("changed", "half_hours"), CHANGES)
def test_daily_totals_of_a_date_go_together_in_both_calendars(
    estate: Estate, changed: date, half_hours: int
) -> None:
    device = estate.device()
    first = midnight(changed - timedelta(days=2))
    arrive(estate, device, *range(first, first + 5 * DAY_SECONDS, PERIOD_SECONDS))
    settle(estate, first + 6 * DAY_SECONDS)
    edge = midnight(changed) + DAILY_DAYS * DAY_SECONDS
    for now, stays in ((edge + DAY_SECONDS - 1, True), (edge + DAY_SECONDS, False)):
        settle(estate, now)
        oldest = changed if stays else changed + timedelta(days=1)
        found = totals(estate, changed)
        assert min(found) == oldest
        assert not stays or found[changed] == (half_hours, half_hours)
        assert utc_dates(estate)[0] == oldest


def utc_dates(estate: Estate) -> list[date]:
    with estate.engine.connect() as connection:
        found: list[Any] = list(connection.scalars(select(schema.days.c.day).order_by(schema.days.c.day)))
    return [datetime.fromtimestamp(day, UTC).date() for day in found]
