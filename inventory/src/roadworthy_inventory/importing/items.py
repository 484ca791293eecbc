"""Rows of a table become what its format yields; bad ones are set aside with line, column and reason."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from roadworthy_inventory.importing.blocks import BLOCK_ROWS, blocks_of
from roadworthy_inventory.importing.decoding import BROKEN
from roadworthy_inventory.importing.fields import Binding, Bound, Context, Format, bind, without_addresses
from roadworthy_inventory.importing.fitting import too_many
from roadworthy_inventory.importing.plan import (
    FormulaError,
    Orders,
    Step,
    UnknownWordError,
    conflict,
    date_orders,
    steps,
)
from roadworthy_inventory.importing.problems import (
    CORRECTION_COLUMNS,
    BadRow,
    CellError,
    ImportRefusedError,
    Problem,
    Report,
    StrictRefusedError,
    Tally,
    is_correction,
    neutralised,
    restored,
    shortened,
)
from roadworthy_inventory.importing.reading import Row, Table
from roadworthy_inventory.importing.repeats import check, repeats
from roadworthy_inventory.importing.values import Cell, DateOrder, as_text, without_contacts
from roadworthy_inventory.importing.words import FALLBACK

MOST_ROWS = 1_000_000
_HELD_ROWS = 20_000  # looked at for the order of dates before the first is read
_LOOKED_AT = 200  # rows by which a column full of e-mail addresses is known


class Import:
    """An import under way: iterate it for (line, value) of the good rows, once.

    `report()` says how it went so far, all of it after the last row. With `strict`, rows come until the first bad
    one and StrictRefusedError ends the iteration after the whole file was looked at: keep nothing before it has ended.
    Any ImportRefusedError while iterating means the same.
    """

    def __init__(
        self,
        table: Table,
        form: Format,
        *,
        on: dt.date,
        strict: bool = False,
        date_order: DateOrder | None = None,
        quarantine: Callable[[BadRow], None] | None = None,
        most_rows: int = MOST_ROWS,
    ) -> None:
        """Look at the header and the first rows. See `read_items` for the arguments."""
        self.table = table
        self.format = form
        self.strict = strict
        self._quarantine = quarantine
        self._most_rows = most_rows
        self._tally = Tally()
        head = list(islice(table.rows, _HELD_ROWS))
        self._rows = chain(head, table.rows)
        # What we exported ourselves comes back as it was.
        looked_at = [] if form.safe_cells else head[:_LOOKED_AT]
        binding, hidden = without_addresses(bind(form.columns, table.header), looked_at)
        told = date_order or form.date_order
        self._told = told is not None
        self._orders: Orders = date_orders(table.file, binding, head, told)
        self._safe = form.safe_cells or is_correction(table.header)
        self._steps: tuple[Step, ...] = steps(
            form, binding, self._orders, typed=table.typed, safe_cells=self._safe
        )
        self._plan = tuple((step.index, step.name, step.values, step) for step in self._steps)
        self._free_texts = tuple(step.name for step in self._steps if step.kind == "notes")
        self._repeats = repeats(table, self._steps)
        self._slips: dict[int, set[Cell]] = {}
        self._fixed = dict(form.fixed)
        self._personal = frozenset(binding.personal)
        titles = {step.name: step.title for step in self._steps}
        self._others = self._unread() if form.others else {}
        others = {key: table.header[index] for key, index in self._others.items()}
        self._context = Context(on, titles | others)
        self._notes = _notes(form, table, binding, hidden) + self._orders.notes
        self._usual_width = _usual_width(head)
        self._first_line: dict[object, int] = {}
        self._blocks = None if self._repeats else blocks_of(table, form, self._steps, self._first_line)
        self.correction_header = (*self._kept_names(), *CORRECTION_COLUMNS)

    def _unread(self) -> dict[str, int]:
        """Return {key no field has: index} of the columns nobody asked for and that tell of nobody."""
        read = {step.index for step in self._steps} | self._personal
        return {f"column {index}": index for index in range(len(self.table.header)) if index not in read}

    def _kept_columns(self) -> tuple[int, ...]:
        read = {step.index for step in self._steps}
        ours = {name.casefold() for name in CORRECTION_COLUMNS}
        return tuple(
            index
            for index, name in enumerate(self.table.header)
            if index not in self._personal and (index in read or name.casefold() not in ours)
        )

    def _kept_names(self) -> tuple[str, ...]:
        return tuple(neutralised(self.table.header[index]) for index in self._kept_columns())

    def report(self) -> Report:
        """Return how it went so far."""
        return self._tally.report((*self.table.notes, *self._notes))

    def correction_row(self, bad: BadRow) -> tuple[str, ...]:
        """Return a bad row for the correction file, whose header is `correction_header`.

        Dates that could be read are written as YYYY-MM-DD: a file of a few rows may not prove its order of dates.
        """
        cells = list(bad.cells)
        for step in self._steps:
            if step.kind in {"date", "date_or_months"} and step.index < len(cells) and cells[step.index]:
                try:
                    day = step.values[cells[step.index]]
                except CellError:
                    continue
                if isinstance(day, dt.date):
                    cells[step.index] = day.isoformat()
        raw = [cells[index] if index < len(cells) else "" for index in self._kept_columns()]
        kept = [restored(neutralised(cell)) if self._safe else neutralised(cell) for cell in raw]
        columns = "; ".join(dict.fromkeys(problem.column for problem in bad.problems if problem.column))
        reasons = "; ".join(_reason(problem) for problem in bad.problems if problem.quarantines)
        return (*kept, str(bad.line), neutralised(columns), neutralised(reasons))

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """Yield (line, value) of every good row."""
        tally = self._tally
        for rows, made in self._parts():
            if made is None:
                yield from self._one_by_one(rows)
                continue
            for (line, _cells), value in zip(rows, made, strict=True):
                tally.good += 1
                if not (self.strict and tally.quarantined):
                    yield line, value
            if tally.good + tally.quarantined >= self._most_rows:
                self._end()
        if self.strict and tally.quarantined:
            raise StrictRefusedError(self.table.file, self.report())

    def _parts(self) -> Iterator[tuple[Iterable[Row], Sequence[object] | None]]:
        """Yield (rows, what they make, None where each has to be looked at); what ends the file early comes last."""
        if self._blocks is None:
            yield self._rows, None
            return
        failed: ImportRefusedError | None = None
        while failed is None:
            rows: list[Row] = []
            left = self._most_rows - self._tally.good - self._tally.quarantined
            try:
                for row in islice(self._rows, max(1, min(left, BLOCK_ROWS))):
                    rows.append(row)  # noqa: PERF402  # what came before a failure has to be dealt with
            except ImportRefusedError as error:
                failed = error
            if rows:
                yield from self._blocks.parts(rows, self._context)
            elif failed is None:
                return
        raise failed

    def _one_by_one(self, rows: Iterable[Row]) -> Iterator[tuple[int, Any]]:
        tally, context, make = self._tally, self._context, self.format.make
        problems, unique = context.problems, self.format.unique is not None
        for line, cells in rows:
            context.line = line
            cells, found = self._found(cells)  # noqa: PLW2901  # the row as wide as the header
            if self._others:
                told = {key: cells[index] for key, index in self._others.items()}
                context.others = {key: cell for key, cell in told.items() if isinstance(cell, str) and cell}
            value = make(found, context)
            if unique:
                self._check_unique(found, line)
            if problems and self._set_aside(line, cells):
                continue
            tally.good += 1
            if not (self.strict and tally.quarantined):
                yield line, value
            if tally.good + tally.quarantined >= self._most_rows:
                self._end()

    def _found(self, cells: Sequence[Cell]) -> tuple[Sequence[Cell], dict[str, Any]]:
        """Return the row as wide as the header, and {field: value} of what could be read of it."""
        if len(cells) != len(self.table.header):
            cells = self._fitted(cells, len(self.table.header))
        if self._repeats:
            check(self._repeats, cells, self._context.line)
        found = self._fixed.copy()
        for index, name, read, step in self._plan:
            cell = cells[index]
            if not cell and cell == "":  # a typed 0 or False is a value
                continue
            try:
                value = read[cell]
            except CellError as error:
                self._cell_failed(error, step, cell, found)
                continue
            if value is not None:
                found[name] = value
        for name in self._free_texts:
            if name in found:
                self._blank_contacts(name, found)
        self._find_doubtful(cells)
        return cells, found

    def _find_doubtful(self, cells: Sequence[Cell]) -> None:
        """Look for what the encoding may have spoiled; what it is may only show far down the file."""
        if self.table.may_be_broken:
            self._find_broken(cells)
        elif self.table.is_guessed:
            self._find_guessed(cells)

    def _end(self) -> None:
        following = next(self._rows, None)
        if following is not None:
            raise too_many(self.table.file, self._most_rows, following[0])

    def _set_aside(self, line: int, cells: Sequence[Cell]) -> bool:
        """Count the row's problems; whether one of them keeps the row out."""
        problems = tuple(self._context.problems)
        self._context.problems.clear()
        self._tally.add(problems)
        if not any(problem.quarantines for problem in problems):
            return False
        self._tally.quarantined += 1
        if self._quarantine is not None:
            texts = ["" if index in self._personal else as_text(cell) for index, cell in enumerate(cells)]
            for step in self._steps:
                if step.kind == "notes":
                    texts[step.index], _ = without_contacts(texts[step.index])
            self._quarantine(BadRow(line, tuple(texts), problems))
        return True

    def _cell_failed(self, error: CellError, step: Step, cell: Cell, found: dict[str, Any]) -> None:
        # Columns of one fixed order (ISO, firmware) have none that a file could prove.
        if error.code == "date_order" and not self._told and step.index in self._orders.by_index:
            order, proof = self._orders.by_index[step.index]
            slips = self._slips.setdefault(step.index, set())
            slips.add(cell)
            if len(slips) > self._orders.slips.get(step.index, 0):
                raise conflict(self.table.file, step.title, proof, self._context.line, order)
        if isinstance(error, UnknownWordError):
            found[step.name] = FALLBACK[step.name]
            self._context.warn(step.name, error.code, error.message, cell)
            return
        if isinstance(error, FormulaError) and not error.refuses:
            self._context.warn(step.name, error.code, error.message, cell)
            return
        value = without_contacts(cell)[0] if step.kind == "notes" and isinstance(cell, str) else cell
        self._context.refuse(step.name, error.code, error.message, value)

    def _blank_contacts(self, name: str, found: dict[str, Any]) -> None:
        """Blank what reaches a person in a free text: a register knows things, not people."""
        found[name], count = without_contacts(found[name])
        if count:
            self._context.warn(
                name, "contact_blanked", f"held {count} e-mail addresses or telephone numbers, blanked"
            )

    def _fitted(self, cells: Sequence[Cell], width: int) -> Sequence[Cell]:
        """Return the row as wide as the header, after saying what is wrong with it.

        A row of another width may have slipped: what stands under a harmless header may be somebody's name. So it is
        set aside, without the cells that could be, unless most rows are as wide and what is beyond is empty.
        """
        count = len(cells)
        first = min(self._personal, default=width)
        nothing_beyond = not any(cell != "" for cell in cells[width:])
        if nothing_beyond and (count == self._usual_width or (count > width and not self._personal)):
            return [*cells[:width], *[""] * (width - count)]
        if count > width:
            self._context.refuse(
                "",
                "long_row",
                f"has {count} cells, the header {width}: a delimiter stands in a cell without quotes around it",
            )
            return [*cells[:first], *[""] * (width - first)]
        message = f"has {count} cells, the header {width}"
        if not self._personal:
            self._context.warn("", "short_row", f"{message}; the rest is missing")
            return [*cells, *[""] * (width - count)]
        self._context.refuse(
            "", "short_row", f"{message}: which is missing cannot be told, and some are about people"
        )
        sure = max(0, min(count, first - (width - count)))
        return [*cells[:sure], *[""] * (width - sure)]

    def _find_broken(self, cells: Sequence[Cell]) -> None:
        for step in self._steps:
            cell = cells[step.index]
            if isinstance(cell, str) and (BROKEN in cell or "\0" in cell):
                self._context.refuse(step.name, "broken_bytes", "holds bytes that are no text", cell)

    def _find_guessed(self, cells: Sequence[Cell]) -> None:
        for step in self._steps:
            cell = cells[step.index]
            if (
                isinstance(cell, str)
                and not cell.isascii()
                and not cell.replace("\N{POUND SIGN}", "").isascii()
            ):
                self._context.warn(
                    step.name,
                    "guessed_encoding",
                    "holds letters read as Windows-1252, for the file is no UTF-8: look whether they are right",
                    cell,
                )

    def _check_unique(self, found: Mapping[str, Any], line: int) -> None:
        unique = self.format.unique
        said = found.get(unique) if unique is not None else None
        if unique is None or said is None:
            return
        first = self._first_line.setdefault(str(said).casefold(), line)
        if first != line:
            self._context.refuse(unique, f"duplicate_{unique}", f"is on line {first} already", said)


