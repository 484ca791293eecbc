"""Builds the demo's IT estate at full size in a temporary folder and prints the seconds against the 60 s limit.

Run it from the repository: .venv/bin/python bench/demo.py [devices]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from roadworthy_collector.demo.build import DEVICES, plan
from roadworthy_collector.demo.live import tick
from roadworthy_collector.demo.show import make_ready
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine

LIMIT_SECONDS = 60


def main() -> int:
    devices = int(sys.argv[1]) if len(sys.argv) > 1 else DEVICES
    with tempfile.TemporaryDirectory(prefix="roadworthy-bench-") as folder:
        settings = Settings(data=Path(folder))
        now = int(time.time())
        began = time.perf_counter()
        summary = make_ready(settings, plan(settings, devices=devices, now=now), progress=lambda *_: None)
        took = time.perf_counter() - began
        assert summary is not None
        for phase, seconds in summary.seconds.items():
            print(f"{seconds:8.2f} s  {phase}")
        print(
            f"{took:8.2f} s  in all: {summary.devices} devices, {summary.half_hours} half-hours, "
            f"{summary.start_ups} start-ups, {summary.gaps} gaps, {summary.device_days} device days, "
            f"{settings.database.stat().st_size / 2**20:.0f} MiB"
        )
        began = time.perf_counter()
        make_ready(settings, plan(settings, devices=devices, now=now + 3600), progress=lambda *_: None)
        print(f"{time.perf_counter() - began:8.2f} s  started again an hour later")
        began = time.perf_counter()
        engine = open_engine(settings.database)
        done = tick(engine, settings, now + 3660)
        engine.dispose()
        print(
            f"{time.perf_counter() - began:8.2f} s  a minute's tick: {done.reports} reports, {done.half_hours} half-hours"
        )
    within = took <= LIMIT_SECONDS
    print(f"the limit for {DEVICES} devices is {LIMIT_SECONDS} s: {'kept' if within else 'NOT KEPT'}")
    return 0 if within or devices > DEVICES else 1


if __name__ == "__main__":
    sys.exit(main())
