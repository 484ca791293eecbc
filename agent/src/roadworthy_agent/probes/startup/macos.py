"""Reading a start-up on macOS: the marks of the unified log on the clock that also runs while the Mac sleeps."""

from __future__ import annotations

import re

from roadworthy_agent.macos import bootlog
from roadworthy_agent.macos.bootlog import BootMarks
from roadworthy_agent.macos.machine import machine_of, recording
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status
from roadworthy_agent.probes.hardware.macos_parse import virtual_by
from roadworthy_agent.probes.startup import aside
from roadworthy_agent.probes.startup.macos_ending import WATCH
from roadworthy_agent.probes.startup.macos_parse import Around, from_marks
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.report import StartupRecord

FILES: tuple[str, ...] = ()
LOG = "boot-log"
RECORDED_LAST_SEEN = "roadworthy/last_seen_at"
NO_HISTORY = "a Mac keeps no list of its starts and ends that tells a restart from switching off"
SYSCTLS = ("hw.model", "hw.optional.arm64", "hw.tbfrequency", "kern.hv_vmm_present")
EARLIEST_SECONDS = 120.0  # before that the log is still being written, and reading it would slow the start-up
LATEST_SECONDS = 3600.0  # the log of weeks takes minutes to read
TOO_EARLY = "the log of a start-up is read two minutes after it began, so as not to slow it"

Result = ProbeResult[tuple[StartupRecord, ...]]


def collect(context: Context) -> Result:
    """Return the record of the start-up this Mac is running since."""
    if context.live:
        WATCH.begin()
    machine = machine_of(context)
    up = context.clock.boottime()
    ended_as = context.last_ended if context.live else aside.read(context).ended_as
    around = Around(
        boot_id=context.clock.boot_id(),
        now_boottime=up,
        clock_began_at=context.clock.wall() - up,
        last_seen_at=context.last_seen_at if context.live else _recorded_last_seen(context),
        ended_as=ended_as,
        ticks_a_second=_frequency(machine.sysctl("hw.tbfrequency")),
        apple_silicon=machine.sysctl("hw.optional.arm64") == "1",
        where=virtual_by(machine.sysctl("hw.model"), machine.sysctl("kern.hv_vmm_present")),
    )
    refused = _not_now(up) if context.live else None
    printed = refused or machine.program(LOG)
    if isinstance(printed, Missing):
        marks, why = BootMarks(), printed
    else:
        marks = bootlog.parse(printed, around.boot_id)
        why = Missing("startups", Status.NO_DATA_YET, "the log holds no mark of this start-up")
    record, missing = from_marks(marks, around, why.reason)
    if record.total_seconds is None:
        return ProbeResult("startup", why.status, (record,), why.reason, record.source, missing)
    return ProbeResult("startup", Status.OK, (record,), source=record.source, missing=missing)


def ending() -> str | None:
    """Return how this boot is about to end (reboot, poweroff), None where it is not or nobody tells.

    For an agent that is being stopped: the next boot finds out from it whether it was switched on or restarted.
    """
    return WATCH.ending()


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe reads; of the log only the marks themselves."""
    programs = () if context.live and _not_now(context.clock.boottime()) else (LOG,)
    found = recording(context, SYSCTLS, programs=programs)
    last_seen = context.last_seen_at if context.live else _recorded_last_seen(context)
    ended_as = context.last_ended if context.live else aside.read(context).ended_as
    if last_seen is not None:
        found[RECORDED_LAST_SEEN] = f"{last_seen:.3f}\n".encode()
    if ended_as is not None:
        history = Missing("startups.kind", Status.NOT_SUPPORTED, NO_HISTORY)
        found[aside.RECORDED] = aside.to_json(aside.Aside(history, ended_as=ended_as)).encode()
    return found


def _recorded_last_seen(context: Context) -> float | None:
    text = Tree(context.root).text(RECORDED_LAST_SEEN)
    return float(text) if text and re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text) else None


def _not_now(up: float) -> Missing | None:
    """Say why the log is not read at this moment, if so."""
    if up < EARLIEST_SECONDS:
        return Missing("startups", Status.NO_DATA_YET, TOO_EARLY)
    if up > LATEST_SECONDS:
        reason = f"the agent first looked {up / 3600:.0f} h after this start-up, and only the first hour's log is read"
        return Missing("startups", Status.NO_DATA_YET, reason)
    return None


def _frequency(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 12 else None
