"""What polling a device gives: who it is, its readings, and what was refused and why.

The same whether SNMP or Redfish was asked. A value that is not there is no reading and, where the profile expects
it, a refusal; never a nought.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Quality = Literal["metered", "sensor", "modelled", "assumed"]
Kind = Literal[
    "active_power",  # W
    "apparent_power",  # VA, never taken for watts
    "idle_power",  # W, what the device says it takes when idle; never its power of now
    "energy",  # Wh, of a register that only rises until it wraps or somebody resets it
    "load",  # ratio of what the device is made for
    "current",  # A
    "voltage",  # V
    "power_factor",  # ratio
    "efficiency",  # ratio
    "charge",  # ratio of a battery
    "runtime",  # s, what a battery would last
    "duration",  # s, how long something has gone on
    "frequency",  # Hz
    "temperature",  # degrees Celsius
    "humidity",  # ratio
    "page_count",  # pages: impressions or sheets, as the label says
    "hours",  # h, of something that counts its hours
    "supply",  # ratio left of toner, drum, maintenance kit
    "paper",  # ratio of what a tray can hold
    "utilisation",  # ratio of a processor or memory
    "memory",  # bytes of main memory built in
    "uptime",  # s
    "state",  # text: one of the profile's words
    "since",  # text: an ISO date, from which a register counts
    "nameplate_power",  # W, what the device is made for
    "nameplate_apparent_power",  # VA, what the device is made for
]
# Where on the device. Of nested places only the outermost counts as what the device takes: an inlet contains its
# phases and outlets.
Place = Literal[
    "input",
    "bypass",
    "output",
    "phase",
    "bank",
    "outlet",
    "supply_unit",
    "battery",
    "system",
    "poe",
    "engine",
    "sensor",
]
DeviceKind = Literal[
    "ups", "pdu", "printer", "switch", "management_controller", "server", "sensor", "meter", "other"
]
UNITS: dict[str, str] = {
    "active_power": "W",
    "apparent_power": "VA",
    "idle_power": "W",
    "energy": "Wh",
    "load": "ratio",
    "current": "A",
    "voltage": "V",
    "power_factor": "ratio",
    "efficiency": "ratio",
    "charge": "ratio",
    "runtime": "s",
    "duration": "s",
    "frequency": "Hz",
    "temperature": "degC",
    "humidity": "ratio",
    "page_count": "pages",
    "hours": "h",
    "supply": "ratio",
    "paper": "ratio",
    "utilisation": "ratio",
    "memory": "B",
    "uptime": "s",
    "state": "text",
    "since": "date",
    "nameplate_power": "W",
    "nameplate_apparent_power": "VA",
}
# Of these kinds a reading is text.
TEXT_KINDS: frozenset[Kind] = frozenset({"state", "since"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value in the unit of its kind (`UNITS`); text where the kind is one of `TEXT_KINDS`.

    `name` is the profile's (output_power), `index` tells rows of a table apart ("" of a scalar). `quality` is
    "metered" for a meter at the wall, "sensor" for what a device says of itself inside. Of `energy`
    `wraps_at_watt_hours` is where the register begins anew, where that is known, and `step_watt_hours` the smallest
    difference it can show.
    """

    name: str
    index: str
    kind: Kind
    place: Place
    value: float | str
    quality: Quality
    source: str  # as in the facts: "snmp apc-rpdu2 1.3.6.1.4.1.318.1.1.26.4.3.1.5.1"
    label: str | None = None  # what the device calls it: an outlet's name
    relative_error: float | None = None
    wraps_at_watt_hours: float | None = None
    step_watt_hours: float = 1.0

    @property
    def unit(self) -> str:
        """The unit of the value."""
        return UNITS[self.kind]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value that was there and is not believed, or was expected and is not there. `code` is one word.

    `kind` and `place` are what it would have been, None where nothing there was to be read; `parts` is the place of rows
    of which there are more than came.
    """

    name: str
    index: str
    code: Literal["missing", "sentinel", "out_of_range", "not_a_number", "unknown_unit", "not_believed"]
    reason: str  # in words: what came, and why it is no reading
    source: str = ""
    kind: Kind | None = None
    place: Place | None = None
    parts: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the device says it is; None where it does not."""

    kind: DeviceKind
    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    part_number: str | None = None
    firmware: str | None = None
    asset_tag: str | None = None
    made: str | None = None  # ISO date
    name: str | None = None  # sysName or what its owner called it
    battery_replaced: str | None = None  # ISO date of the battery


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAnswer:
    """One poll of one device, whatever was asked."""

    identity: Identity
    profiles: tuple[str, ...]  # those that matched, the most particular first
    why: tuple[str, ...]  # a sentence for each: what matched
    readings: tuple[Reading, ...]
    refusals: tuple[Refusal, ...] = ()
    requests: int = 0
    seconds: float = 0.0
    flags: dict[str, bool] = field(default_factory=dict)  # battery_replace, on_battery, printer_worn ...
