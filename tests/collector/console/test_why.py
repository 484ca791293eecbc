"""Blanks are explained by what the device said."""

from __future__ import annotations

from roadworthy_agent.verified import marked
from roadworthy_collector.console import words
from roadworthy_collector.console.why import (
    NOT_VERIFIED,
    ProbeWord,
    complete,
    parse_missing,
    reason,
    unverified,
)


def test_the_reason_for_one_value_comes_before_that_of_the_probe() -> None:
    missing = parse_missing(
        [
            {"field": "hardware.serial", "status": "no_permission", "reason": "root only"},
            {"field": "sku", "status": "not_supported"},
            {"field": "hardware.cpu.model", "status": "error", "reason": "of the processor"},
        ]
    )
    probes = [ProbeWord("hardware", "ok", missing=missing)]
    assert reason(probes, "hardware", "serial") == "root only"
    assert reason(probes, "hardware", "sku") == words.STATUSES["not_supported"]
    assert reason(probes, "hardware", "model") == "the device has no such value"
    assert reason(probes, "hardware", "cpu.model") == "of the processor"


def test_a_probe_that_failed_explains_all_of_its_values() -> None:
    probes = [ProbeWord("hardware", "no_permission", "may be read by root only"), ProbeWord("os", "error")]
    assert reason(probes, "hardware", "model") == "may be read by root only"
    assert reason(probes, "os") == "error"


def test_a_probe_nobody_heard_of_says_so() -> None:
    assert reason([], "power") == "the device has not said why"
    found = complete(
        [ProbeWord("utilisation", "ok"), ProbeWord("zeta", "ok"), ProbeWord("alpha", "brand_new")]
    )
    assert [probe.probe for probe in found] == [*words.PROBES, "alpha", "zeta"]
    assert {probe.status for probe in found if probe.probe in words.PROBES} == {"ok", "silent"}
    assert found[-2].status_words == "brand new"  # a newer agent's word is shown as it is


def test_anything_but_a_list_of_missing_values_is_no_value() -> None:
    assert parse_missing(None) == {}
    assert parse_missing("nonsense") == {}
    assert parse_missing([1, {"status": "ok"}]) == {}


def test_a_mark_is_seen_at_the_end_of_a_source_only() -> None:
    probes = [
        ProbeWord("power", "ok", source="rapl:package-0 (not field-verified)"),
        ProbeWord("battery", "error", source="power_supply:(not field-verified) of somebody"),
        ProbeWord("os", "ok", source="os-release"),
        ProbeWord("state", "no_permission"),
    ]
    assert unverified(probes) == {"power"}


def test_the_mark_is_the_agents() -> None:
    assert marked("rapl", "power", "win32") == f"rapl {NOT_VERIFIED}"
