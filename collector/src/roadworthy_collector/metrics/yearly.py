"""Gauges of financial years by unit and by part, out of the figure their job leaves; what is not known makes no sample."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.jobs import yearly
from roadworthy_collector.metrics.catalogue import OTHER, UNKNOWN
from roadworthy_collector.metrics.costs import NAMES
from roadworthy_collector.metrics.fleet import Key, fold, samples

_PENCE = 100


def read(connection: Connection) -> Mapping[str, Any]:
    """Return what the job left, empty before the first time."""
    held = figures.read(connection, yearly.FIGURE)
    return {} if held is None else dict(held[0])


def render(told: Mapping[str, Any]) -> str:
    """Return the gauges in the text format."""
    crc: dict[str, dict[Key, float]] = {
        name: {
            (part, year): value
            for year, one in told.get("crc", {}).items()
            for part, value in one[name].items()
            if value is not None
        }
        for name in ("tco2", "gbp")
    }
    changed: dict[Key, float] = {
        (part, year): value for year, parts in told.get("change", {}).items() for part, value in parts.items()
    }
    ends: dict[Key, float] = {(name,): end for name, end in told.get("sets", {}).items()}
    return "".join(
        (
            samples("roadworthy_unit_cost_gbp", _unit_costs(told)),
            *(samples(f"roadworthy_crc_year_{name}", values) for name, values in crc.items()),
            samples("roadworthy_carbon_change_kgco2e", changed),
            samples("roadworthy_factor_set_end_timestamp_seconds", ends),
        )
    )


def _unit_costs(told: Mapping[str, Any]) -> dict[Key, float]:
    """Return pounds by unit, those of the largest outturn by name and the rest as `other`."""
    rows = told.get("units", ())
    whole: defaultdict[str | None, float] = defaultdict(int)
    for unit, letter, _, pence in rows:
        if letter == "A":
            whole[unit] += abs(pence)
    kept = fold(whole)
    sums: defaultdict[Key, float] = defaultdict(int)
    for unit, letter, year, pence in rows:
        name = (unit or UNKNOWN) if (unit or UNKNOWN) in kept else OTHER
        sums[name, NAMES[letter], year] += pence
    return {key: pence / _PENCE for key, pence in sums.items()}
