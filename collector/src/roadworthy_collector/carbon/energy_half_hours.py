"""A day's energy laid over its 46, 48 or 50 half-hours: whole joules that add up to each device's day, quality by quality.

A device's half-hours share out its day by what each of them draws by the models of the ledger (`draws`, which says what
`power.entry` says of the same facts, without errors: a thousand devices have 48,000 half-hours). A device that tells no
half-hours (its collection policy is daily, or they are past their retention) is spread by the profile of its class that
day: the amount is known as the day's is, the time of day is modelled. A profile is of five devices that were on at
least, for of fewer it would tell one person's hours in another's name; without one the day is spread evenly, and
nothing is known of its time.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import add
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from roadworthy_collector.carbon import absences, power
from roadworthy_collector.carbon.estate import VIRTUAL
from roadworthy_collector.carbon.power import Machine
from roadworthy_collector.store import half_hours, slots
from roadworthy_collector.store.schema import energy_slots, state_slots, use_slots
from roadworthy_inventory.calendar import Span
from roadworthy_inventory.carbon import server_power, state_power
from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.ledger import EFFICIENCY, QUALITIES, Entry, Off, Total
from roadworthy_inventory.carbon.server_power import Server
from roadworthy_inventory.staff_value import MINIMUM_GROUP

Basis = Literal[
    "own", "class", "even"
]  # whose half-hours lay a day out: its own, those of its class, nobody's
Joules = tuple[int, int, int, int]  # by quality, the order of QUALITIES
_NOTHING: Joules = (0, 0, 0, 0)
_AWAY = absences.KINDS
_LOSS_RATIO = 1 / EFFICIENCY.likely - 1
_PERIOD_SECONDS = 1800


class Half(NamedTuple):
    """What a device told of a half-hour: seconds by state (None: not collected), {scope: joules by quality}."""

    observed_seconds: int = 0
    cpu_mean_ratio: float | None = None
    seconds: tuple[int, ...] | None = None
    joules: Mapping[str, Joules] | None = None


class Weights(NamedTuple):
    """Joules of a device's half-hours, in order, and whether anything is known of each."""

    joules: list[Joules]
    known: list[bool]

    @property
    def has_joules(self) -> bool:
        """Whether a day can be shared out by them."""
        return any(map(any, self.joules))


@dataclass(slots=True)
class Shape:
    """A day of a device over its half-hours, in order: joules by quality (a list each), how known, and by whose hours."""

    entry: Entry
    joules: list[list[int]]
    known: Sequence[bool]
    basis: Basis
    is_corrected: bool = False

    def whole(self) -> list[int]:
        """Return the joules of each half-hour, whatever their quality."""
        return [sum(some) for some in zip(*self.joules, strict=True)]


@dataclass(slots=True)
class HalfHourSum:
    """All devices in one half-hour: its energy, the joules whose time of day is not their own, those a line corrected."""

    total: Total = field(default_factory=Total)
    spread_joules: int = 0
    even_joules: int = 0
    corrected_joules: int = 0
    is_known: bool = False


class _Watts(NamedTuple):
    """Likely watts of a class by state; None where nobody publishes any."""

    in_use: float | None
    idle: float | None
    locked: float | None
    asleep: float | None
    off: float | None
    between: float | None  # on, in no known state


def read(
    connection: Connection,
    machines: Mapping[int, Machine],
    date: dt.date,
    span: Span,
    rests: Mapping[str, RestOfMachine],
) -> dict[int, Weights]:
    """Return {device: what its half-hours of a day draw} of those that told energy or state, or were away all day."""
    ids = sorted(machines)
    told = _read_told(connection, ids, span)
    away: dict[int, dict[int, str]] = defaultdict(dict)
    for device, kind, cut in absences.read(connection, frozenset(ids), span):
        if kind < len(_AWAY):
            away[device] |= dict.fromkeys(cut.starts(), _AWAY[kind])
    silent = frozenset(one for one in ids if one not in told and len(away.get(one, {})) < span.periods)
    away |= _counted_all_day(connection, silent, date, span)
    found = {}
    for device in ids:
        machine, mine, gone = machines[device], told.get(device, {}), away.get(device, {})
        told_any = any(half.seconds is not None or half.joules is not None for half in mine.values())
        # Of a device away for a part of the day only, nobody knows the rest: half-hours would put all of it there.
        if told_any or len(gone) == span.periods:
            found[device] = weights_of(machine, mine, gone, span, rests.get(machine.model))
    return found


