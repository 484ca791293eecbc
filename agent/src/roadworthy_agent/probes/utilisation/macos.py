"""Reading CPU and memory use on macOS: psutil on the live machine, two recorded looks in a tree.

`roadworthy/counters.json`: {"cpu_times": [{"user", "nice", "system", "idle"}, the same a while later],
"virtual_memory": {"total", "available"}}, seconds and bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from roadworthy_agent.probe import NOT_UNDERSTOOD, Context, Missing, ProbeResult, Sample, Status
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.probes.utilisation.parse import CpuTimes, busy_ratio, cpu_times, memory_ratio

FILES: tuple[str, ...] = ()
COUNTERS = "roadworthy/counters.json"
LOOK_SECONDS = 1.0
CPU_SOURCE, MEMORY_SOURCE = "psutil.cpu_times", "psutil.virtual_memory"
NO_TIME_YET = "two looks at the CPU counters are needed and no time has passed between them yet"
NO_MEMORY = "the memory counters cannot be read"

Result = ProbeResult[Sample]


class Sampler:
    """Means between calls, without waiting: the first call covers the time since construction."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._recorded = {} if context.live else _read(Tree(context.root))
        self._before = self._times(0)

    def sample(self) -> Result:
        """Return the means since the previous call."""
        after = self._times(1)
        cpu = None if self._before is None or after is None else busy_ratio(self._before, after)
        memory = self._memory()
        missing = []
        if cpu is None:
            missing.append(Missing("cpu", Status.NO_DATA_YET, NO_TIME_YET))
        else:
            self._before = after
        if memory is None:
            missing.append(Missing("memory", Status.NOT_SUPPORTED, NO_MEMORY))
        sample = Sample(_four(cpu), _four(memory), CPU_SOURCE, MEMORY_SOURCE)
        return ProbeResult(
            "utilisation",
            Status.OK if cpu is not None else Status.NO_DATA_YET,
            sample,
            reason=NO_TIME_YET if cpu is None else None,
            source=f"{CPU_SOURCE}, {MEMORY_SOURCE}",
            missing=tuple(missing),
        )

    def _times(self, look: int) -> CpuTimes | None:
        if self._context.live:
            import psutil

            return cpu_times(psutil.cpu_times()._asdict())
        looks = self._recorded.get("cpu_times")
        if not isinstance(looks, list) or len(looks) <= look or not isinstance(looks[look], dict):
            return None
        return cpu_times(_numbers(looks[look]))

    def _memory(self) -> float | None:
        if self._context.live:
            import psutil

            use = psutil.virtual_memory()
            return memory_ratio(use.total, use.available)
        told = self._recorded.get("virtual_memory")
        values = _numbers(told) if isinstance(told, dict) else {}
        if not {"total", "available"} <= values.keys():
            return None
        return memory_ratio(values["total"], values["available"])


def collect(context: Context, sampler: Callable[[Context], Sampler] = Sampler) -> Result:
    """Look twice, about a second apart."""
    looking = sampler(context)
    context.sleep(LOOK_SECONDS)
    return looking.sample()


def record(context: Context) -> dict[str, bytes]:
    """Return two looks, about a second apart; of a recorded tree the looks it holds."""
    if not context.live:
        data = Tree(context.root).read(COUNTERS).data
        return {} if data is None else {COUNTERS: data}
    import psutil

    first = psutil.cpu_times()._asdict()
    context.sleep(LOOK_SECONDS)
    use = psutil.virtual_memory()
    told = {
        "cpu_times": [first, psutil.cpu_times()._asdict()],
        "virtual_memory": {"total": use.total, "available": use.available},
    }
    return {COUNTERS: json.dumps(told, indent=1).encode()}


def _read(tree: Tree) -> dict[str, Any]:
    try:
        told = json.loads(tree.text(COUNTERS) or "{}")
    except NOT_UNDERSTOOD:
        return {}
    return told if isinstance(told, dict) else {}


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15
    }


def _four(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)
