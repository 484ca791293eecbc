"""Firmware dates, placeholders, processors, addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.placeholders import meaningful, meaningful_uuid, why_missing
from roadworthy_agent.probe import Context, HardwareReading, Status
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.hardware.cpu import Topology, cpu_facts, parse_cpuinfo
from roadworthy_agent.probes.hardware.parse import parse_bios_date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("06/28/2018", "2018-06-28"),
        ("2/2/2022", "2022-02-02"),
        ("06/28/12", "2012-06-28"),
        ("12/25/98", "1998-12-25"),
        ("2011-05-31", "2011-05-31"),
        (" 04/01/2014 ", "2014-04-01"),
    ],
)
def test_firmware_dates_become_iso(text: str, expected: str) -> None:
    assert parse_bios_date(text) == (expected, None)


@pytest.mark.parametrize("text", ["13/45/2018", "02/30/2019", "28.06.2018", "June 2018", "01/01/1900"])
def test_a_wrong_date_is_an_error_with_its_text(text: str) -> None:
    date, missing = parse_bios_date(text)
    assert date is None
    assert missing is not None
    assert (missing.status, text in missing.reason) == (Status.ERROR, True)


@pytest.mark.parametrize("text", [None, "", "   ", "Default string", "00/00/0000"])
def test_no_date_is_missing_with_a_reason(text: str | None) -> None:
    date, missing = parse_bios_date(text)
    assert date is None
    assert missing is not None
    assert missing.reason


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_a_reason(text: str) -> None:
    date, missing = parse_bios_date(text)
    assert (date is None) != (missing is None)


@pytest.mark.parametrize(
    "text",
    [
        "To Be Filled By O.E.M.", "To be filled by O.E.M.", "TO BE FILLED BY OEM", "System Product Name",
        "System manufacturer", "Default string", "Not Specified", "None", "N/A", "INVALID", "", "   ", "\t",
        "00000000", "0000-0000-0000", "........", "xxxxxxxx", "FFFFFFFF", "0123456789", "123456789", "System Serial Number",
        "Chassis Serial Number", "Manufacturer0", "PartNum3", "Array1_PartNumber0", "All Series", "----",
        "Fill By OEM", "Serial Number", "Unknown",
    ],
)  # fmt: skip
def test_placeholders_mean_nothing(text: str) -> None:
    assert meaningful(text) is None
    assert why_missing(text)


@pytest.mark.parametrize(
    "text",
    [
        "OptiPlex 7010", "20MU000TUS", "Dell Inc.", "LENOVO", "5CG1234ABC", "PF0ABCDE", "770 Extreme3", "A29", "01",
        "1.35", "HMT351U6CFR8C-PB", "B450M PRO-VDH MAX (MS-7A38)", "H1X0T42", "PARTNER PC",
    ],
)  # fmt: skip
def test_real_texts_are_kept(text: str) -> None:
    assert meaningful(text) == text


def test_blanks_around_and_inside_are_evened_out() -> None:
    assert meaningful("  HMT351U6CFR8C-PB   ") == "HMT351U6CFR8C-PB"


@pytest.mark.parametrize(
    "text",
    ["", "not a uuid", "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
     "03000200-0400-0500-0006-000700080009"],
)  # fmt: skip
def test_a_uuid_many_boards_share_is_none(text: str) -> None:
    assert meaningful_uuid(text) is None


def test_an_own_uuid_is_kept_in_lower_case() -> None:
    assert meaningful_uuid("4C4C4544-0054-4510-8053-C4C04F4E3101") == "4c4c4544-0054-4510-8053-c4c04f4e3101"


X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R)  Core(TM) i5
physical id\t: 0
core id\t\t: 0

processor\t: 1
vendor_id\t: GenuineIntel
model name\t: Intel(R)  Core(TM) i5
physical id\t: 0
core id\t\t: 0
"""
BIG_LITTLE = "\n\n".join(
    f"processor\t: {number}\nCPU implementer\t: 0x41\nCPU part\t: {part}"
    for number, part in enumerate(["0xd03", "0xd03", "0xd08"])
)


