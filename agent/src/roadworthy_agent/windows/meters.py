"""System calls of the power probe: the Energy Meter Interface, and the batteries' flow.

https://learn.microsoft.com/windows-hardware/drivers/powermeter/energy-meter-interface. On Windows 11 the kernel
offers the processor's own counters this way to any account; on Windows 10 only devices with meters of their own have
any. https://github.com/mlco2/codecarbon (MIT) found out what the channels are called.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from functools import partial
from typing import Any

from roadworthy_agent.windows import batteries
from roadworthy_agent.windows.api import GENERIC_READ, WindowsError, device, interfaces
from roadworthy_agent.windows.raw import Raw, outcome
from roadworthy_agent.windows.structs import EnergyMeasurement

METERS = "{45BD8344-7ED6-49CF-A440-C276C933B053}"  # GUID_DEVICE_ENERGY_METER
GET_VERSION = 0x224000
GET_METADATA_SIZE = 0x224004
GET_METADATA = 0x224008
GET_MEASUREMENT = 0x22400C
MOST_METADATA_BYTES = 1 << 16
MOST_CHANNELS = 512
MEASUREMENT_BYTES = ctypes.sizeof(EnergyMeasurement) * MOST_CHANNELS


def look() -> Raw:
    """Return every energy meter with its metadata and first figures, and every battery's flow."""
    return Raw({"meters": outcome(_meters), "batteries": batteries.flows()})


def again(meters: Collection[str], flowing: Collection[str]) -> Raw:
    """Return only figures of the devices named by their paths; no names, nothing enumerated."""
    figures = [{"path": path, "measurement": outcome(partial(_measure, path))} for path in meters]
    return Raw({"meters": figures, "batteries": batteries.flows(flowing)})


def _meters() -> list[dict[str, Any]]:
    return [_described(path) for path in interfaces(METERS)]


def _described(path: str) -> dict[str, Any]:
    try:
        with device(path, GENERIC_READ) as meter:
            version = int.from_bytes(meter.control(GET_VERSION, b"", 2), "little")
            size = int.from_bytes(meter.control(GET_METADATA_SIZE, b"", 4), "little")
            return {
                "path": path,
                "version": version,
                "metadata": outcome(lambda: meter.control(GET_METADATA, b"", min(size, MOST_METADATA_BYTES))),
                "measurement": outcome(lambda: meter.control(GET_MEASUREMENT, b"", MEASUREMENT_BYTES)),
            }
    except WindowsError as error:
        return {"path": path, "error": error.code, "call": error.call}


def _measure(path: str) -> bytes:
    with device(path, GENERIC_READ) as meter:
        return meter.control(GET_MEASUREMENT, b"", MEASUREMENT_BYTES)
