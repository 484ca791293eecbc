"""What storage drivers answer, as values; pure. Nothing believes an offset or a length without looking.

Layouts: STORAGE_DEVICE_DESCRIPTOR, STORAGE_PROTOCOL_DATA_DESCRIPTOR, VOLUME_DISK_EXTENTS (winioctl.h),
https://learn.microsoft.com/windows/win32/api/winioctl
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from roadworthy_agent.windows.structs import (
    DiskExtent,
    DiskGeometry,
    PredictFailure,
    ProtocolDataDescriptor,
    StorageDevice,
    StorageFlag,
    StorageNumber,
)

FIXED_BYTES = StorageDevice.raw.offset  # what a descriptor has at least: up to where its texts may begin
PROTOCOL_DATA_AT = ProtocolDataDescriptor.data.offset
EXTENTS_AT = 8
MOST_TEXT_BYTES = 128
MOST_EXTENTS = 64


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a disk says of itself; `bus` is a STORAGE_BUS_TYPE."""

    bus: int
    removable: bool
    vendor: str | None = None
    product: str | None = None
    revision: str | None = None
    serial: str | None = None


def parse_descriptor(data: bytes) -> Descriptor | None:
    """Return a STORAGE_DEVICE_DESCRIPTOR, None where there are too few bytes for one."""
    if len(data) < FIXED_BYTES:
        return None
    fixed = StorageDevice.from_buffer_copy(data[:FIXED_BYTES].ljust(ctypes.sizeof(StorageDevice), b"\0"))
    return Descriptor(
        bus=fixed.bus,
        removable=fixed.removable != 0,
        vendor=_text(data, fixed.vendor_offset),
        product=_text(data, fixed.product_offset),
        revision=_text(data, fixed.revision_offset),
        serial=_text(data, fixed.serial_offset),
    )


def parse_flag(data: bytes | None) -> bool | None:
    """Return the answer to "seek penalty?" or "trim?", None for too few bytes."""
    if data is None or len(data) <= StorageFlag.value.offset:
        return None
    return data[StorageFlag.value.offset] != 0


def parse_number(data: bytes | None) -> int | None:
    """Return the N of PhysicalDriveN; all ones mean the device has none."""
    if data is None or len(data) < ctypes.sizeof(StorageNumber):
        return None
    number = int(StorageNumber.from_buffer_copy(data).number)
    return None if number == 0xFFFF_FFFF else number


def parse_size(length: bytes | None, geometry: bytes | None) -> int | None:
    """Return a disk's size in bytes: GET_LENGTH_INFORMATION, else DISK_GEOMETRY_EX; 0 is no medium."""
    if length is not None and len(length) >= 8:
        size = int.from_bytes(length[:8], "little", signed=True)
        return size if size > 0 else None
    at = DiskGeometry.bytes.offset
    if geometry is None or len(geometry) < at + 8:
        return None
    size = int.from_bytes(geometry[at : at + 8], "little", signed=True)
    return size if size > 0 else None


def parse_health_page(data: bytes) -> bytes:
    """Return the log page within a STORAGE_PROTOCOL_DATA_DESCRIPTOR; b"" where its offset leads nowhere."""
    if len(data) < ctypes.sizeof(ProtocolDataDescriptor):
        return b""
    asked = ProtocolDataDescriptor.from_buffer_copy(data).data
    start = PROTOCOL_DATA_AT + asked.data_offset
    if asked.data_offset < ctypes.sizeof(type(asked)) or start >= len(data):
        return b""
    return data[start : start + asked.data_length]


def parse_predict_failure(data: bytes) -> tuple[bool, bytes] | None:
    """Return the disk's verdict and the 512 bytes its SMART table came in, None for too few bytes."""
    if len(data) < ctypes.sizeof(PredictFailure):
        return None
    said = PredictFailure.from_buffer_copy(data)
    return said.failing != 0, bytes(said.vendor_specific)


def parse_extents(data: bytes | None) -> frozenset[int]:
    """Return the numbers of the disks a volume lies on; what is counted but not there is left out."""
    if data is None or len(data) < EXTENTS_AT:
        return frozenset()
    size = ctypes.sizeof(DiskExtent)
    count = min(int.from_bytes(data[:4], "little"), MOST_EXTENTS, (len(data) - EXTENTS_AT) // size)
    starts = range(EXTENTS_AT, EXTENTS_AT + count * size, size)
    return frozenset(int.from_bytes(data[start : start + 4], "little") for start in starts)


def without_serial(data: bytes) -> bytes:
    """Return a STORAGE_DEVICE_DESCRIPTOR without its serial number and what only its driver understands."""
    if len(data) < FIXED_BYTES:
        return b""
    kept = bytearray(data[:FIXED_BYTES])
    for place in (StorageDevice.vendor_offset, StorageDevice.product_offset, StorageDevice.revision_offset):
        text = _text(data, int.from_bytes(data[place.offset : place.offset + 4], "little"))
        at = len(kept) if text else 0
        kept[place.offset : place.offset + 4] = at.to_bytes(4, "little")
        kept += text.encode("ascii", "replace") + b"\0" if text else b""
    for place in (StorageDevice.serial_offset, StorageDevice.raw_length):
        kept[place.offset : place.offset + 4] = bytes(4)
    kept[StorageDevice.size.offset : StorageDevice.size.offset + 4] = len(kept).to_bytes(4, "little")
    return bytes(kept)


def _text(data: bytes, offset: int) -> str | None:
    """Return the NUL-terminated text at an offset; 0, an offset into the fixed part or past the end give none."""
    if not FIXED_BYTES <= offset < len(data):
        return None
    raw = data[offset : offset + MOST_TEXT_BYTES].split(b"\0")[0]
    text = "".join(letter for letter in raw.decode("ascii", "replace") if letter.isprintable())
    return " ".join(text.replace("\ufffd", "").split()) or None
