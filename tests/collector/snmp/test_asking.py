"""A target is read in full once an hour and asked only for what changes in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from roadworthy_collector.snmp.asking import FULL_EVERY_SECONDS, Asking
from roadworthy_collector.snmp.dictionary_port import DictionaryPort
from roadworthy_collector.snmp.port import NoAnswerError
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.readings import DeviceAnswer
from roadworthy_collector.snmp.recording import read_recording
from roadworthy_collector.snmp.redfish import RedfishAsker
from roadworthy_collector.snmp.targets import Login, Polled

VALUES = read_recording(Path(__file__).parents[2] / "devices" / "snmp" / "vertiv_geist-mn02" / "walk.snmprec")


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Polled:
    monkeypatch.setenv("ASKING_TEST", "public")
    login = Login(version="2c", community_env="ASKING_TEST")
    return Polled(
        name="a", host="a", protocol="snmp", port=161, login=login, login_name="x", every_seconds=60
    )


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def answer_of(asking: Asking, polled: Polled) -> DeviceAnswer:
    outcome = asyncio.run(asking.ask(polled))
    assert outcome.answer is not None, outcome.reason
    return outcome.answer


def test_between_full_polls_a_target_is_one_request(target: Polled) -> None:
    clock = Clock()
    port = DictionaryPort(hosts={"a": VALUES, "b": NoAnswerError("b: off")})
    asking = Asking(port, shipped_profiles(), RedfishAsker(), monotonic=clock)
    full = answer_of(asking, target)
    short = answer_of(asking, target)
    assert short.readings == full.readings
    assert (full.requests > 1, short.requests) == (True, 1)
    # A poll without an answer forgets nothing.
    assert asyncio.run(asking.ask(replace(target, host="b"))).code == "no_answer"
    assert answer_of(asking, target).requests == 1
    # A target that was told anew, and one whose hour is over, is read in full.
    assert answer_of(asking, replace(target, every_seconds=120)).requests == full.requests
    clock.now = FULL_EVERY_SECONDS
    assert answer_of(asking, target).requests == full.requests
    assert answer_of(asking, target).requests == 1
    # One that is no longer polled is forgotten.
    asking.keep([target])
    assert answer_of(asking, target).requests == 1
    asking.keep([])
    assert answer_of(asking, target).requests == full.requests
