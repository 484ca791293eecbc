"""Rules that hold between boards: no two alike, and no link into nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from roadworthy_dashboards.lint.board import Board
from roadworthy_dashboards.lint.context import Context
from roadworthy_dashboards.lint.findings import Fault

_LINK = re.compile(r"(?:^|/)d/([A-Za-z0-9_-]+)(?:/[^?]*)?(?:\?(.*))?$")
_SET = re.compile(r"var-(\w+)=")


def duplicate_uid(board: Board, context: Context) -> Iterator[Fault]:
    """Two boards of one uid take turns in Grafana."""
    for other in _others(board, context):
        if board.uid and other.uid == board.uid:
            yield Fault(f"{other.file} has the uid {board.uid} too")


def duplicate_title(board: Board, context: Context) -> Iterator[Fault]:
    """Two boards of one title in a folder are not allowed, and what Grafana then does is not said."""
    for other in _others(board, context):
        if board.title and other.title.casefold() == board.title.casefold():
            yield Fault(f"{other.file} is called {board.title!r} too")


def link_target(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because a link goes to a board there is, and sets variables it has."""
    boards = {other.uid: other for other in context.boards}
    for url in sorted(set(_urls(board.document))):
        found = _LINK.search(url)
        if not found:
            continue
        target = boards.get(found[1])
        if target is None:
            yield Fault(f"a link goes to the board {found[1]}, which there is not")
            continue
        variables = {variable.name for variable in target.variables}
        for name in sorted(set(_SET.findall(found[2] or "")) - variables):
            yield Fault(f"a link sets {name} on {found[1]}, which has no such variable")


def _others(board: Board, context: Context) -> Iterator[Board]:
    return (other for other in context.boards if other.file != board.file)


def _urls(found: Any) -> Iterator[str]:
    """Yield every value called `url` in a board."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "url" and isinstance(value, str):
                yield value
            else:
                yield from _urls(value)
    elif isinstance(found, list):
        for value in found:
            yield from _urls(value)
