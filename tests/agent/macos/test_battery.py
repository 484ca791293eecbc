"""Batteries of real Macs; charge only, and no percentage for a charge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agent.macos.macs import tree
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes import battery
from roadworthy_agent.probes.battery.macos import parse_battery


@pytest.mark.parametrize(
    ("told", "per_cent"),
    [
        # as printed in https://github.com/Kyome22/SystemInfoKit/blob/main/MeasuredValues/README.md
        ({"AppleRawMaxCapacity": 5704, "DesignCapacity": 6075, "MaxCapacity": 100}, 93.89),
        ({"AppleRawMaxCapacity": 5797, "DesignCapacity": 6249, "MaxCapacity": 100}, 92.77),
        ({"BatteryData": {"FullChargeCapacity": 4427, "DesignCapacity": 4563}, "MaxCapacity": 100}, 97.02),
        # an Intel laptop, https://github.com/svartalf/rust-battery/issues/8: MaxCapacity is a charge there
        ({"MaxCapacity": 4203, "DesignCapacity": 4790}, 87.75),
    ],
)
def test_health_is_what_was_published(told: dict[str, Any], per_cent: float) -> None:
    found = parse_battery(told | {"BatteryInstalled": True, "CycleCount": 39})
    assert found is not None
    one, missing = found
    assert one.health_ratio == pytest.approx(per_cent / 100, abs=5e-5)
    assert (one.cycles, one.design_watt_hours, one.full_watt_hours) == (39, None, None)
    assert [each.field for each in missing] == ["battery.AppleSmartBattery.full_watt_hours"]


def test_a_percentage_is_never_taken_for_a_charge() -> None:
    found = parse_battery({"BatteryInstalled": True, "MaxCapacity": 100, "DesignCapacity": 4563})
    assert found is not None
    assert (found[0].full_ampere_hours, found[0].health_ratio) == (None, None)
    assert "battery.AppleSmartBattery.full_ampere_hours" in {each.field for each in found[1]}


@pytest.mark.parametrize("told", [{}, {"BatteryInstalled": False, "DesignCapacity": 4563}, {"CycleCount": 0}])
def test_a_desktops_entry_is_no_battery(told: dict[str, Any]) -> None:
    assert parse_battery(told) is None


def test_no_battery_is_a_status_with_a_reason(tmp_path: Path) -> None:
    result = battery.collect(Context.recorded(tree(tmp_path)))
    assert (result.status, result.reason) == (Status.NOT_SUPPORTED, "this Mac has no battery")


NUMBERS = st.one_of(st.integers(-(1 << 65), 1 << 65), st.booleans(), st.text(max_size=3))
KEYS = st.sampled_from(
    ["DesignCapacity", "AppleRawMaxCapacity", "MaxCapacity", "CycleCount", "BatteryInstalled", "DeviceName"]
)


@given(st.dictionaries(KEYS, NUMBERS))
def test_whatever_it_says_figures_are_possible(told: dict[str, Any]) -> None:
    found = parse_battery(told | {"BatteryInstalled": True})
    assert found is not None
    one = found[0]
    assert one.health_ratio is None or 0 <= one.health_ratio <= 2
    assert one.cycles is None or one.cycles >= 0
    assert all(
        value is None or 0 < value <= 100 for value in (one.design_ampere_hours, one.full_ampere_hours)
    )
