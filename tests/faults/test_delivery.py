"""Reports doubled, out of order and at once; weeks of spool from many agents together; a herd of first reports."""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from collector.ingest.samples import Device, period, report
from faults.collector import Collector, prepared, sized
from load.bodies import Bodies
from load.fleet import Member
from load.ledger import read_held
from load.measure import Wanted, make_plan
from load.task import Figures, packed
from sqlalchemy import URL
from support import wait_until
from support.running import call

from roadworthy_collector.store.engine import open_engine

AGENTS = sized(30, 200)  # each on a connection of its own, all at once
DAYS = 21
PERIODS_A_REPORT = 252
NEWCOMERS = sized(40, 500)
SENDERS = 12


class Sender:
    """A connection of an agent that sends until it is answered 200."""

    def __init__(self, collector: Collector) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(
        self, path: str, body: bytes, token: str | None = None, *, compressed: bool = False
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if compressed:
            headers["Content-Encoding"] = "gzip"

        def answered() -> dict[str, Any] | None:
            self._connection.request("POST", path, body, headers)
            answer = self._connection.getresponse()
            said: dict[str, Any] = json.loads(answer.read())
            if answer.status == 503:
                assert answer.headers["Retry-After"]
                return None
            assert answer.status == 200, said
            return said

        found = wait_until(answered, timeout=120, what="200")
        assert found is not None
        return found

    def report(self, member: Member, body: bytes) -> None:
        """Send a report and see it taken whole."""
        said = self.post("/api/v1/reports", body, member.token, compressed=True)
        assert said["rejected"] == []
        assert said["received"] == said["accepted"]


def deal(things: Iterable[Any], hands: int) -> list[list[Any]]:
    """Return the things dealt out to so many."""
    dealt: list[list[Any]] = [[] for _ in range(hands)]
    for thing, hand in zip(things, itertools.cycle(dealt), strict=False):
        hand.append(thing)
    return dealt


def test_reports_that_come_doubled_shuffled_and_at_once(tmp_path: Path, store: URL | None) -> None:
    plan = replace(make_plan(Wanted()), mixture={"period": 3, "startup": 1})
    with prepared(tmp_path, store, plan=plan, devices=20) as collector:
        collector.start()
        collector.wait_ready()
        bodies, reports = Bodies(plan), list(itertools.product(range(20), range(sized(12, 70))))
        made = [
            (one, bodies.body(one[0], collector.fleet[one[0]].device_id, one[1], time.time()))
            for one in reports
        ]
        thrice = made * 3
        random.Random(20260910).shuffle(thrice)  # noqa: S311 - an order like any other

        def send(some: Sequence[tuple[tuple[int, int], bytes]]) -> None:
            with Sender(collector) as sender:
                for (device, _), body in some:
                    sender.report(collector.fleet[device], body)

        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(send, deal(thrice, SENDERS)))
        collector.end()
        found = collector.balance(Figures(acked=_array(reports)))
        assert found.balanced, found.faults()
        assert found.acknowledged == found.held > len(reports) / 2


def test_three_weeks_of_spool_from_many_agents_at_once(tmp_path: Path, store: URL | None) -> None:
    with prepared(tmp_path, store, devices=AGENTS) as collector:
        collector.start("jobs")
        collector.start()
        collector.wait_ready()
        newest = collector.plan.newest
        starts = [newest - 1800 * back for back in range(DAYS * 48)][::-1]

        periods = [period(start) for start in starts]
        # None begins before the last one is there.
        together = threading.Barrier(AGENTS)

        def empty_spool(member: Member) -> None:
            device = Device(0, member.device_id, member.token)
            with Sender(collector) as sender:
                together.wait(60)
                for seq, begin in enumerate(range(0, len(periods), PERIODS_A_REPORT), 1):
                    some = periods[begin : begin + PERIODS_A_REPORT]
                    told = report(device, seq=seq, sent_at=time.time(), periods=some)
                    sender.report(member, gzip.compress(json.dumps(told).encode(), 1))

        with ThreadPoolExecutor(AGENTS) as agents:
            list(agents.map(empty_spool, collector.fleet))
        collector.end()
        engine = open_engine(collector.database)
        with engine.connect() as connection:
            held = Counter(read_held(connection))
        engine.dispose()
        expected = {(member.device_id, "period", start) for member in collector.fleet for start in starts}
        assert set(held) == expected
        assert set(held.values()) == {1}


def test_a_herd_of_devices_that_enrol_and_report_for_the_first_time(
    tmp_path: Path, store: URL | None
) -> None:
    plan = replace(make_plan(Wanted()), startup_first=True)
    with prepared(tmp_path, store, plan=plan, devices=0) as collector:
        named = {name: value for name, value in collector.variables().items() if name != "ROADWORTHY_DATA"}
        made = call("enrol-key", "create", folder=tmp_path, **named)
        key = made.stdout.strip()
        collector.start()
        collector.wait_ready()
        asked = {"schema_version": "1.0", "enrolment_key": key, "platform": "linux", "agent_version": "1.0.0"}

        def join(number: int) -> tuple[int, Member]:
            bodies = Bodies(plan)
            with Sender(collector) as sender:
                said = sender.post(
                    "/api/v1/enrol", json.dumps(asked | {"hostname": f"new-{number}"}).encode()
                )
                member = Member(said["device_id"], said["token"])
                sender.report(member, bodies.body(number, member.device_id, 0, time.time()))
            return number, member

        with ThreadPoolExecutor(SENDERS * 2) as newcomers:
            joined = dict(newcomers.map(join, range(NEWCOMERS)))
        collector.fleet = [joined[number] for number in range(NEWCOMERS)]
        collector.end()
        found = collector.balance(Figures(acked=_array((number, 0) for number in range(NEWCOMERS))))
        assert found.balanced, found.faults()
        assert found.acknowledged == found.held >= 2 * NEWCOMERS
        assert len({member.device_id for member in collector.fleet}) == NEWCOMERS


def _array(reports: Iterable[tuple[int, int]]) -> Any:
    figures = Figures()
    figures.acked.extend(packed(*one) for one in reports)
    return figures.acked
