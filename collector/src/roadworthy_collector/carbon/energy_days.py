"""Energy at the wall of one local day, and of each of its 46, 48 or 50 half-hours: worked out when somebody asks.

A day goes the way a month goes (`energy.make`): its totals, what hangs on what, the power models, the offsets and the
lines of metered plugs that were fitted for its month. A device's half-hours share out its day, quality
by quality, by what each half-hour draws by the same models, so they add up to the day to the joule; errors go with the
joules in a straight line, for a half-hour is off as its day is. How a day lies over its half-hours, and what becomes of
devices that tell none, is in `energy_half_hours`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import (
    absences,
    energy_facts,
    energy_half_hours,
    fed_read,
    plug_fits,
    plug_store,
    power,
)
from roadworthy_collector.carbon.energy_half_hours import Basis, Shape, Weights
from roadworthy_collector.carbon.estate import FIGURE, VIRTUAL
from roadworthy_collector.carbon.power import Machine, Told
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, covers
from roadworthy_collector.store.schema import devices
from roadworthy_inventory.calendar import Span, local_day
from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.ledger import Entry, Total
from roadworthy_inventory.carbon.plug_fit import Fit
from roadworthy_inventory.replacement_inputs import Range

_AT_ONCE = 200
_MOST_ID = 2**62
_CLOCKS_OFF_SECONDS = 86_400


class DeviceDay(NamedTuple):
    """What a device drew at one place on a day; `line` of smart plugs that corrected it, None where none did."""

    machine: Machine
    site: int
    unit: int
    told: Told
    entry: Entry
    line: Fit | None = None


class Fitted(NamedTuple):
    """What the ledger fitted for a month: offsets by model, lines of smart plugs by way and model."""

    rests: Mapping[str, RestOfMachine]
    lines: Mapping[str, Fit]


def rests_told(rests: Mapping[str, RestOfMachine]) -> dict[str, list[float]]:
    """Return the offsets fitted for a month as JSON can hold them."""
    return {model: [*one.watts, one.machines, one.deviation_watts] for model, one in sorted(rests.items())}


def _fitted(work: Work, date: dt.date) -> Fitted:
    """Return what the ledger fitted for the month of a day; nothing where the month is not made."""
    month = f"{date:%Y-%m}"
    with work.engine.connect() as connection:
        held = figures.read(connection, f"{FIGURE}.{month}")
    content: Mapping[str, Any] = {} if held is None else held[0]
    rests = {
        model: RestOfMachine(Range(low, likely, high), int(machines), deviation)
        for model, (low, likely, high, machines, deviation) in content.get("rests", {}).items()
    }
    return Fitted(rests, plug_fits.lines_of({month: content.get("plug_lines", {})})[month])


def _device_day(machine: Machine, site: int, unit: int, told: Told, fitted: Fitted) -> DeviceDay:
    """Return a device's day by the models, corrected by the line of its model where there is one for such a day."""
    by_models = power.entry(machine, told, fitted.rests.get(machine.model))
    entry = plug_fits.corrected(by_models, machine, told, fitted.lines)
    line = None if entry is by_models else plug_fits.line_of(machine, told, fitted.lines)
    return DeviceDay(machine, site, unit, told, entry, line)


def read(
    work: Work,
    date: dt.date,
    *,
    scope: Scope = EVERYTHING,
    site: int | None = None,
    device: int | None = None,
    most: int | None = None,
) -> Iterator[list[DeviceDay]]:
    """Yield what devices drew on a local day, some devices at a time: of units in scope, of a site, or of one device.

    RoadworthyError where they are more than `most`.
    """
    zone = work.settings.reporting_timezone
    fitted = _fitted(work, date)
    hanging = fed_read.read(work, date, date, zone, fitted.rests)
    ids = {one for one in hanging.days if device in {None, one}}
    ordered = sorted(_devices_of(work, date, _Wanted(scope, site, device, most), ids))
    for begin in range(0, len(ordered), _AT_ONCE):
        some = ordered[begin : begin + _AT_ONCE]
        with work.reading() as connection:
            machines = energy_facts.machines_of(connection, some, zone)
            facts, _ = energy_facts.read_told(
                connection, date, date, zone, frozenset(some), hanging, now=work.clock()
            )
        yield [
            _device_day(machine, at, unit, one, fitted)
            for machine in machines
            for (at, unit, _), one in facts.get(machine.id, {}).items()
            if site in {None, at} and covers(scope, unit)
        ]


