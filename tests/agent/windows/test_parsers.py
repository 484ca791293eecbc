"""Parsers of what drivers answer: right on the published examples, and unmoved by bytes that lie."""

from __future__ import annotations

import ctypes
import struct
from contextlib import suppress

import pytest
from devices.windows_builder import (
    battery_information,
    battery_status,
    descriptor,
    emi_measurement,
    emi_metadata_v1,
    emi_metadata_v2,
    extents,
    flag,
    nvme_health,
    processors,
)
from hypothesis import example, given
from hypothesis import strategies as st

from roadworthy_agent.probes.hardware import smbios
from roadworthy_agent.probes.hardware.windows import parse_raw_smbios
from roadworthy_agent.reading import Scope, Status
from roadworthy_agent.windows import descriptors, emi, sessions
from roadworthy_agent.windows.battery import parse_flow, parse_information
from roadworthy_agent.windows.processors import Counts, parse_identifier, parse_processors
from roadworthy_agent.windows.raw import Raw, to_json
from roadworthy_agent.windows.structs import SessionInfo, StorageDevice

# tests/test_windows_emi.py of https://github.com/mlco2/codecarbon (MIT)
CHANNELS = ["RAPL_Package0_PKG", "RAPL_Package0_DRAM", "RAPL_Package0_PP0", "RAPL_Package0_PP1"]
ANYTHING = st.binary(max_size=600)
LARGEST = (1 << 64) - 1


def test_channel_names_of_both_versions() -> None:
    assert emi.parse_names(2, emi_metadata_v2(CHANNELS)) == tuple(CHANNELS)
    assert emi.parse_names(1, emi_metadata_v1("CPU Meter")) == ("CPU Meter",)


def test_a_version_nobody_knows_is_refused() -> None:
    with pytest.raises(emi.EmiError, match="version 3"):
        emi.parse_names(3, b"")


def test_another_unit_than_picowatt_hours_is_refused() -> None:
    with pytest.raises(emi.EmiError, match="unit 1"):
        emi.parse_names(1, struct.pack("<i", 1) + emi_metadata_v1("x")[4:])


def test_measurements_are_counter_and_clock() -> None:
    assert emi.parse_figures(emi_measurement([[100, 200], [300, 400]])) == (
        emi.Figure(100, 200),
        emi.Figure(300, 400),
    )


def test_two_billion_picowatt_hours_in_two_seconds_are_three_point_six_watts() -> None:
    # codecarbon: +2e9 pWh on the PKG channel over 2 seconds
    first, now = {"a": emi.Figure(1_000, 0)}, {"a": emi.Figure(2_000_001_000, 20_000_000)}
    assert emi.watts(["a"], first, now, 0.5) == pytest.approx(3.6)
    assert emi.microjoules(2_000_001_000) - emi.microjoules(1_000) == 7_200_000


def test_a_clock_that_stood_still_or_a_counter_that_fell_gives_no_power() -> None:
    assert emi.watts(["a"], {"a": emi.Figure(0, 500)}, {"a": emi.Figure(10**9, 500)}, 0.5) is None
    assert emi.watts(["a"], {"a": emi.Figure(5_000, 0)}, {"a": emi.Figure(1_000, 10**7)}, 0.5) is None


@given(st.integers(0, LARGEST), st.integers(0, LARGEST))
def test_micro_joules_are_exact_to_the_last_counter(one: int, two: int) -> None:
    low, high = sorted((one, two))
    assert 0 <= emi.microjoules(low) <= emi.microjoules(high)
    assert 0 <= low * 9 - emi.microjoules(low) * 2500 < 2500  # never a whole micro-joule off, at 64 bits too


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("RAPL_Package0_PKG", Scope.CPU),
        ("RAPL_Package1_PKG", Scope.CPU),
        ("RAPL_Package0_DRAM", Scope.MEMORY),
        ("RAPL_Package0_PP0", None),
        ("RAPL_Package0_PP1", None),
        ("RAPL_Package0_Core3_CORE", None),
        ("PSYS", Scope.MACHINE),
        ("System", Scope.MACHINE),
        ("CPU Meter", None),
        ("", None),
    ],
)
def test_only_channels_somebody_described_are_read(name: str, scope: Scope | None) -> None:
    seen, reason = emi.scope_of(name)
    assert seen is scope
    assert (reason is None) == (scope is not None)


def packages(*energies: int) -> tuple[list[emi.Channel], dict[str, emi.Figure]]:
    names = [
        emi.Channel(f"dev{at}", f"dev{at}", 0, "RAPL_Package0_PKG", Scope.CPU) for at in range(len(energies))
    ]
    return names, {
        channel.key: emi.Figure(energy, 0) for channel, energy in zip(names, energies, strict=True)
    }


