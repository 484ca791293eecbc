"""Energy at the wall of one local day, and of each of its 46, 48 or 50 half-hours: worked out when somebody asks.

A day goes the way a month goes (`energy.make`): its totals, what hangs on what, the power models, the offsets and the
lines of metered plugs that were fitted for its month. A device's half-hours share out its day, quality
by quality, by what each half-hour draws by the same models, so they add up to the day to the joule; errors go with the
joules in a straight line, for a half-hour is off as its day is. A device that tells no half-hours (its collection policy
is daily, or they are past their retention) is spread by the profile of those of its class that day, else evenly: the
amount is known as the day's is, the time of day is modelled, and `spread` counts such joules.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import absences, energy_facts, fed_read, plug_fits, plug_store, power
from roadworthy_collector.carbon.estate import FIGURE
from roadworthy_collector.carbon.fed import FedDay
from roadworthy_collector.carbon.power import Machine, Told
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, covers
from roadworthy_collector.store.queries.totals import Facts as HalfHours
from roadworthy_collector.store.schema import devices
from roadworthy_inventory.calendar import Span, local_day
from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.ledger import QUALITIES, Entry, Off, Total
from roadworthy_inventory.carbon.plug_fit import Fit
from roadworthy_inventory.replacement_inputs import Range

_AT_ONCE = 200
_MOST_ID = 2**62
_PERIOD_SECONDS = 1800
_CLOCKS_OFF_SECONDS = 86_400


class DeviceDay(NamedTuple):
    """What a device drew at one place on a day; `line` of smart plugs that corrected it, None where none did."""

    machine: Machine
    site: int
    unit: int
    told: Told
    entry: Entry
    line: Fit | None = None


class Part(NamedTuple):
    """A half-hour of a device's day; `spread`: its time of day is the profile's; `corrected`: a line of plugs was used."""

    start: int
    entry: Entry
    spread: bool
    corrected: bool = False


@dataclass(slots=True)
class HalfHourSum:
    """All devices in one half-hour: its energy, the joules whose time of day is modelled, and those a line corrected."""

    total: Total
    spread_joules: int = 0
    corrected_joules: int = 0


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
                connection, date, date, zone, (some[0], some[-1]), hanging, now=work.clock()
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
            found |= {one for one, _, _ in absences.read(connection, some, span)}
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


def half_hours(work: Work, date: dt.date, days: Sequence[DeviceDay]) -> dict[int, list[Part]]:
    """Return {device: its half-hours in order}, which add up to its day exactly; a device at two places has both in them."""
    span = local_day(date, work.settings.reporting_timezone)
    rests = _fitted(work, date).rests
    weights: dict[int, list[list[int]]] = {}
    ids = sorted({one.machine.id for one in days})
    machines = {one.machine.id: one.machine for one in days}
    for begin in range(0, len(ids), _AT_ONCE):
        some = ids[begin : begin + _AT_ONCE]
        with work.reading() as connection:
            facts = HalfHours(connection, some, span)
            away = _away(connection, frozenset(some), span)
        for device in some:
            mine = _weights(facts, machines[device], span, rests, away.get(device, {}))
            if mine is not None:
                weights[device] = mine
    profiles = _profiles(machines, weights, len(span.starts()))
    found: dict[int, list[Part]] = defaultdict(list)
    for one in days:
        own = weights.get(one.machine.id)
        shape = own if own is not None else profiles[one.machine.item_class]
        found[one.machine.id] += [
            Part(start, entry, own is None, one.line is not None)
            for start, entry in zip(span.starts(), _shared_out(one.entry, shape), strict=True)
        ]
    return found


def by_half_hour(parts: Mapping[int, Sequence[Part]]) -> dict[int, HalfHourSum]:
    """Return {start: all devices together}, in order of time."""
    found: dict[int, HalfHourSum] = {}
    for some in parts.values():
        for part in some:
            held = found.setdefault(part.start, HalfHourSum(Total()))
            held.total.add(part.entry)
            held.spread_joules += part.entry.wall_joules if part.spread else 0
            held.corrected_joules += part.entry.wall_joules if part.corrected else 0
    return dict(sorted(found.items()))


def _away(connection: Connection, some: frozenset[int], span: Span) -> dict[int, dict[int, str]]:
    """Return {device: {start: asleep or off}} of the half-hours that lie in a gap."""
    found: dict[int, dict[int, str]] = defaultdict(dict)
    for device, kind, cut in absences.read(connection, some, span):
        if kind < len(absences.KINDS):
            found[device] |= dict.fromkeys(cut.starts(), absences.KINDS[kind])
    return found


def _weights(
    facts: HalfHours,
    machine: Machine,
    span: Span,
    rests: Mapping[str, RestOfMachine],
    away: Mapping[int, str],
) -> list[list[int]] | None:
    """Return joules by quality of each half-hour by the models; None where the device told no energy and no state.

    `away`: half-hours it was asleep or off in from end to end.
    """
    nothing = facts.states(machine.id, span) is None and facts.joules(machine.id, span) is None
    if nothing and len(away) < span.periods:
        return None
    found, any_told = [], False
    gone: dict[str, list[int]] = {}
    for start in span.starts():
        if (state := away.get(start)) is not None:
            if state not in gone:
                gone[state] = _away_joules(machine, state)
            found.append(gone[state])
            any_told = True
            continue
        period = Span(start, start + _PERIOD_SECONDS)
        use, states = facts.use(machine.id, period), facts.states(machine.id, period)
        joules = facts.joules(machine.id, period)
        any_told |= bool(states or joules)
        told = Told()
        if use is not None or states is not None or joules is not None:
            in_use, idle, locked, asleep, off, unobserved = (
                (states or {}).get(name, 0) for name in (*power.STATES, "unobserved")
            )
            observed = 0 if use is None else use.observed_seconds
            mean = None if use is None else use.cpu_mean_ratio
            told.add(FedDay(0, 0, observed, in_use, idle, locked, asleep, off, unobserved, mean, joules))
        entry = power.entry(machine, told, rests.get(machine.model))
        found.append([entry.joules.get(quality, 0) for quality in QUALITIES])
    return found if any_told else None


def _away_joules(machine: Machine, state: str) -> list[int]:
    """Return what a half-hour asleep or off draws, by quality."""
    told = Told()
    told.seconds[state] = _PERIOD_SECONDS
    entry = power.entry(machine, told, None)
    return [entry.joules.get(quality, 0) for quality in QUALITIES]


def _profiles(
    machines: Mapping[int, Machine], weights: Mapping[int, Sequence[Sequence[int]]], periods: int
) -> Mapping[str, list[list[int]]]:
    """Return {class: what its devices that tell half-hours drew in each}; of a class none of which does, nothing."""
    found: dict[str, list[list[int]]] = defaultdict(lambda: [[0] * len(QUALITIES) for _ in range(periods)])
    for device, mine in weights.items():
        held = found[machines[device].item_class]
        for at, row in enumerate(mine):
            # The profile is of the class's energy, however it is known.
            for quality in range(len(QUALITIES)):
                held[at][quality] += sum(row)
    return found


def _shared_out(entry: Entry, shape: Sequence[Sequence[int]]) -> list[Entry]:
    """Return a day's energy shared out over its half-hours: whole joules by largest remainder, errors with the joules."""
    whole = [sum(row) for row in shape]
    joules = {
        quality: shares(amount, [row[at] for row in shape] if any(row[at] for row in shape) else whole)
        for at, quality in enumerate(QUALITIES)
        for amount in (entry.joules.get(quality, 0),)
    }
    day = entry.wall_joules
    found = []
    for at in range(len(shape)):
        mine = {quality: joules[quality][at] for quality in QUALITIES}
        part = sum(mine.values()) / day if day else 1 / len(shape)
        found.append(
            Entry(
                mine,
                {model: Off(off.down * part, off.up * part) for model, off in entry.shared.items()},
                Off(entry.own.down * part, entry.own.up * part),
                entry.unknown_seconds / len(shape),
            )
        )
    return found


def shares(amount: int, weights: Sequence[int]) -> list[int]:
    """Return a whole amount shared out by weights (evenly where all are nought), by largest remainder: nothing is lost."""
    even = weights if any(weights) else [1] * len(weights)
    whole = sum(even)
    found = [amount * one // whole for one in even]
    order = sorted(range(len(even)), key=lambda at: (-(amount * even[at] % whole), at))
    for at in order[: amount - sum(found)]:
        found[at] += 1
    return found
