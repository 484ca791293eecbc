"""From what systemd and the kernel know to one start-up record; pure, all arithmetic in whole microseconds.

The arithmetic is that of systemd-analyze(1), so that both show the same figures.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.environment import Environment
from roadworthy_agent.probes.logind import Sessions
from roadworthy_agent.probes.startup import attended, kind
from roadworthy_agent.probes.startup import state as systemd
from roadworthy_agent.probes.startup.factors import contributing_factors, unlocking
from roadworthy_agent.probes.startup.firmware import MEASURED, BootPerformance, believe_both
from roadworthy_agent.probes.startup.state import SystemdState
from roadworthy_agent.report import Phase, StartupRecord

FINAL_SECONDS = 1800.0  # a start-up is not waited for any longer
UNFINISHED, APPROXIMATE = "unfinished", "approximate"
SYSTEMD_SOURCE = "systemd over D-Bus"
LOADER_NOTE = "may include a person at the boot menu or a disk password"
UNLOCK_NOTE = "an encrypted disk was unlocked: may include waiting for the password"
NOTHING_KNOWN = kind.Signs(
    0.0, Missing("startups.kind", Status.NOT_SUPPORTED, "nothing tells of the last boot")
)


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds a start-up: where it happened, and what is known from elsewhere."""

    boot_id: str
    where: Environment
    now_boottime: float  # seconds
    away: float | None = None  # seconds the device was away before its kernel started, see firmware.py
    fpdt: BootPerformance | str = ""  # firmware's own record, or why there is none
    init_started: float | None = None  # start of process 1 on the boot clock, seconds
    private: Collection[str] = ()
    signs: kind.Signs = NOTHING_KNOWN  # of what kind of start-up it was
    sessions: Sessions | None = None  # who-less, and None where nobody tells
    asleep: float = 0.0  # seconds the device has slept since the kernel's start


@dataclass(frozen=True, slots=True)
class _Timeline:
    """The phases of one start-up; `base` is the monotonic instant its part in user space counts from."""

    kind: str
    base: int
    phases: tuple[Phase, ...]
    lead: int = 0  # counted microseconds before `base`
    missing: tuple[Missing, ...] = ()


def from_systemd(state: SystemdState, around: Around) -> tuple[StartupRecord, tuple[Missing, ...]]:
    """Return the start-up as systemd tells it, and what is missing of it."""
    end, reason = _end(state)
    timeline = _timeline(state, end, around)
    offset = timeline.lead - timeline.base
    began = _began(timeline, around)
    finished = state.at(systemd.FINISH) > 0
    counted = sum(round(phase.seconds * 1e6) for phase in timeline.phases if phase.counted)
    usable, usable_missing = _usable(state, end if finished else 0, timeline.base)
    told = _kind(timeline, around, state)
    was = attended.judge(state.signs, timeline.base, usable if finished else None, _who(timeline, around))
    suspects = [
        f"{phase.name} is not counted: {phase.reason}" for phase in timeline.phases if not phase.counted
    ]
    record = StartupRecord(
        start_id=_start_id(timeline, around),
        boot_id=around.boot_id,
        final=(finished and not was.waiting) or around.now_boottime - began >= FINAL_SECONDS,
        kind=told.kind,
        began_boottime_seconds=began,
        quality=MEASURED if finished else UNFINISHED,
        environment=around.where.kind,
        total_seconds=seconds(counted) if end else None,
        usable_seconds=None if usable is None else seconds(usable + offset),
        attended=was.attended,
        reason="; ".join(filter(None, [reason, *suspects]))[:256] or None,
        source=_source(SYSTEMD_SOURCE, told),
        phases=timeline.phases,
        factors=contributing_factors(state, offset, around.private),
    )
    unknown = () if told.missing is None else (told.missing,)
    return record, (*timeline.missing, *usable_missing, *unknown)


