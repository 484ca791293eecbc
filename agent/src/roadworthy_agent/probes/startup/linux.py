"""Reading start-ups on Linux: systemd where it runs, the kernel's own marks where it does not."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status, describe
from roadworthy_agent.probes import dbus, environment, logind
from roadworthy_agent.probes.environment import Environment
from roadworthy_agent.probes.startup import aside, bus, kernel, kind, names, parse, wakes
from roadworthy_agent.probes.startup.firmware import MEASURED, BootPerformance, away_seconds, parse_fpdt
from roadworthy_agent.probes.startup.state import SystemdState, from_json, to_json, without_names
from roadworthy_agent.probes.tree import Content, Tree
from roadworthy_agent.report import StartupRecord

RUNS_SYSTEMD = "run/systemd/system"  # sd_booted(3)
FIRST_BOOT = "run/systemd/first-boot"  # ConditionFirstBoot= of systemd.unit(5)
RECORDED_STATE = "roadworthy/systemd.json"
RECORDED_LAST_SEEN = "roadworthy/last_seen_at"
RECORDED_LOG = "roadworthy/dmesg"
KERNEL_LOG = "dev/kmsg"
# What the service's root step copies of it for the agent: at its start, and after each waking (roadworthy-agent-log)
HANDED_OVER = ("run/roadworthy-agent-open/kernel-log", "run/roadworthy-agent-open/kernel-log.wake")
FPDT = "sys/firmware/acpi/fpdt/boot"
FPDT_RESUME = "sys/firmware/acpi/fpdt/resume/resume_prev_ns"
LOG_LIMIT_BYTES = 16 << 20
BEFORE_USERS_SECONDS = 600.0  # file systems of the device itself are mounted by then

# The plain files that are read; /etc/passwd and /home are only looked into for words to keep out
FILES = (
    FIRST_BOOT,
    FPDT_RESUME,
    f"{FPDT}/bootloader_launch_ns",
    f"{FPDT}/exitbootservice_end_ns",
    "proc/1/stat",
    "proc/stat",
    "proc/sys/kernel/random/boot_id",
    "proc/uptime",
)

Result = ProbeResult[tuple[StartupRecord, ...]]


def collect(context: Context) -> Result:
    """Return the record of the start-up this device is running since, and of its latest waking from sleep."""
    tree = Tree(context.root)
    result = _collect(context, tree)
    said = (result.reason, *(each.reason for each in result.missing))
    return replace(result, missing=(*result.missing, *tree.unsaid("startups", *said)))


def _collect(context: Context, tree: Tree) -> Result:
    where = environment.detect(tree)
    state = _systemd(context, tree)
    in_container = where.kind == environment.CONTAINER
    log = Content(KERNEL_LOG, None) if in_container else _kernel_log(context, tree)
    around = _around(context, tree, where, log.text or "")
    if not isinstance(state, SystemdState):
        result = _without_systemd(context, tree, around, state, log)
        return _with_wake(result, None if in_container else _wake(context, tree, around, None, log))
    around = replace(around, asleep=_asleep(context, state))
    record, missing = parse.from_systemd(state, around)
    result = ProbeResult("startup", Status.OK, (record,), source=record.source, missing=missing)
    return _with_wake(result, None if in_container else _wake(context, tree, around, state, log))


def ending() -> str | None:
    """Return how this boot is about to end (reboot, poweroff, soft_reboot), None where it is not or nobody tells.

    For an agent that is being stopped: the next boot finds out from it whether it was switched on or restarted.
    """
    try:
        return bus.read_ending()
    except (OSError, ProbeError):
        return None


def record(context: Context) -> dict[str, bytes]:
    """Return what is read that is no plain file, without the words that name people, disks or networks."""
    if not context.live:
        return {}
    tree = Tree(context.root)
    found = {aside.RECORDED: aside.to_json(aside.read(context)).encode()}
    state = _systemd(context, tree)
    if isinstance(state, SystemdState):
        found[RECORDED_STATE] = to_json(without_names(state, _private(tree))).encode()
    if environment.detect(tree).kind != environment.CONTAINER:
        found[RECORDED_LOG] = relevant(_kernel_log(context, tree).text or "").encode()
    if context.last_seen_at is not None:
        found[RECORDED_LAST_SEEN] = f"{context.last_seen_at:.3f}\n".encode()
    return found


def _around(context: Context, tree: Tree, where: Environment, log: str) -> parse.Around:
    clock = context.clock
    now = clock.boottime()
    last_seen = context.last_seen_at if context.live else _recorded_last_seen(tree)
    init = kernel.parse_process_start(tree.text("proc/1/stat") or "")
    besides = aside.read(context)
    return parse.Around(
        boot_id=clock.boot_id(),
        where=where,
        now_boottime=now,
        away=away_seconds(clock.wall() - now, last_seen),
        fpdt=_fpdt(tree),
        init_started=init[2] if init else None,
        private=_private(tree),
        signs=kind.Signs(
            kernel_started_at=clock.wall() - now,
            history=besides.history,
            first_boot=tree.exists(FIRST_BOOT),
            offline_update_ended_at=besides.offline_update_ended_at,
            recovered=kernel.parse_recovery(log, BEFORE_USERS_SECONDS),
            ended_as=besides.ended_as,
        ),
        sessions=_sessions(context, tree),
    )


def _private(tree: Tree) -> frozenset[str]:
    return names.private_words(
        tree.text("etc/passwd") or "",
        tree.names("home"),
        tree.text("etc/hostname") or tree.text("proc/sys/kernel/hostname"),
    )


def _recorded_last_seen(tree: Tree) -> float | None:
    text = tree.text(RECORDED_LAST_SEEN)
    return float(text) if text and re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text) else None


def _fpdt(tree: Tree) -> BootPerformance | str:
    return parse_fpdt(
        tree.number(f"{FPDT}/bootloader_launch_ns"), tree.number(f"{FPDT}/exitbootservice_end_ns")
    )


def _systemd(context: Context, tree: Tree) -> SystemdState | Missing:
    """Return what systemd knows, or why it cannot be asked; the kernel's marks are there all the same."""
    if not context.live:
        return _recorded_systemd(tree)
    if not tree.exists(RUNS_SYSTEMD):
        return Missing("startups", Status.NOT_SUPPORTED, "this device does not run systemd")
    try:
        return bus.read_state()
    except PermissionError as error:
        return Missing("startups", Status.NO_PERMISSION, f"systemd cannot be asked: {describe(error)}")
    except (OSError, ProbeError) as error:
        return Missing("startups", Status.ERROR, f"systemd cannot be asked: {describe(error)}")


