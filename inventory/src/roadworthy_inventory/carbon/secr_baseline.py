"""Beside this year: the year before, restated or marked; the base year and when to recalculate it; targets.

GHG Protocol Corporate Standard, chapter 5: a base year is recalculated when boundary, method or an error changes it
by more than a threshold the organisation has set; https://ghgprotocol.org/corporate-standard
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.quantities import CarbonError, Co2e

Comparability = Literal["as_reported", "restated", "not_comparable"]
# A new factor set of a later year is no cause: the base year keeps the factors of its own year.
Cause = Literal["boundary", "method", "error"]
CAUSES: tuple[Cause, ...] = ("boundary", "method", "error")


@dataclass(frozen=True, slots=True)
class PriorYear:
    """The year before as it is printed beside this one: what was reported, and what it is on today's method.

    `restated` None where it was not worked out again; `why` names what changed since.
    """

    began: int
    reported: Co2e
    restated: Co2e | None
    why: tuple[str, ...]

    @property
    def state(self) -> Comparability:
        """Whether the two years can be compared, and on which figure."""
        if not self.why:
            return "as_reported"
        return "not_comparable" if self.restated is None else "restated"

    @property
    def comparable(self) -> Co2e | None:
        """The figure to compare with; None where none is on the same footing."""
        return self.reported if not self.why else self.restated

    @property
    def mark(self) -> str:
        """What stands beside the column, empty where nothing changed."""
        if not self.why:
            return ""
        what = "restated" if self.restated is not None else "not comparable with this year"
        return f"{financial_year_label(self.began)} {what}: {'; '.join(self.why)}"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Something that would change the base year: signed CO2e, why, and since when it is known."""

    cause: Cause
    emissions: Co2e
    why: str
    on: date


@dataclass(frozen=True, slots=True)
class BaseYear:
    """The year others are measured against. `boundary` says in words what is in and what is out.

    `threshold_ratio`: of the base year's emissions; a change of more than that, all adjustments together, asks for
    recalculation. 0.05 is common; the organisation sets and publishes it.
    """

    began: int
    emissions: Co2e
    boundary: str
    threshold_ratio: Fraction = Fraction(5, 100)

    def __post_init__(self) -> None:
        if not self.boundary.strip():
            raise CarbonError("a base year needs a boundary statement: what is in, what is out, and why")
        if not 0 < self.threshold_ratio < 1:
            raise CarbonError(
                f"a recalculation threshold of {self.threshold_ratio} is none; write 0.05 for 5 %"
            )
        if self.emissions.kilograms <= 0:
            raise CarbonError("a base year without emissions cannot be measured against")

    def change_ratio(self, adjustments: tuple[Adjustment, ...]) -> Fraction:
        """Return the sizes of all adjustments, added whatever their sign, of the base year's emissions.

        Two that cancel are still two changes of what is counted, so signs are not set off. A new factor set of a
        later year is none: the base year keeps the factors of its own year.
        """
        size = sum((abs(one.emissions.kilograms) for one in adjustments), Fraction(0))
        return size / self.emissions.kilograms

    def must_recalculate(self, adjustments: tuple[Adjustment, ...]) -> bool:
        """Whether they pass the threshold."""
        return self.change_ratio(adjustments) > self.threshold_ratio

    def recalculated(self, adjustments: tuple[Adjustment, ...]) -> BaseYear:
        """Return the base year with the adjustments in it, signs and all."""
        changed = self.emissions
        for one in adjustments:
            changed += one.emissions
        return BaseYear(self.began, changed, self.boundary, self.threshold_ratio)


@dataclass(frozen=True, slots=True)
class Target:
    """A reduction against the base year by a financial year: 0.5 is half. `source`: who decided it."""

    by_began: int
    reduction_ratio: Fraction
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.reduction_ratio <= 1:
            raise CarbonError(f"a reduction of {self.reduction_ratio} is none; write 0.5 for half")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a year stands on the straight line from the base year to the target."""

    allowed: Co2e
    actual: Co2e
    reduced_ratio: Fraction
    on_line: bool


def progress(base: BaseYear, target: Target, began: int, actual: Co2e) -> Progress:
    """Return the standing of `actual` in `began`; CarbonError before the base year or with a target not after it."""
    if target.by_began <= base.began or began < base.began:
        raise CarbonError(
            f"a target by {financial_year_label(target.by_began)} and a year {financial_year_label(began)} do not "
            f"follow the base year {financial_year_label(base.began)}"
        )
    share = min(Fraction(began - base.began, target.by_began - base.began), Fraction(1))
    allowed = Co2e(base.emissions.kilograms * (1 - target.reduction_ratio * share))
    reduced = 1 - actual.kilograms / base.emissions.kilograms
    return Progress(allowed, actual, reduced, actual.kilograms <= allowed.kilograms)