class _Wanted(NamedTuple):
    scope: Scope
    site: int | None
    device: int | None
    most: int | None

    def takes(self, site: int, unit: int) -> bool:
        return self.site in {None, site} and covers(self.scope, unit)


def _devices_of(work: Work, date: dt.date, wanted: _Wanted, ids: set[int]) -> set[int]:
    """Return `ids` with the devices that told a day, or lie in a gap all day, where they stand then or else now.

    RoadworthyError where they may be more than wanted, before their gaps are read: a gap is found by its device alone.
    """
    zone, device = work.settings.reporting_timezone, wanted.device
    span = local_day(date, zone)
    with work.reading() as connection:
        told = local_totals.read(connection, date, date, zone, energy_facts.COLUMNS, device)
        places = {
            one.device: (one.values.site, one.values.unit)
            for one in plug_store.over(
                connection, told, (device or 0, device or _MOST_ID), (date, date), zone
            )
        }
        found = ids | {one for one, place in places.items() if wanted.takes(*place)}
        silent = {
            one: at
            for one, at in _heard_since(connection, span, wanted).items()
            if one not in found and one not in places
        }
        _refuse(len(found) + sum(at < span.end for at in silent.values()), wanted.most, date)
        ordered = sorted(silent)
        for begin in range(0, len(ordered), _AT_ONCE):
            some = frozenset(ordered[begin : begin + _AT_ONCE])
            found |= {one for one, _ in absences.by_day(connection, some, {date: span})}
    return found


def _heard_since(connection: Connection, span: Span, wanted: _Wanted) -> dict[int, int]:
    """Return {device wanted that was heard after a day began: when it enrolled}: only such can have told a gap over it."""
    query = select(devices.c.id, devices.c.site, devices.c.unit, devices.c.enrolled_at)
    # A device's clock may be off by some hours.
    query = query.where(devices.c.last_report_at > span.start - _CLOCKS_OFF_SECONDS)
    if wanted.site is not None:
        query = query.where(devices.c.site == wanted.site)
    if wanted.device is not None:
        query = query.where(devices.c.id == wanted.device)
    rows = connection.execute(query)
    return {row.id: row.enrolled_at for row in rows if wanted.takes(row.site, row.unit)}


def _refuse(count: int, most: int | None, date: dt.date) -> None:
    if most is not None and count > most:
        raise RoadworthyError(
            f"{count:,} devices are more than a page waits for ({most:,}): choose a site, or on the collector's "
            f"machine run: roadworthy carbon energy --year {date}"
        )


def total_of(days: Sequence[DeviceDay]) -> Total:
    """Return the sum of days of devices."""
    found = Total()
    for one in days:
        found.add(one.entry)
    return found


def half_hours(work: Work, date: dt.date, days: Sequence[DeviceDay]) -> list[Shape]:
    """Return how each of these days lies over its half-hours, in their order: they add up to it exactly."""
    span = local_day(date, work.settings.reporting_timezone)
    rests = _fitted(work, date).rests
    machines = {one.machine.id: one.machine for one in days}
    ids = sorted(machines)
    weights: dict[int, Weights] = {}
    for begin in range(0, len(ids), _AT_ONCE):
        some = {one: machines[one] for one in ids[begin : begin + _AT_ONCE]}
        with work.reading() as connection:
            weights |= energy_half_hours.read(connection, some, date, span, rests)
    on = {one.machine.id for one in days if one.told.observed_seconds > 0}
    profiles = energy_half_hours.profiles(
        (machines[device].item_class, mine) for device, mine in weights.items() if device in on
    )
    found = []
    for one in days:
        own, of_class = weights.get(one.machine.id), profiles.get(one.machine.item_class)
        if own is not None and one.entry.wall_joules and not own.has_joules:
            own = None  # a meter saw energy, and nobody publishes what states of its class draw
        basis: Basis = "own" if own is not None else "class" if of_class is not None else "even"
        shape = own or of_class
        known = [True] * span.periods if shape is None else shape.known
        found.append(
            Shape(
                one.entry,
                energy_half_hours.shared_out(one.entry, shape, span.periods),
                known if is_known(one) else [False] * span.periods,
                basis,
                is_corrected=one.line is not None,
            )
        )
    return found


def is_known(day: DeviceDay) -> bool:
    """Return whether anything is known of what a device drew; a virtual machine draws nothing of its own."""
    return bool(
        day.entry.wall_joules
        or power.measured_by(day.told.joules)
        or day.machine.item_class == VIRTUAL
        or day.entry.unknown_seconds < sum(day.told.seconds.values())
    )
