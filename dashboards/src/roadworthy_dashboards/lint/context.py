"""What rules look at beside the file they check, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from roadworthy_dashboards.lint.board import Board
from roadworthy_dashboards.lint.findings import Fault
from roadworthy_dashboards.lint.known import Known
from roadworthy_dashboards.lint.rule_files import RuleFile

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Context:
    """All that is checked together: what series there are, every board, every rule file, where runbooks lie."""

    known: Known
    boards: Sequence[Board]
    rule_files: Sequence[RuleFile]
    runbooks: Path


@dataclass(frozen=True)
class Rule(Generic[Thing]):
    """A rule: its name, what to do when it is broken, and whose rule it follows ("" for one of our own)."""

    name: str
    check: Callable[[Thing, Context], Iterator[Fault]]
    todo: str
    like: str = ""
