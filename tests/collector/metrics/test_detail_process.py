"""The process that renders the device detail: asked by real pipes, killed, hung, and left behind."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import wait_until
from support.estates import NOW, Estate

from roadworthy_collector.metrics.detail import DetailError, DetailProcess
from roadworthy_collector.metrics.detail_process import Detail, Wanted
from roadworthy_collector.metrics.routes import accepts_gzip
from roadworthy_collector.metrics.shards import render_shard
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

WHOLE = Wanted(0, 1, NOW)


@contextmanager
def detail_of(estate: Estate, **arguments: Any) -> Iterator[DetailProcess]:
    """Return what `serve` has of the detail, on the estate's database."""
    url = None if estate.url is None else estate.url.render_as_string()
    detail = DetailProcess(Settings(data=estate.path.parent, database_url=url), **arguments)
    try:
        yield detail
    finally:
        detail.close()


def ask(detail: DetailProcess, wanted: Wanted = WHOLE, **arguments: Any) -> bytes:
    return asyncio.run(detail.render(wanted, **arguments))


def scratch(estate: Estate, shard: int = 0, shards: int = 1) -> bytes:
    return render_shard(estate.engine, shard, shards, now=NOW, interval_seconds=900)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and is not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_it_answers_is_what_is_read_from_scratch(estate: Estate) -> None:
    for number in range(20):
        estate.startup(estate.device(now={"cpu_ratio": number / 20}))
    with detail_of(estate) as detail:
        whole = ask(detail)
        assert whole == scratch(estate) != b""
        assert gzip.decompress(ask(detail, Wanted(0, 1, NOW, gzip=True))) == whole

        async def all_at_once() -> list[bytes]:
            return await asyncio.gather(*(detail.render(Wanted(shard, 4, NOW)) for shard in range(4)))

        assert asyncio.run(all_at_once()) == [scratch(estate, shard, 4) for shard in range(4)]
        assert detail.stats.starts == 1
        assert detail.stats.cpu_seconds > 0
        assert sum(detail.stats.size.counts) == sum(detail.stats.seconds.counts) == 6


def test_an_empty_it_estate_is_an_empty_answer(estate: Estate) -> None:
    with detail_of(estate) as detail:
        assert ask(detail) == b""
        assert gzip.decompress(ask(detail, Wanted(0, 1, NOW, gzip=True))) == b""


def test_one_that_was_killed_is_replaced_unnoticed(estate: Estate) -> None:
    estate.device()
    with detail_of(estate) as detail:
        before = ask(detail)
        pid = detail.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert ask(detail) == before
        assert detail.stats.starts == 2
        assert not alive(pid)


def test_it_ends_with_serve_in_order(estate: Estate) -> None:
    with detail_of(estate) as detail:
        ask(detail)
        pid = detail.pid
        assert pid is not None
        assert alive(pid)
    assert not alive(pid)
    with pytest.raises(DetailError):
        ask(detail)


@pytest.mark.skipif(sys.platform == "win32", reason="/proc and SIGKILL are how the end is seen here")
def test_it_ends_with_a_parent_that_was_killed_outright(estate: Estate) -> None:
    parent = f"""
import asyncio, time
from pathlib import Path
from roadworthy_collector.metrics.detail import DetailProcess
from roadworthy_collector.metrics.detail_process import Wanted
from roadworthy_collector.settings import Settings
url = {None if estate.url is None else estate.url.render_as_string()!r}
detail = DetailProcess(Settings(data=Path({str(estate.path.parent)!r}), database_url=url))
asyncio.run(detail.render(Wanted(0, 1, {NOW})))
print(detail.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert alive(child)
        process.kill()
        wait_until(lambda: not alive(child), what="the end of the process")


def test_one_that_keeps_ending_is_said_once_and_left_alone_for_a_while(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    at = [0.0]
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with detail_of(estate, command=command, monotonic=lambda: at[0]) as detail:
        for _ in range(3):
            with pytest.raises(DetailError):
                ask(detail)
        assert detail.stats.starts == 1, "it was started again at once"
        at[0] += 60
        with pytest.raises(DetailError):
            ask(detail)
        assert detail.stats.starts == 2
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_one_that_hangs_is_ended(estate: Estate) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with detail_of(estate, command=command, answer_seconds=0.2) as detail:
        with pytest.raises(DetailError):
            ask(detail)
        assert detail.pid is None


# A server that is away is in the tests of the store.
@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_database_that_is_away_is_said_once_and_its_return_too(
    estate: Estate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    estate.device()
    away = tmp_path / "away"
    estate.path.rename(away)
    with detail_of(estate) as detail:
        for _ in range(2):
            with pytest.raises(DetailError, match="no database here"):
                ask(detail)
        away.rename(estate.path)
        assert ask(detail) == scratch(estate)
        assert detail.stats.starts == 1
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_nobody_is_rendered_for_who_has_stopped_waiting(estate: Estate) -> None:
    with detail_of(estate) as detail, pytest.raises(DetailError, match="nobody waits"):
        ask(detail, patience_seconds=-1)


def test_a_simulated_it_estate_is_marked(estate: Estate) -> None:
    estate.device()
    with write_transaction(estate.engine) as connection:
        connection.execute(
            schema.estate.update().where(schema.estate.c.name == "simulated").values(value="true")
        )
    with detail_of(estate) as detail:
        assert ask(detail).startswith(b"# SIMULATED IT ESTATE")


def test_looking_takes_a_small_share_of_the_time(estate: Estate) -> None:
    """Each reading of this clock is a second after the last, so looking seems slow, and is not done each time."""
    device = estate.device(now={"cpu_ratio": 0.5})
    ticks = iter(range(1000))
    detail = Detail(estate.engine, interval_seconds=900, monotonic=lambda: float(next(ticks)))
    told, pieces = detail.answer(WHOLE)
    assert 0 < told.age_seconds <= 3
    with write_transaction(estate.engine) as connection:
        mine = schema.devices.c.id == device
        connection.execute(schema.devices.update().where(mine).values(retired_at=1))
    assert detail.answer(WHOLE)[1] == pieces
    for _ in range(10):
        told, pieces = detail.answer(WHOLE)
        assert told.age_seconds <= 20
    assert pieces == []


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("GZIP", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0.1", True),
    ],
)
def test_gzip_is_sent_to_who_takes_it(header: str, taken: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert accepts_gzip(header) is taken