def _counted_all_day(
    connection: Connection, some: frozenset[int], date: dt.date, span: Span
) -> dict[int, dict[int, str]]:
    """Return {device: {start: state}} of those in one state all day, by gaps that are counted and gone."""
    found = {}
    for (device, _), seconds in absences.by_day(connection, some, {date: span} if some else {}).items():
        for kind, state in enumerate(_AWAY):
            if seconds[kind] == span.seconds:
                found[device] = dict.fromkeys(span.starts(), state)
    return found


def _read_told(connection: Connection, ids: Sequence[int], span: Span) -> dict[int, dict[int, Half]]:
    parts: dict[int, dict[int, list[object]]] = defaultdict(dict)

    def part(device: int, start: int) -> list[object]:
        mine = parts[device]
        if (held := mine.get(start)) is None:
            held = mine[start] = [0, None, None, None]
        return held

    for device, day, packed in half_hours.day_rows(connection, use_slots.c.slots, ids, span):
        for slot, observed, ratio in slots.processor(packed):
            part(device, day + slot * _PERIOD_SECONDS)[:2] = observed, ratio
    for device, day, packed in half_hours.day_rows(connection, state_slots.c.slots, ids, span):
        for slot, seconds in slots.unpack_state(packed):
            part(device, day + slot * _PERIOD_SECONDS)[2] = seconds
    for device, day, packed in half_hours.day_rows(connection, energy_slots.c.slots, ids, span):
        for start, joules in _joules_by_slot(packed).items():
            part(device, day + start * _PERIOD_SECONDS)[3] = joules
    return {
        device: {start: Half(*one) for start, one in mine.items() if start in span}  # type: ignore[arg-type] # as put in
        for device, mine in parts.items()
    }


def _joules_by_slot(packed: bytes) -> dict[int, dict[str, Joules]]:
    found: dict[int, dict[str, list[int]]] = defaultdict(dict)
    for slot, words, joules in slots.joules(packed):
        scope, quality = _words(words)
        found[slot].setdefault(scope, [0] * len(QUALITIES))[quality] += joules
    return {slot: {scope: (*some,) for scope, some in held.items()} for slot, held in found.items()}  # type: ignore[misc] # four


@lru_cache(maxsize=256)
def _words(number: int) -> tuple[str, int]:
    scope, quality = slots.scope_and_quality(number)
    # A word of a newer agent: nobody here knows how it knows, which is the least there is.
    return scope, QUALITIES.index(quality if quality in QUALITIES else "assumed")


def weights_of(
    machine: Machine,
    told: Mapping[int, Half],
    away: Mapping[int, str],
    span: Span,
    rest: RestOfMachine | None,
) -> Weights:
    """Return what a device drew in each half-hour of a day; `away`: those it was asleep or off in from end to end."""
    watts = watts_of(machine)
    gone = {state: _away(watts, state) for state in set(away.values())}
    found = Weights([], [])
    for start in span.starts():
        if (state := away.get(start)) is not None:
            joules: Joules | None = gone[state]
        elif (half := told.get(start)) is None:
            joules = None
        else:
            joules = draws(machine, watts, half, rest)
        found.known.append(joules is not None or machine.item_class == VIRTUAL)
        found.joules.append(joules or _NOTHING)
    return found


def _away(watts: _Watts, state: str) -> Joules | None:
    rate = watts.asleep if state == "asleep" else watts.off
    return None if rate is None else (0, 0, round(rate * _PERIOD_SECONDS), 0)


