"""The energy ledger, a month at a time: made out of daily totals by the jobs process, and made anew where these changed.

The running month is made anew some times a day, a closed one where days of it were rolled up since, where the models
are others or somebody asks. What comes out follows from the facts alone, in whatever order months are made, with one
exception: what erased devices drew is in the sums of their site and unit and stays there, as class `erased`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import (
    energy_days,
    energy_due,
    energy_facts,
    energy_kept,
    energy_ready,
    fed,
    fed_read,
    plug_fits,
    power,
)
from roadworthy_collector.carbon.energy_due import Calendar
from roadworthy_collector.carbon.energy_facts import Key
from roadworthy_collector.carbon.energy_ready import Group
from roadworthy_collector.carbon.estate import ERASED, FIGURE, NOTHING_TOLD, SUMS_FIGURE
from roadworthy_collector.carbon.power import Machine, Told
from roadworthy_collector.carbon.site_use import SiteUse
from roadworthy_collector.carbon.sums import Month, Sum, of_told
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.carbon_schema import energy_devices, energy_groups
from roadworthy_collector.store.columns import pack_date
from roadworthy_collector.store.schema import devices, sites
from roadworthy_collector.store.statements import BulkDelete, BulkInsert, BulkUpsert, json_text
from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.ledger import QUALITIES
from roadworthy_inventory.carbon.plug_fit import Fit

EVERY_SECONDS = 60.0
_RUN_SECONDS = 3.0
_DEVICES_AT_ONCE = 50
_DEVICES = BulkInsert(energy_devices)
_GROUPS = BulkUpsert(energy_groups)
_GONE = BulkDelete(energy_groups, *(column.name for column in energy_groups.primary_key.columns))


def refresh(work: Work) -> int:
    """Make the newest month that needs it; return how many were."""
    with work.engine.connect() as connection:
        month = energy_due.due(connection, work)
    return 0 if month is None else int(make(work, month))


def refresh_some(work: Work) -> int:
    """Make months that need it, the newest first, for some seconds at least; return how many were.

    Where there are few devices a month is made in less than a second: years of them are there within minutes.
    """
    began, done = work.monotonic(), 0
    while not work.stop.is_set() and refresh(work):
        done += 1
        if work.monotonic() - began >= _RUN_SECONDS:
            break
    return done


def make(work: Work, month: Calendar) -> bool:
    """Make a month; False where the collector stops meanwhile, and nothing but its devices' rows is new then."""
    began, now = work.monotonic(), work.clock()
    kept = energy_kept.begin(work, month.name)
    evidence = energy_facts.read_evidence(work, min(month.last, month.today))
    maker = _Maker(month, power.rests(evidence), kept)
    last, until = 0, min(month.last, month.today)
    maker.fits = plug_fits.make(work, month.name, maker.rests, until, month.zone)
    hanging = fed_read.read(work, month.first, until, month.zone, maker.rests)
    for after, machines in energy_facts.pieces(work, month.zone):
        last = machines[-1].id
        with work.reading() as connection:
            told, dates = energy_facts.read_told(
                connection, month.first, until, month.zone, (after + 1, last), hanging, now=work.clock()
            )
            leaving = energy_facts.read_leaving(connection, month.first, (after + 1, last))
        rows = {
            one.id: maker.rows(one, told.get(one.id, {}), dates.get(one.id, set()))
            for one in machines
            if one.id not in leaving
        }
        maker.keep(leaving)
        _replace(work, month, after, rows, leaving)
        with work.engine.connect() as connection:
            maker.take(energy_kept.erased(connection, month.name))
    if work.stop.is_set():
        return False
    with work.write() as connection:
        mine = (energy_devices.c.month == month.first.isoformat(), energy_devices.c.device > last)
        connection.execute(delete(energy_devices).where(*mine))
        maker.take(energy_kept.erased(connection, month.name))
    _write_groups(work, month, maker.groups)
    fed.write_overlaps(work, month.first, hanging.overlaps)
    if work.stop.is_set():
        return False
    with work.engine.connect() as connection:
        restricted = energy_due.restricted(connection)
        held = {row.id: row for row in connection.execute(select(sites))}
    energy_ready.write_units(work, month.name, maker.groups, held, now)
    if work.stop.is_set():
        return False
    sums = energy_ready.by_dimension(held, month.name, maker.groups)
    content = {
        "month": month.name,
        "closed": month.closed,
        "digest": power.digest(),
        "restricted": json_text(restricted),
        "models_fitted": sorted(maker.rests),
        "use": maker.use.told(),
        "rests": energy_days.rests_told(maker.rests),
        "plug_lines": plug_fits.lines_json({month.name: maker.fits})[month.name],
        "sums": {name: sums[name] for name in ("month", "place")},
    }
    with work.write() as connection:
        figures.write(
            connection, f"{SUMS_FIGURE}.{month.name}", {"month": month.name, "sums": sums}, now, 0.0
        )
    with work.write() as connection:
        figures.write(connection, f"{FIGURE}.{month.name}", content, now, work.monotonic() - began)
        energy_kept.end(connection, month.name)
    return True