def from_kernel(
    hand_over: float | None, source: str, quality: str, around: Around
) -> tuple[StartupRecord, tuple[Missing, ...]]:
    """Return what is known of a start-up without systemd: the phases up to init, and no end.

    In a container the kernel's marks are the host's: only when it began is known.
    """
    if around.where.kind == environment.CONTAINER:
        timeline = _Timeline("container", round((around.init_started or 0.0) * 1e6), ())
    else:
        before, lead, missing = _before_kernel(BootPerformance(0, 0), around)
        phases = before
        if hand_over is not None:
            phases = (*before, _phase("kernel", round(hand_over * 1e6), source, quality=quality))
        timeline = _Timeline(kind.UNKNOWN, 0, phases, lead, missing)
    told = _kind(timeline, around, None)
    record = StartupRecord(
        start_id=_start_id(timeline, around),
        boot_id=around.boot_id,
        final=True,  # nothing more will ever be known of it
        kind=told.kind,
        began_boottime_seconds=_began(timeline, around),
        quality=quality if hand_over is not None else APPROXIMATE,
        environment=around.where.kind,
        reason="without systemd nothing notes when the start-up ended",
        source=_source(source, told),
        phases=timeline.phases,
    )
    return record, (*timeline.missing, *(() if told.missing is None else (told.missing,)))


def seconds(microseconds: int) -> float:
    """Return whole microseconds as seconds."""
    return round(microseconds / 1e6, 6)


def _kind(timeline: _Timeline, around: Around, state: SystemdState | None) -> kind.Kind:
    """Return what kind it was: containers and soft reboots say so themselves, the rest is judged by signs."""
    if timeline.kind != kind.UNKNOWN:
        return kind.Kind(timeline.kind)
    knows_firmware = any(phase.name == "firmware" and phase.counted for phase in timeline.phases)
    return kind.judge(
        replace(
            around.signs,
            before_kernel=timeline.lead / 1e6 if knows_firmware else None,
            begun={} if state is None else state.signs,
        )
    )


def _who(timeline: _Timeline, around: Around) -> Sessions | None:
    """Return the sessions where somebody could have sat down at the device."""
    return None if timeline.kind == "container" else around.sessions


def _source(source: str, told: kind.Kind) -> str:
    return source if told.source is None else f"{source}; kind: {told.source}"


def _end(state: SystemdState) -> tuple[int, str | None]:
    """Return when the start-up ended: finished, or its target reached while a job still hangs; 0 if neither."""
    if finish := state.at(systemd.FINISH):
        return finish, None
    waiting = "a start job still runs, so the start-up is not finished"
    for name in systemd.TARGETS:
        reached = state.marks.get(name, 0)
        if reached > state.at(systemd.USERSPACE):
            known = name == systemd.DEFAULT_TARGET and state.default_target in systemd.TARGETS
            shown = state.default_target if known else name  # a target somebody made may be named after them
            return reached, f"{waiting}; counted until {shown} was reached"
    return 0, f"{waiting}, and none of its targets was reached"


def _timeline(state: SystemdState, end: int, around: Around) -> _Timeline:
    """Return the phases of the kind of start-up this was."""
    userspace = state.at(systemd.USERSPACE)
    if soft := state.at(systemd.SOFT_REBOOT):
        # firmware, loader, kernel and initrd belong to the boot before
        spans = (("soft_reboot", soft, userspace), ("userspace", userspace, end))
        return _Timeline("soft_reboot", soft, _spans(spans, state))
    if _in_container(state, around.where):
        return _Timeline("container", userspace, _spans((("userspace", userspace, end),), state))
    told = BootPerformance(
        firmware=state.at(systemd.FIRMWARE) - state.at(systemd.LOADER) if state.at(systemd.FIRMWARE) else 0,
        loader=state.at(systemd.LOADER),
    )
    before, lead, missing = _before_kernel(told, around)
    initrd = state.at(systemd.INITRD)
    inner = [("kernel", 0, initrd or userspace)]
    if initrd:
        inner.append(("initrd", initrd, userspace))
    inner.append(("userspace", userspace, end))
    return _Timeline(kind.UNKNOWN, 0, (*before, *_spans(inner, state)), lead, missing)


def _in_container(state: SystemdState, where: Environment) -> bool:
    """Tell whether only user space means anything: systemd sets up no security modules in a container.

    Very old systemd does not tell; then the signs of the environment decide.
    """
    if systemd.SECURITY in state.manager:
        return state.at(systemd.SECURITY) == 0
    return where.kind == environment.CONTAINER


def _spans(spans: Collection[tuple[str, int, int]], state: SystemdState) -> tuple[Phase, ...]:
    """Return phases from instants; one that has not ended, or ends before it begins, is left out."""
    phases = [
        _phase(
            name, end - begin, SYSTEMD_SOURCE, reason=UNLOCK_NOTE if unlocking(state, begin, end) else None
        )
        for name, begin, end in spans
        if end >= begin and end > 0
    ]
    return tuple(phases)


