"""Runs every rule over boards and rule files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import roadworthy_dashboards
from roadworthy_dashboards.lint.board import Board, read_board
from roadworthy_dashboards.lint.context import Context
from roadworthy_dashboards.lint.exclusions import DEFAULT, apply, read_exclusions
from roadworthy_dashboards.lint.findings import Finding, LintError
from roadworthy_dashboards.lint.known import load_known
from roadworthy_dashboards.lint.rule_files import RuleFile, read_rules
from roadworthy_dashboards.lint.rules import BOARD_RULES, FILE_RULES

PACKAGE = Path(roadworthy_dashboards.__file__).parent
RENDERED = PACKAGE / "rendered"
RULES = PACKAGE / "rules"
RUNBOOKS = PACKAGE / "runbooks"
_BOARDS = frozenset({".json"})
_RULES = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class Result:
    """What was found, how many findings were let pass, and what was looked at."""

    findings: tuple[Finding, ...]
    excluded: int
    boards: int
    rules: int


def lint(
    paths: Sequence[Path] = (),
    *,
    exclusions: Path = DEFAULT,
    rules: Path = RULES,
    runbooks: Path = RUNBOOKS,
) -> Result:
    """Check files and folders; without any, the boards and rules of this package.

    What `rules` records may be asked for whatever is checked. Raise LintError if a file cannot be checked at all.
    """
    complete = not paths
    files = sorted(set(_files(list(paths) or [RENDERED, rules])))
    names = _names(files)
    boards = [read_board(path, names[path]) for path in files if path.suffix in _BOARDS]
    rule_files = [read_rules(path, names[path]) for path in files if path.suffix in _RULES]
    recorded = rule_files if complete else [*rule_files, *_ours(rules, but=files)]
    known = load_known([group for file in recorded for group in file.groups])
    # A link may go to a board of ours that is not among the files.
    others = (
        [] if complete else [read_board(path, path.name) for path in _files([RENDERED]) if path not in files]
    )
    context = Context(known, boards, rule_files, runbooks)
    linked = Context(known, [*boards, *others], rule_files, runbooks)
    found = sorted(set(_findings(boards, rule_files, context, linked)))
    kept, passed = apply(found, read_exclusions(exclusions), complete=complete)
    return Result(
        tuple(kept),
        passed,
        len(boards),
        sum(len(group.entries) for file in rule_files for group in file.groups),
    )


def _findings(
    boards: Sequence[Board], rule_files: Sequence[RuleFile], context: Context, linked: Context
) -> Iterator[Finding]:
    for rule in BOARD_RULES:
        seen = linked if rule.name == "link-target" else context
        for board in boards:
            for fault in rule.check(board, seen):
                yield Finding(board.file, fault.panel, fault.target, rule.name, fault.what, rule.todo)
    for file_rule in FILE_RULES:
        for file in rule_files:
            for fault in file_rule.check(file, context):
                yield Finding(
                    file.file, fault.panel, fault.target, file_rule.name, fault.what, file_rule.todo
                )


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (found for found in path.rglob("*") if found.suffix in _BOARDS | _RULES)
        elif not path.exists():
            raise LintError(
                f"{path}: there is no such file or folder; name boards (.json) or rule files (.yaml)"
            )
        elif path.suffix not in _BOARDS | _RULES:
            raise LintError(f"{path}: neither a board (.json) nor a rule file (.yaml); name one of these")
        else:
            yield path


def _ours(rules: Path, but: Sequence[Path]) -> list[RuleFile]:
    """Return our own rule files that are not checked themselves, for what they record."""
    if not rules.is_dir():
        return []
    return [
        read_rules(path, path.name) for path in _files([rules]) if path not in but and path.suffix in _RULES
    ]


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """Return what each file is called in findings: its name where that is unique, else its path."""
    names = [path.name for path in files]
    return {path: path.name if names.count(path.name) == 1 else str(path) for path in files}
