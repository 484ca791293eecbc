"""Avoidable electricity: machines on and unused outside their site's shifts, out of their model's family, or idle servers.

What is counted is time a device itself told of, idle or locked, in half-hours outside the shift calendar of its site.
Control rooms, custody and others that must be on never appear, whatever they draw. What would be saved is the
difference to being off. Kilowatt-hours come first; pounds and tonnes follow from them.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.state_power import watts_of
from roadworthy_inventory.replacement_inputs import Range

# On is what these are for: they never appear in a list of waste.
ALWAYS_ON = frozenset({"control_room", "custody", "vdi_host", "vehicle_terminal", "restricted"})
PERIOD_SECONDS = 1800
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Ours: a night is slept through where at most a tenth of it was spent on, and sleep fails where no night is.
SLEPT_RATIO, SLEEP_NIGHTS = 0.1, 5
OUT_OF_FAMILY_RATIO, FAMILY_DEVIATIONS, FAMILY_SIZE = 1.5, 4.0, 5
IDLE_SERVER_RATIO, IDLE_SERVER_DAYS = 0.02, 28
_MAD_TO_DEVIATION = 1.4826  # of a normal distribution


class ShiftError(CarbonError):
    """A shift calendar that cannot be; the text names the day."""


@dataclass(frozen=True, slots=True)
class ShiftCalendar:
    """When people work at a site: {weekday: ((from, to), ...)} as minutes after local midnight; `closed` days have none.

    A shift past midnight is written as two. A weekday that is left out has no shift.
    """

    shifts: Mapping[str, tuple[tuple[int, int], ...]]
    closed: frozenset[dt.date] = frozenset()

    def __post_init__(self) -> None:
        for day, spans in self.shifts.items():
            if day not in WEEKDAYS:
                raise ShiftError(f"{day!r} is none of {', '.join(WEEKDAYS)}")
            for begin, end in spans:
                if not 0 <= begin < end <= 24 * 60:
                    raise ShiftError(f"{day}: {begin} to {end} minutes after midnight is no shift")

    def works(self, start: int, zone: ZoneInfo) -> bool:
        """Whether any of the half-hour that begins at epoch second `start` lies in a shift."""
        local = dt.datetime.fromtimestamp(start, zone)
        if local.date() in self.closed:
            return False
        minute = local.hour * 60 + local.minute
        spans = self.shifts.get(WEEKDAYS[local.weekday()], ())
        return any(begin < minute + PERIOD_SECONDS // 60 and minute < end for begin, end in spans)


@dataclass(frozen=True, slots=True)
class HalfHour:
    """What a device told of the half-hour that begins at epoch second `start`: seconds on, and unused of those."""

    start: int
    unused_seconds: float  # idle or locked
    told_seconds: float  # in any known state


@dataclass(frozen=True, slots=True)
class UnusedOn:
    """Time on and unused outside the shifts, of so many told; nights told, and slept through."""

    seconds: float
    told_seconds: float
    nights: int
    nights_slept: int

    @property
    def sleep_fails(self) -> bool:
        """Whether it stayed on every night there was something told of, and those were enough nights to say so."""
        return self.nights >= SLEEP_NIGHTS and self.nights_slept == 0


@dataclass(frozen=True, slots=True)
class OutOfFamily:
    """A device that draws more than its model's others: its watts, their median, and how many they are."""

    watts: float
    median_watts: float
    siblings: int


def may_be_off(usage_profile: str) -> bool:
    """Whether a device of this profile may be off when nobody works."""
    return usage_profile not in ALWAYS_ON


def unused_on(half_hours: Iterable[HalfHour], calendar: ShiftCalendar, zone: ZoneInfo) -> UnusedOn:
    """Return the time on and unused outside the shifts. A night belongs to the local day it begins on, from noon."""
    unused = told = 0.0
    nights: dict[dt.date, list[float]] = {}
    for one in half_hours:
        if calendar.works(one.start, zone):
            continue
        unused, told = unused + one.unused_seconds, told + one.told_seconds
        day = (dt.datetime.fromtimestamp(one.start, zone) - dt.timedelta(hours=12)).date()
        night = nights.setdefault(day, [0.0, 0.0])
        night[0] += one.unused_seconds
        night[1] += one.told_seconds
    known = [(spent, of) for spent, of in nights.values() if of > 0]
    slept = sum(spent <= SLEPT_RATIO * of for spent, of in known)
    return UnusedOn(unused, told, len(known), slept)


def saved_joules(item_class: str, made: dt.date | None, seconds: float) -> Range | None:
    """Return what being off instead of idle for `seconds` would save, None for a class without published watts."""
    idle, off = watts_of(item_class, "idle", made), watts_of(item_class, "off", made)
    if idle is None or off is None:
        return None
    low = max(idle.watts.low - off.watts.high, 0.0)
    likely = idle.watts.likely - off.watts.likely
    return Range(low * seconds, likely * seconds, (idle.watts.high - off.watts.low) * seconds)


def out_of_family(watts: Mapping[str, float]) -> dict[str, OutOfFamily]:
    """Return the devices of one model, given as {device: mean watts of its own sensor}, that draw far more than the rest.

    Half as much again as the median and four deviations above it (by the median absolute deviation, which the odd
    ones do not move); nobody where the model has fewer than five devices that tell.
    """
    if len(watts) < FAMILY_SIZE:
        return {}
    median = statistics.median(watts.values())
    spread = _MAD_TO_DEVIATION * statistics.median(abs(one - median) for one in watts.values())
    limit = max(OUT_OF_FAMILY_RATIO * median, median + FAMILY_DEVIATIONS * spread)
    return {name: OutOfFamily(one, median, len(watts)) for name, one in watts.items() if one > limit}


def against_family(watts: Mapping[str, float]) -> dict[str, float]:
    """Return {device: its mean watts over the median of its model}, given as for `out_of_family`.

    Of nobody where the model has fewer than five devices that tell.
    """
    median = statistics.median(watts.values()) if len(watts) >= FAMILY_SIZE else 0.0
    return {name: one / median for name, one in watts.items()} if median > 0 else {}


def idle_server(daily_cpu_ratios: Iterable[float | None]) -> bool | None:
    """Whether a server hardly worked: below 2 % on each of the last 28 days; None where fewer days are told."""
    told = [ratio for ratio in daily_cpu_ratios if ratio is not None]
    if len(told) < IDLE_SERVER_DAYS:
        return None
    return max(told[-IDLE_SERVER_DAYS:]) < IDLE_SERVER_RATIO
