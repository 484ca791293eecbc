"""Which factor set holds for a year from April to March: the two ways the conversion factors' introduction allows.

*Majority*: the set of the calendar year most of the days lie in, for all of them. *Blended*: the sets of all calendar
years, by days. Either must be stated and kept to from year to year.
Source: https://www.gov.uk/government/collections/government-conversion-factors-for-company-reporting
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from roadworthy_inventory.carbon.factors import Factor, FactorBook, Item, Unit
from roadworthy_inventory.carbon.quantities import MissingFactorError, YearError

Rule = Literal["majority", "blended"]
RULES: tuple[Rule, ...] = ("majority", "blended")


@dataclass(frozen=True, slots=True)
class Weight:
    """A factor set and how many days of the year it holds for."""

    set_year: int
    days: int


def days_by_year(first: date, last: date) -> tuple[Weight, ...]:
    """Return the days from `first` to `last`, both included, by calendar year."""
    if last < first:
        raise YearError(f"a year cannot end ({last}) before it begins ({first})")
    return tuple(
        Weight(year, (min(last, date(year, 12, 31)) - max(first, date(year, 1, 1))).days + 1)
        for year in range(first.year, last.year + 1)
    )


def weights(first: date, last: date, rule: Rule) -> tuple[Weight, ...]:
    """Return the sets that hold. Of two years with equally many days the earlier has the majority."""
    by_year = days_by_year(first, last)
    if rule == "blended":
        return by_year
    most = max(by_year, key=lambda one: (one.days, -one.set_year))
    return (Weight(most.set_year, sum(one.days for one in by_year)),)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A factor for a period: the exact blend, or None and why. `parts`: each set's row with its days."""

    item: Item
    unit: Unit
    value: Fraction | None
    reason: str | None
    parts: tuple[tuple[Weight, Factor], ...]

    @property
    def provisional(self) -> bool:
        """Whether a part is seen second hand only: a report on it cannot be issued."""
        return any(row.status == "provisional" for _, row in self.parts)

    def require(self) -> Fraction:
        """Return the value; MissingFactorError where there is none."""
        if self.value is None:
            raise MissingFactorError(self.reason or "there is no such factor")
        return self.value


def resolve(
    book: FactorBook, item: Item, first: date, last: date, rule: Rule, unit: Unit = "kgCO2e/kWh"
) -> Resolved:
    """Return the factor of `item` for the days from `first` to `last`; missing where any part is."""
    parts = []
    try:
        parts = [(one, book.of(one.set_year, item, unit)) for one in weights(first, last, rule)]
        days = sum(one.days for one, _ in parts)
        value = sum((row.exact * one.days for one, row in parts), Fraction(0)) / days
    except MissingFactorError as error:
        return Resolved(item, unit, None, str(error), tuple(parts))
    return Resolved(item, unit, value, None, tuple(parts))


def added(one: Resolved, other: Resolved) -> Resolved:
    """Return two factors of the same unit and set as one, named as the first; missing where either is."""
    missing = next((each.reason for each in (one, other) if each.value is None), None)
    value = None if missing is not None else one.require() + other.require()
    return Resolved(one.item, one.unit, value, missing, one.parts)


def set_name(found: Resolved) -> str:
    """Return the factor set, or sets with their days, as a report names them."""
    if len(found.parts) == 1:
        return found.parts[0][1].set_name
    return " and ".join(f"{row.set_name} ({one.days} days)" for one, row in found.parts)
