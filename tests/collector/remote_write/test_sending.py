"""What is sent, in which order, and what becomes of it when the receiver says no."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from collector.remote_write.conftest import HALF_HOUR, NOON, Sink, energy
from collector.remote_write.receivers import TAKEN, Labels, Receiver, Reply, Sample, receiving
from sqlalchemy import update
from support.estates import Estate

from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction

Series = list[tuple[Labels, list[Sample]]]
AT = NOON + HALF_HOUR  # the end of the half-hour that began at noon


@pytest.fixture
def estate(empty_database: Path, tmp_path: Path) -> Iterator[Estate]:
    """On SQLite alone: what is asked of the database is tested on both in test_queue and test_leaving."""
    path = tmp_path / "roadworthy.db"
    path.write_bytes(empty_database.read_bytes())
    engine = open_engine(path)
    yield Estate(engine, path)
    engine.dispose()


def name_of(labels: Labels) -> str:
    return dict(labels)["__name__"]


def test_a_half_hour_is_sent_as_what_it_is_known_by(sink: Sink, receiver: Receiver) -> None:
    device = sink.device()
    sink.close(device, NOON, energy(2**53 - 1), energy(900, "wall", "metered"), cpu=0.125, memory=0.5)
    assert sink.run() == 1
    identified = {"device_id": sink.estate.device_id(device), "instance": "roadworthy"}
    own = identified | {"job": "roadworthy-remote-write"}
    counter = {"__name__": "roadworthy_device_energy_joules_total"} | own
    assert {tuple(sorted(dict(labels).items())) for labels in receiver.samples()} == {
        tuple(sorted(one.items()))
        for one in (
            {"__name__": "roadworthy_device_half_hour_cpu_ratio"} | own,
            {"__name__": "roadworthy_device_half_hour_memory_ratio"} | own,
            counter | {"scope": "cpu", "quality": "sensor"},
            counter | {"scope": "wall", "quality": "metered"},
        )
    }
    assert receiver.of(scope="cpu") == [(AT, 2.0**53 - 1)]
    assert receiver.of(scope="wall") == [(AT, 900.0)]
    assert receiver.of(__name__="roadworthy_device_half_hour_cpu_ratio") == [(AT, 0.125)]
    (headers,) = receiver.headers
    assert headers["Content-Encoding"] == "snappy"
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert headers["User-Agent"].startswith("roadworthy-collector/")
    assert sink.counted() == {("samples", ""): 4}


def test_what_is_not_known_makes_no_sample(sink: Sink, receiver: Receiver) -> None:
    sink.close(sink.device(), NOON, energy(5), cpu=None)
    sink.run()
    assert [name_of(labels) for labels in receiver.samples()] == ["roadworthy_device_energy_joules_total"]


def test_utilisation_of_a_device_that_tells_no_half_hours_stays_here(sink: Sink, receiver: Receiver) -> None:
    """Under the policy `daily` its half-hours carry neither energy nor state; those of processor use would tell."""
    sink.close(sink.device(), NOON)
    sink.run()
    assert (receiver.asked, sink.waiting()) == ([], 0)
    sink.close(sink.device(), NOON, in_use=600)
    sink.run()
    assert [name_of(labels) for labels in receiver.samples()] == ["roadworthy_device_half_hour_cpu_ratio"]


def test_restricted_sites_are_never_sent(sink: Sink, receiver: Receiver) -> None:
    sink.close(sink.device(site="Safe house", restricted=True), NOON, energy(5))
    sink.run()
    assert (receiver.asked, sink.waiting(), sink.counted()) == ([], 0, {})


def test_a_retired_device_is_sent_up_to_its_retirement(sink: Sink, receiver: Receiver) -> None:
    device = sink.device(retired_at=AT)
    sink.close(device, NOON, energy(5))
    sink.close(device, AT, energy(6))
    sink.run()
    assert receiver.of(scope="cpu") == [(AT, 5.0)]
    assert sink.waiting() == 0


def test_the_token_and_the_labels_go_along(
    make_sink: Callable[..., Sink], receiver: Receiver, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("t0ken\n")
    sink = make_sink(receiver.url, remote_write_token_file=token, remote_write_labels=("county=kent",))
    sink.close(sink.device(), NOON, energy(5))
    sink.run()
    assert receiver.headers[0]["Authorization"] == "Bearer t0ken"
    assert all(dict(labels)["county"] == "kent" for labels in receiver.samples())


def test_every_series_is_in_order_over_all_requests(
    make_sink: Callable[..., Sink], receiver: Receiver
) -> None:
    sink = make_sink(receiver.url, remote_write_max_samples=100)
    devices = [sink.device() for _ in range(5)]
    for at in (7, 3, 5, 1, 0, 2, 6, 4, *range(8, 40)):
        for device in devices:
            sink.close(device, NOON + at * HALF_HOUR, energy(at + 1))
    assert sink.run() == 200
    assert all(sum(len(samples) for _, samples in request) <= 100 for request in receiver.taken)
    assert len(receiver.taken) > 3
    assert len(receiver.samples()) == 10
    for samples in receiver.samples().values():
        assert [at for at, _ in samples] == [(AT + at * HALF_HOUR) * 1000 for at in range(40)]


def test_late_half_hours_go_apart_and_in_order(sink: Sink, receiver: Receiver) -> None:
    """A receiver that takes no late samples must not lose those that are not."""
    late, other = sink.device(), sink.device()
    sink.close(late, NOON, energy(50))
    sink.run()
    for at in (-1, -3, -2, 1):
        sink.close(late, NOON + at * HALF_HOUR, energy(50 + at))
    sink.close(other, NOON + HALF_HOUR, energy(9))
    sink.run()
    assert [sorted({at for _, samples in request for at, _ in samples}) for request in receiver.taken] == [
        [AT * 1000],
        [(AT + at * HALF_HOUR) * 1000 for at in (-3, -2, -1)],
        [(AT + HALF_HOUR) * 1000],
    ]


def refusing_late(newest: dict[Labels, int]) -> Callable[[Series], Reply]:
    """Return the answers of a store without an out-of-order window: the whole request, or nothing."""

    def reply(series: Series) -> Reply:
        for labels, samples in series:
            if samples[0][0] < newest.get(labels, 0):
                return 400, "out of order sample\n", {}
        newest.update({labels: samples[-1][0] for labels, samples in series})
        return TAKEN

    return reply


def test_refused_late_samples_are_dropped_once_and_hold_up_nobody(
    sink: Sink, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.reply = refusing_late({})
    devices = [sink.device() for _ in range(10)]
    for device in devices:
        sink.close(device, NOON, energy(500))
    sink.run()
    for at in range(-20, 0):
        for device in devices:
            sink.close(device, NOON + at * HALF_HOUR, energy(500 + at))
    sink.close(devices[0], NOON + HALF_HOUR, energy(501))
    asked = len(receiver.asked)
    assert sink.run() == 1
    assert sink.waiting() == 0
    assert sink.counted()["dropped", "refused"] == 200
    assert len(receiver.asked) - asked < 10, "a request for each late half-hour"
    assert receiver.of(scope="cpu", device_id=sink.estate.device_id(devices[0])) == [
        (AT, 500.0),
        (AT + HALF_HOUR, 501.0),
    ]
    said = [one.getMessage() for one in caplog.records if "refuses" in one.getMessage()]
    assert len(said) == 1
    assert "refuses late samples for good (400 out of order sample)" in said[0]
    sink.close(devices[0], NOON - 60 * HALF_HOUR, energy(1))
    sink.run_after(60)
    assert len([one for one in caplog.records if "refuses" in one.getMessage()]) == 1
    assert sink.row().failing_since is None


def test_late_samples_inside_a_window_are_kept(sink: Sink, receiver: Receiver) -> None:
    edge = (AT - 20 * HALF_HOUR) * 1000

    def reply(series: Series) -> Reply:
        old = any(at < edge for _, samples in series for at, _ in samples)
        return (500, "too old sample\n", {}) if old else TAKEN

    receiver.reply = reply
    device = sink.device()
    sink.close(device, NOON, energy(500))
    sink.run()
    for at in range(-50, 0):
        sink.close(device, NOON + at * HALF_HOUR, energy(500 + at))
    assert sink.run() == 20
    assert sink.counted()["dropped", "refused"] == 30
    assert len(receiver.of(scope="cpu")) == 21


def test_one_bad_half_hour_is_found_among_many(sink: Sink, receiver: Receiver) -> None:
    bad = sink.device()

    def reply(series: Series) -> Reply:
        told = {dict(labels)["device_id"] for labels, _ in series}
        return (400, "invalid label value", {}) if sink.estate.device_id(bad) in told else TAKEN

    receiver.reply = reply
    for device in [bad, *(sink.device() for _ in range(60))]:
        sink.close(device, NOON, energy(5))
    assert sink.run() == 60
    assert sink.counted()["dropped", "refused"] == 1
    assert len(receiver.asked) <= 14


def test_a_request_that_is_too_large_is_sent_in_halves(sink: Sink, receiver: Receiver) -> None:
    receiver.reply = lambda series: (413, "", {}) if len(series) > 8 else TAKEN
    for device in [sink.device() for _ in range(30)]:
        sink.close(device, NOON, energy(5))
    assert sink.run() == 30
    assert ("dropped", "refused") not in sink.counted()


@pytest.mark.parametrize("status", [401, 404, 302])
def test_a_request_refused_as_such_is_not_sent_again(
    sink: Sink, receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The specification: no 4xx but 429 is retried. A pause after it saves the rest of the queue."""
    receiver.reply = lambda _: (status, "no\nway\x1b[31m", {"Location": "http://127.0.0.1:1/"})
    device = sink.device()
    sink.close(device, NOON, energy(5))
    assert sink.run() == 0
    sink.close(device, AT, energy(6))
    assert sink.run() == 0
    assert len(receiver.asked) == 1
    assert sink.counted() == {("failed", str(status)): 1, ("dropped", "refused"): 1}
    assert f"fails: {status} no way[31m; half-hours wait" in caplog.text
    receiver.reply = lambda _: TAKEN
    assert sink.run_after(10) == 1
    assert receiver.of(scope="cpu") == [(AT + HALF_HOUR, 6.0)]


