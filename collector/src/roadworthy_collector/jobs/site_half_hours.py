"""Site half-hours: what all devices of a site did in each half-hour, kept when their own half-hours are gone.

A UTC day is added up when it is over and late half-hours have had some hours to arrive, and again, at most twice a
day, when more of them came after that. Always the whole day from the facts: the same however often it runs. Half-hours
are pruned only once their day is added up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.store.queries import totals
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES
from roadworthy_collector.store.slots import PERIOD_SECONDS
from roadworthy_inventory.calendar import utc_day_start

SETTLED_SECONDS = 3 * 3600  # after the end of the day: who was asleep in the evening reports in the morning
AGAIN_SECONDS = 12 * 3600
_DEVICES_AT_ONCE = 500


def roll_up_sites(work: Work) -> int:
    """Add up the UTC days that are due; return how many."""
    now = work.clock()
    with work.engine.connect() as connection:
        waiting = queries.list_site_dirty(connection, utc_day_start(now - SETTLED_SECONDS))
        states_pruned = queries.states_pruned_before(connection)
    # Their half-hours go within hours, and wait for nothing but this; and so do those whose states go first, once.
    last_call = now - (work.settings.half_hour_retention_days + 1) * DAY_SECONDS
    states_last_call = now - (work.settings.state_retention_days + 1) * DAY_SECONDS
    done = 0
    for row in waiting:
        if work.stop.is_set():
            break
        going = row.day < last_call or states_pruned <= row.day < states_last_call
        if row.rolled_at is None or row.rolled_at <= now - AGAIN_SECONDS or going:
            done += _roll_up(work, row.day, row.marks, now)
    return done


def _roll_up(work: Work, day: int, marks: int, now: float) -> bool:
    """Replace one day's rows, and return whether it was all done; a part is no harm, it is done again."""
    rows = _rows(work, day)
    starts = range(day, day + DAY_SECONDS, PERIOD_SECONDS)

    def replace(connection: Connection, some: Sequence[int]) -> None:
        wanted = [row for row in rows if row["start"] in some]
        queries.write_site_half_hours(connection, some, wanted)

    # One at first: a start has a row for each site.
    if work.for_each(starts, replace, first=1) < len(starts):
        return False
    with work.write() as connection:
        queries.settle_site_day(connection, day, marks, now)
    return True


def _rows(work: Work, day: int) -> list[dict[str, Any]]:
    """Return the rows of one day; read outside any write transaction, for it takes seconds.

    Where states of a day's half-hours were pruned, the seconds that were added up from them stay.
    """
    found: dict[tuple[int, int], totals.SiteHalfHour] = defaultdict(totals.SiteHalfHour)
    with work.engine.connect() as connection:
        stood = list(totals.devices_of(connection, day).items())
        for begin in range(0, len(stood), _DEVICES_AT_ONCE):
            totals.add_by_site(connection, day, dict(stood[begin : begin + _DEVICES_AT_ONCE]), found)
        kept = queries.site_states(connection, day) if day < queries.states_pruned_before(connection) else {}
    for key, row in found.items():
        if row.told < row.devices and key in kept:
            row.states = list(kept[key])
    return [
        {
            "start": start,
            "site": site,
            "devices": row.devices,
            "observed_seconds": row.observed_seconds,
            **{f"{name}_seconds": seconds for name, seconds in zip(STATES, row.states, strict=True)},
            "joules": totals.by_words(row.joules) or None,
        }
        for (start, site), row in sorted(found.items())
    ]
