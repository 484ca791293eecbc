"""Files of smart plugs and plug-in meters read: good rows become whole days of a device, bad ones go to quarantine.

A row is a reading of one device: a register in kWh, the kWh of an interval or day, or watts. A register that reads less
than before began anew (most plugs forget theirs without power): a warning, and what was used across is not known.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import pairwise
from typing import NamedTuple

from roadworthy_inventory.calendar import local_day, utc_day
from roadworthy_inventory.carbon import plug_columns
from roadworthy_inventory.carbon.meter_cells import YES, Row, Time
from roadworthy_inventory.carbon.meter_clock import instants
from roadworthy_inventory.carbon.plug_columns import Kind
from roadworthy_inventory.carbon.plug_days import (
    JOULES_PER_WATT_HOUR,
    LONGEST_SECONDS,
    MOST_WATTS,
    Covered,
    Stretch,
    days,
    shortest_gap,
)
from roadworthy_inventory.importing import values
from roadworthy_inventory.importing.problems import (
    CORRECTION_COLUMNS,
    BadRow,
    CellError,
    Report,
    Tally,
    UnknownFormatError,
    UnreadableFileError,
    is_correction,
    neutralised,
    restored,
)
from roadworthy_inventory.importing.reading import Table
from roadworthy_inventory.importing.values import Cell, as_text

MOST_ROWS = 300_000  # a year of half-hours of seventeen devices; all rows are held at once
_MOST_FIGURE = Decimal(10) ** 9
_EARLIEST = dt.date(2000, 1, 1)
_STAMP = re.compile(
    r"(.+?)(?:T|\s+)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?\s*(Z|UTC|GMT|BST|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE | re.DOTALL,
)
_NAMED = {"Z": 0, "UTC": 0, "GMT": 0, "BST": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a file is to be read where it does not say so: the device of all rows, its clocks, what its figures are."""

    device: str | None = None
    time: Time = "local"
    kind: Kind | None = None
    zone: str = "Europe/London"


@dataclass(frozen=True, slots=True)
class PlugFile:
    """What a file holds: {device: its days}, and how the import went."""

    devices: dict[int, Covered]
    report: Report


class _Read(NamedTuple):
    """A reading: joules of a register or interval, or watts; `end` where the row says it."""

    at: int
    end: int | None
    value: int
    reset: bool
    line: int
    cells: Sequence[Cell]


