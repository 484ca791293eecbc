"""Energy of a device that is polled: registers and readings of power become one counter that only rises.

A register says how much energy went through since somebody reset it; it wraps, is reset, and often counts in steps
that take a small load an hour. Power says how much is drawn at the moment of a poll. Where both are there, power says
when within a step the energy went and the register how much it was: the counter follows the power and is never
further from the register than one step. With a register alone the counter is the register; with power alone it is
the power between polls (trapezia), which is marked, and a time without polls is not covered.

Pure: all times are epoch seconds given by the caller; energy is whole micro-joules, so that sums close exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

PERIOD_SECONDS = 1800
MICRO = 1_000_000
_MICROJOULES_PER_WH = 3_600 * MICRO
# What a register may have counted of which no power was ever read: a three-phase rack unit of 63 A at 415 V gives
# 45 kW, and what is larger (a UPS of hundreds of kilowatts) tells its power beside its register.
_MOST_WATTS_ALONE = 50_000.0
_OVERLOAD_FACTOR = 1.5  # what a device may carry for a while beyond what it says that it is made for
# A register may have gone on by this factor of the highest power seen around it before it is taken for nonsense: power
# is read at moments, and peaks fall between them.
_PEAK_FACTOR = 3.0
_FORGOTTEN_SECONDS = 86_400.0  # a register that was silent so long is no longer waited for
# A register may show up to so many of its steps less than it did: rounding, or a card that reads two sources in turn.
_BACK_STEPS = 3
_RESET_RATIO = 0.5  # of what a register said before, below which a fall is taken for somebody's reset
_LEAST_WATTS = (
    2_000.0  # what a register may always have counted, whatever power was read: most circuits carry that
)
# A clock that is set back by less is waited for; by more it was wrong before, and counting begins anew from now.
CLOCK_BACK_SECONDS = 3_600.0

How = Literal["register", "integrated", "both"]
Event = Literal["first", "wrap", "reset", "implausible", "undone", "gap", "backwards"]


@dataclass(frozen=True, slots=True)
class Look:
    """What one poll found: a register in watt-hours, power in watts; None where there is none.

    `step_watt_hours` is the smallest difference the register can show, `wraps_at_watt_hours` where it begins anew,
    `rated_watts` what the device says that it is made for.
    """

    at: float
    watt_hours: float | None = None
    watts: float | None = None
    step_watt_hours: float = 1.0
    wraps_at_watt_hours: float | None = None
    rated_watts: float | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """The energy of one settlement period that is over; `joules` is the difference of floored counters."""

    start: int
    joules: int
    counter_end_joules: int
    covered_seconds: int
    how: How


@dataclass(frozen=True, slots=True)
class Counter:
    """What is remembered between two polls; `as_json` and `from_json` keep it.

    `microjoules` is the counter; `integrated` and `registered` what power and register each counted since the register
    was last anchored; `watt_hours` what the register said when it was last read; `period` the counter at the start of
    the open settlement period, `covered` its seconds so far and `how` the weakest way they are known. `peak_watts` is
    the highest power that was ever read. After a reset or a jump `former_watt_hours`, `former_read_at` and
    `former_microjoules` are register, time and counter as they were before it, until the register goes on from there.
    `unproved_microjoules` is what a register without power beside it said after a reset: it counts only then.
    """

    at: float
    microjoules: int = 0
    anchored: int = 0
    integrated: int = 0
    registered: int = 0
    watt_hours: float | None = None
    read_at: float | None = None
    watts: float | None = None
    period: int = 0
    covered: float = 0.0
    how: How | None = None
    peak_watts: float | None = None
    former_watt_hours: float | None = None
    former_read_at: float | None = None
    former_microjoules: int = 0
    unproved_microjoules: int = 0

    def as_json(self) -> dict[str, float | int | str | None]:
        """Return what JSON can keep."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, kept: dict[str, object]) -> Counter:
        """Return what `as_json` gave; TypeError where it is something else."""
        return cls(**kept)  # type: ignore[arg-type] # as kept; a wrong name or a missing one raises


@dataclass(frozen=True, slots=True)
class Settled:
    """One poll settled: the counter as it is now, the settlement periods that ended, and what was odd."""

    counter: Counter
    closed: tuple[Closed, ...] = ()
    events: tuple[Event, ...] = field(default=())


