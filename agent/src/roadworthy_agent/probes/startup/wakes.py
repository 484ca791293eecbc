"""Waking up, from memory or from disk, as a start-up of its own; pure.

What is known: systemd's sleep services run from just before the device falls asleep until it is awake again, on a
clock that stands still meanwhile, so their time is that of going to sleep and of waking together. The kernel's log
parts the two, where the agent may read it. The firmware's part of waking from memory is in ACPI's own record (FPDT),
and is believed if it fits into the time the device was asleep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.startup.firmware import APPROXIMATE, MEASURED, Verdict, believe_asleep
from roadworthy_agent.probes.startup.kernel import log_records
from roadworthy_agent.probes.startup.state import SLEEPS, SystemdState, UnitTimes
from roadworthy_agent.report import Phase, StartupRecord

RESUME, HIBERNATE, UNFINISHED = "resume", "hibernate", "unfinished"
SYSTEMD_SOURCE, LOG_SOURCE = "systemd over D-Bus", "the kernel's log"
LEAST_ASLEEP_SECONDS = 1.0  # less is the two clocks being read one after the other
# The log's clock and systemd's are set right by different means and drift apart by seconds in weeks
DRIFT_SECONDS = 10.0
HANDED_OVER_SECONDS = 60.0  # the root step that hands the log over runs within seconds of waking
FINAL_SECONDS = 1800.0

ENTRY = re.compile(r"PM: (?:suspend entry \((\w+)\)|(?:hibernation: )?hibernation (entry))")
EXIT = re.compile(r"PM: (?:suspend|(?:hibernation: )?hibernation) exit")
# The first thing the kernel says when it runs again, by kernel version and kind of sleep
AWAKE = re.compile(
    r"ACPI: (?:PM: )?Low-level resume complete|ACPI: (?:PM: )?Waking up from system sleep state S\d|"
    r"ACPI: EC: interrupt unblocked|Enabling non-boot CPUs.*|(?:PM: )?Timekeeping suspended for .*"
)
ASLEEP = re.compile(r"(?:PM: )?Timekeeping suspended for (\d{1,9}\.\d{3}) seconds")
FPDT_SOURCE = "/sys/firmware/acpi/fpdt/resume"
THEN_HIBERNATE = "systemd-suspend-then-hibernate.service"
TOGETHER = "only going to sleep and waking together: the kernel's log, which would part them, does not tell"
FROM_IMAGE = "the kernel that reads the image from disk leaves no times"
FROM_DISK = "may have been woken from disk: systemd does not tell which of the two it was"


@dataclass(frozen=True, slots=True)
class LoggedWake:
    """One sleep in the kernel's log: seconds of the log's clock; `mode` is deep, s2idle, hibernation ..."""

    mode: str
    entry: float
    awake: float | None = None  # None where no line says when the kernel ran again
    exit: float | None = None  # None while it has not left
    asleep: float | None = (
        None  # how long, as the kernel counted it; newer kernels say it only while debugged
    )


@dataclass(frozen=True, slots=True)
class Sleep:
    """What surrounds a wake. `asleep` is how long the device has slept since the kernel's start, `now` is awake time."""

    boot_id: str
    environment: str
    asleep: float
    now: float
    firmware_ns: int | None = None  # FPDT's resume_prev_ns
    handed_over: bool = False  # the log is the one a root step hands over, shortly after waking


def parse_log(log: str) -> tuple[LoggedWake, ...]:
    """Return the sleeps in the kernel's log, oldest first, as far as its ring still holds them."""
    found: list[LoggedWake] = []
    entry: LoggedWake | None = None
    for seconds, message in log_records(log):
        if match := ENTRY.fullmatch(message):
            entry = LoggedWake(match[1] or "hibernation", seconds)
        elif entry is None:
            continue
        elif EXIT.fullmatch(message):
            found.append(replace(entry, exit=seconds))
            entry = None
        elif AWAKE.fullmatch(message):
            entry = _woken(entry, seconds, message)
    return tuple(found)


def _woken(entry: LoggedWake, seconds: float, message: str) -> LoggedWake:
    """Return a sleep with what one more line of its waking says; s2idle may sleep several times in one."""
    if told := ASLEEP.fullmatch(message):
        entry = replace(entry, asleep=(entry.asleep or 0.0) + float(told[1]))
    return entry if entry.awake is not None else replace(entry, awake=seconds)


def is_of_a_sleep(message: str) -> bool:
    """Tell whether `parse_log` makes anything of a line."""
    return any(pattern.fullmatch(message) for pattern in (ENTRY, AWAKE, EXIT))


def last_wake(
    state: SystemdState | None, logged: Iterable[LoggedWake], sleep: Sleep
) -> tuple[StartupRecord, tuple[Missing, ...]] | None:
    """Return the latest waking of this boot, None where the device has not slept or nothing tells of it.

    Its ordinal is the second of the awake clock in which the device went to sleep: it grows from one sleep to the
    next and is the same whenever somebody looks.
    """
    if sleep.asleep < LEAST_ASLEEP_SECONDS:
        return None
    wakes = list(logged)
    service = max(state.sleeps, key=lambda unit: unit.activating, default=None) if state else None
    if service is None:  # no systemd, or a sleep that somebody wrote to /sys/power/state
        return _record(_waking_of_log(wakes[-1]), sleep) if wakes else None
    waking = _waking_of_service(service)
    until = waking.awake if waking.awake is not None else sleep.now
    for wake in reversed(wakes):
        if wake.entry >= waking.begun - DRIFT_SECONDS and (wake.exit or 0.0) <= until + DRIFT_SECONDS:
            waking = replace(waking, wake=wake)
            break
    return _record(waking, sleep)


