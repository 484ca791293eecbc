"""Supplies, their sites and tariffs as rows for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.supplies import Supply
from roadworthy_collector.carbon.supply_places import SupplyError


def supply_rows(found: Sequence[Supply]) -> list[dict[str, Any]]:
    """Return a row for each supply."""
    return [
        {
            "supply": one.number,
            "fuel": one.fuel,
            "name": one.name,
            "settled_half_hourly": one.settled_half_hourly,
            "sites": ", ".join(dict.fromkeys(place.name for place in one.places)),
        }
        for one in found
    ]


def site_rows(found: Sequence[Supply]) -> list[dict[str, Any]]:
    """Return a row for each place of each supply."""
    return [
        {
            "supply": one.number,
            "fuel": one.fuel,
            "site": place.name,
            "kind": place.kind,
            "from": str(place.valid_from),
            "to": None if place.valid_to is None else str(place.valid_to),
            "tenure": place.tenure,
            "share": None if place.share is None else float(place.share),
        }
        for one in found
        for place in one.places
    ]


def parse_share(text: str | None) -> Fraction | None:
    """Return a share of `0.25`, `25 %` or `1/4`; SupplyError for what is none."""
    if not text:
        return None
    said = text.strip()
    try:
        return Fraction(said.removesuffix("%").strip()) / (100 if said.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        raise SupplyError(f"share {said[:40]!r}: write it as 0.25 or 25%") from None