def settle(counter: Counter | None, look: Look, *, longest_gap_seconds: float = 900.0) -> Settled:
    """Return what follows from the next poll.

    Power is taken as running in a line between two polls at most `longest_gap_seconds` apart; over a longer time only
    a register says anything. A poll that is not later than the one before changes nothing, but where the clock was
    far ahead then: the counter stands and goes on from this poll.
    """
    if counter is None:
        return Settled(_first(look), events=("first",))
    if counter.at - look.at > CLOCK_BACK_SECONDS:
        counted = counter.microjoules
        return Settled(
            replace(_first(look), microjoules=counted, anchored=counted, period=counted),
            events=("backwards",),
        )
    if look.at <= counter.at:
        return Settled(counter, events=("backwards",))
    look = _steadied(counter, look)
    integrated = _integrated(counter, look, longest_gap_seconds)
    registered, event = _registered(counter, look, alone=integrated is None)
    counter = _with_former(counter, look, event, awaited=registered is not None)
    events = () if event is None else (event,)
    if registered is None:
        return _without_register(counter, look, integrated, events)
    if integrated is None:
        target = counter.anchored + counter.registered + registered
        return _moved(counter, look, max(counter.microjoules, target), "register", events)
    all_registered = counter.registered + registered
    step = round(look.step_watt_hours * _MICROJOULES_PER_WH)
    held = min(max(counter.integrated + integrated, all_registered - step), all_registered + step)
    target = max(counter.microjoules, counter.anchored + held)
    moved = _moved(counter, look, target, "both", events, anchor=False)
    # Power counts on from where the register held it to: an old mistake of the one is not carried for ever.
    return replace(moved, counter=replace(moved.counter, integrated=held, registered=all_registered))


def _without_register(
    counter: Counter, look: Look, integrated: int | None, events: tuple[Event, ...]
) -> Settled:
    """Settle a poll of which the register says nothing: by power, or as a gap."""
    # One that was silent once says later what went through meanwhile: nothing is settled about it before.
    silent = look.watt_hours is None and counter.watt_hours is not None
    if integrated is None:
        if silent and look.at - counter.at < _FORGOTTEN_SECONDS:
            return Settled(counter, events=("gap",))
        return _moved(counter, look, counter.microjoules, None, (*events, "gap"))
    target = counter.microjoules + integrated
    if not silent:
        return _moved(counter, look, target, "integrated", events)
    moved = _moved(counter, look, target, "both", events, anchor=False)
    return replace(moved, counter=replace(moved.counter, integrated=counter.integrated + integrated))


def _first(look: Look) -> Counter:
    read_at = None if look.watt_hours is None else look.at
    return Counter(
        at=look.at, watt_hours=look.watt_hours, read_at=read_at, watts=look.watts, peak_watts=look.watts
    )


def _with_former(counter: Counter, look: Look, event: Event | None, *, awaited: bool) -> Counter:
    """Return the counter with what it was before a reset or a jump, for as long as that may prove a bad reading.

    `awaited`: what the register says after a reset is kept too, and counts once it goes on from there.
    """
    if look.watt_hours is None:
        return counter
    if event in {"reset", "implausible"}:
        if event == "reset":
            unproved = round(look.watt_hours * _MICROJOULES_PER_WH) if awaited else 0
            counter = replace(counter, unproved_microjoules=unproved)
        if _former_holds(counter, look):
            return counter
        return replace(
            counter,
            former_watt_hours=counter.watt_hours,
            former_read_at=counter.read_at,
            former_microjoules=counter.microjoules,
        )
    if event is None and look.watt_hours == counter.watt_hours and _former_holds(counter, look):
        return counter  # it stands where it fell or jumped to, which says nothing yet
    settled = replace(
        counter, former_watt_hours=None, former_read_at=None, former_microjoules=0, unproved_microjoules=0
    )
    if event == "undone":  # counted from the counter as it is, not from where the bad reading anchored it
        return replace(settled, anchored=counter.microjoules, integrated=0, registered=0)
    return settled


def _former_holds(counter: Counter, look: Look) -> bool:
    return counter.former_read_at is not None and look.at - counter.former_read_at < _FORGOTTEN_SECONDS


def _undone(counter: Counter, look: Look) -> int | None:
    """Return what went through since a reading that a reset or jump followed, less what was counted meanwhile.

    None where the register is not back at it: then the reset or jump was one. A register that falls to nought and is
    back at the next poll was misread; taken for a reset it would count all it ever did once more.
    """
    if look.watt_hours is None or counter.former_watt_hours is None or not _former_holds(counter, look):
        return None
    if look.watt_hours == counter.watt_hours:
        return None  # it has not moved since
    gained = look.watt_hours - counter.former_watt_hours
    if not 0 <= gained <= _most_watt_hours(counter, look, counter.former_read_at):
        return None
    return max(0, round(gained * _MICROJOULES_PER_WH) - (counter.microjoules - counter.former_microjoules))


def _moved(
    counter: Counter,
    look: Look,
    target: int,
    how: How | None,
    events: tuple[Event, ...],
    *,
    anchor: bool = True,
) -> Settled:
    """Return the counter moved to `target`; with `anchor` register and power count from there, `how` None: not covered."""
    closed, moved = _advance(counter, look, target, how)
    if anchor:
        moved = replace(moved, anchored=moved.microjoules, integrated=0, registered=0)
    return Settled(moved, closed, events)


def _integrated(counter: Counter, look: Look, longest: float) -> int | None:
    """Return what power says went through since the last poll, None where it says nothing."""
    seconds = look.at - counter.at
    if counter.watts is None or look.watts is None or seconds > longest:
        return None
    return round((counter.watts + look.watts) / 2 * seconds * MICRO)


