"""Who the device is to its collector: refused, enrolled again, given another token."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent.devices import (
    DEVICE,
    KEY,
    OTHER_TOKEN,
    TEN,
    TOKEN,
    Answer,
    Asked,
    Device,
    ManualClock,
    ScriptedCollector,
    refusal,
)

from roadworthy_agent import once
from roadworthy_agent.delivery import Kind
from roadworthy_agent.errors import AnswerError
from roadworthy_agent.identity import Identity
from roadworthy_agent.settings import Settings

HALF_HOURS = 1860.0


def starts(report: dict[str, Any]) -> list[int]:
    return [period["start"] for period in report.get("periods", ())]


@pytest.mark.parametrize("code", ["revoked", "wrong_device"])
def test_a_revoked_device_stops_sending_and_keeps_measuring(
    make_device: Callable[..., Device], collector: ScriptedCollector, key_file: Path, code: str
) -> None:
    device = make_device(server=collector.url, key_file=key_file)
    device.enrolled()
    collector.decide = lambda _asked: refusal(403, code)
    assert device.delivery.call().kind is Kind.STOPPED
    device.measure(7200)
    assert device.delivery.call().kind is Kind.STOPPED
    device.restart_agent()
    assert "enrol again" in device.delivery.call().message
    assert len(collector.asked) == 1
    assert device.database.number("SELECT count(*) FROM samples") == 120


@pytest.mark.parametrize("code", ["unknown", "re_enrol"])
def test_an_unknown_device_enrols_again_with_its_key_and_loses_nothing(
    make_device: Callable[..., Device], collector: ScriptedCollector, key_file: Path, code: str
) -> None:
    device = make_device(server=collector.url, key_file=key_file)
    collector.now = lambda: device.clock.true
    device.state.save(Identity(collector.url, "rwd_" + "0" * 32, OTHER_TOKEN, 0.0))
    device.observations.look(device.probes)
    device.confirm()
    device.measure(HALF_HOURS)

    def decide(asked: Asked) -> Answer | None:
        return refusal(401, code) if OTHER_TOKEN in asked.headers.get("Authorization", "") else None

    collector.decide = decide
    outcomes = [device.delivery.call().kind, device.delivery.call().kind]
    assert outcomes == [Kind.FAILED, Kind.ANSWERED]
    assert [asked.path for asked in collector.asked] == [
        "/api/v1/reports",
        "/api/v1/enrol",
        "/api/v1/reports",
    ]
    last = collector.reports()[-1]
    assert last["device_id"] == DEVICE
    assert starts(last) == [TEN]
    assert "facts" in last


def test_an_unknown_device_without_a_key_stops(sending: Device, collector: ScriptedCollector) -> None:
    collector.decide = lambda _asked: refusal(401, "unknown")
    outcomes = [sending.delivery.call() for _ in range(3)]
    assert {outcome.kind for outcome in outcomes} == {Kind.STOPPED}
    assert "roadworthy-agent enrol" in outcomes[0].message
    assert len(collector.asked) == 1


def test_a_collector_that_knows_nobody_makes_no_loop(
    make_device: Callable[..., Device], collector: ScriptedCollector, key_file: Path
) -> None:
    device = make_device(server=collector.url, key_file=key_file)
    collector.now = lambda: device.clock.true
    collector.decide = lambda asked: refusal(401, "unknown") if "reports" in asked.path else None
    for _ in range(20):
        device.delivery.call()
    assert sum("enrol" in asked.path for asked in collector.asked) == 1
    device.clock.run(3700)
    for _ in range(5):
        device.delivery.call()
    assert sum("enrol" in asked.path for asked in collector.asked) == 2


def test_a_proxy_that_eats_the_token_costs_no_identity(sending: Device, collector: ScriptedCollector) -> None:
    collector.decide = lambda _asked: refusal(401, "missing_token", "no token")
    assert sending.delivery.call().kind is Kind.FAILED
    collector.decide = lambda _asked: None
    assert sending.delivery.call().kind is Kind.ANSWERED


def test_a_refused_key_is_not_tried_again_at_once(
    make_device: Callable[..., Device], collector: ScriptedCollector, key_file: Path
) -> None:
    device = make_device(server=collector.url, key_file=key_file)
    collector.decide = lambda _asked: refusal(403, "key_expired", "this key has expired")
    outcome = device.delivery.call()
    assert outcome.kind is Kind.REFUSED
    assert outcome.message == "the collector refused the enrolment: this key has expired (key_expired)"
    with pytest.raises(AnswerError, match="this key has expired"):
        device.delivery.enrol(KEY)


def test_a_device_without_key_or_identity_says_what_to_do(make_device: Callable[..., Device]) -> None:
    device = make_device(server="https://roadworthy.example.org")
    outcome = device.delivery.call()
    assert (outcome.kind, outcome.message) == (
        Kind.STOPPED,
        "not enrolled; run: roadworthy-agent enrol, or set enrolment_key_file",
    )
    assert make_device().delivery.call().message == "no server is set; measuring only"


def test_a_collector_that_moved_keeps_its_device(
    make_device: Callable[..., Device], collector: ScriptedCollector, key_file: Path
) -> None:
    device = make_device(server=collector.url, key_file=key_file)
    device.state.save(Identity("https://old.example.org", DEVICE, TOKEN, 0.0))
    assert device.delivery.call().kind is Kind.ANSWERED
    assert not [asked for asked in collector.asked if "enrol" in asked.path]
    kept = device.state.identity()
    assert kept is not None
    assert (kept.server, kept.device_id) == (collector.url, DEVICE)


def test_another_collector_does_not_know_the_device_which_then_enrols_there(
    make_device: Callable[..., Device], collector: ScriptedCollector, key_file: Path
) -> None:
    device = make_device(server=collector.url, key_file=key_file)
    collector.now = lambda: device.clock.true
    device.state.save(Identity("https://old.example.org", DEVICE, TOKEN, 0.0))
    known = False

    def decide(asked: Asked) -> Answer | None:
        nonlocal known
        known = known or "enrol" in asked.path
        return None if known else refusal(401, "unknown")

    collector.decide = decide
    outcomes = [device.delivery.call().kind for _ in range(2)]
    assert outcomes[-1] is Kind.ANSWERED
    assert sum("enrol" in asked.path for asked in collector.asked) == 1


def test_an_agent_too_old_keeps_everything_and_asks_again(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    sending.measure(HALF_HOURS)
    collector.decide = lambda _asked: refusal(426, "upgrade_required", "send version 2")
    outcome = sending.delivery.call()
    assert (outcome.kind, outcome.message) == (Kind.UPGRADE, "send version 2 (upgrade_required)")
    assert list(sending.frozen()) == [TEN]
    collector.decide = lambda _asked: None
    sending.delivery.call()
    assert starts(collector.reports()[-1]) == [TEN]


# Tokens


def test_a_new_token_is_used_next_and_the_old_one_kept_until_it_worked(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    collector.decide = lambda _asked: collector.took(0, token=OTHER_TOKEN)
    sending.delivery.call()
    kept = sending.state.identity()
    assert kept is not None
    assert (kept.token, kept.next_token) == (TOKEN, OTHER_TOKEN)
    collector.decide = lambda _asked: None
    sending.delivery.call()
    assert OTHER_TOKEN in collector.asked[-1].headers["Authorization"]
    kept = sending.state.identity()
    assert kept is not None
    assert (kept.token, kept.next_token, kept.previous_token) == (OTHER_TOKEN, None, TOKEN)


def test_a_new_token_that_does_not_work_gives_way_to_the_old_one(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    sending.enrolled(next_token=OTHER_TOKEN)

    def decide(asked: Asked) -> Answer | None:
        return refusal(401, "unknown") if OTHER_TOKEN in asked.headers["Authorization"] else None

    collector.decide = decide
    assert sending.delivery.call().kind is Kind.ANSWERED
    assert [TOKEN in asked.headers["Authorization"] for asked in collector.asked] == [False, True]
    assert collector.asked[0].raw == collector.asked[1].raw
    kept = sending.state.identity()
    assert kept is not None
    assert (kept.token, kept.next_token) == (TOKEN, None)


def test_a_token_unknown_after_a_restore_gives_way_to_the_one_it_replaced(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    sending.state.save(Identity(collector.url, DEVICE, OTHER_TOKEN, 0.0, previous_token=TOKEN))

    def decide(asked: Asked) -> Answer | None:
        return refusal(401, "unknown") if OTHER_TOKEN in asked.headers["Authorization"] else None

    collector.decide = decide
    assert sending.delivery.call().kind is Kind.ANSWERED
    assert [TOKEN in asked.headers["Authorization"] for asked in collector.asked] == [False, True]
    assert collector.asked[0].raw == collector.asked[1].raw
    kept = sending.state.identity()
    assert kept is not None
    assert (kept.token, kept.previous_token, kept.stopped) == (TOKEN, OTHER_TOKEN, None)


@pytest.mark.parametrize(
    ("answers", "asked", "stopped"),
    [
        ([refusal(401, "unknown"), refusal(401, "cloned")], 2, "unknown"),
        ([refusal(401, "re_enrol")], 1, "re_enrol"),
        ([refusal(403, "revoked")], 1, "revoked"),
        ([refusal(401, "unknown"), refusal(503, "busy")], 2, None),
    ],
    ids=["both unknown", "re-enrol", "revoked", "busy"],
)
def test_a_replaced_token_is_tried_once_and_only_for_one_unknown(
    sending: Device, collector: ScriptedCollector, answers: list[Answer], asked: int, stopped: str | None
) -> None:
    sending.confirm()
    sending.state.save(Identity(collector.url, DEVICE, OTHER_TOKEN, 0.0, previous_token=TOKEN))
    collector.decide = lambda _asked: answers[len(collector.asked) - 1]
    assert sending.delivery.call().kind is not Kind.ANSWERED
    kept = sending.state.identity()
    assert kept is not None
    assert (len(collector.asked), kept.stopped) == (asked, stopped)
    assert (kept.token, kept.previous_token) == (OTHER_TOKEN, TOKEN)


@pytest.mark.parametrize("decision", [None, refusal(403, "revoked")], ids=["taken", "refused"])
def test_an_enrolment_beside_a_running_call_is_not_overwritten_by_it(
    sending: Device, collector: ScriptedCollector, decision: Answer | None
) -> None:
    """`roadworthy-agent enrol` while the agent waits for an answer to the old identity."""
    sending.enrolled(next_token=OTHER_TOKEN)
    new = Identity(collector.url, "rwd_" + "ee" * 16, TOKEN, sending.clock.true)

    def decide(_asked: Asked) -> Answer | None:
        if len(collector.asked) == 1:
            sending.state.save(new)
            return decision
        return None

    collector.decide = decide
    assert sending.delivery.call().kind is Kind.FAILED
    assert sending.state.identity() == new
    assert sending.delivery.call().kind is Kind.ANSWERED
    assert {report["device_id"] for report in collector.reports()[1:]} == {new.device_id}


def test_no_secret_is_ever_logged(
    make_device: Callable[..., Device],
    collector: ScriptedCollector,
    key_file: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    device = make_device(ManualClock(), server=collector.url, key_file=key_file)
    device.delivery.call()
    collector.decide = lambda _asked: refusal(401, "unknown")
    device.delivery.call()
    assert "enrolled with" in caplog.text
    assert not [secret for secret in (KEY, TOKEN, KEY[-64:], TOKEN[-64:]) if secret in caplog.text]


def test_enrolling_before_the_agent_starts_tells_no_earlier_boot_the_time(
    make_device: Callable[..., Device], collector: ScriptedCollector
) -> None:
    """The time that comes with the answer is of this boot; given to the one before, it would move its samples here."""
    device = make_device(server=collector.url)
    device.measure(3600)
    device.close()
    once.enrol(Settings(collector.url, device.folder, None, None, 58, 33_554_432, ()), KEY)
    device.open()
    before, current = device.spool.boots()
    assert (before.boot_id, before.confirmed) == ("boot-1", False)
    assert current.confirmed
