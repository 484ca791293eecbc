"""Properties of the I/O Registry: from the bytes of a property list to the few values that are read; pure.

The bytes are what CFPropertyListCreateData gives for IORegistryEntryCreateCFProperties, the dictionary that
`ioreg -a` prints for the same entry; a list of such dictionaries (`ioreg -ar`) stands for its first one.
Everything that is not in KEEP is dropped before anybody sees it: the entries also hold serial numbers, adapters'
names and, in IOConsoleUsers, who is signed in.
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import NOT_UNDERSTOOD

LIMIT_BYTES = 1 << 20
LONGEST_TEXT = 256
MOST_SESSIONS = 64

# entry -> what is kept of it; a mapping is kept of a dictionary, or of each dictionary of a list
KEEP: Mapping[str, Mapping[str, Any]] = {
    "AppleSmartBattery": {
        **dict.fromkeys(
            (
                "Amperage", "AppleRawMaxCapacity", "BatteryInstalled", "CycleCount", "DesignCapacity", "DeviceName",
                "ExternalConnected", "FullyCharged", "InstantAmperage", "IsCharging", "Manufacturer", "MaxCapacity",
                "UpdateTime", "Voltage",
            )
        ),
        "BatteryData": dict.fromkeys(("DesignCapacity", "FullChargeCapacity", "SystemPower")),
        "PowerTelemetryData": dict.fromkeys(
            (
                "AccumulatedSystemLoad",
                "BatteryPower",
                "SystemLoad",
                "SystemLoadAccumulatorCount",
                "SystemPowerIn",
                "WallEnergyEstimate",
            )
        ),
    },
    "IOHIDSystem": {"HIDIdleTime": None},
    "IOPlatformExpertDevice": dict.fromkeys(("IOPlatformSerialNumber", "IOPlatformUUID", "manufacturer", "model")),
    "Root": {
        "IOConsoleLocked": None,
        "IOConsoleUsers": dict.fromkeys(
            ("CGSSessionScreenIsLocked", "kCGSSessionOnConsoleKey", "kCGSessionLoginDoneKey")
        ),
    },
}  # fmt: skip


def parse(data: bytes, entry: str) -> dict[str, Any]:
    """Return the kept properties of an entry; raise ProbeError for what is no property list."""
    if len(data) > LIMIT_BYTES:
        raise ProbeError(f"{entry}: a property list of more than {LIMIT_BYTES} bytes is not read")
    from xml.parsers.expat import ExpatError  # plistlib lets it through

    try:
        # plistlib refuses entity declarations itself, so nothing expands and nothing is fetched
        value = plistlib.loads(data)
    except (*NOT_UNDERSTOOD, ExpatError, TypeError, AttributeError) as error:
        raise ProbeError(f"{entry}: this is no property list ({type(error).__name__})") from error
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        raise ProbeError(f"{entry}: a dictionary was expected")
    return _kept(value, KEEP[entry])


def _kept(value: Mapping[Any, Any], keep: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, below in keep.items():
        one = value.get(name)
        if below is None:
            if isinstance(one, bytes):  # the device tree's texts: NUL-terminated
                one = one.split(b"\0")[0].decode("utf-8", "replace")
            if isinstance(one, str):
                kept[name] = one[:LONGEST_TEXT]
            elif isinstance(one, (bool, int, float)):
                kept[name] = one
        elif isinstance(one, dict):
            kept[name] = _kept(one, below)
        elif isinstance(one, list):
            kept[name] = [_kept(each, below) for each in one[:MOST_SESSIONS] if isinstance(each, dict)]
    return kept


def number(properties: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number, or None.

    The kernel's numbers have no sign: -73 mA is printed as 18446744073709551543.
    """
    value = properties.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not -(1 << 63) <= value < 1 << 64:
        return None
    return value - (1 << 64) if value >= 1 << 63 else value


def flag(properties: Mapping[str, Any], name: str) -> bool | None:
    """Return a yes or no, also where it is written 1 or 0; None for anything else."""
    value = properties.get(name)
    return bool(value) if isinstance(value, (bool, int)) and value in {0, 1} else None


def inner(properties: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a dictionary within, {} where there is none."""
    value = properties.get(name)
    return value if isinstance(value, dict) else {}
