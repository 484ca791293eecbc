from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select
from support import wait_until
from support.estates import Estate

from roadworthy_collector.errors import StoreError
from roadworthy_collector.jobs.runner import JOBS, Job, Runner, run_jobs
from roadworthy_collector.jobs.work import LIMIT_SECONDS, Work
from roadworthy_collector.metrics.health import stored
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.queries.jobs import LONG_TRANSACTIONS


@contextmanager
def running(
    estate: Estate, *jobs: Job, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[threading.Event]:
    """Run `jobs` in a thread as the process would, and end it."""
    stop = threading.Event()
    runner = Runner(estate.engine, estate.settings(), stop, jobs=jobs, monotonic=monotonic)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def held(estate: Estate, name: str) -> Any:
    with estate.engine.connect() as connection:
        return connection.execute(select(schema.jobs).where(schema.jobs.c.name == name)).one_or_none()


def wait_for(estate: Estate, name: str, condition: Callable[[Any], bool]) -> Any:
    def met() -> Any:
        row = held(estate, name)
        return row if row is not None and condition(row) else None

    return wait_until(met, what=f"job {name}")


def test_a_job_runs_at_once_and_says_how_it_went(estate: Estate) -> None:
    def write(work: Work) -> int:
        with work.write():
            return 1

    with running(estate, Job("writer", 3600.0, write)):
        row = wait_for(estate, "writer", lambda row: row.last_success_at is not None)
    assert row.last_started_at <= row.last_success_at == row.last_finished_at
    assert row.last_duration_seconds >= row.longest_transaction_seconds > 0
    assert (row.failures, row.last_error) == (0, None)


def test_a_failing_job_says_so_once_and_once_when_it_heals(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    broken = threading.Event()
    broken.set()

    def run(_: Work) -> int:
        if broken.is_set():
            raise LookupError("the cupboard is bare\nand so on")
        return 1

    caplog.set_level(logging.INFO)
    with running(estate, Job("sick", 0.02, run), Job("well", 0.02, lambda _: 1)):
        row = wait_for(estate, "sick", lambda row: row.failures >= 3)
        assert row.last_error == "LookupError: the cupboard is bare"
        assert row.last_success_at is None
        wait_for(estate, "well", lambda row: row.last_success_at > row.last_started_at - 1)
        broken.clear()
        row = wait_for(estate, "sick", lambda row: row.last_success_at is not None)
        assert row.last_error is None
    said = [record.message for record in caplog.records if "sick" in record.message]
    assert said == ["job sick fails: LookupError: the cupboard is bare", "job sick works again"]


def test_a_transaction_that_is_too_long_is_said_once_and_counted(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(work: Work) -> int:
        with work.write():
            threading.Event().wait(2 * LIMIT_SECONDS)
        return 0

    def counted() -> int:
        with estate.engine.connect() as connection:
            query = select(schema.counters.c.value).where(schema.counters.c.name == LONG_TRANSACTIONS)
            return connection.scalar(query.where(schema.counters.c.label == "slow")) or 0

    def said() -> list[str]:
        return [record.message for record in caplog.records if record.message.startswith("job slow held")]

    later = 0.0
    with running(estate, Job("slow", 0.01, slow), monotonic=lambda: time.monotonic() + later):
        wait_until(lambda: counted() >= 2, what="two runs counted")
        assert said() == []  # everything runs for the first time at once: nothing to worry anybody with
        later = 61.0
        before = counted()
        wait_until(lambda: counted() >= before + 3, what="three runs more")
    assert len(said()) == 1
    assert "more than 0.05 s" in said()[0]
    (family,) = [
        one
        for one in stored(estate.engine, estate.settings())
        if one.name == "roadworthy_job_long_transactions"
    ]
    assert {one.labels["task"]: one.value for one in family.samples} == {"slow": counted()}


def test_a_job_that_polls_in_vain_writes_nothing(estate: Estate) -> None:
    calls: list[int] = []

    def poll(_: Work) -> int:
        calls.append(1)
        return 0

    with running(estate, Job("poller", 0.01, poll)):
        # Its second run may end before the first is noted, and be noted too.
        wait_until(lambda: len(calls) > 5, what="five polls")
        first = wait_for(estate, "poller", lambda _: True)
        wait_until(lambda: len(calls) > 25, what="twenty polls more")
        assert held(estate, "poller") == first


def test_stopping_does_not_wait_for_a_job_that_takes_long(estate: Estate) -> None:
    started, release = threading.Event(), threading.Event()

    def drawing(_: Work) -> int:
        started.set()
        release.wait(60)
        return 1

    with running(estate, Job("drawing", 3600.0, drawing)):
        assert started.wait(60)
    assert not release.is_set()
    release.set()
    wait_until(lambda: not any(thread.name == "job drawing" for thread in threading.enumerate()))


def test_the_real_jobs_run_on_a_real_database(estate: Estate) -> None:
    device = estate.device(model="OptiPlex 7010", now={"cpu_ratio": 0.5})
    estate.put(schema.dirty, device=device, day=0)
    stop = threading.Event()
    settings = estate.settings()
    thread = threading.Thread(target=run_jobs, args=(settings, stop))
    thread.start()
    try:
        for job in JOBS:
            row = wait_for(estate, job.name, lambda row: row.last_finished_at is not None)
            assert row.last_error is None
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    with estate.engine.connect() as connection:
        body = connection.scalar(
            select(schema.snapshots.c.body).where(schema.snapshots.c.name == "fleet_metrics")
        )
    names = {family.name for family in text_string_to_metric_families(body)}
    assert {"roadworthy_estate_devices", "roadworthy_devices", "roadworthy_model_devices"} <= names


def test_without_a_database_it_says_so(tmp_path: Any) -> None:
    with pytest.raises(StoreError, match="no database"):
        run_jobs(Settings(data=tmp_path), threading.Event())


def test_the_table_of_jobs_names_each_once() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)
    ours = {
        "fleet_metrics",
        "rollup",
        "site_half_hours",
        "sweeper",
        "pruning",
        "retention",
        "charts",
        "cleanup",
    }
    assert ours <= {job.name for job in JOBS}