def _recorded_systemd(tree: Tree) -> SystemdState | Missing:
    content = tree.read(RECORDED_STATE)
    if content.status is Status.NOT_SUPPORTED:
        return Missing("startups", content.status, "no systemd was running when this tree was recorded")
    if content.text is None:
        return content.missing("startups")
    try:
        return from_json(content.text)
    except ProbeError as error:
        return Missing("startups", Status.ERROR, describe(error))


def _sessions(context: Context, tree: Tree) -> logind.Sessions | None:
    """Return the sessions there are, None where nobody tells: they only add whether somebody was there."""
    try:
        if context.live:
            with dbus.system(within=1.0) as system_bus:
                return logind.read(system_bus)
        text = tree.text(logind.RECORDED)
        return None if text is None else logind.from_json(text)
    except (OSError, ProbeError):
        return None


def _asleep(context: Context, state: SystemdState | None) -> float:
    """Return how long the device has slept since the kernel's start, in seconds."""
    clock = context.clock
    if context.live:
        return max(0.0, clock.boottime() - clock.monotonic())
    return max(0.0, clock.boottime() - state.now / 1e6) if state is not None and state.now else 0.0


def _wake(
    context: Context, tree: Tree, around: parse.Around, state: SystemdState | None, log: Content
) -> tuple[StartupRecord, tuple[Missing, ...]] | None:
    asleep = _asleep(context, state)
    sleep = wakes.Sleep(
        boot_id=around.boot_id,
        environment=around.where.kind,
        asleep=asleep,
        now=around.now_boottime - asleep,
        firmware_ns=tree.number(FPDT_RESUME),
        handed_over=log.path in HANDED_OVER,
    )
    return wakes.last_wake(state, wakes.parse_log(log.text or ""), sleep)