def watts_of(machine: Machine) -> _Watts:
    """Return the likely watts of a machine's class and age."""
    return _class_watts(machine.item_class, machine.made)


@lru_cache(maxsize=4096)
def _class_watts(item_class: str, made: object) -> _Watts:
    def of(state: str) -> float | None:
        found = state_power.energy(item_class, made, {state: 1.0})  # type: ignore[arg-type] # a key of the cache: a date
        if found.unknown_seconds:
            return None
        return (found.modelled_joules if state != state_power.UNOBSERVED else found.assumed_joules).likely

    return _Watts(*(of(state) for state in (*power.STATES, state_power.UNOBSERVED)))


def draws(machine: Machine, watts: _Watts, half: Half, rest: RestOfMachine | None) -> Joules | None:
    """Return the joules of a half-hour at the wall by quality, as `power.entry` has them; None: nothing is known."""
    in_use, idle, locked, asleep, off = (half.seconds or (0,) * 6)[:5]
    on = in_use + idle + locked
    stateless = max(half.observed_seconds - on, 0)
    joules = half.joules or {}
    scope = power.measured_by(joules) if joules else ""
    if scope == "wall":
        return joules["wall"]
    away = round(asleep * (watts.asleep or 0) + off * (watts.off or 0))
    counted = joules.get(scope, _NOTHING)
    metered, sensor, modelled, assumed = counted
    if (
        machine.server is not None
        and half.cpu_mean_ratio is not None
        and scope != "machine"
        and on + stateless
    ):
        whole = round(_server_watts(machine.server, half.cpu_mean_ratio) * (on + stateless))
        return metered, sensor, modelled + max(whole - sum(counted), 0) + away, assumed
    if scope == "machine":
        return metered, sensor, modelled + round(sum(counted) * _LOSS_RATIO) + away, assumed
    in_states = in_use * (watts.in_use or 0) + idle * (watts.idle or 0) + locked * (watts.locked or 0)
    unstated = stateless * (watts.between or 0)
    if scope == "cpu":
        if rest is not None:
            beside = round(rest.watts.likely * (on + stateless))
            beside += round((sum(counted) + beside) * _LOSS_RATIO)
        else:
            beside = round(max(in_states + unstated - sum(counted), 0))
        return metered, sensor, modelled + beside + away, assumed
    is_known = (
        (in_use and watts.in_use is not None)
        or (idle and watts.idle is not None)
        or (locked and watts.locked is not None)
        or (asleep and watts.asleep is not None)
        or (off and watts.off is not None)
        or (stateless and watts.between is not None)
    )
    return (0, 0, round(in_states) + away, round(unstated)) if is_known else None


def _server_watts(server: Server, ratio: float) -> float:
    idle, busy = _server_range(server)
    return idle + min(ratio, 1.0) * (busy - idle)


@lru_cache(maxsize=4096)
def _server_range(server: Server) -> tuple[float, float]:
    return server_power.watts(server, 0.0).likely, server_power.watts(server, 1.0).likely


def profiles(weights: Iterable[tuple[str, Weights]]) -> dict[str, Weights]:
    """Return {class: what its devices drew in each half-hour together}, given as (class, device that was on).

    None of a class with fewer than five of them that have joules to tell: those without would only hide that the
    profile is of fewer. It is of the class's energy, however it is known.
    """
    by_class: dict[str, list[Weights]] = defaultdict(list)
    for item_class, mine in weights:
        if mine.has_joules:
            by_class[item_class].append(mine)
    found = {}
    for item_class, some in by_class.items():
        if len(some) >= MINIMUM_GROUP:
            whole = [sum(map(sum, rows)) for rows in zip(*(one.joules for one in some), strict=True)]
            known = [any(flags) for flags in zip(*(one.known for one in some), strict=True)]
            found[item_class] = Weights([(joules,) * len(QUALITIES) for joules in whole], known)  # type: ignore[misc] # four
    return found


