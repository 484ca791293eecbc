"""The JSON of system_profiler: what is kept of it, and plain values from it; pure.

Keys are the same in every language, values are not: `smart_status` and `ibridge_secure_boot` come in the language of
the account that runs the program. So only the English words count, and any other word is no answer. Volumes carry
names people gave them and disks serial numbers: nothing is kept that is not in KEEP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from roadworthy_agent.errors import ProbeError

LIMIT_BYTES = 4 << 20
LONGEST_TEXT = 256
DEEPEST = 6  # controllers hold disks, SAS two levels down
UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}  # of memory
NOTHING = frozenset({"", "empty", "unknown", "not available", "n/a", "none"})

KEEP: Mapping[str, frozenset[str]] = {
    "SPHardwareDataType": frozenset({"machine_name", "machine_model", "model_number", "boot_rom_version"}),
    "SPMemoryDataType": frozenset(
        {"_name", "SPMemoryDataType", "dimm_manufacturer", "dimm_part_number", "dimm_size", "dimm_speed", "dimm_type"}
    ),
    "SPDisplaysDataType": frozenset(
        {
            "_name", "spdisplays_ndrvs", "spdisplays_connection_type", "_spdisplays_display-vendor-id",
            "_spdisplays_display-year",
        }
    ),
    "SPiBridgeDataType": frozenset({"ibridge_secure_boot"}),
    "SPNVMeDataType": frozenset(
        {
            "bsd_name", "detachable_drive", "device_model", "device_revision", "device_serial", "removable_media",
            "size_in_bytes", "smart_status", "spnvme_smart_status",
        }
    ),
    "SPSerialATADataType": frozenset(
        {
            "bsd_name", "detachable_drive", "device_model", "device_revision", "device_serial", "removable_media",
            "size_in_bytes", "smart_status", "spsata_medium_type",
        }
    ),
    "SPStorageDataType": frozenset(
        {
            "mount_point", "physical_drive", "device_name", "is_internal_disk", "medium_type", "protocol",
            "smart_status",
        }
    ),
}  # fmt: skip
SERIAL = "device_serial"
MOUNTS = frozenset({"/", "/System/Volumes/Data"})  # any other place a volume is mounted at carries its name


def parse(data: bytes) -> dict[str, list[dict[str, Any]]]:
    """Return the kept part of each data type, [] where there is none; raise ProbeError for what is no such JSON."""
    if len(data) > LIMIT_BYTES:
        raise ProbeError(f"system_profiler: more than {LIMIT_BYTES} bytes are not read")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProbeError("system_profiler: this is no JSON") from error
    if not isinstance(told, dict):
        raise ProbeError("system_profiler: an object was expected")
    return {kind: _kept_list(told.get(kind), names, DEEPEST) for kind, names in KEEP.items()}


def keep(data: bytes) -> bytes:
    """Return the kept part as JSON, without serial numbers."""
    return json.dumps(_without_serials(parse(data)), indent=1).encode()


def items(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every object of a data type, whatever it is nested in."""
    for each in found:
        yield each
        below = each.get("_items")
        if isinstance(below, list):
            yield from items(below)


def text(item: Mapping[str, Any], name: str) -> str | None:
    """Return a text that says something, or None."""
    value = item.get(name)
    if not isinstance(value, str):
        return None
    clean = " ".join(value.split())
    return None if clean.casefold() in NOTHING else clean


def whole(item: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number above zero, or None."""
    value = item.get(name)
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 63
    return value if usable else None


def yes(item: Mapping[str, Any], name: str) -> bool | None:
    """Return a yes or no in English, None for any other word."""
    return {"yes": True, "no": False}.get((text(item, name) or "").casefold())


def memory_bytes(size: str | None) -> int | None:
    """Return "8 GB" as bytes, or None."""
    found = re.fullmatch(r"(\d{1,6}) (KB|MB|GB|TB)", size or "")
    return int(found[1]) * UNITS[found[2]] or None if found else None


def _kept_list(value: Any, names: frozenset[str], deep: int) -> list[dict[str, Any]]:
    if not isinstance(value, list) or deep == 0:
        return []
    return [_kept(each, names, deep) for each in value if isinstance(each, dict)]


def _kept(item: dict[str, Any], names: frozenset[str], deep: int) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name in sorted({*names, "_items"} & item.keys()):
        value = item[name]
        if isinstance(value, list):
            kept[name] = _kept_list(value, names, deep - 1)
        elif isinstance(value, dict):
            kept[name] = _kept(value, names, deep - 1) if deep > 1 else {}
        elif isinstance(value, str):
            if name != "mount_point" or value in MOUNTS:
                kept[name] = value[:LONGEST_TEXT]
        elif isinstance(value, (int, bool)):
            kept[name] = value
    return kept


def _without_serials(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_serials(each) for name, each in value.items() if name != SERIAL}
    return [_without_serials(each) for each in value] if isinstance(value, list) else value
