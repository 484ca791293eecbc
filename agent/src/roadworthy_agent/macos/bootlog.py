"""The marks of a start-up in the unified log; pure.

`log show --style ndjson` gives a record a line. A record carries the boot it belongs to (`bootUUID`, the value of
kern.bootsessionuuid) and `machTimestamp`, ticks of the clock that also runs while the Mac sleeps: the order and the
distances are taken from it, because macOS sets the wall clock several seconds back and forth during a start-up
(https://eclecticlight.co/2020/12/09/what-happens-when-an-m1-mac-starts-up/). A recorded line holds only what is
named here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

# Kept tight: `log` reads compressed files, and every line that does not match costs nothing more.
PREDICATE = (
    '(eventType == "timesyncEvent" AND eventMessage BEGINSWITH "=== system boot:")'
    ' OR (process == "kernel" AND (eventMessage BEGINSWITH "Darwin Kernel Version"'
    ' OR eventMessage CONTAINS "kprintf initialized" OR eventMessage CONTAINS[c] "previous shutdown cause"))'
    ' OR (subsystem == "com.apple.loginwindow.logging" AND category == "KeyMilestone"'
    ' AND eventMessage CONTAINS "login state:")'
)
ANCHOR = re.compile(r"=== system boot: ([0-9A-Fa-f-]{36})")
KERNEL = re.compile(r"Darwin Kernel Version [0-9.]+|kprintf initialized")
CAUSE = re.compile(r"previous shutdown cause: (-?\d{1,4})", re.IGNORECASE)
LOGIN_STATE = re.compile(r"login state: [A-Za-z]{1,40}")
MARKS = (ANCHOR, KERNEL, CAUSE, LOGIN_STATE)
LONGEST_TICKS = 1 << 63


@dataclass(frozen=True, slots=True)
class BootMarks:
    """What the log says of one boot; ticks of the continuous clock, None where a mark is not there."""

    anchor: int | None = None
    kernel: int | None = None  # the kernel's first words
    login_window: int | None = None  # the login window's first milestone
    shutdown_cause: int | None = None  # of the boot before; Intel only

    @property
    def any(self) -> bool:
        """Tell whether there is any mark."""
        return any(
            mark is not None for mark in (self.anchor, self.kernel, self.login_window, self.shutdown_cause)
        )


def parse(data: bytes, boot_id: str) -> BootMarks:
    """Return the marks of one boot; lines of other boots, and lines that are no records, do not count.

    An image carries the log of its maker, so that times alone do not tell boots apart.
    """
    anchors: list[int] = []
    kernels: list[int] = []
    logins: list[int] = []
    causes: list[int] = []
    for record in _records(data):
        if str(record.get("bootUUID", "")).casefold() != boot_id.casefold():
            continue
        ticks, text = _ticks(record), str(record.get("eventMessage", ""))
        if (cause := CAUSE.search(text)) is not None:
            causes.append(int(cause[1]))
        for pattern, found in ((ANCHOR, anchors), (KERNEL, kernels), (LOGIN_STATE, logins)):
            if ticks is not None and pattern.search(text):
                found.append(ticks)
    return BootMarks(
        anchor=min(anchors, default=None),
        kernel=min(kernels, default=None),
        login_window=min(logins, default=None),
        shutdown_cause=causes[0] if causes else None,
    )


def keep(data: bytes) -> bytes:
    """Return the log with nothing in it but the marks: no other words of a message, no process, no path."""
    lines = []
    for record in _records(data):
        text = str(record.get("eventMessage", ""))
        mark = next((found[0] for pattern in MARKS if (found := pattern.search(text))), None)
        boot, ticks = str(record.get("bootUUID", "")), _ticks(record)
        if mark is not None and re.fullmatch(r"[0-9A-Fa-f-]{36}", boot):
            lines.append(json.dumps({"bootUUID": boot, "machTimestamp": ticks, "eventMessage": mark}))
    return "".join(f"{line}\n" for line in lines).encode()


def _records(data: bytes) -> list[dict[str, Any]]:
    records = []
    for line in data.splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):  # the first line says in words what is filtered
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def _ticks(record: dict[str, Any]) -> int | None:
    value = record.get("machTimestamp")
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LONGEST_TICKS
    return value if usable else None
