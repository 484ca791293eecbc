"""Gauges of meters by site, out of the figure the job leaves; what a site has no figure of makes no sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.carbon.meter_figures import FIGURE
from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.text import labels, number
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH

MOST = 200
OTHER = "other"


def read(connection: Connection) -> Sequence[Mapping[str, Any]]:
    """Return the sites of the last closed month; empty where nothing was worked out."""
    held = figures.read(connection, FIGURE)
    return [] if held is None else list(held[0]["sites"])


def render(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the gauges in the text format: the sites that used most under their names, the rest as one."""
    ordered = sorted(rows, key=lambda one: (-one["metered_kwh"], one["site"]))
    sums: dict[str, dict[str, float]] = {}
    for at, one in enumerate(ordered):
        name = one["site"] if at < MOST else OTHER
        metered = one["metered_kwh"] > 0
        told: dict[str, float | None] = {
            "metered_joules": one["metered_kwh"] * JOULES_PER_KWH if metered else None,
            "meter_missing_periods": one["missing_half_hours"],
            "claimed": one.get("claimed_kwh"),
            "seen": one.get("compared_meter_kwh"),
            "devices_above_meter_periods": one.get("above_half_hours"),
        }
        for key, value in told.items():
            if value is not None:
                held = sums.setdefault(key, {})
                held[name] = held.get(name, 0.0) + value
    claimed, seen = sums.pop("claimed", {}), sums.pop("seen", {})
    sums["devices_meter_share_ratio"] = {
        name: kwh / seen[name] for name, kwh in claimed.items() if seen[name]
    }
    return "".join(_family(f"roadworthy_site_{name}", values) for name, values in sums.items() if values)


def _family(name: str, values: Mapping[str, float]) -> str:
    row = metric(name)
    lines = [f"{name}{labels(row.labels, (site,))} {number(value)}\n" for site, value in values.items()]
    return row.header + "".join(lines)
