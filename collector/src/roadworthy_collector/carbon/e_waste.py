"""Equipment that left in a year by what became of it, as the register's disposals record it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from sqlalchemy import Connection

from roadworthy_collector.books import disposal
from roadworthy_inventory.carbon.returns import EWaste

_BECAME = {
    "reuse": "reused",
    "resale": "reused",
    "recycling": "recycled",
    "energy_recovery": "recovered",
    "landfill": "landfill",
}
BECAME_WORDS: Mapping[str, str] = {
    "reused": "reused or sold on",
    "recycled": "recycled",
    "recovered": "burnt for its energy",
    "landfill": "to landfill",
    "unknown": "not recorded",
}


def read(connection: Connection, began: int) -> tuple[EWaste | None, dict[str, Counter[str]], int]:
    """Return what left in the year by what became of it, items and those not weighed of each, and how many are undated.

    No typical weight stands for what was not weighed. Destruction, or the way back to a lessor, does not say what
    became of the material: that is not recorded.
    """
    found: dict[str, Counter[str]] = {name: Counter(items=0, not_weighed=0, grams=0) for name in BECAME_WORDS}
    undated = 0
    for one in disposal.read(connection, restricted=True):
        record = one.record
        if record.left is None:
            undated += one.lifecycle_state == "disposed"
            continue
        if not dt.date(began, 4, 1) <= record.left < dt.date(began + 1, 4, 1):
            continue
        counted = found[_BECAME.get(record.route, "unknown")]
        counted["items"] += 1
        counted["not_weighed"] += record.weight_grams is None
        counted["grams"] += record.weight_grams or 0
    if not any(one["items"] for one in found.values()):
        return None, found, undated
    kg = {name: Fraction(one["grams"], 1000) for name, one in found.items()}
    waste = EWaste(kg["reused"], kg["recycled"], kg["recovered"], kg["landfill"], kg["unknown"])
    return waste, found, undated


def told_kg(waste: EWaste) -> dict[str, float]:
    """Return the kilograms as JSON says them."""
    return {
        "reused": float(waste.reused_kg),
        "recycled": float(waste.recycled_kg),
        "recovered": float(waste.recovered_kg),
        "landfill": float(waste.landfill_kg),
        "unknown": float(waste.unknown_kg),
        "total": float(waste.total_kg),
    }


def told(left: Mapping[str, Counter[str]]) -> list[dict[str, object]]:
    """Return a row for each end as JSON says it; `kg` of those that were weighed."""
    return [
        {
            "became": name,
            "title": BECAME_WORDS[name],
            "items": one["items"],
            "not_weighed": one["not_weighed"],
            "kg": one["grams"] / 1000,
        }
        for name, one in left.items()
    ]
