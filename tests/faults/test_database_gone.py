"""The database goes away under load and comes back: clear answers meanwhile, and nothing to be done afterwards."""

from __future__ import annotations

import resource
from pathlib import Path

import psycopg
import pytest
from faults.clients import Load
from faults.collector import Collector, prepared, sized
from faults.servers import HarmedServer
from faults.test_killed import require_balance

ROUNDS = sized(1, 5)
BEGINS, ENDS = "reports cannot be written", "reports are written again"


def require_clear_answers(collector: Collector) -> None:
    """Ask what people and programs ask while the database is gone."""
    assert collector.get("/healthz").status == 200
    ready = collector.get("/readyz")
    assert ready.status == 503
    assert "the database cannot be read" in ready.text
    page = collector.page()
    assert page.status == 503
    assert int(page.headers["Retry-After"]) > 0
    assert "The database cannot be read or written just now" in page.text
    assert "Traceback" not in page.text


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_server_that_is_stopped_and_started_again(tmp_path: Path, server: HarmedServer, how: str) -> None:
    with prepared(tmp_path, server.database) as collector, Load(collector) as load:
        collector.start("jobs")
        collector.start()
        load.wait_more(100)
        for round_number in range(1, ROUNDS + 1):
            server.stop(how)
            load.wait_refused()
            require_clear_answers(collector)
            server.start()
            load.wait_more(100)
            collector.wait_ready()
            assert collector.page().status == 200
            said = collector.said()
            assert (said.count(BEGINS), said.count(ENDS)) == (round_number, round_number)
            assert "Traceback" not in said + collector.said("jobs")
        require_balance(collector, load, least=200)


@pytest.mark.needs("postgresql")
def test_connections_that_the_server_ends_one_after_another(tmp_path: Path, server: HarmedServer) -> None:
    ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'roadworthy%'"
    with prepared(tmp_path, server.database) as collector, Load(collector) as load:
        collector.start()
        load.wait_more(100)
        with psycopg.connect(server.database.render_as_string(), autocommit=True) as administrator:
            for _ in range(ROUNDS * 10):
                row = administrator.execute(ended).fetchone()
                assert row is not None
                load.wait_more(20)
        assert collector.page().status == 200
        require_balance(collector, load, least=300)
        assert "Traceback" not in collector.said()


def test_a_file_that_the_disk_takes_no_more_bytes_for(tmp_path: Path) -> None:
    """A disk that fails, as a process sees it: writes past a point are errors, to all of its files."""
    with prepared(tmp_path) as collector, Load(collector) as load:
        process = collector.start()
        load.wait_more(100)
        _, most = process.rlimit(resource.RLIMIT_FSIZE)  # type: ignore[misc] # a pair, when it sets nothing
        for round_number in range(1, ROUNDS + 1):
            process.rlimit(resource.RLIMIT_FSIZE, (65_536, most))
            load.wait_refused()
            assert collector.get("/healthz").status == 200
            process.rlimit(resource.RLIMIT_FSIZE, (most, most))
            load.wait_more(100)
            collector.wait_ready()
            said = collector.said()
            assert (said.count(BEGINS), said.count(ENDS)) == (round_number, round_number)
        require_balance(collector, load, least=200)
        assert "Traceback" not in collector.said()
