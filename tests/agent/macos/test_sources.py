"""The port's own parts: property lists, sysctl, system_profiler, programs."""

from __future__ import annotations

import json
import plistlib
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.macos import iokit, live, profiler, programs, registry, sysctl
from roadworthy_agent.macos.programs import PROGRAMS, Program, run
from roadworthy_agent.probe import Missing, Status


def test_only_named_properties_pass() -> None:
    data = plistlib.dumps(
        {
            "Amperage": 5,
            "Serial": "F5D12345",
            "AdapterDetails": {"SerialString": "C4H"},
            "BatteryData": {"Serial": "X"},
        }
    )
    assert registry.parse(data, "AppleSmartBattery") == {"Amperage": 5, "BatteryData": {}}


def test_a_list_of_ioreg_stands_for_its_first_entry_in_either_format() -> None:
    for shape in (plistlib.FMT_XML, plistlib.FMT_BINARY):
        data = plistlib.dumps([{"HIDIdleTime": 7}, {"HIDIdleTime": 8}], fmt=shape)
        assert registry.parse(data, "IOHIDSystem") == {"HIDIdleTime": 7}


def test_texts_of_the_device_tree_end_at_their_nul() -> None:
    data = plistlib.dumps({"model": b"Mac14,2\0\0\0"})
    assert registry.parse(data, "IOPlatformExpertDevice") == {"model": "Mac14,2"}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (18446744073709551543, -73),  # https://github.com/darrylmorley/whatcable/issues/95 shows such numbers
        (-73, -73),
        (5, 5),
        (1 << 64, None),
        (True, None),
        ("5", None),
        (5.0, None),
        (None, None),
    ],
)
def test_the_kernels_numbers_get_their_sign_back(value: Any, number: int | None) -> None:
    assert registry.number({"n": value}, "n") == number


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        b"<plist>" + b"<array>" * 3000,
        b'<!DOCTYPE plist [<!ENTITY a "b">]><plist><string>&a;</string></plist>',
        b'<!DOCTYPE plist [<!ENTITY x SYSTEM "file:///etc/passwd">]><plist><string>&x;</string></plist>',
        b"bplist00" + b"\xff" * 64,
        plistlib.dumps([]),
        plistlib.dumps("text"),
        b"x" * (registry.LIMIT_BYTES + 1),
    ],
)
def test_what_is_no_property_list_is_said(data: bytes) -> None:
    with pytest.raises(ProbeError):
        registry.parse(data, "Root")


GOOD = plistlib.dumps(
    {"IOConsoleLocked": True, "IOConsoleUsers": [{"kCGSSessionOnConsoleKey": True}]}, fmt=plistlib.FMT_BINARY
)


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6))
def test_a_damaged_property_list_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    try:
        assert registry.parse(bytes(data), "Root").keys() <= {"IOConsoleLocked", "IOConsoleUsers"}
    except ProbeError as error:
        assert "Root" in str(error)  # noqa: PT017 - either outcome is right


@given(st.binary(max_size=300))
def test_any_bytes_are_a_property_list_or_an_error_that_says_so(data: bytes) -> None:
    with pytest.raises(ProbeError):
        registry.parse(data, "IOHIDSystem")


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("hw.model", b"Mac14,2\0", "Mac14,2"),
        ("hw.model", b"\0", None),
        ("hw.memsize", (8 << 30).to_bytes(8, "little"), "8589934592"),
        ("kern.hv_vmm_present", b"\1\0\0\0", "1"),
        ("hw.memsize", b"\1\0", None),
        ("kern.bootargs", b"-v\0", None),  # nobody asks for it
    ],
)
def test_bytes_of_sysctl(name: str, data: bytes, text: str | None) -> None:
    assert sysctl.decode(name, data) == text


@pytest.mark.skipif(sys.platform == "darwin", reason="asks what is not there on other systems")
def test_elsewhere_nothing_is_there_and_nothing_breaks() -> None:
    machine = live.LiveMac()
    assert machine.sysctl("hw.model") is None
    answer = machine.registry("AppleSmartBattery")
    assert isinstance(answer, Missing)
    assert answer.status is Status.ERROR
    assert isinstance(machine.program("storage"), Missing)
    with pytest.raises(OSError, match="IOKit"):
        iokit.properties("Root")


def test_the_profilers_values_count_in_english_only() -> None:
    assert profiler.yes({"a": "Yes"}, "a") is True
    assert profiler.yes({"a": "Ja"}, "a") is None
    assert profiler.memory_bytes("8 GB") == 8 << 30
    assert profiler.memory_bytes("8 Go") is None
    assert profiler.text({"a": " Unknown "}, "a") is None


def test_names_of_volumes_and_serial_numbers_are_not_recorded() -> None:
    told = {
        "SPStorageDataType": [
            {"_name": "Jane's Disk", "mount_point": "/Volumes/Jane's Disk", "volume_uuid": "6B66F471", "physical_drive": {"device_name": "X"}}
        ],
        "SPNVMeDataType": [
            {"_items": [{"bsd_name": "disk0", "device_serial": "0ba018e4", "device_model": "X", "volumes": [{"_name": "Jane"}]}]}
        ],
        "SPHardwareDataType": [{"serial_number": "C02QM3", "platform_UUID": "CE3A", "machine_name": "iMac"}],
        "SPNetworkDataType": [{"_name": "Jane's phone"}],
    }  # fmt: skip
    kept = profiler.keep(json.dumps(told).encode())
    assert all(word not in kept for word in (b"Jane", b"0ba018e4", b"C02QM3", b"CE3A", b"6B66F471"))
    assert profiler.parse(kept)["SPNVMeDataType"][0]["_items"][0] == {
        "bsd_name": "disk0",
        "device_model": "X",
    }


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'"x"', b"[" * 100_000])
def test_what_is_no_report_is_said(data: bytes) -> None:
    with pytest.raises(ProbeError):
        profiler.parse(data)


def test_every_program_is_apples_by_absolute_path_and_bounded() -> None:
    for program in PROGRAMS.values():
        assert program.argv[0].startswith(("/usr/sbin/", "/usr/bin/"))
        assert program.timeout_seconds <= 60
        assert 0 < program.limit_bytes <= 4 << 20
        assert program.why
    assert programs.ENVIRONMENT["LC_ALL"] == "C"


def program(*argv: str, timeout_seconds: float = 30.0, limit_bytes: int = 1000) -> Program:
    return Program(argv, timeout_seconds, limit_bytes, "a test")


@pytest.mark.skipif(sys.platform == "win32", reason="runs programs of Unix")
def test_a_program_is_bounded_in_time_and_output() -> None:
    assert run(program("/bin/echo", "$HOME;ls")) == b"$HOME;ls\n"
    reasons = {
        "took longer": program("/bin/sleep", "30", timeout_seconds=0.05),
        "printed more than 1000 bytes": program("/usr/bin/yes"),
        "ended with code": program("/bin/ls", "/no such folder"),
        "is not there": program("/no/such/program"),
        "may not be run": program("/etc"),
    }
    for words, one in reasons.items():
        answer = run(one)
        assert isinstance(answer, Missing)
        assert words in answer.reason
