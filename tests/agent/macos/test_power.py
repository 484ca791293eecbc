"""Power of real Macs, as published; and telemetry that lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agent.macos.macs import PUBLISHED, laptop, tree, unsigned
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probe import Context, PowerSampler, Status
from roadworthy_agent.probes import power
from roadworthy_agent.probes.power.macos import Sampler
from roadworthy_agent.probes.power.macos_parse import Telemetry, mean_milliwatts, parse_power, system_power
from roadworthy_agent.reading import PowerReading, Scope

# published file -> (machine watts, from, discharging, battery watts)
EXPECTED = {
    "MacBook_Air_M2_macOS_27_appleAdapter": (4.230, "SystemLoad", False, None),
    "MacBook_Pro_M1_Pro_macOS_15_appleAdapter": (17.942, "SystemPower", False, None),
    "MacBook_Pro_M2_Max_macOS_15_onBattery": (6.480, "SystemPower", True, 6.479),
    "MacBook_Pro_M2_Pro_macOS_26_appleAdapter": (13.908, "SystemPower", False, None),
    "MacBook_Pro_M4_Max_macOS_26_onBattery": (28.700, "SystemPower", True, 28.700),
    "MacBook_Pro_M4_Pro_macOS_15_onBattery": (3.415, "SystemPower", True, None),
}


def machine_watts(reading: PowerReading) -> float | None:
    """Return what the one meter says."""
    if not reading.meters:
        return None
    (meter,) = reading.meters
    assert meter.scope is Scope.MACHINE
    return meter.registers[0].watts


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_reading_gives_the_machines_own_draw(name: str) -> None:
    watts, source, discharging, battery_watts = EXPECTED[name]
    reading, _, missing = parse_power(PUBLISHED[name])
    assert machine_watts(reading) == pytest.approx(watts, abs=1e-9)
    assert reading.meters[0].source == f"ioreg:AppleSmartBattery:{source}"
    assert missing == ()
    assert reading.battery is not None
    assert (reading.battery.discharging, reading.battery.watts) == (discharging, battery_watts)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_readings_keep_to_the_identity_the_units_are_read_from(name: str) -> None:
    told = PUBLISHED[name]["PowerTelemetryData"]
    to_battery = told["BatteryPower"] - (1 << 64 if told["BatteryPower"] >= 1 << 63 else 0)
    assert told["SystemPowerIn"] == to_battery + told["SystemLoad"]


@pytest.mark.parametrize("name", [each for each in PUBLISHED if EXPECTED[each][2] and EXPECTED[each][3]])
def test_on_battery_the_batterys_flow_is_the_machine(name: str) -> None:
    reading, _, _ = parse_power(PUBLISHED[name])
    assert reading.battery is not None
    assert reading.battery.watts == pytest.approx(machine_watts(reading), rel=0.01)


def test_a_load_that_counts_the_charging_is_not_the_machines() -> None:
    """The M1 Pro's telemetry without the figure that tells the machine alone: 82 W, of which 64 W charge."""
    told = dict(PUBLISHED["MacBook_Pro_M1_Pro_macOS_15_appleAdapter"], BatteryData={})
    reading, _, (missing,) = parse_power(told)
    assert reading.meters == ()
    assert (missing.field, missing.status) == ("energy.machine", Status.NO_DATA_YET)
    assert "contradicts the battery's own current" in missing.reason


def test_what_is_refused_is_said() -> None:
    told = PUBLISHED["MacBook_Air_M2_macOS_27_appleAdapter"]
    told["PowerTelemetryData"]["WallEnergyEstimate"] = 8522
    reading, _, _ = parse_power(told)
    assert [(str(each.scope), each.source.rpartition(":")[2]) for each in reading.refused] == [
        ("machine", "SystemPowerIn"),
        ("wall", "WallEnergyEstimate"),
    ]
    assert all(each.reason for each in reading.refused)


def test_zero_is_no_draw_of_a_machine_that_runs() -> None:
    reading, _, (missing,) = parse_power(
        laptop(connected=True, milliamperes=0, millivolts=12000, telemetry=(0, 0, 0))
    )
    assert reading.meters == ()
    assert missing.status is Status.NO_DATA_YET


def test_an_intel_laptop_tells_only_its_battery() -> None:
    told = {
        "BatteryInstalled": True,
        "ExternalConnected": False,
        "Amperage": unsigned(-1037),
        "Voltage": 12916,
    }
    reading, _, (missing,) = parse_power(told)
    assert reading.meters == ()
    assert missing.status is Status.NOT_SUPPORTED
    assert reading.battery is not None
    assert reading.battery.watts == pytest.approx(13.394)
    assert reading.battery.source.endswith("Voltage*Amperage")


