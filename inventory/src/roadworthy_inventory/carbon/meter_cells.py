"""Cells of a meter file: supply numbers, days and times, energy in its unit, channel and status.

Every reader returns a value, or None after saying to the row what is wrong, with the column.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal

from roadworthy_inventory.calendar import PERIOD_SECONDS, local_date, local_day, utc_day
from roadworthy_inventory.carbon import meter_clock
from roadworthy_inventory.carbon.meter_clock import LongDay
from roadworthy_inventory.carbon.meter_columns import Columns, Value
from roadworthy_inventory.carbon.meter_numbers import MeterNumberError, mpan, mprn
from roadworthy_inventory.importing import values
from roadworthy_inventory.importing.problems import CellError, Problem, UnknownFormatError, shortened
from roadworthy_inventory.importing.reading import Table
from roadworthy_inventory.importing.values import Cell, DateOrder, as_text
from roadworthy_inventory.importing.words import word_key

Time = Literal["local", "utc"]
Stamps = Literal["start", "end"]
Status = Literal["A", "E"]
MOST_THOUSANDTHS = 4_000_000_000  # 4 GWh in a half-hour: a slip; a power station gives 1
_MOST_REMEMBERED = 200_000
# Thousandths of a kWh in half an hour.
_FACTORS = {
    "wh": Decimal(1), "kwh": Decimal(1000), "mwh": Decimal(10**6), "gwh": Decimal(10**9), "kw": Decimal(500),
    "mw": Decimal(500_000),
}  # fmt: skip
_REACTIVE = frozenset(
    {"kvarh", "kvar", "ri", "re", "reactive", "reactiveimport", "reactiveexport", "kvah", "kva"}
)
_CHANNELS = {
    **dict.fromkeys(("import", "imp", "ai", "a+", "activeimport", "consumption", "kwh", "del", "delivered", "in", "i"), "import"),
    **dict.fromkeys(("export", "exp", "ae", "a-", "activeexport", "generation", "rec", "received", "out", "x"), "export"),
}  # fmt: skip
_STATUSES = {
    **dict.fromkeys(("a", "actual", "act", "valid", "v", "good", "no", "false", "real"), "A"),
    **dict.fromkeys(("e", "estimated", "estimate", "est", "substituted", "yes", "true", "d", "deemed"), "E"),
}
_NOTHING = frozenset({"", "-", "--", "n/a", "na", "null", "none", "nan", "missing", "#n/a"})
YES = frozenset({"yes", "y", "true", "1", "reset", "exchanged"})
UNSTATED = "U"


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a file is to be read where it does not say so itself.

    `time`: of dates and clocks. `stamps`: what a time stands for. `status`: of all half-hours without one. `long_day`:
    what 48 columns hold on the day of 50. `number`: of a file about one supply without a column for it.
    """

    time: Time = "local"
    stamps: Stamps | None = None
    unit: str | None = None
    status: Status | None = None
    long_day: LongDay = "dropped"
    number: str | None = None
    date_order: DateOrder | None = None
    zone: str = "Europe/London"


@dataclass(slots=True)
class Row:
    """What is found out about a row while it is read."""

    line: int
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, column: str, code: str, message: str, value: object = "") -> None:
        """Send the row to quarantine."""
        self.problems.append(Problem(self.line, column, code, message, shortened(value)))

    def warn(self, column: str, code: str, message: str, value: object = "") -> None:
        """Count a warning; the row is kept."""
        self.problems.append(Problem(self.line, column, code, message, shortened(value), quarantines=False))

    @property
    def bad(self) -> bool:
        """Whether it goes to quarantine."""
        return any(one.quarantines for one in self.problems)


