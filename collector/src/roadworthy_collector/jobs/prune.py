"""Pruning: each kind of fact goes when its own retention is over, and so does what nobody needs any more.

Devices under a legal hold keep everything: each transaction asks anew who is held, because a run takes a while and a
hold counts from the moment it is placed. Each transaction is short (`Work.batches`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.jobs import charts
from roadworthy_collector.jobs.gaps import prune_gaps
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security.holds import held_devices
from roadworthy_collector.store import schema
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.store.queries.jobs import DAY_SECONDS
from roadworthy_collector.store.snmp_schema import outlet_half_hours
from roadworthy_inventory.calendar import utc_date

_Step = Callable[[Connection, int], int]
# Half-hours, by day. Last what tells a replay from something new: while it is there nothing can come in again.
_SLOTS = (schema.energy_slots, schema.state_slots, schema.use_slots)
# Days told as a whole stay as long as half-hours: the daily totals have what is in them.
_TOLD = (schema.energy_days, schema.battery_days, schema.state_days)


def prune(work: Work) -> int:
    """Delete half-hours past their retention, whole UTC days that are all rolled up; return how many device days.

    The states of half-hours may go before them (`prune_states`).

    That the days are going is noted before the first half-hour goes: from then on their totals are never computed
    again from what is left.
    """
    # One day more than reports are taken for: a local day reaches into two UTC days, and the half-hours of both must
    # be there while late ones may still change it.
    before = _midnight(work, work.settings.half_hour_retention_days + 1)
    prune_states(work)
    with work.write() as connection:
        if queries.has_dirty_before(connection, before):
            return 0  # the roll-up is behind; the next run finds it done
        if queries.pruned_before(connection) < before:
            queries.set_pruned_before(connection, before)
    for table in _TOLD:
        work.batches(partial(_by_column, table.c.day, before, work.clock))
    work.batches(partial(_by_column, outlet_half_hours.c.start, before, work.clock))
    return [work.batches(partial(_by_day, table, before, work.clock)) for table in _SLOTS][-1]


def prune_states(work: Work) -> int:
    """Delete the device states of half-hours whose own retention is the shorter; return how many device days.

    The half-hours stay, and late ones are still taken. That the states are going is noted first: from then on a day is
    rolled up again without touching the state seconds that were added up from them.
    """
    if work.settings.state_retention_days >= work.settings.half_hour_retention_days:
        return 0
    before = _midnight(work, work.settings.state_retention_days + 1)
    with work.write() as connection:
        if queries.states_pruned_before(connection) < before:
            queries.set_states_pruned_before(connection, before)

    def step(connection: Connection, limit: int) -> int:
        return queries.prune_states(connection, before, limit, held_devices(connection, work.clock()))

    return work.batches(step)


def prune_history(work: Work) -> int:
    """Delete daily totals, site half-hours and records past their retentions; return how many rows."""
    settings, now = work.settings, work.clock()
    daily = _midnight(work, settings.daily_retention_days)
    sites = _midnight(work, settings.site_half_hour_retention_days)
    startups = now - settings.startup_retention_days * DAY_SECONDS
    signins = now - settings.signin_retention_days * DAY_SECONDS
    quarantine = now - settings.quarantine_retention_days * DAY_SECONDS
    steps: tuple[_Step, ...] = (
        partial(_by_day, schema.days, daily, work.clock),
        partial(_by_day, schema.local_days, utc_date(daily).isoformat(), work.clock),
        partial(_by_day, schema.site_half_hours, sites, None),
        partial(_by_column, schema.site_dirty.c.day, min(sites, daily), None),
        partial(_by_column, schema.startups.c.started_at, startups, work.clock),
        partial(_by_column, schema.signins.c.day, signins, work.clock),
        partial(_by_day, schema.away_months, utc_date(daily).replace(day=1).isoformat(), work.clock),
        partial(_by_column, schema.quarantine.c.received_at, quarantine, work.clock),
    )
    return prune_gaps(work) + sum(work.batches(step) for step in steps)


def clean(work: Work) -> int:
    """Delete ended sessions and old charts; return how many rows."""
    now = work.clock()
    steps: tuple[_Step, ...] = (
        lambda connection, limit: queries.clean_sessions(connection, now, limit),
        lambda connection, limit: queries.clean_charts(connection, now - charts.KEEP_SECONDS, limit),
    )
    return sum(work.batches(step) for step in steps)


def _midnight(work: Work, days: int) -> int:
    return int(work.clock() - days * DAY_SECONDS) // DAY_SECONDS * DAY_SECONDS


# Of sites there is no holding, so theirs come without a clock.
_Clock = Callable[[], float] | None


def _by_day(table: Any, before: Any, clock: _Clock, connection: Connection, limit: int) -> int:
    kept = () if clock is None else held_devices(connection, clock())
    return queries.prune_by_day(connection, table, before, limit, kept)


def _by_column(column: Any, before: float, clock: _Clock, connection: Connection, limit: int) -> int:
    kept = () if clock is None else held_devices(connection, clock())
    return queries.prune_before(connection, column, before, limit, kept)
