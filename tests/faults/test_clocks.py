"""Clocks that step: the collector's an hour back and a day ahead, a device's in 1970 and 2038."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from collector.conftest import STORES
from collector.ingest.samples import (
    START,
    Device,
    add_device,
    database_of,
    fresh_database,
    period,
    report,
    startup,
)
from sqlalchemy import Engine, select
from support import free_port, postgres
from support.facts import held
from support.serving import serving as threaded

from roadworthy_collector.app import create_app
from roadworthy_collector.jobs import rollup
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine

HOUR, DAY = 3600.0, 86_400.0
NOW = START + 8 * HOUR
SPRING_1970, END_2038 = 7_000_000.0, 2_147_483_600.0


@pytest.fixture(params=STORES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        with fresh_database(tmp_path) as made:
            yield made
        return
    url = postgres.fresh_database()
    made = open_engine(url)
    yield made
    made.dispose()
    postgres.give_back(url)


class Serving:
    """A collector whose clock is set by hand, and a device of it."""

    def __init__(self, port: int, device: Device, settings: Settings) -> None:
        self.now = NOW
        self.device = device
        self.settings = settings
        self._address = f"http://127.0.0.1:{port}"

    def send(self, **parts: Any) -> dict[str, Any]:
        """Send a report and return what a 200 says."""
        headers = {"Authorization": f"Bearer {self.device.token}"}
        body = report(self.device, **{"sent_at": self.now, **parts})
        answer = httpx.post(f"{self._address}/api/v1/reports", json=body, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def status(self, path: str) -> int:
        return httpx.get(f"{self._address}{path}", timeout=60).status_code


@contextmanager
def serving(engine: Engine, folder: Path) -> Iterator[Serving]:
    """Run the application on a real socket."""
    port = free_port()
    settings = Settings(data=folder, port=port)
    found = Serving(port, add_device(engine), settings)
    # An engine of its own: the application ends it when it ends.
    app = create_app(settings, open_engine(database_of(engine, folder)), clock=lambda: found.now)
    with threaded(uvicorn.Config(app, port=port, log_level="error")):
        yield found


def test_the_collector_s_clock_steps_back_and_ahead(engine: Engine, tmp_path: Path) -> None:
    with serving(engine, tmp_path) as collector:
        taken = []
        for step, offset in enumerate((0.0, -HOUR, DAY, DAY - HOUR, 2 * HOUR)):
            collector.now = NOW + offset
            # What agents know of the time is what the collector tells them.
            start = int(collector.now) // 1800 * 1800 - 1800 * (11 * step + 2)
            records = {
                "periods": [period(start)],
                "startups": [startup(f"boot-{step}", started_at=start + 5.5)],
            }
            for _ in range(2):  # the second is a replay
                said = collector.send(seq=step + 1, **records)
                assert (said["received"], said["accepted"], said["rejected"]) == (2, 2, [])
                assert said["server_time"] == collector.now
            taken.append(start)
            assert {collector.status(path) for path in ("/readyz", "/healthz", "/metrics", "/")} == {200}
            rollup.roll_up(Work(engine, collector.settings, lambda: collector.now))
        collector.now = NOW + DAY
        rollup.roll_up(Work(engine, collector.settings, lambda: collector.now))
    assert sorted(row["start"] for row in held(engine, "periods")) == sorted(taken)
    with engine.connect() as connection:
        assert len(connection.execute(select(schema.startups)).all()) == len(taken)
        booked = {row.day: row.periods for row in connection.execute(select(schema.days))}
    assert sum(booked.values()) == len(taken)


def test_what_the_collector_s_clock_says_is_yet_to_come_is_refused_by_name(
    engine: Engine, tmp_path: Path
) -> None:
    with serving(engine, tmp_path) as collector:
        collector.now = NOW - HOUR
        said = collector.send(sent_at=NOW, periods=[period(int(NOW) - 1800)])
        assert [(one["item"], one["code"]) for one in said["rejected"]] == [("period", "in_future")]
        collector.now = NOW
        assert collector.send(sent_at=NOW, periods=[period(int(NOW) - 1800)])["accepted"] == 1


@pytest.mark.parametrize(("wrong", "code"), [(SPRING_1970, "too_old"), (END_2038, "in_future")])
def test_a_device_s_clock_is_wrong_and_then_right(
    engine: Engine, tmp_path: Path, wrong: float, code: str
) -> None:
    start = int(wrong) // 1800 * 1800
    state = {"observed_seconds": 100, "uptime_seconds": 5.0}
    with serving(engine, tmp_path) as collector:
        said = collector.send(
            sent_at=wrong,
            boot_id="wrong",
            now={"at": wrong, "start": start, **state},
            facts={"hostname": "wrong-clock"},
            periods=[period(start - 1800)],
            startups=[startup(started_at=wrong)],
            gaps=[{"from": start - 900, "to": start, "kind": "off"}],
        )
        assert {(one["item"], one["code"]) for one in said["rejected"]} == {
            (item, code) for item in ("now", "period", "startup", "gap")
        }
        assert (said["accepted"], said["server_time"]) == (0, NOW)
        right = int(NOW) // 1800 * 1800
        said = collector.send(
            seq=2,
            boot_id="right",
            sent_at=NOW,
            now={"at": NOW, "start": right, **state},
            facts={"hostname": "right-clock"},
            periods=[period(right - 1800)],
            startups=[startup(started_at=right - 600.0)],
        )
        assert (said["accepted"], said["rejected"]) == (2, [])
    with engine.connect() as connection:
        found = connection.execute(select(schema.devices.c.hostname, schema.devices.c.boot_id)).one()
        latest = connection.scalar(select(schema.device_now.c.at))
    assert tuple(found) == ("right-clock", "right")
    assert latest == NOW
    assert [row["start"] for row in held(engine, "periods")] == [right - 1800]
