"""How often somebody may ask: a count per name and minute, held in memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable

WINDOW_SECONDS = 60.0


class RateLimit:
    """Allows `limit` events a minute per name.

    Counts in fixed windows: one dictionary, emptied every minute, so that memory is bounded by what a minute brings.
    """

    def __init__(self, limit: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._began = monotonic()
        self._counts: Counter[Hashable] = Counter()

    def wait_seconds(self, name: Hashable) -> int:
        """Return in how many seconds `name` may ask again, 0 for now. Does not count."""
        passed = self._monotonic() - self._began
        if passed >= WINDOW_SECONDS:
            self._began += passed
            self._counts.clear()
            return 0
        if self._counts[name] < self._limit:
            return 0
        return int(WINDOW_SECONDS - passed) + 1

    def count(self, name: Hashable) -> None:
        """Count one event."""
        self._counts[name] += 1
