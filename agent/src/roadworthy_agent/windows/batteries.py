"""System calls of the battery probe, and of the power probe for the flow: the battery class driver.

https://learn.microsoft.com/windows/win32/power/battery-information. Only the levels named here are asked for; the
serial number (8) and the unique id (7), which holds it, are not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from typing import Any

from roadworthy_agent.windows.api import GENERIC_READ, Device, WindowsError, device, interfaces
from roadworthy_agent.windows.raw import Raw, outcome
from roadworthy_agent.windows.structs import (
    BatteryInformation,
    BatteryQuery,
    BatteryStatus,
    BatteryWait,
)

BATTERIES = "{72631E54-78A4-11D0-BCF7-00AA00B7B32A}"  # GUID_DEVINTERFACE_BATTERY
QUERY_TAG = 0x294040
QUERY_INFORMATION = 0x294044
QUERY_STATUS = 0x29404C
INFORMATION, DEVICE_NAME, MANUFACTURE_NAME = 0, 4, 6
TEXT_BYTES = 512


def look() -> Raw:
    """Return what each battery is and how it has worn."""
    return Raw({"batteries": outcome(lambda: [_described(path) for path in interfaces(BATTERIES)])})


def flows(only: Collection[str] | None = None) -> Any:
    """Return what all batteries do now and what they are, or of those named by path only what they do."""
    if only is not None:
        return outcome(lambda: [_flow(path, describe=False) for path in only])
    return outcome(lambda: [_flow(path, describe=True) for path in interfaces(BATTERIES)])


def _described(path: str) -> dict[str, Any]:
    try:
        with device(path, GENERIC_READ) as battery:
            tag = _tag(battery)
            return {
                "information": outcome(
                    lambda: _ask(battery, tag, INFORMATION, ctypes.sizeof(BatteryInformation))
                ),
                "name": _text(battery, tag, DEVICE_NAME),
                "maker": _text(battery, tag, MANUFACTURE_NAME),
            }
    except WindowsError as error:
        return {"error": error.code, "call": error.call}


def _flow(path: str, *, describe: bool) -> dict[str, Any]:
    try:
        with device(path, GENERIC_READ) as battery:
            tag = _tag(battery)
            wait, size = bytes(BatteryWait(tag=tag)), ctypes.sizeof(BatteryStatus)
            found = {"path": path, "status": outcome(lambda: battery.control(QUERY_STATUS, wait, size))}
            if describe:
                size_told = ctypes.sizeof(BatteryInformation)
                found["information"] = outcome(lambda: _ask(battery, tag, INFORMATION, size_told))
            return found
    except WindowsError as error:
        return {"path": path, "error": error.code, "call": error.call}


def _tag(battery: Device) -> int:
    """Return the tag of the battery now in the slot; ERROR_FILE_NOT_FOUND is raised for an empty one."""
    return int.from_bytes(battery.control(QUERY_TAG, bytes(4), 4), "little")


def _ask(battery: Device, tag: int, level: int, most: int) -> bytes:
    return battery.control(QUERY_INFORMATION, bytes(BatteryQuery(tag=tag, level=level)), most)


def _text(battery: Device, tag: int, level: int) -> Any:
    return outcome(
        lambda: _ask(battery, tag, level, TEXT_BYTES).decode("utf-16-le", "replace").split("\0")[0]
    )
