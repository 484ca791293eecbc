"""Totals of days as people count them: 46 or 50 half-hours long where the clocks change, and none lost or doubled."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Table, insert, select
from support.estates import Estate
from support.facts import half_hour, put

from roadworthy_collector.jobs.prune import prune
from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.queries.jobs import DAY_SECONDS

LONDON = "Europe/London"


def midnight(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def work(estate: Estate, now: float) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: now, rests=False)


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


def local(estate: Estate, zone: str = LONDON) -> dict[str, Any]:
    """Return the totals of every local day that has some, by date, with their spans."""
    columns = ("periods", "idle_seconds", "joules", "site")
    with estate.engine.connect() as connection:
        found = list(local_totals.read(connection, date(2026, 1, 1), date(2028, 12, 31), zone, columns))
    days = {one.date.isoformat(): one for one in found}
    assert len(days) == len(found)
    return days


def kept(estate: Estate, table: Table) -> list[Any]:
    with estate.engine.connect() as connection:
        return list(connection.scalars(select(table.primary_key.columns[0]).order_by(table.c.device)))


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
    assert day.span.periods == half_hours
    assert (day.values.periods, day.values.idle_seconds) == (half_hours, half_hours * 1800)
    assert day.values.joules == {"cpu": {"sensor": 7 * half_hours}}
    days = sorted(local(estate).values())
    assert sum(row.values.periods for row in days) == 5 * 48
    # Whichever table each comes from, they follow one another without a gap.
    assert all(one.span.end == other.span.start for one, other in itertools.pairwise(days))


def test_a_local_day_that_is_a_utc_day_is_kept_once(estate: Estate) -> None:
    device, other = estate.device(), estate.device(site="Annexe")
    first = midnight(2026, 10, 24)
    fill(estate, device, first, first + 3 * DAY_SECONDS)  # summer time, 25 hours, winter time
    fill(estate, other, first + 2 * DAY_SECONDS, first + 3 * DAY_SECONDS)
    roll_up(work(estate, first + 4 * DAY_SECONDS))
    dates = ["2026-10-24", "2026-10-25"]
    assert kept(estate, schema.local_days) == dates
    assert len(kept(estate, schema.days)) == 4
    with estate.engine.connect() as connection:
        read = partial(
            local_totals.read, connection, date(2026, 10, 1), date(2026, 10, 31), LONDON, ("periods",)
        )
        mine = {one.date.day: one.values.periods for one in read(device=device)}
        everybody = [(one.date.day, one.device) for one in read()]
    assert mine == {24: 46, 25: 50, 26: 48}
    assert sorted(everybody) == [(24, device), (25, device), (26, device), (26, other)]


def test_late_half_hours_of_a_winter_day_are_in_what_is_read(estate: Estate) -> None:
    device, first = estate.device(), midnight(2027, 1, 11)
    fill(estate, device, first, first + 3600)
    roll_up(work(estate, first + 2 * DAY_SECONDS))
    assert local(estate)["2027-01-11"].values.periods == 2
    fill(estate, device, first + 3600, first + DAY_SECONDS)
    roll_up(work(estate, first + 3 * DAY_SECONDS))
    day = local(estate)["2027-01-11"]
    assert (day.values.periods, day.span.start) == (48, first)


def test_a_summers_day_without_a_local_total_is_not_read_from_utc(estate: Estate) -> None:
    """The last hour of a UTC day in summer is of the next day as people count: it may not be in both."""
    device, last = estate.device(), midnight(2026, 7, 2) - 3600
    fill(estate, device, last, last + 3600)
    roll_up(work(estate, last + 2 * DAY_SECONDS))
    assert len(kept(estate, schema.days)) == 1
    assert {name: row.values.periods for name, row in local(estate).items()} == {"2026-07-02": 2}


def test_elsewhere_every_day_is_kept_by_its_own_midnight(estate: Estate) -> None:
    device, first = estate.device(), midnight(2027, 1, 11)
    fill(estate, device, first, first + DAY_SECONDS)
    settings = estate.settings(reporting_timezone="Europe/Paris")
    roll_up(Work(estate.engine, settings, clock=lambda: first + 2.0 * DAY_SECONDS))
    days = local(estate, "Europe/Paris")
    assert {name: (row.span.start, row.values.periods) for name, row in days.items()} == {
        "2027-01-11": (first - 3600, 46),
        "2027-01-12": (first + DAY_SECONDS - 3600, 2),
    }


@given(
    first=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    zone=st.sampled_from([LONDON, "UTC", "Atlantic/Reykjavik", "Europe/Paris", "Atlantic/Azores"]),
)
def test_a_day_is_a_utc_day_where_the_zone_has_no_offset_at_both_ends(first: date, zone: str) -> None:
    ends = [
        datetime(*day.timetuple()[:3], tzinfo=ZoneInfo(zone)) for day in (first, first + timedelta(days=1))
    ]
    assert local_totals.is_utc_day(first, zone) == all(end.utcoffset() == timedelta(0) for end in ends)


def test_a_financial_year_begins_at_local_midnight(estate: Estate) -> None:
    device = estate.device()
    first = midnight(2026, 3, 31)
    fill(estate, device, first, first + 2 * DAY_SECONDS)
    roll_up(work(estate, first + 3 * DAY_SECONDS))
    days = local(estate)
    assert days["2026-04-01"].span.start == midnight(2026, 4, 1) - 3600
    assert {name: row.values.periods for name, row in days.items()} == {
        "2026-03-31": 46,
        "2026-04-01": 48,
        "2026-04-02": 2,
    }


def test_late_half_hours_are_in_both_kinds_of_day(estate: Estate) -> None:
    device = estate.device()
    first = midnight(2026, 6, 1)
    fill(estate, device, first, first + DAY_SECONDS)
    roll_up(work(estate, first + 3 * DAY_SECONDS))
    assert local(estate)["2026-06-02"].values.periods == 2
    fill(estate, device, first + DAY_SECONDS, first + 2 * DAY_SECONDS)
    roll_up(work(estate, first + 3 * DAY_SECONDS))
    assert local(estate)["2026-06-02"].values.periods == 48


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
    assert local(estate)["2026-06-02"].values.periods == 48
