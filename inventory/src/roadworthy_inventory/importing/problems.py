"""What can be wrong with an import: a whole file, or one row of it.

    ImportRefusedError          the file cannot be imported; nothing of it should be kept
    ├── UnreadableFileError     not a table: binary, broken archive, too large, a cell without end
    ├── EmptyFileError          nothing in it, or a header and no rows
    ├── UnknownFormatError      no importer knows this header
    ├── MappingRefusedError     the mapping file is wrong
    ├── RepeatedColumnError     two columns of one name that say different things
    ├── DateOrderConflictError  dates that are day first and month first in one column
    └── StrictRefusedError      `strict` was asked for and some rows are bad

One bad row is no exception but a `Problem`, and the row goes to quarantine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType

VALUE_LENGTH = 60
PROBLEMS_NAMED = 20  # in a message for a person
PROBLEMS_KEPT = 1_000  # what a report holds in full; counts go on, and the correction file has them all


class ImportRefusedError(ValueError):
    """A file that cannot be imported. `line` and `column` are None where the whole file is meant."""

    def __init__(
        self, file: str, reason: str, remedy: str, *, line: int | None = None, column: str | None = None
    ) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.reason = reason
        self.remedy = remedy
        where = [file]
        if line is not None:
            where.append(f"line {line}")
        if column is not None:
            where.append(f"column {column}")
        super().__init__(f"{': '.join(where)}: {reason}; {remedy}")


class UnreadableFileError(ImportRefusedError):
    """The bytes are no table this package reads."""


class EmptyFileError(ImportRefusedError):
    """There is nothing to import."""


class UnknownFormatError(ImportRefusedError):
    """No importer knows this header."""


class MappingRefusedError(ImportRefusedError):
    """The mapping file is wrong, or does not fit the file it is used on."""


class RepeatedColumnError(ImportRefusedError):
    """Two columns of one name say different things, and a figure or an identity hangs on which is meant."""


class DateOrderConflictError(ImportRefusedError):
    """A column whose dates prove day first on one line and month first on another."""


class StrictRefusedError(ImportRefusedError):
    """Some rows are bad and `strict` was asked for; `report` has all of them, the message the first of them."""

    def __init__(self, file: str, report: Report) -> None:
        self.report = report
        first = report.problems[0]
        value = f" ({first.value})" if first.value else ""
        super().__init__(
            file,
            f"{report.quarantined} of {report.rows_read} rows are bad, the first one: {first.message}{value}",
            "nothing was kept; correct them, or have bad rows set aside and the good ones kept",
            line=first.line,
            column=first.column or None,
        )
        self.args = ("\n".join((str(self), *_following(report))),)


def _following(report: Report) -> Iterator[str]:
    """Yield a line for each problem after the first, up to PROBLEMS_NAMED of them, and how many more there are."""
    for one in report.problems[1:PROBLEMS_NAMED]:
        column, value = f", column {one.column}" if one.column else "", f" ({one.value})" if one.value else ""
        yield f"  line {one.line}{column}: {one.message}{value}"
    more = sum(report.by_code.values()) - PROBLEMS_NAMED
    if more > 0:
        yield f"  and {more:,} more"


class CellError(ValueError):
    """One cell cannot be read as what its column holds. `code` is one word for counting."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one row: 1-based line of the file, column by its header, and the value shortened.

    `quarantines` is False for a warning: the row is kept.
    """

    line: int
    column: str
    code: str
    message: str
    value: str = ""
    quarantines: bool = True


def shortened(value: object) -> str:
    """Return the value as text of at most VALUE_LENGTH characters, without control characters."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value)[: VALUE_LENGTH + 1])
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row set aside: its cells as they came, those of personal columns emptied, and every problem with it."""

    line: int
    cells: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """How an import went. `rows_read` = `good` + `quarantined`; blank lines are not rows.

    `by_code` counts problems and `warnings_by_code` warnings; `problems` and `warnings` hold the first
    PROBLEMS_KEPT of each.
    """

    rows_read: int
    good: int
    quarantined: int
    by_code: MappingProxyType[str, int]
    warnings_by_code: MappingProxyType[str, int]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """Counts while rows go by; `report` is what stands so far."""

    good: int = 0
    quarantined: int = 0
    by_code: dict[str, int] = field(default_factory=dict)
    warnings_by_code: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def add(self, problems: Iterable[Problem]) -> None:
        """Count the problems and warnings of one row."""
        for problem in problems:
            counts = self.by_code if problem.quarantines else self.warnings_by_code
            kept = self.problems if problem.quarantines else self.warnings
            counts[problem.code] = counts.get(problem.code, 0) + 1
            if len(kept) < PROBLEMS_KEPT:
                kept.append(problem)

    def report(self, notes: Iterable[str]) -> Report:
        """Return the figures so far, frozen."""
        return Report(
            rows_read=self.good + self.quarantined,
            good=self.good,
            quarantined=self.quarantined,
            by_code=MappingProxyType(dict(self.by_code)),
            warnings_by_code=MappingProxyType(dict(self.warnings_by_code)),
            problems=tuple(self.problems),
            warnings=tuple(self.warnings),
            notes=tuple(notes),
        )


# A spreadsheet takes a cell that begins with one of these for a formula and may run it; the wide forms are turned
# into the plain ones by some (https://owasp.org/www-community/attacks/CSV_Injection).
# What a terminal that shows a file would obey. Tabs and line ends are text.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def neutralised(text: str) -> str:
    """Return the text safe to open in a spreadsheet: what begins like a formula gets a leading apostrophe.

    So does what begins with an apostrophe, or `restored` could not tell whose it is. Control characters, which no import
    takes any more, become U+FFFD: visible, harmless, and refused where the file is imported again.
    """
    if not text.isprintable():
        text = _CONTROL.sub("\ufffd", text)
    return "'" + text if text.startswith((*_FORMULA_STARTS, "'")) else text


def restored(text: str) -> str:
    """Return what `neutralised` was given; other texts are as they were."""
    return text[1:] if text.startswith("'") and text[1:].startswith((*_FORMULA_STARTS, "'")) else text


CORRECTION_COLUMNS = ("Line", "Column", "Reason")


def is_correction(header: Iterable[str]) -> bool:
    """Whether a header is one of a correction file: it ends with CORRECTION_COLUMNS."""
    last = tuple(name.removesuffix(" (2)") for name in list(header)[-3:])
    return last == CORRECTION_COLUMNS
