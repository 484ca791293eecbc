"""The metrics there are: read from catalogue.json, which the collector's `make generate` writes.

This file is all the dashboards know of the collector.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from roadworthy_dashboards.labels import labels_of
from roadworthy_dashboards.promql import QueryError, parse, selectors

# What Prometheus adds to everything it scrapes.
SCRAPE_LABELS = frozenset({"job", "instance"})
_PREFIX = "roadworthy_"


@dataclass(frozen=True)
class Series:
    """What the catalogue says of one series: `kind` is gauge, counter, histogram or info; `endpoint` is where from."""

    labels: frozenset[str]
    kind: str
    endpoint: str


def load_series() -> dict[str, Series]:
    """Return {series: what is known of it}; the buckets of a histogram also have `le`."""
    document = json.loads(files(__package__).joinpath("catalogue.json").read_text("utf-8"))
    found: dict[str, Series] = {}
    for metric in document["metrics"]:
        for name in metric["series"]:
            extra = {"le"} if name.endswith("_bucket") else set()
            labels = frozenset({*metric["labels"], *extra})
            found[name] = Series(labels, metric["kind"], metric["endpoint"])
    return found


def load_labels() -> dict[str, frozenset[str]]:
    """Return {series: its labels}, without those Prometheus adds."""
    return {name: series.labels for name, series in load_series().items()}


def series_in(query: str) -> set[str]:
    """Return the names of ours that stand in a PromQL query; raise QueryError if it is none."""
    names = {selector.name for selector in selectors(parse(query))}
    return {name for name in names if name.startswith(_PREFIX)}


def faults_in(query: str, labels: Mapping[str, frozenset[str]]) -> list[str]:
    """Return what a query asks for that `labels` does not have: names of ours, and labels anywhere in it."""
    try:
        tree = parse(query)
    except QueryError as error:
        return [f"not PromQL: {error}"]
    names = {selector.name for selector in selectors(tree)}
    unknown = sorted(name for name in names - set(labels) if name.startswith(_PREFIX))

    def known(name: str) -> frozenset[str] | None:
        return labels[name] | SCRAPE_LABELS if name in labels else None

    return [f"there is no metric {name}" for name in unknown] + labels_of(tree, known)[1]