class _Maker:
    """Turns what devices told into rows of devices, and adds these up by group on the way."""

    def __init__(
        self, month: Calendar, rests: Mapping[str, RestOfMachine], kept: Iterable[Sequence[Any]]
    ) -> None:
        self.month, self.rests = month, rests
        self.fits: Mapping[str, Fit] = {}
        self.groups: dict[Group, Sum] = {}
        self.use = SiteUse()
        self._seconds = month.seconds()
        self._included: set[int] = set()
        self._taken = 0
        for site, unit, told in kept:
            self._erased(site, unit, told)

    def _erased(self, site: int, unit: int, told: Sequence[Any]) -> None:
        self.groups.setdefault((site, unit, ERASED, ""), Sum()).add(of_told(told, self.month.name))

    def keep(self, leaving: Mapping[int, Sequence[Any]]) -> None:
        """Take devices that are being erased as they were made last: part of their days is gone."""
        for device, rows in leaving.items():
            self._included.add(device)
            for row in rows:
                self._erased(row.site, row.unit, energy_kept.told_of(row))

    def take(self, erased: Sequence[Sequence[Any]]) -> None:
        """Take up what devices had that were erased before this build came to them."""
        for device, site, unit, told in erased[self._taken :]:
            if device not in self._included:
                self._erased(site, unit, told)
        self._taken = len(erased)

    def rows(
        self, machine: Machine, told: Mapping[Key, Told], dates: Collection[dt.date]
    ) -> list[tuple[Any, ...]]:
        """Return the rows of one device, one for each place it stood at, the silent days at the one it stood longest."""
        self._included.add(machine.id)
        places: dict[tuple[int, int], list[Told]] = {}
        for (site, unit, _), one in told.items():
            places.setdefault((site, unit), []).append(one)
        silent = self._silent_seconds(machine, dates)
        if not places:
            if not silent:
                return []
            places[machine.site, machine.unit] = []
        home = max(sorted(places), key=lambda place: sum(one.days for one in places[place]))
        return [
            self._row(machine, place, some, silent if place == home else 0) for place, some in places.items()
        ]

    def _row(
        self, machine: Machine, place: tuple[int, int], some: Sequence[Told], silent: int
    ) -> tuple[Any, ...]:
        found = Sum(silent_seconds=silent)
        down = up = 0.0
        for one in some:
            self.use.add(place[0], machine.item_class, one)
            entry = power.entry(machine, one, self.rests.get(machine.model))
            entry = plug_fits.corrected(entry, machine, one, self.fits)
            for at, quality in enumerate(QUALITIES):
                found.joules[at] += entry.joules.get(quality, 0)
            found.add_shared(entry.shared)
            found.days += one.days
            found.unknown_seconds += math.ceil(entry.unknown_seconds)
            # The same device's own errors, whatever measured it: in a straight line.
            down, up = down + entry.own.down, up + entry.own.up
        if found.days:
            found.months[self.month.name] = Month(1, down * down, up * up)
        self._add(place, machine, found)
        known = sum(one.seconds[name] for one in some for name in power.STATES)
        unused = int(sum(one.seconds["idle"] + one.seconds["locked"] for one in some))
        energy = found.energy()
        return (
            pack_date(self.month.first.isoformat()),
            machine.id,
            *place,
            found.days,
            *found.joules,
            float(energy.low_joules),
            float(energy.high_joules),
            found.unknown_seconds + silent,
            unused if known else None,
        )

    def _add(self, place: tuple[int, int], machine: Machine, found: Sum) -> None:
        silent, found.silent_seconds = found.silent_seconds, 0
        if found.days:
            self.groups.setdefault((*place, machine.item_class, machine.model), Sum()).add(found)
        if silent:
            key = (*place, machine.item_class, NOTHING_TOLD)
            self.groups.setdefault(key, Sum()).silent_seconds += silent

    def _silent_seconds(self, machine: Machine, dates: Collection[dt.date]) -> int:
        """Return the seconds of days that are over, from enrolment or the first fact until it was retired, untold."""
        first = min([machine.enrolled, *dates])
        return sum(
            seconds
            for day, seconds in self._seconds.items()
            if day >= first and (machine.retired is None or day < machine.retired) and day not in dates
        )


def _replace(
    work: Work,
    month: Calendar,
    after: int,
    rows: Mapping[int, Sequence[tuple[Any, ...]]],
    leaving: Collection[int],
) -> None:
    """Replace the month's rows of the devices after a row id up to the last, in short transactions.

    What is none's any more goes with them; devices that are being erased stay as they are, and rows of one that went
    meanwhile are not written.
    """
    table, begin = energy_devices, after

    def step(connection: Connection, some: Sequence[int]) -> None:
        nonlocal begin
        between = (table.c.device > begin, table.c.device <= some[-1], table.c.device.not_in(list(leaving)))
        connection.execute(delete(table).where(table.c.month == month.first.isoformat(), *between))
        there = select(devices.c.id).where(devices.c.id.in_(some)).with_for_update(read=True)
        _DEVICES.write(connection, [row for one in connection.scalars(there) for row in rows.get(one, ())])
        begin = some[-1]

    work.for_each(sorted({*rows, *leaving}), step, first=_DEVICES_AT_ONCE)


def _write_groups(work: Work, month: Calendar, groups: Mapping[Group, Sum]) -> None:
    """Put the month's groups in place of those held, in short transactions."""
    number = pack_date(month.first.isoformat())
    rows = [
        (
            number,
            *key,
            own.devices,
            one.days,
            *one.joules,
            own.down_squared,
            own.up_squared,
            json_text(one.shared),
            one.unknown_seconds + one.silent_seconds,
        )
        for key, one in sorted(groups.items())
        for own in (one.months.get(month.name, Month()),)
    ]
    key_columns = [energy_groups.c[name] for name in ("site", "unit", "item_class", "model")]
    with work.engine.connect() as connection:
        query = select(*key_columns).where(energy_groups.c.month == month.first.isoformat())
        gone = [(number, *key) for key in connection.execute(query) if tuple(key) not in groups]
    work.for_each(rows, _GROUPS.write)
    work.for_each(gone, _GONE.write)
