"""Two hundred devices over the wire, ten of them dead: the rest are polled at their intervals all the same."""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path

import pytest
from support import wait_until
from support.snmp_responder import Agent, Responder, hosts

from roadworthy_collector.snmp.asking import Asking
from roadworthy_collector.snmp.poller import Poller
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.pysnmp_port import PysnmpPort
from roadworthy_collector.snmp.recording import read_recording
from roadworthy_collector.snmp.redfish import RedfishAsker
from roadworthy_collector.snmp.targets import Login, Polled

VALUES = read_recording(Path(__file__).parents[2] / "devices" / "snmp" / "gude_epc8221" / "walk.snmprec")
ALIVE, DEAD = 190, 10


def test_the_dead_do_not_delay_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_TEST", "public")
    login = Login(version="2c", community_env="LOAD_TEST")
    names = hosts(ALIVE + DEAD)
    agents = {host: Agent(VALUES, "honest" if place < ALIVE else "dead") for place, host in enumerate(names)}
    stop = threading.Event()
    profiles = shipped_profiles()
    with Responder(agents) as responder:
        polled = [
            Polled(
                name=host,
                host=host,
                protocol="snmp",
                port=responder.port,
                login=login,
                login_name="x",
                every_seconds=2.5,
                # No dead one is given up while this test runs: each holds its lane.
                timeout_seconds=60.0,
                deadline_seconds=600.0,
            )
            for host in names
        ]
        poller = Poller(lambda: Asking(PysnmpPort(), profiles, RedfishAsker()), stop, rng=random.Random(7))  # noqa: S311
        poller.poll(polled)
        answered: Counter[str] = Counter()
        requests: dict[str, list[int]] = {host: [] for host in names}

        def polled_twice() -> bool:
            for outcome in poller.take(1000):
                assert outcome.answer is not None, outcome.reason
                assert len(outcome.answer.readings) > 2
                requests[outcome.polled.name].append(outcome.answer.requests)
                answered[outcome.polled.name] += 1
            return all(answered[host] >= 2 for host in names[:ALIVE])

        wait_until(polled_twice, timeout=90, what="two polls of every device that lives")
        stop.set()
        poller.join(10)
        assert not [host for host in names[ALIVE:] if answered[host]]
        assert all(responder.requests[host] for host in names[ALIVE:])
        # Known from the first poll, a device is one request from the second on.
        assert {sent[1] for sent in requests.values() if sent} == {1}
        assert max(responder.most_at_once[host] for host in names[:ALIVE]) == 1
