"""A format bound to a header becomes a plan: for every column the function that reads its cells, remembering them.

Most cells of a register say what the row before said (model, site, supplier, day of delivery), so what a text was
read as is remembered per column; that is where the speed of an import comes from.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from roadworthy_inventory.importing import values
from roadworthy_inventory.importing.fields import Binding, Column, Format, unit_path
from roadworthy_inventory.importing.problems import CellError, DateOrderConflictError, restored
from roadworthy_inventory.importing.values import Cell, DateOrder
from roadworthy_inventory.importing.words import ALLOWED, FALLBACK, WORDS, word_key

ReadAll = Callable[[Sequence[str]], list[Any] | None]
_REMEMBERED = 20_000
# What moves a cursor or recolours a terminal; tabs and line ends inside a cell are text, NUL is said to be broken bytes.
_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SET_ASIDE_ONE_IN = 20  # dates against the order of their column are slips while they are this few
_NEVER_TWICE = frozenset({"key", "notes", "macs"})  # remembering these costs more than it gives
# What reads a column of cells at once where all of them are of the usual kind, and gives None where one is not.
_ALL_USUAL: Mapping[str, ReadAll] = {
    "key": partial(values.plain_texts, most=values.TEXT_LENGTH),
    "notes": partial(values.plain_texts, most=values.NOTES_LENGTH),
    "money": values.usual_pence,
}
_SIMPLE: Mapping[str, Callable[[Any], Any]] = {
    "text": values.text,
    "key": values.key,
    "notes": values.notes,
    "iso_date": values.iso_date,
    "money": values.pence,
    "whole": values.whole,
    "months": values.months,
    "yes_or_no": values.yes_or_no,
    "macs": values.macs,
    "bios_date": values.bios_date,
    "measure": values.measure,
    "weight": values.weight,
}


class UnknownWordError(CellError):
    """A word that is in no table; the row is kept with the fallback."""


class FormulaError(CellError):
    """What a formula that went wrong left in a cell; `refuses` where the row cannot do without."""

    def __init__(self, *, refuses: bool) -> None:
        self.refuses = refuses
        said = "put the formula right, or type the cell" if refuses else "taken as empty"
        super().__init__("formula_error", f"is the error of a formula; {said}")


class Remembering(dict[Any, Any]):
    """{cell: value}, filled as cells are asked for. Only for text: 1 and True are one key to a dictionary."""

    __slots__ = ("_read", "_usual")

    def __init__(self, read: Callable[[Any], Any], usual: ReadAll | None = None) -> None:
        """`usual` reads many cells at once, or gives None for them."""
        super().__init__()
        self._read = read
        self._usual = usual

    def __missing__(self, cell: Any) -> Any:
        if len(self) >= _REMEMBERED:
            self.clear()
        value = self[cell] = None if cell == "" else self._read(cell)
        return value

    def all(self, cells: Sequence[str]) -> list[Any]:
        """Return what `cells` are read as, None for an empty one; CellError where one cannot be read."""
        found = None if self._usual is None else self._usual(cells)
        return list(map(self.__getitem__, cells)) if found is None else found


class Typed:
    """Reads every cell anew; what Remembering is to text, this is to typed cells."""

    __slots__ = ("_read", "_usual")

    def __init__(self, read: Callable[[Any], Any], usual: ReadAll | None = None) -> None:
        """`usual` reads many cells at once, or gives None for them."""
        self._read = read
        self._usual = usual

    def __getitem__(self, cell: Any) -> Any:
        return self._read(cell)

    def all(self, cells: Sequence[str]) -> list[Any]:
        """Return what `cells` are read as, None for an empty one; CellError where one cannot be read."""
        found = None if self._usual is None else self._usual(cells)
        return [None if cell == "" else self._read(cell) for cell in cells] if found is None else found


@dataclass(frozen=True, slots=True)
class Step:
    """Column `index` of a row, called `title`, is the field `name`; `values[cell]` reads it or raises CellError."""

    index: int
    name: str
    values: Remembering | Typed
    title: str
    kind: str


@dataclass(frozen=True, slots=True)
class Orders:
    """The order of each date column, and the line that proved it (None: nothing did).

    `slips`: {column: how many different dates may stand against its order}, each set aside with its row.
    """

    by_index: Mapping[int, tuple[DateOrder, int | None]]
    notes: tuple[str, ...]
    slips: Mapping[int, int] = field(default_factory=dict)


def date_orders(
    file: str, binding: Binding, head: Sequence[tuple[int, Sequence[Cell]]], told: DateOrder | None
) -> Orders:
    """Return how the dates of each column are to be read, from `head`, the first rows.

    A column that proves an order is read in it. Columns that prove nothing follow those that do, if these agree;
    else they are day first. DateOrderConflictError where one column proves both, naming both lines, unless those
    against it are one different date in twenty or fewer: these are slips of somebody's hand.
    """
    columns = [one for one in binding.bound if one.column.kind in {"date", "date_or_months"}]
    if told is not None:
        return Orders(
            {one.index: (told, None) for one in columns}, (f"dates {told}, as told",) if columns else ()
        )
    proved: dict[int, tuple[DateOrder, int]] = {}
    slips: dict[int, int] = {}
    for one in columns:
        order = _proved(file, one.index, one.title, head)
        if order is not None:
            proved[one.index] = order[:2]
            slips[one.index] = order[2] // _SET_ASIDE_ONE_IN
    agreed = {order for order, _line in proved.values()}
    usual: DateOrder = next(iter(agreed)) if len(agreed) == 1 else "day first"
    by_index = {one.index: proved.get(one.index, (usual, None)) for one in columns}
    notes = [
        f"dates in {one.title!r} are {by_index[one.index][0]}{_because(proved.get(one.index))}"
        for one in columns
    ]
    return Orders(by_index, tuple(notes), slips)


def _because(proof: tuple[DateOrder, int] | None) -> str:
    return f": line {proof[1]} can be nothing else" if proof else ", for nothing says otherwise"


def _proved(
    file: str, index: int, title: str, head: Sequence[tuple[int, Sequence[Cell]]]
) -> tuple[DateOrder, int, int] | None:
    """Return the order, the first line that proves it and how many different dates do; None where none does."""
    lines: dict[DateOrder, int] = {}
    counts: Counter[DateOrder] = Counter()
    seen: set[Cell] = set()
    for line, cells in head:
        cell = cells[index] if index < len(cells) else ""
        if not isinstance(cell, str) or cell in seen:
            continue
        seen.add(cell)
        order = values.proves(cell)
        if order is not None:
            lines.setdefault(order, line)
            counts[order] += 1
    if not counts:
        return None
    usual, count = counts.most_common(1)[0]
    if counts.total() - count > count // _SET_ASIDE_ONE_IN:
        (first, before), (_other, line) = lines.items()
        raise conflict(file, title, before, line, first)
    return usual, lines[usual], count


def conflict(
    file: str, title: str, before: int | None, line: int, order: DateOrder
) -> DateOrderConflictError:
    """Return the error for a date on `line` that cannot be read in `order`, which line `before` proved (or none)."""
    other = "month first" if order == "day first" else "day first"
    reason = (
        f"line {before} is a date only when read {order}, line {line} only when read {other}"
        if before is not None
        else f"dates above were read {order}, for nothing said otherwise; line {line} can only be read {other}"
    )
    return DateOrderConflictError(
        file, reason, "correct the one that is wrong, or say the order of dates", line=line, column=title
    )


def steps(
    form: Format, binding: Binding, orders: Orders, *, typed: bool, safe_cells: bool
) -> tuple[Step, ...]:
    """Return the plan: a step per bound column."""
    found = []
    for one in binding.bound:
        order = orders.by_index.get(one.index, ("day first", None))[0]
        read = _without_errors(_without_controls(reader(one.column, form, order)), one.column.kind)
        if safe_cells:
            read = _restoring(read)
        kind = one.column.kind
        remembers = Typed if typed or kind in _NEVER_TWICE else Remembering
        cells = remembers(read, _ALL_USUAL.get(kind))
        found.append(Step(one.index, one.column.field, cells, one.title, one.column.kind))
    return tuple(found)


def reader(column: Column, form: Format, order: DateOrder = "day first") -> Callable[[Any], Any]:
    """Return the function that reads the cells of a column."""
    kind = column.kind
    if kind == "date":
        return lambda cell: values.date(cell, order)
    if kind == "years_or_months":
        return lambda cell: values.months(cell, "years")
    if kind == "date_or_months":
        return lambda cell: _date_or_months(cell, order)
    if kind == "unit":
        return unit_path(form.unit_separator)
    if kind in WORDS:
        return _word_reader(kind, form.words.get(kind, {}))
    return _SIMPLE[kind]


def _date_or_months(cell: Cell, order: DateOrder) -> dt.date | int | None:
    if isinstance(cell, str) and cell.strip().isdigit() and len(cell.strip()) <= 3:
        return values.months(cell)
    try:
        return values.months(cell)
    except CellError:
        return values.date(cell, order)


def _word_reader(kind: str, own: Mapping[str, str]) -> Callable[[Cell], str | None]:
    table = {**WORDS[kind], **{word_key(text): word for text, word in own.items()}}

    def read(cell: Cell) -> str | None:
        said = values.text(cell)
        if said is None:
            return None
        word = table.get(word_key(said))
        if word is None:
            raise UnknownWordError(
                "unknown_word",
                f"is none of our words ({', '.join(ALLOWED[kind])}) nor one we know; read as {FALLBACK[kind]}, say "
                "what it means in a mapping file",
            )
        return word

    return read


def _restoring(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda cell: read(restored(cell) if isinstance(cell, str) else cell)


def _without_errors(read: Callable[[Any], Any], kind: str) -> Callable[[Any], Any]:
    """Return the reader, saying what a formula's error is: it names nothing, and it is no empty cell."""

    def clean(cell: Any) -> Any:
        if isinstance(cell, str) and cell[:1] == "#" and cell.strip().upper() in values.FORMULA_ERRORS:
            raise FormulaError(refuses=kind == "key" or (kind == "money" and cell.strip().upper() != "#N/A"))
        return read(cell)

    return clean


def _without_controls(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the reader, refusing control characters in texts."""

    def clean(cell: Any) -> Any:
        # Most cells are printable, which is known much sooner than what else they hold.
        if isinstance(cell, str) and not cell.isprintable() and (found := _CONTROL.search(cell)):
            raise CellError(
                "control_character",
                f"holds a control character (U+{ord(found[0]):04X}, character {found.start() + 1} of the cell); type "
                "the cell anew",
            )
        return read(cell)

    return clean
