"""From what instruments say to counters that never lose or invent energy: pure, no clock and no storage.

Each scope has one 64-bit counter of whole micro-joules. Between two looks at an instrument exactly one of these
happens, and only the first adds anything:

* it counted on, or wrapped once: the step is believed if the instrument's device could have drawn that much;
* it was reset: the step back or forward is impossible, so nothing is known of the time between;
* the device was suspended: some instruments stop, some start again, and nobody can tell which, so nothing is known;
* it could not be read: the base stays, and the next step covers both stretches;
* another source was chosen, or so much time passed that it may have wrapped twice: nothing is known.

Time of which nothing is known is not covered: it shows as missing seconds, never as zero energy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from roadworthy_agent.reading import BatteryFlow, Meter, PowerReading, Quality, Register
from roadworthy_agent.report import BatteryUse, Energy

MICRO = 1_000_000
BATTERY = "battery"  # kept like a scope, sent as evidence beside them
# A level (watts) tells nothing of the time between looks further apart than two samples of a minute.
LONGEST_LEVEL_SECONDS = 120.0
LONGEST_COUNTER_SECONDS = 3600.0
SUSPENDED_SECONDS = 1.0  # less is the time between reading two clocks
SLACK_SECONDS = 0.5  # the instrument and the clock are not read at the same instant
MOST_WATTS = (
    1000.0  # for a register that does not say: no one package, module or machine of a desk draws more
)


class Step(StrEnum):
    """What became of the time between two looks at a scope."""

    COUNTED = "counted"
    FIRST = "first"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    SUSPENDED = "suspended"
    RESET = "reset"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Moment:
    """When a look was: the boot, seconds of its boot clock, and seconds awake (the monotonic clock)."""

    boot: int
    boottime: float
    monotonic: float


@dataclass(frozen=True, slots=True)
class Added:
    """Energy drawn over [begin, end) of the boot clock.

    `beside_microjoules` belongs to the batteries only: what scope cpu drew over the same time, None if not known.
    """

    scope: str
    begin: float
    end: float
    microjoules: int
    source: str
    quality: Quality = Quality.SENSOR
    relative_error: float | None = None
    beside_microjoules: int | None = None


class Accumulator:
    """Remembers each scope's last look. One per agent run; a restart begins with first looks."""

    def __init__(self) -> None:
        self._meters: dict[str, tuple[Meter, Moment]] = {}
        self._battery: tuple[BatteryFlow, Moment] | None = None
        self.steps: Counter[tuple[str, Step]] = Counter()

    def forget(self) -> None:
        """Forget the last looks: nobody watched for a while."""
        self._meters.clear()
        self._battery = None

    def look(self, reading: PowerReading | None, at: Moment) -> list[Added]:
        """Take what the instruments say at `at`; return what was drawn since their last looks.

        None: the instruments could not be asked this time; what they counted meanwhile comes with the next look.
        """
        if reading is None:
            return []
        found = [added for meter in reading.meters if (added := self._meter(meter, at)) is not None]
        present = {str(meter.scope) for meter in reading.meters}
        for scope in self._meters.keys() - present:  # a battery that is not discharging is no meter
            del self._meters[scope]
        if (battery := self._flow(reading.battery, at, found)) is not None:
            found.append(battery)
        return found

    def _meter(self, meter: Meter, at: Moment) -> Added | None:
        scope = str(meter.scope)
        base = self._meters.get(scope)
        if any(register.microjoules is None and register.watts is None for register in meter.registers):
            self.steps[scope, Step.UNREADABLE] += 1
            return None
        self._meters[scope] = (meter, at)
        step, microjoules = (Step.FIRST, 0) if base is None else _between(base, meter, at)
        self.steps[scope, step] += 1
        if base is None or step is not Step.COUNTED:
            return None
        return Added(
            scope,
            base[1].boottime,
            at.boottime,
            microjoules,
            meter.source,
            meter.quality,
            meter.relative_error,
        )

    def _flow(self, flow: BatteryFlow | None, at: Moment, found: list[Added]) -> Added | None:
        base, self._battery = self._battery, None if flow is None else (flow, at)
        if base is None or flow is None or not (base[0].discharging and flow.discharging):
            return None
        before, began = base
        elapsed = _awake(began, at)
        if before.watts is None or flow.watts is None or elapsed is None or elapsed > LONGEST_LEVEL_SECONDS:
            return None
        cpu = next(
            (one.microjoules for one in found if one.scope == "cpu" and one.begin == began.boottime), None
        )
        return Added(
            BATTERY,
            began.boottime,
            at.boottime,
            round((before.watts + flow.watts) / 2 * elapsed * MICRO),
            flow.source,
            beside_microjoules=cpu,
        )


