"""The energy ledger: every joule at the wall once, how it is known, and how far off a sum may be.

A device's day or half-hour becomes one `Entry`: metered, sensor, modelled and assumed joules that add up to wall.
What a meter at the wall said is metered. What a machine's or processor's own counter said is sensor, and what lies
between it and the wall (conversion, the rest of the machine) is modelled. Without either, the seconds in each state
are modelled by class, and seconds on in no known state are assumed. Entries add up to `Total`s in any order and
grouping: joules as whole numbers, errors of a class's shared model in a straight line, errors of each device and of
different models in quadrature. Seconds of which nothing can be said are counted, never taken for nought.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.state_power import UNOBSERVED, energy
from roadworthy_inventory.replacement_inputs import Range

QUALITIES = ("metered", "sensor", "modelled", "assumed")
SCOPES = ("cpu", "machine", "wall")
JOULES_PER_KWH = 3_600_000
_ON, _NOT_ON = ("in_use", "idle", "locked"), ("asleep", "off")
# Output over input of power supplies and chargers: 80 PLUS asks 80 % of its least and 94 % of its best supplies at
# half load. https://www.clearesult.com/80plus/program-details
EFFICIENCY = Range(0.80, 0.88, 0.94)
# A meter of the plug or PDU kind, where nobody says better: 2 %. IEC 62053-21 class 2.
METER_ERROR = 0.02
# A counter within the machine, against what it claims to measure; published comparisons are of this size.
SENSOR_ERROR = 0.1


class LedgerError(CarbonError):
    """Facts of a device that cannot be: the text says which."""


class Off(NamedTuple):
    """How far a figure may be off, in joules: downwards and upwards, 90 % interval."""

    down: float
    up: float


_EXACT = Off(0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one device told of a time: `seconds` by state, `joules` as {scope: {quality: joules}}.

    `observed_seconds`: on, with or without a known state. The seconds of the time that are in no state and not
    observed are unknown. `rest`: the rest of this model's machines beside the processor, where siblings taught it.
    """

    item_class: str
    made: dt.date | None
    seconds: Mapping[str, float]
    observed_seconds: float
    joules: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    rest: RestOfMachine | None = None
    model: str | None = None  # what `rest` was fitted for


@dataclass(frozen=True, slots=True)
class Entry:
    """Joules at the wall by quality, of one device and time; the errors it shares by model, and its own."""

    joules: Mapping[str, int]
    shared: Mapping[str, Off] = field(default_factory=dict)
    own: Off = _EXACT
    unknown_seconds: float = 0.0

    @property
    def wall_joules(self) -> int:
        """The sum over all qualities."""
        return sum(self.joules.values())


@dataclass(slots=True)
class Total:
    """A sum of entries; `add` and `merge` may come in any order. Own errors are kept squared."""

    joules: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUALITIES, 0))
    shared: dict[str, Off] = field(default_factory=dict)
    own_squared: Off = _EXACT
    unknown_seconds: float = 0.0

    def add(self, entry: Entry) -> None:
        """Add one device's entry."""
        self._joules(entry.joules)
        self._shared(entry.shared)
        self.own_squared = Off(
            self.own_squared.down + entry.own.down**2, self.own_squared.up + entry.own.up**2
        )
        self.unknown_seconds += entry.unknown_seconds

    def merge(self, other: Total) -> None:
        """Add another total, of other devices or of other times."""
        self._joules(other.joules)
        self._shared(other.shared)
        self.own_squared = Off(
            self.own_squared.down + other.own_squared.down, self.own_squared.up + other.own_squared.up
        )
        self.unknown_seconds += other.unknown_seconds

    @property
    def wall_joules(self) -> int:
        """The sum over all qualities."""
        return sum(self.joules.values())

    def interval_joules(self) -> Range:
        """Return the sum as (low, likely, high): what is left after every error adds as it should."""
        likely = self.wall_joules
        down = math.sqrt(self.own_squared.down + sum(off.down**2 for off in self.shared.values()))
        up = math.sqrt(self.own_squared.up + sum(off.up**2 for off in self.shared.values()))
        # What was metered or counted was drawn, whatever the models say.
        return Range(max(likely - down, 0.0), float(likely), likely + up)

    def shares(self) -> dict[str, float | None]:
        """Return {quality: its share of the sum}; None where there is no energy to share."""
        whole = self.wall_joules
        return {quality: told / whole if whole else None for quality, told in self.joules.items()}

    def _joules(self, joules: Mapping[str, int]) -> None:
        for quality, told in joules.items():
            self.joules[quality] += told

    def _shared(self, shared: Mapping[str, Off]) -> None:
        for model, off in shared.items():
            held = self.shared.get(model, _EXACT)
            self.shared[model] = Off(held.down + off.down, held.up + off.up)


def total(entries: Iterable[Entry]) -> Total:
    """Return the sum of `entries`."""
    found = Total()
    for entry in entries:
        found.add(entry)
    return found


