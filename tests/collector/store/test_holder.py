"""One process at a time does the jobs, also where its connection is cut in the middle of work."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from sqlalchemy import URL, insert, select
from support import postgres, wait_until
from support.estates import Estate

from roadworthy_collector.jobs.holder import TERM, Held, NotHoldingError, Place, holding
from roadworthy_collector.jobs.runner import Job, run_jobs
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction


class Doer:
    """A thread that waits for the jobs, holds them while it may, and waits again."""

    def __init__(self, settings: Settings) -> None:
        self.stop = threading.Event()
        self.place = Place()
        self.held: list[Held] = []
        self._settings = settings
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.stop.is_set():
            with holding(self._settings, self.stop) as held:
                if held is not None:
                    self.held.append(held)
                    with self.place.taken(held):
                        held.let_go.wait()

    def end(self) -> None:
        self.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


@contextmanager
def doers(estate: Estate, count: int) -> Iterator[list[Doer]]:
    with ExitStack() as ends:
        made = [Doer(estate.settings()) for _ in range(count)]
        for doer in made:
            ends.callback(doer.end)
        yield made


def the_holder(made: list[Doer]) -> Doer:
    def one() -> Doer | None:
        holders = [doer for doer in made if doer.place.holds]
        assert len(holders) < 2
        return holders[0] if holders else None

    return wait_until(one, what="a holder")


def cut(url: URL, program: str) -> int:
    """Cut the connections of a kind, as an administrator or a failing network would; return how many."""
    with psycopg.connect(host="127.0.0.1", port=url.port, user=postgres.USER, dbname=url.database) as one:
        query = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = %s"
        )
        row = one.execute(query, [f"roadworthy {program}"]).fetchone()
    return int(row[0]) if row else 0


def test_of_several_one_holds_and_another_takes_over(estate: Estate) -> None:
    with doers(estate, 3) as made:
        rest = list(made)
        while rest:
            holder = the_holder(rest)
            assert not holder.held[-1].let_go.is_set()
            holder.end()
            assert not holder.place.holds
            rest.remove(holder)


def test_none_holds_once_it_was_told_to_stop(estate: Estate) -> None:
    stop = threading.Event()
    stop.set()
    with holding(estate.settings(), stop) as held:
        assert held is None


@pytest.fixture
def server(server_database: URL, tmp_path: object) -> Iterator[Estate]:
    from pathlib import Path

    estate = Estate(open_engine(server_database), Path(str(tmp_path)) / "roadworthy.db", server_database)
    yield estate
    estate.engine.dispose()


@pytest.mark.needs("postgresql")
def test_a_holder_whose_connection_is_cut_lets_go_and_its_writes_are_refused(server: Estate) -> None:
    assert server.url is not None
    with doers(server, 1) as (doer,):
        first = wait_until(lambda: doer.held and doer.held[0], what="holding")
        bound = open_engine(server.url)
        first.bind(bound)
        row = {"name": "written", "value": "yes"}
        with write_transaction(bound) as connection:
            connection.execute(insert(schema.estate), row)
        # The lock's connections look alike: the others of them are idle in a pool that may be cut as well.
        assert cut(server.url, "jobs lock") >= 1
        assert first.let_go.wait(60)
        wait_until(lambda: len(doer.held) > 1, what="holding again")
        assert doer.held[1].term == (first.term or 0) + 1
        with pytest.raises(NotHoldingError), write_transaction(bound) as connection:
            connection.execute(insert(schema.estate), row | {"name": "too late"})
        with bound.connect() as connection:
            kept = dict(connection.execute(select(schema.estate.c.name, schema.estate.c.value)).all())
        assert (kept["written"], kept[TERM]) == ("yes", str(doer.held[1].term))
        assert "too late" not in kept
        bound.dispose()


@pytest.mark.needs("postgresql")
def test_who_takes_over_waits_for_what_the_one_before_is_writing(server: Estate) -> None:
    assert server.url is not None
    with doers(server, 1) as (doer,):
        first = wait_until(lambda: doer.held and doer.held[0], what="holding")
        bound = open_engine(server.url)
        first.bind(bound)
        with write_transaction(bound) as connection:
            connection.execute(insert(schema.estate), {"name": "in time", "value": ""})
            cut(server.url, "jobs lock")
            assert first.let_go.wait(60)
            wait_until(lambda: waiting_for_a_lock(server.url), what="the next to wait")
            assert len(doer.held) == 1
        wait_until(lambda: len(doer.held) > 1, what="holding again")
        bound.dispose()


def waiting_for_a_lock(url: URL | None) -> bool:
    assert url is not None
    with psycopg.connect(host="127.0.0.1", port=url.port, user=postgres.USER, dbname=url.database) as one:
        query = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return one.execute(query).fetchone() is not None


@pytest.mark.needs("postgresql")
def test_two_jobs_never_write_at_the_same_time(server: Estate) -> None:
    """Two real runners on one database, the lock of whoever holds it cut again and again; a ledger of all runs."""
    assert server.url is not None
    with write_transaction(server.engine) as connection:
        connection.exec_driver_sql("CREATE TABLE ledger (who int, began timestamptz, ended timestamptz)")

    def roll(who: int) -> Job:
        def run(work: Work) -> int:
            with work.write() as connection:
                connection.exec_driver_sql(f"INSERT INTO ledger SELECT {who}, clock_timestamp(), NULL")
                connection.exec_driver_sql("SELECT pg_sleep(0.05)")
                connection.exec_driver_sql("UPDATE ledger SET ended = clock_timestamp() WHERE ended IS NULL")
            return 1

        return Job("roll", 0.02, run)

    stop = threading.Event()
    threads = [
        threading.Thread(target=run_jobs, args=(server.settings(), stop), kwargs={"jobs": (roll(who),)})
        for who in range(2)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            before = len(ledger(server))
            wait_until(lambda before=before: len(ledger(server)) > before + 2, what="runs")
            cut(server.url, "jobs lock")
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    runs = ledger(server)
    with write_transaction(server.engine) as connection:
        connection.exec_driver_sql("DROP TABLE ledger")
    assert {who for who, _, _ in runs} == {0, 1}
    for (one, _, ended), (other, began, _) in itertools.pairwise(runs):
        assert one == other or ended <= began, runs


def ledger(server: Estate) -> list[tuple[int, float, float]]:
    with server.engine.connect() as connection:
        query = "SELECT who, extract(epoch FROM began)::float8, extract(epoch FROM ended)::float8 FROM ledger ORDER BY began"
        return [(row[0], row[1], row[2]) for row in connection.exec_driver_sql(query)]
