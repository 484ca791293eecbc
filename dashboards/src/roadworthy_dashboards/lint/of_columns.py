"""Rules of columns: what a panel calls by name is there once its transformations are through."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from roadworthy_dashboards.labels import labels_of
from roadworthy_dashboards.lint.board import WORDS_ONLY, Board, Panel
from roadworthy_dashboards.lint.columns import RAW, TIME, Columns, columns_of
from roadworthy_dashboards.lint.context import Context
from roadworthy_dashboards.lint.findings import Fault
from roadworthy_dashboards.lint.shapes import mapping, objects

# Panels that show one table: of several answers all but the first are not there to see.
_ONE_TABLE = frozenset({"table", "barchart"})
_FIELD = re.compile(r'__data\.fields(?:\[\\?"([^"\\]+)\\?"\]|\.(\w+))')
_LABEL = re.compile(r"__field\.labels\.(\w+)")


def columns_named(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because a transformation that names what is not there does nothing, without a word."""
    for panel, columns in _panels(board, context):
        for fault in columns.named:
            yield Fault(fault, panel.title)


def columns_joined(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because rows with other labels never become one, and a table shows one answer only."""
    for panel, columns in _panels(board, context):
        for fault in columns.joined:
            yield Fault(fault, panel.title)
        if panel.kind in _ONE_TABLE and columns.frames is not None and len(columns.frames) > 1:
            yield Fault(f"it shows the first of {len(columns.frames)} answers", panel.title)


def columns_shown(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because an override, an axis, an order or a link by a name that is not there is not applied."""
    for panel, columns in _panels(board, context):
        for words, name in _spoken_of(panel):
            if not columns.has(name):
                yield Fault(f"{words} names the column {name}, which there is not", panel.title)
        yield from _labels_missing(panel, context)


def columns_raw(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because Value #A says nothing to a reader, and the time of a query asked now is the time now."""
    for panel, columns in _panels(board, context):
        if panel.kind in _ONE_TABLE:
            shown = {name for frame in columns.frames or () for name in frame.names}
            for name in sorted(name for name in shown if RAW.fullmatch(name) or name == TIME):
                yield Fault(f"the column {name} is shown as it is", panel.title)


def _panels(board: Board, context: Context) -> Iterator[tuple[Panel, Columns]]:
    for panel in board.panels:
        if panel.kind not in WORDS_ONLY:
            yield panel, columns_of(panel, context.known.labels_of)


def _spoken_of(panel: Panel) -> Iterator[tuple[str, str]]:
    """Yield (what speaks of it, name) of every column a panel calls by name."""
    for override in objects(mapping(panel.document.get("fieldConfig")).get("overrides")):
        matcher = mapping(override.get("matcher"))
        if matcher.get("id") == "byName":
            yield "an override", str(matcher.get("options"))
    options = mapping(panel.document.get("options"))
    for key in ("xField", "colorByField"):
        if options.get(key):
            yield key, str(options[key])
    for one in objects(options.get("sortBy")):
        yield "the order", str(one.get("displayName"))
    for pair in _FIELD.findall(json.dumps(panel.document, ensure_ascii=False)):
        yield "a link", pair[0] or pair[1]


def _labels_missing(panel: Panel, context: Context) -> Iterator[Fault]:
    """Yield the labels links ask of a series that no answer has."""
    answers = [
        labels_of(target.tree, context.known.labels_of)[0] if target.tree is not None else None
        for target in panel.targets
    ]
    if None in answers:
        return
    there = frozenset[str]().union(*(labels for labels in answers if labels is not None))
    for name in sorted(set(_LABEL.findall(json.dumps(panel.document))) - there):
        yield Fault(f"a link names the label {name}, which no answer has", panel.title)
