"""Totals of days as people count them: 46 or 50 half-hours long where the clocks change, and none lost or doubled."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select
from support.estates import Estate
from support.facts import half_hour, put

from roadworthy_collector.jobs.prune import prune
from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.jobs import DAY_SECONDS


def midnight(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def work(estate: Estate, now: float) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: now)


def fill(estate: Estate, device: int, start: int, end: int, joules: int = 7) -> None:
    """Put in every half-hour of [start, end) as ingest would."""
    starts = range(start, end, 1800)
    energy = {
        "scope": "cpu",
        "joules": joules,
        "counter_end_joules": 7,
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


def local(estate: Estate) -> dict[str, Any]:
    with estate.engine.connect() as connection:
        return {row.date: row for row in connection.execute(select(schema.local_days))}


@pytest.mark.parametrize(
    ("first", "changed", "half_hours"),
    [
        (midnight(2026, 3, 27), date(2026, 3, 29), 46),
        (midnight(2026, 10, 23), date(2026, 10, 25), 50),
        (midnight(2028, 2, 27), date(2028, 2, 29), 48),
    ],
    ids=["clocks go forward", "clocks go back", "a leap day"],
)
def test_a_local_day_has_its_own_half_hours(
    estate: Estate, first: int, changed: date, half_hours: int
) -> None:
    device = estate.device()
    fill(estate, device, first, first + 5 * DAY_SECONDS)
    roll_up(work(estate, first + 6 * DAY_SECONDS))
    day = local(estate)[changed.isoformat()]
    assert (day.half_hours, day.periods, day.idle_seconds) == (half_hours, half_hours, half_hours * 1800)
    assert day.joules == {"cpu": {"sensor": 7 * half_hours}}
    assert sum(row.periods for row in local(estate).values()) == 5 * 48


def test_a_financial_year_begins_at_local_midnight(estate: Estate) -> None:
    device = estate.device()
    first = midnight(2026, 3, 31)
    fill(estate, device, first, first + 2 * DAY_SECONDS)
    roll_up(work(estate, first + 3 * DAY_SECONDS))
    days = local(estate)
    assert days["2026-04-01"].start == midnight(2026, 4, 1) - 3600
    assert {name: row.periods for name, row in days.items()} == {
        "2026-03-31": 46,
        "2026-04-01": 48,
        "2026-04-02": 2,
    }


def test_late_half_hours_are_in_both_kinds_of_day(estate: Estate) -> None:
    device = estate.device()
    first = midnight(2026, 6, 1)
    fill(estate, device, first, first + DAY_SECONDS)
    roll_up(work(estate, first + 3 * DAY_SECONDS))
    assert local(estate)["2026-06-02"].periods == 2
    fill(estate, device, first + DAY_SECONDS, first + 2 * DAY_SECONDS)
    roll_up(work(estate, first + 3 * DAY_SECONDS))
    assert local(estate)["2026-06-02"].periods == 48


def test_a_local_day_at_the_edge_of_retention_still_takes_late_half_hours(estate: Estate) -> None:
    """The last day reports are taken for begins, in summer, on the UTC day before."""
    device = estate.device()
    now = midnight(2026, 7, 1) + 3600
    oldest = midnight(2026, 6, 2)  # the first whole UTC day within 30 days
    fill(estate, device, oldest - DAY_SECONDS, oldest)
    roll_up(work(estate, now))
    prune(work(estate, now))
    fill(estate, device, oldest, oldest + DAY_SECONDS)
    roll_up(work(estate, now))
    assert local(estate)["2026-06-02"].periods == 48
