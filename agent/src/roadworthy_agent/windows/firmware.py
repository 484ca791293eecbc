"""System calls of the hardware probe: SMBIOS, processors, memory, TPM, firmware type, connected monitors.

None of them needs a right. Sources: GetSystemFirmwareTable, GetLogicalProcessorInformationEx, GlobalMemoryStatusEx,
Tbsi_GetDeviceInfo, GetFirmwareType, CM_Get_Device_Interface_List on learn.microsoft.com.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int32, c_uint32, c_void_p
from typing import Any

from roadworthy_agent.windows.api import (
    ERROR_INSUFFICIENT_BUFFER,
    ERROR_PROC_NOT_FOUND,
    WindowsError,
    function,
    interfaces,
    last_error,
    library,
)
from roadworthy_agent.windows.raw import Raw, outcome
from roadworthy_agent.windows.structs import MemoryStatus, TpmDevice

RSMB = 0x52534D42  # 'RSMB' as the call wants it
LARGEST_TABLE = 1 << 20
RELATION_ALL = 0xFFFF
MONITORS = "{E6F07B5F-EE97-4A90-B076-33F57BF4EAA7}"  # GUID_DEVINTERFACE_MONITOR


def look() -> Raw:
    """Return the results of all calls; one that failed is there as its error."""
    return Raw(
        {
            "smbios": outcome(_smbios),
            "processors": outcome(_processors),
            "pointer_bytes": ctypes.sizeof(c_void_p),
            "memory": outcome(_memory),
            "tpm": outcome(_tpm),
            "firmware_type": outcome(_firmware_type),
            "monitors": outcome(lambda: [{"path": path} for path in interfaces(MONITORS)]),
        }
    )


def _smbios() -> bytes:
    """Return RawSMBIOSData: 8 bytes of header (version at 1 and 2, length at 4), then the tables."""
    get = function(
        library("kernel32"), "GetSystemFirmwareTable", c_uint32, c_uint32, c_uint32, c_void_p, c_uint32
    )
    size = get(RSMB, 0, None, 0)
    if not 0 < size <= LARGEST_TABLE:
        raise WindowsError("GetSystemFirmwareTable", last_error())
    buffer = ctypes.create_string_buffer(size)
    written = get(RSMB, 0, buffer, size)
    if not 0 < written <= size:
        raise WindowsError("GetSystemFirmwareTable", last_error())
    return buffer.raw[:written]


def _processors() -> bytes:
    """Return SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX records of all relationships."""
    get = function(
        library("kernel32"), "GetLogicalProcessorInformationEx", c_int32, c_int32, c_void_p, POINTER(c_uint32)
    )
    size = c_uint32(0)
    get(RELATION_ALL, None, byref(size))
    if last_error() != ERROR_INSUFFICIENT_BUFFER or not 0 < size.value <= LARGEST_TABLE:
        raise WindowsError("GetLogicalProcessorInformationEx", last_error())
    buffer = ctypes.create_string_buffer(size.value)
    if not get(RELATION_ALL, buffer, byref(size)):
        raise WindowsError("GetLogicalProcessorInformationEx", last_error())
    return buffer.raw[: size.value]


def _memory() -> dict[str, int]:
    get = function(library("kernel32"), "GlobalMemoryStatusEx", c_int32, POINTER(MemoryStatus))
    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    if not get(byref(status)):
        raise WindowsError("GlobalMemoryStatusEx", last_error())
    return {"total": status.total}


def _tpm() -> dict[str, int]:
    """Return the version number of the TPM; a TBS_RESULT stands as the error, e.g. 0x8028400F for none."""
    get = function(library("tbs"), "Tbsi_GetDeviceInfo", c_uint32, c_uint32, c_void_p)
    device = TpmDevice()
    if code := get(ctypes.sizeof(TpmDevice), byref(device)):
        raise WindowsError("Tbsi_GetDeviceInfo", code)
    return {"version": device.version}


def _firmware_type() -> Any:
    """Return 1 for BIOS, 2 for UEFI; Windows 7 has no such call."""
    try:
        get = function(library("kernel32"), "GetFirmwareType", c_int32, POINTER(c_uint32))
    except WindowsError as error:
        raise WindowsError("GetFirmwareType", ERROR_PROC_NOT_FOUND) from error
    kind = c_uint32(0)
    if not get(byref(kind)):
        raise WindowsError("GetFirmwareType", last_error())
    return kind.value
