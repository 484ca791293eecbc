"""The clocks of a device, and of a recorded tree.

A sample is placed by the boot it was taken in and by the boot clock, which no one can set; wall time is
worked out later (see `periods`). On Linux the boot clock runs on while the device is asleep and the monotonic
clock does not, so their difference is the time asleep. macOS has the same pair: CLOCK_MONOTONIC_RAW counts on while
asleep (mach_continuous_time), and `time.monotonic` is mach_absolute_time, which stands still (clock_gettime(3) there).
Windows has it as the interrupt time, with sleep and without (see `windows.times`); after a "fast startup" the kernel
is the one that was hibernated, so the time in between counts as asleep there.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Protocol

LATEST = 4_102_444_800  # 2100, the latest moment the wire contract knows
BOOT_ID = "proc/sys/kernel/random/boot_id"
RECORDED_CLOCK = "roadworthy/clock.json"


class Clock(Protocol):
    """The four things a device knows about time."""

    def boot_id(self) -> str:
        """Return what names this boot: the same until the kernel starts again."""

    def boottime(self) -> float:
        """Return seconds since the kernel started, time asleep included."""

    def monotonic(self) -> float:
        """Return seconds from an unknown beginning, time asleep left out where the platform can."""

    def wall(self) -> float:
        """Return UTC epoch seconds as the system believes them; may be wrong, may jump."""


class SystemClock:
    """This machine's clocks."""

    def __init__(self, boot_id_file: Path = Path("/") / BOOT_ID) -> None:
        self._boot_id_file = boot_id_file
        self._boot_id: str | None = None

    def boot_id(self) -> str:
        """Return the kernel's boot id, or one derived from the boot instant where the kernel has none."""
        if self._boot_id is None:
            self._boot_id = (
                read_boot_id(self._boot_id_file)
                or _boot_session()
                or _windows_boot_id()
                or _derived_boot_id(self.wall() - self.boottime())
            )
        return self._boot_id

    def boottime(self) -> float:
        """Return CLOCK_BOOTTIME on Linux, its equal on macOS and Windows, `time.monotonic` elsewhere."""
        if sys.platform == "linux":
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        if sys.platform == "darwin":
            return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
        if sys.platform == "win32":
            from roadworthy_agent.windows.times import seconds_since_start

            return seconds_since_start()
        return time.monotonic()

    def monotonic(self) -> float:
        """Return CLOCK_MONOTONIC, on Windows its equal: Python's own runs on while asleep there."""
        if sys.platform == "win32":
            from roadworthy_agent.windows.times import seconds_awake

            return seconds_awake()
        return time.monotonic()

    def wall(self) -> float:
        """Return the system's UTC epoch seconds."""
        return time.time()


class RecordedClock:
    """The clock of a recorded tree: stands still at the moment it was recorded.

    Trees of Linux hold /proc; others hold roadworthy/clock.json: {"boot_id", "boottime_seconds", "wall"}. What the
    tree does not hold comes from the machine that reads it, since a report needs some time.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._told = _clock_of(_read(root / RECORDED_CLOCK))

    def boot_id(self) -> str:
        """Return the recorded boot id, or a name for a tree without one."""
        told = str(self._told.get("boot_id", ""))[:64]
        return told or read_boot_id(self._root / BOOT_ID) or "recorded-tree"

    def boottime(self) -> float:
        """Return the recorded uptime, 0 seconds long where none was recorded."""
        told = parse_uptime(str(self._told.get("boottime_seconds", "")))
        return told or parse_uptime(_read(self._root / "proc/uptime")) or 0.0

    def monotonic(self) -> float:
        """Return the same as `boottime`: no one recorded a suspend clock."""
        return self.boottime()

    def wall(self) -> float:
        """Return the recorded time, else the kernel's start plus the uptime, else this machine's time."""
        if (told := parse_uptime(str(self._told.get("wall", "")))) is not None:
            return told
        started = parse_btime(_read(self._root / "proc/stat"))
        uptime = parse_uptime(_read(self._root / "proc/uptime"))
        return time.time() if started is None or uptime is None else started + uptime


def read_boot_id(path: Path) -> str | None:
    """Return the boot id a file holds, or None."""
    text = _read(path).strip()
    return text[:64] or None


def _boot_session() -> str | None:
    """Return macOS's name for this boot, which its log carries too (kern.bootsessionuuid); None elsewhere."""
    if sys.platform != "darwin":
        return None
    from roadworthy_agent.macos import sysctl

    return sysctl.read("kern.bootsessionuuid")


def parse_uptime(text: str) -> float | None:
    """Return the first number of /proc/uptime in seconds (proc_uptime(5)), or None; nan and inf are none."""
    try:
        seconds = float(text.split(maxsplit=1)[0])
    except (IndexError, ValueError):
        return None
    return seconds if 0 <= seconds < LATEST else None


def parse_btime(text: str) -> float | None:
    """Return `btime` of /proc/stat, the kernel's start in epoch seconds (proc_stat(5)), or None."""
    for line in text.splitlines():
        if line.startswith("btime "):
            return parse_uptime(line.removeprefix("btime "))
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _clock_of(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _windows_boot_id() -> str | None:
    """Return a name for this boot of Windows, from the kernel's own instant and count; None elsewhere."""
    if sys.platform == "win32":
        from roadworthy_agent.windows.times import boot_counter, boot_instant

        instant = boot_instant()
        return None if instant is None else _derived_boot_id(instant, boot_counter())
    return None


def _derived_boot_id(started_at: float, counter: int | None = None) -> str:
    """Return a name for the boot that began at `started_at`, the same for every process of that boot.

    Rounded to two minutes, as the wall clock is set now and then and the two clocks are read one after the other.
    """
    import hashlib  # here, because it loads OpenSSL, 3.6 MB, and Linux has boot ids of its own

    name = b"boot %d" % round(started_at / 120) + (b"" if counter is None else b" %d" % counter)
    return hashlib.sha256(name).hexdigest()[:32]
