"""Small runs of every kind, for CI: about two minutes on two processors, and they say only what is right or wrong."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from load.figures import faults, summary
from load.measure import Measured, Wanted, measure
from load.postgres import programs
from load.show import table

WAITING = "full"
_AT_ONCE = 3  # with the one that waits: two processors are kept busy
RUNS: dict[str, Wanted] = {
    "closed": Wanted(devices=500, seconds=4.0, with_jobs=True),
    "tls": Wanted(devices=200, seconds=3.0, mode="open", rate=60.0, tls=True, new_connections=True),
    "herd": Wanted(devices=400, mode="herd", compress=240.0, calls=2, tls=True),
    "restart": Wanted(devices=300, seconds=5.0, restart=True),
    "enrolled": Wanted(devices=20, seconds=1.0, connections=4, over_api=True),
    # A queue that is far too short: most are turned away at first and nobody may be for ever.
    "full": Wanted(
        devices=80,
        mode="herd",
        window_seconds=12.0,
        compress=120.0,
        calls=1,
        settings=(("queue_reports", "4"),),
    ),
    "postgresql": Wanted(devices=300, seconds=4.0, store="postgresql"),
}


def bounded() -> tuple[dict[str, Any], list[str]]:
    """Do all runs; return their figures and what is wrong with them, named."""
    runs = dict(RUNS)
    told: dict[str, Any] = {}
    wrong: list[str] = []
    if programs() is None:
        print("postgresql: not installed: not run\n")
        del runs["postgresql"]
        if os.environ.get("CI") == "true":
            wrong.append("postgresql: not installed; in CI every run must be made")
    # Those turned away by a full queue wait up to a minute and do nothing meanwhile, and so does a collector that
    # starts: they go on beside the others, the one that waits longest first.
    with ThreadPoolExecutor(_AT_ONCE) as beside:
        order = sorted(runs, key=lambda name: name != WAITING)
        going = {name: beside.submit(_run, runs[name]) for name in order}
        for name in runs:
            _tell(name, going[name].result(), told, wrong)
    return told["closed"] | {"runs": told, "peers": {}}, wrong


def _run(wanted: Wanted) -> Measured:
    with tempfile.TemporaryDirectory(prefix="bench-bounded-") as folder:
        return measure(wanted, Path(folder))


def _tell(name: str, found: Measured, told: dict[str, Any], wrong: list[str]) -> None:
    """Print a run and note its figures and its faults."""
    told[name] = summary(found)
    print(f"{name}: {table(found, told[name])}\n", flush=True)
    if here := faults(found):
        wrong += [f"{name}: {fault}" for fault in here]
        print(f"the collector's last words:\n{found.log}\n", flush=True)
