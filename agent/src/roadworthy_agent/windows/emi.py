"""The Energy Meter Interface: names of its channels, their counters, and which of them to read; pure.

Layouts: emi.h, https://learn.microsoft.com/windows-hardware/drivers/powermeter/energy-meter-interface. Counters are
picowatt-hours; one is 0.0036 micro-joules, so a counter goes over as an integer times 9 divided by 2500. What the
channels are called and that dies mirror each other was found by https://github.com/mlco2/codecarbon (MIT).
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.reading import Scope
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.structs import EnergyMeasurement

V1_NAME_SIZE, V1_NAME = 70, 72
V2_COUNT, V2_CHANNELS, V2_NAME = 66, 68, 6
PICOWATT_HOURS = 0  # the only unit emi.h knows
MOST_CHANNELS = 512
MEASUREMENT_BYTES = ctypes.sizeof(EnergyMeasurement)
MIRROR_PICOWATT_HOURS = 277_777_778  # a joule: two reads of one counter are milliseconds apart
HUNDRED_NANOSECONDS = 1e-7

PACKAGE = re.compile(r"RAPL_Package(?P<number>\d+)_PKG", re.IGNORECASE)
DRAM = re.compile(r"RAPL_Package\d+_DRAM", re.IGNORECASE)
PART = re.compile(r"RAPL_Package\d+_(PP[01]|(Core\d+_)?CORE)", re.IGNORECASE)
SYSTEM = re.compile(r"(RAPL_(Package\d+_)?)?(PSYS|PLATFORM|SYS|SYSTEM)", re.IGNORECASE)
PART_OF_PACKAGE = "a part of the processor: its package holds it already"
UNKNOWN_CHANNEL = "nobody has described what a channel of this name sees"


class EmiError(ProbeError):
    """The bytes are not what emi.h describes; the text says where."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of one meter; `key` is the same as long as the device runs, `scope` None where it is not read."""

    key: str
    path: str
    index: int
    name: str
    scope: Scope | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A channel's counter in picowatt-hours, and its clock in units of 100 ns."""

    energy: int
    time: int


def parse_names(version: int, data: bytes) -> tuple[str, ...]:
    """Return the names of a meter's channels, in the order of its measurements.

    Raises EmiError for another version, another unit, or metadata that break off.
    """
    if version == 1:
        return (_name(data, 0, V1_NAME_SIZE, V1_NAME)[0],)
    if version != 2:
        raise EmiError(f"energy meter interface version {version}: only 1 and 2 are known")
    count = int.from_bytes(_slice(data, V2_COUNT, 2), "little")
    if count > MOST_CHANNELS:
        raise EmiError(f"an energy meter of {count} channels")
    names, at = [], V2_CHANNELS
    for _ in range(count):
        name, at = _name(data, at, at + 4, at + V2_NAME)
        names.append(name)
    return tuple(names)


def parse_figures(data: bytes) -> tuple[Figure, ...]:
    """Return the measurements in their order; bytes that make no whole one are left out."""
    whole = len(data) // MEASUREMENT_BYTES * MEASUREMENT_BYTES
    rows = (EnergyMeasurement.from_buffer_copy(data, at) for at in range(0, whole, MEASUREMENT_BYTES))
    return tuple(Figure(row.energy, row.time) for row in rows)


def channels(meters: Sequence[Raw]) -> tuple[list[Channel], list[str]]:
    """Return every channel of every meter with what it sees, and in words which meters could not be read.

    A scope is chosen over all meters at once, as Windows shows one meter per core beside the package's.
    """
    found: list[Channel] = []
    faults: list[str] = []
    seen: dict[str, int] = {}
    for meter in sorted(meters, key=lambda each: each.text("path") or ""):
        path, data = meter.text("path") or "", meter.octets("metadata")
        if data is None:
            code = meter.number("error") or meter.inner("metadata").number("error")
            faults.append(f"an energy meter does not tell its channels (error {code})")
            continue
        try:
            names = parse_names(meter.number("version") or 0, data)
        except EmiError as error:
            faults.append(str(error))
            continue
        for index, name in enumerate(names):
            seen[name] = seen.get(name, 0) + 1
            key = f"emi:{name}" if seen[name] == 1 else f"emi:{name}#{seen[name]}"
            scope, reason = scope_of(name)
            found.append(Channel(key, path, index, name, scope, reason))
    return found, faults


def scope_of(name: str) -> tuple[Scope | None, str | None]:
    """Return what a channel sees, or None and why it is not read."""
    if PACKAGE.fullmatch(name):
        return Scope.CPU, None
    if DRAM.fullmatch(name):
        return Scope.MEMORY, None
    if SYSTEM.fullmatch(name):
        return Scope.MACHINE, None
    return None, PART_OF_PACKAGE if PART.fullmatch(name) else UNKNOWN_CHANNEL


def figures(meters: Iterable[Raw], wanted: Iterable[Channel]) -> dict[str, Figure]:
    """Return the figures of channels by key; one that could not be read is not in it."""
    by_path = {
        meter.text("path") or "": parse_figures(meter.octets("measurement") or b"") for meter in meters
    }
    return {
        channel.key: rows[channel.index]
        for channel in wanted
        if channel.index < len(rows := by_path.get(channel.path, ()))
    }


def mirrored(
    packages: Sequence[Channel], first: Mapping[str, Figure], now: Mapping[str, Figure]
) -> dict[str, str]:
    """Return the channels that show another's counter, by key, and whose.

    Equal counters and equal steps since the first look: processors of several dies show the socket's one counter on
    each. A channel that is equal only until its steps differ counts from then on.
    """
    found: dict[str, str] = {}
    for at, channel in enumerate(packages):
        for other in packages[:at]:
            if other.key not in found and _equal(channel.key, other.key, first, now):
                found[channel.key] = other.key
                break
    return found


def _equal(one: str, two: str, first: Mapping[str, Figure], now: Mapping[str, Figure]) -> bool:
    looks = [look for look in (first, now) if one in look and two in look]
    if not looks or any(look[one].energy == 0 for look in looks):
        return False
    return all(abs(look[one].energy - look[two].energy) <= MIRROR_PICOWATT_HOURS for look in looks)


def watts(
    keys: Sequence[str], first: Mapping[str, Figure], now: Mapping[str, Figure], least_seconds: float
) -> float | None:
    """Return the mean power of channels together between two looks, None unless all moved on long enough."""
    total = 0.0
    for key in keys:
        if key not in first or key not in now:
            return None
        seconds = (now[key].time - first[key].time) * HUNDRED_NANOSECONDS
        step = now[key].energy - first[key].energy
        if seconds < least_seconds or step < 0:
            return None
        total += step * 3.6e-9 / seconds
    return total if keys else None


def microjoules(energy: int) -> int:
    """Return picowatt-hours as whole micro-joules, in integers so that no counter loses its last digits."""
    return energy * 9 // 2500


def _name(data: bytes, unit_at: int, size_at: int, name_at: int) -> tuple[str, int]:
    unit = int.from_bytes(_slice(data, unit_at, 4), "little")
    if unit != PICOWATT_HOURS:
        raise EmiError(f"an energy meter counts in unit {unit}, not in picowatt-hours")
    size = int.from_bytes(_slice(data, size_at, 2), "little")
    raw = _slice(data, name_at, size)
    text = raw[: size // 2 * 2].decode("utf-16-le", "replace").split("\0")[0]
    return "".join(letter for letter in text if letter.isprintable())[:64], name_at + size


def _slice(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size]
    if len(part) < size:
        raise EmiError(f"the energy meter's metadata break off at byte {len(data)} of {at + size}")
    return part
