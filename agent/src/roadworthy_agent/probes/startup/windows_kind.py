"""Which start-up the running kernel came from, and of what kind; pure.

Kernel-General 12 and Kernel-Boot 27 mark a kernel's start. Record numbers do not tell their order: what the kernel
has to say is written once the event log service runs. Of the events before the start only numbers are read, as
their texts are in the machine's language.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from roadworthy_agent.probes.startup.windows_log import (
    EVENT_LOG,
    KERNEL_BOOT,
    KERNEL_GENERAL,
    KERNEL_POWER,
    USER32,
    Log,
    nearest,
    newest,
)
from roadworthy_agent.probes.startup.windows_performance import Timing
from roadworthy_agent.windows.event import TICKS, Event, parse_number, seconds

TOGETHER = 5 * TICKS  # the marks of one kernel start lie within a second of each other
SAME_BOOT = 120 * TICKS  # Kernel-Boot's other events follow its marks
CORRELATION = 1 * TICKS  # event 100's BootStartTime lay 28 to 31 ms from Kernel-Boot 27 in twelve starts
REPORTED_WITHIN = (
    900 * TICKS
)  # Kernel-Power 41 and EventLog 6008 tell of the last shutdown soon after the start
AROUND_INSTALLATION = 3600  # seconds
HYBRID = {1: "fast_startup", 2: "hibernate"}  # Kernel-Boot 27, BootType

# POWER_ACTION of the Windows driver kit: what a Kernel-Power 109 was going to do
ACTIONS = {4: "cold", 5: "restart", 6: "cold"}
# User32 1074 says in the machine's language what it was going to do; English is read where no 109 tells.
WORDS = {"restart": "restart", "power off": "cold", "shutdown": "cold", "shut down": "cold"}
# Reason codes (winuser.h, reason.h): major "operating system" with a minor that installs or removes an update
OPERATING_SYSTEM = 0x0002_0000
UPDATE_MINORS = frozenset({0x03, 0x10, 0x11, 0x12, 0x16, 0x17, 0x18})


@dataclass(frozen=True, slots=True)
class Boot:
    """The start of the running kernel, in 100 ns since 1970; `before` is the start of the kernel before it."""

    started: int
    marked: int  # when its marks were created, some tenths of a second later
    before: int | None
    number: int | None  # LastBootId or SystemBootInstance: counts starts

    @property
    def start_id(self) -> str:
        """A name that is the same at each look: what it is made of was written at the start and never changes."""
        number = "" if self.number is None else str(self.number)
        return hashlib.sha256(f"windows start-up {self.started} {number}".encode()).hexdigest()[:32]


def find_boot(log: Log, timings: list[Timing]) -> Boot | None:
    """Return the newest start of a kernel, None where nothing in the logs tells of one."""
    starts = [event for event in log.of(KERNEL_GENERAL, 12) if _hybrid(log, event.ticks) is None]
    if not starts:
        starts = [event for event in log.of(KERNEL_BOOT, 27) if event.number("BootType") == 0]
    if starts:
        ordered = sorted(starts, key=_written)
        mark = ordered[-1]
        earlier = ordered[-2] if len(ordered) > 1 else None
        counted = of_start(log.of(KERNEL_BOOT, 20), mark.ticks)
        return Boot(
            started=_started(mark),
            marked=mark.ticks,
            before=None if earlier is None else _started(earlier),
            number=None if counted is None else counted.number("LastBootId"),
        )
    told = max((timing for timing in timings if timing.started is not None), key=_told, default=None)
    if told is None or told.started is None:
        return None
    return Boot(told.started, told.started, None, told.event.number("SystemBootInstance"))


def timing_of(boot: Boot, log: Log, timings: list[Timing]) -> Timing | None:
    """Return the event 100 of a start: its BootStartTime lies within a second of the kernel's marks."""
    marks = [boot.marked, boot.started]
    typed = nearest(log.of(KERNEL_BOOT, 27), boot.marked, TOGETHER)
    if typed is not None:
        marks.insert(0, typed.ticks)
    for mark in marks:
        near = [
            each for each in timings if each.started is not None and abs(each.started - mark) <= CORRELATION
        ]
        if near:
            return max(near, key=_told)
    return None