def _with_wake(result: Result, wake: tuple[StartupRecord, tuple[Missing, ...]] | None) -> Result:
    if wake is None:
        return result
    record, missing = wake
    return replace(result, value=(*(result.value or ()), record), missing=(*result.missing, *missing))


def _without_systemd(
    context: Context, tree: Tree, around: parse.Around, why: Missing, log: Content
) -> Result:
    """Return the kernel's own marks, with the status that says why there is no more."""
    missing = [Missing("startups.total_seconds", why.status, why.reason)]
    if not context.live and not tree.names("proc"):
        # Without even a /proc nothing is known, not that there was a start-up either.
        return ProbeResult("startup", why.status, (), "the recorded tree holds no /proc", missing=(*missing,))
    hand_over, source, quality = None, "/proc/1/stat", parse.APPROXIMATE
    status = why.status
    if around.where.kind == environment.CONTAINER:
        status = Status.CONTAINER
        why = Missing(
            "startups", status, f"{why.reason}, and in a container the kernel's marks are the host's"
        )
    else:
        hand_over, source, quality = kernel.parse_hand_over(log.text or ""), f"/{log.path}", MEASURED
        if hand_over is None:
            gone = Missing(
                "startups.phases.kernel", Status.NOT_SUPPORTED, "the kernel's log no longer goes back to init"
            )
            missing.append(log.missing(gone.field) if log.text is None else gone)
            hand_over = kernel.earliest_user_process(_process_stats(tree))
            source, quality = "/proc/*/stat", parse.APPROXIMATE
    found, more = parse.from_kernel(hand_over, source, quality, around)
    reason = f"{why.reason}: only {'its beginning' if hand_over is None else 'the part up to init'} is known"
    return ProbeResult("startup", status, (found,), reason, source=source, missing=(*missing, *more))


def relevant(log: str) -> str:
    """Return the lines of the kernel's log that are read, and no other: the rest holds addresses and serial numbers."""
    kept = (
        f"[{seconds:12.6f}] {message}"
        for seconds, message in kernel.log_records(log)
        if kernel.HAND_OVER.fullmatch(message) or kernel.is_recovery(message) or wakes.is_of_a_sleep(message)
    )
    return "".join(f"{line}\n" for line in kept)


def _kernel_log(context: Context, tree: Tree) -> Content:
    """Return the kernel's log as text of dmesg or /dev/kmsg, or what root hands over of it where that is closed."""
    if not context.live:
        return tree.read(RECORDED_LOG, LOG_LIMIT_BYTES)
    log = read_kmsg(tree)
    if log.data is not None:
        return log
    copies = [copy for copy in map(tree.read, HANDED_OVER) if copy.data is not None]
    return Content(copies[0].path, b"".join(copy.data or b"" for copy in copies)) if copies else log


def read_kmsg(tree: Tree) -> Content:
    """Return the records of /dev/kmsg, which gives one a read, without waiting for the next."""
    path = tree.root / KERNEL_LOG
    try:
        log = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except PermissionError as error:
        return Content(KERNEL_LOG, None, Status.NO_PERMISSION, f"/{KERNEL_LOG}: {error.strerror}")
    except OSError as error:
        return Content(KERNEL_LOG, None, Status.NOT_SUPPORTED, f"/{KERNEL_LOG}: {error.strerror}")
    records: list[bytes] = []
    size = 0
    try:
        while size < LOG_LIMIT_BYTES:
            try:
                line = os.read(log, 8192)
            except BlockingIOError:  # the newest record has been read
                break
            except BrokenPipeError:  # records were overwritten meanwhile: the next read goes on after them
                continue
            except OSError as error:
                return Content(KERNEL_LOG, None, Status.ERROR, f"/{KERNEL_LOG}: {error.strerror}")
            if not line:
                break
            size += len(line)
            records.append(line if line.endswith(b"\n") else line + b"\n")
    finally:
        os.close(log)
    return Content(KERNEL_LOG, b"".join(records))


def _process_stats(tree: Tree) -> list[str]:
    return [
        text
        for name in tree.names("proc")
        if name.isdecimal() and (text := tree.text(f"proc/{name}/stat")) is not None
    ]