class MeterCells:
    """Reads the cells of one file. `fuels` {number: fuel} of the supplies met; `zone` None: its clocks are UTC's.

    `own`: names of generation meters, which stand where a file of electricity or gas has an MPAN or MPRN.
    """

    def __init__(
        self,
        table: Table,
        columns: Columns,
        how: How,
        on: dt.date,
        head: Sequence[tuple[int, Sequence[Cell]]],
        own: Collection[str] = (),
    ) -> None:
        self.file = table.file
        self._own = own
        self.header = table.header
        self.columns = columns
        self._how = how
        self._on = on
        self._order: DateOrder = how.date_order or _order(columns, head)
        self.zone = None if how.time == "utc" or columns.utc else how.zone
        self._number = None if how.number is None else self._checked(how.number)
        self.stamps = self._stamps_of(head, table.header_line)
        self._numbers: dict[str, str | MeterNumberError] = {}
        self._amounts: dict[tuple[Cell, str], int | None] = {}
        self.fuels: dict[str, str] = {}
        if columns.number is None and self._number is None:
            raise UnknownFormatError(
                table.file,
                "has no column with the number of the supply",
                "say which one it is of",
                line=table.header_line,
            )

    def _checked(self, text: str) -> str:
        try:
            return self._plain(text)
        except MeterNumberError as error:
            raise UnknownFormatError(self.file, str(error), "say the number of a supply") from None

    def _plain(self, text: str) -> str:
        plain = "".join(text.split())
        if plain.upper() in self._own:
            return plain.upper()
        return mpan(text) if len(plain) > 10 else mprn(text)

    def _fuel(self, number: str) -> str:
        if number in self._own:
            return "onsite"
        return "electricity" if len(number) == 13 else "gas"

    def number(self, row: Row, cells: Sequence[Cell]) -> str | None:
        """Return the number of the supply."""
        index = self.columns.number
        said = "" if index is None else as_text(cells[index])
        if not said and self._number is not None:
            self.fuels.setdefault(self._number, self._fuel(self._number))
            return self._number
        if said not in self._numbers:
            try:
                key = values.key(cells[index]) if index is not None else None
                self._numbers[said] = self._plain(key or "")
            except MeterNumberError as error:
                self._numbers[said] = error
            except CellError as error:
                self._numbers[said] = MeterNumberError(error.message)
        found = self._numbers[said]
        if isinstance(found, MeterNumberError):
            row.refuse(self.header[index or 0], "supply_number", str(found), said)
            return None
        self.fuels.setdefault(found, self._fuel(found))
        return found

    def day(self, row: Row, cells: Sequence[Cell]) -> dt.date | None:
        """Return the date; None for a bad one."""
        index = self.columns.date
        if index is None:
            return None
        name = self.header[index]
        try:
            day = values.date(cells[index], self._order)
        except CellError as error:
            row.refuse(name, error.code, error.message, cells[index])
            return None
        if day is None:
            row.refuse(name, "missing", "has no date")
        elif day > self._on:
            row.refuse(name, "future", f"is after today, {self._on}", day)
        return day

    def starts(self, row: Row, cells: Sequence[Cell]) -> tuple[tuple[int, ...], int]:
        """Return the starts a row of one half-hour may mean, and the column that says so."""
        columns = self.columns
        index = next(one for one in (columns.stamp, columns.time, columns.period) if one is not None)
        name, cell = self.header[index], cells[index]
        try:
            if columns.stamp is None and columns.time is None:
                found = self._by_period(row, cells, cell)
            else:
                found = self._by_clock(row, cells, cell)
        except CellError as error:
            row.refuse(name, error.code, error.message, cell)
            return (), index
        if found and local_date(found[0], self._how.zone) > self._on:
            row.refuse(name, "future", f"is after today, {self._on}", cell)
        return found, index

    def _by_period(self, row: Row, cells: Sequence[Cell], cell: Cell) -> tuple[int, ...]:
        day = self.day(row, cells)
        number = values.whole(cell)
        if day is None or number is None:
            if number is None:
                raise CellError("missing", "has no settlement period")
            return ()
        span = utc_day(day) if self.zone is None else local_day(day, self.zone)
        if not 1 <= number <= span.periods:
            raise CellError("no_such_period", f"is none of the {span.periods} settlement periods of {day}")
        return (span.start + (number - 1) * PERIOD_SECONDS,)

    def _by_clock(self, row: Row, cells: Sequence[Cell], cell: Cell) -> tuple[int, ...]:
        columns = self.columns
        if columns.stamp is not None and (columns.date is None or not meter_clock.is_time(cell)):
            clock, offset = meter_clock.read_stamp(cell, self._order)
        else:
            day = self.day(row, cells)
            if day is None:
                return ()
            hour, minute = meter_clock.read_time(cell)
            clock = dt.datetime.combine(day, dt.time()) + dt.timedelta(hours=hour, minutes=minute)
            if self.stamps == "end" and (hour, minute) == (0, 0):
                clock += dt.timedelta(days=1)  # the last half-hour of its date ends at 00:00
            offset = None
        return meter_clock.instants(clock, offset, self.zone, ends=self.stamps == "end")

    def amount(self, row: Row, index: int, cell: Cell, unit: str) -> int | None:
        """Return thousandths of a kWh, None for an empty cell; a bad one is a problem of the row."""
        key = (cell, unit)
        if key in self._amounts:
            return self._amounts[key]
        try:
            found = _thousandths(cell, _FACTORS[unit])
        except CellError as error:
            row.refuse(self.header[index], error.code, error.message, cell)
            return None
        if len(self._amounts) < _MOST_REMEMBERED:
            self._amounts[key] = found
        return found

    def plain(self, row: Row, index: int, cells: Sequence[Cell], times: int) -> int | None:
        """Return a number `times` as large, whole; None for an empty or bad cell."""
        try:
            return _thousandths(cells[index], Decimal(times))
        except CellError as error:
            row.refuse(self.header[index], error.code, error.message, cells[index])
            return None

    def per_unit(self, row: Row, cells: Sequence[Cell]) -> int:
        """Return thousandths of a kWh a unit of the register: 1000 where it counts kWh."""
        columns = self.columns
        if columns.factor is not None and cells[columns.factor] != "":
            return self.plain(row, columns.factor, cells, 1000) or 1000
        unit = self._said_unit(cells, None)
        plain = {"kwh": 1000, "wh": 1, "mwh": 10**6}
        if unit not in plain:
            where = "" if columns.unit is None else self.header[columns.unit]
            row.refuse(
                where,
                "unknown_unit",
                f"{unit!r} is no unit of energy; give the kWh per unit in a column of that name",
            )
        return plain.get(unit, 1000)

    def _said_unit(self, cells: Sequence[Cell], column: Value | None) -> str:
        index = self.columns.unit
        said = "" if index is None else word_key(as_text(cells[index]))
        return (
            said
            or (column.unit if column is not None and column.unit else "")
            or word_key(self._how.unit or "kwh")
        )

    def unit(self, row: Row, cells: Sequence[Cell], column: Value | None) -> str:
        """Return the unit of a column, one of those this module knows."""
        unit = self._said_unit(cells, column)
        if unit not in _FACTORS:
            index = self.columns.unit if self.columns.unit is not None else column.index if column else None
            name = "" if index is None else self.header[index]
            row.refuse(name, "unknown_unit", f"{unit!r} is an unknown unit; use {', '.join(_FACTORS)}", unit)
            return "kwh"
        return unit

    def channel(self, row: Row, cells: Sequence[Cell], column: Value | None) -> str | None:
        """Return import or export; None for reactive power, which is passed over, or a bad word."""
        if column is not None and column.channel is not None:
            return column.channel
        index = self.columns.channel
        said = "" if index is None else "".join(as_text(cells[index]).split()).casefold()
        found = "import" if not said else _CHANNELS.get(said) or _CHANNELS.get(word_key(said))
        if found is not None:
            return found
        name = "" if index is None else self.header[index]
        if word_key(said) in _REACTIVE:
            row.warn(name, "reactive", "is reactive power and no energy used; passed over", said)
        else:
            row.refuse(name, "channel", "is neither import nor export", said)
        return None

    def status(self, row: Row, cells: Sequence[Cell], index: int | None) -> str:
        """Return A, E or U."""
        said = "" if index is None else as_text(cells[index]).strip().casefold()
        if not said:
            return self._how.status or UNSTATED
        found = _STATUSES.get(said)
        if found is None:
            row.warn(
                self.header[index or 0],
                "status",
                "is neither actual nor estimated; counted as not stated",
                said,
            )
        return found or UNSTATED

    def _stamps_of(self, head: Sequence[tuple[int, Sequence[Cell]]], line: int) -> Stamps | None:
        """Return what times of a long file stand for; UnknownFormatError where nothing says it."""
        columns = self.columns
        index = columns.time if columns.stamp is None else columns.stamp
        if columns.form != "long" or index is None:
            return None
        told = self._how.stamps or columns.stamps or _by_midnight(columns, head, index, self._order)
        if told is None:
            raise UnknownFormatError(
                self.file,
                f"column {self.header[index]} does not say whether a time is the start or the end of its half-hour",
                "say which: start or end",
                line=line,
            )
        return told


