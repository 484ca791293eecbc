"""Rules of a board as a whole: its variables, its data source, what it says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from roadworthy_dashboards.labels import labels_of
from roadworthy_dashboards.links import AUDIENCES, TAG
from roadworthy_dashboards.lint.board import PROMETHEUS, Board, Variable
from roadworthy_dashboards.lint.context import Context
from roadworthy_dashboards.lint.findings import Fault
from roadworthy_dashboards.lint.shapes import objects, uid_of
from roadworthy_dashboards.promql import MACROS, QueryError, parse, variables_in

_SOURCES = {"datasource": "Data source", "prometheus_datasource": "Prometheus data source"}
_QUERY = re.compile(r"\s*([a-z_]+)\((.*)\)\s*", re.DOTALL)
_QUERIES = frozenset({"label_names", "label_values", "metrics", "query_result"})
_ON_TIME_CHANGE = 2  # Grafana's number for "on time range change"
_LONGEST_UID = 40


def classic(board: Board, _: Context) -> Iterator[Fault]:
    """Files are provisioned and pushed in the schema with top-level `panels`, which Grafana 11 to 13 read."""
    if not isinstance(board.document.get("panels"), list):
        yield Fault("it has no top-level list of panels")


def identity(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a board without a uid gets another one at every import, and links to it die."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", board.uid) or len(board.uid) > _LONGEST_UID:
        yield Fault(f"its uid is {board.uid!r}")
    if not board.title.strip():
        yield Fault("it has no title")


def audience(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a board is found by the tag of whom it is for; boards of one's own may have tags of one's own."""
    found = board.document.get("tags")
    tags = {str(tag) for tag in found} if isinstance(found, list) else set()
    if TAG in tags:
        for tag in sorted(tags - {TAG, *AUDIENCES}):
            yield Fault(f"its tag {tag} is no audience")


def uneditable(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because what somebody changes in the browser is lost at the next provisioning."""
    if board.document.get("editable") is not False:
        yield Fault("it can be edited in the browser")


def template_datasource(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a board works with whatever its Grafana calls the data source."""
    found = [variable for variable in board.variables if variable.kind == "datasource"]
    if not found:
        yield Fault("it has no variable for the data source")
    for variable in found:
        if variable.query != PROMETHEUS:
            yield Fault(f"it chooses among data sources of the kind {variable.query!r}", _named(variable))
        elif variable.name not in _SOURCES or (len(found) > 1 and variable.name == "datasource"):
            yield Fault(f"the variable of the data source is called {variable.name}", _named(variable))
        elif variable.document.get("label") != _SOURCES[variable.name]:
            yield Fault(f"its label is not {_SOURCES[variable.name]!r}", _named(variable))


def template_job(board: Board, _: Context) -> Iterator[Fault]:
    """Which collectors are looked at is chosen by their scrape job."""
    yield from _chooser(board, "job", "Job")


def template_instance(board: Board, _: Context) -> Iterator[Fault]:
    """Which process of a job is looked at is chosen by its address."""
    yield from _chooser(board, "instance", "Instance")


def template_label_promql(board: Board, context: Context) -> Iterator[Fault]:
    """Check, because what a variable asks must be one of Grafana's questions, about series there are."""
    for variable in _asking(board):
        found = _QUERY.fullmatch(variable.query)
        if not found or found[1] not in _QUERIES:
            yield Fault(f"{variable.query!r} is none of {', '.join(sorted(_QUERIES))}", _named(variable))
            continue
        expr, _, label = found[2].rpartition(",") if found[1] == "label_values" else (found[2], "", "")
        if found[1] in {"label_names", "metrics"} or not expr:
            continue
        yield from _asked(board, context, variable, (expr, label.strip()))


def template_reload(board: Board, _: Context) -> Iterator[Fault]:
    """Choices are read again when the time range changes, or they tell of another time."""
    for variable in _asking(board):
        if variable.document.get("refresh") != _ON_TIME_CHANGE:
            yield Fault("its choices are not read again when the time range changes", _named(variable))


def variable_unused(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because a choice that changes nothing misleads whoever chooses."""
    for variable in board.variables:
        if variable.name not in _used(board, variable):
            yield Fault("nothing on the board uses it", _named(variable))


def variable_undefined(board: Board, _: Context) -> Iterator[Fault]:
    """Check, because what no variable fills in is sent to Prometheus as it stands."""
    own = {name for name in _used(board, None) if not name.startswith("__")}
    macros = {name for target in board.targets for name in variables_in(target.expr) if name.startswith("__")}
    for name in sorted(own - {variable.name for variable in board.variables}):
        yield Fault(f"${name} is used and is no variable of the board")
    for name in sorted(macros - set(MACROS)):
        yield Fault(f"${name} is no variable of Grafana for PromQL")


def _used(board: Board, but: Variable | None) -> set[str]:
    """Return the variables used in panels, annotations, links and other variables."""
    places: list[Any] = [board.document.get(key) for key in ("panels", "annotations", "links", "rows")]
    places += [variable.document for variable in board.variables if variable is not but]
    repeats = {str(panel.get("repeat")) for panel in objects(board.document.get("panels"))}
    return variables_in(json.dumps(places, ensure_ascii=False)) | repeats - {"None", ""}


def _asking(board: Board) -> Iterator[Variable]:
    return (variable for variable in board.variables if variable.kind == "query")


def _asked(board: Board, context: Context, variable: Variable, parts: tuple[str, str]) -> Iterator[Fault]:
    """Check the selector a variable asks about, and the label it wants."""
    expr, label = parts
    try:
        tree = parse(expr, board.values)
    except QueryError as error:
        yield Fault(f"{expr!r} is not PromQL: {error}", _named(variable))
        return
    labels, faults = labels_of(tree, context.known.labels_of)
    for fault in faults:
        yield Fault(fault, _named(variable))
    if labels is None:
        yield Fault(f"there is no metric {expr.partition('{')[0].strip()}", _named(variable))
    elif label and label not in labels:
        yield Fault(f"{expr} has no label {label}", _named(variable))


def _chooser(board: Board, name: str, label: str) -> Iterator[Fault]:
    found = next((variable for variable in board.variables if variable.name == name), None)
    if found is None:
        yield Fault(f"it has no variable {name}")
        return
    document = found.document
    sources = {f"${source}" for source in _SOURCES} | {f"${{{source}}}" for source in _SOURCES}
    wrong = {
        "is not asked of Prometheus": found.kind != "query",
        "does not use the variable of the data source": uid_of(document.get("datasource")) not in sources,
        f"is not labelled {label!r}": document.get("label") != label,
        "does not allow several values": document.get("multi") is not True,
        "does not take all values as .+": document.get("allValue") != ".+",
    }
    for words, is_so in wrong.items():
        if is_so:
            yield Fault(f"it {words}", _named(found))


def _named(variable: Variable) -> str:
    return f"variable {variable.name}"
