"""Gauges of polled devices: what is fresh, what is restricted, and where the lists end."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.estates import NOW, Estate

from roadworthy_collector.metrics import polled
from roadworthy_collector.store.snmp_schema import snmp_targets


def wall(watts: float, **flags: bool) -> dict[str, Any]:
    return {"now": {"energy": [{"scope": "wall", "latest_watts": watts}], "flags": flags or None}}


def shown(estate: Estate) -> dict[str, dict[tuple[str, ...], float]]:
    with estate.engine.connect() as connection:
        text = polled.render(polled.read(connection, NOW, "Europe/London"))
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name.removeprefix("roadworthy_")][tuple(sample.labels.values())] = sample.value
    return found


def test_where_nothing_is_polled_nothing_is_said(estate: Estate) -> None:
    estate.device(device_class="laptop", now=wall(30.0))
    assert shown(estate) == {}


def test_power_is_of_those_that_told_lately_and_kinds_stay_apart(estate: Estate) -> None:
    estate.device(device_class="pdu", model="Rack 24", unit="Custody", now=wall(400.0))
    estate.device(device_class="pdu", model="Rack 24", now=wall(100.0))
    estate.device(device_class="ups", now=wall(900.0, battery_replace=True))
    estate.device(device_class="ups", now={"at": int(NOW) - 3 * 900 - 1, **wall(5.0, battery_replace=False)})
    estate.device(device_class="ups")
    estate.device(device_class="pdu", site="Annexe", restricted=True, now=wall(77.0))
    estate.device(device_class="laptop", now=wall(30.0))
    found = shown(estate)
    assert found["site_polled_watts"] == {("HQ", "pdu"): 500.0, ("HQ", "ups"): 900.0}
    assert found["model_polled_watts"] == {("Rack 24", "pdu"): 500.0, ("unknown", "ups"): 900.0}
    of_unit = {("Custody", "pdu"): 400.0, ("IT", "pdu"): 100.0, ("IT", "ups"): 900.0}
    assert found["unit_polled_watts"] == of_unit
    assert found["site_ups_batteries"] == {("HQ", "replace"): 1, ("HQ", "ok"): 1, ("HQ", "unknown"): 1}


def test_past_the_limit_members_are_one(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polled, "MAX_MEMBERS", 1)
    for place, model in enumerate(("a", "b", "b", "c")):
        estate.device(device_class="pdu", model=model, site=f"site {place}", now=wall(10.0))
    found = shown(estate)
    assert found["model_polled_watts"] == {("b", "pdu"): 20.0, ("other", "pdu"): 20.0}
    assert found["site_polled_watts"] == {("site 0", "pdu"): 10.0, ("other", "pdu"): 30.0}


def test_failing_targets_come_first_and_the_others_are_counted(estate: Estate, monkeypatch: Any) -> None:
    monkeypatch.setattr(polled, "MOST_TARGETS", 2)
    row = {"host": "10.0.0.1", "protocol": "snmp", "kind": "pdu", "outcome": "ok", "polls": 3, "successes": 3}
    for name in ("a", "b"):
        estate.put(snmp_targets, name=name, **row)
    estate.put(snmp_targets, name="c", **row | {"outcome": "no_answer", "failures": 2, "successes": 1})
    estate.put(snmp_targets, name="gone", removed=True, **row)
    estate.put(snmp_targets, name="new", **row | {"outcome": "never", "polls": 0})
    hidden = estate.device(site="Annexe", restricted=True, device_class="pdu")
    estate.put(snmp_targets, name="secret", device=hidden, **row | {"failures": 9})
    found = shown(estate)
    assert found["target_up"] == {("c", "pdu", "unknown"): 0.0, ("a", "pdu", "unknown"): 1.0}
    assert found["polled_targets_unlisted"] == {(): 3}
    assert found["polled_targets"] == {("pdu", "ok"): 3, ("pdu", "no_answer"): 1, ("pdu", "never"): 1}
    assert found["target_successful_polls_total"] == {("c", "pdu"): 1, ("a", "pdu"): 3}


def test_a_target_and_its_watts_are_of_one_kind(estate: Estate) -> None:
    device = estate.device(device_class="controller", now=wall(0.1))
    estate.device(device_class="controller", now=wall(0.2))
    row = {"host": "10.0.0.1", "protocol": "snmp", "kind": "management_controller", "outcome": "ok"}
    estate.put(snmp_targets, name="bmc", device=device, polls=1, successes=1, **row)
    found = shown(estate)
    assert found["target_up"] == {("bmc", "controller", "HQ"): 1.0}
    assert found["polled_targets"] == {("controller", "ok"): 1}
    assert found["site_polled_watts"] == {("HQ", "controller"): 0.3}  # and no 0.30000000000000004
