"""Readings of real Macs, as published, in the form the I/O Registry gives them.

Power and battery: https://github.com/Kyome22/SystemInfoKit/tree/main/MeasuredValues (MIT), one file a machine, cut down
to the keys that are read. BatteryData.SystemPower is the 32 bits of a float there as on the machines.
"""

from __future__ import annotations

import plistlib
import struct
from pathlib import Path
from typing import Any

UNSIGNED = 1 << 64


def float_bits(watts: float) -> int:
    """Return watts as AppleSmartBattery holds them."""
    value: int = struct.unpack("<I", struct.pack("<f", watts))[0]
    return value


def unsigned(value: int) -> int:
    """Return a negative number as the kernel holds it."""
    return value if value >= 0 else value + UNSIGNED


def laptop(
    *,
    connected: bool,
    milliamperes: int,
    millivolts: int,
    telemetry: tuple[int, int, int],
    system_power: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the properties of a laptop; telemetry is (SystemPowerIn, BatteryPower, SystemLoad) in milliwatts."""
    power_in, to_battery, load = telemetry
    data = {} if system_power is None else {"SystemPower": float_bits(system_power)}
    return {
        "Amperage": unsigned(milliamperes),
        "Voltage": millivolts,
        "BatteryInstalled": True,
        "ExternalConnected": connected,
        "BatteryData": data,
        "PowerTelemetryData": {
            "SystemPowerIn": power_in,
            "BatteryPower": unsigned(to_battery),
            "SystemLoad": load,
        },
    } | more


# name of the published file -> its figures
PUBLISHED = {
    "MacBook_Air_M2_macOS_27_appleAdapter": laptop(
        connected=True, milliamperes=2019, millivolts=11842, telemetry=(28217, 23987, 4230)
    ),
    "MacBook_Pro_M1_Pro_macOS_15_appleAdapter": laptop(
        connected=True,
        milliamperes=5114,
        millivolts=12532,
        telemetry=(80516, -1448, 81964),
        system_power=17.94236,
    ),
    "MacBook_Pro_M2_Max_macOS_15_onBattery": laptop(
        connected=False,
        milliamperes=-540,
        millivolts=10948,
        telemetry=(0, -6479, 6479),
        system_power=6.479512,
    ),
    "MacBook_Pro_M2_Pro_macOS_26_appleAdapter": laptop(
        connected=True, milliamperes=0, millivolts=12162, telemetry=(13907, 0, 13907), system_power=13.90779
    ),
    "MacBook_Pro_M4_Max_macOS_26_onBattery": laptop(
        connected=False,
        milliamperes=-2335,
        millivolts=12076,
        telemetry=(0, -28700, 28700),
        system_power=28.70034,
    ),
    "MacBook_Pro_M4_Pro_macOS_15_onBattery": laptop(
        connected=False, milliamperes=0, millivolts=13032, telemetry=(0, 0, 0), system_power=3.414962
    ),
}


def tree(root: Path, entries: dict[str, Any] | None = None, **files: bytes | str) -> Path:
    """Make a recorded tree of a Mac: entries of the I/O Registry, and files by their path with `__` for `/`."""
    below = root / "roadworthy"
    (below / "registry").mkdir(parents=True, exist_ok=True)
    (below / "platform").write_text("macos\n")
    for entry, properties in (entries or {}).items():
        data = properties if isinstance(properties, bytes) else plistlib.dumps(properties)
        (below / f"registry/{entry}.plist").write_bytes(data)
    for name, content in files.items():
        path = below / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root
