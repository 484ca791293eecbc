"""The structures Windows fills in, with the sizes its headers give them.

Each is declared with fixed-width types, so that its size and offsets are the same wherever it is looked at; the
tests hold every one against its documented size. Layouts: https://learn.microsoft.com/windows/win32/api and
/windows-hardware/drivers/ddi, by the names in the docstrings.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX (sysinfoapi.h), 64 bytes; `total` and `available` are physical bytes."""

    _fields_ = (
        ("length", c_uint32),
        ("load", c_uint32),
        ("total", c_uint64),
        ("available", c_uint64),
        ("total_page_file", c_uint64),
        ("available_page_file", c_uint64),
        ("total_virtual", c_uint64),
        ("available_virtual", c_uint64),
        ("available_extended_virtual", c_uint64),
    )


class TpmDevice(ctypes.Structure):
    """TPM_DEVICE_INFO (tbs.h), 16 bytes; `version` is 1 for 1.2 and 2 for 2.0."""

    _fields_ = (
        ("struct_version", c_uint32),
        ("version", c_uint32),
        ("interface", c_uint32),
        ("revision", c_uint32),
    )


class StoragePropertyQuery(ctypes.Structure):
    """STORAGE_PROPERTY_QUERY (winioctl.h), 12 bytes; what a property asks for begins at byte 8."""

    _fields_ = (("property", c_uint32), ("query", c_uint32), ("additional", c_uint8 * 4))


class ProtocolSpecificData(ctypes.Structure):
    """STORAGE_PROTOCOL_SPECIFIC_DATA (winioctl.h), 40 bytes."""

    _fields_ = (
        ("protocol", c_uint32),
        ("data_type", c_uint32),
        ("request_value", c_uint32),
        ("request_sub_value", c_uint32),
        ("data_offset", c_uint32),
        ("data_length", c_uint32),
        ("fixed_return", c_uint32),
        ("request_sub_value2", c_uint32),
        ("request_sub_value3", c_uint32),
        ("request_sub_value4", c_uint32),
    )


class ProtocolDataDescriptor(ctypes.Structure):
    """STORAGE_PROTOCOL_DATA_DESCRIPTOR (winioctl.h), 48 bytes; the data's offset counts from byte 8."""

    _fields_ = (("version", c_uint32), ("size", c_uint32), ("data", ProtocolSpecificData))


class StorageDevice(ctypes.Structure):
    """STORAGE_DEVICE_DESCRIPTOR (winioctl.h), 40 bytes before what the offsets lead to; offset 0 is no text."""

    _fields_ = (
        ("version", c_uint32),
        ("size", c_uint32),
        ("device_type", c_uint8),
        ("device_type_modifier", c_uint8),
        ("removable", c_uint8),
        ("command_queueing", c_uint8),
        ("vendor_offset", c_uint32),
        ("product_offset", c_uint32),
        ("revision_offset", c_uint32),
        ("serial_offset", c_uint32),
        ("bus", c_uint32),
        ("raw_length", c_uint32),
        ("raw", c_uint8 * 1),
    )


class StorageFlag(ctypes.Structure):
    """DEVICE_SEEK_PENALTY_DESCRIPTOR and DEVICE_TRIM_DESCRIPTOR (winioctl.h), 12 bytes."""

    _fields_ = (("version", c_uint32), ("size", c_uint32), ("value", c_uint8))


class StorageNumber(ctypes.Structure):
    """STORAGE_DEVICE_NUMBER (winioctl.h), 12 bytes."""

    _fields_ = (("device_type", c_uint32), ("number", c_uint32), ("partition", c_uint32))


class DiskGeometry(ctypes.Structure):
    """DISK_GEOMETRY_EX (winioctl.h), 40 bytes with its one byte of more; `bytes` is the disk's size."""

    _fields_ = (
        ("cylinders", c_int64),
        ("media_type", c_uint32),
        ("tracks_per_cylinder", c_uint32),
        ("sectors_per_track", c_uint32),
        ("bytes_per_sector", c_uint32),
        ("bytes", c_int64),
        ("more", c_uint8 * 1),
    )


