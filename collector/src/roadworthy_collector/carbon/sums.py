"""Sums of energy at the wall with their intervals, as they are kept a month at a time and read over any months.

Joules are whole numbers and add exactly. A model's error is shared by all it speaks for and adds in a straight line,
over devices and months. Devices' own errors add in quadrature over devices; from month to month they are the same
devices' and add in a straight line, which is never too little. Models and own errors add in quadrature to each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH, QUALITIES

SECONDS_PER_DAY = 86_400


@dataclass(slots=True)
class Month:
    """What is kept apart by month: devices with any fact, and their own errors squared, down and up, in joules²."""

    devices: int = 0
    down_squared: float = 0.0
    up_squared: float = 0.0


@dataclass(slots=True)
class Sum:
    """Energy by quality in joules, the order of QUALITIES; what is known of it and what is not.

    `days`: device-days with any fact, `unknown_seconds` of these days in no known state and without energy;
    `silent_seconds`: of days of devices that should have told something and did not.
    """

    joules: list[int] = field(default_factory=lambda: [0] * len(QUALITIES))
    days: int = 0
    unknown_seconds: int = 0
    silent_seconds: int = 0
    months: dict[str, Month] = field(default_factory=dict)
    shared: dict[str, list[float]] = field(default_factory=dict)

    def add(self, other: Sum) -> None:
        """Add another sum, of other devices or months."""
        for place, joules in enumerate(other.joules):
            self.joules[place] += joules
        self.days += other.days
        self.unknown_seconds += other.unknown_seconds
        self.silent_seconds += other.silent_seconds
        for name, month in other.months.items():
            held = self.months.setdefault(name, Month())
            held.devices += month.devices
            held.down_squared += month.down_squared
            held.up_squared += month.up_squared
        self.add_shared(other.shared)

    def add_shared(self, shared: Mapping[str, Sequence[float]]) -> None:
        """Add errors that are a model's, {model: (down, up)} in joules."""
        for model, (down, up) in shared.items():
            held = self.shared.setdefault(model, [0.0, 0.0])
            held[0] += down
            held[1] += up

    def told(self, month: str) -> list[Any]:
        """Return a sum of one month as JSON can hold it."""
        own = self.months.get(month, Month())
        return [
            *self.joules,
            self.days,
            self.unknown_seconds,
            self.silent_seconds,
            own.devices,
            own.down_squared,
            own.up_squared,
            {model: [math.ceil(off[0]), math.ceil(off[1])] for model, off in self.shared.items()},
        ]

    def energy(self) -> Energy:
        """Return it as it is read."""
        down = sum(math.sqrt(one.down_squared) for one in self.months.values())
        up = sum(math.sqrt(one.up_squared) for one in self.months.values())
        down = math.hypot(down, *(one[0] for one in self.shared.values()))
        up = math.hypot(up, *(one[1] for one in self.shared.values()))
        whole = sum(self.joules)
        return Energy(
            joules=tuple(self.joules),
            low_joules=max(0, whole - math.ceil(down)),
            high_joules=whole + math.ceil(up),
            devices=max((one.devices for one in self.months.values()), default=0),
            days=self.days,
            unknown_seconds=self.unknown_seconds,
            silent_seconds=self.silent_seconds,
        )


def of_told(told: Sequence[Any], month: str) -> Sum:
    """Return the sum of one month that `Sum.told` gave."""
    *joules, days, unknown, silent, devices, down, up, shared = told
    return Sum(
        list(joules),
        days,
        unknown,
        silent,
        {month: Month(devices, down, up)},
        {model: list(off) for model, off in shared.items()},
    )


def together(sums: Iterable[Sum]) -> Sum:
    """Return the sum of `sums`, leaving them as they are."""
    found = Sum()
    for one in sums:
        found.add(one)
    return found


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy at the wall: joules by quality in the order of QUALITIES, with the ends of its range.

    `devices`: with any fact, in the month that had most; one that moved counts at each place. Seconds as in `Sum`.
    """

    joules: tuple[int, ...]
    low_joules: int
    high_joules: int
    devices: int
    days: int
    unknown_seconds: int
    silent_seconds: int

    @property
    def whole_joules(self) -> int:
        """All qualities together."""
        return sum(self.joules)

    @property
    def kwh(self) -> Fraction:
        """All qualities together, exactly."""
        return Fraction(self.whole_joules, JOULES_PER_KWH)

    @property
    def coverage_ratio(self) -> float | None:
        """The part of the time of its devices that something is known of; None where there is no time at all."""
        known = max(self.days * SECONDS_PER_DAY - self.unknown_seconds, 0)
        whole = known + self.unknown_seconds + self.silent_seconds
        return known / whole if whole else None

    def kwh_of(self, quality: str) -> Fraction:
        """Return the part that is known that way, exactly."""
        return Fraction(self.joules[QUALITIES.index(quality)], JOULES_PER_KWH)

    def share(self, quality: str) -> float | None:
        """Return the share that is known that way; None where there is no energy."""
        whole = self.whole_joules
        return self.joules[QUALITIES.index(quality)] / whole if whole else None

    def told(self) -> dict[str, Any]:
        """Return it as JSON says it: kWh with three decimals, coverage and shares as ratios."""
        return {
            "kwh": kwh_number(self.whole_joules),
            "low_kwh": kwh_number(self.low_joules),
            "high_kwh": kwh_number(self.high_joules),
            "by_quality": {
                name: {"kwh": kwh_number(joules), "share": self.share(name)}
                for name, joules in zip(QUALITIES, self.joules, strict=True)
            },
            "devices": self.devices,
            "device_days": self.days,
            "unknown_hours": round((self.unknown_seconds + self.silent_seconds) / 3600, 1),
            "coverage_ratio": self.coverage_ratio,
        }


def kwh_number(joules: int) -> float:
    """Return joules as kWh to the watt-hour, for people and JSON; what is filed is worked out of the exact ones."""
    return round(joules / JOULES_PER_KWH, 3)
