"""What wears out in simulated devices: batteries of laptops and tablets, disks without moving parts."""

from __future__ import annotations

import datetime as dt

from roadworthy_collector.demo.estate import Device
from roadworthy_collector.ingest import wire_facts

_YEAR_SECONDS = 365.25 * 86_400
_WATT_HOURS = {9: 49.9, 10: 57.0, 30: 38.5}  # by SMBIOS chassis: laptop, notebook, tablet
# Of what it was made for a battery loses about this a year in daily use, and is charged fully so often.
_LOST_A_YEAR, _CYCLES_A_YEAR = 0.06, 140
_DOES_NOT_TELL = 0.04
_WORN = 0.03  # of disks: what writes logs all day


def batteries(device: Device) -> tuple[wire_facts.Battery, ...] | None:
    """Return the battery of a laptop or tablet, None for what has none; a few do not tell how worn it is."""
    design = _WATT_HOURS.get(device.model.chassis_type or 0)
    if design is None:
        return None
    draw = device.rng("battery")
    years = max(0.0, _years(device) * draw.uniform(0.6, 1.1))
    if draw.random() < _DOES_NOT_TELL:
        return (wire_facts.Battery(name="BAT0", source="simulated"),)
    health = round(min(1.03, max(0.22, 1.02 - _LOST_A_YEAR * years + draw.gauss(0, 0.05))), 3)
    return (
        wire_facts.Battery(
            name="BAT0",
            technology="Li-ion",
            design_watt_hours=design,
            full_watt_hours=round(design * health, 1),
            health_ratio=health,
            cycles=int(_CYCLES_A_YEAR * years * draw.uniform(0.5, 1.4)),
            source="simulated",
        ),
    )


def has_battery(device: Device) -> bool:
    """Return whether the device is one of those with a battery."""
    return device.model.chassis_type in _WATT_HOURS


def disk_wear(device: Device) -> float | None:
    """Return the share of its rated life the system disk has used; hard disks and virtual ones have none."""
    if device.model.medium not in {"ssd", "nvme"}:
        return None
    draw = device.rng("disk wear")
    if draw.random() < _WORN:
        return round(draw.uniform(0.81, 0.97), 2)
    return round(min(0.7, 0.04 * max(0.0, _years(device)) * draw.uniform(0.3, 1.8)), 2)


def _years(device: Device) -> float:
    """Return how old the model was when the device was enrolled: nobody replaces the firmware's date."""
    made = dt.datetime.fromisoformat(device.model.bios_date).replace(tzinfo=dt.UTC).timestamp()
    return (device.enrolled_at - made) / _YEAR_SECONDS
