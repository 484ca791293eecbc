"""Daily totals: what the half-hours and start-ups of a device's UTC day add up to.

Ingest marks each (device, day) it adds a fact to as dirty; this job replaces that day's totals by what the facts
say now. It is therefore the same however often it runs, and late data corrects its day by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES

_log = logging.getLogger(__name__)


def roll_up(work: Work) -> int:
    """Roll up every dirty day, the oldest first; return how many device days."""
    with work.engine.connect() as connection:
        waiting = queries.list_dirty(connection)
    done = 0
    for day, some in waiting.items():

        def roll(connection: Connection, part: Sequence[int], day: int = day) -> None:
            roll_up_some(connection, day, part, now=work.clock())

        done += work.for_each(some, roll)
    return done


def roll_up_some(connection: Connection, day: int, some: Sequence[int], *, now: float) -> None:
    """Replace the totals of `day` of these devices and take them off the list of dirty days.

    Facts that arrive meanwhile wait for this transaction and mark the day again.
    """
    if day < queries.pruned_before(connection):
        # What is left of that day's half-hours is not all of them: totals from it would be too small.
        _log.warning(
            "%d device days of %d came after their half-hours were pruned; totals kept", len(some), day
        )
    else:
        rows = day_rows(connection, day, some)
        queries.write_days(connection, rows, keep_place=day + DAY_SECONDS <= now)
    queries.forget_dirty(connection, day, some)


def day_rows(connection: Connection, day: int, some: Sequence[int]) -> list[dict[str, Any]]:
    """Return the rows of `days` for these devices; a device without any fact that day gets none."""
    periods = queries.sum_periods(connection, day, some)
    states = queries.sum_states(connection, day, some)
    startups = queries.sum_startups(connection, day, some)
    joules = queries.sum_joules(connection, day, some)
    places = queries.places(connection, some)
    return [
        {
            "device": device,
            "day": day,
            "site": places[device].site,
            "unit": places[device].unit,
            **_use(periods.get(device)),
            **{f"{name}_seconds": getattr(states.get(device), f"{name}_seconds", 0) for name in STATES},
            "startups": getattr(startups.get(device), "startups", 0),
            "startup_seconds_sum": getattr(startups.get(device), "startup_seconds_sum", None),
            "startup_seconds_max": getattr(startups.get(device), "startup_seconds_max", None),
            "joules": joules.get(device),
        }
        for device in some
        if device in places and any(device in found for found in (periods, states, startups, joules))
    ]


def _use(row: Any) -> dict[str, Any]:
    """Return periods, observed seconds and the means weighted by observed seconds; None where never observed."""
    if row is None:
        return {"periods": 0, "observed_seconds": 0, "cpu_mean_ratio": None, "memory_mean_ratio": None}
    return {
        "periods": row.periods,
        "observed_seconds": row.observed_seconds,
        **{
            f"{name}_mean_ratio": getattr(row, f"{name}_weighted") / seconds
            if (seconds := getattr(row, f"{name}_seconds"))
            else None
            for name in ("cpu", "memory")
        },
    }
