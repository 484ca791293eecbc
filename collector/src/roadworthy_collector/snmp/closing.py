"""Half-hours that some rows of a device have closed and others not yet: held back until all have, or for a bounded time.

A half-hour is written once, and the first word holds: one that is told with a line missing can never be mended. So
what one row closed waits for the others. One that stays silent is waited for `hold_seconds` and not longer; then the
half-hour is told without it, which the reader of `Half.rows` sees, and never a second time. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from roadworthy_collector.snmp.registers import CLOCK_BACK_SECONDS, PERIOD_SECONDS, Closed, Counter


@dataclass(frozen=True, slots=True)
class Half:
    """What rows closed of one half-hour: {counter: closed}; `since` is when the first of them did, in epoch seconds."""

    since: float
    rows: Mapping[str, Closed]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Half-hours not told yet, by their start; none that began before `told_until` is told any more."""

    halves: Mapping[int, Half] = field(default_factory=dict)
    told_until: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can keep."""
        halves = {
            str(start): {
                "since": half.since,
                "rows": {
                    key: [one.joules, one.counter_end_joules, one.covered_seconds, one.how]
                    for key, one in half.rows.items()
                },
            }
            for start, half in self.halves.items()
        }
        return {"halves": halves, "told_until": self.told_until}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Waiting:
        """Return what `as_json` gave."""
        halves = {
            int(start): Half(
                half["since"], {key: Closed(int(start), *parts) for key, parts in half["rows"].items()}
            )
            for start, half in kept["halves"].items()
        }
        return cls(halves, kept["told_until"])


def release(
    waiting: Waiting,
    closed: Mapping[str, Sequence[Closed]],
    counters: Mapping[str, Counter],
    *,
    at: float,
    hold_seconds: float,
) -> tuple[dict[int, Mapping[str, Closed]], Waiting]:
    """Return the half-hours to be told now, as {start: {counter: closed}} in order, and what waits on.

    `closed` is what this poll closed; `counters` are those waited for, as they are after it.
    """
    if waiting.told_until - at > PERIOD_SECONDS + CLOCK_BACK_SECONDS:
        waiting = Waiting()  # of a clock that was far ahead; what is said twice stands as it was said first
    halves = dict(waiting.halves)
    for key, some in closed.items():
        for one in some:
            if one.start >= waiting.told_until:
                held = halves.get(one.start, Half(at, {}))
                halves[one.start] = Half(held.since, {**held.rows, key: one})
    # A counter that has gone past the end has said what it has to say of a half-hour, if only that it was not covered.
    reached = min((one.at for one in counters.values()), default=at)
    ready = [
        start
        for start, half in halves.items()
        if start + PERIOD_SECONDS <= reached or at - half.since >= hold_seconds
    ]
    # In order: one told makes all before it final.
    until = max((start + PERIOD_SECONDS for start in ready), default=waiting.told_until)
    told = {start: halves[start].rows for start in sorted(halves) if start < until}
    left = {start: half for start, half in halves.items() if start >= until}
    return told, Waiting(left, until)
