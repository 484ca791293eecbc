"""Time as the books see it: settlement periods, UTC days, local days, months, financial and compliance years.

A settlement period is a UK half-hour, named by its start: integer UTC epoch seconds, a multiple of 1800. Facts are
stored in UTC days, which always have 48; a local day has 46 or 50 where the clocks change. All spans here are
half-open, [start, end), so neighbours share an edge and nothing is counted twice or lost.

Pure functions: zones come as names or ZoneInfo, never from the machine's own setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

PERIOD_SECONDS = 1800
DAY_SECONDS = 86400
PERIODS_PER_UTC_DAY = DAY_SECONDS // PERIOD_SECONDS  # 48
FINANCIAL_YEAR_START = (4, 1)  # UK public bodies: 1 April to 31 March
# CRC Energy Efficiency Scheme: annual reporting years 1 April to 31 March, the first 2010/11, the last 2018/19.
# Source: The CRC Energy Efficiency Scheme Order 2013, SI 2013/1119, and the Revocation Order 2018, SI 2018/841.
CRC_FIRST_YEAR = 2010
CRC_LAST_YEAR = 2018


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A stretch of time, [start, end), in UTC epoch seconds; both are edges of settlement periods."""

    start: int
    end: int

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            value = getattr(self, name)
            if value % PERIOD_SECONDS:
                raise ValueError(
                    f"{name} {value} is not the edge of a settlement period (a multiple of 1800)"
                )
        if self.end < self.start:
            raise ValueError(f"a span cannot end ({self.end}) before it starts ({self.start})")

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return self.end - self.start

    @property
    def periods(self) -> int:
        """Number of settlement periods inside."""
        return self.seconds // PERIOD_SECONDS

    def starts(self) -> range:
        """Return the starts of the settlement periods inside, in order."""
        return range(self.start, self.end, PERIOD_SECONDS)

    def __contains__(self, at: float) -> bool:
        return self.start <= at < self.end


def is_period_start(value: int) -> bool:
    """Whether `value` can be the key of a settlement period."""
    return value >= 0 and value % PERIOD_SECONDS == 0


def period_start(at: float) -> int:
    """Return the start of the settlement period `at` (epoch seconds) lies in."""
    return int(at // PERIOD_SECONDS) * PERIOD_SECONDS


def utc_day_start(at: float) -> int:
    """Return midnight UTC of the day `at` lies in, epoch seconds."""
    return int(at // DAY_SECONDS) * DAY_SECONDS


def utc_day(day: date) -> Span:
    """Return the UTC day: always 48 settlement periods."""
    start = int(datetime.combine(day, time(), UTC).timestamp())
    return Span(start, start + DAY_SECONDS)


def utc_date(at: float) -> date:
    """Return the UTC calendar date of `at`, epoch seconds."""
    return datetime.fromtimestamp(at, UTC).date()


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Return the zone called `name`; ZoneInfoNotFoundError (a KeyError) where there is none."""
    return ZoneInfo(name)


def _zone(where: str | ZoneInfo) -> ZoneInfo:
    return zone(where) if isinstance(where, str) else where


def _local_midnight(day: date, where: str | ZoneInfo) -> int:
    """Return when `day` begins in `where`, epoch seconds.

    The first instant that is `day` on the local clock: where midnight is skipped (zones that change their clocks
    at midnight) Python maps the missing wall time with the offset before the change, which is that instant. Where
    midnight happens twice the first one counts, or the day before would be cut short.
    """
    return int(datetime.combine(day, time(), _zone(where)).replace(fold=0).timestamp())


@lru_cache(maxsize=8192)  # years of days, and each is asked for by every device
def local_day(day: date, where: str | ZoneInfo) -> Span:
    """Return the local day `day` of the zone `where`.

    46 settlement periods when the clocks go forward, 50 when they go back, otherwise 48 (in zones that change by
    half an hour 47 or 49). Raises ValueError for a zone whose midnights are not on half-hours (Nepal's are not).
    """
    return Span(_local_midnight(day, where), _local_midnight(day + timedelta(days=1), where))


def local_date(at: float, where: str | ZoneInfo) -> date:
    """Return the calendar date of `at` (epoch seconds) on the clocks of `where`."""
    return datetime.fromtimestamp(at, _zone(where)).date()


def local_days(first: date, last: date, where: str | ZoneInfo) -> Iterator[tuple[date, Span]]:
    """Yield (date, span) of each local day from `first` to `last`, both included."""
    day = first
    while day <= last:
        yield day, local_day(day, where)
        day += timedelta(days=1)


def month(year: int, number: int, where: str | ZoneInfo) -> Span:
    """Return the local calendar month, `number` 1-12."""
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return Span(_local_midnight(date(year, number, 1), where), _local_midnight(date(*following, 1), where))


def months(first: date, last: date) -> Iterator[tuple[int, int]]:
    """Yield (year, month) of every calendar month touched from `first` to `last`, both included."""
    year, number = first.year, first.month
    while (year, number) <= (last.year, last.month):
        yield year, number
        year, number = (year + 1, 1) if number == 12 else (year, number + 1)


def financial_year_of(day: date) -> int:
    """Return the calendar year in which the UK financial year of `day` began: 2025 for 31 March 2026."""
    return day.year if (day.month, day.day) >= FINANCIAL_YEAR_START else day.year - 1


def financial_year(began: int, where: str | ZoneInfo = "Europe/London") -> Span:
    """Return the financial year that begins on 1 April `began` local time and ends as 31 March ends."""
    return Span(
        _local_midnight(date(began, *FINANCIAL_YEAR_START), where),
        _local_midnight(date(began + 1, *FINANCIAL_YEAR_START), where),
    )


def financial_year_label(began: int) -> str:
    """Return the year as people write it: `2025/26`."""
    return f"{began}/{(began + 1) % 100:02d}"


def crc_year(began: int, where: str | ZoneInfo = "Europe/London") -> Span:
    """Return the CRC compliance year 1 April `began` to 31 March; ValueError where the scheme did not run.

    The scheme's annual reporting years were 2010/11 to 2018/19.
    """
    if not CRC_FIRST_YEAR <= began <= CRC_LAST_YEAR:
        raise ValueError(
            f"{financial_year_label(began)} is no CRC compliance year: the scheme ran from "
            f"{financial_year_label(CRC_FIRST_YEAR)} to {financial_year_label(CRC_LAST_YEAR)}"
        )
    return financial_year(began, where)
