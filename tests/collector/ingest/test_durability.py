"""What was acknowledged survives the collector's sudden death."""

from __future__ import annotations

import http.client
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from collector.ingest.samples import Device, add_device, fresh_database, period, report
from sqlalchemy import Engine
from support import free_port, wait_until

from roadworthy_collector.store.queries import facts

SERVER = Path(__file__).with_name("server.py")
KILLS = 5
CLIENTS = 4


@contextmanager
def serving(database: Path, port: int, *, times: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a real server process and yield it once it answers; with `times` what starts so many, one after another."""
    often = [] if times is None else [str(times)]
    process = subprocess.Popen([sys.executable, str(SERVER), str(database), str(port), *often])
    try:
        wait_until(lambda: answers(port, process), what="the server")
        yield process
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children():
                child.kill()
        process.kill()
        process.wait()


def answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server ended by itself"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/api/v1/reports")
        return connection.getresponse().status == 405
    except OSError:
        return False
    finally:
        connection.close()


class Client(threading.Thread):
    """An agent that sends one settlement period after another until its server is gone."""

    def __init__(self, device: Device, port: int, number: int) -> None:
        super().__init__()
        self.acknowledged: list[int] = []
        self._device = device
        self._port = port
        self._number = number
        self._newest = (int(time.time()) - 1800) // 1800 * 1800

    def run(self) -> None:
        """Send; what was answered with 200 is acknowledged, whatever happens next."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            for n in range(1000):  # less than the half-hours that are kept
                start = self._newest - n * 1800
                if self._send(connection, start, n):
                    self.acknowledged.append(start)
        except (OSError, http.client.HTTPException):
            return  # killed
        finally:
            connection.close()

    def _send(self, connection: http.client.HTTPConnection, start: int, n: int) -> bool:
        energy = {"scope": "cpu", "joules": n, "counter_end_joules": n, "quality": "sensor", "source": "rapl"}
        body: dict[str, Any] = report(
            self._device,
            seq=n + 1,
            sent_at=time.time(),
            periods=[period(start, samples=n % 30, energy=[energy])],
        )
        headers = {"Authorization": f"Bearer {self._device.token}"}
        connection.request("POST", "/api/v1/reports", json.dumps(body), headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        return answer.status == 200 and found["accepted"] == 1


def held(engine: Engine, device: Device) -> set[int]:
    """Return the starts of all periods that are there with their state and energy."""
    with engine.connect() as connection:
        found = [
            {row.start for row in kind(connection, device.row)}
            for kind in (facts.periods, facts.states, facts.energy)
        ]
    assert found[0] == found[1] == found[2], "an item is there in part"
    return found[0]


def test_no_acknowledged_report_is_lost_when_the_collector_is_killed(tmp_path: Path) -> None:
    chance = random.Random(20260910)  # noqa: S311 - when to kill, the same in every run
    port, acknowledged = free_port(), 0
    with (
        fresh_database(tmp_path) as engine,
        serving(tmp_path / "roadworthy.db", port, times=KILLS) as process,
    ):
        for kill in range(KILLS):
            wait_until(lambda: answers(port, process), what="the server")
            (server,) = psutil.Process(process.pid).children()
            clients = [Client(add_device(engine, f"{kill:x}{n:x}"), port, n) for n in range(CLIENTS)]
            for client in clients:
                client.start()
            enough = chance.randint(20, 120)
            wait_until(
                lambda: sum(len(client.acknowledged) for client in clients) >= enough,  # noqa: B023 - used here
                what="acknowledged reports",
            )
            server.kill()
            for client in clients:
                client.join(30)
                assert not client.is_alive()
            for client in clients:
                assert set(client.acknowledged) <= held(engine, client._device)
                acknowledged += len(client.acknowledged)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert acknowledged >= 20 * KILLS


def test_a_server_told_to_stop_answers_what_it_took(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as engine:
        device = add_device(engine)
        port = free_port()
        with serving(tmp_path / "roadworthy.db", port) as process:
            client = Client(device, port, 0)
            client.start()
            wait_until(lambda: len(client.acknowledged) >= 10, what="acknowledged reports")
            process.terminate()
            assert process.wait(60) in {0, -signal.SIGTERM}
            client.join(30)
        assert set(client.acknowledged) == held(engine, device)
