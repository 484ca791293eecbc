"""Rules of a panel: what it says of itself, its unit, its thresholds, where its data come from."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.lint.board import WORDS_ONLY, Board, Panel
from roadworthy_dashboards.lint.context import Context
from roadworthy_dashboards.lint.findings import Fault
from roadworthy_dashboards.lint.sentences import unfinished
from roadworthy_dashboards.lint.shapes import mapping, objects, uid_of
from roadworthy_dashboards.sdk import UNITS

_OF_BOARD = "-- Dashboard --"  # a panel that shows another panel's answer
_GREATEST_RATIO = 10
# The panels Grafana 11 to 13 bring along; one it has not shows an error in its place.
_KINDS = frozenset(
    [
        *(
            "alertlist",
            "annolist",
            "barchart",
            "bargauge",
            "candlestick",
            "canvas",
            "dashlist",
            "datagrid",
            "flamegraph",
        ),
        *(
            "gauge",
            "geomap",
            "heatmap",
            "histogram",
            "logs",
            "news",
            "nodeGraph",
            "piechart",
            "stat",
            "state-timeline",
        ),
        *("status-history", "table", "text", "timeseries", "traces", "trend", "welcome", "xychart"),
    ]
)
# What Grafana 11 to 13 have in common; one it does not know makes the panel an error.
_TRANSFORMATIONS = frozenset(
    [
        "calculateField",
        "concatenate",
        "configFromData",
        "convertFieldType",
        "extractFields",
        "fieldLookup",
        "filterByRefId",
        "filterByValue",
        "filterFieldsByName",
        "formatString",
        "formatTime",
        "groupBy",
        "groupToNestedTable",
        "groupingToMatrix",
        "heatmap",
        "histogram",
        "joinByField",
        "joinByLabels",
        "labelsToFields",
        "limit",
        "merge",
        "organize",
        "partitionByValues",
        "prepareTimeSeries",
        "reduce",
        "regression",
        "renameByRegex",
        "rowsToFields",
        "seriesToColumns",
        "seriesToRows",
        "sortBy",
        "spatial",
        "timeSeriesTable",
        "transpose",
    ]
)


def _showing(board: Board) -> Iterator[Panel]:
    return (panel for panel in board.panels if panel.kind not in WORDS_ONLY)


def panel_datasource(board: Board, _: Context) -> Iterator[Fault]:
    """Every panel and query asks the data source the board's variable names."""
    allowed = set()
    for variable in board.variables:
        if variable.kind == "datasource":
            allowed |= {f"${variable.name}", f"${{{variable.name}}}"}
    for panel in _showing(board):
        for letter, found in [
            ("", panel.document),
            *((target.letter, target.document) for target in panel.targets),
        ]:
            uid = uid_of(found.get("datasource"))
            if uid not in allowed | {_OF_BOARD}:
                words = f"asks the data source {uid!r}" if uid else "names no data source"
                yield Fault(f"it {words}", panel.title, letter)


def panel_title_description(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a figure nobody explains is explained by whoever needs it to be high or low."""
    for panel in _showing(board):
        for key in ("title", "description"):
            if not str(panel.document.get(key) or "").strip():
                yield Fault(f"it has no {key}", panel.title)


def description_sentence(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a description is read by people."""
    described = [(panel.title, panel.document.get("description")) for panel in _showing(board)]
    for title, text in [("", board.document.get("description")), *described]:
        for fault in unfinished(str(text or "")):
            yield Fault(f"its description {fault}", title)


def panel_units(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a number without a unit is a guess, and a unit of one's own is not scaled."""
    for panel in _showing(board):
        unit = str(panel.defaults.get("unit") or "")
        if unit not in UNITS:
            yield Fault(f"its unit is {unit!r}" if unit else "it has no unit", panel.title)
        for other in map(str, panel.overrides("unit")):
            if other not in UNITS:
                yield Fault(f"an override has the unit {other!r}", panel.title)


def panel_targets(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a panel without a query is empty."""
    for panel in _showing(board):
        if not panel.targets:
            yield Fault("it has no query", panel.title)
        for target in panel.targets:
            if not target.expr.strip() and target.source.get("uid") != _OF_BOARD:
                yield Fault("the query is empty", panel.title, target.letter)


def panel_thresholds(board: Board, _: Context) -> Iterator[Fault]:
    """Without steps of its own Grafana colours a panel red from 80 on, whatever 80 is; steps live in thresholds.py."""
    places = {
        tuple(value for value, _ in levels.steps)
        for levels in vars(thresholds).values()
        if isinstance(levels, thresholds.Levels)
    }
    for panel in _showing(board):
        unit = str(panel.defaults.get("unit"))
        yield from _steps(panel, panel.defaults.get("thresholds"), places, unit)
        for steps in panel.overrides("thresholds"):
            # An override may be of a column with a unit of its own.
            yield from _steps(panel, steps, places, "")


def panel_ids(board: Board, _: Context) -> Iterator[Fault]:
    """Links to a panel, and what shows another's answer, go by its id."""
    rows = [row for row in objects(board.document.get("panels")) if row.get("type") == "row"]
    counted = Counter(str(found.get("id")) for found in [*rows, *(panel.document for panel in board.panels)])
    for identity, count in sorted(counted.items()):
        if identity == "None":
            yield Fault(f"{count} panels have no id")
        elif count > 1:
            yield Fault(f"{count} have the id {identity}")


def panel_kind(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a panel of a kind Grafana does not bring along is an error message until somebody installs it."""
    for panel in board.panels:
        if panel.kind not in _KINDS:
            yield Fault(f"there is no panel of the type {panel.kind!r}", panel.title)


def panel_transformations(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a transformation Grafana does not know shows an error in place of the panel."""
    for panel in _showing(board):
        for found in objects(panel.document.get("transformations")):
            if str(found.get("id")) not in _TRANSFORMATIONS:
                yield Fault(f"there is no transformation {found.get('id')!r}", panel.title)


def panel_reference(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because what shows another panel's answer needs that panel."""
    ids = {str(panel.document.get("id")) for panel in board.panels}
    for target in board.targets:
        wanted = str(target.document.get("panelId"))
        if target.source.get("uid") == _OF_BOARD and wanted not in ids:
            yield Fault(f"there is no panel {wanted}", target.panel, target.letter)


def _steps(panel: Panel, found: Any, places: set[tuple[float, ...]], unit: str) -> Iterator[Fault]:
    steps = objects(mapping(found).get("steps"))
    if not steps:
        yield Fault("it names no thresholds", panel.title)
        return
    values = [step.get("value") for step in steps]
    numbers = [value for value in values[1:] if isinstance(value, int | float)]
    if values[0] is not None or len(numbers) != len(values) - 1:
        yield Fault("the first step has a value, or a later one has none", panel.title)
    elif any(lower >= higher for lower, higher in itertools.pairwise(numbers)):
        yield Fault(f"the steps {numbers} do not rise", panel.title)
    elif tuple(numbers) not in places:
        yield Fault(f"the steps {numbers} are none of thresholds.py", panel.title)
    elif unit == "percentunit" and any(abs(value) > _GREATEST_RATIO for value in numbers):
        yield Fault(f"the steps {numbers} are per cent and its unit is a ratio", panel.title)
