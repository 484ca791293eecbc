"""What the agent does with each answer, against a real HTTP server that answers as told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent.devices import (
    DEVICE,
    KEY,
    TEN,
    TOKEN,
    Answer,
    Asked,
    Device,
    ScriptedCollector,
    refusal,
)

from roadworthy_agent.delivery import Kind

HALF_HOURS = 1860.0


def starts(report: dict[str, Any]) -> list[int]:
    return [period["start"] for period in report.get("periods", ())]


def quarantine(device: Device) -> list[tuple[str, str, str]]:
    rows = device.database.rows("SELECT item, key, code FROM quarantine ORDER BY id")
    return [(row["item"], row["key"], row["code"]) for row in rows]


# The usual course


def test_a_new_boot_asks_for_the_time_before_it_tells_its_history(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.clock.wrong_by = -float(TEN)
    sending.measure(HALF_HOURS)
    assert sending.delivery.call().kind is Kind.ANSWERED
    light, full = collector.reports()
    assert not set(light) & {"periods", "startups", "gaps", "now", "facts", "probes"}
    assert light["sent_at"] < 1e6
    assert starts(full) == [TEN]
    assert full["sent_at"] == pytest.approx(TEN + HALF_HOURS)
    assert full["agent"]["clock_offset_seconds"] == pytest.approx(TEN)
    assert (light["seq"], full["seq"]) == (1, 2)


def test_enrolment_tells_the_time_and_the_first_report_follows_at_once(
    make_device: Callable[..., Device], collector: ScriptedCollector, key_file: Path
) -> None:
    device = make_device(server=collector.url, key_file=key_file)
    collector.now = lambda: device.clock.true
    device.observations.look(device.probes)
    device.measure(60)
    outcome = device.delivery.call()
    assert (outcome.kind, outcome.next_call_seconds) == (Kind.ANSWERED, 900)
    enrolment, report = collector.asked
    assert enrolment.body["enrolment_key"] == KEY
    assert enrolment.body["platform"] == "linux"
    assert list(enrolment.body["fingerprint"]) == ["system_serial"]
    assert "S3RIAL" not in str(enrolment.body)
    assert report.headers["Authorization"] == f"Bearer {TOKEN}"
    assert report.body["device_id"] == DEVICE
    assert report.body["facts"]["hardware"]["model"] == "Tower 1"
    assert report.body["now"]["observed_seconds"] == 60
    kept = device.state.identity()
    assert kept is not None
    assert (kept.device_id, kept.token, kept.server) == (DEVICE, TOKEN, collector.url)


def test_facts_and_statuses_travel_only_when_they_changed(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    sending.delivery.call()
    sending.measure(60)
    sending.delivery.call()
    sending.probes["os"].WHAT = "looks again"
    sending.observations.look(["os"])
    sending.delivery.call()
    first, second, third = collector.reports()
    assert {"facts", "probes"} <= set(first)
    assert not {"facts", "probes"} & (set(second) | set(third))
    changed = dataclasses.replace(sending.observations.value("os"), version="13")
    result = sending.probes["os"].collect(None)
    sending.observations.keep(dataclasses.replace(result, value=changed))
    sending.delivery.call()
    assert collector.reports()[-1]["facts"]["os"]["version"] == "13"
    assert "probes" not in collector.reports()[-1]


def test_what_the_collector_holds_leaves_the_spool(sending: Device, collector: ScriptedCollector) -> None:
    sending.confirm()
    sending.measure(4 * 1800 + 60)
    sending.delivery.call()
    assert starts(collector.reports()[0]) == [TEN, TEN + 1800, TEN + 3600, TEN + 5400]
    assert (sending.outbox.waiting(), sending.frozen()) == (0, {})
    sending.delivery.call()
    assert starts(collector.reports()[1]) == []


def test_a_long_absence_is_sent_in_reports_of_bounded_size(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.recorder._longest = 7200.0
    sending.interval = 1800.0
    sending.confirm()
    sending.measure(1200 * 1800.0)
    assert sending.delivery.call().kind is Kind.ANSWERED
    sizes = [len(starts(report)) for report in collector.reports()]
    assert sum(sizes) == 1200
    assert max(sizes) <= 500
    sent = [start for report in collector.reports() for start in starts(report)]
    assert sent == [TEN + 1800 * number for number in range(1200)]
    assert [report["seq"] for report in collector.reports()] == list(range(1, len(sizes) + 1))
    assert ["now" in report for report in collector.reports()] == [True] + [False] * (len(sizes) - 1)


def test_the_open_period_goes_along_and_stays_open(sending: Device, collector: ScriptedCollector) -> None:
    sending.confirm()
    sending.measure(600)
    sending.delivery.call()
    now = collector.reports()[0]["now"]
    assert (now["start"], now["observed_seconds"], now["cpu"]["mean_ratio"]) == (TEN, 600, 0.25)
    assert sending.frozen() == {}


# No answer, or a busy collector


@pytest.mark.parametrize(
    ("answer", "retry_after"),
    [
        (refusal(503, "busy", Retry_After="30"), 30.0),
        (refusal(429, "rate", Retry_After="120"), 120.0),
        (refusal(500, "internal"), None),
        (Answer(502, b"Bad Gateway"), None),
        (Answer(200, b"<html>Sign in</html>"), None),
    ],
)
def test_a_report_without_an_answer_keeps_its_number_and_its_bytes(
    sending: Device, collector: ScriptedCollector, answer: Answer, retry_after: float | None
) -> None:
    sending.confirm()
    sending.measure(HALF_HOURS)
    collector.decide = lambda _asked: answer
    outcome = sending.delivery.call()
    assert (outcome.kind, outcome.retry_after_seconds) == (Kind.FAILED, retry_after)
    sending.measure(7200)
    sending.restart_agent()
    sending.observations.look(sending.probes)
    collector.decide = lambda _asked: None
    assert sending.delivery.call().kind is Kind.ANSWERED
    first, again, rest = collector.asked
    assert first.raw == again.raw
    assert rest.body["seq"] == again.body["seq"] + 1
    assert starts(rest.body) == [TEN + 1800 * number for number in (1, 2, 3, 4)]


def test_nothing_is_lost_while_the_collector_is_away(sending: Device, collector: ScriptedCollector) -> None:
    sending.confirm()
    collector.decide = lambda _asked: refusal(503, "busy")
    for _ in range(5):
        sending.measure(1800)
        assert sending.delivery.call().kind is Kind.FAILED
    collector.decide = lambda _asked: None
    sending.measure(60)
    sending.delivery.call()
    sent = [start for asked in collector.asked[-2:] for start in starts(asked.body)]
    assert sent == [TEN + 1800 * number for number in range(5)]


# Items refused


def test_rejected_items_go_to_quarantine_and_the_rest_is_held(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    sending.measure(2 * 1800 + 60)
    why = {"item": "period", "key": str(TEN), "code": "too_old", "field": "start", "message": "too late"}
    collector.decide = lambda _asked: collector.took(2, rejected=[why])
    assert sending.delivery.call().kind is Kind.ANSWERED
    assert quarantine(sending) == [("period", str(TEN), "too_old")]
    kept = sending.database.row("SELECT content FROM quarantine")
    assert kept is not None
    assert '"observed_seconds":1800' in kept["content"]
    assert sending.outbox.waiting() == 0
    collector.decide = lambda _asked: None
    sending.delivery.call()
    assert set(collector.reports()[-1]["agent"]) == {
        "version",
        "platform",
    }  # its health is told every two hours
    sending.measure(7200)
    sending.delivery.call()
    assert collector.reports()[-1]["agent"]["quarantined_items"] == 1


def refusing(
    collector: ScriptedCollector, bad: Callable[[dict[str, Any]], bool], code: str = "schema"
) -> None:
    """Make the collector refuse every report that holds something bad, as a whole."""

    def decide(asked: Asked) -> Answer | None:
        return refusal(400, code, "periods[0]: bad") if bad(asked.body) else None

    collector.decide = decide


@pytest.mark.parametrize("code", ["schema", "malformed_json", "too_large"])
@pytest.mark.parametrize("offender", [0, 17, 39])
def test_one_bad_item_is_found_and_does_not_block_the_rest(
    sending: Device, collector: ScriptedCollector, offender: int, code: str
) -> None:
    sending.confirm()
    sending.measure(40 * 1800 + 60)
    bad = TEN + 1800 * offender
    refusing(collector, lambda report: bad in starts(report), code)
    assert sending.delivery.call().kind is Kind.ANSWERED
    assert quarantine(sending) == [("period", str(bad), code)]
    assert sending.outbox.waiting() == 0
    accepted = [
        start for asked in collector.asked for start in starts(asked.body) if bad not in starts(asked.body)
    ]
    assert sorted(accepted) == [TEN + 1800 * number for number in range(40) if number != offender]
    numbers = [report["seq"] for report in collector.reports()]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 40


@pytest.mark.parametrize("part", ["facts", "now", "probes", "startups"])
def test_a_bad_part_of_any_kind_is_found(sending: Device, collector: ScriptedCollector, part: str) -> None:
    from roadworthy_agent import startups

    sending.confirm()
    startups.keep(sending.spool, sending.observations.startups(), 100.0)
    sending.measure(HALF_HOURS)
    refusing(collector, lambda report: part in report)
    assert sending.delivery.call().kind is Kind.ANSWERED
    assert [item for item, _key, _code in quarantine(sending)] == ["startup" if part == "startups" else part]
    assert sending.outbox.waiting() == 0
    assert {TEN} == {start for report in collector.reports() for start in starts(report)}


def test_a_collector_that_refuses_the_envelope_costs_no_item(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    sending.measure(3 * 1800 + 60)
    refusing(collector, lambda _report: True)
    outcome = sending.delivery.call()
    assert outcome.kind is Kind.REFUSED
    assert "refuses even an empty report" in outcome.message
    assert quarantine(sending) == []
    collector.decide = lambda _asked: None
    sending.delivery.call()
    assert {start for report in collector.reports() for start in starts(report)} == {
        TEN,
        TEN + 1800,
        TEN + 3600,
    }
    assert sending.outbox.waiting() == 0


# Answers of a collector that knows more than this agent


def test_words_and_fields_of_a_newer_collector_do_not_disturb(
    sending: Device, collector: ScriptedCollector
) -> None:
    sending.confirm()
    sending.measure(2 * 1800 + 60)
    rejected = [
        {
            "item": "period",
            "key": str(TEN),
            "code": "not_yet_invented",
            "field": None,
            "message": None,
            "hint": 7,
        },
        {
            "item": "hologram",
            "key": "h1",
            "code": "too_old",
            "field": "depth",
            "message": "no such thing here",
        },
        {},
    ]
    advice = {"advice": {"sleep": [1, 2, 3]}, "schema_version": "1.9", "next_call_at": None}
    collector.decide = lambda _asked: collector.took(2, rejected=rejected, **advice)
    outcome = sending.delivery.call()
    assert (outcome.kind, outcome.next_call_seconds) == (Kind.ANSWERED, 900)
    assert sending.outbox.waiting() == 0
    assert quarantine(sending) == [
        ("period", str(TEN), "not_yet_invented"),
        ("hologram", "h1", "too_old"),
        ("", "", "other"),
    ]
    collector.decide = lambda _asked: None
    sending.measure(1800)
    assert sending.delivery.call().kind is Kind.ANSWERED
    assert [starts(report) for report in collector.reports()] == [[TEN, TEN + 1800], [TEN + 3600]]


def test_an_enrolment_answer_may_say_more(
    make_device: Callable[..., Device], collector: ScriptedCollector, key_file: Path
) -> None:
    device = make_device(server=collector.url, key_file=key_file)
    collector.now = lambda: device.clock.true

    def decide(asked: Asked) -> Answer:
        usual = collector.usual(asked)
        return dataclasses.replace(usual, body=usual.body | {"advice": {"colour": "green"}, "revision": 12})

    collector.decide = decide
    assert device.delivery.call().kind is Kind.ANSWERED
    assert collector.reports()
