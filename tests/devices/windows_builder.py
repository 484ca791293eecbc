"""Build recorded Windows devices from published facts: what each system call gives for them, byte by byte.

A device's `windows.json` holds the facts in words; `PYTHONPATH=tests python -m devices.windows_builder FOLDER` writes
FOLDER/root/roadworthy from it. Layouts are Microsoft's (see the docstrings of `roadworthy_agent.windows.structs`),
packed here with `struct` on purpose: the agent reads them with ctypes, so a wrong offset on either side shows.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

from devices.smbios_builder import build as build_smbios

DEVICES = Path(__file__).parent
BUSES = {"ata": 3, "usb": 7, "raid": 8, "sas": 10, "sata": 11, "nvme": 17}
FILETIME = 133_500_000_000_000_000


def raw_smbios(description: dict[str, Any]) -> bytes:
    """Return RawSMBIOSData: BYTE, major, minor, BYTE, DWORD length, then the table."""
    _, table = build_smbios(description)
    major, minor = description["version"]
    return struct.pack("<BBBBI", 0, major, minor, 0, len(table)) + table


def processors(threads_of_cores: list[int], packages: int = 1) -> bytes:
    """Return SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX records: each core, a cache, each package."""
    records, at, masks = [], 0, []
    for threads in threads_of_cores:
        masks.append(((1 << threads) - 1) << at)
        at += threads
    records += [_relationship(0, mask) for mask in masks]
    records.append(struct.pack("<II", 2, 56) + bytes(48))  # RelationCache
    share = len(masks) // packages
    records += [
        _relationship(3, sum(masks[package * share : (package + 1) * share])) for package in range(packages)
    ]
    return b"".join(records)


def _relationship(kind: int, mask: int) -> bytes:
    body = bytes(22) + struct.pack("<H", 1) + struct.pack("<QH6x", mask, 0)
    return struct.pack("<II", kind, 8 + len(body)) + body


def descriptor(disk: dict[str, Any]) -> bytes:
    """Return a STORAGE_DEVICE_DESCRIPTOR with its texts behind it."""
    texts, offsets = b"", []
    for name in ("vendor", "product", "revision", "serial"):
        text = disk.get(name)
        offsets.append(36 + len(texts) if text else 0)
        texts += text.encode("ascii") + b"\0" if text else b""
    return struct.pack(
        "<IIBBBBIIIIII", 40, 36 + len(texts), 0, 0, disk.get("removable", False), 1, *offsets, BUSES[disk["bus"]], 0
    ) + texts  # fmt: skip


def flag(value: bool) -> bytes:  # noqa: FBT001 - the one thing it packs
    """Return a DEVICE_SEEK_PENALTY_DESCRIPTOR or DEVICE_TRIM_DESCRIPTOR."""
    return struct.pack("<IIB3x", 12, 12, value)


def nvme_health(page: bytes) -> bytes:
    """Return a STORAGE_PROTOCOL_DATA_DESCRIPTOR with a log page behind it."""
    return struct.pack("<12I", 48, 48, 3, 2, 2, 0, 40, len(page), 0, 0, 0, 0) + page


def extents(*numbers: int) -> bytes:
    """Return VOLUME_DISK_EXTENTS."""
    rows = b"".join(struct.pack("<I4xqq", number, 1 << 20, 1 << 37) for number in numbers)
    return struct.pack("<I4x", len(numbers)) + rows


def disk_calls(disk: dict[str, Any]) -> dict[str, Any]:
    """Return what the calls on one disk give."""
    refused = {"error": 1, "call": "DeviceIoControl"}
    found: dict[str, Any] = {
        "number": struct.pack("<III", 7, disk["number"], 0),
        "device": descriptor(disk),
        "seek_penalty": flag(disk["seek_penalty"]) if "seek_penalty" in disk else refused,
        "trim": flag(disk["trim"]) if "trim" in disk else refused,
        "length": struct.pack("<q", disk["bytes"]),
        "geometry": struct.pack("<qIIIIq", 1, 12, 255, 63, 512, disk["bytes"]) + bytes(8),
        "nvme_health": refused,
        "predict_failure": refused,
    }
    if "health_of" in disk:
        told = json.loads((DEVICES / disk["health_of"]).read_text("utf-8"))
        if "nvme_log" in told:
            found["nvme_health"] = nvme_health(bytes.fromhex(told["nvme_log"]))
        else:
            found["predict_failure"] = struct.pack("<I", disk["failing"]) + bytes.fromhex(
                told["ata_attributes"]
            )
    return found


def battery_information(battery: dict[str, Any]) -> bytes:
    """Return BATTERY_INFORMATION."""
    return struct.pack(
        "<IB3x4s6I", battery.get("capabilities", 0x80000000), 1, battery["chemistry"].encode(), battery["design"],
        battery["full"], 0, 0, 0, battery["cycles"],
    )  # fmt: skip


def battery_status(state: int, rate: int, capacity: int = 30000, voltage: int = 7600) -> bytes:
    """Return BATTERY_STATUS."""
    return struct.pack("<IIIi", state, capacity, voltage, rate)


def emi_metadata_v2(names: list[str], *, oem: str = "Microsoft", model: str = "PPM") -> bytes:
    """Return EMI_METADATA_V2 as codecarbon's tests/test_windows_emi.py (MIT) describes it."""
    head = oem.encode("utf-16-le").ljust(32, b"\0") + model.encode("utf-16-le").ljust(32, b"\0")
    rows = b""
    for name in names:
        raw = name.encode("utf-16-le") + b"\0\0"
        rows += struct.pack("<iH", 0, len(raw)) + raw
    return head + struct.pack("<HH", 1, len(names)) + rows