def _before_kernel(
    told: BootPerformance, around: Around
) -> tuple[tuple[Phase, ...], int, tuple[Missing, ...]]:
    """Return firmware and loader phases, their counted microseconds, and what is missing."""
    source = "systemd over D-Bus (EFI variables, FPDT)"
    if told.firmware == 0 and told.loader == 0:
        if isinstance(around.fpdt, str):
            return (), 0, _no_firmware(around)
        told, source = around.fpdt, "/sys/firmware/acpi/fpdt/boot"
    missing: tuple[Missing, ...] = ()
    if told.firmware < 0:
        wrong = "the firmware says it began after the loader"
        told = replace(told, firmware=0)
        missing = (Missing("startups.phases.firmware", Status.ERROR, wrong),)
    verdicts = believe_both(told.firmware / 1e6, told.loader / 1e6, around.away)
    phases = []
    for name, microseconds, verdict in (
        ("firmware", told.firmware, verdicts[0]),
        ("loader", told.loader, verdicts[1]),
    ):
        if microseconds == 0:
            continue
        reason = verdict.reason
        if name == "loader":
            reason = "; ".join(filter(None, [reason, LOADER_NOTE]))
        phases.append(
            _phase(
                name, microseconds, source, quality=verdict.quality, reason=reason, counted=verdict.counted
            )
        )
    lead = sum(round(phase.seconds * 1e6) for phase in phases if phase.counted)
    return tuple(phases), lead, missing


def _no_firmware(around: Around) -> tuple[Missing, ...]:
    why = str(around.fpdt) or "neither systemd nor the firmware tells"
    if around.where.kind == environment.VIRTUAL_MACHINE:
        return (Missing("startups.phases.firmware", Status.VIRTUAL_MACHINE, f"a virtual machine: {why}"),)
    return (Missing("startups.phases.firmware", Status.NOT_SUPPORTED, why),)


def _usable(state: SystemdState, finish: int, base: int) -> tuple[int | None, tuple[Missing, ...]]:
    """Return the instant from which a person could sign in: the display manager, else the login permission.

    A mark after the start-up's end is a later restart of that service and says nothing of the start-up.
    """
    for name in systemd.SIGN_IN_MARKS:
        at = state.marks.get(name, 0)
        if at > base and (finish == 0 or at <= finish):
            return at, ()
    reason = "neither a display manager nor systemd-user-sessions came up during the start-up"
    return None, (Missing("startups.usable_seconds", Status.NOT_SUPPORTED, reason),)


def _began(timeline: _Timeline, around: Around) -> float:
    """Return when the start-up began on the boot clock: negative where firmware and loader count.

    Instants are of the clock that stands still while the device sleeps. Only a start-up that is not the kernel's own
    can have sleep before it.
    """
    if timeline.kind == "container" and around.init_started is not None:
        return around.init_started
    slept = round(around.asleep, 6) if timeline.base else 0.0
    return round(seconds(timeline.base - timeline.lead) + slept, 6)


def _start_id(timeline: _Timeline, around: Around) -> str:
    return start_id(around.boot_id, timeline.kind, timeline.base)


def start_id(boot_id: str, kind_of_start: str, base: int) -> str:
    """Return the key: boot id and ordinal. Containers and soft reboots may share a boot id, so they add their start.

    `base` is in microseconds of the monotonic clock, 0 for a start-up of the kernel itself.
    """
    return f"{boot_id}:0" if base == 0 else f"{boot_id}:{kind_of_start}-{base // 1_000_000}"


def start_id_of(state: SystemdState, boot_id: str, where: Environment) -> str:
    """Return the key of the start-up a systemd is running since; of its state only the manager's instants count."""
    if soft := state.at(systemd.SOFT_REBOOT):
        return start_id(boot_id, "soft_reboot", soft)
    if _in_container(state, where):
        return start_id(boot_id, "container", state.at(systemd.USERSPACE))
    return start_id(boot_id, kind.UNKNOWN, 0)


def _phase(
    name: str,
    microseconds: int,
    source: str,
    *,
    quality: str = MEASURED,
    reason: str | None = None,
    counted: bool = True,
) -> Phase:
    return Phase(
        name=name,
        seconds=seconds(microseconds),
        counted=counted,
        quality=quality,
        source=source,
        reason=reason,
    )
