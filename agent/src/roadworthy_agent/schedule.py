"""When to call the collector: pure but for the dice it is given. Times are boot-clock seconds.

Calls are due at the interval the collector sets, and at once on enrolment, a start-up and the close of a
settlement period. After a failure nothing comes before its back-off has passed.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from roadworthy_agent.digest import sha256
from roadworthy_agent.periods import period_of
from roadworthy_agent.report import PERIOD_SECONDS

SHORTEST_SECONDS = 60.0
LONGEST_SECONDS = 86_400.0
USUAL_SECONDS = 900.0
JITTER = 0.05  # of the interval, either way
SPREAD_SECONDS = 60.0  # over which a fleet's calls at a period's close are spread
BACKOFF_FIRST_SECONDS = 10.0
BACKOFF_LONGEST_SECONDS = 3600.0
DAY_SECONDS = 86_400.0
# A connection kept longer than servers keep theirs is only a handshake saved by luck.
KEPT_SECONDS = 75.0

Dice = Callable[[float, float], float]


class Calls:
    """Knows when the next call is due.

    `uniform` is the dice (low, high), `instance` what spreads the calls of a fleet at a period's close: the same
    share of a minute for a device, always.
    """

    def __init__(self, now: float, instance: str, uniform: Dice = random.uniform) -> None:
        self._uniform = uniform
        self._spread = spread(instance)
        self._not_before = now
        self._interval_due = now
        self._close_due: float | None = None
        self._failures = 0

    def due_at(self) -> float:
        """Return when the next call is due."""
        soonest = self._interval_due if self._close_due is None else min(self._interval_due, self._close_due)
        return max(self._not_before, soonest)

    def at_once(self, now: float) -> None:
        """Make a call due now, a back-off permitting."""
        self._interval_due = min(self._interval_due, now)

    def answered(self, now: float, wall: float, next_call_seconds: float) -> None:
        """Plan after an answer; `wall` is the corrected time at `now`.

        Where the collector asks for calls further apart than a settlement period, a period's close does not
        bring one: it wants fewer.
        """
        interval = min(max(next_call_seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
        self._failures = 0
        self._not_before = now
        self._interval_due = now + interval * self._uniform(1 - JITTER, 1 + JITTER)
        self._close_due = None
        if interval <= PERIOD_SECONDS:
            self._close_due = now + period_of(wall) + PERIOD_SECONDS - wall + self._spread
            # A call that falls just before a period's close would be followed by another at once; it waits instead.
            if 0 < self._close_due - self._interval_due <= 2 * JITTER * interval:
                self._interval_due = self._close_due

    def failed(self, now: float, retry_after_seconds: float | None = None) -> float:
        """Plan after a failure, later each time, never before Retry-After; return the seconds until then.

        Full jitter: anywhere between nothing and the doubled wait, so that devices which failed together do not
        come back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
        """
        doubled = BACKOFF_FIRST_SECONDS * 2 ** min(self._failures, 16)
        self._failures += 1
        wait = self._uniform(1.0, min(doubled, BACKOFF_LONGEST_SECONDS))
        if retry_after_seconds is not None:
            wait += min(retry_after_seconds, LONGEST_SECONDS)
        self._not_before = self._interval_due = now + wait
        return wait

    def postponed(self, now: float, seconds: float) -> None:
        """Plan nothing for a long time: the answer was that trying soon cannot help."""
        self._not_before = self._interval_due = now + seconds * self._uniform(1 - JITTER, 1 + JITTER)


def spread(instance: str) -> float:
    """Return a device's own share of SPREAD_SECONDS."""
    return int.from_bytes(sha256(instance.encode())[:4]) / 2**32 * SPREAD_SECONDS