@pytest.mark.parametrize(
    ("first", "now", "mirrors"),
    [
        # the cases of codecarbon's TestFindMirroredChannels and TestMultiDieDeduplication
        ((5_000_000_000, 5_000_000_000), (6_000_000_000, 6_000_000_000), {"dev1": "dev0"}),
        ((10**12, 10**12 + 100_000), (10**12, 10**12 + 100_000), {"dev1": "dev0"}),
        ((5_000_000_000, 4_000_000_000), (6_000_000_000, 5_000_000_000), {}),
        ((7 * 10**9,) * 3, (8 * 10**9,) * 3, {"dev1": "dev0", "dev2": "dev0"}),
        ((0, 0), (0, 0), {}),
        ((5_000_000_000, 5_000_000_000), (6_000_000_000, 5_500_000_000), {}),
    ],
)
def test_mirrored_counters_are_told_from_equal_ones(
    first: tuple[int, ...], now: tuple[int, ...], mirrors: dict[str, str]
) -> None:
    channels, before = packages(*first)
    assert emi.mirrored(channels, before, packages(*now)[1]) == mirrors


@given(st.lists(st.text(max_size=40), max_size=8))
def test_metadata_come_back_as_they_went_in(names: list[str]) -> None:
    clean = [
        "".join(c for c in name if c.isprintable() and not 0xD800 <= ord(c) < 0xE000)[:64] for name in names
    ]
    assert emi.parse_names(2, emi_metadata_v2(clean)) == tuple(clean)


@given(st.integers(0, 4), ANYTHING)
@example(2, emi_metadata_v2(CHANNELS)[:-1])
@example(2, b"\0" * 66 + b"\xff\xff")
def test_metadata_that_lie_are_an_error_and_nothing_else(version: int, data: bytes) -> None:
    with suppress(emi.EmiError):
        assert all(name.isprintable() for name in emi.parse_names(version, data))


@given(ANYTHING)
def test_a_meter_of_anything_gives_channels_or_faults(data: bytes) -> None:
    meter = Raw({"path": "x", "version": 2, "metadata": data, "measurement": data})
    channels, faults = emi.channels([meter, meter, Raw({"metadata": 5}), Raw({"error": 5})])
    assert len({channel.key for channel in channels}) == len(channels)
    assert len(faults) >= 2
    assert set(emi.figures([meter], channels)) <= {channel.key for channel in channels}


def test_a_battery_in_milliwatt_hours() -> None:
    told = parse_information(
        battery_information({"chemistry": "LION", "design": 57020, "full": 50240, "cycles": 312})
    )
    assert told is not None
    assert (told.design_milliwatt_hours, told.full_milliwatt_hours, told.cycles) == (57020, 50240, 312)
    assert (told.system, told.short_term, told.relative, told.technology) == (True, False, False, "Li-ion")


def test_a_battery_that_tells_shares_tells_no_energy_and_no_power() -> None:
    information = {"chemistry": "LION", "design": 100, "full": 90, "cycles": 0, "capabilities": 0xC000_0000}
    told = parse_information(battery_information(information))
    assert told is not None
    assert told.relative
    assert told.design_milliwatt_hours is None
    flow = parse_flow(battery_status(2, -50), relative=True)
    assert flow is not None
    assert flow.watts is None


def test_unknown_is_not_a_number() -> None:
    told = parse_information(
        battery_information({"chemistry": "", "design": 2**32 - 1, "full": 2**32 - 1, "cycles": 0})
    )
    assert told is not None
    assert (told.design_milliwatt_hours, told.full_milliwatt_hours, told.technology) == (None, None, None)
    flow = parse_flow(battery_status(2, -(2**31)), relative=False)
    assert flow is not None
    assert (flow.discharging, flow.watts) == (True, None)


@given(ANYTHING)
def test_batteries_of_anything_are_read_or_not_there(data: bytes) -> None:
    told, flow = parse_information(data), parse_flow(data, relative=False)
    assert (told is None) == (len(data) < 36)
    assert (flow is None) == (len(data) < 16)
    assert flow is None or flow.watts is None or flow.watts >= 0


@given(ANYTHING)
def test_a_session_of_anything_is_numbers_or_a_value_error(data: bytes) -> None:
    try:
        told = sessions.parse_session(data)
    except ValueError:
        return
    assert set(told) == {"session", "state", "flags", "signed_in", "last_input", "now"}


@given(st.binary(min_size=144, max_size=144), st.integers(-(2**31), 2**31 - 1))
def test_names_in_a_session_change_nothing(names: bytes, flags: int) -> None:
    info = SessionInfo(
        level=1, session=3, state=0, flags=flags, logon_time=1, last_input_time=2, current_time=3
    )
    blank = sessions.numbers_of(info)
    ctypes.memmove(ctypes.addressof(info) + SessionInfo.unread.offset, names, len(names))
    assert sessions.numbers_of(info) == blank


def test_a_disk_descriptor_gives_its_texts() -> None:
    disk = {
        "bus": "sata",
        "vendor": "  ",
        "product": "Samsung SSD 850 PRO 256GB ",
        "revision": "EXM02B6Q",
        "serial": "S251",
    }
    told = descriptors.parse_descriptor(descriptor(disk))
    assert told == descriptors.Descriptor(11, False, None, "Samsung SSD 850 PRO 256GB", "EXM02B6Q", "S251")


