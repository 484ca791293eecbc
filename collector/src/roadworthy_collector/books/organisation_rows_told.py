"""What the parts of an import of the organisation share: a file's rows, what is wrong with them, and what came of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal, get_args

from sqlalchemy import Connection

from roadworthy_collector.books.organisation_tree import OrganisationError

What = Literal["units", "cost_centres", "systems", "sites"]
WHATS: tuple[What, ...] = get_args(What)
TOLD = 20  # of what is wrong, the first so many
# Field: the column names it goes by, the export's first.
COLUMNS: dict[What, dict[str, tuple[str, ...]]] = {
    "units": {
        "unit": ("Unit", "Unit path", "Path", "Name", "Unit name"),
        "parent": ("Parent", "Parent unit", "Under"),
    },
    "cost_centres": {
        "key": ("Cost centre", "Cost centre code", "Cost center", "Code"),
        "name": ("Name", "Cost centre name", "Description"),
        "unit": ("Unit", "Unit path", "Department"),
    },
    "systems": {
        "key": ("System", "System name", "Application", "Service"),
        "kind": ("Kind", "System kind", "Type"),
        "unit": ("Unit", "Unit path", "Department"),
    },
    "sites": {"key": ("Site", "Site name", "Location"), "kind": ("Kind", "Site kind", "Type")},
}
NEEDED: dict[What, str] = {"units": "unit", "cost_centres": "key", "systems": "key", "sites": "key"}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: where it stands, and its texts by field (empty ones left out)."""

    line: int
    texts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do: names that are new, changed, and how many are as they were."""

    what: What
    day: dt.date
    dry_run: bool
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0


class Faults:
    """What is wrong with a file, with where."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[str] = []

    def add(self, line: int, column: str, reason: str) -> None:
        """Note what is wrong in a cell."""
        self._found.append(f"line {line}, column {column}: {reason}")

    def raise_any(self) -> None:
        """Raise OrganisationError if anything is."""
        if self._found:
            more = len(self._found) - TOLD
            rest = f"\nand {more} more" if more > 0 else ""
            listed = "\n".join(self._found[:TOLD])
            raise OrganisationError(
                f"{self._file}: nothing was imported; put right and send again:\n{listed}{rest}"
            )


@dataclass(frozen=True, slots=True)
class Job:
    """An import going on: `header` {field: column of the file}, changes of units from `on`; `now` in epoch seconds."""

    connection: Connection
    what: What
    header: dict[str, str]
    on: dt.date
    faults: Faults
    today: dt.date
    zone: str
    now: float
    dry_run: bool
