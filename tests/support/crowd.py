"""Simulated devices that report over HTTP as agents do: a report is sent again until it is acknowledged."""

from __future__ import annotations

import http.client
import itertools
import json
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from support.running import Running

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from load.bodies import Bodies
from load.certificate import make_certificate
from load.fleet import Member, enrol_in_store, enrol_over_api, new_run
from load.ledger import Ledger, balance
from load.plan import PERIOD_SECONDS, Plan
from load.task import packed, unpacked

sys.path.pop(0)  # else `bench/agent.py` would pass for the tests' package `agent`

from roadworthy_collector.store.engine import Database

__all__ = ["RETRYABLE", "Crowd", "Member", "enrol_over_api", "line", "make_certificate", "packed"]

# What an agent takes as "come again": all else would be the end of a report, or of the device.
RETRYABLE = {429, 500, 502, 503, 504}
_THREADS = 4
_PAUSE_SECONDS = 0.02


class Crowd:
    """Devices enrolled straight into `database`, and what became of their reports."""

    def __init__(self, database: Database, devices: int = 80) -> None:
        now = int(time.time())
        self.plan = Plan(
            new_run(), now // PERIOD_SECONDS * PERIOD_SECONDS - PERIOD_SECONDS, startup_first=True
        )
        self.fleet = enrol_in_store(database, devices, self.plan, now=now)
        self.acknowledged: set[int] = set()
        self.answers: Counter[int | str] = Counter()
        self.unfinished: set[int] = set()  # sent and not acknowledged when it ended
        self._lock = threading.Lock()

    @contextmanager
    def reporting(self, port: int, *, context: ssl.SSLContext | None = None) -> Iterator[None]:
        """Let every device report to `port` again and again while the block runs; the last one is finished."""
        stop = threading.Event()
        first = max((number for _, number in unpacked(self.acknowledged)), default=-1) + 1

        def run(part: int) -> None:
            with closing(_Line(self, port, context)) as line:
                for number in itertools.count(first):
                    for device in range(part, len(self.fleet), _THREADS):
                        if stop.wait(_PAUSE_SECONDS):
                            return
                        line.deliver(device, number)

        threads = [threading.Thread(target=run, args=(part,), daemon=True) for part in range(_THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
        assert not any(thread.is_alive() for thread in threads), f"reports still wait: {self.answers}"

    def replay(self, port: int) -> None:
        """Send every report that was ever acknowledged once more."""
        with closing(_Line(self, port, None)) as line:
            for device, number in sorted(unpacked(self.acknowledged), key=lambda pair: pair[1]):
                line.deliver(device, number)

    def ledger(self, database: Database, acknowledged: set[int] | None = None) -> Ledger:
        """Compare what was acknowledged, all if not said, with what is held; the others may be held or not."""
        owed = self.acknowledged if acknowledged is None else acknowledged
        others = (self.acknowledged | self.unfinished) - owed
        return balance(database, Bodies(self.plan), self.fleet, owed, others)

    def count(self, answer: int | str) -> None:
        """Count an answer, or the name of what came instead."""
        with self._lock:
            self.answers[answer] += 1

    def keep(self, report: int, *, acknowledged: bool) -> None:
        """Note a report that is about to be sent, or is acknowledged."""
        with self._lock:
            if acknowledged:
                self.acknowledged.add(report)
                self.unfinished.discard(report)
            elif report not in self.acknowledged:
                self.unfinished.add(report)


class _Line:
    """One connection at a time to the collector, for one thread."""

    def __init__(self, crowd: Crowd, port: int, context: ssl.SSLContext | None) -> None:
        self._crowd = crowd
        self._port = port
        self._context = context
        self._bodies = Bodies(crowd.plan)
        self._connection: http.client.HTTPConnection | None = None

    def exchange(self, token: str, body: bytes) -> tuple[int | None, bytes]:
        """Send a body; return status and text of the answer, None if none came."""
        headers = {"Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request("POST", "/api/v1/reports", body, headers)
            answer = self._connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._crowd.count(type(error).__name__)
            self.close()
            return None, b""
        self._crowd.count(answer.status)
        return answer.status, said

    def deliver(self, device: int, number: int) -> None:
        """Send one report until it is acknowledged; fail where an agent would give up."""
        member = self._crowd.fleet[device]
        body = self._bodies.body(device, member.device_id, number, time.time())
        report = packed(device, number)
        self._crowd.keep(report, acknowledged=False)
        deadline = time.monotonic() + 60
        while (status := self.exchange(member.token, body)[0]) != 200:
            assert status is None or status in RETRYABLE, f"a report was answered {status}"
            assert time.monotonic() < deadline, f"not acknowledged within a minute: {self._crowd.answers}"
            time.sleep(0.25)
        self._crowd.keep(report, acknowledged=True)

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=20, context=self._context)


def line(crowd: Crowd) -> Callable[[Running, Member, int], tuple[int | None, Any]]:
    """Return what sends one report of one device, by its number, and returns status and answer."""

    def send(program: Running, member: Member, number: int) -> tuple[int | None, Any]:
        device = next(i for i, one in enumerate(crowd.fleet) if one.device_id == member.device_id)
        body = Bodies(crowd.plan).body(device, member.device_id, number, time.time())
        with closing(_Line(crowd, program.port, None)) as one:
            status, said = one.exchange(member.token, body)
        return status, json.loads(said)

    return send
