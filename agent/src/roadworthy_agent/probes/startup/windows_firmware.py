"""What came before the kernel on Windows: firmware, loader, and a person at the BitLocker prompt; pure.

Kernel-Boot 30 carries the firmware's own table (FPDT), in milliseconds since reset, on clients and servers alike.
The registry's FwPOSTTime ("Last BIOS time" of the Task Manager) is a second source, event 100's OSLoaderDuration
one for the loader. All of them can be as wrong as on Linux (16 680.8 s were seen on a desktop PC), so the same
rule holds: nothing before the kernel took longer than the device was away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.startup.firmware import MEASURED, SUSPECT, Verdict, believe, believe_both
from roadworthy_agent.probes.startup.windows_performance import LONGEST_MILLISECONDS, milliseconds
from roadworthy_agent.probes.startup.windows_performance import SOURCE as EVENT_100
from roadworthy_agent.report import Phase
from roadworthy_agent.windows.event import Event

EVENT_30 = "Kernel-Boot event 30"
EVENT_32 = "Kernel-Boot event 32"
POST_TIME = "FwPOSTTime in the registry"
WAIT_NOTE = "a person at the BitLocker prompt"
LOADER_NOTE = "may include a person at the boot menu or a disk password"


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of the time before the kernel, in milliseconds; None where nothing is."""

    firmware: int | None = None
    loader: int | None = None
    prompt: int | None = None  # within the loader
    firmware_source: str = EVENT_30
    loader_source: str = EVENT_30


def gather(
    metrics: Event | None, prompt: Event | None, post_milliseconds: int | None, timing: Event | None
) -> Before:
    """Put Kernel-Boot 30 and 32, FwPOSTTime and event 100 together: the first that tells, for each part."""
    before = parse_metrics(metrics) if metrics is not None else Before()
    if before.firmware is None and post_milliseconds and post_milliseconds <= LONGEST_MILLISECONDS:
        before = replace(before, firmware=post_milliseconds, firmware_source=POST_TIME)
    if before.loader is None and timing is not None:
        loader = milliseconds(timing, "OSLoaderDuration")
        before = replace(before, loader=loader or None, loader_source=EVENT_100)
    wait = None if prompt is None else milliseconds(prompt, "BitlockerUserInputTime")
    return replace(before, prompt=wait or None)


def parse_metrics(event: Event) -> Before:
    """Return firmware and loader of a Kernel-Boot 30.

    The firmware ends where it hands over to the boot manager (StartOSImageStart), the loader where it leaves the
    firmware (ExitBootServicesExit), as on Linux. Instants out of order or beyond a day are none, and 0 is a machine
    that did not start through UEFI.
    """
    names = (
        "ResetEndStart",
        "LoadOSImageStart",
        "StartOSImageStart",
        "ExitBootServicesEntry",
        "ExitBootServicesExit",
    )
    reset, load, start, leave, left = (event.number(name) for name in names)
    if reset is None or load is None or start is None or leave is None or left is None:
        return Before()
    if not reset <= load <= start <= leave <= left or start == 0 or left > LONGEST_MILLISECONDS:
        return Before()
    return Before(firmware=start - reset, loader=left - start)


def phases(
    before: Before, away: float | None, *, virtual: bool = False
) -> tuple[tuple[Phase, ...], tuple[Missing, ...]]:
    """Return the phases before the kernel, judged by how long the device was away, and what is missing."""
    found: list[Phase] = []
    missing: tuple[Missing, ...] = ()
    if before.firmware is None:
        reason = "the firmware left no times (Kernel-Boot event 30, FwPOSTTime)"
        status = Status.VIRTUAL_MACHINE if virtual else Status.NOT_SUPPORTED
        missing = (Missing("startups.phases.firmware", status, reason),)
    firmware, loader = _verdicts(before, away)
    if before.firmware is not None:
        found.append(_phase("firmware", before.firmware, firmware, before.firmware_source))
    if before.loader is not None:
        found += _loader(before, before.loader, loader)
    return tuple(found), missing


def _verdicts(before: Before, away: float | None) -> tuple[Verdict, Verdict]:
    firmware, loader = (before.firmware or 0) / 1000, (before.loader or 0) / 1000
    if before.firmware is None or before.loader is None:
        return believe(firmware, away), believe(loader, away)
    return believe_both(firmware, loader, away)


def _loader(before: Before, whole: int, verdict: Verdict) -> list[Phase]:
    """Return the loader without the wait at the BitLocker prompt, which is shown beside it and never counted."""
    if before.prompt is None:
        reason = "; ".join(filter(None, [verdict.reason, LOADER_NOTE]))
        return [_phase("loader", whole, replace(verdict, reason=reason), before.loader_source)]
    if before.prompt > whole:
        reason = "shorter than the wait at the BitLocker prompt within it"
        doubted = Verdict(counted=False, quality=SUSPECT, reason=reason)
        return [_phase("loader", whole, doubted, before.loader_source)]
    wait = Verdict(counted=False, quality=MEASURED, reason=WAIT_NOTE)
    return [
        _phase("loader", whole - before.prompt, verdict, before.loader_source),
        _phase("disk_unlock_wait", before.prompt, wait, EVENT_32),
    ]


def _phase(name: str, span: int, verdict: Verdict, source: str) -> Phase:
    return Phase(
        name=name,
        seconds=span / 1000,
        counted=verdict.counted,
        quality=verdict.quality,
        source=source,
        reason=verdict.reason,
    )