def _between(base: tuple[Meter, Moment], meter: Meter, at: Moment) -> tuple[Step, int]:
    """Return what happened between two looks at one scope, and the micro-joules of it."""
    before, began = base
    keys = [register.key for register in meter.registers]
    if before.source != meter.source or [register.key for register in before.registers] != keys:
        return Step.CHANGED, 0
    elapsed = _awake(began, at)
    if elapsed is None:
        return Step.SUSPENDED, 0
    if elapsed > LONGEST_COUNTER_SECONDS or elapsed <= 0:
        return Step.LATE, 0
    total = 0
    for old, new in zip(before.registers, meter.registers, strict=True):
        step, microjoules = advance(old, new, elapsed)
        if step is not Step.COUNTED:
            return step, 0
        total += microjoules
    return Step.COUNTED, total


def _awake(began: Moment, at: Moment) -> float | None:
    """Return the seconds between two moments, None where the device slept between them or another boot began."""
    elapsed, awake = at.boottime - began.boottime, at.monotonic - began.monotonic
    if at.boot != began.boot or elapsed - awake >= SUSPENDED_SECONDS:
        return None
    return elapsed


def advance(before: Register, after: Register, elapsed: float) -> tuple[Step, int]:
    """Return what one register did over `elapsed` seconds awake, and the micro-joules it stands for.

    Both looks gave a value. A level counts as the mean of its two ends.
    """
    most = MOST_WATTS if after.most_watts is None else after.most_watts
    if after.microjoules is None or before.microjoules is None:
        if after.watts is None or before.watts is None or elapsed > LONGEST_LEVEL_SECONDS:
            return Step.LATE, 0
        return Step.COUNTED, round((before.watts + after.watts) / 2 * elapsed * MICRO)
    possible = most * (elapsed + SLACK_SECONDS) * MICRO
    modulus = after.wraps_at_microjoules
    if modulus is not None and possible >= modulus:
        return Step.LATE, 0  # it may have gone round more than once
    step = after.microjoules - before.microjoules
    if step < 0 and modulus is not None and before.microjoules < modulus:
        step += modulus
    return (Step.COUNTED, step) if 0 <= step <= possible else (Step.RESET, 0)


# Periods


@dataclass(frozen=True, slots=True)
class Piece:
    """What one scope's counter did over [begin, end), epoch seconds: from `counter_begin` to `counter_end`, micro-joules."""

    scope: str
    begin: float
    end: float
    counter_begin: int
    counter_end: int
    source: str
    quality: str = "sensor"
    relative_error: float | None = None
    beside: int | None = None

    def until(self, moment: float) -> Piece:
        """Return the part before `moment`; both parts together are the whole, to the micro-joule."""
        if moment >= self.end:
            return self
        share = (moment - self.begin) / (self.end - self.begin)
        counter = self.counter_begin + _share(self.counter_end - self.counter_begin, share)
        beside = None if self.beside is None else _share(self.beside, share)
        return replace(self, end=moment, counter_end=counter, beside=beside)

    def since(self, moment: float) -> Piece:
        """Return the part from `moment` on."""
        if moment <= self.begin:
            return self
        head = self.until(moment)
        beside = None if self.beside is None or head.beside is None else self.beside - head.beside
        return replace(self, begin=moment, counter_begin=head.counter_end, beside=beside)


def _share(whole: int, share: float) -> int:
    return min(whole, math.floor(whole * share))


def within(pieces: Iterable[Piece], begin: float, end: float) -> list[Piece]:
    """Return the parts of pieces that lie in [begin, end), oldest first."""
    inside = (
        piece.since(begin).until(end)
        for piece in pieces
        if piece.begin < end and piece.end > begin and piece.begin < piece.end
    )
    return sorted(inside, key=lambda piece: (piece.scope, piece.begin))


def energies(
    pieces: Iterable[Piece], settled: Mapping[str, int], *, latest: bool = False
) -> tuple[tuple[Energy, ...], BatteryUse | None, dict[str, int]]:
    """Return the energy of each scope in a period, the batteries' part, and the counters settled thereby.

    `pieces` lie within the period. `settled` is each counter, in micro-joules, up to which joules were told
    before: joules are differences of floored counters, so all periods together are the counter, exactly.
    `latest` adds the mean power of the latest piece.
    """
    by_scope: dict[str, list[Piece]] = {}
    for piece in pieces:
        by_scope.setdefault(piece.scope, []).append(piece)
    told: list[Energy] = []
    battery = None
    ends: dict[str, int] = {}
    for scope, own in sorted(by_scope.items()):
        last = own[-1]
        ends[scope] = last.counter_end
        joules = max(0, last.counter_end // MICRO - settled.get(scope, own[0].counter_begin) // MICRO)
        covered = round(math.fsum(piece.end - piece.begin for piece in own))
        if scope == BATTERY:
            beside = [piece.beside for piece in own if piece.beside is not None]
            cpu = sum(beside) // MICRO if len(beside) == len(own) else None
            battery = BatteryUse(joules, covered, last.source, cpu)
            continue
        watts = (last.counter_end - last.counter_begin) / MICRO / (last.end - last.begin) if latest else None
        told.append(
            Energy(
                scope,
                joules,
                last.counter_end // MICRO,
                last.quality,
                "; ".join(dict.fromkeys(piece.source for piece in own))[:128],
                covered,
                last.relative_error,
                None if watts is None else round(watts, 2),
            )
        )
    return tuple(told), battery, ends
