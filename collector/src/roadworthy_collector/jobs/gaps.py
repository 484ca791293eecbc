"""Gaps past their retention go, and what the energy ledger needs of them stays: half-hours by state and local day.

A gap says when somebody's machine was switched off; a count of half-hours does not. Counting and deleting are one
transaction for a device, so however often a run is cut off, no half-hour is lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, func, select

from roadworthy_collector.carbon import absences, energy_facts
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security.holds import held_devices
from roadworthy_collector.store.queries import away
from roadworthy_collector.store.queries.jobs import DAY_SECONDS
from roadworthy_collector.store.schema import devices, gaps, hold_devices
from roadworthy_collector.store.slots import PERIOD_SECONDS
from roadworthy_collector.store.statements import BulkDelete
from roadworthy_inventory.calendar import Span, local_date, local_day, local_days

_DEVICES_PER_READ = 500
_GONE = BulkDelete(gaps, "device", "begin")


def prune_gaps(work: Work) -> int:
    """Delete gaps that ended before their retention, counted into `away_months`; return how many.

    Devices under a legal hold keep theirs. That gaps are going is noted before the first one goes: one that ended
    before then is taken no more, for nobody could tell it from one that is counted.
    """
    before = int(work.clock() - work.settings.gap_retention_days * DAY_SECONDS)
    _note(work, before)
    done, after = 0, 0

    def step(connection: Connection, some: Sequence[int]) -> None:
        nonlocal done
        done += _count_and_delete(connection, some, before, work)

    while not work.stop.is_set():
        with work.reading() as connection:
            query = select(devices.c.id).where(devices.c.id > after).order_by(devices.c.id)
            ids = connection.scalars(query.limit(_DEVICES_PER_READ)).all()
            due = _due(connection, ids, before, held_devices(connection, work.clock()))
        if not ids:
            break
        work.for_each(due, step)
        after = ids[-1]
    return done


def _note(work: Work, before: int) -> None:
    """Note that gaps that ended before then are going, and, the first time, which are gone already."""
    kept = work.settings.gap_retention_days * DAY_SECONDS
    with work.reading() as connection:
        noted = away.pruned(connection)
        lost = None if noted.before else _lost_before(connection, before, work)
    now = away.Pruned(max(noted.before, before), kept, work.settings.reporting_timezone)
    with work.write() as connection:
        if now != noted:
            away.set_pruned(connection, now)
        if lost is not None and away.whole_from(connection) < lost:
            away.set_whole_from(connection, lost)


def _lost_before(connection: Connection, before: int, work: Work) -> int | None:
    """Return when the first gap ended that is left, where programs that did not count them may have let some go.

    Migration 0014 notes as much; but such a program may have gone on for a while after it.
    """
    zone, first = work.settings.reporting_timezone, energy_facts.first_fact(connection)
    if first is None or local_day(first, zone).start >= before:
        return None  # facts are younger than any gap that is past its retention
    # Of devices that ever were under a legal hold older ones are there than of all others.
    held = select(hold_devices.c.device)
    left = connection.scalar(select(func.min(gaps.c.end)).where(gaps.c.device.not_in(held)))
    # In an estate whose first gap ended by the day after its first facts none has gone.
    return None if left is None or (local_date(left, zone) - first).days <= 1 else int(left)


def _due(connection: Connection, ids: Sequence[int], before: int, kept: Collection[int]) -> list[int]:
    """Return those of some devices that have a gap to go; by the key, not through a year of gaps."""
    query = select(gaps.c.device).where(gaps.c.device.in_(ids), gaps.c.begin < before, gaps.c.end < before)
    return sorted(set(connection.scalars(query)).difference(kept))


def _count_and_delete(connection: Connection, some: Sequence[int], before: int, work: Work) -> int:
    # Locked as ingest locks them, or a gap that comes meanwhile could overlap one that is being counted.
    locked = select(devices.c.id).where(devices.c.id.in_(some)).order_by(devices.c.id).with_for_update()
    mine = set(connection.scalars(locked)).difference(held_devices(connection, work.clock()))
    # What overlaps a gap that ended before then began before then, whenever it ends.
    query = select(gaps.c.device, gaps.c.begin, gaps.c.end, gaps.c.kind)
    query = query.where(gaps.c.device.in_(sorted(mine)), gaps.c.begin < before).order_by(gaps.c.device)
    pieces: list[tuple[int, int, Span]] = []
    gone: list[tuple[int, int]] = []
    for device, rows in groupby(connection.execute(query), attrgetter("device")):
        found = list(rows)
        going = [gap for gap in found if gap.end < before]
        gone += [(device, gap.begin) for gap in going]
        pieces += [
            (device, absences.kind_of(gap), cut)
            for gap, cut in absences.whole_half_hours(found, _around(going))
            if gap.end < before
        ]
    if pieces:
        away.add(connection, _counted(pieces, work.settings.reporting_timezone))
    _GONE.write(connection, gone)
    return len(gone)


def _around(found: Sequence[Any]) -> Span:
    """Return the half-hours from the first beginning of gaps to their last end."""
    if not found:
        return Span(0, 0)
    first = min(int(gap.begin) for gap in found) // PERIOD_SECONDS * PERIOD_SECONDS
    return Span(first, max(int(gap.end) for gap in found) // PERIOD_SECONDS * PERIOD_SECONDS + PERIOD_SECONDS)


def _counted(pieces: Sequence[tuple[int, int, Span]], zone: str) -> dict[tuple[int, Any], away.Counts]:
    first, last = min(cut.start for *_, cut in pieces), max(cut.end for *_, cut in pieces)
    seconds: absences.DaySeconds = {}
    days = dict(local_days(local_date(first, zone), local_date(last - 1, zone), zone))
    absences.add_up(seconds, pieces, days)
    return {
        key: (some[0] // PERIOD_SECONDS, some[1] // PERIOD_SECONDS, some[2] // PERIOD_SECONDS)
        for key, some in seconds.items()
    }
