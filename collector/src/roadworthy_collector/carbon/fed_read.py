"""A month of devices that hang on one another, settled day by day: read out of daily totals, outlets and statements.

Devices come in groups that hang together, some groups at a time, so that a data centre is not in memory at once as rows.
"""

from __future__ import annotations

import datetime as dt
from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roadworthy_collector.carbon import absences, energy_facts, fed, power
from roadworthy_collector.carbon.fed import Fed
from roadworthy_collector.carbon.power import Machine, Told, measured_by
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.snmp.feeding import Feed, read_feeds
from roadworthy_collector.store.queries import local_totals, outlets
from roadworthy_collector.store.queries.outlets import OutletDay
from roadworthy_collector.store.schema import devices
from roadworthy_inventory.calendar import local_date, local_day
from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.feeding import FEEDER_CLASSES, Feeding, Outlet, Own, settle

_AT_ONCE = 200
_DayKey = tuple[int, dt.date]


class _Piece(NamedTuple):
    """Groups of devices with what is known of them over the days."""

    machines: Mapping[int, Machine]
    told: Mapping[_DayKey, Any]
    metered: Mapping[tuple[int, str, dt.date], OutletDay]


def read(work: Work, first: dt.date, last: dt.date, zone: str, rests: Mapping[str, RestOfMachine]) -> Fed:
    """Return the days from `first`, which begins a month, to `last` in it, of all devices that feed or are fed."""
    found = Fed(zone=zone)
    with work.reading() as connection:
        feeds = read_feeds(connection, first, last)
        gone = fed.erased(connection, first)
        feeders = connection.scalars(
            select(devices.c.id).where(devices.c.device_class.in_(FEEDER_CLASSES))
        ).all()
    for some, mine in _pieces(feeds, feeders):
        if work.stop.is_set():
            return found
        with work.reading() as connection:
            piece = _read_piece(connection, some, first, last, zone, work.clock())
        for number in range((last - first).days + 1):
            date = first + dt.timedelta(days=number)
            _settle(found, piece, mine, date, rests, work.clock())
            for feeder in {key[0] for key in gone}.intersection(some):
                _as_told(found, piece, feeder, date)
    for (feeder, outlet, nobody, why), (days, joules) in gone.items():
        found.take_off(feeder, joules)
        found.overlaps[feeder, outlet, nobody, why] = [days, joules]
    return found


def of_months(
    work: Work, months: Iterable[str], rests: Mapping[str, Mapping[str, RestOfMachine]]
) -> list[Fed]:
    """Return the same of whole months, each written 2026-04, with the offsets fitted for each."""
    zone = work.settings.reporting_timezone
    today = local_date(work.clock(), zone)
    found = []
    for month in months:
        first = dt.date.fromisoformat(f"{month}-01")
        last = first.replace(day=monthrange(first.year, first.month)[1])
        found.append(read(work, first, min(last, today), zone, rests.get(month, {})))
    return found


def _pieces(feeds: Sequence[Feed], feeders: Iterable[int]) -> Iterator[tuple[list[int], list[Feed]]]:
    """Yield devices that hang together in some way, with their statements, some groups at a time."""
    leader: dict[int, int] = {}

    def find(one: int) -> int:
        while leader.setdefault(one, one) != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    for feeder in feeders:
        find(feeder)
    for feed in feeds:
        leader[find(feed.feeder)] = find(feed.feeder if feed.fed is None else feed.fed)
    groups: dict[int, list[int]] = defaultdict(list)
    for one in sorted(leader):
        groups[find(one)].append(one)
    statements: dict[int, list[Feed]] = defaultdict(list)
    for feed in feeds:
        statements[find(feed.feeder)].append(feed)
    some: list[int] = []
    mine: list[Feed] = []
    for name, members in groups.items():
        if some and len(some) + len(members) > _AT_ONCE:
            yield some, mine
            some, mine = [], []
        some += members
        mine += statements[name]
    if some:
        yield some, mine


def _read_piece(
    connection: Connection, some: Sequence[int], first: dt.date, last: dt.date, zone: str, now: float
) -> _Piece:
    machines: dict[int, Machine] = {}
    told: dict[_DayKey, Any] = {}
    metered: dict[tuple[int, str, dt.date], OutletDay] = {}
    for begin in range(0, len(some), _AT_ONCE):
        ids = frozenset(some[begin : begin + _AT_ONCE])
        machines |= {one.id: one for one in energy_facts.machines_of(connection, ids, zone)}
        totals = local_totals.read(connection, first, last, zone, energy_facts.COLUMNS, ids)
        for total in absences.over(connection, totals, ids, (first, last), zone, now=now):
            told[total.device, total.date] = total.values
        metered |= outlets.read(connection, first, last, ids)
    return _Piece(machines, told, metered)


def _settle(
    found: Fed,
    piece: _Piece,
    feeds: Sequence[Feed],
    date: dt.date,
    rests: Mapping[str, RestOfMachine],
    now: float,
) -> None:
    span = local_day(date, found.zone)
    seconds = min(span.seconds, max(now - span.start, 0.0))  # of today what is over
    feedings = [Feeding(one.feeder, one.outlet, one.fed) for one in feeds if one.holds_on(date)]
    classes = {
        one.id: one.item_class
        for one in piece.machines.values()
        if one.retired is None or date <= one.retired
    }
    own = {
        device: _own(machine, piece.told[device, date], rests)
        for device, machine in piece.machines.items()
        if (device, date) in piece.told
    }
    metered = {
        (one.feeder, one.outlet): Outlet(held.joules, held.quality, held.covered_seconds)
        for one in feedings
        if (held := piece.metered.get((one.feeder, one.outlet, date))) is not None
    }
    settled = settle(classes, own, metered, feedings, seconds)
    for device, counted in settled.changed.items():
        machine, told = piece.machines[device], piece.told.get((device, date))
        place = (machine.site, machine.unit)
        day = None if counted is None else fed.as_day(counted, told, place, seconds)
        found.days.setdefault(device, {})[date] = day
    for left in settled.left_out:
        counts = found.overlaps.setdefault((left.feeder, left.outlet, left.fed, left.why), [0, 0])
        counts[0] += 1
        counts[1] += left.joules


def _as_told(found: Fed, piece: _Piece, feeder: int, date: dt.date) -> None:
    """Have a feeder's day at hand as it told it, where nothing changed it: what is erased is yet to be taken off."""
    row, mine = piece.told.get((feeder, date)), found.days.setdefault(feeder, {})
    if row is not None and date not in mine and measured_by(row.joules) == "wall":
        names = fed.FedDay._fields[:-1]
        told = {"wall": dict(row.joules["wall"])}
        mine[date] = fed.FedDay(**{name: getattr(row, name) for name in names}, joules=told)


def _own(machine: Machine, row: Any, rests: Mapping[str, RestOfMachine]) -> Own:
    one = Told()
    one.add(row)
    entry = power.entry(machine, one, rests.get(machine.model))
    return Own(dict(entry.joules), measured_by(one.joules), row.observed_seconds)