def emi_metadata_v1(name: str) -> bytes:
    """Return EMI_METADATA_V1."""
    raw = name.encode("utf-16-le") + b"\0\0"
    head = struct.pack("<i", 0) + "OEM".encode("utf-16-le").ljust(32, b"\0")
    return head + "Model".encode("utf-16-le").ljust(32, b"\0") + struct.pack("<HH", 1, len(raw)) + raw


def emi_measurement(figures: list[list[int]]) -> bytes:
    """Return EMI_CHANNEL_MEASUREMENT_DATA of each channel: picowatt-hours and 100 ns."""
    return b"".join(struct.pack("<QQ", energy, time) for energy, time in figures)


def power_looks(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return two looks at meters and batteries."""
    looks: list[dict[str, Any]] = []
    for which in ("first", "second"):
        meters: list[dict[str, Any]] = []
        for meter in facts.get("meters", ()):
            figures = {"path": meter["path"], "measurement": emi_measurement(meter[which])}
            told = {"version": 2, "metadata": emi_metadata_v2(meter["channels"])} if which == "first" else {}
            meters.append(figures | told)
        batteries = [
            {
                "path": f"\\\\?\\ACPI#PNP0C0A#{number}",
                "information": battery_information(each),
                "status": battery_status(each["power_state"], each["rate"]),
            }
            for number, each in enumerate(facts.get("batteries", ()), 1)
        ]
        looks.append({"meters": meters, "batteries": batteries})
    return looks


def calls(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what the system calls of each probe give."""
    smbios = json.loads((DEVICES / facts["smbios_of"] / "smbios.json").read_text("utf-8"))
    monitors = [
        {"path": f"\\\\?\\DISPLAY#{each['place'].replace(chr(92), '#')}#{{}}"} for each in facts["monitors"]
    ]
    return {
        "hardware": {
            "smbios": raw_smbios(smbios),
            "processors": processors(facts["threads_of_cores"], facts.get("packages", 1)),
            "pointer_bytes": 8,
            "memory": {"total": facts["memory_bytes"]},
            "tpm": facts["tpm"],
            "firmware_type": facts["firmware_type"],
            "monitors": monitors,
        },
        "storage": {
            "disks": [disk_calls(disk) for disk in facts["disks"]],
            "system_extents": extents(*facts["system_disks"]),
        },
        "battery": {
            "batteries": [
                {"information": battery_information(each), "name": each["name"], "maker": each["maker"]}
                for each in facts.get("batteries", ())
            ]
        },
        "power": power_looks(facts),
        "os": {"native_machine": facts["native_machine"], "architecture": 9},
        "state": {"console": 1, "sessions": [_session(each) for each in facts["sessions"]]},
        "utilisation": facts["utilisation"],
    }


def _session(each: dict[str, Any]) -> dict[str, Any]:
    told = {"session": each["session"], "state": each["state"]}
    if "flags" not in each:
        return told | {"error": 5, "call": "WTSQuerySessionInformation"}
    last = FILETIME - each["idle_seconds"] * 10_000_000 if each["idle_seconds"] is not None else 0
    return told | {
        "flags": each["flags"], "signed_in": each["signed_in"], "last_input": last, "now": FILETIME,
    }  # fmt: skip


def registry(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the registry, with the displays' EDIDs of the device they were published for."""
    found = dict(facts["registry"])
    for each in facts["monitors"]:
        key = f"HKLM\\SYSTEM\\CurrentControlSet\\Enum\\DISPLAY\\{each['place']}\\Device Parameters"
        found[key] = {"EDID": (DEVICES / each["edid_of"]).read_bytes()}
    return found


def to_json(values: Any) -> str:
    """Return values as JSON, bytes as a recorded tree holds them."""
    return json.dumps(values, indent=1, default=lambda data: {"hex": data.hex()}) + "\n"


def files(folder: Path) -> dict[str, str]:
    """Return the files below root/roadworthy of a device, from its windows.json."""
    facts = json.loads((folder / "windows.json").read_text("utf-8"))
    found = {f"windows/{probe}.json": to_json(looks) for probe, looks in calls(facts).items()}
    return found | {
        "platform": "windows\n",
        "clock.json": to_json(facts["clock"]),
        "registry.json": to_json(registry(facts)),
    }


def main(folders: list[str]) -> None:
    """Write what Windows would have said on the named devices."""
    for folder in map(Path, folders):
        for name, text in files(folder).items():
            path = folder / "root/roadworthy" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