class PlugImport:
    """A file under way. `read()` goes through all of it once."""

    def __init__(
        self,
        table: Table,
        how: How,
        *,
        on: dt.date,
        device: Callable[[str], int | str],
        quarantine: Callable[[BadRow], None],
    ) -> None:
        """Look at the header; ImportRefusedError where it is no such file.

        `on`: today. `device`: the number of a device by what a row calls it, or a text that says why there is none.
        """
        self.table = table
        self._how, self._on, self._device, self._quarantine = how, on, device, quarantine
        self.columns = plug_columns.recognise(table.file, table.header, table.header_line, how.kind)
        if self.columns.device is None and how.device is None:
            raise UnknownFormatError(
                table.file,
                "has no column of the device",
                "name one tag, serial, host name or id, or say which device it is of",
                line=table.header_line,
            )
        self._ours = is_correction(table.header)
        kept = [name for name in table.header if not (self._ours and name in CORRECTION_COLUMNS)]
        self._kept = len(kept)
        self.correction_header = (*(neutralised(name) for name in kept), *CORRECTION_COLUMNS)
        self._tally = Tally()
        self._read: dict[int, list[_Read]] = defaultdict(list)
        self._starts: dict[int, dict[int, _Read]] = defaultdict(dict)

    def correction_row(self, bad: BadRow) -> tuple[str, ...]:
        """Return a bad row for the correction file, whose header is `correction_header`."""
        cells = [neutralised(cell) for cell in [*bad.cells, *[""] * self._kept][: self._kept]]
        refused = [one for one in bad.problems if one.quarantines]
        where = "; ".join(dict.fromkeys(one.column for one in refused if one.column))
        why = "; ".join(f"{one.column} {one.message}".strip() for one in refused)
        return (*cells, str(bad.line), neutralised(where), neutralised(why))

    def read(self) -> PlugFile:
        """Read every row. Raises ImportRefusedError for what is only found further down."""
        width = len(self.table.header)
        for count, (line, raw) in enumerate(self.table.rows, 1):
            if count > MOST_ROWS:
                raise UnreadableFileError(
                    self.table.file, f"has more than {MOST_ROWS:,} rows", "split it by device", line=line
                )
            cells = [*raw, *[""] * (width - len(raw))]
            if self._ours:
                cells = [restored(one) if isinstance(one, str) else one for one in cells]
            row = Row(line)
            if any(cell != "" for cell in raw[width:]):
                row.refuse("", "long_row", f"has {len(raw)} cells, the header {width}")
            else:
                self._take(row, cells)
            self._done(row, cells)
        found = {one: days(self._stretches(some), self._how.zone) for one, some in self._read.items()}
        notes = (*self.table.notes, f"read as {self.columns.kind} figures, {self._clock()}")
        return PlugFile(found, self._tally.report(notes))

    def _clock(self) -> str:
        return "UTC" if self._how.time == "utc" else f"time of {self._how.zone}"

    def _done(self, row: Row, cells: Sequence[Cell]) -> None:
        self._tally.add(row.problems)
        if row.bad:
            self._tally.quarantined += 1
            told = tuple(as_text(cell) for cell in cells)
            self._quarantine(BadRow(row.line, told, tuple(row.problems)))
        else:
            self._tally.good += 1

    # --- a row ---

    def _take(self, row: Row, cells: Sequence[Cell]) -> None:
        columns, name = self.columns, self.table.header
        device = self._whose(row, cells)
        value = self._value(row, cells)
        held = {} if device is None else self._starts[device]
        span = self._when(row, cells, held)
        if row.bad or device is None or value is None or span is None:
            return
        at, end = span
        reset = columns.reset is not None and as_text(cells[columns.reset]).casefold() in YES
        new = _Read(at, end, value, reset, row.line, cells)
        before = held.get(at)
        if before is not None and (before.value, before.end) != (value, end):
            row.refuse(
                name[columns.value], "overlap", f"is on line {before.line} already with another figure",
                as_text(cells[columns.value]),
            )  # fmt: skip
        elif before is not None:
            row.warn("", "duplicate", f"says again what line {before.line} says")
        else:
            held[at] = new
            self._read[device].append(new)

    def _whose(self, row: Row, cells: Sequence[Cell]) -> int | None:
        index = self.columns.device
        said = as_text(cells[index]) if index is not None else ""
        column = self.table.header[index] if index is not None else ""
        if not (said := said or self._how.device or ""):
            row.refuse(column, "missing", "does not say which device")
            return None
        found = self._device(said)
        if isinstance(found, str):
            row.refuse(column, "device", found, said)
            return None
        return found

    def _value(self, row: Row, cells: Sequence[Cell]) -> int | None:
        """Return watts, or joules; half a joule rounds up."""
        columns = self.columns
        name, said = self.table.header[columns.value], as_text(cells[columns.value])
        if not said:
            row.refuse(name, "missing", "has no figure; what is not known is left out, not nought")
            return None
        try:
            told = Decimal(said.replace(",", ""))
        except InvalidOperation:
            told = Decimal("NaN")
        if not told.is_finite():
            row.refuse(name, "not_a_number", "is no number", said)
            return None
        if told < 0 or told > _MOST_FIGURE:
            row.refuse(name, "negative" if told < 0 else "too_large", "is below nought" if told < 0 else "is too large", said)  # fmt: skip
            return None
        if columns.kind == "watts":
            if told > MOST_WATTS:
                row.refuse(name, "too_large", f"is more than {MOST_WATTS:,} W", said)
            return int(told.to_integral_value(ROUND_HALF_UP))
        return int((told * columns.watt_hours * JOULES_PER_WATT_HOUR).to_integral_value(ROUND_HALF_UP))

    def _when(self, row: Row, cells: Sequence[Cell], held: dict[int, _Read]) -> tuple[int, int | None] | None:
        columns, utc = self.columns, self._how.time == "utc"
        if columns.by_day:
            assert columns.day is not None  # noqa: S101 - `recognise` found one of the two
            date = self._date(row, columns.day, cells[columns.day])
            if date is None:
                return None
            span = utc_day(date) if utc else local_day(date, self._how.zone)
            return span.start, span.end if columns.kind == "interval" else None
        start = self._stamp(row, cells, columns.stamp, held)
        end = None
        if columns.end is not None and columns.kind == "interval":
            end = self._stamp(row, cells, columns.end, {})
            if start is not None and end is not None and end <= start:
                row.refuse(self.table.header[columns.end], "order", "ends before it begins")
        return None if start is None else (start, end)

    def _stamp(
        self, row: Row, cells: Sequence[Cell], index: int | None, held: dict[int, _Read]
    ) -> int | None:
        """Return the moment a row says; the hour that comes twice is told twice, the earlier first."""
        columns = self.columns
        if index is not None:
            name, said = self.table.header[index], _moment(cells[index])
        else:
            assert columns.day is not None and columns.clock is not None  # noqa: S101, PT018 - as `recognise` left them
            name = self.table.header[columns.clock]
            said = f"{_day_of(cells[columns.day])} {_moment(cells[columns.clock])}"
        found = _STAMP.fullmatch(said)
        if found is None:
            row.refuse(name, "not_a_time", "is no time; write it as 2026-10-14 00:30", said)
            return None
        at = index if index is not None else columns.day or 0
        date = self._date(row, at, found[1].strip())
        if date is None:
            return None
        hour, minute, second = int(found[2]), int(found[3]), int(found[4] or 0)
        if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second):
            row.refuse(name, "not_a_time", "is no time of the day", said)
            return None
        clock = dt.datetime.combine(date, dt.time()) + dt.timedelta(
            hours=hour, minutes=minute, seconds=second
        )
        try:
            zone = None if self._how.time == "utc" else self._how.zone
            starts = instants(clock, _offset(found[5]), zone, ends=False)
        except CellError as error:
            row.refuse(name, error.code, error.message, said)
            return None
        return next((one for one in starts if one not in held), starts[-1])

    def _date(self, row: Row, index: int, cell: Cell) -> dt.date | None:
        name = self.table.header[index]
        try:
            date = values.date(cell)
        except CellError as error:
            row.refuse(name, error.code, error.message, cell)
            return None
        if date is None:
            row.refuse(name, "missing", "has no day")
        elif not _EARLIEST <= date <= self._on:
            row.refuse(name, "future" if date > self._on else "too_early", "is not a day until today", cell)
            return None
        return date

    # --- readings of one device in order ---

    def _stretches(self, some: list[_Read]) -> Iterator[Stretch]:
        ordered = sorted(some, key=lambda one: one.at)
        make = {"register": self._register, "interval": self._interval, "watts": self._watts}
        end = 0
        for one, stretch in make[self.columns.kind](ordered):
            length = stretch.end - stretch.start
            if stretch.joules > MOST_WATTS * length:
                watts = stretch.joules // length
                self._late(one, "too_large", f"would be {watts:,} W over {length:,} s; no plug carries that")
            elif stretch.start < end:
                self._late(one, "overlap", "begins before the row before it ends")
            else:
                end = stretch.end
                yield stretch

    def _register(self, ordered: list[_Read]) -> Iterator[tuple[_Read, Stretch]]:
        for before, after in pairwise(ordered):
            if after.reset or after.value < before.value:
                row = Row(after.line)
                what = (
                    "began anew"
                    if after.reset
                    else f"reads less than on line {before.line}: taken to have begun anew"
                )
                row.warn(self.table.header[self.columns.value], "register_reset", what)
                self._tally.add(row.problems)
                continue
            yield after, Stretch(before.at, after.at, after.value - before.value)

    def _interval(self, ordered: list[_Read]) -> Iterator[tuple[_Read, Stretch]]:
        usual = shortest_gap([one.at for one in ordered])
        for one in ordered:
            end = one.end if one.end is not None else None if usual is None else one.at + usual
            if end is None:
                self._late(
                    one, "no_interval", "is the only reading of its device, so nobody knows of how long"
                )
                continue
            yield one, Stretch(one.at, end, one.value)

    @staticmethod
    def _watts(ordered: list[_Read]) -> Iterator[tuple[_Read, Stretch]]:
        for one, after in pairwise(ordered):
            if after.at - one.at <= LONGEST_SECONDS:
                yield one, Stretch(one.at, after.at, one.value * (after.at - one.at))

    def _late(self, one: _Read, code: str, message: str) -> None:
        """Set a row aside that was good by itself."""
        row = Row(one.line)
        value = self.table.header[self.columns.value]
        row.refuse(value, code, message, as_text(one.cells[self.columns.value]))
        self._tally.good -= 1
        self._done(row, one.cells)


def _moment(cell: Cell) -> str:
    if isinstance(cell, dt.datetime):
        return (cell + dt.timedelta(seconds=0.5)).replace(microsecond=0).isoformat(" ")
    if isinstance(cell, dt.date):
        return f"{cell.isoformat()} 00:00"
    return cell.isoformat() if isinstance(cell, dt.time) else as_text(cell)


def _day_of(cell: Cell) -> str:
    return cell.strftime("%Y-%m-%d") if isinstance(cell, dt.date) else as_text(cell)


def _offset(text: str | None) -> int | None:
    if not text:
        return None
    if text.upper() in _NAMED:
        return _NAMED[text.upper()]
    return (-1 if text[0] == "-" else 1) * (int(text[1:3]) * 3600 + int(text[-2:]) * 60)
