"""How earlier boots of this device began and ended: the boot and shutdown records of wtmp(5) and of wtmpdb.

Both files mostly record people: accounts, terminals, addresses. Of those only the kind of record is looked at, and it
is skipped; what is kept is "boot" and "shutdown" with their times.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from roadworthy_agent.probe import Missing, Status

WTMP = "var/log/wtmp"
WTMPDB = ("var/lib/wtmpdb/wtmp.db", "var/log/wtmp.db")
BOOT, SHUTDOWN, REBOOT, POWEROFF = "boot", "shutdown", "reboot", "poweroff"

RUN_LVL, BOOT_TIME, LAST_TYPE = 1, 2, 9  # utmp.h
USER = slice(44, 76)  # of a record; for RUN_LVL it holds "shutdown" or "runlevel", never an account
# Where a record has its seconds, and how long it is: glibc's `struct utmp` with times of 32 bits (x86, and others that
# run 32-bit programs) and of 64 (ARM, RISC-V)
LAYOUTS = ((384, struct.Struct("=i"), 340), (400, struct.Struct("=q"), 344))
BOTH = 9600  # bytes: a whole number of records in either layout
TAIL_BYTES = 100 * BOTH
EARLIEST, LATEST = 631_152_000, 4_102_444_800  # 1990 and 2100
WELL_FORMED = 0.9  # share of records that must make sense
# systemd-update-utmp notes the same instant again when it is restarted; clock changes move it a little
SAME_BOOT_SECONDS = 5.0
KNOWN = frozenset({BOOT, SHUTDOWN, REBOOT, POWEROFF})
# sysvinit and OpenRC note the run level they change to
RUN_LEVELS = {ord("0"): POWEROFF, ord("6"): REBOOT}


@dataclass(frozen=True, slots=True)
class Event:
    """One record: boot, shutdown (of either kind), reboot or poweroff, and when, in epoch seconds."""

    what: str
    at: float


def parse_wtmp(data: bytes) -> tuple[Event, ...]:
    """Return the boots and ends in wtmp's records, in their order; nothing where the bytes are no such records."""
    best: tuple[tuple[bool, int], tuple[Event, ...]] = ((False, -1), ())
    for length, seconds, at in LAYOUTS:
        records = [data[begin : begin + length] for begin in range(0, len(data) - length + 1, length)]
        times = [float(seconds.unpack_from(record, at)[0]) for record in records]
        sound = sum(map(_is_sound, records, times))
        if not records or sound < WELL_FORMED * len(records):
            continue
        # a short file may look like either: the one that leaves no rest is it, else the one with more times in it
        rank = (len(data) % length == 0, sum(time >= EARLIEST for time in times))
        if rank > best[0]:
            best = (rank, tuple(filter(None, map(_event, records, times))))
    return best[1]


def _is_sound(record: bytes, seconds: float) -> bool:
    kind = struct.unpack_from("=h", record)[0]
    return 0 <= kind <= LAST_TYPE and (seconds == 0 or EARLIEST <= seconds < LATEST)


def _event(record: bytes, seconds: float) -> Event | None:
    kind, pid = struct.unpack_from("=h2xi", record)
    if not EARLIEST <= seconds < LATEST:
        return None
    if kind == BOOT_TIME:
        return Event(BOOT, seconds)
    if kind != RUN_LVL:
        return None
    if record[USER].rstrip(b"\0") == b"shutdown":
        return Event(SHUTDOWN, seconds)
    ending = RUN_LEVELS.get(pid & 0xFF)
    return Event(ending, seconds) if ending else None


def parse_wtmpdb(rows: Iterable[Sequence[object]]) -> tuple[Event, ...]:
    """Return the same from wtmpdb's boot entries: (began, ended) in microseconds, oldest first; ended may be None."""
    events = []
    for row in rows:
        for what, value in zip((BOOT, SHUTDOWN), row, strict=False):
            if isinstance(value, int) and EARLIEST <= value / 1e6 < LATEST:
                events.append(Event(what, value / 1e6))
    return tuple(events)


def before_this_boot(events: Sequence[Event], kernel_started_at: float, slack: float) -> list[Event] | None:
    """Return the records before this boot's own, oldest first; None where this boot has none."""
    boots = [number for number, event in enumerate(events) if event.what == BOOT]
    if not boots or abs(events[boots[-1]].at - kernel_started_at) > slack:
        return None
    mine = events[boots[-1]].at
    first = next(number for number in boots if abs(events[number].at - mine) <= SAME_BOOT_SECONDS)
    return list(events[:first])


def read(root: Path) -> tuple[Event, ...] | Missing:
    """Return the records of a live device, from wtmp or wtmpdb, or why there are none."""
    refused = None
    for path in WTMPDB:
        try:
            events = parse_wtmpdb(_read_wtmpdb(root / path))
        except PermissionError:
            refused = path
        except OSError:
            continue
        else:
            if events:
                return events
    try:
        events = parse_wtmp(_read_tail(root / WTMP))
    except PermissionError:
        refused = WTMP
    except OSError as error:
        if refused is None:
            return Missing("startups.kind", Status.NOT_SUPPORTED, f"/{WTMP}: {error.strerror}")
    else:
        return events
    return Missing("startups.kind", Status.NO_PERMISSION, f"/{refused}: Permission denied")


def _read_tail(path: Path) -> bytes:
    """Return the last records, as much as matters: from a place where records of either length begin."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, -(-(size - TAIL_BYTES) // BOTH) * BOTH))
        return file.read(TAIL_BYTES)


def _read_wtmpdb(path: Path) -> list[tuple[object, ...]]:
    """Return the last boots of wtmpdb (https://github.com/thkukuk/wtmpdb): type 1 is a boot, its log-out the shutdown."""
    import sqlite3

    path.stat()  # sqlite has one error for a file that is missing and one that is closed
    with path.open("rb"):
        pass
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
        try:
            rows = connection.execute(
                "SELECT Login, Logout FROM wtmp WHERE Type = 1 ORDER BY Login DESC LIMIT 16"
            ).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise OSError(None, f"is no database of wtmpdb: {error}", str(path)) from error
    return rows[::-1]
