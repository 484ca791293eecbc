"""hwmon: whole machines and whole cards are taken, components never."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent.probes.power_devices import MadeUp
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.probes.power import hwmon
from roadworthy_agent.probes.power.choose import Candidate
from roadworthy_agent.probes.power.files import Files
from roadworthy_agent.probes.power.hwmon import Chip, parse_accuracy
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.reading import Scope, Status


@pytest.fixture
def device(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path)


def offers(device: MadeUp) -> list[Candidate]:
    files = Files(Tree(device.root), live=True)
    channels, refused = hwmon.find(files)
    return [*hwmon.candidates(files, channels), *refused]


def only(device: MadeUp) -> Candidate:
    (one,) = offers(device)
    return one


def test_the_average_comes_before_the_momentary_figure(device: MadeUp) -> None:
    device.chip(0, "power_meter", power1_input=300_000_000, power1_average=262_000_000)
    assert only(device).registers[0].watts == 262.0


def test_a_counter_comes_before_a_figure_of_power(device: MadeUp) -> None:
    device.chip(0, "i915", power1_input=12_000_000, energy1_input=987_654_321)
    counter, beside = offers(device)
    (register,) = counter.registers
    assert (register.microjoules, register.watts) == (987_654_321, None)
    assert (beside.source, beside.scope, beside.registers, beside.reason) == (
        "hwmon:i915:power1",
        Scope.GPU,
        (),
        hwmon.COUNTED,
    )


def test_a_figure_is_read_where_its_counter_is_switched_off(device: MadeUp) -> None:
    device.chip(0, "i915", power1_input=12_000_000, energy1_input=5, energy1_enable=0)
    figure, counter = offers(device)
    assert (figure.registers[0].watts, counter.source, counter.reason) == (
        12.0,
        "hwmon:i915:energy1",
        hwmon.OFF,
    )


def test_older_drivers_keep_everything_in_the_device_folder(device: MadeUp) -> None:
    device.put("sys/class/hwmon/hwmon0/device/name", "power_meter")
    device.put("sys/class/hwmon/hwmon0/device/power1_average", 262_000_000)
    assert only(device).registers[0].watts == 262.0


@pytest.mark.parametrize("microwatts", [4_294_967_295_000, 0, -1])
def test_a_firmware_without_a_reading_is_no_megawatt_and_no_zero(device: MadeUp, microwatts: int) -> None:
    device.chip(0, "power_meter", power1_average=microwatts)
    offer = only(device)
    assert not offer.readable
    assert (offer.status, hwmon.NO_READING in (offer.reason or "")) == (Status.ERROR, True)


def test_a_meter_of_a_battery_is_no_meter_of_the_machine(device: MadeUp) -> None:
    device.chip(0, "power_meter", power1_average=9_000_000, power1_is_battery=1)
    assert only(device).reason == hwmon.BATTERY_METER


def test_several_meters_of_the_machine_are_ambiguous(device: MadeUp) -> None:
    device.chip(0, "power_meter", power1_average=200_000_000)
    device.chip(1, "power_meter", power1_average=210_000_000)
    assert {each.reason for each in offers(device)} == {hwmon.SEVERAL}


def test_a_channel_that_is_switched_off_is_refused(device: MadeUp) -> None:
    device.chip(0, "power_meter", power1_average=200_000_000, power1_enable=0)
    assert only(device).reason == hwmon.OFF


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("zenpower", {"power1_input": 31_000_000, "power2_input": 14_000_000}),
        ("fam15h_power", {"power1_input": 31_000_000}),
        ("nvme", {"power1_input": 3_000_000}),
        ("ina226", {"power1_input": 3_000_000, "curr1_input": 100, "in1_input": 12000}),
        ("ina3221", {"curr1_input": 100, "in1_input": 12000}),
        ("ltc2945", {"curr1_input": 100, "in1_input": 12000}),
        ("amd_energy", {"energy1_input": 5, "energy17_input": 5}),
        ("BAT0", {"power1_input": 7_000_000}),
        ("occ", {"power1_input": 90_000_000}),
    ],
)
def test_a_component_is_refused_and_never_added_up(device: MadeUp, name: str, files: dict[str, int]) -> None:
    device.chip(0, name, **files)
    offer = only(device)
    assert (offer.registers, offer.reason) == ((), hwmon.COMPONENT)


def test_a_chip_without_any_power_is_not_even_mentioned(device: MadeUp) -> None:
    device.chip(0, "coretemp", temp1_input=46_000)
    assert offers(device) == []


@pytest.mark.parametrize("name", ["thinkpad", "nct6775", "ucd9000"])
def test_a_chip_of_currents_is_refused_with_its_reason(device: MadeUp, name: str) -> None:
    device.chip(0, name, curr1_input=100, in1_input=12_000)
    offer = only(device)
    assert (offer.source, offer.registers, offer.reason) == (f"hwmon:{name}", (), hwmon.CURRENTS)


@pytest.mark.parametrize(
    ("name", "files", "scope", "beside"),
    [
        ("corsairpsu", {"power1_input": 180_000_000, "power2_input": 150_000_000}, Scope.MACHINE, ["power2"]),
        ("occ", {"power2_input": 900_000_000, "power2_label": "0_system"}, Scope.MACHINE, []),
        (
            "occ",
            {"power1_input": 90, "power2_input": 900_000_000, "power2_label": "0_system", "power3_input": 60},
            Scope.MACHINE,
            ["power1", "power3"],
        ),
        ("amdgpu", {"power1_average": 30_000_000, "power1_label": "PPT"}, Scope.GPU, []),
        ("xe", {"energy1_input": 5_000, "energy2_input": 4_000}, Scope.GPU, ["energy2"]),
    ],
)
def test_what_the_kernel_documents_as_a_whole_is_taken_and_its_parts_are_refused(
    device: MadeUp, name: str, files: dict[str, str | int], scope: Scope, beside: list[str]
) -> None:
    device.chip(0, name, **files)
    offer, *parts = offers(device)
    assert (offer.scope, offer.readable, len(offer.registers)) == (scope, True, 1)
    assert [(each.source, each.scope, each.registers, each.reason) for each in parts] == [
        (f"hwmon:{name}:{key}", scope, (), hwmon.COMPONENT) for key in beside
    ]


def test_integrated_graphics_are_the_processors_socket(device: MadeUp) -> None:
    device.chip(0, "amdgpu", power1_average=12_000_000, in1_input=900, in1_label="vddnb")
    assert only(device).reason == hwmon.INTEGRATED


def test_a_sleeping_card_is_not_woken(device: MadeUp) -> None:
    device.chip(0, "amdgpu", power1_average=12_000_000)
    device.put("sys/class/hwmon/hwmon0/device/power/runtime_status", "suspended")
    figure = device.root / "sys/class/hwmon/hwmon0/power1_average"
    figure.unlink()
    figure.mkdir()  # reading it would say so
    offer = only(device)
    assert (offer.readable, offer.status, offer.reason) == (False, Status.NO_DATA_YET, hwmon.ASLEEP)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("90.0%", 0.1),
        ("98.50%", 0.0195),  # the kernel does not pad: 98.050 %
        ("98.500%", 0.015),
        ("100.0%", None),
        ("0.0%", None),
        ("rubbish", None),
        ("", None),
        (None, None),
    ],
)
def test_the_accuracy_the_firmware_states_is_an_error(text: str | None, error: float | None) -> None:
    assert parse_accuracy(text) == error


CHANNELS = st.dictionaries(
    st.from_regex(r"(power|energy)[1-9]_(input|average)", fullmatch=True), st.integers(1, 10**8), max_size=6
)


@given(
    name=st.sampled_from(["amdgpu", "i915", "xe", "occ", "corsairpsu", "power_meter", "ina226", "nct6775"]),
    files=CHANNELS,
    rails=st.booleans(),
)
def test_every_channel_is_taken_or_refused_with_a_reason(
    *, name: str, files: dict[str, int], rails: bool
) -> None:
    values = hwmon.best_values(dict.fromkeys(files, "base"))
    if not values and not rails:
        return
    taken, refused = hwmon.sort_out(Chip("hwmon0", name, values, {}, frozenset(), rails=not values))
    told = {each.key.partition("@")[0] for each in taken} | {each.source for each in refused}
    assert all(each.reason for each in refused)
    assert told == {f"hwmon:{name}:{key}" for key in values} or told == {f"hwmon:{name}"}
