"""Settlement periods, local days, months and years close: nothing is lost, nothing counted twice."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory import calendar

LONDON = "Europe/London"
DATES = st.dates(
    date(1996, 1, 1), date(2037, 12, 30)
)  # one rule of British Summer Time, and zoneinfo's table
ZONES = st.sampled_from(
    [LONDON, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Havana"]
)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("day", "periods"),
    [
        (date(2025, 3, 29), 48),
        (date(2025, 3, 30), 46),  # clocks forward
        (date(2025, 3, 31), 48),
        (date(2025, 10, 25), 48),
        (date(2025, 10, 26), 50),  # clocks back
        (date(2026, 3, 29), 46),
        (date(2026, 10, 25), 50),
        (date(2024, 2, 29), 48),
        (date(2024, 12, 31), 48),
    ],
)
def test_a_local_day_has_46_48_or_50_half_hours(day: date, periods: int) -> None:
    assert calendar.local_day(day, LONDON).periods == periods


def test_a_utc_day_always_has_48() -> None:
    for day in (date(2025, 3, 30), date(2025, 10, 26), date(2024, 2, 29)):
        assert calendar.utc_day(day).periods == calendar.PERIODS_PER_UTC_DAY


def test_the_repeated_hour_belongs_to_one_day_twice() -> None:
    span = calendar.local_day(date(2025, 10, 26), LONDON)
    shown = [datetime.fromtimestamp(start, ZoneInfo(LONDON)).strftime("%H:%M") for start in span.starts()]
    assert shown.count("01:00") == shown.count("01:30") == 2
    assert span == calendar.Span(at("2025-10-25T23:00+00:00"), at("2025-10-27T00:00+00:00"))


def test_the_skipped_hour_is_in_no_day() -> None:
    span = calendar.local_day(date(2025, 3, 30), LONDON)
    shown = [datetime.fromtimestamp(start, ZoneInfo(LONDON)).strftime("%H:%M") for start in span.starts()]
    assert "01:00" not in shown
    assert shown[:3] == ["00:00", "00:30", "02:00"]


def test_a_zone_that_changes_its_clocks_at_midnight_keeps_its_days_whole() -> None:
    # Havana: on 3 November 2024 the clock goes back from 01:00 to 00:00, on 10 March 2024 midnight is skipped.
    assert calendar.local_day(date(2024, 11, 3), "America/Havana").periods == 50
    assert calendar.local_day(date(2024, 3, 10), "America/Havana").periods == 46


@given(first=DATES, days=st.integers(1, 420), zone=ZONES)
def test_local_days_partition_time(first: date, days: int, zone: str) -> None:
    spans = [span for _, span in calendar.local_days(first, first + timedelta(days=days - 1), zone)]
    assert len(spans) == days
    assert all(before.end == after.start for before, after in itertools.pairwise(spans))
    assert sum(span.periods for span in spans) == (spans[-1].end - spans[0].start) // calendar.PERIOD_SECONDS


@given(moment=st.integers(0, at("2037-12-30T00:00+00:00")), zone=ZONES)
def test_a_moment_lies_in_the_local_day_of_its_local_date(moment: int, zone: str) -> None:
    assert moment in calendar.local_day(calendar.local_date(moment, zone), zone)


@given(moment=st.floats(0, 4e9))
def test_a_moment_lies_in_its_settlement_period(moment: float) -> None:
    start = calendar.period_start(moment)
    assert calendar.is_period_start(start)
    assert moment in calendar.Span(start, start + calendar.PERIOD_SECONDS)
    assert calendar.utc_day_start(moment) <= start < calendar.utc_day_start(moment) + calendar.DAY_SECONDS


@given(year=st.integers(1996, 2036), zone=ZONES)
def test_months_partition_the_financial_year(year: int, zone: str) -> None:
    whole = calendar.financial_year(year, zone)
    parts = [
        calendar.month(*named, zone) for named in calendar.months(date(year, 4, 1), date(year + 1, 3, 31))
    ]
    assert len(parts) == 12
    assert (parts[0].start, parts[-1].end) == (whole.start, whole.end)
    assert all(before.end == after.start for before, after in itertools.pairwise(parts))
    assert sum(part.periods for part in parts) == whole.periods


@given(year=st.integers(1996, 2036))
def test_days_partition_the_financial_year(year: int) -> None:
    days = calendar.local_days(date(year, 4, 1), date(year + 1, 3, 31), LONDON)
    whole = calendar.financial_year(year)
    assert sum(span.periods for _, span in days) == whole.periods
    assert calendar.financial_year(year + 1).start == whole.end


def test_a_financial_year_lacks_or_gains_no_half_hour() -> None:
    assert calendar.financial_year(2025).periods == 365 * 48  # one change each way within it
    assert calendar.financial_year(2023).periods == 366 * 48  # 29 February 2024
    # Easter-like wandering: 31 March 2024 was the change itself, so 2024/25 began an hour earlier in UTC ...
    assert calendar.financial_year(2024).start == at("2024-03-31T23:00+00:00")
    # ... and every year has British Summer Time on its first day.
    assert calendar.financial_year(2025).start == at("2025-03-31T23:00+00:00")


@pytest.mark.parametrize(
    ("day", "began"),
    [
        (date(2026, 3, 31), 2025),
        (date(2026, 4, 1), 2026),
        (date(2024, 2, 29), 2023),
        (date(2025, 12, 31), 2025),
        (date(2026, 1, 1), 2025),
    ],
)
def test_the_financial_year_of_a_day(day: date, began: int) -> None:
    assert calendar.financial_year_of(day) == began
    assert calendar.local_day(day, LONDON).start in calendar.financial_year(began)


@given(day=DATES)
def test_every_day_lies_in_its_financial_year(day: date) -> None:
    span, year = calendar.local_day(day, LONDON), calendar.financial_year(calendar.financial_year_of(day))
    assert year.start <= span.start
    assert span.end <= year.end


def test_financial_years_are_written_as_people_write_them() -> None:
    assert [calendar.financial_year_label(year) for year in (1999, 2009, 2025)] == [
        "1999/00",
        "2009/10",
        "2025/26",
    ]


def test_crc_years_are_the_ones_the_scheme_ran() -> None:
    assert calendar.crc_year(2010) == calendar.financial_year(2010)
    assert calendar.crc_year(2018).end == calendar.financial_year(2019).start
    for year in (2009, 2019):
        with pytest.raises(
            ValueError, match="no CRC compliance year: the scheme ran from 2010/11 to 2018/19"
        ):
            calendar.crc_year(year)


def test_a_span_knows_what_it_may_be() -> None:
    with pytest.raises(ValueError, match="start 17 is not the edge of a settlement period"):
        calendar.Span(17, 3600)
    with pytest.raises(ValueError, match="cannot end"):
        calendar.Span(3600, 1800)
    with pytest.raises(ValueError, match="not the edge"):
        calendar.local_day(date(2025, 1, 1), "Asia/Kathmandu")  # its midnights are at quarter to


def test_dates_are_utc_where_they_say_so() -> None:
    moment = at("2025-06-01T23:30+00:00")
    assert calendar.utc_date(moment) == date(2025, 6, 1)
    assert calendar.local_date(moment, LONDON) == date(2025, 6, 2)
    assert datetime.fromtimestamp(calendar.utc_day_start(moment), UTC).hour == 0
