"""From the marks of the unified log to one start-up record; pure."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy_agent.macos.bootlog import BootMarks
from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.environment import Environment
from roadworthy_agent.report import Phase, StartupRecord

FINAL_SECONDS = 1800.0
LONGEST_SECONDS = 3600.0
APPROXIMATE, UNFINISHED, SUSPECT = "approximate", "unfinished", "suspect"
SOURCE = "unified log"
# Published cause codes (https://eclecticlight.co/2017/02/28/mac-shutdown-and-sleep-cause-codes/): 5 is an orderly end,
# negative ones are the hardware's doing (heat, watchdog, panic), 0 the power went, 3 the power button was held.
DIRTY = frozenset({0, 3})
FIRMWARE_REASON = "from the processor's start to the kernel's first words: boot ROM, LLB and iBoot"
SESSION_REASON = "until the login window began to work; with FileVault it includes typing the password"
NO_FIRMWARE = "an Intel Mac's clock starts with its kernel, and nothing tells how long the firmware took"
NO_RESUME = "macOS keeps no mark that tells a person's wake from the many it makes by itself"
NO_CAUSE = "Apple's own processors leave no shutdown cause in the log"


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds a start-up."""

    boot_id: str
    now_boottime: float
    ticks_a_second: int | None
    apple_silicon: bool
    where: Environment


def from_marks(marks: BootMarks, around: Around, why: str) -> tuple[StartupRecord, tuple[Missing, ...]]:
    """Return the start-up and what is missing of it; `why` there are no marks goes along where there are none.

    The clock of the marks is the boot clock itself: it counts from the processor's start on Apple's own processors
    and from the kernel's on Intel, so the start-up began at the anchor.
    """
    missing = [Missing("startups.resume", Status.NOT_SUPPORTED, NO_RESUME)]
    kind, kind_missing = _kind(marks, around)
    missing += kind_missing
    phases, total, wrong = _phases(marks, around)
    if not around.apple_silicon:
        missing.append(Missing("startups.phases.firmware", Status.NOT_SUPPORTED, NO_FIRMWARE))
    if total is None:
        missing.append(Missing("startups.total_seconds", Status.NO_DATA_YET, (wrong or why)[:256]))
    began = 0.0
    if marks.anchor is not None and around.ticks_a_second:
        began = min(_seconds(marks.anchor, around.ticks_a_second), LONGEST_SECONDS)
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
        reason=None if total is not None else (wrong or why)[:256],
        source=SOURCE,
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
    firmware, system = _seconds(kernel - anchor, rate), _seconds(ready - kernel, rate)
    if firmware + system > LONGEST_SECONDS:
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
        phases.insert(
            0,
            Phase(
                "firmware", firmware, counted=True, quality=APPROXIMATE, source=SOURCE, reason=FIRMWARE_REASON
            ),
        )
    return tuple(phases), round(firmware + system, 6), None


def _kind(marks: BootMarks, around: Around) -> tuple[str, list[Missing]]:
    """Return the kind: an Intel Mac says why it went off; after an orderly end a restart looks like a cold start."""
    cause = marks.shutdown_cause
    if cause is not None and (cause in DIRTY or cause < 0):
        return "dirty", []
    if around.where.kind == environment.VIRTUAL_MACHINE:
        return "unknown", []
    if cause is None and around.apple_silicon:
        return "unknown", [Missing("startups.kind", Status.NOT_SUPPORTED, NO_CAUSE)]
    return "unknown", []


def _seconds(ticks: int, rate: int) -> float:
    return round(ticks / rate, 6)
