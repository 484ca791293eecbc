"""The kernel's own marks: when it handed over to user space. For devices without systemd; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

TICKS_PER_SECOND = 100  # USER_HZ, the unit of /proc/<pid>/stat; 100 on every architecture Linux runs PCs on

# Printed last thing before the first program runs (kernel 4.15 and later), once per candidate it tries
HAND_OVER = re.compile(r"Run (/\S+) as init process")
# "[ 2.06] text"; some kernels add who spoke, "[ 2.06][ T1] text", real-time ones the processor, "[ 2.06] 000: text"
LOG_LINE = re.compile(r"\[\s*(\d+\.\d+)\](?:\[[^\]]*\])? (?:\d{3}: )?(.*)")
KTHREADD = 2
# What ext4 and XFS say when they were not unmounted before. Btrfs has nothing to recover, and FAT's mark of it stays
# until somebody runs fsck, so that an old EFI partition would make every start-up a dirty one.
RECOVERIES = (
    re.compile(r"EXT4-fs \(\S+\): recovery complete"),
    re.compile(r"XFS \(\S+\): Starting recovery .*"),
)


def parse_hand_over(log: str) -> float | None:
    """Return seconds from the kernel's start until it ran init, or None if the log does not (any more) say.

    `log` is text of dmesg ("[    0.463547] Run /sbin/init as init process") or of /dev/kmsg
    ("6,553,463547,-;Run ..."). Anyone may write to /dev/kmsg: only what the kernel itself said counts, which is
    facility 0. Where several candidates were tried, the last is the one that ran.
    """
    found = None
    for seconds, message in log_records(log):
        if HAND_OVER.fullmatch(message):
            found = seconds
    return found


def parse_recovery(log: str, before: float) -> str | None:
    """Return the first line that says a file system had not been closed, among those of the first `before` seconds.

    A disk that is plugged in later says nothing of this device's own shutdown.
    """
    return next(
        (message for seconds, message in log_records(log) if seconds <= before and is_recovery(message)),
        None,
    )


def is_recovery(message: str) -> bool:
    """Tell whether the kernel says that a file system had not been closed."""
    return any(pattern.fullmatch(message) for pattern in RECOVERIES)


def log_records(log: str) -> Iterator[tuple[float, str]]:
    """Yield time and text of the kernel's own records in a text of dmesg or of /dev/kmsg."""
    for line in log.splitlines():
        if match := LOG_LINE.fullmatch(line):
            yield float(match[1]), match[2]
        elif (record := _kmsg(line)) is not None:
            yield record


def _kmsg(line: str) -> tuple[float, str] | None:
    """Return time and message of a kernel record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg), or None."""
    head, semicolon, message = line.partition(";")
    fields = head.split(",")
    if not semicolon or len(fields) < 4 or not fields[0].isdecimal() or not fields[2].isdecimal():
        return None
    priority, microseconds = int(fields[0]), int(fields[2])
    return (microseconds / 1e6, message) if priority >> 3 == 0 else None


def parse_process_start(stat: str) -> tuple[int, int, float] | None:
    """Return process number, parent and start (seconds after the kernel's) of a /proc/<pid>/stat, or None.

    The name in brackets may hold blanks and brackets itself, so fields are counted from the last bracket
    (proc_pid_stat(5): field 4 is the parent, field 22 the start).
    """
    before, bracket, after = stat.rpartition(")")
    fields = after.split()
    number = before.split(" ", 1)[0]
    if (
        not bracket
        or len(fields) < 20
        or not (number.isdecimal() and fields[1].isdecimal() and fields[19].isdecimal())
    ):
        return None
    return int(number), int(fields[1]), int(fields[19]) / TICKS_PER_SECOND


def earliest_user_process(stats: list[str]) -> float | None:
    """Return when the earliest surviving user process other than init started, or None.

    Process 1 is left out because it began as a thread of the kernel; so are the kernel's threads.
    """
    starts = [
        started
        for stat in stats
        if (parsed := parse_process_start(stat)) is not None
        for number, parent, started in [parsed]
        if number not in {1, KTHREADD} and parent not in {0, KTHREADD}
    ]
    return min(starts, default=None)
