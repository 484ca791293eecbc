"""What joined or left between two years, how much of them is covered, and what a changed method did: shifts for `change`.

Each is worked out of what was recorded, in whole exact numbers, from the year in which more is known: what joined is
taken as this year counts it, what left as the year before did. So a shift never takes away more than there was, and
looked at from the other year it only changes its sign.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from roadworthy_inventory.carbon.change import Shift
from roadworthy_inventory.carbon.years import year_days

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class BoundaryChange:
    """Sites that joined what is counted, or left it: `on` is the first day with them, or without; and why."""

    sites: tuple[str, ...]
    joined: bool
    on: date
    why: str

    def share(self, began: int) -> Fraction:
        """Return the share of the days of the financial year that begins in `began` on which they were counted."""
        return self.share_of((year_days(began),))

    def share_of(self, spans: Collection[tuple[date, date]]) -> Fraction:
        """Return the share of the days of some spans, by first and last day, on which they were counted."""
        days = [((self.on - first).days, (last - first).days + 1) for first, last in spans]
        before = Fraction(sum(min(max(gone, 0), of) for gone, of in days), sum(of for _, of in days))
        return 1 - before if self.joined else before


def boundary_shift(
    change: BoundaryChange,
    began: int,
    before: Shift,
    after: Shift,
    shares: tuple[Fraction, Fraction] | None = None,
) -> Shift:
    """Return what the change did to the year before the one that begins in `began`.

    `before` and `after`: devices and kWh of these sites in either year. `shares`: of the days on which they were counted,
    where not whole years are compared. Nothing where both years count them alike.
    """
    old, new = shares or (change.share(began - 1), change.share(began))
    if new >= old:
        part = 1 - old / new if new else Fraction(0)
        return Shift(after.devices * part, after.kwh * part)
    part = 1 - new / old
    return Shift(-before.devices * part, -before.kwh * part)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the time of a year's devices something is known of, in seconds.

    `silent_seconds`: of days on which a device should have told something and did not; `unknown_seconds`: of days with
    a fact, in no known state. Neither has energy.
    """

    days: int
    unknown_seconds: int
    silent_seconds: int

    @property
    def expected_seconds(self) -> int:
        """All time of the devices: days with a fact and silent ones."""
        return self.days * SECONDS_PER_DAY + self.silent_seconds

    @property
    def expected_days(self) -> Fraction:
        """Device-days expected."""
        return Fraction(self.expected_seconds, SECONDS_PER_DAY)

    @property
    def ratio(self) -> Fraction | None:
        """The part of it that is known; None where no time is expected."""
        if not self.expected_seconds:
            return None
        known = max(self.days * SECONDS_PER_DAY - self.unknown_seconds, 0)
        return Fraction(known, self.expected_seconds)


def coverage_kwh(before_kwh: Fraction, after_kwh: Fraction, before: Coverage, after: Coverage) -> Fraction:
    """Return the kWh the year before would have had more (or less) with this year's coverage.

    Of the better covered year's energy, the part the other one's coverage would not have seen. The kWh are of what
    both years count. Nought where either has no coverage to speak of.
    """
    old, new = before.ratio, after.ratio
    if not old or not new:
        return Fraction(0)
    if new >= old:
        return after_kwh * (1 - old / new)
    return -before_kwh * (1 - new / old)


@dataclass(frozen=True, slots=True)
class ModelYear:
    """A model's year: device-days with a fact, kWh, and the quality most of its energy is known by."""

    days: int
    kwh: Fraction
    known_by: str

    @property
    def a_day(self) -> Fraction | None:
        """Energy of a device-day in kWh; None where there is none to compare."""
        return self.kwh / self.days if self.days and self.kwh else None


@dataclass(frozen=True, slots=True)
class MethodChange:
    """What being known another way did, as a ratio of the year before's energy; `switched`: which models.

    `estimated` false: there were models to switch and none that stayed to hold them against, so the ratio is 1.
    """

    ratio: Fraction
    switched: tuple[str, ...]
    estimated: bool


def method_change(before: Mapping[str, ModelYear], after: Mapping[str, ModelYear]) -> MethodChange:
    """Return what the change of how energy is known did, by models that are in both years.

    Where most of a model's energy is known another way than the year before, its energy of a device-day is held
    against that of the models known as before: what it moved more or less than these is put down to the method.
    """
    both = [name for name in before if name in after and before[name].a_day and after[name].a_day]
    stayed = [name for name in both if before[name].known_by == after[name].known_by]
    switched = tuple(sorted(set(both) - set(stayed)))
    whole = sum((one.kwh for one in before.values()), Fraction(0))
    trend = _trend([(before[name], after[name]) for name in stayed])
    if not switched or not whole or not trend:
        return MethodChange(Fraction(1), switched, not switched)
    ratio = Fraction(1)
    for name in switched:
        old, new = before[name].a_day, after[name].a_day
        if old and new:
            ratio += before[name].kwh / whole * (new / old / trend - 1)
    return MethodChange(ratio, switched, estimated=True)


def _trend(pairs: Sequence[tuple[ModelYear, ModelYear]]) -> Fraction:
    """Return how energy of a device-day moved for these models, weighted by the year before; nought without any."""
    old = sum((one.kwh for one, _ in pairs), Fraction(0))
    new = sum((one.days * (other.a_day or 0) for one, other in pairs), Fraction(0))
    return new / old if old else Fraction(0)
