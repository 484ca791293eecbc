"""Where a half-hour of a meter file lies in time: columns of a day, settlement periods, time stamps.

A local day has 46 half-hours when the clocks go forward and 50 when they go back. Suppliers write such days in three
ways, told apart by what stands in the row:

- by settlement period: 46 filled and 47, 48 empty or nought; 50 columns on the long day;
- by the clock: the hour that does not exist empty or nought; on the long day the hour that comes twice once only, so
  that two half-hours are missing (or, if the reader is told so, the sum of both, which is then halved and estimated);
- in UTC, always 48: only if the reader is told so, for 48 filled on a day of 46 are refused.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from roadworthy_inventory.calendar import PERIOD_SECONDS, Span, local_day, utc_day, zone
from roadworthy_inventory.importing import values
from roadworthy_inventory.importing.problems import CellError
from roadworthy_inventory.importing.values import Cell, DateOrder

LongDay = Literal["dropped", "summed"]
_STAMP = re.compile(
    r"(.+?)[T ]\s*([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?\s*(Z|UTC|GMT|BST|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE | re.DOTALL,
)
_TIME = re.compile(r"([0-9]{1,2}):?([0-9]{2})(?::([0-9]{2}))?")
_NAMED = {"Z": 0, "UTC": 0, "GMT": 0, "BST": 3600}


class Told(NamedTuple):
    """A half-hour of a row: the column it stands in (from 0), its value and status."""

    column: int
    value: int | None
    status: str


class Placed(NamedTuple):
    """A half-hour by its start, epoch seconds, or None for one the day does not have; `remark` where it was odd."""

    start: int
    column: int
    value: int | None
    status: str


def place_utc(day: dt.date, told: Sequence[Told]) -> list[Placed]:
    """Return the half-hours of a UTC day; CellError where there are more than 48."""
    _refuse_beyond(told, 48, "a day of 48 half-hours")
    return _in_order(utc_day(day), told[:48])


def place_local(
    day: dt.date, told: Sequence[Told], where: str, *, by_clock: bool, long_day: LongDay
) -> tuple[list[Placed], str | None]:
    """Return the half-hours of a local day, and a remark where it had to be told apart. CellError where it cannot."""
    span = local_day(day, where)
    if span.periods == 46:
        return _short(span, told, _odd_slot(span, where), by_clock=by_clock)
    if span.periods == 50:
        return _long(span, told, _odd_slot(span, where), long_day)
    _refuse_beyond(told, span.periods, f"a day of {span.periods} half-hours")
    return _in_order(span, told), None


def _in_order(span: Span, told: Sequence[Told]) -> list[Placed]:
    return [Placed(start, *one) for start, one in zip(span.starts(), told, strict=False)]


def _refuse_beyond(told: Sequence[Told], most: int, what: str) -> None:
    for one in told[most:]:
        if one.value:
            raise CellError("too_many_half_hours", f"half-hour {one.column + 1} has a figure on {what}")


def _odd_slot(span: Span, where: str) -> int:
    """Return the number, from 0, of the half-hour by the clock from which on clock and settlement period differ."""
    here = zone(where)
    for at, start in enumerate(span.starts()):
        clock = dt.datetime.fromtimestamp(start, here)
        if clock.hour * 2 + clock.minute // 30 != at:
            return at if span.periods < 48 else at - 2
    return 0


def _short(span: Span, told: Sequence[Told], odd: int, *, by_clock: bool) -> tuple[list[Placed], str | None]:
    _refuse_beyond(told, 48, "a day of 46 half-hours")
    hour, last = [one.value for one in told[odd : odd + 2]], [one.value for one in told[46:48]]
    without_hour = [*told[:odd], *told[odd + 2 : 48]]
    if not any(value is not None for value in last):
        return _in_order(span, told[:46]), None
    if not any(value is not None for value in hour):
        return _in_order(span, without_hour), None
    if not any(hour) and (by_clock or any(last)):
        return _in_order(span, without_hour), "the hour the clocks leapt over has nought: left out"
    if not any(last):
        return _in_order(span, told[:46]), "half-hours 47 and 48 have nought: left out"
    raise CellError(
        "day_of_46",
        "has 48 half-hours on the day the clocks went forward, which has 46: leave the two out that are none, "
        "or say that the file is in UTC",
    )


def _long(span: Span, told: Sequence[Told], odd: int, long_day: LongDay) -> tuple[list[Placed], str | None]:
    if any(one.value is not None for one in told[48:50]):
        return _in_order(span, told), None
    twice = told[odd : odd + 2]
    if long_day == "dropped":
        empty = [Told(one.column, None, "-") for one in twice]
        placed = _in_order(span, [*told[: odd + 2], *empty, *told[odd + 2 : 48]])
        return placed, "has 48 half-hours on a day of 50: the second of the two like hours is missing"
    first = [
        one._replace(value=None if one.value is None else one.value - one.value // 2, status="E")
        for one in twice
    ]
    second = [one._replace(value=None if one.value is None else one.value // 2, status="E") for one in twice]
    placed = _in_order(span, [*told[:odd], *first, *second, *told[odd + 2 : 48]])
    return (
        placed,
        "has 48 half-hours on a day of 50: the sums of the two like hours were halved and count as estimated",
    )


def is_time(cell: Cell) -> bool:
    """Whether a cell is a time alone, without a date."""
    if isinstance(cell, dt.time | dt.timedelta):
        return True
    return isinstance(cell, str) and ":" in cell and _TIME.fullmatch(cell.strip()) is not None


def read_time(cell: Cell) -> tuple[int, int]:
    """Return (hour, minute) of `00:30`, `0030`, `24:00` or a spreadsheet's time; CellError for what is no half-hour."""
    if isinstance(cell, dt.datetime | dt.time):
        return _half(cell.hour, cell.minute, cell.second)
    if isinstance(cell, dt.timedelta):
        seconds = round(cell.total_seconds())
        return _half(seconds // 3600, seconds // 60 % 60, seconds % 60)
    found = _TIME.fullmatch(values.as_text(cell))
    if found is None:
        raise CellError("not_a_time", "is no time; write it as 00:30")
    return _half(int(found[1]), int(found[2]), int(found[3] or 0))


def _half(hour: int, minute: int, second: int) -> tuple[int, int]:
    if minute not in {0, 30} or second or hour > 24 or (hour == 24 and minute):
        raise CellError("not_half_hour", "is no edge of a half-hour")
    return hour, minute


def read_stamp(cell: Cell, order: DateOrder) -> tuple[dt.datetime, int | None]:
    """Return the clock time a cell says, and its offset from UTC in seconds if it says one. 24:00 is the next day."""
    if isinstance(cell, dt.datetime):
        rounded = cell + dt.timedelta(seconds=0.5)  # a spreadsheet's fractions of days are not exact
        _half(rounded.hour, rounded.minute, rounded.second)
        return rounded.replace(microsecond=0, tzinfo=None), None
    if isinstance(cell, dt.date):  # midnight, shown as a bare date
        return dt.datetime.combine(cell, dt.time()), None
    said = values.as_text(cell)
    found = _STAMP.fullmatch(said)
    if found is None:
        raise CellError("not_a_time", "is no time stamp; write it as 2025-10-14 00:30")
    day = values.date(found[1].strip(), order)
    if day is None:
        raise CellError("not_a_date", "is no date; write it as 2025-10-14")
    hour, minute = _half(int(found[2]), int(found[3]), int(found[4] or 0))
    clock = dt.datetime.combine(day, dt.time()) + dt.timedelta(hours=hour, minutes=minute)
    return clock, _offset(found[5])


def _offset(text: str | None) -> int | None:
    if not text:
        return None
    if text.upper() in _NAMED:
        return _NAMED[text.upper()]
    sign = -1 if text[0] == "-" else 1
    return sign * (int(text[1:3]) * 3600 + int(text[-2:]) * 60)


def instants(clock: dt.datetime, offset: int | None, where: str | None, *, ends: bool) -> tuple[int, ...]:
    """Return the starts a clock time may mean, in order: one, or two in the hour that comes twice.

    `where` None: the clock is UTC's. `ends`: the clock shows the end of the half-hour. CellError where there is none.
    """
    if where is None or offset is not None:
        at = int(clock.replace(tzinfo=dt.UTC).timestamp()) - (offset or 0)
        return (at - PERIOD_SECONDS * ends,)
    here = zone(where)
    first, second = (int(clock.replace(tzinfo=here, fold=fold).timestamp()) for fold in (0, 1))
    if first > second:  # python's word for a time that does not exist
        if not ends or not _is_edge(first, clock, here):
            raise CellError("no_such_time", "does not exist: the clocks went forward; is the file in UTC?")
        return (first - PERIOD_SECONDS,)
    found = (first,) if first == second else (first, second)
    return tuple(at - PERIOD_SECONDS * ends for at in found)


def _is_edge(at: int, clock: dt.datetime, here: ZoneInfo) -> bool:
    """Whether a clock time that does not exist is the very moment the clocks leapt."""
    before = dt.datetime.fromtimestamp(at - 1, here).replace(tzinfo=None)
    return before + dt.timedelta(seconds=1) == clock
