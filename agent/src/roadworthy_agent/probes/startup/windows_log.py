"""The events a Windows start-up is told by: what is asked of the event log, and one view of the answers.

docs/probes/windows-events.md lists each of them with its fields, its traps and where they are known from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.windows.event import Event, parse_events
from roadworthy_agent.windows.machine import WindowsMachine

SYSTEM = "System"
PERFORMANCE = "Microsoft-Windows-Diagnostics-Performance/Operational"

DIAGNOSTICS = "Microsoft-Windows-Diagnostics-Performance"
KERNEL_GENERAL = "Microsoft-Windows-Kernel-General"
KERNEL_BOOT = "Microsoft-Windows-Kernel-Boot"
KERNEL_POWER = "Microsoft-Windows-Kernel-Power"
POWER_TROUBLESHOOTER = "Microsoft-Windows-Power-Troubleshooter"
EVENT_LOG = "EventLog"
USER32 = "User32"
WINLOGON = "Microsoft-Windows-Winlogon"

DEGRADATIONS = range(101, 111)
SHUTDOWN_DEGRADATIONS = range(201, 204)
NAMED = ("StartTime", "Name", "TotalTime", "DegradationTime", "Path")
# All of version 1 of event 100, then what version 2 adds, in the order of the provider's manifest
BOOT_FIELDS = (
    "BootTsVersion", "BootStartTime", "BootEndTime", "SystemBootInstance", "UserBootInstance", "BootTime",
    "MainPathBootTime", "BootKernelInitTime", "BootDriverInitTime", "BootDevicesInitTime", "BootPrefetchInitTime",
    "BootPrefetchBytes", "BootAutoChkTime", "BootSmssInitTime", "BootCriticalServicesInitTime",
    "BootUserProfileProcessingTime", "BootMachineProfileProcessingTime", "BootExplorerInitTime",
    "BootNumStartupApps", "BootPostBootTime", "BootIsRebootAfterInstall", "BootRootCauseStepImprovementBits",
    "BootRootCauseGradualImprovementBits", "BootRootCauseStepDegradationBits",
    "BootRootCauseGradualDegradationBits", "BootIsDegradation", "BootIsStepDegradation",
    "BootIsGradualDegradation", "BootImprovementDelta", "BootDegradationDelta", "BootIsRootCauseIdentified",
    "OSLoaderDuration", "BootPNPInitStartTimeMS", "BootPNPInitDuration", "OtherKernelInitDuration",
    "SystemPNPInitStartTimeMS", "SystemPNPInitDuration", "SessionInitStartTimeMS", "Session0InitDuration",
    "Session1InitDuration", "SessionInitOtherDuration", "WinLogonStartTimeMS", "OtherLogonInitActivityDuration",
    "UserLogonWaitDuration",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one channel: numbers of a provider, at most so many, and the data that are used."""

    channel: str
    provider: str
    ids: Collection[int]
    most: int
    names: tuple[str, ...] = ()


# Bounded: some weeks of sleeping and waking, and the start-ups before the newest
QUESTIONS = (
    Question(PERFORMANCE, DIAGNOSTICS, (100, 200), 16, (*BOOT_FIELDS, "ShutdownStartTime", "ShutdownEndTime", "ShutdownTime")),
    Question(PERFORMANCE, DIAGNOSTICS, (*DEGRADATIONS, *SHUTDOWN_DEGRADATIONS), 128, NAMED),
    Question(SYSTEM, KERNEL_GENERAL, (12, 13), 16, ("StartTime", "StopTime")),
    Question(
        SYSTEM, KERNEL_BOOT, (20, 27, 30, 32), 64,
        (
            "LastShutdownGood", "LastBootGood", "LastBootId", "BootType", "BitlockerUserInputTime",
            "ResetEndStart", "LoadOSImageStart", "StartOSImageStart", "ExitBootServicesEntry", "ExitBootServicesExit",
        ),
    ),
    Question(
        SYSTEM, KERNEL_POWER, (41, 42, 107, 109), 64,
        (
            "BugcheckCode", "SleepInProgress", "PowerButtonTimestamp", "LongPowerButtonPressDetected",
            "TargetState", "EffectiveState", "ShutdownActionType",
        ),
    ),
    Question(
        SYSTEM, POWER_TROUBLESHOOTER, (1,), 32,
        (
            "SleepTime", "WakeTime", "WakeDuration", "DriverInitDuration", "BiosInitDuration",
            "HiberReadDuration", "HiberWriteDuration", "TargetState", "EffectiveState",
        ),
    ),
    Question(SYSTEM, EVENT_LOG, (6005, 6006, 6008), 16),
    Question(SYSTEM, USER32, (1074,), 16, ("param4", "param5", "Data3", "Data4")),
    Question(SYSTEM, WINLOGON, (7001,), 32),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Log:
    """Events, each once and oldest first, and which channels could not be read."""

    events: tuple[Event, ...] = ()
    closed: tuple[Missing, ...] = ()  # `field` is the channel

    def of(self, provider: str, *ids: int) -> list[Event]:
        """Return the events of a provider by number, oldest first."""
        return [event for event in self.events if event.provider == provider and event.id in ids]

    def refusal(self, channel: str) -> Missing | None:
        """Return why a channel could not be read, None where it could."""
        return next((each for each in self.closed if each.field == channel), None)


def read(machine: WindowsMachine, questions: Iterable[Question]) -> Log:
    """Ask the questions; a channel that refuses once is not asked again."""
    texts: list[str] = []
    closed: dict[str, Missing] = {}
    for question in questions:
        if question.channel in closed:
            continue
        answer = machine.events(
            question.channel, question.ids, provider=question.provider, most=question.most
        )
        if isinstance(answer, Missing):
            absent = answer.status is Status.NOT_SUPPORTED
            reason = f"this Windows has no event log {question.channel}" if absent else answer.reason
            closed[question.channel] = Missing(question.channel, answer.status, reason)
        else:
            texts += answer
    return Log(parse_events(texts), tuple(closed.values()))


def newest(events: Iterable[Event], condition: Callable[[Event], bool]) -> Event | None:
    """Return the last event that meets a condition."""
    found = None
    for event in events:
        if condition(event):
            found = event
    return found


def nearest(events: Iterable[Event], ticks: int, tolerance: int) -> Event | None:
    """Return the event created closest to an instant, if within the tolerance (100 ns)."""
    near = [event for event in events if abs(event.ticks - ticks) <= tolerance]
    return min(near, key=lambda event: (abs(event.ticks - ticks), event.ticks), default=None)
