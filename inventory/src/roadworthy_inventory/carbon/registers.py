"""Cumulative registers to what was used: rollovers and resets named, never a negative amount.

A register that reads less than before went round (from 99999 to 00000) or was reset or exchanged. It is taken to have
gone round only where that leaves less used a day than `_ROLLED_SHARE` of all it can show; else the readings are refused until somebody says
which reading begins anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from roadworthy_inventory.carbon.quantities import CarbonError

LONGEST_DIGITS = 9
# A register is made so large that it goes round in years, not in days; a tenth of it between two readings is much.
_ROLLED_SHARE = Fraction(1, 10)


class RegisterError(CarbonError):
    """Readings that cannot be: the text says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A register read at the start of `day`, in thousandths of its unit; `digits` before the point.

    `reset_before`: the meter was exchanged or set to this reading since the one before. `actual`: read by a person or by the meter itself, not estimated.
    """

    day: dt.date
    thousandths: int
    actual: bool
    digits: int
    kwh_thousandths_per_unit: int
    reset_before: bool = False

    @property
    def full(self) -> int:
        """What the register goes round at, in thousandths of its unit."""
        return int(1000 * 10**self.digits)


@dataclass(frozen=True, slots=True)
class Used:
    """What was used from `start` until before `end`, in thousandths of a kWh. `how`: plain, rollover or reset.

    `thousandths` None: it was reset in between, so nobody knows. `actual`: both readings are.
    """

    start: dt.date
    end: dt.date
    thousandths: int | None
    actual: bool
    how: str


@dataclass(frozen=True, slots=True)
class Part:
    """What of `Used` falls into some days, spread evenly by day."""

    days: int
    thousandths: int
    actual: bool


def consumption(readings: Sequence[Reading]) -> list[Used]:
    """Return what was used between each two readings, by day. RegisterError for what cannot be."""
    ordered = sorted(readings, key=lambda one: one.day)
    found = []
    for before, after in pairwise(ordered):
        if before.day == after.day:
            raise RegisterError(f"two readings of {after.day} differ; keep the right one")
        found.append(_used(before, after))
    return found


def _used(before: Reading, after: Reading) -> Used:
    actual = before.actual and after.actual
    if after.reset_before:
        return Used(before.day, after.day, None, actual, "reset")
    units, how = after.thousandths - before.thousandths, "plain"
    if units < 0:
        units, how = units + before.full, "rollover"
        if units < 0 or units > before.full * _ROLLED_SHARE:
            raise RegisterError(
                f"{after.day}: the register reads {after.thousandths / 1000:g}, less than {before.thousandths / 1000:g} "
                f"on {before.day}, and it did not go round at {before.digits} digits; "
                "say `reset` on that row if the meter was exchanged"
            )
    each = after.kwh_thousandths_per_unit
    return Used(before.day, after.day, (2 * units * each + 1000) // 2000, actual, how)


def used_between(readings: Sequence[Reading], first: dt.date, last: dt.date) -> list[Part]:
    """Return what readings say of the days from `first` to `last`, both included; parts of a span by its days.

    Parts of one span over neighbouring years add up to the span exactly.
    """
    found = []
    end = last + dt.timedelta(days=1)
    ordered = sorted(readings, key=lambda one: one.day)
    for before, after in pairwise(ordered):
        try:
            used = _used(before, after)
        except RegisterError:
            continue  # what lies between is not known; the import named it
        start, until = max(used.start, first), min(used.end, end)
        if start >= until or used.thousandths is None:
            continue
        whole = (used.end - used.start).days
        left, right = (used.thousandths * (day - used.start).days // whole for day in (start, until))
        found.append(Part((until - start).days, right - left, used.actual))
    return found
