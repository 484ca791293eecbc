"""5,000 devices, as the benchmark makes them: each shard within its stated size, all of them the whole."""

from __future__ import annotations

import asyncio
import gzip
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support import wait_until
from support.estates import Estate

from roadworthy_collector.metrics.detail import DetailProcess
from roadworthy_collector.metrics.detail_process import Wanted
from roadworthy_collector.metrics.shards import DEVICES_PER_SHARD, advised_shards, render_shard
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

DEVICES = 5000
# As docs/performance.md states them.
SHARD_BYTES = 5_000_000
SHARD_SAMPLES = 60_000
# The richest recorded report: this many samples of so many bytes in all.
RICHEST_SAMPLES = 31
RICHEST_BYTES = 3300
_PROBES = ("battery", "cpu", "disks", "energy", "hardware", "memory", "sessions", "startup")
_PHASES = ("firmware", "loader", "kernel", "initrd", "userspace")
_SCOPES = ("machine", "memory")


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[3] / "bench/scrape.py"
    specification = importlib.util.spec_from_file_location("bench_scrape", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


@pytest.mark.needs("promtool")
# The store makes no difference to sizes; what changes is tested on both.
@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_shards_stay_small_and_are_the_whole(estate: Estate, bench: ModuleType) -> None:
    bench.fill(estate.engine, DEVICES)
    shards = advised_shards(DEVICES)
    detail = DetailProcess(Settings(data=estate.path.parent))
    try:
        first = ask(detail, shards, bench.NOW)
        assert sum(map(bench.samples_in, first)) == 12 * DEVICES
        for text in first:
            assert len(text) <= SHARD_BYTES
            assert bench.samples_in(text) <= SHARD_SAMPLES
        with write_transaction(estate.engine) as connection:
            bench.report(connection, range(1, DEVICES + 1), 1)
        later = bench.NOW + 60
        whole = render_shard(estate.engine, 0, 1, now=later, interval_seconds=bench.INTERVAL_SECONDS)
        # The devices are looked at again once that costs little enough of the time.
        wait_until(
            lambda: lines_of(ask(detail, shards, later)) == lines_of([whole]),
            what="shards that add up to the whole",
        )
    finally:
        detail.close()
    assert lines_of(first) != lines_of([whole])
    done = subprocess.run(["promtool", "check", "metrics"], input=whole, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.mark.needs("promtool")
# The store makes no difference to sizes; what changes is tested on both.
@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_shards_of_the_richest_devices_stay_within_their_size(estate: Estate, bench: ModuleType) -> None:
    devices = 2 * DEVICES_PER_SHARD  # as many as the advice has two full shards for
    bench.fill(estate.engine, devices)
    enrich(estate, bench, devices)
    shards = advised_shards(devices)
    assert shards == 2
    found = [
        render_shard(estate.engine, shard, shards, now=bench.NOW, interval_seconds=bench.INTERVAL_SECONDS)
        for shard in range(shards)
    ]
    assert sum(map(bench.samples_in, found)) == RICHEST_SAMPLES * devices
    assert sum(map(len, found)) >= RICHEST_BYTES * devices
    for text in found:
        assert len(text) <= SHARD_BYTES
        assert bench.samples_in(text) <= SHARD_SAMPLES
    done = subprocess.run(["promtool", "check", "metrics"], input=found[0], capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def enrich(estate: Estate, bench: ModuleType, devices: int) -> None:
    """Add to the benchmark's twelve samples a device what makes them those of the richest recorded report."""
    keys = range(1, devices + 1)
    now = bench.now_text(1, 0)
    now["energy"] += [now["energy"][0] | {"scope": scope, "latest_watts": 12.25} for scope in _SCOPES]
    phases = [{"name": name, "seconds": 3.125, "counted": True} for name in _PHASES]
    known = {"status": "ok", "since": 0, "updated_at": 0}
    energy = {"quality": "sensor", "until": bench.NOW, "counter_end_joules": 10_000_000}
    battery = {"name": "BAT0", "health_ratio": 0.8125, "cycles": 412}
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.device_now.update().values(now=now))
        connection.execute(schema.startups.update().values(phases=phases))
        bench.put(
            connection,
            schema.probe_status,
            [{"device": k, "probe": p} | known for k in keys for p in _PROBES],
        )
        bench.put(
            connection,
            schema.energy_counters,
            [{"device": k, "scope": s} | energy for k in keys for s in _SCOPES],
        )
        bench.put(connection, schema.batteries, [{"device": k} | battery for k in keys])


def lines_of(texts: list[bytes]) -> set[bytes]:
    return {line for text in texts for line in text.splitlines()}


def ask(detail: DetailProcess, shards: int, now: float) -> list[bytes]:
    """Return every shard, compressed on its way as Prometheus has it."""
    return [
        gzip.decompress(asyncio.run(detail.render(Wanted(shard, shards, now, gzip=True))))
        for shard in range(shards)
    ]
