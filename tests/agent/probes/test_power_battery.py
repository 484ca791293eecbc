"""Batteries: all of them, with the direction their status gives, and only while they carry the whole machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent.probes.power_devices import MadeUp
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.power import battery
from roadworthy_agent.probes.power.battery import Battery, flow, parse_watts
from roadworthy_agent.probes.power.files import Files
from roadworthy_agent.probes.tree import Tree

OUT, IN, IDLE, LOST = "discharging", "charging", "full", "unknown"


@pytest.mark.parametrize(
    ("batteries", "watts"),
    [
        (
            [Battery("BAT0", LOST, 0.0), Battery("BAT1", OUT, 5.657)],
            5.657,
        ),  # a ThinkPad empties one after the other
        ([Battery("BAT0", OUT, 4.0), Battery("BAT1", OUT, 6.0)], 10.0),
        ([Battery("BAT0", OUT, 12.0), Battery("BAT1", IN, 2.0)], 10.0),  # one feeds the other as well
        ([Battery("BAT0", OUT, 12.0), Battery("BAT1", IDLE, None)], 12.0),
        ([Battery("BAT0", OUT, 12.0), Battery("BAT1", OUT, None)], None),  # half a sum is no draw
        ([Battery("BAT0", OUT, 12.0), Battery("BAT1", LOST, 3.0)], None),  # 3 W in which direction?
        (
            [Battery("BAT0", OUT, 0.0)],
            None,
        ),  # a gauge that has not caught up: a running machine draws something
    ],
)
def test_the_sum_is_the_whole_draw_or_nothing(batteries: list[Battery], watts: float | None) -> None:
    told = flow(batteries, online=False)
    assert told is not None
    assert (told.discharging, told.watts) == (True, watts)


def test_on_mains_the_batteries_do_not_carry_the_machine() -> None:
    told = flow([Battery("BAT0", IN, 30.0)], online=True)
    assert told is not None
    assert (told.discharging, told.watts) == (False, None)


def test_a_battery_that_helps_a_weak_charger_is_a_part_and_not_the_draw() -> None:
    batteries = [Battery("BAT0", OUT, 9.0)]
    told, offer = flow(batteries, online=True), battery.candidate(batteries, online=True)
    assert told is not None
    assert offer is not None
    assert (told.discharging, told.watts) == (False, None)
    assert (offer.registers, offer.reason) == ((), battery.PARTIAL)


def test_no_battery_is_no_flow() -> None:
    assert flow([], online=True) is None
    assert battery.candidate([], online=True) is None


@pytest.mark.parametrize(
    ("power", "current", "volts", "watts"),
    [
        ("5002000", None, None, 5.002),
        ("-5002000", None, None, 5.002),  # drivers disagree about the sign
        (None, "-1500000", "12000000", 18.0),
        (None, "1500000", "12000000", 18.0),
        (None, "1500000", None, None),
        (None, None, "12000000", None),
        ("garbage", "1500000", "12000000", 18.0),
        ("4294967295000", None, None, None),  # 0xffffffff: the firmware's word for "not known"
        (None, "65535000", "12000000", None),
    ],
)
def test_watts_come_from_power_or_from_current_and_voltage(
    power: str | None, current: str | None, volts: str | None, watts: float | None
) -> None:
    assert parse_watts(power, current, volts) == watts


def read(device: MadeUp) -> tuple[list[Battery], bool]:
    files = Files(Tree(device.root), live=True)
    return battery.read(files, battery.find(files))


def test_a_mouse_and_an_empty_bay_are_no_batteries_of_the_machine(tmp_path: Path) -> None:
    device = MadeUp(tmp_path)
    device.supply("BAT0", type="Battery", status="Discharging", power_now=7_000_000)
    device.supply("BAT1", type="Battery", present=0)
    device.supply("hidpp_battery_0", type="Battery", scope="Device", status="Discharging")
    device.supply("ucsi-source-psy-USBC000:001", type="USB", online=0)
    device.supply("ADP1", type="Mains", online=0)
    device.supply("ups0", type="UPS", online=1)
    assert read(device) == ([Battery("BAT0", OUT, 7.0)], False)


def test_a_charger_at_a_usb_socket_is_mains(tmp_path: Path) -> None:
    device = MadeUp(tmp_path)
    device.supply("BAT0", type="Battery", status="Charging", power_now=7_000_000)
    device.supply("ucsi", type="USB", online=1)
    assert read(device) == ([Battery("BAT0", IN, 7.0)], True)


def test_one_attribute_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    device = MadeUp(tmp_path)
    device.supply("BAT0", type="Battery", status="Discharging", current_now=1_500_000, voltage_now=12_000_000)
    (tmp_path / "sys/class/power_supply/BAT0/power_now").mkdir()
    device.supply("BAT1", type="Battery", status="Discharging", power_now=2_000_000)
    assert read(device) == ([Battery("BAT0", OUT, 18.0), Battery("BAT1", OUT, 2.0)], False)


@given(
    told=st.lists(
        st.tuples(st.sampled_from((OUT, IN, IDLE, LOST, "", "rubbish")), st.none() | st.floats(0, 500)),
        max_size=4,
    ),
    online=st.booleans(),
)
def test_a_missing_figure_is_never_a_zero(told: list[tuple[str, float | None]], *, online: bool) -> None:
    batteries = [Battery(f"BAT{number}", *each) for number, each in enumerate(told)]
    flowing = flow(batteries, online=online)
    assert flowing is None or flowing.watts is None or flowing.watts > 0
    offer = battery.candidate(batteries, online=online)
    assert (offer is None) == (not batteries)
    assert offer is None or offer.readable or offer.reason