def _order(columns: Columns, head: Sequence[tuple[int, Sequence[Cell]]]) -> DateOrder:
    """Return month first where the first rows prove it and none of them day first; else day first."""
    index = columns.stamp if columns.date is None else columns.date
    if index is None:
        return "day first"
    proofs = {values.proves(cells[index]) for _, cells in head if index < len(cells)}
    return "month first" if "month first" in proofs and "day first" not in proofs else "day first"


def _by_midnight(
    columns: Columns, head: Sequence[tuple[int, Sequence[Cell]]], index: int, order: DateOrder
) -> Stamps | None:
    """Return what times stand for by the first and last of a whole date: 00:00 ... 23:30 are starts.

    A time of 24:00, or a date whose times go from 00:30 to 00:00, are ends.
    """
    texts = [as_text(cells[index]) for _, cells in head if index < len(cells)]
    if any("24:00" in one or one == "2400" for one in texts):
        return "end"
    first: set[tuple[int, int]] = set()
    for _, cells in head[:1]:
        try:
            if columns.stamp is not None:
                clock, _ = meter_clock.read_stamp(cells[index], order)
                first.add((clock.hour, clock.minute))
            else:
                first.add(meter_clock.read_time(cells[index]))
        except CellError:
            return None
    return "start" if (0, 0) in first else "end" if (0, 30) in first else None


def _thousandths(cell: Cell, factor: Decimal) -> int | None:
    if isinstance(cell, bool):
        raise CellError("not_a_number", "is no amount of energy")
    said = as_text(cell).replace(",", "")
    if said.casefold() in _NOTHING:
        return None
    try:
        number = Decimal(said)
    except InvalidOperation:
        raise CellError("not_a_number", "is no amount of energy") from None
    if not number.is_finite():
        raise CellError("not_a_number", "is no amount of energy")
    if number < 0:
        raise CellError("negative", "is negative: energy used or sent is nought or more")
    if number.adjusted() > 12 or number * factor > MOST_THOUSANDTHS:
        raise CellError("too_large", "is more than any supply takes in a half-hour")
    return int((number * factor).quantize(Decimal(1), ROUND_HALF_UP))
