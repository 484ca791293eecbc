"""The sweeper: books the last open half-hour of a device that fell silent.

An open half-hour only overwrites `device_now`; it enters the facts when its agent closes it. A device that never
comes back would leave its last half-hour out of every sum, so after a week of silence what it last said is booked,
marked incomplete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.ingest.vocabulary import OTHER
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.half_hours import Energy, HalfHour, Use
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, SCOPES, STATES
from roadworthy_collector.store.slots import PERIOD_SECONDS, QUALITIES

SILENT_SECONDS = 7 * DAY_SECONDS
# No content an agent sends hashes to this, so whatever the agent says later about this half-hour is a conflict.
_SWEPT = b"sweeper\0"


def sweep(work: Work) -> int:
    """Book the open half-hours of devices silent for a week; return how many.

    Those past retention would be pruned at once and stay out.
    """
    now = int(work.clock())
    with work.engine.connect() as connection:
        kept_since = now - work.settings.half_hour_retention_days * DAY_SECONDS
        rows = queries.open_periods(
            connection,
            silent_since=now - SILENT_SECONDS,
            not_before=max(queries.pruned_before(connection), kept_since),
        )

    def book(connection: Connection, some: Sequence[Any]) -> None:
        queries.book(connection, [booking(row.device, row.start, row.now) for row in some], now)

    return work.for_each(rows, book)


def booking(device: int, start: int, now: dict[str, Any]) -> HalfHour:
    """Return the half-hour a device's last word (`now`) tells of.

    The state seconds are kept if they close; seconds nobody accounts for are unobserved.
    """
    return HalfHour(
        device=device,
        start=start,
        observed_seconds=now["observed_seconds"],
        samples=now.get("samples") or 0,
        cpu=_use(now.get("cpu")),
        memory=_use(now.get("memory")),
        content_hash=_SWEPT,
        states=_states(now.get("state_seconds") or {}),
        energy=[
            Energy(
                *(item["scope"], item["joules"], item["counter_end_joules"]),
                item.get("covered_seconds"),
                *(_quality(item), item["source"], item.get("relative_error")),
            )
            for item in now.get("energy") or ()
            if item["scope"] in SCOPES
        ],
        incomplete=True,
    )


def _use(said: dict[str, Any] | None) -> Use | None:
    if not said:
        return None
    return Use(said["mean_ratio"], said.get("p95_ratio"), _quality(said), said["source"])


def _quality(said: dict[str, Any]) -> str:
    word: str = said["quality"]
    return word if word in QUALITIES else OTHER


def _states(said: dict[str, int]) -> tuple[int, ...]:
    """Return the seconds of the six states, adding up to a half-hour."""
    seconds = {name: said.get(name, 0) for name in STATES}
    if (rest := PERIOD_SECONDS - sum(seconds.values())) < 0:
        seconds, rest = dict.fromkeys(STATES, 0), PERIOD_SECONDS
    seconds["unobserved"] += rest
    return tuple(seconds.values())
