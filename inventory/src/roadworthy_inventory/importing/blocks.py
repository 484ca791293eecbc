"""Many rows at a time: column by column, where nothing has to be said of any of them.

A register is read in blocks. Where all of a block is as it should be, which is nearly always, its cells are read and its
rows made a column at a time. Where anything is odd the block is halved, and a handful of rows is gone through one by
one by the reader that says what is wrong with which: nothing is decided here that it would decide otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from roadworthy_inventory.importing.decoding import BROKEN
from roadworthy_inventory.importing.fields import CheckMany, Columns, Context, Format, MakeMany
from roadworthy_inventory.importing.plan import Step
from roadworthy_inventory.importing.problems import CellError
from roadworthy_inventory.importing.reading import Row, Table
from roadworthy_inventory.importing.register_rows import items_of
from roadworthy_inventory.importing.values import without_contacts

BLOCK_ROWS = 512
_ONE_BY_ONE = 8  # halving further costs more than it saves
Made = tuple[Sequence[Row], Sequence[object] | None]


class Blocks:
    """Makes what a format yields of many rows. `first_line` is {what is unique, folded: its line} of the rows so far."""

    def __init__(
        self,
        table: Table,
        make_many: MakeMany,
        steps: Sequence[Step],
        *,
        fixed: Mapping[str, Any],
        unique: str | None,
        first_line: dict[object, int],
    ) -> None:
        """See `Format` for `make_many`, `fixed` and `unique`."""
        self._table = table
        self._make_many = make_many
        self._plan = tuple((step.index, step.name, step.values.all) for step in steps)
        self._free_texts = tuple(step.name for step in steps if step.kind == "notes")
        self._fixed = fixed
        self._unique = unique
        self._first_line = first_line

    def parts(self, rows: Sequence[Row], context: Context) -> Iterator[Made]:
        """Yield (some of the rows, what they make), in order; None for what they make: look at each.

        The rows of one part have to be dealt with before the next is asked for.
        """
        made = self._made(rows, context)
        if made is not None or len(rows) <= _ONE_BY_ONE:
            yield rows, made
            return
        half = len(rows) // 2
        yield from self.parts(rows[:half], context)
        yield from self.parts(rows[half:], context)

    def _made(self, rows: Sequence[Row], context: Context) -> Sequence[object] | None:
        lines, cells = zip(*rows, strict=True)
        columns = self._read(cells)
        if columns is None:
            return None
        for name, value in self._fixed.items():
            told = columns.get(name, [None] * len(rows))
            columns[name] = [value if one is None else one for one in told]
        if not self._free_of_contacts(columns):
            return None
        said = columns.get(self._unique, []) if self._unique is not None else []
        keys = {str(one).casefold(): line for one, line in zip(said, lines, strict=False) if one is not None}
        if len(keys) + said.count(None) != len(said) or not self._first_line.keys().isdisjoint(keys):
            return None
        made = self._make_many(columns, lines, context)
        if made is not None:
            self._first_line.update(keys)
        return made

    def _read(self, rows: Sequence[Sequence[Any]]) -> Columns | None:
        """Return what the cells are read as; None where one cannot be, or has to be looked at."""
        width = len(self._table.header)
        if not all(len(cells) == width for cells in rows):
            return None
        columns = tuple(zip(*rows, strict=True))
        if self._is_doubtful([columns[index] for index, _name, _all in self._plan]):
            return None
        try:
            return {name: read_all(columns[index]) for index, name, read_all in self._plan}
        except CellError:
            return None

    def _is_doubtful(self, columns: Sequence[Sequence[str]]) -> bool:
        """Whether the encoding may have spoiled one of the cells."""
        if not (self._table.may_be_broken or self._table.is_guessed):
            return False
        said = "".join(chain.from_iterable(columns))
        if self._table.may_be_broken:
            return BROKEN in said or "\0" in said
        return not said.isascii() and not said.replace("\N{POUND SIGN}", "").isascii()

    def _free_of_contacts(self, columns: Columns) -> bool:
        # No address or telephone number goes over the end of a line, so one look finds those of all rows.
        texts = ("\n".join(filter(None, columns[name])) for name in self._free_texts)
        return not any(without_contacts(said)[1] for said in texts)


def blocks_of(
    table: Table, form: Format, steps: Sequence[Step], first_line: dict[object, int]
) -> Blocks | None:
    """Return what makes many rows of a table at once, None where each is made by itself."""
    make_many = form.make_many
    if make_many is None and form.check_many is not None:
        make_many = partial(_checked, form.check_many)
    if make_many is None or form.others or not table.is_text:
        return None
    return Blocks(table, make_many, steps, fixed=form.fixed, unique=form.unique, first_line=first_line)


def _checked(
    check: CheckMany, columns: Columns, lines: Sequence[int], context: Context
) -> Sequence[object] | None:
    return items_of(columns, len(lines)) if check(columns, context) else None