@dataclass(frozen=True, slots=True)
class _Waking:
    """Seconds of the awake clock from going to sleep (`begun`) to being awake again, None while it is not yet."""

    service: str | None
    begun: float
    awake: float | None
    wake: LoggedWake | None = None

    @property
    def hibernated(self) -> bool:
        """Whether it was woken from disk, as far as that is known."""
        told = self.wake is not None and self.wake.mode == "hibernation"
        return told or SLEEPS.get(self.service or "") == HIBERNATE

    @property
    def source(self) -> str:
        """Who tells of it."""
        sources = (SYSTEMD_SOURCE if self.service else None, LOG_SOURCE if self.wake else None)
        return ", ".join(filter(None, sources))


def _waking_of_service(service: UnitTimes) -> _Waking:
    finished = service.deactivated >= service.activating
    return _Waking(service.name, service.activating / 1e6, service.deactivated / 1e6 if finished else None)


def _waking_of_log(wake: LoggedWake) -> _Waking:
    return _Waking(None, wake.entry, wake.exit, wake)


def _record(waking: _Waking, sleep: Sleep) -> tuple[StartupRecord, tuple[Missing, ...]]:
    phases = _phases(waking, sleep)
    counted = [phase for phase in phases if phase.counted]
    total = round(sum(phase.seconds for phase in counted), 6) if phases else None
    why: str | None = None
    missing: tuple[Missing, ...] = ()
    if waking.awake is not None and total is None:
        why = FROM_IMAGE if waking.hibernated else TOGETHER
        missing = (Missing("startups.total_seconds", Status.NOT_SUPPORTED, why),)
        phases = (_together(waking.begun, waking.awake, why),)
    unsure = FROM_DISK if waking.service == THEN_HIBERNATE and waking.wake is None else None
    measured = total is not None and all(phase.quality == MEASURED for phase in counted)
    suspects = [
        f"{phase.name} is not counted: {phase.reason}"
        for phase in phases
        if total is not None and not phase.counted
    ]
    over = waking.awake is not None and (
        total is not None or not _log_may_follow(waking.awake, waking, sleep)
    )
    record = StartupRecord(
        start_id=f"{sleep.boot_id}:{max(1, int(waking.begun))}",
        boot_id=sleep.boot_id,
        final=over or sleep.now - waking.begun > FINAL_SECONDS,
        kind=HIBERNATE if waking.hibernated else RESUME,
        began_boottime_seconds=round(
            (sleep.now if waking.awake is None else waking.awake) - (total or 0.0) + sleep.asleep, 6
        ),
        quality=UNFINISHED if waking.awake is None else MEASURED if measured else APPROXIMATE,
        environment=sleep.environment,
        total_seconds=total,
        usable_seconds=total,
        reason="; ".join(filter(None, [why, unsure, *suspects]))[:256] or None,
        source=waking.source,
        phases=phases,
    )
    return record, missing


def _phases(waking: _Waking, sleep: Sleep) -> tuple[Phase, ...]:
    """Return firmware, kernel and user space of a waking, as far as the kernel's log tells them."""
    wake = waking.wake
    if waking.awake is None or waking.hibernated or wake is None or wake.awake is None or wake.exit is None:
        return ()
    phases = [_phase("kernel", max(0.0, wake.exit - wake.awake), MEASURED, LOG_SOURCE)]
    if wake.mode == "deep" and sleep.firmware_ns is not None and sleep.firmware_ns > 0:
        firmware = sleep.firmware_ns / 1e9
        # Without the kernel's own figure all the sleeps of this boot together are the bound
        verdict = believe_asleep(firmware, sleep.asleep if wake.asleep is None else wake.asleep)
        phases.insert(0, _firmware(firmware, verdict))
    if waking.service and 0 < waking.awake - wake.exit < DRIFT_SECONDS:
        phases.append(_phase("userspace", waking.awake - wake.exit, APPROXIMATE, SYSTEMD_SOURCE))
    return tuple(phases)


def _log_may_follow(awake: float, waking: _Waking, sleep: Sleep) -> bool:
    """Tell whether the kernel's log of this waking may still be handed over, and would tell more."""
    return sleep.handed_over and not waking.hibernated and sleep.now - awake < HANDED_OVER_SECONDS


def _firmware(seconds: float, verdict: Verdict) -> Phase:
    return Phase(
        "firmware",
        round(seconds, 6),
        counted=verdict.counted,
        quality=verdict.quality,
        source=FPDT_SOURCE,
        reason=verdict.reason,
    )


def _phase(name: str, seconds: float, quality: str, source: str) -> Phase:
    return Phase(name, round(seconds, 6), counted=True, quality=quality, source=source)


def _together(begun: float, awake: float, why: str) -> Phase:
    taken = round(max(0.0, awake - begun), 6)
    return Phase(
        "sleep_and_wake", taken, counted=False, quality=APPROXIMATE, source=SYSTEMD_SOURCE, reason=why
    )
