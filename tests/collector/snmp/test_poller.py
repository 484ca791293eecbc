"""The poller's thread: who is asked and how often, and that those who do not answer keep nobody waiting."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from support import wait_until

from roadworthy_collector.snmp.keeping import Outcome
from roadworthy_collector.snmp.poller import MOST_WAITING, Poller
from roadworthy_collector.snmp.readings import DeviceAnswer, Identity
from roadworthy_collector.snmp.targets import Login, Polled

ONE = Polled(
    name="a", host="10.0.0.1", protocol="snmp", port=161, login=Login(), login_name="x", every_seconds=0.1
)
ANSWER = DeviceAnswer(identity=Identity(kind="ups"), profiles=("ups-mib",), why=("",), readings=())


class Network:
    """Answers at once, but hosts that are off, which take `patience` seconds to be given up."""

    def __init__(self, patience: float = 0.0) -> None:
        self.off: set[str] = set()
        self.patience = patience
        self.closed = False
        self.kept: list[str] = []
        self.asked: Counter[str] = Counter()
        self.at_once: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def ask(self, polled: Polled) -> Outcome:
        self.asked[polled.name] += 1
        self.at_once[polled.name] += 1
        self.most[polled.name] = max(self.most[polled.name], self.at_once[polled.name])
        await asyncio.sleep(self.patience if polled.host in self.off else 0)
        self.at_once[polled.name] -= 1
        if polled.host in self.off:
            return Outcome(polled, 0.0, self.patience, code="no_answer", reason="no answer")
        return Outcome(polled, 0.0, 0.0, ANSWER)

    def keep(self, targets: Sequence[Polled]) -> None:
        self.kept = [one.name for one in targets]

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def begin(network: Network, stop: threading.Event, **lanes: int) -> Poller:
    return Poller(lambda: network, stop, rng=random.Random(4), **lanes)  # noqa: S311 - spreads polls


def test_every_target_is_asked_again_and_again(stop: threading.Event) -> None:
    network = Network()
    poller = begin(network, stop)
    poller.poll([replace(ONE, name=name) for name in "abc"])
    found: list[Outcome] = []
    wait_until(lambda: found.extend(poller.take(10)) or min(network.asked[name] for name in "abc") >= 3)
    assert {outcome.polled.name for outcome in found} == {"a", "b", "c"}
    stop.set()
    poller.join(5)
    assert network.closed


def test_targets_come_and_go_without_the_others_beginning_anew(stop: threading.Event) -> None:
    network = Network()
    poller = begin(network, stop)
    poller.poll([ONE, replace(ONE, name="b")])
    wait_until(lambda: network.asked["a"] >= 1 and network.asked["b"] >= 1)
    poller.poll([ONE, replace(ONE, name="c")])
    wait_until(lambda: network.asked["c"] >= 2)
    after = network.asked["b"]
    wait_until(lambda: network.asked["c"] >= 4)
    assert network.asked["b"] == after
    assert network.kept == ["a", "c"]  # what is remembered of b goes with it
    stop.set()
    poller.join(5)


def test_those_that_are_off_keep_nobody_waiting(stop: threading.Event) -> None:
    """Thirty that never answer and two lanes for them: fifty others are asked at their intervals all the same."""
    network = Network(patience=30.0)
    dead = [replace(ONE, name=f"dead {n}", host=f"off {n}") for n in range(30)]
    alive = [replace(ONE, name=f"alive {n}", host=f"on {n}") for n in range(50)]
    network.off = {one.host for one in dead}
    # As many lanes as there are dead ones: the first time nobody knows that they are.
    poller = begin(network, stop, lanes=31, failing_lanes=2)
    poller.poll([*dead, *alive])
    wait_until(lambda: min(network.asked[one.name] for one in alive) >= 3)
    assert max(network.most.values()) == 1  # one request in flight for a device
    stop.set()


def test_one_that_fails_is_asked_less_often_until_it_answers(stop: threading.Event) -> None:
    network = Network()
    network.off = {"off"}
    poller = begin(network, stop)
    poller.poll([ONE, replace(ONE, name="dead", host="off")])
    wait_until(lambda: network.asked["a"] >= 9)
    assert 2 <= network.asked["dead"] <= 5
    network.off.clear()
    wait_until(lambda: any(one.answer and one.polled.name == "dead" for one in poller.take(100)))
    began = network.asked["dead"]
    wait_until(lambda: network.asked["dead"] >= began + 2)
    stop.set()
    poller.join(5)


def test_outcomes_that_could_not_be_written_come_again_in_order(stop: threading.Event) -> None:
    poller = begin(Network(), stop)
    outcomes = [Outcome(ONE, float(number), 0.0, ANSWER) for number in range(3)]
    poller.put_back(outcomes)
    assert poller.take(2) == outcomes[:2]
    assert poller.take(2) == outcomes[2:]


def test_of_too_many_outcomes_the_oldest_go_first(stop: threading.Event) -> None:
    poller = begin(Network(), stop)
    poller.put_back([Outcome(ONE, 2.0, 0.0, ANSWER)] * (MOST_WAITING - 1))
    poller.put_back([Outcome(ONE, 0.0, 0.0, ANSWER), Outcome(ONE, 1.0, 0.0, ANSWER)])
    assert [one.at for one in poller.take(2)] == [1.0, 2.0]
    assert len(poller.take(MOST_WAITING)) == MOST_WAITING - 2


def test_a_fault_that_stays_is_said_once_and_tried_ever_less_often(
    stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    network, faults, seconds = Network(), [OSError("no sockets left")], [0.0]
    begun = itertools.count(1)
    threads: list[int] = []

    def make_asks() -> Network:
        threads.append(next(begun))
        if faults:
            raise faults[0]
        return network

    poller = Poller(make_asks, stop, rng=random.Random(4), monotonic=lambda: seconds[0])  # noqa: S311 - spreads polls

    def poll(at: float, targets: Sequence[Polled] = (ONE,)) -> int:
        """Return how many threads there have been after a run at some second."""
        seconds[0] = at
        poller.poll(targets)
        if faults:
            poller.join(5)
        return len(threads)

    with caplog.at_level(logging.INFO):
        # The second thread begins after a minute, the third two minutes later, the fourth with other targets.
        assert [poll(at) for at in (0, 2, 61, 63, 65, 184, 186, 188)] == [1, 1, 1, 2, 2, 2, 3, 3]
        assert poll(190, [replace(ONE, name="b")]) == 4
        assert poll(192, [replace(ONE, name="b")]) == 4
        faults.clear()
        poll(2000, [replace(ONE, name="b")])
        wait_until(lambda: network.asked["b"] >= 1)
        poll(2002, [replace(ONE, name="b")])  # it may end again as soon as those before it
        poll(20_000, [replace(ONE, name="b")])
    stop.set()
    poller.join(5)
    said = [one for one in caplog.records if one.name == "roadworthy_collector.snmp.poller"]
    assert [(one.message, one.exc_info is not None) for one in said] == [
        ("polling ended by a fault: OSError: no sockets left", True),
        ("polling goes on again", False),
    ]
    assert network.closed
