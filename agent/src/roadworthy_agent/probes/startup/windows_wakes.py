"""Start-ups without a new kernel: resume from sleep, from hibernation, and Fast Startup; pure.

Fast Startup is a hibernated kernel: on Windows 11 a power-on then leaves no Kernel-General 12, no Kernel-Boot 27 and
no event 100. What it does leave is Power-Troubleshooter 1, with the instants of sleep and wake and the parts of the
way back. Kernel-Power 107 carries the time of before the clock was put right (it was seen two minutes early), so its
own time is used only where nothing better exists.
Modern Standby (Kernel-Power 506, 507) is no start-up here: the screen of a device that goes on running is back in
a fraction of a second, and a record for each time would tell when somebody comes and goes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from roadworthy_agent.probes.startup.firmware import APPROXIMATE, MEASURED, SUSPECT, believe
from roadworthy_agent.probes.startup.windows_kind import HYBRID, Boot
from roadworthy_agent.probes.startup.windows_log import (
    KERNEL_BOOT,
    KERNEL_POWER,
    POWER_TROUBLESHOOTER,
    USER32,
    Log,
    newest,
)
from roadworthy_agent.probes.startup.windows_performance import milliseconds
from roadworthy_agent.report import Phase
from roadworthy_agent.windows.event import TICKS, Event, seconds

MOST_WAKES = 8
EVENT_1 = "Power-Troubleshooter event 1"
EVENT_107 = "Kernel-Power event 107"
WRITTEN_WITHIN = 300 * TICKS  # Power-Troubleshooter 1 follows the wake within seconds
ENTRY = 600 * TICKS  # Kernel-Power 42 is written at most minutes before the device sleeps
SHUT_DOWN = 300 * TICKS  # a Fast Startup shutdown logs who asked for it just before
# SYSTEM_POWER_STATE of the Windows driver kit: 2 to 4 are S1 to S3, 5 hibernation, 6 shutdown
HIBERNATE, SHUTDOWN = 5, 6


@dataclass(frozen=True, slots=True)
class Wake:
    """One return from sleep; instants in 100 ns since 1970. `slept` is when it went to sleep, None if unknown."""

    slept: int | None
    woken: int
    kind: str
    quality: str
    source: str
    phases: tuple[Phase, ...]
    key: int

    def start_id(self, boot: Boot) -> str:
        """Return the boot's name and one for the sleep before this wake, the same at each look."""
        name = hashlib.sha256(f"{boot.start_id} {self.key}".encode()).hexdigest()[:8]
        return f"{boot.start_id}:{name}"


def find_wakes(log: Log, boot: Boot, now: int) -> list[Wake]:
    """Return the newest wakes of the running kernel, oldest first; `now` is in 100 ns since 1970.

    A Kernel-Power 107 alone is taken only when the event that tells more has had time to come.
    """
    told = [_told(log, event) for event in log.of(POWER_TROUBLESHOOTER, 1)]
    wakes = [wake for wake in told if wake is not None and wake.woken > boot.started]
    for event in log.of(KERNEL_POWER, 107):
        known = any(_covers(wake, event.ticks) for wake in wakes)
        if not known and event.ticks > boot.started and now - event.ticks > WRITTEN_WITHIN:
            wakes.append(_bare(log, event))
    for event in log.of(KERNEL_BOOT, 27):
        kind = HYBRID.get(event.number("BootType") or 0)
        known = any(_covers(wake, event.ticks) for wake in wakes)
        if kind and not known and event.ticks > boot.started and now - event.ticks > WRITTEN_WITHIN:
            wakes.append(Wake(None, event.ticks, kind, APPROXIMATE, "Kernel-Boot event 27", (), event.ticks))
    return sorted(wakes, key=lambda wake: (wake.woken, wake.key))[-MOST_WAKES:]


