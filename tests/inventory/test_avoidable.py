"""Avoidable electricity: outside the shifts, both clock changes, profiles that must be on, families and idle servers."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.avoidable import (
    HalfHour,
    ShiftCalendar,
    ShiftError,
    against_family,
    idle_server,
    may_be_off,
    out_of_family,
    saved_joules,
    unused_on,
)

LONDON = ZoneInfo("Europe/London")
OFFICE = ShiftCalendar(
    dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), ((7 * 60, 19 * 60),)),
    closed=frozenset({dt.date(2026, 12, 25)}),
)


def _on_all(first: dt.date, days: int, unused: float = 1800.0) -> list[HalfHour]:
    spans = (local_day(first + dt.timedelta(days=number), "Europe/London") for number in range(days))
    return [HalfHour(start, unused, 1800.0) for span in spans for start in span.starts()]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (dt.date(2026, 11, 18), 12),  # a Wednesday
        (dt.date(2026, 11, 21), 24),  # a Saturday
        (dt.date(2026, 12, 25), 24),  # closed
        (dt.date(2026, 3, 29), 23),  # clocks go forward, a Sunday
        (dt.date(2026, 10, 25), 25),  # and back
    ],
)
def test_hours_outside_the_shifts_of_a_day(day: dt.date, hours: int) -> None:
    assert unused_on(_on_all(day, 1), OFFICE, LONDON).seconds == hours * 3600


def test_a_half_hour_a_shift_begins_in_is_worked() -> None:
    early = ShiftCalendar({"wednesday": ((7 * 60 + 45, 8 * 60),)})
    assert unused_on(_on_all(dt.date(2026, 11, 18), 1), early, LONDON).seconds == 23.5 * 3600


def test_sleep_fails_where_no_night_is_slept() -> None:
    monday = dt.date(2026, 11, 16)
    assert unused_on(_on_all(monday, 7), OFFICE, LONDON).sleep_fails
    assert not unused_on(_on_all(monday, 7, unused=100.0), OFFICE, LONDON).sleep_fails
    assert not unused_on(_on_all(monday, 3), OFFICE, LONDON).sleep_fails  # too few nights to say
    assert not unused_on([], OFFICE, LONDON).sleep_fails


@given(st.lists(st.floats(0, 1800), max_size=100))
def test_unused_time_never_exceeds_what_was_told(unused: list[float]) -> None:
    start = local_day(dt.date(2026, 11, 21), "Europe/London").start
    some = [HalfHour(start + 1800 * number, spent, 1800.0) for number, spent in enumerate(unused)]
    found = unused_on(some, OFFICE, LONDON)
    assert 0 <= found.seconds <= found.told_seconds
    assert found.nights_slept <= found.nights


def test_who_must_be_on_never_appears() -> None:
    assert not may_be_off("control_room")
    assert not may_be_off("custody")
    assert may_be_off("shared")
    assert may_be_off("unknown")


def test_what_is_saved_is_the_difference_to_off() -> None:
    found = saved_joules("desktop", dt.date(2022, 1, 1), 3600)
    assert found == pytest.approx(((2.5 - 2) * 3600, (12 - 1) * 3600, (33 - 0.3) * 3600))
    assert saved_joules("network", None, 3600) is None


def test_one_that_draws_far_more_than_its_model_is_found() -> None:
    family = {f"d{number}": 20.0 + number % 3 for number in range(12)}
    assert out_of_family(family) == {}
    found = out_of_family({**family, "odd": 45.0})
    assert list(found) == ["odd"]
    assert found["odd"].siblings == 13
    assert out_of_family({"a": 10.0, "b": 10.0, "c": 10.0, "odd": 90.0}) == {}
    assert against_family({"a": 10.0, "b": 10.0, "c": 10.0, "odd": 90.0}) == {}
    assert against_family({**dict.fromkeys("abcd", 10.0), "odd": 90.0}) == dict.fromkeys("abcd", 1.0) | {
        "odd": 9.0
    }
    assert against_family(dict.fromkeys("abcde", 0.0)) == {}


def test_a_family_that_differs_anyway_has_no_odd_one() -> None:
    assert out_of_family({f"d{number}": 10.0 + 4 * number for number in range(10)}) == {}


def test_an_idle_server_hardly_works_for_four_weeks() -> None:
    assert idle_server([0.01] * 28) is True
    assert idle_server([0.9] + [0.01] * 28) is True
    assert idle_server([0.01] * 27 + [0.03]) is False
    assert idle_server([0.01] * 27) is None
    assert idle_server([0.01] * 27 + [None]) is None


@pytest.mark.parametrize(
    ("shifts", "says"),
    [
        ({"Mon": ((0, 60),)}, "'Mon'"),
        ({"monday": ((60, 60),)}, "no shift"),
        ({"monday": ((0, 1441),)}, "no shift"),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(shifts: dict[str, tuple[tuple[int, int]]], says: str) -> None:
    with pytest.raises(ShiftError, match=says):
        ShiftCalendar(shifts)