def test_a_receiver_that_is_down_is_waited_for(
    make_sink: Callable[..., Sink], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = nobody.getsockname()[1]
        sink = make_sink(f"http://127.0.0.1:{port}/api/v1/write")
        device = sink.device()
        sink.close(device, NOON, energy(5))
        waits = []
        for _ in range(12):
            assert sink.run() == 0
            waits.append(sink.row().retry_at - sink.clock.now)
            sink.clock.now = sink.row().retry_at
            sink.heard(device)
        assert sink.waiting() == 1
    for tries, wait in enumerate(waits):
        assert min(300, 2**tries) / 2 <= wait <= min(300, 2**tries)
    assert sink.counted() == {("failed", "connection"): 12}
    with receiving(port) as receiver:
        assert sink.run() == 1
        assert receiver.of(scope="cpu") == [(AT, 5.0)]
    said = [one.getMessage() for one in caplog.records if "127.0.0.1" in one.getMessage()]
    assert len(said) == 2
    assert "fails: connection" in said[0]
    assert "works again, after" in said[1]


def test_a_busy_receiver_is_left_alone_for_as_long_as_it_asks(sink: Sink, receiver: Receiver) -> None:
    receiver.reply = lambda _: (429, "slow down", {"Retry-After": "40"})
    sink.close(sink.device(), NOON, energy(5))
    sink.run()
    assert 40 <= sink.row().retry_at - sink.clock.now <= 44
    receiver.reply = lambda _: TAKEN
    sink.run_after(39)
    assert len(receiver.asked) == 1
    assert sink.run_after(6) == 1
    assert sink.counted() == {("failed", "429"): 1, ("samples", ""): 2}
    assert sink.row().tries == 0


def test_a_receiver_that_hangs_is_given_up_on(make_sink: Callable[..., Sink]) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        port = deaf.getsockname()[1]
        sink = make_sink(f"http://127.0.0.1:{port}/", remote_write_timeout_seconds=1)
        sink.close(sink.device(), NOON, energy(5))
        sink.run()
    assert sink.counted() == {("failed", "timeout"): 1}
    assert sink.waiting() == 1


def test_what_the_receiver_took_unheard_is_sent_again_the_same(sink: Sink, receiver: Receiver) -> None:
    sink.close(sink.device(), NOON, energy(5))
    receiver.reply = lambda _: (502, "", {})
    sink.run()
    receiver.reply = lambda _: TAKEN
    sink.run_after(10)
    assert receiver.asked[0] == receiver.asked[1]


def test_a_backlog_drains_in_pieces(make_sink: Callable[..., Sink], receiver: Receiver) -> None:
    sink = make_sink(receiver.url, remote_write_max_samples=100)
    receiver.reply = lambda _: (503, "", {})
    devices = [sink.device() for _ in range(4)]
    for at in range(60):
        for device in devices:
            sink.close(device, NOON + at * HALF_HOUR, energy(at + 1))
    sink.run()
    receiver.reply = lambda _: TAKEN
    assert sink.run_after(10) == 240
    assert max(receiver.sizes) < 20_000
    assert sink.waiting() == 0


def test_an_energy_counter_known_in_another_way_ends_the_first(sink: Sink, receiver: Receiver) -> None:
    device = sink.device()
    sink.close(device, NOON, energy(5), energy(9, "wall", "metered"))
    sink.close(device, AT, energy(6, quality="modelled"), energy(10, "wall", "metered"))
    sink.run()
    assert receiver.of(scope="cpu", quality="sensor") == [(AT, 5.0), (AT + HALF_HOUR, None)]
    assert receiver.of(scope="cpu", quality="modelled") == [(AT + HALF_HOUR, 6.0)]
    assert receiver.of(scope="wall") == [(AT, 9.0), (AT + HALF_HOUR, 10.0)]
    assert sink.counted()["markers", ""] == 1


def test_the_collector_that_stops_leaves_the_rest_in_the_queue(
    make_sink: Callable[..., Sink], receiver: Receiver
) -> None:
    sink = make_sink(receiver.url, remote_write_max_samples=100)

    def reply(_: Series) -> Reply:
        sink.stop.set()
        return TAKEN

    receiver.reply = reply
    device = sink.device()
    for at in range(90):
        sink.close(device, NOON + at * HALF_HOUR, energy(at + 1))
    assert sink.run() == 50
    assert sink.waiting() == 40


def test_a_broken_setting_is_said_once_and_half_hours_wait(
    make_sink: Callable[..., Sink], receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = make_sink(receiver.url, remote_write_token_file=tmp_path / "token")
    sink.close(sink.device(), NOON, energy(5))
    sink.run()
    sink.run()
    assert sink.waiting() == 1
    said = [one.getMessage() for one in caplog.records if "remote_write_token_file" in one.getMessage()]
    assert len(said) == 1
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text("t0ken")
    assert sink.run() == 1
    assert "works again" in caplog.text


def test_moving_between_sites_changes_no_series(sink: Sink, receiver: Receiver) -> None:
    device = sink.device(site="HQ")
    sink.close(device, NOON, energy(5))
    sink.run()
    annexe = sink.estate.site("Annexe")
    with write_transaction(sink.estate.engine) as connection:
        connection.execute(update(schema.devices).values(site=annexe))
    sink.close(device, AT, energy(6))
    sink.run()
    assert receiver.of(scope="cpu") == [(AT, 5.0), (AT + HALF_HOUR, 6.0)]


def test_a_simulated_estate_says_so(sink: Sink, receiver: Receiver) -> None:
    device = sink.device()
    sink.close(device, NOON, energy(5))
    sink.run()
    with write_transaction(sink.estate.engine) as connection:
        stamp = update(schema.estate).where(schema.estate.c.name == "simulated")
        connection.execute(stamp.values(value="true"))
    sink.close(device, AT, energy(6))
    sink.run()
    assert [{dict(labels).get("simulated") for labels, _ in request} for request in receiver.taken] == [
        {None},
        {"true"},
    ]
