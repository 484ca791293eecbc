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
from roadworthy_collector.metrics.shards import advised_shards, render_shard
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction

DEVICES = 5000
# As docs/performance.md states them.
SHARD_BYTES = 5_000_000
SHARD_SAMPLES = 60_000


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
def test_shards_stay_small_and_are_the_whole(estate: Estate, bench: ModuleType) -> None:
    if estate.url is not None:
        pytest.skip("the store makes no difference to sizes, and the changes are tested on both")
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


def lines_of(texts: list[bytes]) -> set[bytes]:
    return {line for text in texts for line in text.splitlines()}


def ask(detail: DetailProcess, shards: int, now: float) -> list[bytes]:
    """Return every shard, compressed on its way as Prometheus has it."""
    return [
        gzip.decompress(asyncio.run(detail.render(Wanted(shard, shards, now, gzip=True))))
        for shard in range(shards)
    ]
