"""Reading CPU and memory use on Windows: psutil, which asks GetSystemTimes and GlobalMemoryStatusEx."""

from __future__ import annotations

from collections.abc import Callable

from roadworthy_agent.probe import Context, Missing, ProbeResult, Sample, Status
from roadworthy_agent.probes.utilisation.parse import CpuTimes, busy_ratio, cpu_times, memory_ratio
from roadworthy_agent.windows.machine import machine_of
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.recorder import RecordingWindows

FILES: tuple[str, ...] = ()
LOOK_SECONDS = 1.0
# GetSystemTimes knows kernel (idle in it), user and idle; psutil gives kernel less idle as `system`. The kernel's
# time holds that of interrupts and deferred calls, so psutil's `interrupt` and `dpc` must not be added to it.
COUNTED = ("user", "system", "idle")
NO_TIME_YET = "two looks at the CPU counters are needed and no time has passed between them yet"
NO_MEMORY = "Windows gives no memory size"


class Sampler:
    """Means between calls, without waiting: the first call covers the time since construction."""

    def __init__(self, context: Context) -> None:
        self._machine = machine_of(context)
        self._before = times_of(self._machine.calls("utilisation"))

    def sample(self) -> ProbeResult[Sample]:
        """Return the means since the previous call."""
        raw = self._machine.calls("utilisation")
        after = times_of(raw)
        cpu = None if self._before is None or after is None else busy_ratio(self._before, after)
        memory = memory_of(raw)
        missing: list[Missing] = []
        if cpu is None and raw.fault is not None:
            missing.append(raw.missing("cpu_seconds", "cpu"))
        elif cpu is None:
            missing.append(Missing("cpu", Status.NO_DATA_YET, NO_TIME_YET))
        if cpu is not None or self._before is None:
            self._before = after
        if memory is None:
            missing.append(Missing("memory", Status.NOT_SUPPORTED, NO_MEMORY))
        sample = Sample(_four(cpu), _four(memory))
        status = Status.OK if cpu is not None else missing[0].status
        return ProbeResult(
            "utilisation",
            status,
            sample,
            reason=missing[0].reason if status is not Status.OK else None,
            source=f"{sample.cpu_source}, {sample.memory_source}",
            missing=tuple(missing),
        )


def collect(context: Context, sampler: Callable[[Context], Sampler] = Sampler) -> ProbeResult[Sample]:
    """Look twice, about a second apart."""
    looking = sampler(context)
    context.sleep(LOOK_SECONDS)
    return looking.sample()


def record(context: Context) -> dict[str, bytes]:
    """Return two looks, for a recorded tree."""
    recording = RecordingWindows(machine_of(context))
    recording.calls("utilisation")
    context.sleep(LOOK_SECONDS)
    recording.calls("utilisation")
    return recording.files("utilisation")


def times_of(raw: Raw) -> CpuTimes | None:
    """Return the processors' times, None where one that counts is missing."""
    seconds = raw.inner("cpu_seconds")
    values = {name: value for name in COUNTED if (value := seconds.decimal(name)) is not None}
    return cpu_times(values) if len(values) == len(COUNTED) else None


def memory_of(raw: Raw) -> float | None:
    """Return the used part of the memory, 0-1."""
    memory = raw.inner("memory")
    total, available = memory.number("total"), memory.number("available")
    return None if total is None or available is None else memory_ratio(total, available)


def _four(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)
