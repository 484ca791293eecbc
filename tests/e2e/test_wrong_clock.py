"""An agent offline under a wrong clock, then in touch with a collector that really runs: history is at its true time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent.devices import Device, ManualClock
from sqlalchemy import Engine, Table, select
from support import facts
from support.running import Running, running

from roadworthy_agent import startups
from roadworthy_agent.delivery import Delivery, Kind
from roadworthy_agent.errors import TransportError
from roadworthy_agent.probe import Context
from roadworthy_agent.reading import Sample
from roadworthy_agent.send import Accepted, Collector
from roadworthy_agent.settings import Settings
from roadworthy_collector.security.tokens import create_enrol_key
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction

HALF_HOUR = 1800
YEAR = 365.25 * 86_400
TO_1970 = -time.time()
TO_2099 = 73 * YEAR
STATES = tuple(f"{name}_seconds" for name in ("in_use", "idle", "locked", "asleep", "off", "unobserved"))
CPU, MEMORY = 0.25, 0.5

# How wrong the clock is in each of five equal parts of the time offline
CLOCKS = {
    "1970 from the start": (TO_1970,) * 5,
    "2099 from the start": (TO_2099,) * 5,
    "set to 1970 and right again": (0.0, TO_1970, TO_1970, 0.0, 0.0),
    "set to 2099, then 1970": (0.0, TO_2099, TO_2099, TO_1970, TO_1970),
}


class Remembering(Collector):
    """The way to the collector; keeps each report and its answer, which may then be lost."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self.exchanges: list[tuple[str, bytes, Accepted]] = []
        self.losing = False

    def report(self, token: str, body: bytes) -> Accepted:
        answer = super().report(token, body)
        self.exchanges.append((token, body, answer))
        if self.losing:
            raise TransportError("the answer was lost")
        return answer


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("serve", folder=tmp_path_factory.mktemp("collector")) as started:
        started.wait_ready()
        yield started


