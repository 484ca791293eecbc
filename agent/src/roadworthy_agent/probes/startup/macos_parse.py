"""From the marks of the unified log to one start-up record; pure."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy_agent.macos.bootlog import BootMarks
from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.environment import Environment
from roadworthy_agent.probes.startup.firmware import SUSPECT, Verdict, away_seconds, believe
from roadworthy_agent.report import Phase, StartupRecord

FINAL_SECONDS = 1800.0
LONGEST_SECONDS = 3600.0
APPROXIMATE, UNFINISHED = "approximate", "unfinished"
SOURCE = "unified log"
# Published cause codes (https://eclecticlight.co/2017/02/28/mac-shutdown-and-sleep-cause-codes/): 5 is an orderly end,
# negative ones are the hardware's doing (heat, watchdog, panic), 0 the power went, 3 the power button was held.
DIRTY = frozenset({0, 3})
FIRMWARE_REASON = "from the processor's start to the kernel's first words: boot ROM, LLB and iBoot"
SESSION_REASON = "until the login window began to work; with FileVault it includes typing the password"
NO_FIRMWARE = "an Intel Mac's clock starts with its kernel, and nothing tells how long the firmware took"
NO_RESUME = "macOS keeps no mark that tells a person's wake from the many it makes by itself"
NO_CAUSE = "Apple's own processors leave no shutdown cause in the log, and the agent did not see how the last boot ended"
NO_CAUSE_LEFT = "the log holds no cause of the last end, and the agent did not see it"
ORDERLY = "the last boot was ended in order, and the agent did not see whether to restart or to switch off"
NO_ATTENDANCE = (
    "the log's milestones do not tell a person at the login window from a Mac that signs in by itself"
)
# What the login window was asked for when the agent was last stopped, see macos_ending
ENDINGS = {"reboot": "restart", "poweroff": "cold"}
ENDING_SOURCE = "kind: the login window when the agent was last stopped"


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds a start-up. `clock_began_at` is the boot clock's zero as wall time, in epoch seconds."""

    boot_id: str
    now_boottime: float
    ticks_a_second: int | None
    apple_silicon: bool
    where: Environment
    clock_began_at: float = 0.0
    last_seen_at: float | None = None  # wall time of the last sample of an earlier boot
    ended_as: str | None = None  # how the agent saw the boot before end: reboot, poweroff


def from_marks(marks: BootMarks, around: Around, why: str) -> tuple[StartupRecord, tuple[Missing, ...]]:
    """Return the start-up and what is missing of it; `why` there are no marks goes along where there are none.

    The clock of the marks is the boot clock itself: it counts from the processor's start on Apple's own processors
    and from the kernel's on Intel, so the start-up began at the anchor.
    """
    kind, kind_source, kind_missing = _kind(marks, around)
    missing = [
        Missing("startups.resume", Status.NOT_SUPPORTED, NO_RESUME),
        *kind_missing,
        Missing("startups.attended", Status.NOT_SUPPORTED, NO_ATTENDANCE),
    ]
    phases, total, wrong = _phases(marks, around)
    if not around.apple_silicon:
        missing.append(Missing("startups.phases.firmware", Status.NOT_SUPPORTED, NO_FIRMWARE))
    if total is None:
        missing.append(Missing("startups.total_seconds", Status.NO_DATA_YET, (wrong or why)[:256]))
    suspects = [f"{phase.name} is not counted: {phase.reason}"[:256] for phase in phases if not phase.counted]
    # What the firmware took is before the kernel: where it is not believed, the start-up began with the kernel
    first = marks.kernel if suspects else marks.anchor
    began = 0.0
    if first is not None and around.ticks_a_second:
        began = min(_seconds(first, around.ticks_a_second), LONGEST_SECONDS)
    quality = APPROXIMATE
    if total is None:
        quality = SUSPECT if wrong else UNFINISHED
    record = StartupRecord(
        start_id=f"{around.boot_id}:0",
        boot_id=around.boot_id,
        final=total is not None or around.now_boottime - began >= FINAL_SECONDS,
        kind=kind,
        began_boottime_seconds=began,
        quality=quality,
        environment=around.where.kind,
        total_seconds=total,
        usable_seconds=total,
        reason=next(iter(suspects), None) if total is not None else (wrong or why)[:256],
        source="; ".join(filter(None, [SOURCE, kind_source])),
        phases=phases,
    )
    return record, tuple(missing)


def _phases(marks: BootMarks, around: Around) -> tuple[tuple[Phase, ...], float | None, str | None]:
    """Return phases, their sum, and in words what is wrong with the marks, if anything."""
    rate, ready = around.ticks_a_second, marks.login_window
    if not rate or ready is None:
        return (), None, None
    anchor = marks.anchor if marks.anchor is not None else 0
    kernel = marks.kernel if around.apple_silicon and marks.kernel is not None else anchor
    if not anchor <= kernel <= ready:
        return (), None, "the marks of the log contradict each other"
    system = _seconds(ready - kernel, rate)
    if system > LONGEST_SECONDS:
        return (), None, "over an hour to the login window: the marks cannot be of one start-up"
    phases = [
        Phase(
            "kernel_to_login_window",
            system,
            counted=True,
            quality=APPROXIMATE,
            source=SOURCE,
            reason=SESSION_REASON,
        )
    ]
    if around.apple_silicon and marks.kernel is not None:
        phases.insert(0, _firmware(_seconds(kernel - anchor, rate), _seconds(kernel, rate), around))
    return tuple(phases), round(sum(phase.seconds for phase in phases if phase.counted), 6), None


def _firmware(seconds: float, kernel_at: float, around: Around) -> Phase:
    """Return the phase before the kernel: it cannot have been longer than the Mac was away."""
    away = away_seconds(around.clock_began_at + kernel_at, around.last_seen_at)
    verdict: Verdict = believe(seconds, away)
    return Phase(
        "firmware",
        seconds,
        counted=verdict.counted,
        quality=APPROXIMATE if verdict.counted else SUSPECT,
        source=SOURCE,
        reason=FIRMWARE_REASON
        if verdict.reason is None
        else "; ".join([verdict.reason, *([FIRMWARE_REASON] if verdict.counted else [])]),
    )


def _kind(marks: BootMarks, around: Around) -> tuple[str, str | None, list[Missing]]:
    """Return the kind, what tells it beside the log, and why it is not known.

    An Intel Mac says why it went off; whether an orderly end was to restart is only known where the agent saw it. A
    sign of an unclean end counts before that: what was asked for may have hung and been cut short.
    """
    cause = marks.shutdown_cause
    if cause is not None and (cause in DIRTY or cause < 0):
        return "dirty", None, []
    if (kind := ENDINGS.get(around.ended_as or "")) is not None:
        return kind, ENDING_SOURCE, []
    if around.where.kind == environment.VIRTUAL_MACHINE:
        return "unknown", None, []
    why = ORDERLY if cause is not None else NO_CAUSE if around.apple_silicon else NO_CAUSE_LEFT
    return "unknown", None, [Missing("startups.kind", Status.NOT_SUPPORTED, why)]


def _seconds(ticks: int, rate: int) -> float:
    return round(ticks / rate, 6)
