"""From two looks at the kernel's CPU counters to one ratio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# /proc/stat columns, in order (proc_stat(5)); the unit is the clock tick, which cancels out
COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
BUSY = ("user", "nice", "system", "irq", "softirq")
IDLE = ("idle", "iowait")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Cumulated time of all processors, in any one unit."""

    busy: Mapping[str, float]
    idle: Mapping[str, float]


def cpu_times(values: Mapping[str, float]) -> CpuTimes:
    """Sort the counters into busy and idle.

    guest and guest_nice are left out because user and nice already hold them; waiting for a disk is idle; time
    a hypervisor took away (steal) is neither, as this machine could not have used it.
    """
    return CpuTimes(
        busy={name: float(values.get(name, 0.0)) for name in BUSY},
        idle={name: float(values.get(name, 0.0)) for name in IDLE},
    )


def parse_stat(text: str) -> CpuTimes | None:
    """Return the counters of the `cpu` line of /proc/stat, or None where there is none."""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["cpu"]:
            numbers = words[1:]
            if len(numbers) < len(("user", "nice", "system", "idle")) or not all(
                n.isdecimal() for n in numbers
            ):
                return None
            return cpu_times(dict(zip(COLUMNS, map(float, numbers), strict=False)))
    return None


def busy_ratio(before: CpuTimes, after: CpuTimes) -> float | None:
    """Return the busy part of the time between two looks, 0-1, or None when no time passed.

    Single counters may step back (the kernel documents it for iowait and idle): a step back counts as nothing.
    """
    busy = sum(max(0.0, after.busy[name] - before.busy[name]) for name in BUSY)
    idle = sum(max(0.0, after.idle[name] - before.idle[name]) for name in IDLE)
    total = busy + idle
    return None if total <= 0.0 else min(1.0, busy / total)


def parse_memory_ratio(meminfo: str) -> float | None:
    """Return 1 - MemAvailable/MemTotal of /proc/meminfo, 0-1, or None where either is missing."""
    values = parse_meminfo(meminfo)
    total, available = values.get("MemTotal"), values.get("MemAvailable")
    return None if total is None or available is None else memory_ratio(total, available)


def memory_ratio(total: float, available: float) -> float | None:
    """Return the used part of the memory, 0-1; None for a machine that says it has none."""
    return None if total <= 0 else min(1.0, max(0.0, 1.0 - available / total))


def parse_meminfo(text: str) -> dict[str, int]:
    """Return /proc/meminfo in bytes (its kB are 1024 bytes, proc_meminfo(5))."""
    values: dict[str, int] = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        number = rest.split()
        if colon and number and number[0].isdecimal():
            values[name.strip()] = int(number[0]) * (1024 if number[1:] == ["kB"] else 1)
    return values