def _registered(counter: Counter, look: Look, *, alone: bool) -> tuple[int | None, Event | None]:
    """Return what went through by the register since the last poll, and what was odd about it."""
    undone = _undone(counter, look)
    if undone is not None:
        return undone, "undone"
    gained, event = _gained(counter, look, alone=alone)
    if gained and event is None:  # it goes on from where it fell to, so it was reset
        gained += counter.unproved_microjoules
    return gained, event


def _steadied(counter: Counter, look: Look) -> Look:
    """Return the look with what the register said before, where it says a few steps less: that is no reset."""
    if look.watt_hours is None or counter.watt_hours is None:
        return look
    back = counter.watt_hours - look.watt_hours
    # Half a step more: what devices tell in tenths does not come out even in binary.
    held = 0 < back <= (_BACK_STEPS + 0.5) * look.step_watt_hours
    return replace(look, watt_hours=counter.watt_hours) if held else look


def _gained(counter: Counter, look: Look, *, alone: bool) -> tuple[int | None, Event | None]:
    """Return what the register says went through since it was last read, and what was odd about it.

    `alone`: power says nothing of the time, so that what a register counted since its reset is the best there is. It
    counts when the register goes on from there, not at once: one that was misread comes back.
    """
    if look.watt_hours is None or counter.watt_hours is None:
        return None, None
    gained = look.watt_hours - counter.watt_hours
    most = _most_watt_hours(counter, look, counter.read_at)
    if 0 <= gained <= most:
        return round(gained * _MICROJOULES_PER_WH), None
    if gained > most:
        return None, "implausible"
    if look.wraps_at_watt_hours is not None and 0 <= gained + look.wraps_at_watt_hours <= most:
        return round((gained + look.wraps_at_watt_hours) * _MICROJOULES_PER_WH), "wrap"
    # Reset: what it counted before, nobody knows; what it counted since is at least what it says.
    if alone and 0 <= look.watt_hours <= min(most, _RESET_RATIO * counter.watt_hours):
        return 0, "reset"
    return None, "reset"


def _most_watt_hours(counter: Counter, look: Look, since: float | None) -> float:
    """Return the most a register can have gone on by since it was read at `since`."""
    known = [watts for watts in (counter.watts, look.watts) if watts is not None]
    if not known and counter.peak_watts is not None:
        known = [counter.peak_watts]  # power is silent now; what it was is a better bound than none
    watts = max(_LEAST_WATTS, _PEAK_FACTOR * max(known)) if known else _MOST_WATTS_ALONE
    if not known and look.rated_watts is not None:
        watts = max(_LEAST_WATTS, _OVERLOAD_FACTOR * look.rated_watts)
    begun = counter.at if since is None else since
    return watts * (look.at - begun) / 3600 + 2 * look.step_watt_hours


def _advance(
    counter: Counter, look: Look, target: int, how: How | None
) -> tuple[tuple[Closed, ...], Counter]:
    """Move the counter to `target` at the time of the poll, and close the settlement periods that ended meanwhile.

    `how` None: nothing is known of the time, which is not covered.
    """
    closed = []
    weakest = _weaker(counter.how, how)
    begun, at, before = counter.microjoules, counter.at, counter.period
    so_far, gained, lasted = counter.covered, target - counter.microjoules, look.at - counter.at
    start = math.floor(counter.at / PERIOD_SECONDS) * PERIOD_SECONDS
    while start + PERIOD_SECONDS <= look.at:
        end = start + PERIOD_SECONDS
        value = begun + round(gained * (end - counter.at) / lasted)
        so_far += 0.0 if how is None else end - at
        if so_far > 0:
            joules = value // MICRO - before // MICRO
            whole = round(min(so_far, PERIOD_SECONDS))
            closed.append(Closed(start, joules, value // MICRO, whole, weakest or "register"))
        start, at, before, so_far, weakest = end, end, value, 0.0, how
    so_far += 0.0 if how is None else look.at - at
    moved = replace(
        counter,
        at=look.at,
        microjoules=target,
        # A register that did not answer once is remembered: its next word covers the time.
        watt_hours=counter.watt_hours if look.watt_hours is None else look.watt_hours,
        read_at=counter.read_at if look.watt_hours is None else look.at,
        watts=look.watts,
        peak_watts=max((one for one in (counter.peak_watts, look.watts) if one is not None), default=None),
        period=before,
        covered=so_far,
        how=weakest,
    )
    if counter.watt_hours is not None and look.watt_hours is None and how in {None, "integrated"}:
        moved = replace(moved, watt_hours=None, read_at=None)  # forgotten: it was silent for too long
    return tuple(closed), moved


def _weaker(one: How | None, other: How | None) -> How | None:
    """Return the weaker of two ways a period's energy is known."""
    known = [how for how in (one, other) if how is not None]
    return min(known, key=("integrated", "both", "register").index, default=None)
