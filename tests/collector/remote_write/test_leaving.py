"""Series end: once, at the instant their device left, and begin anew when it is back."""

from __future__ import annotations

import pytest
from collector.remote_write.conftest import HALF_HOUR, NOON, Sink, energy
from collector.remote_write.receivers import TAKEN, Receiver
from sqlalchemy import delete, select, update

from roadworthy_collector.remote_write import queue
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

AT = NOON + HALF_HOUR
MARKER = 0.001  # a marker stands a millisecond after the instant
CALL_SECONDS = 900


def sent(sink: Sink, device: int, receiver: Receiver) -> list[tuple[float, float | None]]:
    return receiver.of(device_id=sink.estate.device_id(device), scope="cpu")


def begin(sink: Sink) -> int:
    """Return a device whose half-hour from noon on is sent, last heard a minute after it closed."""
    device = sink.device(next_call_seconds=CALL_SECONDS)
    sink.clock.now = AT + 60.0
    sink.heard(device)
    sink.close(device, NOON, energy(5))
    assert sink.run() == 1
    return device


def change(sink: Sink, device: int, **values: object) -> None:
    with write_transaction(sink.estate.engine) as connection:
        connection.execute(update(schema.devices).where(schema.devices.c.id == device).values(**values))


def test_a_silent_device_ends_three_calls_later_on_the_half_hour(sink: Sink, receiver: Receiver) -> None:
    device = begin(sink)
    silent = AT + 60 + 3 * CALL_SECONDS
    on_the_half_hour = -(-silent // HALF_HOUR) * HALF_HOUR
    sink.clock.now = on_the_half_hour + 0.0
    sink.run()
    assert sent(sink, device, receiver) == [(AT, 5.0)]
    for _ in range(4):
        sink.run_after(HALF_HOUR)
    assert sent(sink, device, receiver) == [(AT, 5.0), (on_the_half_hour + MARKER, None)]
    assert sink.counted()["markers", ""] == 2  # of energy and of processor use

    sink.heard(device)
    sink.close(device, NOON + 4 * HALF_HOUR, energy(6))
    sink.run()
    sink.clock.now += 7200
    sink.run()
    again = sent(sink, device, receiver)[2:]
    assert again[0] == (NOON + 5 * HALF_HOUR, 6.0)
    assert [value for _, value in again] == [6.0, None]
    assert again[1][0] > again[0][0]


def test_what_comes_late_finds_its_instants_free(sink: Sink, receiver: Receiver) -> None:
    """The device was on and offline: its half-hours around the marker are true, and sent at their times."""
    device = begin(sink)
    sink.clock.now = AT + 4.0 * HALF_HOUR
    sink.run()
    sink.clock.now = AT + 5.0 * HALF_HOUR
    sink.heard(device)
    for at in range(1, 5):
        sink.close(device, NOON + at * HALF_HOUR, energy(5 + at))
    sink.run()
    told = sent(sink, device, receiver)
    ends = [at for at, value in told if value is None]
    assert ends == [AT + 2 * HALF_HOUR + MARKER]
    assert sorted(at for at, value in told if value is not None) == [AT + at * HALF_HOUR for at in range(5)]
    assert len({at for at, _ in told}) == len(told)


@pytest.mark.parametrize("way", ["retired", "restricted", "erased"])
def test_a_device_that_leaves_ends(sink: Sink, receiver: Receiver, way: str) -> None:
    device = begin(sink)
    name = sink.estate.device_id(device)
    stays = sink.device()
    sink.close(stays, NOON, energy(7))
    sink.clock.now += 120
    sink.run()
    left = int(sink.clock.now) - 30
    if way == "retired":
        change(sink, device, retired_at=left)
    elif way == "restricted":
        change(sink, device, site=sink.estate.site("Safe house", restricted=True))
    else:
        with write_transaction(sink.estate.engine) as connection:
            connection.execute(delete(schema.devices).where(schema.devices.c.id == device))
    sink.clock.now += 120
    sink.run()
    sink.run_after(120)
    at = left if way == "retired" else int(sink.clock.now) - 120
    assert receiver.of(device_id=name, scope="cpu") == [(AT, 5.0), (at + MARKER, None)]
    assert sent(sink, stays, receiver) == [(AT, 7.0)]
    with sink.estate.engine.connect() as connection:
        kept = set(connection.scalars(select(schema.remote_write_devices.c.device_id)))
    assert (name in kept) == (way != "erased")


def test_half_hours_that_wait_come_before_the_end(sink: Sink, receiver: Receiver) -> None:
    device = begin(sink)
    receiver.reply = lambda _: (503, "", {})
    sink.close(device, AT, energy(6))
    change(sink, device, retired_at=AT + HALF_HOUR)
    sink.clock.now = AT + HALF_HOUR + 600.0
    sink.run()
    receiver.reply = lambda _: TAKEN
    sink.run_after(60)
    assert sent(sink, device, receiver) == [
        (AT, 5.0),
        (AT + HALF_HOUR, 6.0),
        (AT + HALF_HOUR + MARKER, None),
    ]


def test_a_receiver_that_is_down_gets_the_marker_later_at_its_time(sink: Sink, receiver: Receiver) -> None:
    device = begin(sink)
    change(sink, device, retired_at=AT + 600)
    receiver.reply = lambda _: (503, "", {})
    sink.clock.now = AT + 700.0
    sink.run()
    receiver.reply = lambda _: TAKEN
    sink.run_after(3600)
    sink.run_after(3600)
    assert sent(sink, device, receiver) == [(AT, 5.0), (AT + 600 + MARKER, None)]


def test_a_marker_that_is_refused_is_not_sent_for_ever(sink: Sink, receiver: Receiver) -> None:
    device = begin(sink)
    change(sink, device, retired_at=AT + 600)
    receiver.reply = lambda _: (400, "out of order sample", {})
    asked = len(receiver.asked)
    for _ in range(3):
        sink.run_after(120)
    assert len(receiver.asked) == asked + 1


def test_a_device_that_tells_days_has_three_days(sink: Sink, receiver: Receiver) -> None:
    """That it is switched off in the evening is nobody's business: its policy says days."""
    device = sink.device(next_call_seconds=CALL_SECONDS)
    day = NOON // 86400 * 86400 - 86400
    with write_transaction(sink.estate.engine) as connection:
        queue.enqueue_days(connection, [(device, day)], clock=sink.clock)
        states = {f"{name}_seconds": 0 for name in ("in_use", "idle", "locked", "asleep", "off")}
        row = {"device": device, "day": day, "observed_seconds": 0, "content_hash": b"12345678"}
        connection.execute(schema.state_days.insert(), row | states | {"unobserved_seconds": 86400})
        told = {"joules": 5, "counter_end_joules": 9, "quality": "sensor", "source": "rapl"}
        connection.execute(schema.energy_days.insert(), {"device": device, "day": day, "scope": "cpu"} | told)
    assert sink.run() == 1
    assert sent(sink, device, receiver) == [(day + 86400, 9.0)]
    sink.clock.now = day + 4 * 86400.0
    sink.run()
    assert len(sent(sink, device, receiver)) == 1
    sink.run_after(61)
    sink.run_after(61)
    assert sent(sink, device, receiver) == [(day + 86400, 9.0), (day + 4 * 86400 + MARKER, None)]


def test_a_series_that_stops_ends_though_its_device_is_heard(sink: Sink, receiver: Receiver) -> None:
    device = begin(sink)
    sink.clock.now = AT + 3.0 * HALF_HOUR
    sink.heard(device)
    sink.run()
    assert len(sent(sink, device, receiver)) == 1
    sink.clock.now += 120
    sink.heard(device)
    sink.run()
    assert sent(sink, device, receiver) == [(AT, 5.0), (AT + 3 * HALF_HOUR + MARKER, None)]
