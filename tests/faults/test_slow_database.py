"""A database that takes its time: what waits is bounded, the rest is turned away, and the pace comes back by itself."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import psycopg
import pytest
from faults.clients import Load
from faults.collector import FULL, prepared, sized
from faults.proxy import Proxy
from faults.servers import HarmedServer
from faults.test_killed import require_balance
from support import wait_until

QUEUE = 32
CONNECTIONS = 200
MEMORY_BYTES = 150 * 1024 * 1024  # more than before; what waits is some hundred kB
LOCKED_SECONDS = sized(3, 20)  # past 15 s a transaction gives up


def resident_bytes(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("delay_seconds", [0.2, 1.0] if FULL else [0.2])
def test_a_database_far_away(tmp_path: Path, server: HarmedServer, delay_seconds: float) -> None:
    with Proxy("127.0.0.1", server.port) as proxy:
        url = server.database.set(port=proxy.port)
        settings = {"queue_reports": str(QUEUE)}
        with (
            prepared(tmp_path, url, via=server.database, settings=settings) as collector,
            Load(collector, connections=CONNECTIONS) as load,
        ):
            process = collector.start()
            load.wait_more(400)
            before = resident_bytes(process)
            proxy.delay(delay_seconds)
            load.wait_refused()
            # A group is some twenty-five questions, each of them so late; who was turned away comes up to a minute later.
            load.wait_more(sized(QUEUE, 4 * QUEUE), timeout=120 + 300 * delay_seconds)
            assert collector.get("/healthz").status == 200
            assert resident_bytes(process) < before + MEMORY_BYTES
            proxy.delay(0)
            load.wait_more(400)
            collector.wait_ready()
            assert collector.page().status == 200
            figures = load.stop()
            collector.end()
            found = collector.balance(figures, server.database)
            assert found.balanced, (found.faults(), found.json())
            assert "Traceback" not in collector.said()


@pytest.mark.needs("postgresql")
def test_a_table_somebody_else_has_locked(tmp_path: Path, server: HarmedServer) -> None:
    settings = {"queue_reports": str(QUEUE)}
    with (
        prepared(tmp_path, server.database, settings=settings) as collector,
        Load(collector, connections=CONNECTIONS) as load,
    ):
        process = collector.start()
        load.wait_more(400)
        before = resident_bytes(process)
        with psycopg.connect(server.database.render_as_string()) as other:
            other.execute("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE")
            load.wait_refused()
            stuck = load.acknowledged
            threading.Event().wait(LOCKED_SECONDS)  # for so long, whatever happens
            assert load.acknowledged <= stuck + QUEUE, "acknowledged what nobody can have written"
            assert collector.get("/healthz").status == 200
            assert resident_bytes(process) < before + MEMORY_BYTES
        load.wait_more(400)
        require_balance(collector, load, least=800)
        assert "Traceback" not in collector.said()


@pytest.mark.needs("postgresql")
def test_connections_to_the_database_that_break_in_the_middle(tmp_path: Path, server: HarmedServer) -> None:
    with Proxy("127.0.0.1", server.port) as proxy:
        url = server.database.set(port=proxy.port)
        with prepared(tmp_path, url, via=server.database) as collector, Load(collector) as load:
            collector.start()
            load.wait_more(100)
            for _ in range(sized(5, 100)):
                proxy.cut()
                load.wait_more(20)
            figures = load.stop()
            collector.end()
            found = collector.balance(figures, server.database)
            assert found.balanced, (found.faults(), found.json())


@pytest.mark.needs("postgresql")
def test_jobs_end_although_the_database_answers_nothing(tmp_path: Path, server: HarmedServer) -> None:
    """It took every question and answers none: also not the one whether the lock on the jobs still holds."""
    query = "SELECT client_port FROM pg_stat_activity WHERE application_name = 'roadworthy jobs lock'"
    done = "SELECT count(*) FROM jobs"
    with Proxy("127.0.0.1", server.port) as proxy:
        url = server.database.set(port=proxy.port)
        with (
            prepared(tmp_path, url, via=server.database, devices=1) as collector,
            psycopg.connect(server.database.render_as_string(), autocommit=True) as administrator,
        ):
            process = collector.start("jobs")
            wait_until(lambda: (administrator.execute(done).fetchone() or [0])[0], timeout=60, what="a job")
            row = administrator.execute(query).fetchone()
            assert row is not None
            proxy.delay(3600)
            wait_until(lambda: row[0] in proxy.delayed, timeout=60, what="the look at the lock")
            process.terminate()
            assert process.wait(30) == 0
            assert "Traceback" not in collector.said("jobs")
