"""A quote that is opened and not closed makes one cell of all that follows: here such a cell is told from a long note.

A cell may go over many lines, and notes do. Rows that were swallowed show by what they are: each line, taken alone, is
as wide as the table, the first of them too. Nothing of such a file is kept, for nobody can say which rows are lost.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence

from roadworthy_inventory.importing.problems import UnreadableFileError

# After the last line: a row of its own, unless a quote is still open.
_END = "\x00\x00end of the file\x00\x00"
_REMEDY = "close the quote it opens, or take the quote out"
_LINE_END = re.compile(r"\r\n|\r|\n")
_RUNS = re.compile(r"[^\W\d_]+|\d+")
_NARROW_LINES = 3  # so many whole rows in one cell are no chance, however few columns there are
_LOOKED_AT = 200  # lines of a cell; what is swallowed shows by the first few


def ending(held: list[str]) -> Iterator[str]:
    """Yield what follows the last line of a file; `held` gets two lines of it, so that its row is always looked at."""
    held += (_END, _END)
    yield _END


class Spanning:
    """Looks at the rows that go over several lines; `count` of them there were.

    How wide the table is shows only at its header: until `begin` rows wait.
    """

    __slots__ = ("_delimiter", "_file", "_waiting", "_widths", "count")

    def __init__(self, file: str, delimiter: str) -> None:
        self._file = file
        self._delimiter = delimiter
        self._widths: frozenset[int] | None = None
        self._waiting: list[tuple[list[str], list[str], int]] = []
        self.count = 0

    def is_end(self, cells: list[str], held: list[str], started: int) -> bool:
        """Look at a row read from the lines `held`, the first the file's line `started`; whether it is none any more.

        Raises UnreadableFileError where its quote is never closed, or has swallowed other rows.
        """
        if held[-1] == _END:
            if cells == [_END]:
                return True
            raise self._endless(cells, started)
        self.count += 1
        if self._widths is None:
            self._waiting.append((cells, held.copy(), started))
        else:
            self._check(cells, held, started, self._widths)
        return False

    def begin(self, header_line: int, widths: Iterable[int]) -> None:
        """Say where the header is and how many cells rows have; UnreadableFileError as above for rows that waited."""
        self._widths = frozenset(widths)
        for cells, held, started in self._waiting:
            if started > header_line:
                self._check(cells, held, started, self._widths)
        self._waiting.clear()

    def _endless(self, cells: Sequence[str], started: int) -> UnreadableFileError:
        return UnreadableFileError(
            self._file,
            f"cell {len(cells)} opens a quote that is never closed, and would hold all that follows",
            _REMEDY,
            line=started + sum(len(_LINE_END.findall(cell)) for cell in cells[:-1]),
        )

    def _check(
        self, cells: Sequence[str], lines: Sequence[str], started: int, widths: frozenset[int]
    ) -> None:
        """Raise UnreadableFileError where the row has swallowed others."""
        first = next((number for number, cell in enumerate(cells) if _LINE_END.search(cell)), None)
        if first is None or max(widths) < 2:
            return
        begins = _LINE_END.split(cells[first], maxsplit=1)[0]
        if first + self._width(begins) not in widths:
            return
        later = [line for line in lines[1:_LOOKED_AT] if line.strip()]
        whole = [line for line in later if self._is_row(line, widths)]
        if not whole or len(whole) * 2 < len(later):
            return
        numbered = first > 0 and "9" in _shape(cells[0])
        alike = numbered and all(self._begins(line) == _shape(cells[0]) for line in whole)
        if alike or len(whole) >= _NARROW_LINES or self._breaks_off(lines):
            raise UnreadableFileError(
                self._file,
                f"cell {first + 1} opens a quote that is closed {len(lines) - 1} lines below, and what lies between "
                "reads like rows of the table",
                f"{_REMEDY}; a note that only looks so has to stand on one line",
                line=started,
            )

    def _width(self, text: str) -> int:
        return max(1, len(next(csv.reader([text], delimiter=self._delimiter), [])))

    def _is_row(self, line: str, widths: frozenset[int]) -> bool:
        """Whether a line is as wide as the table, its quotes taken for quotes or for inches."""
        return self._width(line) in widths or line.count(self._delimiter) + 1 in widths

    def _begins(self, line: str) -> str:
        return _shape(line.split(self._delimiter, 1)[0])

    def _breaks_off(self, lines: Sequence[str]) -> bool:
        """Whether a quote closes in the middle of a cell, as where another was opened there."""
        try:
            for _cells in csv.reader(lines, delimiter=self._delimiter, strict=True):
                pass
        except csv.Error:
            return True
        return False


def _shape(cell: str) -> str:
    """Return what a cell looks like: `FP012` and `FP7` are alike."""
    return _RUNS.sub(lambda run: "9" if run[0].isdigit() else "a", cell.strip().strip('"'))
