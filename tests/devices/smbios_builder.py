"""Build raw SMBIOS tables from published texts, for recorded devices and for the parser's own tests.

A device's `smbios.json` holds what dmidecode printed of it, in the parser's own terms: offsets of DSP0134 with
strings, bytes, words (2), dwords (4). `python tests/devices/smbios_builder.py FOLDER` writes the two files
below FOLDER/root/sys/firmware/dmi/tables from it.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

TABLES = "root/sys/firmware/dmi/tables"
WIDTHS = {"bytes": 1, "words": 2, "dwords": 4, "qwords": 8}


def structure(kind: int, length: int, handle: int, **fields: Any) -> bytes:
    """Return one structure: `strings`, `bytes`, `words`, `dwords`, `qwords` map offsets to values; `uuid`, `raw`."""
    data = bytearray(length)
    data[0], data[1] = kind, length
    data[2:4] = handle.to_bytes(2, "little")
    for name, width in WIDTHS.items():
        for offset, value in fields.get(name, {}).items():
            data[int(offset) : int(offset) + width] = int(value).to_bytes(width, "little")
    if "uuid" in fields:
        value = uuid.UUID(fields["uuid"])
        data[8:24] = value.bytes_le if fields.get("uuid_order", "little") == "little" else value.bytes
    texts = []
    for offset, text in fields.get("strings", {}).items():
        texts.append(text.encode())
        data[int(offset)] = len(texts)
    if len(data) != length:
        raise ValueError(f"a field of the type {kind} structure lies past its {length} bytes")
    return bytes(data) + (b"\0".join(texts) + b"\0\0" if texts else b"\0\0")


def table(structures: list[dict[str, Any]], *, end: bool = True) -> bytes:
    """Return a whole table, with the end-of-table structure unless `end` is False."""
    built = [
        structure(each["type"], each["length"], each.get("handle", number), **_fields(each))
        for number, each in enumerate(structures)
    ]
    if end:
        built.append(structure(127, 4, 0xFEFF))
    return b"".join(built)


def entry_point(major: int, minor: int, length: int, *, wide: bool) -> bytes:
    """Return a `_SM3_` (wide) or `_SM_` entry point with right checksums."""
    if wide:
        data = bytearray(
            b"_SM3_\0\x18" + bytes([major, minor, 0, 1, 0]) + length.to_bytes(4, "little") + bytes(8)
        )
        data[5] = -sum(data) & 0xFF
        return bytes(data)
    inner = bytearray(b"_DMI_\0" + length.to_bytes(2, "little") + bytes(6) + bytes([(major << 4) | minor]))
    inner[5] = -sum(inner) & 0xFF
    data = bytearray(b"_SM_\0\x1f" + bytes([major, minor]) + bytes(8) + bytes(inner))
    data[4] = -sum(data) & 0xFF
    return bytes(data)


def dump(entry: bytes, data: bytes) -> bytes:
    """Return a file that `dmidecode --from-dump` reads: the entry point, and at byte 32 the table it points to."""
    place, head = 32, bytearray(entry)
    if entry.startswith(b"_SM3_"):
        head[16:24] = place.to_bytes(8, "little")
        head[5] = 0
        head[5] = -sum(head) & 0xFF
    else:
        head[0x18:0x1C] = place.to_bytes(4, "little")
        head[0x15] = 0
        head[0x15] = -sum(head[0x10:0x1F]) & 0xFF
        head[4] = 0
        head[4] = -sum(head) & 0xFF
    return bytes(head).ljust(place, b"\0") + data


def build(description: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return entry point and table of a device's smbios.json."""
    major, minor = description["version"]
    data = table(description["structures"])
    return entry_point(major, minor, len(data), wide=description["entry"] == "_SM3_"), data


def _fields(each: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in each.items() if name not in {"type", "length", "handle"}}


def main(folders: list[str]) -> None:
    """Write the tables of the named device folders."""
    for folder in map(Path, folders):
        entry, data = build(json.loads((folder / "smbios.json").read_text("utf-8")))
        place = folder / TABLES
        place.mkdir(parents=True, exist_ok=True)
        (place / "smbios_entry_point").write_bytes(entry)
        (place / "DMI").write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1:])
