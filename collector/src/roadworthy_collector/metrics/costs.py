"""Gauges of cost, out of the figure the shares leave; a share without a figure or bounds makes no sample of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.books.shares import METRICS, PLANNED
from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.text import labels, number

NAMES = {"A": "run", "B": "maintenance", "C": "legacy"}
_BOUNDS = ("low", "value", "high")
_PENCE = 100


def read(connection: Connection) -> Mapping[str, Any]:
    """Return {shares: {year: {A, B, C: share}} of the last years' outturn, planned}; empty of what was not worked out."""
    found = {"shares": figures.read(connection, METRICS), "planned": figures.read(connection, PLANNED)}
    return {name: {} if one is None else dict(one[0]) for name, one in found.items()}


def render(found: Mapping[str, Any]) -> str:
    """Return the gauges in the text format."""
    return _shares(found["shares"]) + _planned(found["planned"])


def _planned(told: Mapping[str, Any]) -> str:
    """Return the gauges of budget, forecast and outturn, and of the target where one is set and can be drawn."""
    measures: dict[tuple[str, ...], float] = {
        (measure, year): pence / _PENCE
        for year, sums in sorted(told.get("measures", {}).items())
        for measure, pence in sums.items()
    }
    pounds: dict[tuple[str, ...], float] = {}
    ratios: dict[tuple[str, ...], float] = {}
    target = told.get("target")
    if target is not None:
        name = NAMES[target["definition"]]
        for year, (pence, share) in sorted(target["points"].items()):
            if pence is not None:
                pounds[name, year] = pence / _PENCE
            if share is not None:
                ratios[name, year] = share
    return (
        _family("roadworthy_cost_measure_gbp", measures)
        + _family("roadworthy_cost_target_gbp", pounds)
        + _family("roadworthy_cost_target_ratio", ratios)
    )


def _shares(years: Mapping[str, Any]) -> str:
    ratios: dict[tuple[str, ...], float] = {}
    pounds: dict[tuple[str, ...], float] = {}
    unclassified: dict[tuple[str, ...], float] = {}
    for year, shares in sorted(years.items()):
        for letter, one in shares.items():
            for bound in _BOUNDS:
                if one[bound] is not None:
                    ratios[NAMES[letter], bound, year] = one[bound]
            pounds[NAMES[letter], year] = one["numerator_pence"] / _PENCE
            open_ = one["open_charges_pence"] - one["open_credits_pence"]
            unclassified[NAMES[letter], year] = open_ / _PENCE
    return (
        _family("roadworthy_cost_share_ratio", ratios)
        + _family("roadworthy_cost_gbp", pounds)
        + _family("roadworthy_cost_unclassified_gbp", unclassified)
    )


def _family(name: str, values: Mapping[tuple[str, ...], float]) -> str:
    row = metric(name)
    lines = [f"{name}{labels(row.labels, key)} {number(float(value))}\n" for key, value in values.items()]
    return row.header + "".join(lines) if lines else ""
