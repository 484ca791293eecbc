"""Nights and week-ends in the energy ledger: accounted by the gaps agents tell, once, and unknown where these are."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from support.estates import Estate

from roadworthy_collector.carbon import absences, energy, energy_days
from roadworthy_collector.carbon.fed import STATES, FedDay
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.carbon_schema import energy_devices
from roadworthy_collector.store.queries.local_totals import LocalTotal
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.state_power import watts_of

ZONE = "Europe/London"
NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
FRIDAY, SATURDAY, SUNDAY, MONDAY = (dt.date(2026, 5, day) for day in (15, 16, 17, 18))


def at(day: dt.date, hour: float) -> int:
    """Return epoch seconds of an hour of a local day."""
    return local_day(day, ZONE).start + int(hour * 3600)


def gap(held: Estate, device: int, begin: int, end: int, kind: str = "off") -> None:
    held.put(
        schema.gaps,
        device=device,
        begin=begin,
        end=end,
        kind=kind,
        basis="boot_id_changed",
        content_hash=b"8" * 8,
    )


def told(held: Estate, device: int, day: dt.date, hours: int, off_seconds: int = 0) -> None:
    """Put a local day of half-hours it was used in, and the seconds off of the half-hours at their edges."""
    spent = hours * 3600
    used = dict.fromkeys((f"{name}_seconds" for name in ("idle", "locked", "asleep", "unobserved")), 0)
    held.put(
        schema.local_days, date=day.isoformat(), start=at(day, 0), half_hours=48, device=device, site=held.site("HQ"),
        unit=held.unit("IT"), periods=hours * 2, startups=0, observed_seconds=spent, in_use_seconds=spent,
        off_seconds=off_seconds, **used,
    )  # fmt: skip


def device(held: Estate) -> int:
    enrolled = at(FRIDAY, 0)
    return held.device(device_class="desktop", model="M1", site="HQ", unit="IT", enrolled_at=enrolled)


def work_of(held: Estate) -> Work:
    return Work(held.engine, held.settings(), clock=lambda: NOW, rests=False)


def row_of(held: Estate, one: int) -> Any:
    while energy.refresh(work_of(held)):
        pass
    with held.engine.connect() as connection:
        query = select(energy_devices).where(energy_devices.c.month == "2026-05-01")
        (row,) = (row for row in connection.execute(query) if row.device == one)
    return row


def test_a_weekend_is_off_and_not_unknown_and_a_night_is_counted_once(estate: Estate) -> None:
    one = device(estate)
    told(estate, one, FRIDAY, 8)
    told(estate, one, MONDAY, 8, off_seconds=600)  # of the half-hour it was switched on in
    gap(estate, one, at(FRIDAY, 17), at(MONDAY, 8) + 600)
    row = row_of(estate, one)
    in_use, off = (watts_of("desktop", state, None) for state in ("in_use", "off"))
    assert in_use is not None
    assert off is not None
    away = 7 * 3600 + 48 * 3600 + 8 * 3600 + 600
    assert row.modelled_joules == pytest.approx(
        16 * 3600 * in_use.watts.likely + away * off.watts.likely, abs=2
    )
    assert row.days == 4
    # The days after Monday were silent, and nobody knows of them.
    assert row.unknown_seconds == 13 * 86_400


def test_a_gap_nobody_can_explain_is_unknown(estate: Estate) -> None:
    one = device(estate)
    told(estate, one, FRIDAY, 8)
    gap(estate, one, at(FRIDAY, 17), at(MONDAY, 0), "unobserved")
    assert row_of(estate, one).unknown_seconds == 7 * 3600 + 48 * 3600 + 14 * 86_400


def test_half_hours_of_a_night_have_what_being_off_draws(estate: Estate) -> None:
    one = device(estate)
    told(estate, one, FRIDAY, 8)
    gap(estate, one, at(FRIDAY, 17), at(MONDAY, 8), "asleep")
    work = work_of(estate)
    row_of(estate, one)
    days = [day for some in energy_days.read(work, SATURDAY) for day in some]
    (shape,) = energy_days.half_hours(work, SATURDAY, days)
    asleep = watts_of("desktop", "asleep", None)
    assert asleep is not None
    assert set(shape.whole()) <= {int(1800 * asleep.watts.likely) + up for up in (0, 1)}
    assert sum(shape.whole()) == days[0].entry.wall_joules > 0
    assert (shape.basis, all(shape.known)) == ("own", True)


@settings(max_examples=50, deadline=None)
@given(
    day=st.sampled_from([dt.date(2026, 3, 29), dt.date(2026, 10, 25), FRIDAY]),
    states=st.lists(st.integers(0, 20_000), min_size=6, max_size=6),
    gone=st.tuples(*[st.integers(0, 60_000)] * 3),
)
def test_no_day_gets_more_seconds_than_it_has(
    day: dt.date, states: list[int], gone: tuple[int, int, int]
) -> None:
    span = local_day(day, ZONE)
    row = FedDay(1, 2, sum(states[:3]), *states[:5], states[5], 0.1, None)
    after = absences.with_gap(row, gone, span.seconds)
    before_seconds = sum(states)
    seconds = sum(getattr(after, name) for name in STATES) + after.unobserved_seconds
    assert seconds == max(before_seconds, min(before_seconds + sum(gone), span.seconds))
    assert all(getattr(after, name) >= getattr(row, name) for name in STATES)
    assert after._replace(**{name: getattr(row, name) for name in (*STATES, "unobserved_seconds")}) == row


def test_days_are_cut_where_the_clocks_change(estate: Estate) -> None:
    one = device(estate)
    first, last = dt.date(2026, 10, 24), dt.date(2026, 10, 26)
    gap(estate, one, at(first, 12), at(last, 6))
    with estate.engine.connect() as connection:
        found: list[LocalTotal] = list(absences.over(connection, [], one, (first, last), ZONE))
    assert [(row.date, row.values.off_seconds) for row in found] == [
        (first, 12 * 3600), (first + dt.timedelta(days=1), 25 * 3600), (last, 6 * 3600),
    ]  # fmt: skip
    assert [row.values.unobserved_seconds for row in found] == [12 * 3600, 0, 18 * 3600]


def test_gaps_that_overlap_fill_a_day_once(estate: Estate) -> None:
    one = device(estate)
    gap(estate, one, at(SATURDAY, 0), at(MONDAY, 0))
    gap(estate, one, at(SUNDAY, 0), at(MONDAY, 6))
    with estate.engine.connect() as connection:
        found = list(absences.over(connection, [], one, (SUNDAY, SUNDAY), ZONE))
    assert [(row.values.off_seconds, row.values.unobserved_seconds) for row in found] == [(86_400, 0)]


def test_what_is_left_of_today_is_to_come_and_not_unknown(estate: Estate) -> None:
    one = device(estate)
    gap(estate, one, at(SATURDAY, 0), at(SUNDAY, 8))
    with estate.engine.connect() as connection:
        for hour, days in ((8, [SATURDAY]), (24, [SATURDAY, SUNDAY])):
            found = absences.over(connection, [], one, (SATURDAY, SUNDAY), ZONE, now=at(SUNDAY, hour))
            assert [row.date for row in found] == days
