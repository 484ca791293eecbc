"""The sweeper: books the last open half-hour of a device that fell silent.

An open half-hour only overwrites `device_now`; it enters the facts when its agent closes it. A device that never
comes back would leave its last half-hour out of every sum, so after a week of silence what it last said is booked,
marked incomplete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, SCOPES, STATES

SILENT_SECONDS = 7 * DAY_SECONDS
PERIOD_SECONDS = 1800
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
    return work.for_each(rows, book)


def book(connection: Connection, rows: Sequence[Any]) -> None:
    """Book what each row (device, start, now) last said."""
    for row in rows:
        queries.book(connection, *booking(row.device, row.start, row.now))


def booking(
    device: int, start: int, now: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return the rows of `periods`, `state_periods` and `energy_periods` for what a device last said (`now`).

    The state seconds are kept if they close; seconds nobody accounts for are unobserved.
    """
    period: dict[str, Any] = {
        "device": device,
        "start": start,
        "observed_seconds": now["observed_seconds"],
        "samples": now.get("samples") or 0,
        "content_hash": _SWEPT,
        "incomplete": True,
    }
    for name in ("cpu", "memory"):
        use = now.get(name) or {}
        period[f"{name}_mean_ratio"] = use.get("mean_ratio")
        period[f"{name}_p95_ratio"] = use.get("p95_ratio")
        period[f"{name}_quality"] = use.get("quality")
        period[f"{name}_source"] = use.get("source")
    states = {"device": device, "start": start, **_states(now.get("state_seconds") or {})}
    energy = [
        {
            "device": device,
            "start": start,
            **{name: item[name] for name in ("scope", "joules", "counter_end_joules", "quality", "source")},
            "covered_seconds": item.get("covered_seconds"),
            "relative_error": item.get("relative_error"),
        }
        for item in now.get("energy") or ()
        if item["scope"] in SCOPES
    ]
    return period, states, energy


def _states(said: dict[str, int]) -> dict[str, int]:
    """Return the six columns, adding up to a half-hour."""
    seconds = {name: said.get(name, 0) for name in STATES}
    if (rest := PERIOD_SECONDS - sum(seconds.values())) < 0:
        seconds, rest = dict.fromkeys(STATES, 0), PERIOD_SECONDS
    seconds["unobserved"] += rest
    return {f"{name}_seconds": value for name, value in seconds.items()}
