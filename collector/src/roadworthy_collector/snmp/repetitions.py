"""How many rows at once a device can be asked for: learnt where it cannot answer as many as it should."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

from roadworthy_collector.snmp.port import Target

# After so long a device is asked for as many rows again: one lost datagram is no property of a device.
FEWER_SECONDS = 21_600.0


class Repetitions:
    """What each device was able to give, and until when that stands."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: dict[tuple[str, int], tuple[int, float]] = {}

    def of(self, target: Target) -> int:
        """Return how many rows to ask of the device at once."""
        rows, until = self._known.get((target.host, target.port), (target.max_repetitions, math.inf))
        return target.max_repetitions if self._monotonic() >= until else min(rows, target.max_repetitions)

    def remember(self, target: Target, rows: int) -> None:
        """Ask the device for so many rows at once for some hours."""
        self._known[target.host, target.port] = (rows, self._monotonic() + FEWER_SECONDS)

    def keep(self, places: Collection[tuple[str, int]]) -> None:
        """Forget devices at any other host and port."""
        self._known = {place: known for place, known in self._known.items() if place in places}