class PredictFailure(ctypes.Structure):
    """STORAGE_PREDICT_FAILURE (ntddstor.h), 516 bytes."""

    _fields_ = (("failing", c_uint32), ("vendor_specific", c_uint8 * 512))


class DiskExtent(ctypes.Structure):
    """DISK_EXTENT (winioctl.h), 24 bytes; VOLUME_DISK_EXTENTS is their number, at byte 0, and they, from byte 8."""

    _fields_ = (("disk", c_uint32), ("start", c_int64), ("length", c_int64))


class BatteryQuery(ctypes.Structure):
    """BATTERY_QUERY_INFORMATION (batclass.h), 12 bytes."""

    _fields_ = (("tag", c_uint32), ("level", c_uint32), ("at_rate", c_int32))


class BatteryInformation(ctypes.Structure):
    """BATTERY_INFORMATION (batclass.h), 36 bytes; capacities are mWh unless bit 30 of `capabilities` is set."""

    _fields_ = (
        ("capabilities", c_uint32),
        ("technology", c_uint8),
        ("reserved", c_uint8 * 3),
        ("chemistry", c_char * 4),
        ("designed_capacity", c_uint32),
        ("full_charged_capacity", c_uint32),
        ("default_alert1", c_uint32),
        ("default_alert2", c_uint32),
        ("critical_bias", c_uint32),
        ("cycle_count", c_uint32),
    )


class BatteryWait(ctypes.Structure):
    """BATTERY_WAIT_STATUS (batclass.h), 20 bytes; all zero but the tag means: answer at once."""

    _fields_ = (
        ("tag", c_uint32),
        ("timeout", c_uint32),
        ("power_state", c_uint32),
        ("low_capacity", c_uint32),
        ("high_capacity", c_uint32),
    )


class BatteryStatus(ctypes.Structure):
    """BATTERY_STATUS (batclass.h), 16 bytes; `rate` is mW, negative while discharging."""

    _fields_ = (
        ("power_state", c_uint32),
        ("capacity", c_uint32),
        ("voltage", c_uint32),
        ("rate", c_int32),
    )


class EnergyMeasurement(ctypes.Structure):
    """EMI_CHANNEL_MEASUREMENT_DATA (emi.h), 16 bytes: picowatt-hours, and 100 ns since an unnamed beginning."""

    _fields_ = (("energy", c_uint64), ("time", c_uint64))


class SessionInfo(ctypes.Structure):
    """WTSINFOEXW with WTSINFOEX_LEVEL1_W (wtsapi32.h), 232 bytes.

    What stands between `flags` and `logon_time` names the station, the person and the domain: it is declared as
    one block without a name of its own and never looked at.
    """

    _fields_ = (
        ("level", c_uint32),
        ("level_padding", c_uint32),
        ("session", c_uint32),
        ("state", c_int32),
        ("flags", c_int32),
        ("unread", c_uint8 * (2 * (33 + 21 + 18))),
        ("unread_padding", c_uint8 * 4),
        ("logon_time", c_int64),
        ("connect_time", c_int64),
        ("disconnect_time", c_int64),
        ("last_input_time", c_int64),
        ("current_time", c_int64),
        ("incoming_bytes", c_uint32),
        ("outgoing_bytes", c_uint32),
        ("incoming_frames", c_uint32),
        ("outgoing_frames", c_uint32),
        ("incoming_compressed_bytes", c_uint32),
        ("outgoing_compressed_bytes", c_uint32),
    )


class SystemInfo(ctypes.Structure):
    """SYSTEM_INFO (sysinfoapi.h), 48 bytes on 64 bits."""

    _fields_ = (
        ("architecture", c_uint16),
        ("reserved", c_uint16),
        ("page_size", c_uint32),
        ("minimum_address", ctypes.c_void_p),
        ("maximum_address", ctypes.c_void_p),
        ("active_mask", ctypes.c_void_p),
        ("processors", c_uint32),
        ("processor_type", c_uint32),
        ("granularity", c_uint32),
        ("level", c_uint16),
        ("revision", c_uint16),
    )
