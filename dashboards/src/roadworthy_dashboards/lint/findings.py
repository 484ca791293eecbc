"""What a check finds, and how it is shown."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


class LintError(Exception):
    """The check cannot be run: a file that cannot be read or is not what its name says. The text says what to do."""


@dataclass(frozen=True)
class Fault:
    """What a rule says of one place: `panel` is a panel, variable, or rule by name; `target` is a query's letter."""

    what: str
    panel: str = ""
    target: str = ""


@dataclass(frozen=True, order=True)
class Finding:
    """A fault with its file, its rule, and what to do about it."""

    file: str
    panel: str
    target: str
    rule: str
    what: str
    todo: str

    def as_dict(self) -> dict[str, str]:
        """Return the fields by name, for JSON."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """Return one line for a person."""
        place = f": {self.panel}" if self.panel else ""
        place += f" ({self.target})" if self.target else ""
        return f"{self.file}{place}: {self.rule}: {self.what}; {self.todo}"
