"""The sizes and offsets that Microsoft's headers give on 64 bits, wherever Python runs.

Each is the sum of the documented members with their alignment: https://learn.microsoft.com/windows/win32/api
(sysinfoapi.h, tbs.h, winioctl.h, wtsapi32.h) and /windows-hardware/drivers/ddi (ntddstor.h, batclass.h, emi.h).
"""

from __future__ import annotations

import ctypes

import pytest

from roadworthy_agent.windows import structs
from roadworthy_agent.windows.api import Guid
from roadworthy_agent.windows.sessions import Entry
from roadworthy_agent.windows.times import TimeOfDay


@pytest.mark.parametrize(
    ("struct", "size"),
    [
        (Guid, 16),
        (structs.MemoryStatus, 64),
        (structs.TpmDevice, 16),
        (structs.StoragePropertyQuery, 12),
        (structs.ProtocolSpecificData, 40),
        (structs.ProtocolDataDescriptor, 48),
        (structs.StorageDevice, 40),
        (structs.StorageFlag, 12),
        (structs.StorageNumber, 12),
        (structs.DiskGeometry, 40),
        (structs.PredictFailure, 516),
        (structs.DiskExtent, 24),
        (structs.BatteryQuery, 12),
        (structs.BatteryInformation, 36),
        (structs.BatteryWait, 20),
        (structs.BatteryStatus, 16),
        (structs.EnergyMeasurement, 16),
        (structs.SessionInfo, 232),
        (structs.SystemInfo, 48),
        (Entry, 24),
        (TimeOfDay, 48),
    ],
)
def test_a_structure_has_its_documented_size(struct: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(struct) == size


@pytest.mark.parametrize(
    ("struct", "field", "offset"),
    [
        (structs.MemoryStatus, "total", 8),
        (structs.StorageDevice, "removable", 10),
        (structs.StorageDevice, "vendor_offset", 12),
        (structs.StorageDevice, "bus", 28),
        (structs.StorageDevice, "raw", 36),
        (structs.StorageFlag, "value", 8),
        (structs.ProtocolDataDescriptor, "data", 8),
        (structs.ProtocolSpecificData, "data_offset", 16),
        (structs.DiskGeometry, "bytes", 24),
        (structs.PredictFailure, "vendor_specific", 4),
        (structs.DiskExtent, "start", 8),
        (structs.BatteryInformation, "chemistry", 8),
        (structs.BatteryInformation, "designed_capacity", 12),
        (structs.BatteryInformation, "cycle_count", 32),
        (structs.BatteryStatus, "rate", 12),
        # WTSINFOEXW: the union is aligned to 8; 33, 21 and 18 wide characters of names, then times from 168
        (structs.SessionInfo, "session", 8),
        (structs.SessionInfo, "flags", 16),
        (structs.SessionInfo, "unread", 20),
        (structs.SessionInfo, "logon_time", 168),
        (structs.SessionInfo, "last_input_time", 192),
        (structs.SessionInfo, "current_time", 200),
        (structs.SystemInfo, "processors", 32),
        (Entry, "state", 16),
        (TimeOfDay, "boot_time_bias", 32),
    ],
)
def test_a_field_stands_where_it_is_documented(
    struct: type[ctypes.Structure], field: str, offset: int
) -> None:
    assert getattr(struct, field).offset == offset


def test_a_guid_is_written_as_windows_keeps_it() -> None:
    # 45BD8344-7ED6-49CF-A440-C276C933B053: three numbers little-endian, eight bytes as they stand
    assert (
        bytes(Guid.of("{45BD8344-7ED6-49CF-A440-C276C933B053}")).hex() == "4483bd45d67ecf49a440c276c933b053"
    )
