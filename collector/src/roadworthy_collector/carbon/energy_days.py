"""Energy at the wall of one local day, and of each of its 46, 48 or 50 half-hours: worked out when somebody asks.

A day goes the way a month goes (`energy.make`): its totals, what hangs on what, the power models, the offsets that
were fitted for its month; lines of metered plugs correct months alone. A device's half-hours share out its day, quality
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
from typing import NamedTuple

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import energy_facts, fed_read, power
from roadworthy_collector.carbon.estate import FIGURE
from roadworthy_collector.carbon.fed import FedDay
from roadworthy_collector.carbon.power import Machine, Told
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, covers
from roadworthy_collector.store.queries.totals import Facts as HalfHours
from roadworthy_inventory.calendar import Span, local_day
from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.ledger import QUALITIES, Entry, Off, Total
from roadworthy_inventory.replacement_inputs import Range

_AT_ONCE = 200
_PERIOD_SECONDS = 1800


class DeviceDay(NamedTuple):
    """What a device drew at one place on a day."""

    machine: Machine
    site: int
    unit: int
    told: Told
    entry: Entry


class Part(NamedTuple):
    """A half-hour of a device's day; `spread`: its time of day is the profile's and not its own."""

    start: int
    entry: Entry
    spread: bool


@dataclass(slots=True)
class HalfHourSum:
    """All devices in one half-hour: its energy, and the joules of it whose time of day is modelled."""

    total: Total
    spread_joules: int = 0


def rests_told(rests: Mapping[str, RestOfMachine]) -> dict[str, list[float]]:
    """Return the offsets fitted for a month as JSON can hold them."""
    return {model: [*one.watts, one.machines, one.deviation_watts] for model, one in sorted(rests.items())}


def _rests(work: Work, date: dt.date) -> dict[str, RestOfMachine]:
    """Return the offsets the ledger fitted for the month of a day; none where the month is not made."""
    with work.engine.connect() as connection:
        held = figures.read(connection, f"{FIGURE}.{date:%Y-%m}")
    told: Mapping[str, Sequence[float]] = {} if held is None else held[0].get("rests", {})
    return {
        model: RestOfMachine(Range(low, likely, high), int(machines), deviation)
        for model, (low, likely, high, machines, deviation) in told.items()
    }


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
    rests = _rests(work, date)
    hanging = fed_read.read(work, date, date, zone, rests)
    with work.reading() as connection:
        told = local_totals.read(connection, date, date, zone, ("site", "unit"), device)
        ids = {
            one.device for one in told if site in {None, one.values.site} and covers(scope, one.values.unit)
        }
        ids |= {one for one in hanging.days if device in {None, one}}
    ordered = sorted(ids)
    if most is not None and len(ordered) > most:
        raise RoadworthyError(
            f"{len(ordered):,} devices are more than a page waits for ({most:,}): choose a site, or on the collector's "
            f"machine run: roadworthy carbon energy --year {date}"
        )
    for begin in range(0, len(ordered), _AT_ONCE):
        some = ordered[begin : begin + _AT_ONCE]
        with work.reading() as connection:
            machines = energy_facts.machines_of(connection, some, zone)
            facts, _ = energy_facts.read_told(connection, date, date, zone, (some[0], some[-1]), hanging)
        yield [
            DeviceDay(machine, at, unit, one, power.entry(machine, one, rests.get(machine.model)))
            for machine in machines
            for (at, unit, _), one in facts.get(machine.id, {}).items()
            if site in {None, at} and covers(scope, unit)
        ]


def total_of(days: Sequence[DeviceDay]) -> Total:
    """Return the sum of days of devices."""
    found = Total()
    for one in days:
        found.add(one.entry)
    return found


def half_hours(work: Work, date: dt.date, days: Sequence[DeviceDay]) -> dict[int, list[Part]]:
    """Return {device: its half-hours in order}, which add up to its day exactly; a device at two places has both in them."""
    span = local_day(date, work.settings.reporting_timezone)
    rests = _rests(work, date)
    weights: dict[int, list[list[int]]] = {}
    ids = sorted({one.machine.id for one in days})
    machines = {one.machine.id: one.machine for one in days}
    for begin in range(0, len(ids), _AT_ONCE):
        some = ids[begin : begin + _AT_ONCE]
        with work.reading() as connection:
            facts = HalfHours(connection, some, span)
        for device in some:
            mine = _weights(facts, machines[device], span, rests)
            if mine is not None:
                weights[device] = mine
    profiles = _profiles(machines, weights, len(span.starts()))
    found: dict[int, list[Part]] = defaultdict(list)
    for one in days:
        own = weights.get(one.machine.id)
        shape = own if own is not None else profiles[one.machine.item_class]
        found[one.machine.id] += [
            Part(start, entry, own is None)
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
    return dict(sorted(found.items()))


def _weights(
    facts: HalfHours, machine: Machine, span: Span, rests: Mapping[str, RestOfMachine]
) -> list[list[int]] | None:
    """Return joules by quality of each half-hour by the models; None where the device told no energy and no state."""
    if facts.states(machine.id, span) is None and facts.joules(machine.id, span) is None:
        return None
    found, any_told = [], False
    for start in span.starts():
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
