"""What devices that hang on one another count: every joule once, by the best meter that saw it.

A server may be measured by its own agent, by its management controller, by the outlet of a PDU and by the UPS before
that. Of one local day `settle` says what each of them counts in the ledger, and what of what they measured is left out
in whose favour. Every measurement (what a device told itself, and each outlet that speaks for a device) ends in one of
the two, whole. The outcome follows from the statements and the measurements alone, in whatever order they come.

* Outlets whose meters cover the day, all of those a device hangs on, speak for it (`outlet`).
* Else its management controller does, unless the device has a meter at the wall itself (`controller`). One of which
  nobody said whose it is measures a server without an agent, which nothing else does: it counts as it told.
* What feeds others counts what is left: a fed PDU is taken off as a whole, what it feeds is its own to take off.
* Another feeder of which nobody said what it feeds counts nothing (`undeclared`): its load is likely counted where it
  is used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

FEEDER_CLASSES = ("ups", "pdu", "switch", "controller")
CONTROLLER = "controller"
WHYS = ("outlet", "feeder", "controller", "undeclared")
NOBODY = 0  # in place of a fed device
# A meter that missed so much of a day does not speak for it. Ours: 72 minutes, five failed polls of a quarter hour.
COVERS_RATIO = 0.95
_METERS = ("metered", "sensor")


class Feeding(NamedTuple):
    """That `fed` hangs on an outlet of `feeder` ("": on all of it); None: nothing known does."""

    feeder: int
    outlet: str
    fed: int | None


class Own(NamedTuple):
    """What a device told of a day: joules at the wall by quality as the ledger has them, the scope it measured.

    `scope`: wall, machine, cpu, or "" where it measured nothing and its states are modelled.
    """

    joules: Mapping[str, int]
    scope: str
    covered_seconds: float

    @property
    def whole(self) -> int:
        """The sum over the qualities."""
        return sum(self.joules.values())


class Outlet(NamedTuple):
    """What went through an outlet in a day."""

    joules: int
    quality: str
    covered_seconds: float


class Counted(NamedTuple):
    """What a device counts instead of what it told: joules at the wall by quality, of so many seconds."""

    joules: Mapping[str, int]
    covered_seconds: float

    @property
    def whole(self) -> int:
        """The sum over the qualities."""
        return sum(self.joules.values())


class LeftOut(NamedTuple):
    """Joules that were measured and are not counted, and why (`WHYS`); `fed` is NOBODY where none is known."""

    feeder: int
    outlet: str
    fed: int
    why: str
    joules: int


@dataclass(frozen=True, slots=True)
class Settled:
    """`changed`: who counts something else than what it told, or nothing (None). Who is not in it counts as it told."""

    changed: Mapping[int, Counted | None]
    left_out: Sequence[LeftOut]


def settle(
    classes: Mapping[int, str],
    own: Mapping[int, Own],
    outlets: Mapping[tuple[int, str], Outlet],
    feedings: Iterable[Feeding],
    day_seconds: float,
) -> Settled:
    """Return what each device counts of one day.

    `classes` has every device that takes part, `own` those that told something, `outlets` those that were metered by
    (feeder, outlet), `feedings` what held that day.
    """
    return _Day(classes, own, outlets, sorted(set(feedings), key=_order), day_seconds).settled()


def outside(classes: Mapping[int, str], feedings: Iterable[Feeding]) -> set[int]:
    """Return the devices whose days are not in the ledger, whether they told anything or not.

    Controllers of one server (its silence is the server's), and power units of which nobody said anything.
    """
    fed: dict[int, set[int | None]] = defaultdict(set)
    for one in feedings:
        fed[one.feeder].add(one.fed)
    return {
        device
        for device, device_class in classes.items()
        if (device_class in FEEDER_CLASSES and device_class != CONTROLLER and device not in fed)
        or (device_class == CONTROLLER and _is_of_one(fed[device] - {None}, classes))
    }


def _is_of_one(fed: set[int | None], classes: Mapping[int, str]) -> bool:
    """Whether a controller measures one machine: what is said to feed others is taken as what feeds, not as a part."""
    return len(fed) == 1 and all(classes.get(one or NOBODY) not in FEEDER_CLASSES for one in fed)


class _Day:
    """One day that is being settled."""

    def __init__(
        self,
        classes: Mapping[int, str],
        own: Mapping[int, Own],
        outlets: Mapping[tuple[int, str], Outlet],
        feedings: Sequence[Feeding],
        day_seconds: float,
    ) -> None:
        self.classes, self.own, self.outlets = classes, own, outlets
        self.enough = COVERS_RATIO * day_seconds
        self.outside = outside(classes, feedings)
        self.declared = {one.feeder for one in feedings}
        named = [one for one in feedings if one.fed is not None and one.fed != one.feeder]
        self.controllers: dict[int, list[int]] = defaultdict(list)  # of a server
        for one in named:
            if one.feeder in self.outside and one.fed is not None:
                self.controllers[one.fed].append(one.feeder)
        # What hangs there as a server's controller is the server.
        server_of = {one: server for server, some in self.controllers.items() for one in some}
        power = {
            one._replace(fed=server_of.get(one.fed or NOBODY, one.fed))
            for one in named
            if one.feeder not in self.outside
        }
        self.power = _without_detours(sorted(power, key=_order))
        self.feeds_of: dict[int, list[Feeding]] = defaultdict(list)
        for one in self.power:
            self.feeds_of[one.fed or NOBODY].append(one)
        sharing: dict[tuple[int, str], int] = defaultdict(int)
        for one in self.power:
            sharing[one.feeder, one.outlet] += 1
        self.shared = {key for key, devices in sharing.items() if devices > 1}
        self.gross: dict[int, Counted] = {}
        self.by_outlet: set[int] = set()
        self.left_out: list[LeftOut] = []

    def settled(self) -> Settled:
        """Settle who speaks for each device, then what is left of the feeders."""
        involved = sorted({*self.classes, *self.own, *self.feeds_of, *self.controllers})
        for device in involved:
            if not self._is_servers(device):
                self._speak(device)
        changed: dict[int, Counted | None] = dict(self.gross)
        # All of them out of what they drew as a whole, before anything is taken off.
        taken = self._taken()
        for device in involved:
            if device in self.outside:
                changed[device] = None
                if not self._is_servers(device):
                    self._undeclared(device)
            elif device in taken:
                self._left(device, taken[device], changed)
        return Settled(changed, sorted(self.left_out))

    def _is_servers(self, device: int) -> bool:
        """Whether it is a controller whose reading is that of its server."""
        return device in self.outside and device in self.declared

    def _speak(self, device: int) -> None:
        """Settle which measurement stands for a device as a whole."""
        told = self.own.get(device)
        mine = self.feeds_of.get(device, [])
        meters = [self.outlets.get((one.feeder, one.outlet)) for one in mine]
        known = [one for one in meters if one is not None and self._speaks(one)]
        alone = all(one.outlet and (one.feeder, one.outlet) not in self.shared for one in mine)
        metered = bool(mine) and alone and len(known) == len(mine)
        if metered:
            self.by_outlet.add(device)
            self.gross[device] = _together(known)
            self._leave_own(device, "outlet", mine, [one.joules for one in known])
        self._controlled(device, taken=metered or (told is not None and told.scope == "wall"))

    def _speaks(self, meter: Outlet) -> bool:
        return meter.quality in _METERS and meter.covered_seconds >= self.enough

    def _leave_own(self, device: int, why: str, through: Sequence[Feeding], weights: Sequence[int]) -> None:
        told = self.own.get(device)
        if told is None or not told.scope:
            return  # a model is no measurement: nothing was measured twice
        for one, joules in zip(through, split(told.whole, weights), strict=True):
            self._leave(one.feeder, one.outlet, device, why, joules)

    def _controlled(self, device: int, *, taken: bool) -> None:
        """Let the best of a server's controllers speak for it; what they say is left out where somebody better did."""
        told = self.own.get(device)
        some = [one for one in self.controllers.get(device, ()) if one in self.own]
        some.sort(key=lambda one: (-self.own[one].covered_seconds, one))
        for one in some:
            reading = self.own[one]
            if not taken and (reading.covered_seconds >= self.enough or told is None):
                taken = True
                self.gross[device] = Counted(reading.joules, reading.covered_seconds)
                self._leave_own(device, CONTROLLER, [Feeding(one, "", device)], [1])
            else:
                self._leave(one, "", device, CONTROLLER, reading.whole)

    def _taken(self) -> dict[int, list[tuple[Feeding, int]]]:
        """Return {feeder: what each that hangs on it takes off}."""
        found: dict[int, list[tuple[Feeding, int]]] = defaultdict(list)
        for device, mine in self.feeds_of.items():
            meters = [self.outlets.get((one.feeder, one.outlet)) for one in mine]
            known = [0 if one is None else one.joules for one in meters]
            if device in self.by_outlet:
                shares = known
            else:
                whole = self._whole(device)
                shares = split(whole, known if None not in meters else [1] * len(mine))
            for one, joules in zip(mine, shares, strict=True):
                found[one.feeder].append((one, joules))
        return found

    def _whole(self, device: int) -> int:
        if device in self.gross:
            return self.gross[device].whole
        return self.own[device].whole if device in self.own else 0

    def _left(
        self, feeder: int, taken: Sequence[tuple[Feeding, int]], changed: dict[int, Counted | None]
    ) -> None:
        """Take off a feeder what is counted where it is used."""
        told = self.own.get(feeder)
        if feeder in self.gross:
            gross = self.gross[feeder]
        elif told is not None and told.scope == "wall":
            gross = Counted(told.joules, told.covered_seconds)
        else:
            return  # it told nothing, or a counter within it that sees nothing of others
        off = min(gross.whole, sum(joules for _, joules in taken))
        names = sorted(gross.joules)
        shares = split(gross.whole - off, [gross.joules[name] for name in names])
        changed[feeder] = Counted(dict(zip(names, shares, strict=True)), gross.covered_seconds)
        for (one, _), joules in zip(taken, split(off, [joules for _, joules in taken]), strict=True):
            self._leave(feeder, one.outlet, one.fed or NOBODY, "feeder", joules)

    def _undeclared(self, device: int) -> None:
        if device in self.gross:
            self._leave(device, "", NOBODY, "undeclared", self.gross[device].whole)
        elif device in self.own:
            self._leave(device, "", NOBODY, "undeclared", self.own[device].whole)

    def _leave(self, feeder: int, outlet: str, fed: int, why: str, joules: int) -> None:
        if joules:
            self.left_out.append(LeftOut(feeder, outlet, fed, why, joules))


def split(whole: int, weights: Sequence[int]) -> list[int]:
    """Return `whole` in parts like `weights`, which add up to it exactly; even ones where all weights are nought."""
    if not any(weights):
        weights = [1] * len(weights)
    total, before, given, parts = sum(weights), 0, 0, []
    for weight in weights:
        before += weight
        parts.append(whole * before // total - given)
        given += parts[-1]
    return parts


def _together(outlets: Sequence[Outlet]) -> Counted:
    joules: dict[str, int] = defaultdict(int)
    for one in outlets:
        joules[one.quality] += one.joules
    return Counted(dict(joules), min(one.covered_seconds for one in outlets))


def _without_detours(feedings: Sequence[Feeding]) -> list[Feeding]:
    """Return the statements without "hangs on all of it" of what hangs on something there that feeds it too."""
    below: dict[int, set[int]] = defaultdict(set)
    for one in feedings:
        below[one.feeder].add(one.fed or NOBODY)
    beyond = {feeder: set[int]().union(*(_reach(below, one) for one in fed)) for feeder, fed in below.items()}
    return [one for one in feedings if one.outlet or one.fed not in beyond[one.feeder]]


def _reach(below: Mapping[int, set[int]], feeder: int) -> set[int]:
    found: set[int] = set()
    waiting = [feeder]
    while waiting:
        for fed in below.get(waiting.pop(), ()):
            if fed not in found:
                found.add(fed)
                waiting.append(fed)
    return found


def _order(one: Feeding) -> tuple[int, str, int]:
    return one.feeder, one.outlet, one.fed or NOBODY
