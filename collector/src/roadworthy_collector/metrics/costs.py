"""Gauges of cost, out of the figure the shares leave; a share without a figure or bounds makes no sample of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.books.shares import METRICS
from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.text import labels, number

_NAMES = {"A": "run", "B": "maintenance", "C": "legacy"}
_BOUNDS = ("low", "value", "high")
_PENCE = 100


def read(connection: Connection) -> Mapping[str, Any]:
    """Return {year: {A, B, C: share}} of the last years' outturn; empty where nothing was worked out."""
    found = figures.read(connection, METRICS)
    return {} if found is None else dict(found[0])


def render(years: Mapping[str, Any]) -> str:
    """Return the gauges in the text format."""
    ratios: dict[tuple[str, ...], float] = {}
    pounds: dict[tuple[str, ...], float] = {}
    unclassified: dict[tuple[str, ...], float] = {}
    for year, shares in sorted(years.items()):
        for letter, one in shares.items():
            for bound in _BOUNDS:
                if one[bound] is not None:
                    ratios[_NAMES[letter], bound, year] = one[bound]
            pounds[_NAMES[letter], year] = one["numerator_pence"] / _PENCE
        most = max(one["open_charges_pence"] - one["open_credits_pence"] for one in shares.values())
        unclassified[year,] = most / _PENCE
    return (
        _family("roadworthy_cost_share_ratio", ratios)
        + _family("roadworthy_cost_gbp", pounds)
        + _family("roadworthy_cost_unclassified_gbp", unclassified)
    )


def _family(name: str, values: Mapping[tuple[str, ...], float]) -> str:
    row = metric(name)
    lines = [f"{name}{labels(row.labels, key)} {number(float(value))}\n" for key, value in values.items()]
    return row.header + "".join(lines) if lines else ""
