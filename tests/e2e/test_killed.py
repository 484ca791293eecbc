"""The shipped command when its server is killed outright: what was acknowledged is on the disk."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from collector.ingest.samples import Device, period, report
from support import facts, wait_until
from support.running import Running, call, running

KILLS = 2  # a third quick death makes the supervisor give up
REPORTS_BEFORE_A_KILL = 20


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Running]:
    with running("up", folder=tmp_path) as started:
        started.wait_ready()
        yield started


def enrol(collector: Running) -> Device:
    """Return a device enrolled as an agent enrols."""
    asked: dict[str, Any] = {
        "schema_version": "1.0",
        "enrolment_key": call("enrol-key", "create", folder=collector.data.parent).stdout.strip(),
        "platform": "linux",
        "agent_version": "0.1.0",
        "hostname": "desk-17",
        "fingerprint": {},
    }
    answer = httpx.post(f"{collector.address}/api/v1/enrol", json=asked, timeout=60).json()
    return Device(0, answer["device_id"], answer["token"])


def server_process(collector: Running) -> psutil.Process | None:
    """Return the process that answers requests, None while there is none."""
    for process in collector.family()[1:]:
        try:
            if "serve" in process.cmdline():
                return process
        except psutil.Error:
            continue
    return None


class Client(threading.Thread):
    """An agent that sends one settlement period after another, each until it is acknowledged."""

    def __init__(self, device: Device, address: str) -> None:
        super().__init__()
        self.acknowledged: list[int] = []
        self.unanswered = 0
        self.stop = threading.Event()
        self._device = device
        self._address = address
        self._newest = (int(time.time()) - 1800) // 1800 * 1800

    def run(self) -> None:
        """Send at a pace below the limit of one device."""
        for seq in range(1, 220):
            start = self._newest - seq * 1800
            while not self.stop.wait(0.02):
                if self._send(start, seq):
                    self.acknowledged.append(start)
                    break

    def _send(self, start: int, seq: int) -> bool:
        body = report(self._device, seq=seq, sent_at=time.time(), periods=[period(start)])
        headers = {"Authorization": f"Bearer {self._device.token}"}
        try:
            answer = httpx.post(f"{self._address}/api/v1/reports", json=body, headers=headers, timeout=60)
        except httpx.TransportError:
            self.unanswered += 1
            return False
        return answer.status_code == 200 and answer.json()["accepted"] == 1


def kill_and_await_another(collector: Running) -> None:
    process = server_process(collector)
    assert process is not None
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: not process.is_running(), what="its end")
    collector.wait_ready()


def test_no_acknowledged_report_is_lost(collector: Running) -> None:
    client = Client(enrol(collector), collector.address)
    client.start()
    for kill in range(KILLS + 1):
        enough = len(client.acknowledged) + REPORTS_BEFORE_A_KILL
        wait_until(lambda: len(client.acknowledged) >= enough, what="acknowledged reports")  # noqa: B023 - used here
        if kill < KILLS:
            kill_and_await_another(collector)
    client.stop.set()
    client.join(30)
    assert not client.is_alive()
    assert client.unanswered, "no report was sent while the server was down"
    assert len(client.acknowledged) >= REPORTS_BEFORE_A_KILL * (KILLS + 1)
    assert "signal SIGKILL" in collector.said()
    with closing(sqlite3.connect(f"file:{collector.data}/roadworthy.db?mode=ro", uri=True)) as database:
        sampled = facts.query(
            collector.data / "roadworthy.db", "SELECT start FROM half_hour_use WHERE samples = 30"
        )
        held = {start for (start,) in sampled}
        assert set(client.acknowledged) <= held
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
