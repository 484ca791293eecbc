"""Pruning and cleaning: half-hours past their retention, ended sessions, old charts, old refused items."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from roadworthy_collector.jobs import charts
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.store.queries.jobs import DAY_SECONDS


def prune(work: Work) -> int:
    """Delete half-hours past their retention, whole UTC days that are all rolled up; return how many.

    That the days are going is noted before the first half-hour goes: from then on their totals are never computed
    again from what is left.
    """
    # One day more than reports are taken for: a local day reaches into two UTC days, and the half-hours of both must
    # be there while late ones may still change it.
    kept = (work.settings.half_hour_retention_days + 1) * DAY_SECONDS
    before = int(work.clock() - kept) // DAY_SECONDS * DAY_SECONDS
    with work.write() as connection:
        if queries.has_dirty_before(connection, before):
            return 0  # the roll-up is behind; the next run finds it done
        if queries.pruned_before(connection) < before:
            queries.set_pruned_before(connection, before)
    work.batches(lambda connection, limit: queries.prune_energy(connection, before, limit))
    return work.batches(lambda connection, limit: queries.prune_half_hours(connection, before, limit))


def clean(work: Work) -> int:
    """Delete what nobody needs any more; return how many rows."""
    now = work.clock()
    quarantine_before = now - work.settings.half_hour_retention_days * DAY_SECONDS
    steps: tuple[Callable[[Connection, int], int], ...] = (
        lambda connection, limit: queries.clean_sessions(connection, now, limit),
        lambda connection, limit: queries.clean_charts(connection, now - charts.KEEP_SECONDS, limit),
        lambda connection, limit: queries.clean_quarantine(connection, quarantine_before, limit),
    )
    return sum(work.batches(step) for step in steps)