def test_two_threads_of_one_core() -> None:
    info = parse_cpuinfo(X86)
    assert (info.vendor, info.model) == ("GenuineIntel", "Intel(R) Core(TM) i5")
    assert (info.threads, info.sockets, info.cores) == (2, 1, 1)


def test_arm_names_come_from_numbers_and_both_kinds_of_core_are_named() -> None:
    info = parse_cpuinfo(BIG_LITTLE)
    assert (info.vendor, info.model, info.threads, info.sockets) == (
        "ARM",
        "Cortex-A53 + Cortex-A72",
        3,
        None,
    )


def test_an_unknown_arm_part_keeps_its_number() -> None:
    info = parse_cpuinfo("processor\t: 0\nCPU implementer\t: 0x99\nCPU part\t: 0x123")
    assert (info.vendor, info.model) == ("implementer 0x99", "part 0x123")


def test_sysfs_counts_win_and_the_fastest_core_gives_the_speed() -> None:
    cpu = cpu_facts(
        parse_cpuinfo(BIG_LITTLE),
        [Topology(0, 0), Topology(0, 1), Topology(1, 0)],
        [1_400_000, 1_800_000],
        "s",
    )
    assert (cpu.sockets, cpu.cores, cpu.threads, cpu.max_mhz) == (2, 3, 3, 1800)


def test_no_processor_information_is_none_and_not_zero() -> None:
    cpu = cpu_facts(parse_cpuinfo(""), [], [], "s")
    assert (cpu.sockets, cpu.cores, cpu.threads, cpu.max_mhz, cpu.model) == (None,) * 5


@given(st.text(max_size=400))
def test_any_cpuinfo_is_survived(text: str) -> None:
    parse_cpuinfo(text)


@pytest.mark.parametrize(
    ("address", "assigned", "link", "expected"),
    [
        ("8c:16:45:00:00:01", "0", "../../devices/pci0000:00/0000:00:1f.6/net/eno1", "8c:16:45:00:00:01"),
        ("8c:16:45:00:00:01", "3", "../../devices/pci0000:00/0000:00:1f.6/net/eno1", None),
        ("02:fc:00:00:00:01", "0", "../../devices/pci0000:00/0000:00:1f.6/net/eno1", None),
        ("9c:eb:e8:00:00:02", "0", "../../devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/net/eno1", None),
        ("8c:16:45:00:00:01", "0", "../../devices/virtual/net/eno1", None),
    ],
)
def test_only_a_built_in_address_names_the_device(
    tmp_path: Path, address: str, assigned: str, link: str, expected: str | None
) -> None:
    card = tmp_path / "sys/class/net/eno1"
    (card / "device").mkdir(parents=True)
    (card / "address").write_text(address)
    (card / "addr_assign_type").write_text(assigned)
    (card / "type").write_text("1")
    (tmp_path / "roadworthy").mkdir()
    (tmp_path / "roadworthy/links").write_text(f"sys/class/net/eno1 {link}\n")
    reading = PROBES["hardware"].collect(Context.recorded(tmp_path)).value
    assert isinstance(reading, HardwareReading)
    assert reading.identifiers.get("mac") == expected


def test_a_broken_dmi_table_falls_back_to_sysfs_and_says_so(tmp_path: Path) -> None:
    tables = tmp_path / "sys/firmware/dmi/tables"
    tables.mkdir(parents=True)
    (tables / "DMI").write_bytes(b"\x01\x02\x00\x00")
    (tables / "smbios_entry_point").write_bytes(b"_SM_\0\x1f\x02\x07" + bytes(23))
    ids = tmp_path / "sys/class/dmi/id"
    ids.mkdir(parents=True)
    (ids / "sys_vendor").write_text("Dell Inc.\n")
    result = PROBES["hardware"].collect(Context.recorded(tmp_path))
    assert result.value.facts.vendor == "Dell Inc."
    assert (result.missing[-1].field, result.missing[-1].status) != ("", Status.OK)
    assert any(each.field == "hardware.smbios" and each.status is Status.ERROR for each in result.missing)
