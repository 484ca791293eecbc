"""The queue: filled with the facts, only while there is a receiver, and never passed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from collector.ingest.samples import add_device, fresh_database, period, report, write
from collector.remote_write.conftest import HALF_HOUR, NOON, Sink, energy
from collector.remote_write.receivers import Receiver
from sqlalchemy import URL, delete, select
from support.estates import Estate

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.remote_write import job, queue
from roadworthy_collector.remote_write import sink as sinks
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction


def test_nothing_is_queued_without_a_receiver(estate: Estate) -> None:
    sink = Sink(estate, None)
    device = sink.device()
    sink.run()
    sink.close(device, NOON, energy(100))
    assert sink.waiting() == 0
    assert sink.row() is None


def test_half_hours_are_queued_from_the_first_run_on(sink: Sink) -> None:
    device = sink.device()
    sink.close(device, NOON - HALF_HOUR, energy(100))
    assert sink.waiting() == 1
    assert sink.run() == 1
    assert sink.waiting() == 0


def test_what_reports_tell_is_queued_once(tmp_path: Any) -> None:
    """Through ingest itself: replays and conflicts are not newly held; days of policy `daily` are queued too."""
    start = NOON - 10 * HALF_HOUR
    day = start // 86400 * 86400 - 86400
    told = {"scope": "cpu", "joules": 5, "counter_end_joules": 9, "quality": "sensor", "source": "rapl"}
    states = dict.fromkeys(("in_use", "idle", "locked", "asleep", "off"), 0) | {"unobserved": 86400}
    whole_day = {"day": day, "observed_seconds": 0, "state_seconds": states, "energy": [told]}
    with fresh_database(tmp_path) as engine:
        device = add_device(engine)
        settings = Settings(data=tmp_path, remote_write_url="http://127.0.0.1:1/")
        job.send(Work(engine, settings))
        first = report(device, periods=[period(start), period(start + HALF_HOUR)], days=[whole_day])
        other = period(start) | {"samples": 3}
        second = report(device, seq=2, periods=[period(start), other], days=[whole_day])
        write(engine, device, first, now=NOON + 60.0)
        write(engine, device, second, second, now=NOON + 90.0)
        with engine.connect() as connection:
            queued = connection.execute(
                select(schema.remote_write_queue.c.start, schema.remote_write_queue.c.length_seconds)
            ).all()
        assert sorted(tuple(row) for row in queued) == sorted(
            [(start, 1800), (start + HALF_HOUR, 1800), (day, 86400)]
        )


def test_a_queue_nobody_drains_stops_growing(make_sink: Callable[..., Sink]) -> None:
    sink = make_sink("http://127.0.0.1:1/", remote_write_queue_hours=2)
    device = sink.device()
    sink.clock.now += 2 * 3600 - 1
    sink.close(device, NOON, energy(1))
    assert sink.waiting() == 1
    sink.clock.now += 1
    sink.close(device, NOON + HALF_HOUR, energy(2))
    assert sink.waiting() == 1


def test_taking_the_receiver_away_forgets_the_queue(sink: Sink) -> None:
    device = sink.device()
    sink.close(device, NOON - HALF_HOUR, energy(1))
    sink.run()
    sink.close(device, NOON, energy(1))
    sink.url = None
    sink.run()
    assert sink.row() is None
    assert sink.waiting() == 0
    sink.close(device, NOON + HALF_HOUR, energy(2))
    assert sink.waiting() == 0


def test_rows_of_a_device_come_together_in_order_of_time(sink: Sink) -> None:
    first, second = sink.device(), sink.device()
    sink.close(first, NOON, energy(3))
    sink.close(second, NOON, energy(3))
    sink.close(first, NOON - HALF_HOUR, energy(2))
    with sink.estate.engine.connect() as connection:
        two = [(row.device, row.start) for row in queue.read(connection, 2)]
        every = [(row.device, row.start) for row in queue.read(connection, 10)]
    assert two == [(first, NOON - HALF_HOUR), (first, NOON)]
    assert every == [*two, (second, NOON)]


@pytest.mark.needs("postgresql")
def test_a_lower_number_that_commits_later_is_sent(
    server_database: URL, tmp_path: Any, receiver: Receiver
) -> None:
    """Two collectors on one PostgreSQL: what a cursor by number would have passed over."""
    engine = open_engine(server_database)
    sink = Sink(Estate(engine, tmp_path / "x.db", server_database), receiver.url)
    sink.run()
    slow, fast = sink.device(), sink.device()
    with write_transaction(engine) as connection:
        queue.enqueue(connection, [(slow, NOON)], clock=sink.clock)
        sink.close(fast, NOON, energy(7))  # a later number, committed first
        assert sink.run() == 1
        assert sink.waiting() == 0
    assert sink.waiting() == 1
    with engine.connect() as connection:
        assert [row.device for row in queue.read(connection, 10)] == [slow]
    engine.dispose()


def test_an_erased_device_leaves_the_queue(sink: Sink) -> None:
    device = sink.device()
    sink.close(device, NOON, energy(1))
    with write_transaction(sink.estate.engine) as connection:
        connection.execute(delete(schema.devices).where(schema.devices.c.id == device))
    assert sink.waiting() == 0


def test_a_number_is_never_given_twice(sink: Sink) -> None:
    """Or acknowledging what is gone would let go of what came since."""
    device = sink.device()
    seqs = []
    for at in range(2):
        sink.close(device, NOON + at * HALF_HOUR, energy(1))
        with write_transaction(sink.estate.engine) as connection:
            rows = queue.read(connection, 10)
            seqs += [row.seq for row in rows]
            queue.forget(connection, [row.seq for row in rows])
    assert len(set(seqs)) == 2


def test_what_waits_too_long_is_dropped_counted_and_said_once(
    make_sink: Callable[..., Sink], caplog: pytest.LogCaptureFixture
) -> None:
    sink = make_sink("http://127.0.0.1:1/", remote_write_queue_hours=1)
    device = sink.device()
    for at in range(3):
        sink.close(device, NOON + at * HALF_HOUR, energy(1))
        sink.run_after(1900)
    assert sink.waiting() == 1
    assert sink.counted()["dropped", "queue_age"] == 2
    said = [one.getMessage() for one in caplog.records if "bounds" in one.getMessage()]
    assert said == ["remote write: the queue is past its bounds; the oldest half-hours in it are dropped"]


def test_too_many_lose_the_oldest(
    make_sink: Callable[..., Sink], receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.reply = lambda _: (503, "", {"Retry-After": "60"})
    sink = make_sink(receiver.url, remote_write_queue_periods=1000)
    device = sink.device()
    with write_transaction(sink.estate.engine) as connection:
        pairs = [(device, NOON - at * HALF_HOUR) for at in range(1003)]
        queue.enqueue(connection, pairs, clock=sink.clock)
    sink.run_after(31)
    assert sink.counted()["dropped", "queue_full"] == 3
    assert sink.waiting() + sink.counted().get(("dropped", "pruned"), 0) == 1000
    assert sink.row().dropping_since is not None
    sink.run_after(31)
    assert sink.row().dropping_since is None
    assert [one.getMessage() for one in caplog.records if "bounds" in one.getMessage()] == [
        "remote write: the queue is past its bounds; the oldest half-hours in it are dropped",
        "remote write: the queue is within its bounds again",
    ]


def test_facts_that_are_gone_are_counted_and_hold_up_nobody(sink: Sink, receiver: Receiver) -> None:
    device = sink.device()
    with write_transaction(sink.estate.engine) as connection:
        queue.enqueue(connection, [(device, NOON - HALF_HOUR)], clock=sink.clock)
    sink.close(device, NOON, energy(5))
    assert sink.run() == 1
    assert sink.waiting() == 0
    assert sink.counted()["dropped", "pruned"] == 1
    assert receiver.of(scope="cpu") == [(NOON + HALF_HOUR, 5.0)]


def test_own_health_tells_of_the_queue(sink: Sink) -> None:
    device = sink.device()
    sink.close(device, NOON, energy(5))
    sink.clock.now += 100
    sink.url = "http://127.0.0.1:1/"
    sink.run()
    with sink.estate.engine.connect() as connection:
        counted = connection.execute(select(schema.counters)).all()
        told = sinks.sink_values(sinks.read_sink(connection), counted)
    assert told["roadworthy_remote_write_queued_periods"] == 1
    assert told["roadworthy_remote_write_queue_age_seconds"] == 100
    assert told["roadworthy_remote_write_samples_total"] is None
    assert told["roadworthy_remote_write_last_success_timestamp_seconds"] is None
