"""The metrics there are: read from catalogue.json, which the collector's `make generate` writes.

This file is all the dashboards know of the collector.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files

_NAME = re.compile(r"\broadworthy_[a-z0-9_]+\b")
_MATCHERS = re.compile(r"(roadworthy_[a-z0-9_]+)\s*\{([^}]*)\}")
_LABEL = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)")


def load_labels() -> dict[str, frozenset[str]]:
    """Return {series: its labels}; the buckets of a histogram also have `le`."""
    document = json.loads(files(__package__).joinpath("catalogue.json").read_text("utf-8"))
    found: dict[str, frozenset[str]] = {}
    for metric in document["metrics"]:
        for series in metric["series"]:
            extra = {"le"} if series.endswith("_bucket") else set()
            found[series] = frozenset({*metric["labels"], *extra})
    return found


def series_in(query: str) -> set[str]:
    """Return the names of ours that stand in a PromQL query."""
    return set(_NAME.findall(query))


def faults_in(query: str, labels: dict[str, frozenset[str]]) -> list[str]:
    """Return what a query asks for that the catalogue does not have: unknown names, unknown labels in matchers."""
    faults = [f"there is no metric {name}" for name in sorted(series_in(query) - set(labels))]
    for name, matchers in _MATCHERS.findall(query):
        asked = set(_LABEL.findall(re.sub(r'"[^"]*"', '""', matchers)))
        faults += [
            f"{name} has no label {label}" for label in sorted(asked - labels.get(name, frozenset(asked)))
        ]
    return faults