def _told(log: Log, event: Event) -> Wake | None:
    """Return the wake that a Power-Troubleshooter 1 tells of."""
    slept, woken = event.instant("SleepTime"), event.instant("WakeTime")
    if woken is None:
        return None
    if slept is not None and slept > woken:  # the clock was set in between
        slept = None
    entry = None if slept is None else _entry(log, slept)
    found = phases(event, None if slept is None else seconds(woken - slept))
    doubted = any(phase.quality == SUSPECT for phase in found)
    return Wake(
        slept=slept,
        woken=woken,
        kind=_kind(log, event, slept, woken),
        quality=SUSPECT if doubted else MEASURED if any(phase.counted for phase in found) else APPROXIMATE,
        source=EVENT_1,
        phases=found,
        key=entry.ticks if entry is not None else slept if slept is not None else woken,
    )


def phases(event: Event, asleep: float | None) -> tuple[Phase, ...]:
    """Return the way back in order: firmware, the memory read from disk, and Windows itself.

    The drivers' part lies within the last and is shown beside it. `asleep` bounds the firmware's part.
    """
    found = []
    firmware = milliseconds(event, "BiosInitDuration")
    if firmware:
        verdict = believe(firmware / 1000, asleep)
        found.append(
            Phase("firmware", firmware / 1000, verdict.counted, verdict.quality, EVENT_1, verdict.reason)
        )
    for name, field, counted in (
        ("hibernation_read", "HiberReadDuration", True),
        ("resume", "WakeDuration", True),
        ("resume_drivers", "DriverInitDuration", False),
    ):
        if span := milliseconds(event, field):
            reason = None if counted else "part of resume"
            found.append(Phase(name, span / 1000, counted, MEASURED, EVENT_1, reason))
    return tuple(found)


def _bare(log: Log, event: Event) -> Wake:
    """Return a wake of which only Kernel-Power 107 tells: that there was one, about when, and from what."""
    entry = _entry(log, event.ticks)
    return Wake(
        slept=None if entry is None else entry.ticks,
        woken=event.ticks,
        kind=_kind(log, event, None if entry is None else entry.ticks, event.ticks),
        quality=APPROXIMATE,
        source=EVENT_107,
        phases=(),
        key=event.ticks if entry is None else entry.ticks,
    )


def _entry(log: Log, slept: int) -> Event | None:
    """Return the Kernel-Power 42 with which the device went to sleep at about that moment."""
    return newest(log.of(KERNEL_POWER, 42), lambda event: slept - ENTRY <= event.ticks <= slept + 30 * TICKS)


def _kind(log: Log, event: Event, slept: int | None, woken: int) -> str:
    """Return what a device came back from: what Kernel-Boot 27 says, else the state it went to."""
    since = woken - WRITTEN_WITHIN if slept is None else slept
    mark = newest(
        log.of(KERNEL_BOOT, 27),
        lambda each: each.number("BootType") in HYBRID and since <= each.ticks <= woken + WRITTEN_WITHIN,
    )
    if mark is not None:
        return HYBRID[mark.number("BootType") or 0]
    states = [event.number("TargetState"), event.number("EffectiveState")]
    if slept is not None and (entry := _entry(log, slept)) is not None:
        states += [entry.number("TargetState"), entry.number("EffectiveState")]
    if SHUTDOWN in states:
        return "fast_startup"
    if HIBERNATE in states or milliseconds(event, "HiberReadDuration"):
        return "fast_startup" if slept is not None and _shut_down(log, slept) else "hibernate"
    return "resume"


def _shut_down(log: Log, slept: int) -> bool:
    """Tell whether somebody asked for a shutdown just before: then hibernating was how it was done."""
    return any(slept - SHUT_DOWN <= event.ticks <= slept + 30 * TICKS for event in log.of(USER32, 1074))


def _covers(wake: Wake, ticks: int) -> bool:
    """Tell whether an event belongs to a wake: its time may be that of before the clock was put right."""
    since = wake.woken - WRITTEN_WITHIN if wake.slept is None else wake.slept - 30 * TICKS
    return since <= ticks <= wake.woken + WRITTEN_WITHIN
