"""Reading how worn the batteries are on Windows: the battery class driver.

`Win32_Battery` leaves its capacities empty in practice (https://superuser.com/q/994185); the driver does not.
"""

from __future__ import annotations

from roadworthy_agent.facts import Battery
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status
from roadworthy_agent.probes.battery.parse import BatteryTexts, battery
from roadworthy_agent.windows.battery import Information, parse_information
from roadworthy_agent.windows.machine import WindowsMachine, machine_of
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.recorder import RecordingWindows

FILES: tuple[str, ...] = ()
SOURCE = "IOCTL_BATTERY_QUERY_INFORMATION"
MOST_BATTERIES = 16  # what the wire takes
ERROR_FILE_NOT_FOUND = 2  # the driver's answer for a slot without a battery


def collect(context: Context) -> ProbeResult[tuple[Battery, ...]]:
    """Read every battery of the machine."""
    return read(machine_of(context))


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe read of Windows; no serial number was asked for."""
    recording = RecordingWindows(machine_of(context))
    read(recording)
    return recording.files("battery")


def read(machine: WindowsMachine) -> ProbeResult[tuple[Battery, ...]]:
    """Return the batteries that carry the machine; a UPS is none of them."""
    raw = machine.calls("battery")
    if raw.inner("batteries").values or "batteries" not in raw.values:
        refused = raw.missing("batteries", "battery")
        return ProbeResult("battery", refused.status, reason=refused.reason, source=SOURCE)
    found: list[Battery] = []
    missing: list[Missing] = []
    for number, each in enumerate(raw.each("batteries")[:MOST_BATTERIES], 1):
        name = f"battery-{number}"
        told = parse_information(each.octets("information"))
        if told is None:
            if each.number("error") != ERROR_FILE_NOT_FOUND:
                missing.append(_refusal(each, name))
        elif told.system and not told.short_term:
            one, without = _battery(each, name, told)
            found.append(one)
            missing += without
    if not found:
        status = missing[0].status if missing else Status.NOT_SUPPORTED
        reason = missing[0].reason if missing else "this device has no battery"
        return ProbeResult("battery", status, reason=reason, source=SOURCE, missing=tuple(missing))
    return ProbeResult("battery", Status.OK, tuple(found), source=SOURCE, missing=tuple(missing))


def _battery(raw: Raw, name: str, told: Information) -> tuple[Battery, tuple[Missing, ...]]:
    faults = {}
    if told.relative:
        reason = "the battery tells shares of what it holds, no watt hours"
        for which in ("energy_full", "energy_full_design", "charge_full", "charge_full_design"):
            faults[which] = Missing("battery", Status.NOT_SUPPORTED, reason)
    texts = BatteryTexts(
        name=name,
        vendor=raw.text("maker"),
        model=raw.text("name"),
        technology=told.technology,
        energy_full=_micro(told.full_milliwatt_hours),
        energy_full_design=_micro(told.design_milliwatt_hours),
        cycles=told.cycles,
        faults=faults,
    )
    return battery(texts, SOURCE)


def _micro(milliwatt_hours: int | None) -> int | None:
    return None if milliwatt_hours is None else milliwatt_hours * 1000


def _refusal(raw: Raw, name: str) -> Missing:
    if raw.number("error") is not None:
        return Raw({name: dict(raw.values)}).missing(name, f"battery.{name}")
    return raw.missing("information", f"battery.{name}")