def history(collector: Running, device_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return what the collector's database holds of a device's history."""
    engine = open_engine(collector.data / "roadworthy.db", read_only=True)
    with engine.connect() as connection:
        device = connection.scalar(select(schema.devices.c.id).where(schema.devices.c.device_id == device_id))
    found = {
        name: [row for row in read() if row["device"] == device]
        for name, read in {
            "periods": lambda: facts.held(engine, "periods"),
            "states": lambda: facts.held(engine, "states"),
            "gaps": lambda: _rows(engine, schema.gaps, "begin"),
            "startups": lambda: _rows(engine, schema.startups, "started_at"),
        }.items()
    }
    engine.dispose()
    return found


def _rows(engine: Engine, table: Table, order: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(table.c[order])).mappings()]


def started(folder: Path, wrong_by: float = 0.0) -> tuple[Device, float]:
    """Return a device whose agent began 300 s before the last three whole half-hours, and that moment."""
    began = time.time() // HALF_HOUR * HALF_HOUR - 3 * HALF_HOUR - 300.0
    device = Device(ManualClock(true=began, wrong_by=wrong_by), folder / "state")
    device.recorder.begin()
    return device, began


def offline(folder: Path, wrong: tuple[float, ...]) -> tuple[Device, float]:
    """Return a device that was sampled all along up to now, and when it began."""
    device, began = started(folder, wrong[0])
    part = (time.time() - began) / len(wrong)
    for wrong_by in wrong:
        device.clock.wrong_by = wrong_by
        device.measure(part, CPU, MEMORY)
    device.observations.look(device.probes)
    startups.keep(device.spool, device.observations.startups(), device.clock.uptime)
    return device, began


def connect(device: Device, collector: Running, again: Remembering | None = None) -> Remembering:
    """Give the device a way to the collector, over which it enrols unless it did; return that way."""
    line = again or Remembering(collector.address)
    settings = Settings(collector.address, device.folder, None, None, 60, device.max_bytes, ())
    device.delivery = Delivery(
        settings, device.state, Context(clock=device.clock), device.composer, lambda _settings: line
    )
    if again is not None:
        catch_up(device)
        return line
    engine = open_engine(collector.data / "roadworthy.db")
    with write_transaction(engine) as connection:
        key = create_enrol_key(connection, now=int(time.time()))
    engine.dispose()
    catch_up(device)  # the device's clock stands still, and a few seconds are an error of it
    device.delivery.enrol(key.text)
    return line


def catch_up(device: Device) -> None:
    """Bring the device's clocks to this moment, which the collector's clock shows too."""
    device.clock.run(max(0.0, time.time() - device.clock.true))
    device.recorder.take(Sample(CPU, MEMORY))


@pytest.mark.parametrize("wrong", CLOCKS.values(), ids=CLOCKS)
def test_half_hours_sampled_under_a_wrong_clock_are_held_at_their_true_times(
    collector: Running, tmp_path: Path, wrong: tuple[float, ...]
) -> None:
    device, began = offline(tmp_path, wrong)
    line = connect(device, collector)
    assert device.delivery.call().kind is Kind.ANSWERED
    identity = device.state.identity()
    assert identity is not None
    held = history(collector, identity.device_id)

    first = round(began) // HALF_HOUR * HALF_HOUR
    rows = {row["start"]: row for row in held["periods"]}
    whole = [first + number * HALF_HOUR for number in (1, 2, 3)]
    assert list(rows)[:4] == [first, *whole]
    assert all(start + HALF_HOUR <= time.time() for start in rows)
    for start in whole:
        assert rows[start]["observed_seconds"] == HALF_HOUR
        assert (rows[start]["cpu_mean_ratio"], rows[start]["memory_mean_ratio"]) == (CPU, MEMORY)
    assert rows[first]["observed_seconds"] == pytest.approx(
        300, abs=6
    )  # a system clock within 5 s is believed
    assert [row["start"] for row in held["states"]] == list(rows)
    assert all(sum(row[name] for name in STATES) == HALF_HOUR for row in held["states"])
    assert held["gaps"] == []  # it was watched all along
    assert [row["started_at"] for row in held["startups"]] == [pytest.approx(began - 100, abs=6)]
    assert device.outbox.waiting() == device.outbox.quarantined() == 0

    answers = [line.report(token, body) for token, body, _answer in tuple(line.exchanges)]
    assert all(answer.rejected == () for answer in answers)
    assert history(collector, identity.device_id) == held
    device.close()


def test_sleep_a_restart_and_lost_answers_leave_one_true_history(collector: Running, tmp_path: Path) -> None:
    """Asleep across the end of a half-hour, then off, then in 1970, then answers lost on the way."""
    device, began = started(tmp_path)
    device.measure(200)
    device.clock.suspend(1200)
    device.measure(400)
    device.clock.restart("boot-2", 600)
    device.clock.wrong_by = TO_1970
    device.restart_agent()
    device.measure(time.time() - device.clock.true)
    device.observations.look(device.probes)
    line = connect(device, collector)
    line.losing = True
    assert device.delivery.call().kind is Kind.FAILED
    device.restart_agent()
    connect(device, collector, again=line)
    line.losing = False
    assert device.delivery.call().kind is Kind.ANSWERED
    identity = device.state.identity()
    assert identity is not None

    held = history(collector, identity.device_id)
    gaps = {row["kind"]: (row["begin"] - began, row["end"] - began) for row in held["gaps"]}
    assert gaps == {
        "asleep": (
            pytest.approx(200, abs=66),
            pytest.approx(1400, abs=66),
        ),  # where within a sample is not known
        "off": (pytest.approx(1800, abs=6), pytest.approx(2400, abs=6)),
    }
    first = round(began) // HALF_HOUR * HALF_HOUR
    rows = {row["start"]: row for row in held["states"]}
    assert list(rows)[:4] == [first + number * HALF_HOUR for number in range(4)]
    assert all(sum(row[name] for name in STATES) == HALF_HOUR for row in rows.values())
    assert sum(row["asleep_seconds"] for row in rows.values()) == pytest.approx(1200, abs=2)
    assert sum(row["off_seconds"] for row in rows.values()) == pytest.approx(600, abs=6)
    assert sum(row["observed_seconds"] for row in held["periods"]) <= time.time() - began - 1800 + 6
    observed = [row["observed_seconds"] for row in held["periods"]][:4]
    assert observed == [pytest.approx(seconds, abs=66) for seconds in (200, 400, 1500, 1800)]
    assert len({body for _token, body, _answer in line.exchanges}) < len(line.exchanges)  # it did send again
    device.close()
