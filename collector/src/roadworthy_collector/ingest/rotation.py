"""When a device's token is due to be replaced: pure but for the clock and the count it is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from roadworthy_collector.ingest.limits import RateLimit

DAY_SECONDS = 86_400
SPREAD_RATIO = 0.2  # of the age: devices enrolled on one day are not all due on another


class Age(NamedTuple):
    """What decides whether a token is due: when it was made, and since when somebody wants it replaced."""

    created_at: int
    asked_at: int | None


class Rotation:
    """Says which tokens to replace: those of `days` (0: none by age), and those an administrator asks for.

    Of both at most `per_minute` in this process, so that a change for all does not come as one wave of writing.
    """

    def __init__(
        self,
        days: int,
        per_minute: int,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = days * DAY_SECONDS
        self._clock = clock
        self._limit = RateLimit(per_minute, monotonic)

    def is_due(self, token_id: str, age: Age) -> bool:
        """Return whether the token is to be replaced now, and count that."""
        by_age = self._seconds and self._clock() >= due_at(token_id, age.created_at, self._seconds)
        if not by_age and age.asked_at is None:
            return False
        if self._limit.wait_seconds(None):
            return False
        self._limit.count(None)
        return True


def due_at(token_id: str, created_at: int, age_seconds: int) -> float:
    """Return when a token is due: within the last fifth of `age_seconds`, by its id, which is random."""
    return created_at + age_seconds * (1 - SPREAD_RATIO * int(token_id[:8], 16) / 2**32)
