"""Reading how worn the battery is on macOS: the I/O Registry, for any account, without starting anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.facts import Battery
from roadworthy_agent.macos.machine import machine_of, recording
from roadworthy_agent.macos.registry import flag, inner, number
from roadworthy_agent.placeholders import meaningful
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status

FILES: tuple[str, ...] = ()
ENTRY = "AppleSmartBattery"
SOURCE = "ioreg:AppleSmartBattery"
MOST_MILLIAMPERE_HOURS = 100_000
MOST_CYCLES = 100_000
NO_BATTERY = "this Mac has no battery"
NO_ENERGY = "macOS tells charge (ampere hours), not energy"
PER_CENT = 100  # MaxCapacity of Apple's own processors is a percentage

Result = ProbeResult[tuple[Battery, ...]]


def collect(context: Context) -> Result:
    """Look at the battery."""
    try:
        properties = machine_of(context).registry(ENTRY)
    except ProbeError as error:
        return ProbeResult("battery", Status.ERROR, reason=str(error), source=SOURCE)
    if isinstance(properties, Missing):
        reason = NO_BATTERY if properties.status is Status.NOT_SUPPORTED else properties.reason
        return ProbeResult("battery", properties.status, (), reason, source=SOURCE)
    found = parse_battery(properties)
    if found is None:
        return ProbeResult("battery", Status.NOT_SUPPORTED, (), NO_BATTERY, source=SOURCE)
    battery, missing = found
    return ProbeResult("battery", Status.OK, (battery,), source=SOURCE, missing=missing)


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe reads."""
    return recording(context, entries=(ENTRY,))


def parse_battery(properties: Mapping[str, Any]) -> tuple[Battery, tuple[Missing, ...]] | None:
    """Return the battery and what is missing of it; None where none is installed: desktops have the entry too.

    Capacities are milliampere hours. macOS 27 moved them into BatteryData; MaxCapacity is milliampere hours on
    Intel and per cent on Apple's own processors, so it counts only where it cannot be a percentage.
    """
    data = inner(properties, "BatteryData")
    design = _charge(properties, "DesignCapacity") or _charge(data, "DesignCapacity")
    if flag(properties, "BatteryInstalled") is not True and design is None:
        return None
    if flag(properties, "BatteryInstalled") is False:
        return None
    full = _charge(properties, "AppleRawMaxCapacity") or _charge(data, "FullChargeCapacity")
    if full is None and (most := _charge(properties, "MaxCapacity")) is not None and most > PER_CENT:
        full = most
    cycles = number(properties, "CycleCount")
    model, vendor = properties.get("DeviceName"), properties.get("Manufacturer")
    ratio = None if full is None or design is None else round(full / design, 4)
    battery = Battery(
        name=ENTRY,
        vendor=meaningful(vendor) if isinstance(vendor, str) else None,
        model=meaningful(model) if isinstance(model, str) else None,
        design_ampere_hours=None if design is None else design / 1000,
        full_ampere_hours=None if full is None else full / 1000,
        health_ratio=ratio if ratio is None or ratio <= 2 else None,
        cycles=cycles if cycles is not None and 0 <= cycles <= MOST_CYCLES else None,
        source=SOURCE,
    )
    return battery, _missing(battery)


def _missing(battery: Battery) -> tuple[Missing, ...]:
    field = f"battery.{battery.name}"
    found = [Missing(f"{field}.full_watt_hours", Status.NOT_SUPPORTED, NO_ENERGY)]
    for name, why in (
        ("design_ampere_hours", "the battery does not say what it held when new"),
        ("full_ampere_hours", "the battery does not say what it holds now"),
        ("cycles", "the battery does not say how often it was charged"),
    ):
        if getattr(battery, name) is None:
            found.append(Missing(f"{field}.{name}", Status.NOT_SUPPORTED, why))
    if battery.health_ratio is None and battery.full_ampere_hours and battery.design_ampere_hours:
        found.append(
            Missing(f"{field}.health_ratio", Status.ERROR, "it says it holds over twice what it did when new")
        )
    return tuple(found)


def _charge(properties: Mapping[str, Any], name: str) -> int | None:
    value = number(properties, name)
    return value if value is not None and 0 < value <= MOST_MILLIAMPERE_HOURS else None
