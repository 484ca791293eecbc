"""A full disk: nothing is acknowledged, it is said once, and all goes on when there is space again."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from faults.clients import Load
from faults.collector import Collector, prepared, sized
from faults.disks import SmallDisk
from faults.servers import HarmedServer
from faults.test_database_gone import BEGINS, ENDS
from faults.test_killed import require_balance
from support import wait_until

from roadworthy_collector.jobs import rollup
from roadworthy_collector.jobs.runner import Job, Runner
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine

ROUNDS = sized(1, 5)
MEGABYTE = 1024 * 1024


@contextmanager
def rolling_up(collector: Collector) -> Iterator[None]:
    """Roll up all the time, beside the collector's own processes."""
    stop = threading.Event()
    engine = open_engine(collector.database)
    runner = Runner(engine, Settings(data=collector.data), stop, jobs=[Job("rollup", 0.2, rollup.roll_up)])
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        engine.dispose()


@pytest.mark.needs("tmpfs")
def test_a_data_folder_without_space(
    tmp_path: Path, disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "roadworthy_collector")
    elsewhere = disk.folder / "data"
    with (
        prepared(tmp_path, elsewhere=elsewhere) as collector,
        rolling_up(collector),
        Load(collector) as load,
    ):
        collector.start("jobs")
        collector.start()
        load.wait_more(100)
        for round_number in range(1, ROUNDS + 1):
            disk.fill()
            load.wait_refused()
            wait_until(lambda: "job rollup fails" in caplog.text, what="a failing roll-up", timeout=90)
            assert caplog.text.count("job rollup fails") == 1
            assert collector.get("/healthz").status == 200
            stuck = load.acknowledged
            load.wait_refused()
            assert load.acknowledged == stuck
            disk.empty()
            load.wait_more(100)
            collector.wait_ready()
            assert collector.page().status == 200
            wait_until(lambda: "job rollup works again" in caplog.text, what="a roll-up")
            caplog.clear()
            said = collector.said()
            assert (said.count(BEGINS), said.count(ENDS)) == (round_number, round_number)
            assert "Traceback" not in said
        require_balance(collector, load, least=200)


@pytest.mark.needs("tmpfs", "postgresql")
def test_a_server_without_space(tmp_path: Path, disk: SmallDisk) -> None:
    server = HarmedServer(disk.folder / "postgres")
    server.begin()
    server.renew()
    try:
        with prepared(tmp_path, server.database) as collector, Load(collector) as load:
            collector.start()
            load.wait_more(100)
            for round_number in range(1, ROUNDS + 1):
                disk.fill()
                load.wait_refused(timeout=120)
                assert collector.get("/healthz").status == 200
                disk.empty()
                if (
                    not server.runs()
                ):  # without space for its log it ends; whoever looks after it starts it again
                    server.start()
                load.wait_more(100)
                collector.wait_ready()
                said = collector.said()
                assert said.count(BEGINS) >= round_number
                assert said.count(BEGINS) == said.count(ENDS)
                assert "Traceback" not in said
            require_balance(collector, load, least=200)
    finally:
        if server.runs():
            server.stop("immediate")


def test_a_reader_that_does_not_let_go_of_the_log(tmp_path: Path) -> None:
    """While somebody reads an old state SQLite's log only grows; afterwards the disk gets it back."""
    with prepared(tmp_path) as collector, Load(collector) as load:
        collector.start()
        log = collector.database.with_name("roadworthy.db-wal")  # type: ignore[union-attr] # a file
        with closing(sqlite3.connect(collector.database)) as reader:  # type: ignore[arg-type] # a file
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM devices").fetchone()
            wait_until(lambda: log.stat().st_size > sized(24, 100) * MEGABYTE, timeout=120, what="a long log")
        wait_until(lambda: log.stat().st_size <= 16 * MEGABYTE, what="a short log")
        require_balance(collector, load, least=100)
