"""What slowed a start-up or the shutdown before it: events 101 to 110 and 201 to 203; pure.

Each belongs to one event 100 (or 200): they share the activity, and their StartTime is its BootStartTime. TotalTime
and DegradationTime are two figures of Windows of which neither bounds the other (a published one has 5.1 s and 5.9 s).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from roadworthy_agent.probes.startup import windows_names as names
from roadworthy_agent.probes.startup.windows_log import (
    DEGRADATIONS,
    DIAGNOSTICS,
    SHUTDOWN_DEGRADATIONS,
    Log,
)
from roadworthy_agent.probes.startup.windows_performance import milliseconds
from roadworthy_agent.report import Factor
from roadworthy_agent.windows.event import TICKS, Event

SLOWEST = 20
DISK_CHECK = "disk check"
SAME_START = TICKS // 1000  # the instants are equal; a millisecond for what was rounded


PROGRAMS, DEVICES = frozenset({101, 201}), frozenset({109, 202})
# Events whose Name is a sentence in the machine's language: they are named by what their number means.
FIXED = {
    105: ("component", "foreground optimisation"),
    106: ("component", "background optimisation"),
    107: ("policy", "machine policy"),
    108: ("policy", "user policy"),
    110: ("component", "session manager"),
}


def of_start(log: Log, main: Event, private: Collection[str], *, allowed: bool) -> tuple[Factor, ...]:
    """Return what slowed the start-up of an event 100: its own events, and a check of the disk; the longest first."""
    found = _factors(log, main, DEGRADATIONS, "BootStartTime", private, allowed=allowed)
    checked = milliseconds(main, "BootAutoChkTime")
    return found if not checked else longest([*found, Factor("component", DISK_CHECK, checked / 1000)])


def of_shutdown(log: Log, main: Event, private: Collection[str], *, allowed: bool) -> tuple[Factor, ...]:
    """Return what slowed the shutdown of an event 200, the longest first."""
    return _factors(log, main, SHUTDOWN_DEGRADATIONS, "ShutdownStartTime", private, allowed=allowed)


def _factors(
    log: Log, main: Event, ids: Collection[int], start: str, private: Collection[str], *, allowed: bool
) -> tuple[Factor, ...]:
    events = (event for event in log.of(DIAGNOSTICS, *ids) if _belongs(event, main, start))
    found = (parse_factor(event, private, allowed=allowed) for event in events)
    return longest(factor for factor in found if factor is not None)


def longest(factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """Return factors once each, the longest first; of several of one name (a category) the longest stands for them."""
    found: dict[tuple[str, str], Factor] = {}
    for factor in factors:
        held = found.get((factor.kind, factor.name))
        if held is None or _weight(factor) > _weight(held):
            found[factor.kind, factor.name] = factor
    return tuple(
        sorted(found.values(), key=lambda each: (*(-part for part in _weight(each)), each.kind, each.name))
    )[:SLOWEST]


def parse_factor(event: Event, private: Collection[str], *, allowed: bool) -> Factor | None:
    """Return what one event blames, None where it names nothing or gives no time."""
    total, degradation = milliseconds(event, "TotalTime"), milliseconds(event, "DegradationTime")
    named = _name(event, private, allowed=allowed)
    if named is None or (total is None and degradation is None):
        return None
    return Factor(
        kind=named[0],
        name=named[1],
        seconds=None if total is None else total / 1000,
        degradation_seconds=None if degradation is None else degradation / 1000,
    )


def _name(event: Event, private: Collection[str], *, allowed: bool) -> tuple[str, str] | None:
    if event.id in FIXED:
        return FIXED[event.id]
    name, path = event.text("Name") or "", event.text("Path") or ""
    if not name and not path:
        return None
    if event.id in DEVICES:
        return "device" if event.id == 109 else "shutdown", names.of_device(name, private)
    kinds = {102: "driver", 103: "service", 104: "component"}
    if event.id in kinds:
        return kinds[event.id], names.of_service(name or path, private)
    if event.id == 203:  # a service that was slow to stop
        return "shutdown", names.of_service(name or path, private)
    kind, shown = names.of_program(name, path, private, allowed=allowed)
    return ("shutdown" if event.id == 201 else kind), shown


def _belongs(event: Event, main: Event, start: str) -> bool:
    """Tell whether a degradation is one of this start-up or shutdown."""
    began, at = event.instant("StartTime"), main.instant(start)
    if began is not None and at is not None:
        return abs(began - at) <= SAME_START
    return event.activity_id is not None and event.activity_id == main.activity_id


def _weight(factor: Factor) -> tuple[float, float]:
    return (factor.seconds or 0.0, factor.degradation_seconds or 0.0)
