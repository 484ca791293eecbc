"""Daily totals: what the half-hours and start-ups of a device's UTC day, and of its local days, add up to.

Ingest marks each (device, day) it adds a fact to as dirty; this job replaces that day's totals by what the facts
say now. It is therefore the same however often it runs, and late data corrects its day by itself.

A day that is over is rolled up soon. The day that is still going on gets a fact with each report, 48 of them and
more, and is rolled up at most once an hour.
"""

from __future__ import annotations

import calendar
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.store.queries import outlets, totals
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES
from roadworthy_inventory.calendar import Span, local_date, local_days, utc_day_start

RUNNING_DAY_SECONDS = 3600
_NO_USE = totals.Use(0, 0, None, None)
_log = logging.getLogger(__name__)


def roll_up(work: Work) -> int:
    """Roll up every dirty day that is due, the oldest first; return how many device days."""
    now = work.clock()
    with work.engine.connect() as connection:
        waiting = queries.list_dirty(
            connection, today=utc_day_start(now), marked_before=now - RUNNING_DAY_SECONDS
        )
    done = 0
    for day, some in waiting.items():

        def roll(connection: Connection, part: Sequence[int], day: int = day) -> None:
            roll_up_some(connection, day, part, now=work.clock(), zone=work.settings.reporting_timezone)

        done += work.for_each(some, roll)
    return done


def roll_up_some(connection: Connection, day: int, some: Sequence[int], *, now: float, zone: str) -> None:
    """Replace the totals of `day`, and of the local days it touches, of these devices; the day is dirty no more.

    Facts that arrive meanwhile wait for this transaction and mark the day again.
    """
    if not (taken := queries.claim_dirty(connection, day, some)):
        return
    pruned = queries.pruned_before(connection)
    if day < pruned:
        # What is left of that day's half-hours is not all of them: totals from it would be too small.
        _log.warning(
            "%d device days of %d came after their half-hours were pruned; totals kept", len(taken), day
        )
        return
    span = Span(day, day + DAY_SECONDS)
    touched = [
        (date, one)
        for date, one in local_days(local_date(span.start, zone), local_date(span.end - 1, zone), zone)
        if one.start >= pruned
    ]
    # One that is the UTC day is not said twice (`local_totals`): five months of the year in the United Kingdom.
    local = [(date, one) for date, one in touched if one != span]
    whole = Span(
        min([day, *(one.start for _, one in local)]), max([span.end, *(one.end for _, one in local)])
    )
    facts = totals.Facts(connection, taken, whole)
    places = queries.places(connection, taken)
    rows = [{"day": day, **row} for row in day_rows(facts, places, span, day)]
    _write(connection, schema.days, rows, facts, span, now)
    for date, one in local:
        own = {"date": date.isoformat(), "start": one.start, "half_hours": one.periods}
        same = calendar.timegm(date.timetuple())
        mine = [own | row for row in day_rows(facts, places, one, same)]
        _write(connection, schema.local_days, mine, facts, one, now)
    outlets.roll_up(connection, taken, touched)
    queries.mark_site_dirty(connection, day)


def _write(
    connection: Connection,
    table: Table,
    rows: list[dict[str, Any]],
    facts: totals.Facts,
    span: Span,
    now: float,
) -> None:
    """Write totals over `span`; of devices whose states of it were pruned the state seconds stay as they are."""
    lacking: set[int] = set()
    if span.start < queries.states_pruned_before(connection):
        lacking = {row["device"] for row in rows if facts.lacks_states(row["device"], span)}
    for keep in (False, True):
        mine = [row for row in rows if (row["device"] in lacking) is keep]
        queries.write_days(connection, table, mine, keep_place=span.end <= now, keep_states=keep)


def day_rows(facts: totals.Facts, places: Mapping[int, Any], span: Span, day: int) -> list[dict[str, Any]]:
    """Return the totals of the devices in `places` over `span`; a device without any fact in it gets none.

    `day` is the midnight UTC of the same date: what a device tells by whole UTC days (policy daily) counts for the
    local day of that date. In summer the two are an hour apart, and nobody can tell that hour's part.
    """
    rows = []
    for device, place in places.items():
        use, states = facts.use(device, span), facts.states(device, span)
        joules, startups = facts.joules(device, span), facts.startups(device, span)
        if (told := facts.told_states(device, day)) is not None:
            states = _told(told, states)
        if (drawn := facts.told_joules(device, day)) is not None:
            joules = _added(joules or {}, drawn)
        if use is None and states is None and joules is None and not startups:
            continue
        rows.append(
            {
                "device": device,
                "site": place.site,
                "unit": place.unit,
                **(use or _NO_USE)._asdict(),
                **{f"{name}_seconds": 0 if states is None else states[name] for name in STATES},
                "startups": len(startups),
                "startup_seconds_sum": sum(startups) if startups else None,
                "startup_seconds_max": max(startups, default=None),
                "joules": joules,
            }
        )
    return rows


def _told(day: dict[str, int], half_hours: dict[str, int] | None) -> dict[str, int]:
    """Return the states of a whole day as told, with what half-hours of another policy saw of use on that day.

    Half-hours under the daily policy tell nothing. Sleep and off are the whole day's already.
    """
    if half_hours is None:
        return day
    both = dict(day)
    for name in ("in_use", "idle", "locked"):
        more = min(half_hours[name], both["unobserved"])
        both[name] += more
        both["unobserved"] -= more
    return both


def _added(first: dict[str, dict[str, int]], second: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Return two {scope: {quality: joules}} added up: a policy may change within a day."""
    return {
        scope: {
            quality: first.get(scope, {}).get(quality, 0) + second.get(scope, {}).get(quality, 0)
            for quality in {**first.get(scope, {}), **second.get(scope, {})}
        }
        for scope in {**first, **second}
    }
