"""Ratings of devices that run no agent: their own rules apply, and none about start-ups, sign-ins or systems."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from roadworthy_inventory.device_class import ASKED
from roadworthy_inventory.rating import DeviceCondition, Rating, rate
from roadworthy_inventory.rating_measures import ACTION, ATTENTION, MEETS, NO_DATA
from roadworthy_inventory.rating_rules import shipped_rules

TODAY = dt.date(2026, 9, 1)


def rated(kind: str, silent_days: int | None = 0, **known: Any) -> Rating:
    last = None if silent_days is None else TODAY - dt.timedelta(days=silent_days)
    condition = DeviceCondition(
        device="d",
        device_class=kind,
        environment="physical",
        first_report=TODAY - dt.timedelta(days=400),
        last_report=last,
        **known,
    )
    return rate(condition, shipped_rules(), TODAY)


@pytest.mark.parametrize(
    ("known", "rating", "rule"),
    [
        ({"ups_battery_replace": True}, ACTION, "ups-battery-due"),
        ({"ups_battery_low": True}, ACTION, "ups-battery-low"),
        ({"ups_load_ratio": 1.02}, ACTION, "ups-overload"),
        ({"ups_on_battery": True}, ATTENTION, "ups-on-battery"),
        ({"ups_battery_since": dt.date(2022, 8, 31)}, ATTENTION, "ups-battery-old"),
    ],
)
def test_a_ups_is_rated_by_what_it_says_of_itself(known: dict[str, Any], rating: str, rule: str) -> None:
    found = rated("ups", **known)
    assert (found.rating, [one.rule_id for one in found.reasons]) == (rating, [rule])


def test_what_a_battery_or_printer_does_not_tell_is_not_judged() -> None:
    fine = rated("ups", ups_battery_replace=False, ups_battery_since=dt.date(2022, 9, 2), ups_load_ratio=1.0)
    assert fine.rating == MEETS
    assert {"ups-on-battery", "ups-battery-low"} <= {one.rule_id for one in fine.not_judged}
    assert rated("printer", printer_worn=True).reasons[0].rule_id == "printer-worn"
    assert rated("printer", printer_page_count=9e6).rating == MEETS  # no limit of pages ships


@pytest.mark.parametrize("kind", ASKED)
def test_nothing_about_start_ups_sign_ins_systems_or_disks_is_for_what_runs_no_agent(kind: str) -> None:
    found = rated(
        kind, startup_p90_seconds=999.0, startup_count=99, support_status="ended", disk_failing=True
    )
    assert found.rating == MEETS
    agents = ("startup", "signin", "support", "disk", "unexpected", "power-out", "silent", "imported")
    assert not [one for one in found.not_judged if one.rule_id.startswith(agents)]


@pytest.mark.parametrize("kind", ["laptop", "server", "unknown"])
def test_no_rule_for_power_units_is_for_what_runs_an_agent(kind: str) -> None:
    found = rated(kind, 5, ups_battery_replace=True)
    ids = {one.rule_id for one in (*found.reasons, *found.not_judged)}
    assert not [one for one in ids if one.startswith(("ups-", "printer-", "polled-"))]


def test_what_does_not_answer_is_told_and_then_is_no_data() -> None:
    assert [one.rule_id for one in rated("pdu", 3).reasons] == ["polled-unanswered"]
    assert [one.rating for one in (rated("pdu", 2), rated("pdu", 29), rated("pdu", None))] == [
        MEETS,
        NO_DATA,
        NO_DATA,
    ]
