"""The same header twice, of what a figure or an identity hangs on.

Nobody may guess which of two is the serial number, or the cost, so a file whose two columns differ is refused where
they do. A second one that says nothing else is no question, and two columns called Category are no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roadworthy_inventory.importing.plan import Step
from roadworthy_inventory.importing.problems import RepeatedColumnError, shortened
from roadworthy_inventory.importing.reading import Table
from roadworthy_inventory.importing.values import Cell, as_text

_IDENTITIES = frozenset({"tag", "serial", "uuid", "reference", "certificate"})
_VALUES = frozenset(
    {"date", "iso_date", "money", "whole", "measure", "months", "years_or_months", "date_or_months"}
)


@dataclass(frozen=True, slots=True)
class Repeat:
    """The column `index` of `file`, called `title`, is there again as column `other` (both counted from 0)."""

    file: str
    index: int
    other: int
    title: str


def check(found: Sequence[Repeat], cells: Sequence[Cell], line: int) -> None:
    """RepeatedColumnError where the second column of the row says something else than the first."""
    for one in found:
        said = [as_text(cells[place]) for place in (one.index, one.other)]
        if said[1] and said[0] != said[1]:
            raise RepeatedColumnError(
                one.file,
                f"{shortened(one.title)!r} is there twice, as column {one.index + 1} and column {one.other + 1}, and "
                f"here they differ: {shortened(said[0])!r} and {shortened(said[1])!r}; which is meant cannot be told",
                "delete one of the two columns, or give it a name of its own",
                line=line,
                column=one.title,
            )


def repeats(table: Table, steps: Sequence[Step]) -> tuple[Repeat, ...]:
    """Return which columns that are read, and that a figure or an identity hangs on, are there again unread."""
    read = {step.index for step in steps}
    by_index = {step.index: step for step in steps if step.name in _IDENTITIES or step.kind in _VALUES}
    return tuple(
        Repeat(table.file, first, other, by_index[first].title)
        for other, first in table.repeated.items()
        if first in by_index and other not in read
    )