def _usual_width(head: Sequence[tuple[int, Sequence[Cell]]]) -> int | None:
    """Return how many cells most of at least two rows have, None where no number is that usual."""
    (width, count), *_others = Counter(len(cells) for _line, cells in head).most_common(1) or [(0, 0)]
    return width if count > 1 and count * 2 > len(head) else None


def _reason(problem: Problem) -> str:
    return f"{problem.column} {problem.message}" if problem.column else problem.message


def _notes(form: Format, table: Table, binding: Binding, hidden: Sequence[Bound]) -> tuple[str, ...]:
    notes = [f"read as {form.title}", *([form.note] if form.note else [])]
    named = [table.header[index] for index in binding.personal]
    if named:
        notes.append(f"columns about people dropped unread: {', '.join(shortened(name) for name in named)}")
    if hidden:
        notes.append(f"dropped for holding e-mail addresses: {', '.join(one.title for one in hidden)}")
    if binding.unread:
        notes.append(f"columns not asked for: {', '.join(shortened(name) for name in binding.unread)}")
    return tuple(notes)


def read_items(
    table: Table,
    form: Format,
    *,
    on: dt.date,
    strict: bool = False,
    date_order: DateOrder | None = None,
    quarantine: Callable[[BadRow], None] | None = None,
    most_rows: int = MOST_ROWS,
) -> Import:
    """Return the import of `table` as `form`; iterate it for the good rows.

    `on`: the day it is of, by which future dates are known. `strict`: all or nothing. `date_order`: how numeric dates
    are written, None to find out. `quarantine` is given every bad row as it is met, so that none need be held;
    `most_rows` bounds what is held of tags to find duplicates. Raises ImportRefusedError at once for what the first rows
    show.
    """
    return Import(
        table,
        form,
        on=on,
        strict=strict,
        date_order=date_order,
        quarantine=quarantine,
        most_rows=most_rows,
    )