@pytest.mark.parametrize(
    ("value", "watts"),
    [
        (0x418F89F4, 17.942),  # bits of a float
        (17.94236, 17.942),  # the float itself
        (850930859, None),  # some 10^-8 W, as published of a laptop without an adapter: nothing
        (0, None),
        (0x7FC00000, None),  # no number
        (0x7F800000, None),  # infinite
        (0xC18F89F4, None),  # negative
        (1 << 40, None),
        (True, None),
        ("17", None),
        (None, None),
    ],
)
def test_the_bits_of_a_float(value: Any, watts: float | None) -> None:
    assert system_power(value) == watts


def test_the_mean_between_two_looks_is_what_the_sum_grew_by_over_its_count() -> None:
    assert mean_milliwatts(Telemetry(6_000_000, 600), Telemetry(6_300_000, 660)) == 5000.0
    assert mean_milliwatts(None, Telemetry(1, 1)) is None
    assert mean_milliwatts(Telemetry(5, 5), Telemetry(5, 5)) is None  # nothing was added
    assert mean_milliwatts(Telemetry(500, 5), Telemetry(400, 6)) is None  # it stepped back
    assert mean_milliwatts(Telemetry(500, 5), Telemetry(500 + (1 << 32), 6)) is None  # it jumped


def test_the_published_sum_of_a_mac_studio_is_one_reading_a_second() -> None:
    """MeasuredValues/AppleSmartBattery/Mac_Studio_M4_Max_macOS_26_noBattery.json: BootPathUpdated, UpdateTime, count."""
    assert pytest.approx(1073578, rel=1e-4) == 1785329192 - 1784255594
    assert mean_milliwatts(Telemetry(0, 0), Telemetry(8709210674, 1073578)) == pytest.approx(8112.3, abs=0.1)


def test_a_sampler_takes_the_mean_since_its_last_look(tmp_path: Path) -> None:
    told = PUBLISHED["MacBook_Air_M2_macOS_27_appleAdapter"]
    sums = {"AccumulatedSystemLoad": 6_023_301, "SystemLoadAccumulatorCount": 666}
    root = tree(
        tmp_path, {"AppleSmartBattery": told | {"PowerTelemetryData": told["PowerTelemetryData"] | sums}}
    )
    sampler = power.sampler(Context.recorded(root))
    assert sampler is not None
    first = sampler.read()
    later = {"AccumulatedSystemLoad": 6_023_301 + 60 * 9000, "SystemLoadAccumulatorCount": 726}
    tree(tmp_path, {"AppleSmartBattery": told | {"PowerTelemetryData": told["PowerTelemetryData"] | later}})
    second = sampler.read()
    assert first.value is not None
    assert second.value is not None
    assert (machine_watts(first.value), machine_watts(second.value)) == (4.23, 9.0)
    assert first.value.meters[0].source == second.value.meters[0].source


def test_a_desktop_without_the_entry_and_a_virtual_machine_say_so(tmp_path: Path) -> None:
    bare = Sampler(Context.recorded(tree(tmp_path / "intel"))).read()
    assert (bare.status, bare.value) == (Status.NOT_SUPPORTED, PowerReading())
    virtual = tree(tmp_path / "vm", sysctl__kern="", **{"sysctl__kern.hv_vmm_present": "1\n"})
    assert Sampler(Context.recorded(virtual)).read().status is Status.VIRTUAL_MACHINE


def test_garbage_is_an_error_and_no_zero(tmp_path: Path) -> None:
    sampler: PowerSampler = Sampler(Context.recorded(tree(tmp_path, {"AppleSmartBattery": b"\0\1garbage"})))
    result = sampler.read()
    assert (result.status, result.value) == (Status.ERROR, None)
    assert "no property list" in str(result.reason)


SCALARS = st.one_of(
    st.integers(-(1 << 65), 1 << 65), st.booleans(), st.text(max_size=4), st.floats(), st.none()
)
NAMES = ["Amperage", "Voltage", "BatteryInstalled", "ExternalConnected", "BatteryData", "PowerTelemetryData"]
INNER = [
    "SystemPower", "SystemLoad", "SystemPowerIn", "BatteryPower", "AccumulatedSystemLoad",
    "SystemLoadAccumulatorCount", "WallEnergyEstimate",
]  # fmt: skip
LYING = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(SCALARS, st.dictionaries(st.sampled_from(INNER), SCALARS))
)


@given(LYING, LYING)
def test_whatever_it_says_a_draw_is_above_zero_and_below_what_a_mac_can_draw(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    _, before, _ = parse_power(first)
    reading, _, missing = parse_power(second, before)
    watts = machine_watts(reading)
    assert watts is None or 0 < watts <= 600
    assert bool(missing) == (watts is None)
    if reading.battery is not None and reading.battery.watts is not None:
        assert reading.battery.discharging
        assert 0 < reading.battery.watts <= 600
