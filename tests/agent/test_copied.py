"""A copied disk, and answers about identities, against a real HTTP server that answers as told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from agent.devices import (
    DEVICE,
    OTHER_TOKEN,
    TEN,
    TOKEN,
    Answer,
    Asked,
    Device,
    ScriptedCollector,
    refusal,
)
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.compose import Sender
from roadworthy_agent.copied import forget_original, keep_machine
from roadworthy_agent.delivery import Kind
from roadworthy_agent.policy import CollectionPolicy

NEW_DEVICE = "rwd_" + "cd" * 16
ONE = {"system_uuid": "1", "board_serial": "1", "disk_serial": "1"}
ANOTHER = {"system_uuid": "2", "board_serial": "2", "disk_serial": "1"}
REPAIRED = {"system_uuid": "1", "board_serial": "1", "disk_serial": "2"}
TABLES = ("samples", "energy", "frozen", "open_days", "frozen_days", "gaps", "startups", "signins")


def look(device: Device, parts: dict[str, str]) -> None:
    current = device.spool.current()
    assert current is not None
    keep_machine(device.database, parts, current, device.clock.boottime())


def forget(device: Device) -> None:
    forget_original(device.database, device.spool.boots())


def held(device: Device) -> dict[str, int]:
    counts = {table: device.database.number(f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608 - names above
    return {table: count for table, count in counts.items() if count}


def traded(collector: ScriptedCollector) -> Callable[[Asked], Answer | None]:
    """Return the answers of a collector that takes whoever has the usual token for a copy."""

    def decide(asked: Asked) -> Answer | None:
        if asked.path.endswith("enrol"):
            body = {"device_id": NEW_DEVICE, "token": OTHER_TOKEN, "next_call": 900}
            return Answer(200, body | {"server_time": collector.now()})
        return refusal(401, "cloned") if TOKEN in asked.headers["Authorization"] else None

    return decide


def test_a_copy_trades_its_token_and_sends_nothing_of_the_original(
    sending: Device, collector: ScriptedCollector
) -> None:
    look(sending, ONE)
    sending.measure(2 * 3600)
    sending.clock.restart("boot-2", 600)
    sending.restart_agent()
    sending.observations.look(sending.probes)
    look(sending, ANOTHER)
    here = sending.clock.true
    collector.decide = traded(collector)
    assert sending.delivery.call().message == "this machine is a copy; calling as a device of its own"
    kept = sending.state.identity()
    assert kept is not None
    assert (kept.device_id, kept.token, kept.next_token) == (NEW_DEVICE, OTHER_TOKEN, None)
    asked = next(asked.body for asked in collector.asked if asked.path.endswith("enrol"))
    assert asked["token"] == TOKEN
    assert "enrolment_key" not in asked
    sending.measure(3700)
    assert sending.delivery.call().kind is Kind.ANSWERED
    mine = [report for report in collector.reports() if report["device_id"] == NEW_DEVICE]
    starts = [period["start"] for report in mine for period in report.get("periods", ())]
    assert starts
    assert all(start + 1800 > here for start in starts)
    assert not [gap for report in mine for gap in report.get("gaps", ()) if gap["from"] < here]
    assert any("facts" in report for report in mine)


@pytest.mark.parametrize("policy", list(CollectionPolicy))
def test_all_that_was_measured_before_the_copy_goes(
    make_device: Callable[..., Device], policy: CollectionPolicy
) -> None:
    device = make_device(policy=policy)
    look(device, ONE)
    device.confirm()
    device.measure(26 * 3600)
    device.composer.full(Sender(DEVICE, "0" * 16, "boot-1"), with_now=False)
    assert held(device)
    device.clock.restart("boot-2", 600)
    device.restart_agent()
    look(device, ANOTHER)
    forget(device)
    assert not set(held(device)) - {"frozen_days"}
    assert device.database.number("SELECT count(*) FROM frozen_days WHERE held = 0") == 0


def test_copied_while_it_ran_only_what_was_measured_since_is_its_own(device: Device) -> None:
    look(device, ONE)
    device.confirm()
    device.measure(3600)
    look(device, ANOTHER)
    device.measure(600)
    forget(device)
    assert device.database.number("SELECT count(*) FROM samples") == 10


def test_a_part_that_was_replaced_makes_no_other_machine(device: Device) -> None:
    look(device, ONE)
    device.measure(600)
    look(device, REPAIRED)
    forget(device)
    assert device.database.get("machine")["since"] == 0.0
    assert device.database.number("SELECT count(*) FROM samples") == 10


@given(
    st.lists(st.dictionaries(st.sampled_from(sorted(ONE)), st.sampled_from("12"), max_size=3), min_size=1),
)
def test_the_machine_is_kept_whatever_of_it_can_be_read(looks: list[dict[str, str]]) -> None:
    """A look at which the firmware could not be read says nothing about the hardware."""
    kept: dict[str, Any] = {}

    class Kept:
        def get(self, name: str) -> Any:
            return kept.get(name)

        def put(self, **values: Any) -> None:
            kept.update(values)

    from roadworthy_agent.timeline import Boot

    boot = Boot(1, "b", 0.0, 0.0, float(TEN))
    for parts in looks:
        keep_machine(Kept(), parts, boot, 5.0)  # type: ignore[arg-type] # all it uses of a database
        assert set(kept["machine"]["fingerprint"]) >= set(parts)


def test_killed_before_the_identity_was_kept_it_trades_again(
    sending: Device, collector: ScriptedCollector
) -> None:
    collector.decide = traded(collector)
    forget(sending)
    assert "is a copy" in sending.delivery.call().message
    assert sending.delivery.call().kind is Kind.ANSWERED


def test_a_collector_that_calls_everything_a_copy_makes_no_loop(
    sending: Device, collector: ScriptedCollector
) -> None:
    collector.now = lambda: sending.clock.true

    def decide(asked: Asked) -> Answer | None:
        return traded(collector)(asked) if asked.path.endswith("enrol") else refusal(401, "cloned")

    collector.decide = decide
    for _ in range(20):
        assert sending.delivery.call().kind is Kind.FAILED
    assert sum("enrol" in asked.path for asked in collector.asked) == 1
    assert "so waiting" in sending.delivery.call().message


def test_a_trade_that_is_refused_changes_nothing(sending: Device, collector: ScriptedCollector) -> None:
    def decide(asked: Asked) -> Answer | None:
        return refusal(409, "not_cloned") if asked.path.endswith("enrol") else refusal(401, "cloned")

    sending.measure(3600)
    before = held(sending)
    collector.decide = decide
    assert sending.delivery.call().kind is Kind.FAILED
    kept = sending.state.identity()
    assert kept is not None
    assert (kept.device_id, kept.token, kept.stopped) == (DEVICE, TOKEN, None)
    assert held(sending) == before
    collector.decide = lambda _asked: None
    assert sending.delivery.call().kind is Kind.ANSWERED


def test_an_agent_from_before_that_stopped_as_a_copy_goes_on(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.enrolled(stopped="cloned")
    collector.decide = traded(collector)
    sending.delivery.call()
    assert sending.delivery.call().kind is Kind.ANSWERED


def test_a_report_that_is_held_keeps_its_number_and_its_bytes(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    collector.decide = lambda _asked: refusal(409, "identity_unclear", Retry_After="600")
    outcome = sending.delivery.call()
    assert (outcome.kind, outcome.retry_after_seconds) == (Kind.FAILED, 600.0)
    collector.decide = lambda _asked: None
    sending.measure(600)
    sending.delivery.call()
    assert collector.asked[0].raw == collector.asked[1].raw


def test_facts_are_told_again_where_the_collector_asks_and_once_a_call(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    sending.delivery.call()
    collector.asked.clear()
    collector.decide = lambda _asked: collector.took(0, resend=["facts", "something new"])
    assert sending.delivery.call().kind is Kind.ANSWERED
    assert ["facts" in report for report in collector.reports()] == [False, True]


def test_a_new_token_survives_a_proxy_that_eats_it(sending: Device, collector: ScriptedCollector) -> None:
    """The old one may have ended already: given up for it, the device would be locked out."""
    sending.confirm()
    sending.enrolled(next_token=OTHER_TOKEN)
    collector.decide = lambda _asked: refusal(401, "missing_token")
    assert sending.delivery.call().kind is Kind.FAILED
    collector.decide = lambda asked: (
        None if OTHER_TOKEN in asked.headers["Authorization"] else refusal(401, "re_enrol")
    )
    assert sending.delivery.call().kind is Kind.ANSWERED
    kept = sending.state.identity()
    assert kept is not None
    assert (kept.token, kept.next_token) == (OTHER_TOKEN, None)
