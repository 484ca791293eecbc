"""How often somebody may ask: a count per name and minute, held in memory."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Hashable
from math import ceil
from typing import TYPE_CHECKING

from roadworthy_collector.errors import EnvelopeError

if TYPE_CHECKING:
    from roadworthy_collector.security.tokens import KeyRefused

WINDOW_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 3600
KEY_FAILURES_PER_MINUTE = 30  # with one key that is known and no longer good
UNKNOWN_FAILURES_PER_MINUTE = 300  # with keys nobody knows, all of them together


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

    def counted(self, name: Hashable) -> int:
        """Return how many events were counted in this minute."""
        return self._counts[name]

    def count(self, name: Hashable) -> None:
        """Count one event."""
        self._counts[name] += 1

    def give_back(self, name: Hashable) -> None:
        """Take one event back that somebody else is going to count."""
        self._counts[name] -= 1


class EnrolLimits:
    """Bounds enrolments in one process: all of them together, and refused ones per key.

    A good key is never slowed by what others do with bad ones, whatever address they come from.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._enrolling = RateLimit(per_minute, monotonic)
        self._turned_away = RateLimit(0, monotonic)
        self._failures = RateLimit(KEY_FAILURES_PER_MINUTE, monotonic)
        self._unknown = RateLimit(UNKNOWN_FAILURES_PER_MINUTE, monotonic)

    def admit(self) -> None:
        """Count one more device; raise EnvelopeError `rate` where this minute has had as many as it may."""
        if not (wait := self._enrolling.wait_seconds(None)):
            self._enrolling.count(None)
            return
        self._turned_away.wait_seconds(None)  # lets a minute that is over go
        self._turned_away.count(None)
        ahead = ceil(self._turned_away.counted(None) / self._per_minute)
        message = f"{self._per_minute} devices a minute are enrolled here, and this minute has had them"
        raise _rate(message, wait, ahead)

    def refused(self, error: KeyRefused, key: str) -> EnvelopeError:
        """Return what a refused key is answered: why, and once too often in a minute to come back later."""
        unknown = error.code == "key_unknown"
        failures = self._unknown if unknown else self._failures
        # Only a key that is known has an id that can be counted: others make up as many as they like.
        name = None if unknown else key.split("_")[1]
        if wait := failures.wait_seconds(name):
            return _rate("too many refused attempts", wait, 1)
        failures.count(name)
        return EnvelopeError(403, error.code, str(error), field="enrolment_key")


def _rate(message: str, wait_seconds: int, minutes_ahead: int) -> EnvelopeError:
    """Return `rate`; those turned away are told to come spread over as many minutes as taking them in needs."""
    latest = min(LONGEST_WAIT_SECONDS, wait_seconds + minutes_ahead * int(WINDOW_SECONDS))
    wait = random.randint(wait_seconds, latest)  # noqa: S311 - spreads load, hides nothing
    return EnvelopeError(429, "rate", f"{message}; try again in {wait} s", retry_after_seconds=wait)
