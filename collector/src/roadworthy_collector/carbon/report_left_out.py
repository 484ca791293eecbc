"""What a carbon report says of energy that was measured and is in none of its sums, so that nothing is counted twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadworthy_collector.snmp.overlaps import UNDECLARED
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH


def left_out(joules: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the exclusions of {why: joules the ledger left out}; none where nothing was."""
    twice = sum(some for why, some in joules.items() if why != UNDECLARED)
    found = []
    if twice:
        why = "by a device and by what it hangs on: it is in the figures once, and this once is left out"
        found.append({"what": "Energy measured twice", "why": why, "count": _kwh(twice), "unit": "kWh"})
    if untold := joules.get(UNDECLARED, 0):
        why = "nobody said what these power units feed: what hangs there may be counted by its own agent"
        found.append(
            {"what": "Energy measured, not counted", "why": why, "count": _kwh(untold), "unit": "kWh"}
        )
    return found


def _kwh(joules: int) -> int:
    return round(joules / JOULES_PER_KWH)
