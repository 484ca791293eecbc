"""The real agent and a collector that fails it for a while: its clock is behind, it trips over a half-hour, it is restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from agent.devices import TEN, Device, ManualClock
from collector.ingest.samples import add_device, fresh_database
from sqlalchemy import Connection, Engine
from support import free_port
from support.facts import held
from support.serving import serving as threaded

from roadworthy_agent.delivery import Kind
from roadworthy_agent.identity import Identity
from roadworthy_collector.app import create_app
from roadworthy_collector.ingest import writer
from roadworthy_collector.ingest.batch import Incoming, Outcome, write_reports
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine

HOUR = 3600.0
ENOUGH_CALLS = 20


@contextmanager
def serving(folder: Path, clock: Callable[[], float]) -> Iterator[str]:
    """Run the collector on a real socket with a clock of its own; give its address."""
    settings = Settings(data=folder, port=free_port())
    app = create_app(settings, open_engine(folder / "roadworthy.db"), clock=clock)
    with threaded(uvicorn.Config(app, port=settings.port, log_level="error")):
        yield f"http://127.0.0.1:{settings.port}"


class Pair:
    """A device with an hour of history, its collector's database, and how wrong the collector's clock is."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.wrong_by = 0.0
        self.clock = ManualClock()
        self.account = add_device(engine)
        self.folder = folder

    def now(self) -> float:
        return float(self.clock.true + self.wrong_by)

    def device(self, address: str, token: str, **more: Any) -> Device:
        made = Device(self.clock, self.folder / "state", server=address)
        made.state.save(Identity(address, self.account.device_id, token, 0.0, **more))
        made.recorder.begin()
        made.observations.look(made.probes)
        assert made.delivery.call().kind is Kind.ANSWERED
        made.measure(2 * 1800 + 60)
        return made

    def starts(self) -> list[int]:
        return [row["start"] for row in held(self.engine, "periods")]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with fresh_database(tmp_path) as engine:
        yield Pair(engine, tmp_path)


def test_half_hours_closed_while_the_collector_s_clock_is_an_hour_behind_are_held_in_the_end(
    pair: Pair,
) -> None:
    with (
        serving(pair.folder, pair.now) as address,
        closing(pair.device(address, pair.account.token)) as device,
    ):
        pair.wrong_by = -HOUR
        assert device.delivery.call().kind is Kind.ANSWERED
        assert pair.starts() == []
        assert (device.outbox.waiting(), device.outbox.quarantined()) == (2, 0)
        device.measure(300)
        pair.wrong_by = 0.0
        assert device.delivery.call().kind is Kind.ANSWERED
        assert pair.starts() == [TEN, TEN + 1800]
        assert (device.outbox.waiting(), device.outbox.quarantined()) == (0, 0)


def test_a_half_hour_the_collector_trips_over_ends_alone_in_quarantine(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(connection: Connection, group: Sequence[Incoming], *more: Any, **named: Any) -> list[Outcome]:
        if any(each.start == TEN for one in group for each in one.report.periods):
            raise KeyError("a fault")
        return write_reports(connection, group, *more, **named)

    monkeypatch.setattr(writer, "write_reports", faulty)
    with (
        serving(pair.folder, pair.now) as address,
        closing(pair.device(address, pair.account.token)) as device,
    ):
        for _ in range(ENOUGH_CALLS):
            if device.delivery.call().kind is Kind.ANSWERED and not device.outbox.waiting():
                break
            device.clock.run(60)
        assert pair.starts() == [TEN + 1800]
        rows = device.database.rows("SELECT item, key, code FROM quarantine")
        assert [tuple(row) for row in rows] == [("period", str(TEN), "schema")]
        assert device.outbox.waiting() == 0


def test_a_token_given_after_the_backup_gives_way_to_the_one_the_restored_collector_knows(pair: Pair) -> None:
    given_since = "rw1_" + "2" * 16 + "_" + "3" * 64
    with (
        serving(pair.folder, pair.now) as address,
        closing(pair.device(address, given_since, previous_token=pair.account.token)) as device,
    ):
        assert device.delivery.call().kind is Kind.ANSWERED
        kept = device.state.identity()
        assert kept is not None
        assert (kept.device_id, kept.token) == (pair.account.device_id, pair.account.token)
        assert pair.starts() == [TEN, TEN + 1800]
