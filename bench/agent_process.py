"""The two real programs on one accelerated clock; started by bench/agent.py.

    python bench/agent_process.py agent          as `roadworthy-agent run`
    python bench/agent_process.py collector ...  as `roadworthy ...`

BENCH_CLOCK holds "origin factor wall": at CLOCK_MONOTONIC `origin` both believe it is `wall`, and from then on time
passes `factor` times as fast. Nothing in the product knows of this: the agent is given a clock, as it always is, and
sleeps for its seconds on that clock; the collector asks `time.time`. Sockets, disk and processor are the real ones.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> int:
    if sys.argv[1:] == ["agent"]:
        return agent()
    if sys.argv[1:2] == ["collector"]:
        return collector(sys.argv[2:])
    print(__doc__)
    return 0


def accelerated() -> tuple[float, float, float]:
    """Return origin, factor and wall."""
    origin, factor, wall = (float(part) for part in os.environ["BENCH_CLOCK"].split())
    return origin, factor, wall


def desk_power(context: object) -> object:
    """Return the product's own reader on the counters of a desktop: package, memory and psys, at 5 to 40 W.

    This machine has none. Writing the counters is charged to the agent, which makes it look dearer than it is.
    """
    import random
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    from roadworthy_agent.probes.power.linux import Sampler

    root = Path(tempfile.mkdtemp(prefix="bench-desk-"))
    zones = {
        "intel-rapl:0": ("package-0", 20.0),
        "intel-rapl:0:0": ("dram", 2.0),
        "intel-rapl:1": ("psys", 35.0),
    }
    for zone, (name, _watts) in zones.items():
        folder = root / "sys/class/powercap" / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
        (folder / "constraint_0_max_power_uw").write_text("65000000\n")
        (folder / "energy_uj").write_text("0\n")
    own = replace(context, root=root)  # type: ignore[type-var] # a Context
    reader, drawn = Sampler(own), dict.fromkeys(zones, 0.0)
    clock, dice = own.clock, random.Random(1)  # type: ignore[attr-defined] # noqa: S311 - a Context has a clock; figures, no secrets
    last = [clock.monotonic()]

    class Desk:
        def read(self) -> object:
            now = clock.monotonic()
            use = dice.uniform(0.25, 1.1)
            for zone, (_name, watts) in zones.items():
                drawn[zone] += watts * use * (now - last[0]) * 1e6
                (root / "sys/class/powercap" / zone / "energy_uj").write_text(f"{int(drawn[zone])}\n")
            last[0] = now
            return reader.read()

    return Desk()


def desk_state(_context: object) -> object:
    """Return a reader of a person who comes and goes; asking logind costs 0.4 ms more, which is added by hand."""
    import random

    from roadworthy_agent.probe import ProbeResult
    from roadworthy_agent.reading import DeviceState, StateReading, Status

    dice = random.Random(2)  # noqa: S311 - figures, no secrets

    class Person:
        state = DeviceState.IN_USE

        def read(self) -> ProbeResult[StateReading]:
            if dice.random() < 0.1:
                self.state = dice.choice([DeviceState.IN_USE, DeviceState.IDLE, DeviceState.LOCKED])
            return ProbeResult("state", Status.OK, StateReading(self.state, "logind over D-Bus"))

    return Person()


def agent() -> int:
    """Run the agent, and leave what it used in $BENCH_RESULT."""
    from dataclasses import replace

    from roadworthy_agent import agent as product
    from roadworthy_agent import cli
    from roadworthy_agent.clock import SystemClock

    origin, factor, wall = accelerated()
    booted = time.clock_gettime(time.CLOCK_BOOTTIME)

    class Clock(SystemClock):
        def boottime(self) -> float:
            return booted + (time.monotonic() - origin) * factor

        def monotonic(self) -> float:
            return self.boottime()

        def wall(self) -> float:
            return wall + (time.monotonic() - origin) * factor

    began = time.monotonic()
    counted = {"samples": 0, "calls": 0, "start_cpu_seconds": 0.0, "main_cpu_seconds": 0.0}

    class Hurried(product.Agent):
        def __init__(
            self, settings: object, context: object, probes: object, samplers: dict[str, object]
        ) -> None:
            instruments = samplers | {"power": desk_power, "state": desk_state}
            super().__init__(settings, replace(context, clock=Clock()), probes, instruments)  # type: ignore[arg-type,type-var] # handed through
            counted["start_cpu_seconds"] = time.process_time()

        def _until_next(self, next_sample: float) -> float:
            return super()._until_next(next_sample) / factor

        def _sample(self, *sampler: object) -> None:
            super()._sample(*sampler)  # type: ignore[arg-type] # handed through
            counted["samples"] += 1
            counted["main_cpu_seconds"] = time.thread_time()

        def _call(self) -> None:
            counted["calls"] += 1
            super()._call()

    product.Agent = Hurried  # type: ignore[misc] # the command makes its agent by this name
    code = cli.main(["run"])
    spent = os.times()  # the processes that speak TLS count too: they are children
    used = {
        **counted,
        "cpu_seconds": spent.user + spent.system,
        "children_cpu_seconds": spent.children_user + spent.children_system,
        "fast_seconds": (time.monotonic() - began) * factor,
    }
    with open(os.environ["BENCH_RESULT"], "w", encoding="ascii") as file:  # noqa: PTH123 - imports nothing the agent would not
        file.write(repr(used))
    return code


def collector(arguments: list[str]) -> int:
    """Run a command of the collector."""
    origin, factor, wall = accelerated()
    time.time = lambda: wall + (time.monotonic() - origin) * factor  # before anybody has taken it
    from roadworthy_collector.cli import main as command

    sys.argv = ["roadworthy", *arguments]
    command()
    return 0


if __name__ == "__main__":
    sys.exit(main())