def wall(facts: Facts) -> Entry:
    """Return what a device drew at the wall, by the best source it told.

    Wall before machine before processor before states. LedgerError for negative joules or seconds, or a scope or
    quality this ledger does not know; memory and graphics counters are parts of a machine and are left out.
    """
    _check(facts)
    told = {scope: sum(facts.joules[scope].values()) for scope in SCOPES if facts.joules.get(scope)}
    parts = _Parts(_on_without_state(facts))
    parts.unknown_seconds += _untold_seconds(facts)
    if "wall" in told:
        parts.counted(facts.joules["wall"])
        return parts.entry()
    if "machine" in told:
        parts.counted(facts.joules["machine"])
        parts.converted(told["machine"])
    elif "cpu" in told:
        parts.counted(facts.joules["cpu"])
        parts.rest(facts, told["cpu"])
    else:
        parts.states(facts, _ON)
        parts.unstated(facts)
    parts.states(facts, _NOT_ON)
    return parts.entry()


class _Parts:
    """An entry that is being put together."""

    def __init__(self, on_without_state: float) -> None:
        self.on_without_state = on_without_state
        self.unknown_seconds = 0.0
        self._joules = dict.fromkeys(QUALITIES, 0)
        self._shared: dict[str, Off] = {}
        self._own: list[Off] = []

    def entry(self) -> Entry:
        """Return what was put together."""
        own = Off(math.hypot(*(off.down for off in self._own)), math.hypot(*(off.up for off in self._own)))
        return Entry(
            MappingProxyType(self._joules), MappingProxyType(self._shared), own, self.unknown_seconds
        )

    def counted(self, by_quality: Mapping[str, int]) -> None:
        """Take what a meter or a counter said as it is, with its own error."""
        for quality, joules in by_quality.items():
            self._joules[quality] += joules
            off = joules * (METER_ERROR if quality == "metered" else SENSOR_ERROR)
            self._own.append(Off(off, off))

    def converted(self, machine_joules: int) -> None:
        """Add what the power supply or charger loses between the wall and the machine."""
        low, likely, high = (machine_joules * (1 / ratio - 1) for ratio in reversed(EFFICIENCY))
        self._modelled("conversion", Range(low, likely, high))

    def rest(self, facts: Facts, processor_joules: int) -> None:
        """Add the rest of the machine beside its processor: as its siblings taught, else as its class."""
        on = sum(facts.seconds.get(state, 0.0) for state in _ON) + self.on_without_state
        if facts.rest is not None:
            rest = facts.rest
            likely = rest.watts.likely * on
            shared = rest.deviation_watts / math.sqrt(rest.machines) * on
            self._modelled(
                f"rest of {facts.model or facts.item_class}", Range(likely - shared, likely, likely + shared)
            )
            self._own.append(Off(min(rest.deviation_watts * on, likely), rest.deviation_watts * on))
            self.converted(processor_joules + round(likely))
            return
        spent = {state: facts.seconds.get(state, 0.0) for state in _ON} | {UNOBSERVED: self.on_without_state}
        whole = energy(facts.item_class, facts.made, spent)
        self.unknown_seconds += whole.unknown_seconds
        both = (a + b for a, b in zip(whole.modelled_joules, whole.assumed_joules, strict=True))
        self._modelled(
            f"states of {facts.item_class}", Range(*(max(joules - processor_joules, 0.0) for joules in both))
        )

    def states(self, facts: Facts, states: tuple[str, ...]) -> None:
        """Add the seconds in `states` at the watts of the class."""
        found = energy(
            facts.item_class, facts.made, {state: facts.seconds.get(state, 0.0) for state in states}
        )
        self.unknown_seconds += found.unknown_seconds
        self._modelled(f"states of {facts.item_class}", found.modelled_joules)

    def unstated(self, facts: Facts) -> None:
        """Add the seconds it was on and nobody collected in which state."""
        found = energy(facts.item_class, facts.made, {UNOBSERVED: self.on_without_state})
        self.unknown_seconds += found.unknown_seconds
        self._estimate("assumed", f"states of {facts.item_class}", found.assumed_joules)

    def _modelled(self, model: str, joules: Range) -> None:
        self._estimate("modelled", model, joules)

    def _estimate(self, quality: str, model: str, joules: Range) -> None:
        if joules.high <= 0:
            return
        self._joules[quality] += round(joules.likely)
        held = self._shared.get(model, _EXACT)
        self._shared[model] = Off(
            held.down + joules.likely - joules.low, held.up + joules.high - joules.likely
        )


def _on_without_state(facts: Facts) -> float:
    return max(facts.observed_seconds - sum(facts.seconds.get(state, 0.0) for state in _ON), 0.0)


def _untold_seconds(facts: Facts) -> float:
    """Return the seconds that are neither in a state nor observed: nobody knows whether the device was on."""
    return max(facts.seconds.get(UNOBSERVED, 0.0) - _on_without_state(facts), 0.0)


def _check(facts: Facts) -> None:
    for scope, by_quality in facts.joules.items():
        for quality, joules in by_quality.items():
            if quality not in QUALITIES:
                raise LedgerError(f"energy of scope {scope}: {quality!r} is none of {', '.join(QUALITIES)}")
            if joules < 0:
                raise LedgerError(f"energy of scope {scope}: {joules} joules are below nought")
    if not (math.isfinite(facts.observed_seconds) and facts.observed_seconds >= 0):
        raise LedgerError(f"{facts.observed_seconds} observed seconds are none")
    for state, spent in facts.seconds.items():
        if state not in (*_ON, *_NOT_ON, UNOBSERVED):
            raise LedgerError(f"{state!r} is no device state")
        if not (math.isfinite(spent) and spent >= 0):
            raise LedgerError(f"{spent} seconds {state} are none")
