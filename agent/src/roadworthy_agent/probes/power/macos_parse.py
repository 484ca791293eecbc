"""From the properties of AppleSmartBattery to power; pure.

PowerTelemetryData is in milliwatts: SystemPowerIn (what the adapter or power unit delivers) = BatteryPower (into the
battery, negative out of it) + SystemLoad (what the machine draws). The published readings of seven Macs in
https://github.com/Kyome22/SystemInfoKit/tree/main/MeasuredValues (MIT) keep to it: 28217 = 23987 + 4230. It is measured
behind the adapter, whose own loss is not in it: it is the machine, and no wall meter.

Two things were seen there that decide what is taken:

* An M1 Pro counts what charges its battery in SystemLoad (82 W, of which 64 W charge). BatteryData.SystemPower, where
  there is one (macOS 26 and older, laptops), told the machine alone in all five readings, also where SystemLoad was 0.
  So it is taken first, and SystemLoad only while the telemetry's battery agrees with the battery's own current.
* Each figure is of one second and is refreshed about once a minute. AccumulatedSystemLoad grows by one reading a second
  (1,073,578 in 1,073,598 s on a Mac Studio): divided by its own count it is the mean of the time between two looks in
  milliwatts, whatever unit a sum has (milliwatt seconds here; the *Energy* sums are microwatt hours). A sum that steps
  back, or a mean no Mac can draw (other sums had jumped by multiples of 2^32), is not taken.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roadworthy_agent.macos.registry import flag, inner, number
from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.reading import BatteryFlow, Meter, PowerReading, Refusal, Register, Scope

SOURCE = "ioreg:AppleSmartBattery"
LOAD, POWER_IN, TO_BATTERY, POWER = "SystemLoad", "SystemPowerIn", "BatteryPower", "SystemPower"
SUM, COUNT = "AccumulatedSystemLoad", "SystemLoadAccumulatorCount"
WALL = "WallEnergyEstimate"
MOST_MILLIWATTS = 600_000  # the largest adapter has 140 W, a Mac Studio's power unit 480 W
AGREEMENT_RATIO, AGREEMENT_MILLIWATTS = 0.25, 2000  # the two are not read at the same second
NOTHING = (
    "AppleSmartBattery holds neither power telemetry nor a battery: this desktop tells its power to root only"
)
NO_TELEMETRY = (
    "AppleSmartBattery holds no power telemetry: Intel Macs and some desktops tell their power to root only"
)
NO_VALUE = "the power telemetry is there, but holds no draw of the machine"
CONTRADICTS = (
    "the power telemetry contradicts the battery's own current, so it may count what charges the battery"
)
NOT_THE_WALL = "Apple's own estimate of the adapter's loss: no measurement"
WITH_CHARGING = "includes what charges the battery, which counts when it is used"
MAY_CHARGE = "counts what charges the battery on some Macs"


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The sum of SystemLoad and how many readings are in it."""

    total: int
    count: int


def parse_power(
    properties: Mapping[str, Any], before: Telemetry | None = None
) -> tuple[PowerReading, Telemetry | None, tuple[Missing, ...]]:
    """Return what the instruments say, the sums to remember, and what is missing."""
    told = inner(properties, "PowerTelemetryData")
    battery = _battery(properties, told)
    now: Telemetry | None = None
    name, watts = POWER, system_power(inner(properties, "BatteryData").get(POWER))
    why = None
    if watts is None:
        name = LOAD
        why = _why_not(properties, told)
        if why is None:
            now = _sums(told)
            mean = mean_milliwatts(before, now)
            watts = (mean if mean is not None else number(told, LOAD) or 0) / 1000
    meters: tuple[Meter, ...] = ()
    if watts is not None:
        meters = (Meter(Scope.MACHINE, f"{SOURCE}:{name}", (Register(name, watts=watts),)),)
    missing = () if why is None else (Missing("energy.machine", *why),)
    return PowerReading(meters, _refused(told, name if meters else ""), battery), now, missing


