"""What real Prometheus and real VictoriaMetrics hold after it was sent: values and times, late data, ends, outages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from collector.ingest.samples import add_device, fresh_database, period, report, write
from collector.remote_write.conftest import HALF_HOUR, NOON, Sink, energy
from collector.remote_write.receivers import Store, prometheus, victoria_metrics
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select, update
from support import free_port, wait_until
from support.estates import Estate

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.shards import render_shard
from roadworthy_collector.remote_write import job
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction

COUNTER = "roadworthy_device_energy_joules_total"
CPU = "roadworthy_device_half_hour_cpu_ratio"
AT = NOON + HALF_HOUR
BOTH = [
    pytest.param("prometheus", marks=pytest.mark.needs("prometheus")),
    pytest.param("victoria-metrics", marks=pytest.mark.needs("victoria-metrics")),
]


@pytest.fixture
def sink(empty_database: Path, tmp_path: Path) -> Iterator[Sink]:
    """Return a sink without a receiver yet, on SQLite: which database it is matters to other tests."""
    path = tmp_path / "roadworthy.db"
    path.write_bytes(empty_database.read_bytes())
    engine = open_engine(path)
    found = Sink(Estate(engine, path), None)
    found.clock.now = time.time()
    yield found
    engine.dispose()


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    run = prometheus if request.param == "prometheus" else victoria_metrics
    with run(tmp_path / "store") as found:
        yield found


def history(store: Store, name: str, **labels: str) -> list[tuple[float, float]]:
    """Return (seconds, value) of the samples of one series; stores leave stale markers out."""
    pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
    found = store.ask("query", query=f"{name}{{{pairs}}}[40d]", time=str(int(time.time()) + 1))["result"]
    assert len(found) <= 1
    return [(float(at), float(value)) for one in found for at, value in one["values"]]


def test_values_and_times_come_back_exactly(sink: Sink, store: Store) -> None:
    sink.url = store.url
    sink.run()
    devices = [sink.device() for _ in range(3)]
    for at in range(-6, 1):
        for number, device in enumerate(devices):
            counter = 2**52 + 1000 * number + at
            sink.close(device, NOON + at * HALF_HOUR, energy(counter), cpu=(number + 1) / 8)
    assert sink.run() == 21
    for number, device in enumerate(devices):
        named = sink.estate.device_id(device)
        expected = [(AT + at * HALF_HOUR, 2.0**52 + 1000 * number + at) for at in range(-6, 1)]
        wait_until(lambda named=named: len(history(store, COUNTER, device_id=named)) == 7)
        assert history(store, COUNTER, device_id=named, scope="cpu", quality="sensor") == expected
        assert history(store, CPU, device_id=named) == [(at, (number + 1) / 8) for at, _ in expected]


def test_late_half_hours_land_at_their_time(sink: Sink, store: Store) -> None:
    """Three weeks in the spool of a laptop would be too late for a window of 14 days; ten days are not."""
    sink.url = store.url
    sink.run()
    device = sink.device()
    named = sink.estate.device_id(device)
    sink.close(device, NOON, energy(1000))
    assert sink.run() == 1
    for at in range(-480, 0):
        sink.close(device, NOON + at * HALF_HOUR, energy(1000 + at))
    assert sink.run() == 480
    expected = [(float(AT + at * HALF_HOUR), 1000.0 + at) for at in range(-480, 1)]
    wait_until(lambda: len(history(store, COUNTER, device_id=named)) == 481, what="all half-hours")
    assert history(store, COUNTER, device_id=named) == expected


def test_an_end_is_seen_at_its_instant(sink: Sink, store: Store) -> None:
    """Prometheus and VictoriaMetrics alike show nothing from the marker on, and the value until then."""
    sink.url = store.url
    sink.run()
    device = sink.device()
    query = f'{COUNTER}{{device_id="{sink.estate.device_id(device)}"}}'
    sink.close(device, NOON, energy(1000))
    sink.run()
    left = AT + 600
    with write_transaction(sink.estate.engine) as connection:
        connection.execute(update(schema.devices).values(retired_at=left))
    sink.run_after(120)
    assert sink.counted()["markers", ""] == 2
    wait_until(lambda: store.value(query, left - 1) == 1000.0, what="the value before the end")
    wait_until(lambda: store.value(query, left + 1) is None, what="the end")
    assert store.value(query, left - 1) == 1000.0


@pytest.mark.needs("prometheus")
def test_prometheus_down_and_back(sink: Sink, tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / "store"
    device = sink.device()
    with prometheus(folder, port=port) as store:
        sink.url = store.url
        sink.run()
        sink.close(device, NOON - 3 * HALF_HOUR, energy(1))
        assert sink.run() == 1
    for at in (-2, -1, 0):
        sink.close(device, NOON + at * HALF_HOUR, energy(4 + at))
        assert sink.run_after(301) == 0
    assert sink.waiting() == 3
    with prometheus(folder, port=port) as store:
        assert sink.run_after(301) == 3
        expected = [(float(AT + at * HALF_HOUR), 4.0 + at) for at in (-3, -2, -1, 0)]
        assert history(store, COUNTER, device_id=sink.estate.device_id(device)) == expected


@pytest.mark.needs("prometheus")
def test_prometheus_without_a_window_gets_what_is_in_time(sink: Sink, tmp_path: Path) -> None:
    with prometheus(tmp_path / "store", window=None) as store:
        sink.url = store.url
        sink.run()
        late, other = sink.device(), sink.device()
        sink.close(late, NOON - HALF_HOUR, energy(1000))
        assert sink.run() == 1
        for at in range(-20, -1):
            sink.close(late, NOON + at * HALF_HOUR, energy(1000 + at))
        sink.close(late, NOON, energy(1001))
        sink.close(other, NOON, energy(7))
        assert sink.run() == 2
        assert sink.waiting() == 0
        assert sink.counted()["dropped", "refused"] == 19
        told = history(store, COUNTER, device_id=sink.estate.device_id(late))
        assert told == [(AT - HALF_HOUR, 1000.0), (AT, 1001.0)]
        assert history(store, COUNTER, device_id=sink.estate.device_id(other)) == [(AT, 7.0)]


@pytest.mark.needs("prometheus")
def test_half_hours_older_than_the_window_are_let_go(sink: Sink, tmp_path: Path) -> None:
    """Prometheus 2.42 says 500 to them, and by the specification they would be sent for ever."""
    with prometheus(tmp_path / "store", window="1d") as store:
        sink.url = store.url
        sink.run()
        device = sink.device()
        sink.close(device, NOON, energy(1000))
        sink.run()
        for at in range(-96, 0):
            sink.close(device, NOON + at * HALF_HOUR, energy(1000 + at))
        kept = sink.run()
        assert sink.waiting() == 0
        assert sink.row().failing_since is None
        assert sink.counted()["dropped", "refused"] == 96 - kept
        told = history(store, COUNTER, device_id=sink.estate.device_id(device))
        assert told == [(float(AT + at * HALF_HOUR), 1000.0 + at) for at in range(-kept, 1)]
        assert 47 <= kept <= 49


@pytest.mark.needs("prometheus")
def test_scraped_counter_is_remote_written_counter_is_sum_of_half_hours(tmp_path: Path) -> None:
    """Decision 25, per device, through ingest: late, replayed, in two scopes, by half-hours and by days."""
    told: dict[tuple[str, str], int] = {}
    with fresh_database(tmp_path) as engine, prometheus(tmp_path / "store") as store:
        settings = Settings(data=tmp_path, remote_write_url=store.url)
        work = Work(engine, settings)
        job.send(work)
        for digit, order in (("a", range(8)), ("b", (3, 7, 1, 0, 2, 6, 5, 4))):
            device = add_device(engine, digit)
            for seq, at in enumerate(order, 1):
                items = []
                for scope, joules in (("cpu", 10 + at), ("machine", 100 + at)):
                    end = sum(joules - at + earlier for earlier in range(at + 1))
                    one = {"scope": scope, "joules": joules, "counter_end_joules": end}
                    items.append(one | {"quality": "sensor", "source": "rapl"})
                    told[device.device_id, scope] = told.get((device.device_id, scope), 0) + joules
                body = period(NOON - (7 - at) * HALF_HOUR, energy=items)
                for _ in range(2):
                    write(engine, device, report(device, seq=seq, periods=[body]), now=time.time())
                job.send(work)
        while job.send(work):
            pass
        shard = render_shard(engine, 0, 1, now=time.time(), interval_seconds=900)
        scraped = {
            (sample.labels["device_id"], sample.labels["scope"]): sample.value
            for family in text_string_to_metric_families(shard.decode())
            for sample in family.samples
            if sample.name == COUNTER
        }
        written = {key: history(store, COUNTER, device_id=key[0], scope=key[1])[-1] for key in told}
        with engine.connect() as connection:
            assert connection.execute(select(schema.remote_write_queue)).all() == []
    assert len(told) == 4
    assert scraped == {key: float(value) for key, value in told.items()}
    assert written == {key: (float(AT), value) for key, value in scraped.items()}
