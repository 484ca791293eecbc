"""What the serving process counts about taking reports in, since it started.

Plain numbers written by the event loop and the writer thread and read by the metrics; each has one writer, and an
addition under the interpreter's lock needs no other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

REQUEST_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
COMMIT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# A minute; the agents' calls; hours of a laptop in a bag; weekends and holidays; what is older is refused by default.
LAG_BOUNDS = (60, 300, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400, 259_200, 604_800, 1_209_600, 2_592_000)
INFINITY = float("inf")


class Histogram:
    """Durations in seconds, counted per bucket.

    `bounds` ends with infinity; `counts[i]` is the number of observations above `bounds[i - 1]` and up to
    `bounds[i]` (not cumulative), `sum` their total.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = (*bounds, INFINITY)
        self.counts = [0] * len(self.bounds)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


@dataclass
class Stats:
    """Counters of one serving process."""

    # By outcome: `accepted`, or the code of the error answered (`busy`, `revoked`, `schema` ...).
    reports: Counter[str] = field(default_factory=Counter)
    # By (kind, outcome): kind is period, startup, signin, gap, now, facts or probe; outcome accepted or rejected.
    items: Counter[tuple[str, str]] = field(default_factory=Counter)
    # By outcome: `enrolled`, or the code of the error answered.
    enrolments: Counter[str] = field(default_factory=Counter)
    # From a report's first byte to its answer.
    request_seconds: Histogram = field(default_factory=lambda: Histogram(REQUEST_BOUNDS))
    # One observation per group commit: from BEGIN to the return of COMMIT.
    commit_seconds: Histogram = field(default_factory=lambda: Histogram(COMMIT_BOUNDS))
    # One observation per closed half-hour that was accepted: from its end to the server's time when it was written.
    half_hour_lag_seconds: Histogram = field(default_factory=lambda: Histogram(LAG_BOUNDS))
    # Reports in the group commits so far; over the number of commits it is the mean group.
    committed_reports: int = 0
    # Reports waiting now to be written or being written.
    queued: int = 0