def shared_out(entry: Entry, weights: Weights | None, periods: int) -> list[list[int]]:
    """Return a day's joules by quality over its half-hours, by weights or evenly: whole joules by largest remainder."""
    columns = [[1] * periods] * len(QUALITIES)
    if weights is not None:
        columns = [list(column) for column in zip(*weights.joules, strict=True)]
    whole: list[int] | None = None
    found = []
    for quality, column in zip(QUALITIES, columns, strict=True):
        amount = entry.joules.get(quality, 0)
        if not amount:
            found.append([0] * periods)
            continue
        if weights is not None and not any(column):
            whole = whole or list(map(sum, weights.joules))
            column = whole  # noqa: PLW2901 - the day has energy of a quality no half-hour has
        found.append(shares(amount, column))
    return found


def shares(amount: int, weights: Sequence[int]) -> list[int]:
    """Return a whole amount shared out by weights (evenly where all are nought), by largest remainder: nothing is lost."""
    even = weights if any(weights) else [1] * len(weights)
    whole = sum(even)
    parts = [divmod(amount * one, whole) for one in even]
    found = [part for part, _ in parts]
    if left := amount - sum(found):
        for at in sorted(range(len(even)), key=lambda at: -parts[at][1])[:left]:
            found[at] += 1
    return found


def by_half_hour(starts: Sequence[int], shapes: Iterable[Shape]) -> dict[int, HalfHourSum]:
    """Return {start: all devices together}, in order of time; errors go with the joules in a straight line."""
    sums = _Sums(len(starts))
    for shape in shapes:
        sums.add(shape)
    return {start: sums.at(place) for place, start in enumerate(starts)}


class _Sums:
    """Sums of devices, a list over the half-hours for each thing that is added up."""

    def __init__(self, periods: int) -> None:
        self._periods = periods
        self._joules = [self._zeros() for _ in QUALITIES]
        self._spread, self._even, self._corrected = self._zeros(), self._zeros(), self._zeros()
        self._own_down, self._own_up = [0.0] * periods, [0.0] * periods
        self._shared: dict[str, tuple[list[float], list[float]]] = {}
        self._known = [False] * periods

    def _zeros(self) -> list[int]:
        return [0] * self._periods

    def add(self, shape: Shape) -> None:
        whole, entry = shape.whole(), shape.entry
        day = sum(whole)
        parts = [joules / day for joules in whole] if day else [1 / self._periods] * self._periods
        self._known = [a or b for a, b in zip(self._known, shape.known, strict=True)]
        for place, some in enumerate(shape.joules):
            self._joules[place] = _plus(self._joules[place], some)
        if shape.basis != "own":
            self._spread = _plus(self._spread, whole)
        if shape.basis == "even":
            self._even = _plus(self._even, whole)
        if shape.is_corrected:
            self._corrected = _plus(self._corrected, whole)
        for model, off in entry.shared.items():
            down, up = self._shared.get(model) or ([0.0] * self._periods, [0.0] * self._periods)
            self._shared[model] = (_plus_part(down, parts, off.down), _plus_part(up, parts, off.up))
        squares = [part * part for part in parts]
        self._own_down = _plus_part(self._own_down, squares, entry.own.down**2)
        self._own_up = _plus_part(self._own_up, squares, entry.own.up**2)

    def at(self, place: int) -> HalfHourSum:
        joules = {name: some[place] for name, some in zip(QUALITIES, self._joules, strict=True)}
        shared = {model: Off(down[place], up[place]) for model, (down, up) in self._shared.items()}
        total = Total(joules, shared, Off(self._own_down[place], self._own_up[place]))
        return HalfHourSum(
            *(total, self._spread[place], self._even[place], self._corrected[place], self._known[place])
        )


def _plus(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return list(map(add, one, other))


def _plus_part(one: Sequence[float], parts: Sequence[float], whole: float) -> list[float]:
    return [held + part * whole for held, part in zip(one, parts, strict=True)]
