"""Half-hourly meter files and register readings read: good rows become days of a meter, bad ones go to quarantine.

Energy is whole thousandths of a kWh. Half-hours are put in order by UTC and cut into local days of 46, 48 or 50, so
that a file of 48 columns and one of a row a half-hour say the same (see `meter_clock` for the days the clocks change).
Within a file the same half-hour of a supply and channel counts once: told again alike it is a warning, told otherwise
the row is bad, with row and column.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from roadworthy_inventory.calendar import PERIOD_SECONDS, local_date, local_day
from roadworthy_inventory.carbon import meter_clock
from roadworthy_inventory.carbon.meter_cells import YES, How, MeterCells, Row
from roadworthy_inventory.carbon.meter_clock import Told
from roadworthy_inventory.carbon.meter_columns import recognise
from roadworthy_inventory.carbon.registers import LONGEST_DIGITS, Reading, RegisterError, consumption
from roadworthy_inventory.importing.problems import (
    CORRECTION_COLUMNS,
    BadRow,
    CellError,
    Report,
    Tally,
    UnreadableFileError,
    is_correction,
    neutralised,
    restored,
)
from roadworthy_inventory.importing.reading import Table
from roadworthy_inventory.importing.values import Cell, as_text

__all__ = ["How", "MeterDay", "MeterFile", "MeterImport"]

MOST_ROWS = 2_000_000
_HELD_ROWS = 5_000
_PLAIN = How()


@dataclass(frozen=True, slots=True)
class MeterDay:
    """A local day of one supply and channel, in thousandths of a kWh; None and `-` where the file has no figure.

    `statuses`: A (actual), E (estimated) or U (nobody said) for each half-hour.
    """

    number: str
    day: dt.date
    channel: str
    values: tuple[int | None, ...]
    statuses: str

    @property
    def kwh_thousandths(self) -> int:
        """The sum of the half-hours that are there."""
        return sum(value for value in self.values if value is not None)

    @property
    def missing(self) -> int:
        """How many have no figure."""
        return self.values.count(None)


@dataclass(frozen=True, slots=True)
class MeterFile:
    """What a file holds. `fuels` {number: electricity or gas}; `readings` [(number, reading)] of registers.

    `missing`: {(number, channel): half-hours without a figure between its first and last}.
    """

    days: list[MeterDay]
    readings: list[tuple[str, Reading]]
    fuels: dict[str, str]
    missing: dict[tuple[str, str], int]
    report: Report


_Series = dict[int, tuple[int | None, str, int]]  # start: value, status, line


class MeterImport:
    """A meter file under way. `read()` goes through all of it once."""

    def __init__(
        self,
        table: Table,
        how: How = _PLAIN,
        *,
        on: dt.date,
        quarantine: Callable[[BadRow], None] | None = None,
        own: Collection[str] = (),
    ) -> None:
        """Look at the header and the first rows; ImportRefusedError where it is no meter file.

        `on`: today. `own`: names of generation meters, which are neither MPAN nor MPRN.
        """
        self.table = table
        self._how = how
        self._quarantine = quarantine
        self._tally = Tally()
        self.columns = recognise(table.file, table.header, table.header_line)
        head = list(islice(table.rows, _HELD_ROWS))
        self._rows = chain(head, table.rows)
        self._ours = is_correction(table.header)
        self.cells = MeterCells(table, self.columns, how, on, head, own)
        self._series: dict[tuple[str, str], _Series] = {}
        self._readings: dict[tuple[str, dt.date], tuple[Reading, int]] = {}
        kept = [name for name in table.header if not (self._ours and name in CORRECTION_COLUMNS)]
        self.correction_header = (*(neutralised(name) for name in kept), *CORRECTION_COLUMNS)
        self._kept = len(kept)

    def correction_row(self, bad: BadRow) -> tuple[str, ...]:
        """Return a bad row for the correction file, whose header is `correction_header`."""
        cells = [*bad.cells, *[""] * self._kept][: self._kept]
        columns = "; ".join(dict.fromkeys(one.column for one in bad.problems if one.column))
        reasons = "; ".join(f"{one.column} {one.message}".strip() for one in bad.problems if one.quarantines)
        return (
            *(neutralised(cell) for cell in cells),
            str(bad.line),
            neutralised(columns),
            neutralised(reasons),
        )

    def read(self) -> MeterFile:
        """Read every row. Raises ImportRefusedError for what is only found further down."""
        take = {"wide": self._wide, "long": self._long, "register": self._register}[self.columns.form]
        width = len(self.table.header)
        for line, raw in self._rows:
            cells = [*raw, *[""] * (width - len(raw))]
            if self._ours:
                cells = [restored(one) if isinstance(one, str) else one for one in cells]
            row = Row(line)
            if any(cell != "" for cell in raw[width:]):
                row.refuse("", "long_row", f"has {len(raw)} cells, the header {width}")
            else:
                take(row, cells)
            self._done(row, cells)
        days = self._days()
        return MeterFile(
            days,
            [
                (number, reading)
                for (number, _), (reading, _) in sorted(self._readings.items(), key=lambda one: one[0])
            ],
            self.cells.fuels,
            self._missing(),
            self._tally.report((*self.table.notes, *self._notes())),
        )

    def _done(self, row: Row, cells: Sequence[Cell]) -> None:
        self._tally.add(row.problems)
        if not row.bad:
            self._tally.good += 1
        else:
            self._tally.quarantined += 1
            if self._quarantine is not None:
                self._quarantine(
                    BadRow(row.line, tuple(as_text(cell) for cell in cells), tuple(row.problems))
                )
        if self._tally.good + self._tally.quarantined > MOST_ROWS:
            raise UnreadableFileError(
                self.table.file,
                f"has more than {MOST_ROWS:,} rows",
                "split it by month or by supply",
                line=row.line,
            )

    # --- the three forms ---

    def _wide(self, row: Row, cells: Sequence[Cell]) -> None:
        columns = self.columns
        number, day = self.cells.number(row, cells), self.cells.day(row, cells)
        channel, unit = self.cells.channel(row, cells, None), self.cells.unit(row, cells, None)
        if row.bad or number is None or day is None or channel is None:
            return
        whole = self.cells.status(row, cells, columns.status)
        told = []
        for at, index in enumerate(columns.slots):
            mark = columns.marks[at] if columns.marks else None
            status = whole if mark is None else self.cells.status(row, cells, mark)
            value = self.cells.amount(row, index, cells[index], unit)
            told.append(Told(at, value, "-" if value is None else status))
        if row.bad:
            return
        self._add_wide(row, cells, (number, channel), day, told)

    def _add_wide(
        self, row: Row, cells: Sequence[Cell], key: tuple[str, str], day: dt.date, told: list[Told]
    ) -> None:
        columns, name = self.columns, self.table.header
        try:
            remark = None
            if self.cells.zone is None:
                placed = meter_clock.place_utc(day, told)
            else:
                placed, remark = meter_clock.place_local(
                    day, told, self.cells.zone, by_clock=columns.by_clock, long_day=self._how.long_day
                )
        except CellError as error:
            row.refuse(name[columns.date or 0], error.code, error.message, day)
            return
        if remark is not None:
            row.warn(name[columns.date or 0], "clock_change", remark, day)
        empty = [one.column for one in placed if one.value is None]
        if empty and remark is None:
            first = name[columns.slots[empty[0]]]
            row.warn(first, "gap", f"{len(empty)} of {len(placed)} half-hours have no figure")
        self._check_total(row, cells, placed)
        self._keep(
            row, key, [(one.start, one.value, one.status, columns.slots[one.column]) for one in placed]
        )

    def _check_total(self, row: Row, cells: Sequence[Cell], placed: Sequence[meter_clock.Placed]) -> None:
        index = self.columns.total
        if index is None or cells[index] == "" or any(one.value is None for one in placed):
            return
        said = self.cells.amount(row, index, cells[index], "kwh")
        found = sum(one.value or 0 for one in placed)
        if said is not None and abs(said - found) > 500:  # half a kWh: totals come rounded
            row.warn(
                self.table.header[index],
                "total",
                f"says {said / 1000:g} kWh, the half-hours add up to {found / 1000:g}",
            )

    def _long(self, row: Row, cells: Sequence[Cell]) -> None:
        number = self.cells.number(row, cells)
        starts, column = self.cells.starts(row, cells)
        if row.bad or number is None or not starts:
            return
        status = self.cells.status(row, cells, self.columns.status)
        told = []
        for one in self.columns.values:
            channel, unit = self.cells.channel(row, cells, one), self.cells.unit(row, cells, one)
            if channel is not None:
                told.append((channel, one.index, self.cells.amount(row, one.index, cells[one.index], unit)))
        if row.bad:
            return
        for channel, index, value in told:
            if value is None:
                row.warn(self.table.header[index], "gap", "has no figure")
                continue
            held = self._series.get((number, channel), {})
            # The hour that comes twice is told twice, the earlier first.
            start = next((at for at in starts if at not in held or held[at][0] is None), starts[-1])
            self._keep(row, (number, channel), [(start, value, status, column)])

    def _register(self, row: Row, cells: Sequence[Cell]) -> None:
        columns, name = self.columns, self.table.header
        number, day = self.cells.number(row, cells), self.cells.day(row, cells)
        assert columns.reading is not None  # noqa: S101 - what makes the form a register
        reading = self.cells.plain(row, columns.reading, cells, 1000)
        digits = self.cells.plain(row, columns.digits, cells, 1) if columns.digits is not None else None
        each = self.cells.per_unit(row, cells)
        if row.bad or number is None or day is None:
            return
        if reading is None:
            row.refuse(name[columns.reading], "missing", "has no reading")
            return
        digits = digits or max(5, len(str(reading // 1000)))
        if not 1 <= digits <= LONGEST_DIGITS or reading >= 1000 * 10**digits:
            row.refuse(
                name[columns.reading], "digits", f"does not fit a register of {digits} digits", reading / 1000
            )
            return
        reset = columns.reset is not None and as_text(cells[columns.reset]).casefold() in YES
        status = self.cells.status(row, cells, columns.status)
        new = Reading(day, reading, status == "A", digits, each, reset)
        held = self._readings.get((number, day))
        if held is not None and held[0] != new:
            row.refuse(
                name[columns.reading],
                "overlap",
                f"is on line {held[1]} already with another value",
                reading / 1000,
            )
        elif held is not None:
            row.warn(name[columns.reading], "duplicate", f"is on line {held[1]} already")
        elif self._follows(row, number, new):
            self._readings[number, day] = (new, row.line)

    def _follows(self, row: Row, number: str, new: Reading) -> bool:
        """Whether a reading goes with the one before in the file: not less, unless it went round or was reset."""
        earlier = [one for (of, day), (one, _) in self._readings.items() if of == number and day < new.day]
        if not earlier:
            return True
        before = max(earlier, key=lambda one: one.day)
        try:
            (used,) = consumption([before, new])
        except RegisterError as error:
            row.refuse(
                self.table.header[self.columns.reading or 0],
                "register_fell",
                str(error),
                new.thousandths / 1000,
            )
            return False
        if used.how != "plain":
            said = (
                "went round" if used.how == "rollover" else "was reset: what was used before it is not known"
            )
            row.warn(self.table.header[self.columns.reading or 0], used.how, f"the register {said}")
        return True

    def _keep(self, row: Row, key: tuple[str, str], told: Iterable[tuple[int, int | None, str, int]]) -> None:
        """Keep half-hours of one row, all or none: `told` (start, value, status, column)."""
        held = self._series.setdefault(key, {})
        new, alike = {}, False
        for start, value, status, index in told:
            before = held.get(start)
            if value is None or before is None or before[0] is None:
                if before is None or before[0] is None:
                    new[start] = (value, status, row.line)
                continue
            alike = True
            if before[0] != value or before[1] != status:
                row.refuse(
                    self.table.header[index],
                    "overlap",
                    f"is on line {before[2]} already with another figure",
                    value / 1000,
                )
                return
        if alike and not any(value is not None for value, _, _ in new.values()):
            row.warn("", "duplicate", "says again what an earlier row says")
        held.update(new)

    def _days(self) -> list[MeterDay]:
        found = []
        for (number, channel), series in sorted(self._series.items()):
            begun: dict[dt.date, None] = {}
            end = 0
            for start in sorted(series):
                if start >= end:
                    day = local_date(start, self._how.zone)
                    end = local_day(day, self._how.zone).end
                    begun[day] = None
            for day in begun:
                told = [series.get(start) for start in local_day(day, self._how.zone).starts()]
                figures = tuple(None if one is None else one[0] for one in told)
                if any(value is not None for value in figures):
                    marks = "".join("-" if one is None or one[0] is None else one[1] for one in told)
                    found.append(MeterDay(number, day, channel, figures, marks))
        return found

    def _missing(self) -> dict[tuple[str, str], int]:
        """Return what is missing between the first and the last figure of each supply and channel."""
        found: dict[tuple[str, str], int] = {}
        for key, series in sorted(self._series.items()):
            there = [start for start, (value, _, _) in series.items() if value is not None]
            if there:
                gone = (max(there) - min(there)) // PERIOD_SECONDS + 1 - len(there)
                if gone:
                    found[key] = gone
        return found

    def _notes(self) -> list[str]:
        columns = self.columns
        form = {
            "wide": f"{len(columns.slots)} columns a day, {'by the clock' if columns.by_clock else 'numbered'}",
            "long": f"a row a half-hour{'' if self.cells.stamps is None else f', times are its {self.cells.stamps}'}",
            "register": "readings of a register",
        }[columns.form]
        return [f"read as {form}, {'UTC' if self.cells.zone is None else f'time of {self.cells.zone}'}"]