def system_power(value: Any) -> float | None:
    """Return BatteryData.SystemPower in watts: the 32 bits of a float, in a whole number; None for no such thing."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and 0 <= value < 1 << 32:
        (value,) = struct.unpack("<f", struct.pack("<I", value))
    if not isinstance(value, float) or not math.isfinite(value):
        return None
    # Some 10^-38 W stands for nothing; a running machine draws more than a tenth of a watt
    return round(value, 3) if 0.1 <= value <= MOST_MILLIWATTS / 1000 else None


def mean_milliwatts(before: Telemetry | None, now: Telemetry | None) -> float | None:
    """Return the mean between two looks; None where nothing was added or the sums cannot be believed."""
    if before is None or now is None or now.count <= before.count:
        return None
    mean = (now.total - before.total) / (now.count - before.count)
    return mean if 0 < mean <= MOST_MILLIWATTS else None


def _sums(told: Mapping[str, Any]) -> Telemetry | None:
    total, count = number(told, SUM), number(told, COUNT)
    return Telemetry(total, count) if total is not None and count is not None and count > 0 < total else None


def _why_not(properties: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[Status, str] | None:
    """Say why SystemLoad is not taken; None where it is. A running machine never draws nothing: 0 is no value."""
    load = number(told, LOAD)
    if load is None:
        return Status.NOT_SUPPORTED, NO_TELEMETRY
    if not 0 < load <= MOST_MILLIWATTS:
        return Status.NO_DATA_YET, NO_VALUE
    flows, by_current = number(told, TO_BATTERY), _by_current(properties)
    if flows is None or by_current is None or flag(properties, "BatteryInstalled") is not True:
        return None
    apart = abs(flows - by_current)
    agrees = apart <= max(AGREEMENT_MILLIWATTS, AGREEMENT_RATIO * abs(by_current))
    return None if agrees else (Status.NO_DATA_YET, CONTRADICTS)


def _refused(told: Mapping[str, Any], taken: str) -> tuple[Refusal, ...]:
    found = []
    if taken == POWER and number(told, LOAD) is not None:
        found.append(Refusal(Scope.MACHINE, f"{SOURCE}:{LOAD}", MAY_CHARGE))
    if number(told, POWER_IN) is not None:
        found.append(Refusal(Scope.MACHINE, f"{SOURCE}:{POWER_IN}", WITH_CHARGING))
    if number(told, WALL) is not None:
        found.append(Refusal(Scope.WALL, f"{SOURCE}:{WALL}", NOT_THE_WALL))
    return tuple(found)


def _battery(properties: Mapping[str, Any], told: Mapping[str, Any]) -> BatteryFlow | None:
    """Return the battery's flow; None without a battery. While a supply is connected it does not carry the machine."""
    outside = flag(properties, "ExternalConnected")
    if flag(properties, "BatteryInstalled") is not True or outside is None:
        return None
    if outside:
        return BatteryFlow(discharging=False, watts=None, source=SOURCE)
    milliwatts, name = number(told, TO_BATTERY), TO_BATTERY
    if milliwatts is None or not -MOST_MILLIWATTS <= milliwatts < 0:
        milliwatts, name = _by_current(properties), "Voltage*Amperage"
    watts = None if milliwatts is None or milliwatts >= 0 else -milliwatts / 1000
    return BatteryFlow(discharging=True, watts=watts, source=f"{SOURCE}:{name}")


def _by_current(properties: Mapping[str, Any]) -> int | None:
    """Return millivolts times milliamperes as milliwatts (negative: out of the battery), None where not told."""
    volts, amperes = number(properties, "Voltage"), number(properties, "Amperage")
    if volts is None or amperes is None or volts <= 0:
        return None
    milliwatts = round(volts * amperes / 1000)
    return milliwatts if abs(milliwatts) <= MOST_MILLIWATTS else None
