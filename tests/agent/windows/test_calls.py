"""The system calls, made for real with ctypes, against a Windows of callbacks."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import pytest
from agent.windows.fake_api import Devices, FakeLibrary, FakeWindows
from devices.windows_builder import (
    battery_information,
    battery_status,
    descriptor,
    emi_measurement,
    emi_metadata_v2,
    extents,
    flag,
    nvme_health,
)

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.windows import api, batteries, disks, firmware, meters, sessions, versions
from roadworthy_agent.windows.api import GENERIC_READ, WindowsError
from roadworthy_agent.windows.live import CALLS, LiveWindows
from roadworthy_agent.windows.registry import below, plain, read_keys, read_value
from roadworthy_agent.windows.structs import MemoryStatus, SessionInfo, SystemInfo

DISK, METER, BATTERY = r"\\?\disk", r"\\?\meter", r"\\?\battery"
PERSON = "jsmith"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> FakeWindows:
    return FakeWindows(monkeypatch)


@pytest.fixture
def devices(windows: FakeWindows) -> Devices:
    return Devices(windows)


def test_elsewhere_than_on_windows_a_library_is_a_typed_error() -> None:
    with pytest.raises(ProbeError, match="only on Windows"):
        api.library("kernel32")
    assert read_value("HKLM\\SOFTWARE", "x") is None
    assert read_keys("HKLM\\SOFTWARE") == ()


def test_interfaces_are_listed(devices: Devices) -> None:
    devices.paths[meters.METERS] = [METER + "0", METER + "é"]
    assert api.interfaces(meters.METERS) == (METER + "0", METER + "é")
    assert api.interfaces(disks.DISKS) == ()


def test_a_device_is_closed_also_when_it_refuses(devices: Devices) -> None:
    with (
        pytest.raises(WindowsError, match="DeviceIoControl 0x294040") as refused,
        api.device(BATTERY) as opened,
    ):
        opened.control(0x294040, bytes(4), 4)
    assert refused.value.code == 1
    assert devices.open == {}


def test_a_device_that_does_not_open_is_a_typed_error(devices: Devices) -> None:
    devices.closed_doors[BATTERY, GENERIC_READ] = 5
    with pytest.raises(WindowsError) as refused, api.device(BATTERY, GENERIC_READ):
        pass
    assert refused.value.code == 5


def test_meters_are_described_once_and_then_only_measured(devices: Devices) -> None:
    devices.paths[meters.METERS] = [METER]
    devices.answers |= {
        (METER, meters.GET_VERSION): struct.pack("<H", 2),
        (METER, meters.GET_METADATA_SIZE): struct.pack("<I", len(emi_metadata_v2(["RAPL_Package0_PKG"]))),
        (METER, meters.GET_METADATA): emi_metadata_v2(["RAPL_Package0_PKG"]),
        (METER, meters.GET_MEASUREMENT): emi_measurement([[1, 2]]),
    }
    (meter,) = meters.look().each("meters")
    assert meter.number("version") == 2
    assert meter.octets("metadata") == emi_metadata_v2(["RAPL_Package0_PKG"])
    devices.asked.clear()
    (again,) = meters.again([METER], []).each("meters")
    assert again.octets("measurement") == emi_measurement([[1, 2]])
    assert [code for _, code, _ in devices.asked] == [meters.GET_MEASUREMENT]
    assert devices.open == {}


def test_a_meter_that_refuses_does_not_hide_the_next(devices: Devices) -> None:
    devices.paths[meters.METERS] = [METER + "0", METER]
    devices.closed_doors[METER + "0", GENERIC_READ] = 5
    first, second = meters.look().each("meters")
    assert first.number("error") == 5
    assert second.text("path") == METER


def test_a_battery_is_asked_by_its_tag_and_never_for_its_serial_number(devices: Devices) -> None:
    devices.paths[batteries.BATTERIES] = [BATTERY]
    told = battery_information({"chemistry": "LiP", "design": 67990, "full": 51200, "cycles": 3})
    devices.answers |= {
        (BATTERY, batteries.QUERY_TAG): struct.pack("<I", 7),
        (BATTERY, batteries.QUERY_INFORMATION): told,
        (BATTERY, batteries.QUERY_STATUS): battery_status(2, -11240),
    }
    (battery,) = batteries.look().each("batteries")
    assert battery.octets("information") == told
    levels = {
        struct.unpack("<IIi", given)[1]
        for _, code, given in devices.asked
        if code == batteries.QUERY_INFORMATION
    }
    assert levels == {0, 4, 6}  # neither 7 (unique id) nor 8 (serial number)
    tags = {
        struct.unpack("<I", given[:4])[0] for _, code, given in devices.asked if code != batteries.QUERY_TAG
    }
    assert tags == {7}
    (flow,) = meters.look().each("batteries")
    assert flow.octets("status") == battery_status(2, -11240)
    devices.asked.clear()
    assert meters.again([], [BATTERY]).each("batteries")[0].octets("status") == battery_status(2, -11240)
    assert [code for _, code, _ in devices.asked] == [batteries.QUERY_TAG, batteries.QUERY_STATUS]


def disk_answers(devices: Devices) -> None:
    devices.paths[disks.DISKS] = [DISK]
    devices.answers |= {
        (DISK, disks.GET_DEVICE_NUMBER): struct.pack("<III", 7, 3, 0),
        (DISK, disks.QUERY_PROPERTY): descriptor({"bus": "nvme", "product": "X"}),
        (DISK, disks.GET_DRIVE_GEOMETRY_EX): bytes(24) + struct.pack("<q", 5000) + bytes(8),
        (r"\\.\C:", disks.VOLUME_GET_VOLUME_DISK_EXTENTS): extents(3),
    }


def test_disks_are_asked_without_ever_a_right_to_write(devices: Devices) -> None:
    disk_answers(devices)
    looked = disks.look()
    (disk,) = looked.each("disks")
    assert disk.octets("device") == descriptor({"bus": "nvme", "product": "X"})
    assert looked.octets("system_extents") == extents(3)
    assert all(access in {0, GENERIC_READ} for _, access in devices.accesses)
    assert devices.open == {}


def test_an_account_without_rights_still_learns_what_a_disk_is(devices: Devices) -> None:
    disk_answers(devices)
    devices.closed_doors[DISK, GENERIC_READ] = 5
    (disk,) = disks.look().each("disks")
    assert disk.octets("number") == struct.pack("<III", 7, 3, 0)
    assert disk.inner("length").number("error") == 1


def test_the_health_log_is_asked_of_the_adapter_then_of_the_device(devices: Devices) -> None:
    disk_answers(devices)
    devices.answers[DISK, disks.QUERY_PROPERTY] = 1
    disks.look()
    queries = [given for _, code, given in devices.asked if code == disks.QUERY_PROPERTY]
    assert [struct.unpack_from("<I", given)[0] for given in queries] == [0, 7, 8, 49, 50]
    assert struct.unpack_from("<12I", queries[3]) == (49, 0, 3, 2, 2, 0, 40, 512, 0, 0, 0, 0)
    assert len(queries[3]) == 8 + 40 + 512


def test_without_devices_there_is_an_empty_list(devices: Devices) -> None:
    assert disks.look().each("disks") == ()
    assert batteries.look().values == {"batteries": []}


def table(given: bytes) -> Callable[..., int]:
    """Return GetSystemFirmwareTable."""

    def get(provider: int, table_id: int, buffer: int, size: int) -> int:
        assert (provider, table_id) == (int.from_bytes(b"RSMB", "big"), 0)
        if buffer:
            ctypes.memmove(buffer, given, min(size, len(given)))
        return len(given)

    return get


def test_firmware_processors_memory_and_tpm_are_read(windows: FakeWindows) -> None:
    def processors(relation: int, buffer: int, size: Any) -> int:
        assert relation == 0xFFFF
        if size[0] < 5:
            size[0] = 5
            return windows.fail(122)
        ctypes.memmove(buffer, b"RECRD", 5)
        return 1

    def memory(status: Any) -> int:
        assert status[0].length == 64
        status[0].total = 17_042_161_664
        return 1

    def kind(answer: Any) -> int:
        answer[0] = 2
        return 1

    def tpm(size: int, answer: int) -> int:
        ctypes.memmove(answer, struct.pack("<4I", 1, 2, 3, 0), size)
        return 0

    u32, pointer = ctypes.c_uint32, ctypes.c_void_p
    windows.libraries["kernel32"] = FakeLibrary(
        {
            "GetSystemFirmwareTable": (table(b"\0\x03\x01\0TABLE"), u32, (u32, u32, pointer, u32)),
            "GetLogicalProcessorInformationEx": (
                processors, ctypes.c_int32, (ctypes.c_int32, pointer, ctypes.POINTER(u32)),
            ),
            "GlobalMemoryStatusEx": (memory, ctypes.c_int32, (ctypes.POINTER(MemoryStatus),)),
            "GetFirmwareType": (kind, ctypes.c_int32, (ctypes.POINTER(u32),)),
        }
    )  # fmt: skip
    windows.libraries["tbs"] = FakeLibrary({"Tbsi_GetDeviceInfo": (tpm, u32, (u32, pointer))})
    windows.libraries["cfgmgr32"] = FakeLibrary({})
    looked = firmware.look()
    assert looked.octets("smbios") == b"\0\x03\x01\0TABLE"
    assert looked.octets("processors") == b"RECRD"
    assert looked.inner("memory").number("total") == 17_042_161_664
    assert looked.inner("tpm").number("version") == 2
    assert looked.number("firmware_type") == 2
    assert looked.inner("monitors").number("error") == api.ERROR_PROC_NOT_FOUND


def test_an_old_windows_without_the_calls_says_so(windows: FakeWindows) -> None:
    for name in ("kernel32", "tbs", "cfgmgr32"):
        windows.libraries[name] = FakeLibrary({})
    looked = firmware.look()
    assert {looked.inner(name).number("error") for name in ("smbios", "tpm", "firmware_type")} == {127}
    assert versions.look().inner("native_machine").number("error") == 127


def test_the_native_machine_is_asked(windows: FakeWindows) -> None:
    def machine(process: int, _emulated: Any, native: Any) -> int:
        assert process == 0xFFFF_FFFF_FFFF_FFFF  # the pseudo handle of this process, whole
        native[0] = 0xAA64
        return 1

    def system(answer: Any) -> None:
        answer[0].architecture = 12

    u16 = ctypes.POINTER(ctypes.c_uint16)
    windows.libraries["kernel32"] = FakeLibrary(
        {
            "GetCurrentProcess": (lambda: 0xFFFF_FFFF_FFFF_FFFF, ctypes.c_void_p, ()),
            "IsWow64Process2": (machine, ctypes.c_int32, (ctypes.c_void_p, u16, u16)),
            "GetNativeSystemInfo": (system, None, (ctypes.POINTER(SystemInfo),)),
        }
    )
    assert versions.look().values == {"native_machine": 0xAA64, "architecture": 12}


def session_bytes(*, flags: int = 1, level: int = 1) -> bytes:
    """Return a WTSINFOEXW of somebody, packed after wtsapi32.h."""
    names = b"".join(
        text.encode("utf-16-le").ljust(2 * length, b"\0")
        for text, length in (("Console", 33), (PERSON, 21), ("POLICE", 18))
    )
    times = struct.pack("<5q", 500, 400, 0, 900, 1000)
    return struct.pack("<I4xIii", level, 1, 0, flags) + names + bytes(4) + times + bytes(24)


def test_sessions_are_read_without_names_and_all_memory_is_given_back(windows: FakeWindows) -> None:
    entries = (sessions.Entry * 2)((0, None, 4), (1, None, 0))
    told = ctypes.create_string_buffer(session_bytes(), 232)
    lent: set[int] = set()

    def enumerate_all(_server: int, reserved: int, version: int, answer: Any, count: Any) -> int:
        assert (reserved, version) == (0, 1)
        ctypes.cast(answer, ctypes.POINTER(ctypes.c_void_p))[0] = ctypes.addressof(entries)
        lent.add(ctypes.addressof(entries))
        count[0] = 2
        return 1

    def query(_server: int, session: int, what: int, buffer: Any, size: Any) -> int:
        assert what == 25
        if session == 0:
            return windows.fail(5)
        buffer[0], size[0] = ctypes.addressof(told), 232
        lent.add(ctypes.addressof(told))
        return 1

    u32, pointer = ctypes.c_uint32, ctypes.c_void_p
    windows.libraries["wtsapi32"] = FakeLibrary(
        {
            "WTSEnumerateSessionsW": (
                enumerate_all, ctypes.c_int32, (pointer, u32, u32, pointer, ctypes.POINTER(u32)),
            ),
            "WTSQuerySessionInformationW": (
                query, ctypes.c_int32, (pointer, u32, ctypes.c_int32, ctypes.POINTER(pointer), ctypes.POINTER(u32)),
            ),
            "WTSFreeMemory": (lent.remove, None, (pointer,)),
        }
    )  # fmt: skip
    windows.libraries["kernel32"] = FakeLibrary({"WTSGetActiveConsoleSessionId": (lambda: 1, u32, ())})
    looked = sessions.look()
    assert lent == set()
    assert looked.number("console") == 1
    refused, seen = looked.each("sessions")
    assert refused.number("error") == 5
    assert seen.values == {
        "session": 1, "state": 0, "flags": 1, "signed_in": True, "last_input": 900, "now": 1000,
    }  # fmt: skip
    assert PERSON not in repr(looked)


def test_a_session_of_another_level_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="level 2"):
        sessions.parse_session(session_bytes(level=2))


def test_the_session_structure_holds_what_was_packed() -> None:
    assert ctypes.sizeof(SessionInfo) == len(session_bytes())
    assert sessions.parse_session(session_bytes(flags=0))["flags"] == 0


def test_every_probe_with_calls_has_a_module_for_them() -> None:
    assert set(CALLS) == {"hardware", "storage", "battery", "power", "os", "state", "utilisation"}
    assert LiveWindows().calls("utilisation").inner("memory").number("total")


def test_only_one_hive_of_the_registry_is_read() -> None:
    assert below("HKLM\\SOFTWARE\\x") == "SOFTWARE\\x"
    with pytest.raises(ValueError, match="HKLM"):
        below("HKCU\\Software")


def test_registry_values_keep_their_kind() -> None:
    assert plain(["a", "b"]) == ("a", "b")
    assert plain(7) == 7
    assert plain(b"\1") == b"\1"
    assert plain(None) is None
    assert plain(flag(True)) == flag(True)
    assert nvme_health(b"x")[-1:] == b"x"
