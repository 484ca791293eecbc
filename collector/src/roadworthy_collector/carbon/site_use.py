"""How long people use computers at each site, a device and day: what monitors that tell nothing are on for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from roadworthy_collector.carbon.power import STATES, Told

# Computers a screen of its own stands beside.
_WITH_SCREEN = frozenset({"desktop", "laptop", "thin_client"})
EVERYWHERE = 0  # in place of a site's row id


class Use(NamedTuple):
    """Shares of the time computers were in use, on and unused, and neither; together 1."""

    in_use: float
    unused: float
    rest: float


class SiteUse:
    """Adds up seconds by state of a month's computers, by site; only of those that tell their states."""

    def __init__(self) -> None:
        self._seconds: dict[int, list[float]] = {}

    def add(self, site: int, item_class: str, told: Told) -> None:
        """Take what one device told at a site."""
        spent = [told.seconds[name] for name in STATES]
        if item_class not in _WITH_SCREEN or not sum(spent):
            return
        for key in (site, EVERYWHERE):
            held = self._seconds.setdefault(key, [0.0, 0.0, 0.0])
            held[0] += told.seconds["in_use"]
            held[1] += told.seconds["idle"] + told.seconds["locked"]
            held[2] += told.seconds["asleep"] + told.seconds["off"]

    def told(self) -> dict[str, list[int]]:
        """Return {site: seconds in use, unused and neither} as JSON can hold it."""
        return {str(site): [round(one) for one in held] for site, held in sorted(self._seconds.items())}


def use_of(told: Mapping[str, Sequence[int]], site: int | None) -> Use | None:
    """Return a site's use out of what `SiteUse.told` gave, that of all sites where it has none, None without any."""
    held = told.get(str(site)) or told.get(str(EVERYWHERE))
    if held is None or not sum(held):
        return None
    whole = sum(held)
    return Use(held[0] / whole, held[1] / whole, held[2] / whole)
