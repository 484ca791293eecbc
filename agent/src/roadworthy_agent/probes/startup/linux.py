"""Reading a start-up on Linux: systemd where it runs, the kernel's own marks where it does not."""

from __future__ import annotations

import os
import re

from roadworthy_agent.probe import Context, Missing, ProbeResult, Status, describe
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.environment import Environment
from roadworthy_agent.probes.startup import bus, kernel, names, parse
from roadworthy_agent.probes.startup.firmware import MEASURED, BootPerformance, away_seconds, parse_fpdt
from roadworthy_agent.probes.startup.state import SystemdState, from_json
from roadworthy_agent.probes.tree import Content, Tree
from roadworthy_agent.report import StartupRecord

RUNS_SYSTEMD = "run/systemd/system"  # sd_booted(3)
RECORDED_STATE = "roadworthy/systemd.json"
RECORDED_LAST_SEEN = "roadworthy/last_seen_at"
RECORDED_LOG = "roadworthy/dmesg"
KERNEL_LOG = "dev/kmsg"
FPDT = "sys/firmware/acpi/fpdt/boot"
LOG_LIMIT_BYTES = 16 << 20

Result = ProbeResult[tuple[StartupRecord, ...]]


def collect(context: Context) -> Result:
    """Return the record of the start-up this device is running since."""
    tree = Tree(context.root)
    where = environment.detect(tree)
    around = _around(context, tree, where)
    state = _systemd(context, tree)
    if isinstance(state, SystemdState):
        record, missing = parse.from_systemd(state, around)
        return ProbeResult("startup", Status.OK, (record,), source=record.source, missing=missing)
    return _without_systemd(context, tree, around, state)


def _around(context: Context, tree: Tree, where: Environment) -> parse.Around:
    clock = context.clock
    now = clock.boottime()
    last_seen = context.last_seen_at if context.live else _recorded_last_seen(tree)
    init = kernel.parse_process_start(tree.text("proc/1/stat") or "")
    return parse.Around(
        boot_id=clock.boot_id(),
        where=where,
        now_boottime=now,
        away=away_seconds(clock.wall() - now, last_seen),
        fpdt=_fpdt(tree),
        init_started=init[2] if init else None,
        private=names.private_words(
            tree.text("etc/passwd") or "",
            tree.names("home"),
            tree.text("etc/hostname") or tree.text("proc/sys/kernel/hostname"),
        ),
    )


def _recorded_last_seen(tree: Tree) -> float | None:
    text = tree.text(RECORDED_LAST_SEEN)
    return float(text) if text and re.fullmatch(r"\d+(\.\d+)?", text) else None


def _fpdt(tree: Tree) -> BootPerformance | str:
    return parse_fpdt(
        tree.number(f"{FPDT}/bootloader_launch_ns"), tree.number(f"{FPDT}/exitbootservice_end_ns")
    )


def _systemd(context: Context, tree: Tree) -> SystemdState | Missing:
    """Return what systemd knows, or why it cannot be asked."""
    if not context.live:
        content = tree.read(RECORDED_STATE)
        if content.text is None:
            return Missing(
                "startups", Status.NOT_SUPPORTED, "no systemd was running when this tree was recorded"
            )
        return from_json(content.text)
    if not tree.exists(RUNS_SYSTEMD):
        return Missing("startups", Status.NOT_SUPPORTED, "this device does not run systemd")
    try:
        return bus.read_state()
    except PermissionError as error:
        return Missing("startups", Status.NO_PERMISSION, f"systemd cannot be asked: {describe(error)}")
    except OSError as error:
        return Missing("startups", Status.ERROR, f"systemd cannot be asked: {describe(error)}")


def _without_systemd(context: Context, tree: Tree, around: parse.Around, why: Missing) -> Result:
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
        log = _kernel_log(context, tree)
        hand_over, source, quality = kernel.parse_hand_over(log.text or ""), f"/{log.path}", MEASURED
        if hand_over is None:
            gone = Missing(
                "startups.phases.kernel", Status.NOT_SUPPORTED, "the kernel's log no longer goes back to init"
            )
            missing.append(log.missing(gone.field) if log.text is None else gone)
            hand_over = kernel.earliest_user_process(_process_stats(tree))
            source, quality = "/proc/*/stat", parse.APPROXIMATE
    record, more = parse.from_kernel(hand_over, source, quality, around)
    reason = f"{why.reason}: only {'its beginning' if hand_over is None else 'the part up to init'} is known"
    return ProbeResult("startup", status, (record,), reason, source=source, missing=(*missing, *more))


def _kernel_log(context: Context, tree: Tree) -> Content:
    """Return the kernel's log as text of dmesg or /dev/kmsg."""
    if not context.live:
        return tree.read(RECORDED_LOG, LOG_LIMIT_BYTES)
    return read_kmsg(tree)


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
    try:
        while sum(map(len, records)) < LOG_LIMIT_BYTES:
            try:
                record = os.read(log, 8192)
            except BlockingIOError:  # the newest record has been read
                break
            except BrokenPipeError:  # records were overwritten meanwhile: the next read goes on after them
                continue
            except OSError as error:
                return Content(KERNEL_LOG, None, Status.ERROR, f"/{KERNEL_LOG}: {error.strerror}")
            if not record:
                break
            records.append(record if record.endswith(b"\n") else record + b"\n")
    finally:
        os.close(log)
    return Content(KERNEL_LOG, b"".join(records))


def _process_stats(tree: Tree) -> list[str]:
    return [
        text
        for name in tree.names("proc")
        if name.isdecimal() and (text := tree.text(f"proc/{name}/stat")) is not None
    ]