@given(ANYTHING, st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=4))
def test_a_descriptor_with_lying_offsets_reads_nothing_outside(texts: bytes, offsets: list[int]) -> None:
    data = struct.pack("<IIBBBBIIIIII", 40, 40, 0, 0, 1, 0, *offsets, 17, 0) + texts
    told = descriptors.parse_descriptor(data)
    assert told is not None
    found = (told.vendor, told.product, told.revision, told.serial)
    for text, offset in zip(found, offsets, strict=True):
        assert text is None or (36 <= offset < len(data) and text.isprintable())


@given(ANYTHING)
def test_answers_of_anything_break_nothing(data: bytes) -> None:
    descriptors.parse_descriptor(data)
    descriptors.parse_number(data)
    descriptors.parse_size(data, data)
    descriptors.parse_flag(data)
    descriptors.parse_predict_failure(data)
    assert len(descriptors.parse_health_page(data)) <= len(data)
    assert len(descriptors.parse_extents(data)) <= len(data) // 24


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=20))
def test_a_recorded_descriptor_has_no_serial_number(serial: str) -> None:
    disk = {"bus": "nvme", "vendor": None, "product": "Disk", "revision": "1.0", "serial": serial}
    kept = descriptors.without_serial(descriptor(disk))
    assert serial.encode() not in kept
    told = descriptors.parse_descriptor(kept)
    assert told == descriptors.Descriptor(17, False, None, "Disk", "1.0", None)
    assert len(kept) >= StorageDevice.raw.offset


def test_a_health_page_whose_offset_leads_nowhere_is_none() -> None:
    page = bytes(range(256)) * 2
    assert descriptors.parse_health_page(nvme_health(page)) == page
    lying = bytearray(nvme_health(page))
    lying[24:28] = (1 << 30).to_bytes(4, "little")
    assert descriptors.parse_health_page(bytes(lying)) == b""


def test_a_volume_over_two_disks() -> None:
    assert descriptors.parse_extents(extents(0, 2)) == {0, 2}
    assert descriptors.parse_extents(struct.pack("<I4x", 1_000_000)) == frozenset()


def test_flags_and_sizes() -> None:
    assert descriptors.parse_flag(flag(True)) is True
    assert descriptors.parse_flag(flag(False)) is False
    assert descriptors.parse_flag(b"") is None
    assert descriptors.parse_size(None, None) is None
    assert descriptors.parse_size(bytes(8), None) is None


@given(st.lists(st.integers(1, 2), min_size=1, max_size=32), st.integers(1, 2))
def test_processors_are_counted(cores: list[int], sockets: int) -> None:
    assert parse_processors(processors(cores, sockets)) == Counts(sockets, len(cores), sum(cores))


@given(ANYTHING, st.integers(0, 16))
def test_processors_of_anything_end(data: bytes, width: int) -> None:
    parse_processors(data, width)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Intel64 Family 6 Model 158 Stepping 10", (6, 158, 10)),
        ("AMD64 Family 23 Model 1 Stepping 1", (23, 1, 1)),
        ("ARMv8 (64-bit) Family 8 Model 805 Revision 80C", (8, 805, None)),
        ("", (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_the_identifier_of_a_processor(text: str | None, numbers: tuple[int | None, ...]) -> None:
    assert parse_identifier(text) == numbers


@given(ANYTHING)
def test_raw_smbios_of_anything_is_tables_or_an_error(data: bytes) -> None:
    try:
        tables = parse_raw_smbios(data)
    except smbios.SmbiosError:
        return
    assert tables.structures is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "hex", "error"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "b"]), JSON))
def test_results_of_another_kind_are_results_that_are_not_there(values: dict[str, object]) -> None:
    raw = Raw(values)
    assert isinstance(raw.octets("a"), bytes | None)
    assert isinstance(raw.number("a"), int | None)
    assert isinstance(raw.decimal("a"), float | None)
    assert isinstance(raw.text("a"), str | None)
    assert isinstance(raw.flag("a"), bool | None)
    assert all(isinstance(each, Raw) for each in raw.each("a"))
    assert raw.missing("a", "field").status in Status


def test_a_refusal_is_told_in_words() -> None:
    raw = Raw(
        {"a": {"error": 5, "call": "CreateFile"}, "b": {"error": 0x80284001, "call": "Tbsi_GetDeviceInfo"}}
    )
    assert raw.missing("a", "f").reason == "CreateFile: this account may not ask (error 5)"
    assert raw.missing("b", "f").reason == "Tbsi_GetDeviceInfo: error 0x80284001"


def test_only_bytes_are_written_as_bytes() -> None:
    assert b"00ff" in to_json({"a": b"\x00\xff"})
    with pytest.raises(TypeError, match="set"):
        to_json({"a": {1}})
