"""What the battery class driver answers, as values; pure.

Layouts and the meaning of each field: https://learn.microsoft.com/windows/win32/power/battery-information-str and
.../battery-status-str. Capacities are milliwatt-hours and rates milliwatts, unless the battery says "relative".
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from roadworthy_agent.windows.structs import BatteryInformation, BatteryStatus

SYSTEM_BATTERY = 0x8000_0000
CAPACITY_RELATIVE = 0x4000_0000
SHORT_TERM = 0x2000_0000  # a UPS
UNKNOWN_CAPACITY = 0xFFFF_FFFF
UNKNOWN_RATE = -0x8000_0000
ON_LINE, DISCHARGING, CHARGING = 0x1, 0x2, 0x4

# Chemistry, four letters at most, in the words the Linux kernel has for the same
CHEMISTRIES = {
    "LION": "Li-ion", "LI-I": "Li-ion", "LIP": "Li-poly", "LIPO": "Li-poly", "NIMH": "NiMH", "NICD": "NiCd",
    "NIZN": "NiZn", "PBAC": "lead-acid", "LIFE": "LiFe", "RAM": "alkaline",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Information:
    """What a battery is; milliwatt-hours None where it does not know them or tells shares instead."""

    system: bool
    short_term: bool
    relative: bool
    technology: str | None
    design_milliwatt_hours: int | None
    full_milliwatt_hours: int | None
    cycles: int


@dataclass(frozen=True, slots=True)
class Flow:
    """What a battery does now; `watts` without sign."""

    on_line: bool
    discharging: bool
    charging: bool
    watts: float | None


def parse_information(data: bytes | None) -> Information | None:
    """Return a BATTERY_INFORMATION, None for too few bytes."""
    if data is None or len(data) < ctypes.sizeof(BatteryInformation):
        return None
    told = BatteryInformation.from_buffer_copy(data)
    relative = bool(told.capabilities & CAPACITY_RELATIVE)
    return Information(
        system=bool(told.capabilities & SYSTEM_BATTERY),
        short_term=bool(told.capabilities & SHORT_TERM),
        relative=relative,
        technology=_chemistry(told.chemistry),
        design_milliwatt_hours=None if relative else _known(told.designed_capacity),
        full_milliwatt_hours=None if relative else _known(told.full_charged_capacity),
        cycles=told.cycle_count,
    )


def parse_flow(data: bytes | None, *, relative: bool) -> Flow | None:
    """Return a BATTERY_STATUS, None for too few bytes."""
    if data is None or len(data) < ctypes.sizeof(BatteryStatus):
        return None
    told = BatteryStatus.from_buffer_copy(data)
    known = not relative and told.rate != UNKNOWN_RATE
    return Flow(
        on_line=bool(told.power_state & ON_LINE),
        discharging=bool(told.power_state & DISCHARGING),
        charging=bool(told.power_state & CHARGING),
        watts=abs(told.rate) / 1000 if known else None,
    )


def _known(capacity: int) -> int | None:
    return None if capacity == UNKNOWN_CAPACITY else capacity


def _chemistry(raw: bytes) -> str | None:
    text = "".join(letter for letter in raw.decode("ascii", "ignore") if letter.isprintable()).strip()
    return CHEMISTRIES.get(text.upper(), text) or None
