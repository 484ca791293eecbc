"""An item of a plan as a row for a terminal and for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadworthy_collector.books.planning import ACTION_WORDS
from roadworthy_collector.books.sheets import ratio

FIGURES = {
    "pounds_pence": ("pounds", 100),
    "hours": ("staff hours", 1),
    "kwh": ("kWh", 1),
    "kgco2e": ("kgCO2e", 1),
    "net_pence": ("net, pounds", 100),
}


def plan_row(one: Mapping[str, Any], *, short: bool = False) -> dict[str, Any]:
    """Return an item of the plan as a row, with its reason unless `short`."""
    names = ("tag", "serial", "model", "site", "unit")
    action = one["action"] if one["status"] == "decided" else one["status"]
    row = {name: one[name] for name in names}
    row |= {"action": ACTION_WORDS[action], "option": one["offer"], "year": one["year"]}
    for name, (title, unit) in FIGURES.items():
        found = one["figures"].get(name)
        parts = dict(zip(("from", "likely", "to"), found or (None,) * 3, strict=True))
        for part, value in parts.items():
            if not short or part == "likely":
                told = None if value is None else round(value / unit, 2)
                row[title if short else f"{title} {part}"] = told
    stays = one["stays_ratio"]
    if short:
        return row | {"stays in the plan": None if stays is None else f"{stays * 100:.0f} %"}
    return (
        row
        | {"stays in the plan": ratio(stays)}
        | {"why": one["why"], "carbon": one["carbon"], "electricity": one["how_kwh"]}
    )
