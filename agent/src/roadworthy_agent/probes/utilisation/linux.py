"""Reading CPU and memory use on Linux from /proc, as psutil does; psutil itself would take 2.5 MB."""

from __future__ import annotations

from collections.abc import Callable

from roadworthy_agent.probe import Context, Missing, ProbeResult, Sample, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.probes.utilisation.parse import (
    CpuTimes,
    busy_ratio,
    parse_memory_ratio,
    parse_stat,
)

LOOK_SECONDS = 1.0
RECORDED_LATER = "roadworthy/stat.2"  # /proc/stat once more, recorded a while after proc/stat
# What a recording holds: the counters, and which file systems show through (is /proc/stat the host's?)
FILES = ("proc/stat", "proc/meminfo", "proc/self/mountinfo")
OF_THE_HOST = " (the host's, seen from a container)"
NO_TIME_YET = "two looks at the CPU counters are needed and no time has passed between them yet"
NO_MEMORY = "the kernel gives no MemAvailable"


class Sampler:
    """Means between calls, without waiting: the first call covers the time since construction."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tree = Tree(context.root)
        self._before = self._now()
        self._host_marker = OF_THE_HOST if _sees_host(self._tree) else ""

    def sample(self) -> ProbeResult[Sample]:
        """Return the means since the previous call."""
        after = self._later()
        cpu = None if self._before is None or after is None else busy_ratio(self._before, after)
        memory = self._memory()
        missing: list[Missing] = []
        if cpu is None:
            missing.append(Missing("cpu", Status.NO_DATA_YET, NO_TIME_YET))
        else:
            self._before = after
        if memory is None:
            missing.append(Missing("memory", Status.NOT_SUPPORTED, NO_MEMORY))
        cpu_source, memory_source = (f"/proc/{name}{self._host_marker}" for name in ("stat", "meminfo"))
        sample = Sample(_four(cpu), _four(memory), cpu_source=cpu_source, memory_source=memory_source)
        status = Status.OK if cpu is not None else Status.NO_DATA_YET
        return ProbeResult(
            "utilisation",
            status,
            sample,
            reason=missing[0].reason if status is not Status.OK else None,
            source=f"{cpu_source}, {memory_source}",
            missing=tuple(missing),
        )

    def _now(self) -> CpuTimes | None:
        return parse_stat(self._tree.text("proc/stat") or "")

    def _later(self) -> CpuTimes | None:
        if self._context.live:
            return self._now()
        return parse_stat(self._tree.text(RECORDED_LATER) or "")

    def _memory(self) -> float | None:
        return parse_memory_ratio(self._tree.text("proc/meminfo") or "")


def collect(context: Context, sampler: Callable[[Context], Sampler] = Sampler) -> ProbeResult[Sample]:
    """Look twice, about a second apart."""
    looking = sampler(context)
    context.sleep(LOOK_SECONDS)
    return looking.sample()


def record(context: Context) -> dict[str, bytes]:
    """Return the processor's counters once more, about a second after the recorder read them."""
    context.sleep(LOOK_SECONDS)
    later = Tree(context.root).read("proc/stat").data
    return {} if later is None else {RECORDED_LATER: later}


def _four(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


def _sees_host(tree: Tree) -> bool:
    """Tell whether the counters are the host's: in a container, unless lxcfs puts its own over /proc/stat."""
    if environment.detect(tree).kind != environment.CONTAINER:
        return False
    return not any(
        line.split()[4:5] == ["/proc/stat"] for line in (tree.text("proc/self/mountinfo") or "").splitlines()
    )