def kind_of(boot: Boot, log: Log, timing: Timing | None, installed_at: int | None) -> tuple[str, str | None]:
    """Return the kind of a start, and for a dirty one in words what is known of the end before it."""
    if (reason := _dirty(boot, log)) is not None:
        return "dirty", reason
    planned = newest(log.of(USER32, 1074), lambda event: _before(boot, event))
    if _is_update(planned) or (timing is not None and timing.event.flag("BootIsRebootAfterInstall")):
        return "update", None
    if installed_at is not None and abs(boot.started / TICKS - installed_at) <= AROUND_INSTALLATION:
        return "first", None
    action = newest(log.of(KERNEL_POWER, 109), lambda event: _before(boot, event))
    if action is not None and (known := ACTIONS.get(action.number("ShutdownActionType") or 0)):
        return known, None
    word = "" if planned is None else planned.text("param5") or planned.text("Data4") or ""
    return WORDS.get(word.casefold(), "unknown"), None


def away_before(boot: Boot, log: Log, last_seen_at: float | None) -> float | None:
    """Return for how many seconds the device was away before its kernel started, None where that is not known.

    The log's own signs of life count beside the last sample of this agent; one after the start means that the clock
    was set in between.
    """
    signs = [] if last_seen_at is None else [round(last_seen_at * TICKS)]
    signs += [
        event.instant("StopTime") or event.ticks
        for event in log.of(KERNEL_GENERAL, 13)
        if _before(boot, event)
    ]
    others = [*log.of(EVENT_LOG, 6006), *log.of(KERNEL_POWER, 109)]
    signs += [event.ticks for event in others if _before(boot, event)]
    if not signs or max(signs) > boot.started + TOGETHER:
        return None
    return max(0.0, seconds(boot.started - max(signs)))


def of_start(events: Iterable[Event], marked: int) -> Event | None:
    """Return the event that belongs to the start marked at this moment, not to one a minute before."""
    return nearest([event for event in events if event.ticks >= marked - TICKS], marked, SAME_BOOT)


def _hybrid(log: Log, ticks: int) -> Event | None:
    """Return the Kernel-Boot 27 that says a kernel came back from disk at this moment."""
    marks = [event for event in log.of(KERNEL_BOOT, 27) if event.number("BootType") in HYBRID]
    return nearest(marks, ticks, TOGETHER)


def _started(mark: Event) -> int:
    return mark.instant("StartTime") or mark.ticks


def _written(event: Event) -> tuple[int, int]:
    """Order starts by record number, which a wrong clock cannot turn round, then by time."""
    return (-1 if event.record is None else event.record, event.ticks)


def _told(timing: Timing) -> tuple[int, int]:
    return _written(timing.event)


def _before(boot: Boot, event: Event) -> bool:
    """Tell whether an event lies between the start of the kernel before and this one."""
    return (boot.before is None or event.ticks >= boot.before) and event.ticks <= boot.started + TICKS


def _is_update(planned: Event | None) -> bool:
    text = "" if planned is None else planned.text("param4") or planned.text("Data3") or ""
    code = parse_number(text)
    return code is not None and code & 0x00FF_0000 == OPERATING_SYSTEM and code & 0xFFFF in UPDATE_MINORS


def _dirty(boot: Boot, log: Log) -> str | None:
    """Return in words how the device went down if it did so unasked, None where it was shut down."""
    since, until = boot.started - TICKS, boot.started + REPORTED_WITHIN
    crash = newest(log.of(KERNEL_POWER, 41), lambda event: since <= event.ticks <= until)
    told = newest(log.of(EVENT_LOG, 6008), lambda event: since <= event.ticks <= until)
    counted = of_start(log.of(KERNEL_BOOT, 20), boot.marked)
    if crash is None and told is None and (counted is None or counted.flag("LastShutdownGood") is not False):
        return None
    if crash is not None and (code := crash.number("BugcheckCode")):
        return f"the device went down with stop error 0x{code:X}"
    if crash is not None and (
        crash.number("PowerButtonTimestamp") or crash.flag("LongPowerButtonPressDetected")
    ):
        return "the power button was held until the device went off"
    return "the device went down without being shut down: power lost, or it hung"
