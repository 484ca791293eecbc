"""The kernel's own marks: when it handed over to user space. For devices without systemd; pure."""

from __future__ import annotations

import re

TICKS_PER_SECOND = 100  # USER_HZ, the unit of /proc/<pid>/stat; 100 on every architecture Linux runs PCs on

# Printed last thing before the first program runs (kernel 4.15 and later), once per candidate it tries
HAND_OVER = re.compile(r"Run (/\S+) as init process")
# "[ 2.06] text"; some kernels add who spoke, "[ 2.06][ T1] text", real-time ones the processor, "[ 2.06] 000: text"
LOG_LINE = re.compile(r"\[\s*(\d+\.\d+)\](?:\[[^\]]*\])? (?:\d{3}: )?(.*)")
KTHREADD = 2


def parse_hand_over(log: str) -> float | None:
    """Return seconds from the kernel's start until it ran init, or None if the log does not (any more) say.

    `log` is text of dmesg ("[    0.463547] Run /sbin/init as init process") or of /dev/kmsg
    ("6,553,463547,-;Run ..."). Anyone may write to /dev/kmsg: only what the kernel itself said counts, which is
    facility 0. Where several candidates were tried, the last is the one that ran.
    """
    found = None
    for line in log.splitlines():
        if match := LOG_LINE.fullmatch(line):
            seconds, message = float(match[1]), match[2]
        elif (record := _kmsg(line)) is not None:
            seconds, message = record
        else:
            continue
        if HAND_OVER.fullmatch(message):
            found = seconds
    return found


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
