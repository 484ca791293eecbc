"""System calls of the storage probe: what each disk is, its size and its health, and where the system lies.

Disks are opened to be read, never to be written. An account that may not do that gets a handle without access, and
with it everything that is FILE_ANY_ACCESS: the exact length is not, the geometry says the size then.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from roadworthy_agent.windows.api import GENERIC_READ, NO_ACCESS, Device, WindowsError, device, interfaces
from roadworthy_agent.windows.raw import Raw, outcome
from roadworthy_agent.windows.structs import (
    DiskGeometry,
    PredictFailure,
    ProtocolDataDescriptor,
    ProtocolSpecificData,
    StorageFlag,
    StorageNumber,
    StoragePropertyQuery,
)

DISKS = "{53F56307-B6BF-11D0-94F2-00A0C91EFB8B}"  # GUID_DEVINTERFACE_DISK
GET_DEVICE_NUMBER = 0x2D1080
QUERY_PROPERTY = 0x2D1400
PREDICT_FAILURE = 0x2D1100
GET_LENGTH_INFO = 0x7405C  # FILE_READ_ACCESS
GET_DRIVE_GEOMETRY_EX = 0x700A0
VOLUME_GET_VOLUME_DISK_EXTENTS = 0x560000

DEVICE_PROPERTY, SEEK_PENALTY_PROPERTY, TRIM_PROPERTY = 0, 7, 8
ADAPTER_PROTOCOL_PROPERTY, DEVICE_PROTOCOL_PROPERTY = 49, 50
PROTOCOL_NVME, NVME_LOG_PAGE, HEALTH_LOG, HEALTH_BYTES = 3, 2, 2, 512
MOST_DESCRIPTOR_BYTES = 4096
MORE_GEOMETRY_BYTES = 256  # partition and detection data follow the geometry
MOST_EXTENTS_BYTES = 8 + 24 * 64
QUERY_HEADER_BYTES = 8  # of STORAGE_PROPERTY_QUERY, before what the property asks for


def look() -> Raw:
    """Return every disk and the extents of the system's volume."""
    return Raw({"disks": outcome(_disks), "system_extents": outcome(_system_extents)})


def _disks() -> list[dict[str, Any]]:
    """Return the disks; their interface paths stay here, as those of USB disks hold serial numbers."""
    found = []
    for path in interfaces(DISKS):
        try:
            with _opened(path) as disk:
                found.append(_answers(disk))
        except WindowsError as error:
            found.append({"error": error.code, "call": error.call})
    return found


@contextmanager
def _opened(path: str) -> Iterator[Device]:
    """Open a disk to be read where this account may, else without access: that is enough to ask what it is."""
    try:
        disk = Device(path, GENERIC_READ)
    except WindowsError:
        disk = Device(path, NO_ACCESS)
    try:
        yield disk
    finally:
        disk.close()


def _answers(disk: Device) -> dict[str, Any]:
    flag = ctypes.sizeof(StorageFlag)
    return {
        "number": outcome(lambda: disk.control(GET_DEVICE_NUMBER, b"", ctypes.sizeof(StorageNumber))),
        "device": outcome(lambda: _property(disk, DEVICE_PROPERTY, MOST_DESCRIPTOR_BYTES)),
        "seek_penalty": outcome(lambda: _property(disk, SEEK_PENALTY_PROPERTY, flag)),
        "trim": outcome(lambda: _property(disk, TRIM_PROPERTY, flag)),
        "length": outcome(lambda: disk.control(GET_LENGTH_INFO, b"", 8)),
        "geometry": outcome(
            lambda: disk.control(
                GET_DRIVE_GEOMETRY_EX, b"", ctypes.sizeof(DiskGeometry) + MORE_GEOMETRY_BYTES
            )
        ),
        "nvme_health": outcome(lambda: _nvme_health(disk)),
        "predict_failure": outcome(lambda: disk.control(PREDICT_FAILURE, b"", ctypes.sizeof(PredictFailure))),
    }


def _property(disk: Device, number: int, most: int) -> bytes:
    return disk.control(QUERY_PROPERTY, bytes(StoragePropertyQuery(property=number)), most)


def _nvme_health(disk: Device) -> bytes:
    """Return the descriptor with log page 2; the adapter is asked first, older drivers answer for the device."""
    most = ctypes.sizeof(ProtocolDataDescriptor) + HEALTH_BYTES
    try:
        return disk.control(QUERY_PROPERTY, health_query(ADAPTER_PROTOCOL_PROPERTY), most)
    except WindowsError:
        return disk.control(QUERY_PROPERTY, health_query(DEVICE_PROTOCOL_PROPERTY), most)


def health_query(number: int) -> bytes:
    """Return the question for an NVMe disk's health log page, padded to the size of its answer as drivers want."""
    header = bytes(StoragePropertyQuery(property=number))[:QUERY_HEADER_BYTES]
    asked = ProtocolSpecificData(
        protocol=PROTOCOL_NVME,
        data_type=NVME_LOG_PAGE,
        request_value=HEALTH_LOG,
        data_offset=ctypes.sizeof(ProtocolSpecificData),
        data_length=HEALTH_BYTES,
    )
    return header + bytes(asked) + bytes(HEALTH_BYTES)


def _system_extents() -> bytes:
    drive = os.environ.get("SYSTEMDRIVE", "C:")
    with device(f"\\\\.\\{drive[:2]}") as volume:
        return volume.control(VOLUME_GET_VOLUME_DISK_EXTENTS, b"", MOST_EXTENTS_BYTES)
