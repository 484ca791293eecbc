"""A rendered board as it is checked: panels, queries, variables, out of Grafana's classic JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import promql_parser

from roadworthy_dashboards.lint.findings import LintError
from roadworthy_dashboards.lint.shapes import mapping, objects, uid_of
from roadworthy_dashboards.promql import QueryError, parse

# Panels that show no values of a query.
WORDS_ONLY = frozenset({"text", "dashlist", "alertlist", "news", "welcome"})
PROMETHEUS = "prometheus"


@dataclass(frozen=True)
class Target:
    """One query of a panel, or of an annotation; `document` is its JSON."""

    panel: str
    letter: str
    document: Mapping[str, Any]
    values: Mapping[str, str]

    @property
    def expr(self) -> str:
        """Return the query as it is written."""
        return str(self.document.get("expr") or "")

    @cached_property
    def parsed(self) -> promql_parser.Expr | str:
        """Return the query's tree, or what the parser said."""
        try:
            return parse(self.expr, self.values)
        except QueryError as error:
            return str(error)

    @property
    def tree(self) -> promql_parser.Expr | None:
        """Return the query's tree, None if it is not PromQL, which is one rule's business only."""
        return None if isinstance(self.parsed, str) else self.parsed

    @property
    def source(self) -> Mapping[str, Any]:
        """Return the data source the target names, {} without one."""
        found = self.document.get("datasource")
        return mapping(found) or {"uid": uid_of(found)}

    @property
    def over_time(self) -> bool:
        """Return whether it is asked over a range of time; Grafana's default is yes."""
        instant = bool(self.document.get("instant"))
        return bool(self.document.get("range", not instant))


@dataclass(frozen=True)
class Panel:
    """A panel that is not a row."""

    title: str
    kind: str
    document: Mapping[str, Any]
    targets: tuple[Target, ...]

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Return the defaults of its fields."""
        return mapping(mapping(self.document.get("fieldConfig")).get("defaults"))

    def overrides(self, identity: str) -> Iterator[Any]:
        """Yield the values the overrides give one property."""
        for override in objects(mapping(self.document.get("fieldConfig")).get("overrides")):
            for found in objects(override.get("properties")):
                if found.get("id") == identity:
                    yield found.get("value")


@dataclass(frozen=True)
class Variable:
    """A variable of the board; `query` is what it asks, as text."""

    name: str
    kind: str
    query: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Board:
    """A board; `file` is what it is called in findings."""

    file: str
    document: Mapping[str, Any]

    @property
    def uid(self) -> str:
        """Return its uid, "" without one."""
        return str(self.document.get("uid") or "")

    @property
    def title(self) -> str:
        """Return its title, "" without one."""
        return str(self.document.get("title") or "")

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """Return its variables."""
        return tuple(
            Variable(str(found.get("name")), str(found.get("type")), _query_text(found.get("query")), found)
            for found in objects(mapping(self.document.get("templating")).get("list"))
        )

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """Return its panels, those inside rows too."""
        return tuple(self._panel(found) for found in _opened(objects(self.document.get("panels"))))

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Return every query: those of panels and those of annotations that are not Grafana's own."""
        found = [target for panel in self.panels for target in panel.targets]
        notes = objects(mapping(self.document.get("annotations")).get("list"))
        found += [
            Target(f"annotation {note.get('name')}", "", note, self.values)
            for note in notes
            if note.get("expr")
        ]
        return tuple(found)

    @cached_property
    def values(self) -> Mapping[str, str]:
        """Return a value for each variable, to read queries by: the current one, or the first there is."""
        found = {}
        for variable in self.variables:
            current = mapping(variable.document.get("current")).get("value")
            options = [option.get("value") for option in objects(variable.document.get("options"))]
            plain = [
                value
                for value in (current, *options)
                if isinstance(value, str) and value and "$" not in value
            ]
            found[variable.name] = plain[0] if plain else "1"
        return found

    def _panel(self, found: Mapping[str, Any]) -> Panel:
        title = str(found.get("title") or "")
        shown = title or f"panel {found.get('id', 'without an id')}"
        targets = tuple(
            Target(shown, str(target.get("refId", place)), target, self.values)
            for place, target in enumerate(objects(found.get("targets")))
        )
        return Panel(shown, str(found.get("type")), found, targets)


def read_board(path: Path, file: str) -> Board:
    """Read a board; raise LintError if the file is not a JSON object."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise LintError(f"{path}: cannot be read: {error}; name a file you may read") from None
    except ValueError as error:
        raise LintError(f"{path}: not JSON: {error}; render it again") from None
    if not isinstance(document, dict):
        raise LintError(f"{path}: not a board: a JSON object is expected; render it again")
    return Board(file, document)


def _opened(panels: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for panel in panels:
        if panel.get("type") == "row":
            yield from objects(panel.get("panels"))
        else:
            yield panel


def _query_text(query: Any) -> str:
    if isinstance(query, dict):
        return str(query.get("query") or "")
    return str(query or "")
