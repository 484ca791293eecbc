"""Shares over years, with a mark where the method changed, and the target line.

A target is a cut of ongoing cost, in money: with 80 of 100 ongoing and change spending held, 30 % off leaves 56 of
76, a share of 73.7 % and not 50 %. So a target always shows pounds and share together. Real terms need a deflator,
which the user gives with its source; none ships with the product, because its choice moves the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from roadworthy_inventory.costs import CostError, Method, Share
from roadworthy_inventory.ledger import YEAR_END_PERIOD
from roadworthy_inventory.money import round_pence

Terms = Literal["cash", "real"]
_LAST_MONTH = YEAR_END_PERIOD - 1


def span(periods: Collection[int]) -> tuple[int, int] | None:
    """Return the first and last month booked, 1 to 12, None where none is told; year end's 13 belongs to March."""
    months = [min(period, _LAST_MONTH) for period in periods]
    return (min(months), max(months)) if months else None


def periods_in_words(periods: Collection[int]) -> str:
    """Return `periods 1-7, 9`, or that none is told."""
    runs: list[list[int]] = []
    for period in sorted(set(periods)):
        if runs and period == runs[-1][-1] + 1:
            runs[-1].append(period)
        else:
            runs.append([period])
    if not runs:
        return "periods not told"
    told = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"period{'s' if len(runs) > 1 or len(runs[0]) > 1 else ''} {told}"


@dataclass(frozen=True, slots=True)
class YearShare:
    """One year's share, by the method it was counted with.

    `periods`: the accounting periods booked; empty where the ledger tells none, None where the caller vouches that
    the year is whole.
    """

    financial_year: int
    share: Share
    method: Method
    periods: frozenset[int] | None = None

    def compares_with(self, other: YearShare) -> bool:
        """Whether both are of the same months: seven periods beside twelve differ by five months, not by cost."""
        if self.periods is None and other.periods is None:
            return True
        mine, theirs = (
            (1, _LAST_MONTH) if one.periods is None else span(one.periods) for one in (self, other)
        )
        return mine is not None and mine == theirs


@dataclass(frozen=True, slots=True)
class YearStep:
    """A year beside the one before it.

    `method_changed`: what differs from the year before (rules, basis, ...), for the mark on the page. The changes
    (pence, and points as a fraction of 1) are None for the first year, where the method changed, where the two are
    not of the same accounting periods (`periods_differ`), and where a year has no figure; `since` is the year
    compared with.
    """

    year: YearShare
    since: int | None
    method_changed: tuple[str, ...]
    numerator_change_pence: int | None
    value_change: float | None
    periods_differ: bool = False


def year_on_year(years: Iterable[YearShare]) -> tuple[YearStep, ...]:
    """Return the years in order, each beside the one before; CostError for two of a year or mixed definitions."""
    ordered = sorted(years, key=lambda entry: entry.financial_year)
    if len({entry.financial_year for entry in ordered}) != len(ordered):
        raise CostError("a financial year is there twice")
    if len({entry.share.definition.letter for entry in ordered}) > 1:
        raise CostError("shares of different definitions cannot stand in one row of years")
    steps = []
    before: YearShare | None = None
    for entry in ordered:
        changed = () if before is None else entry.method.changes(before.method)
        differ = before is not None and not entry.compares_with(before)
        pence = value = None
        # Two figures of two methods are two figures: their difference would be a change of method, not of cost.
        figures = before is not None and None not in (entry.share.value, before.share.value)
        if before is not None and figures and not changed and not differ:
            value = (entry.share.value or 0.0) - (before.share.value or 0.0)
            pence = entry.share.numerator_pence - before.share.numerator_pence
        steps.append(
            YearStep(entry, None if before is None else before.financial_year, changed, pence, value, differ)
        )
        before = entry
    return tuple(steps)


@dataclass(frozen=True, slots=True)
class Deflator:
    """Price levels by financial year, as the user gives them, with the address or title they come from.

    Raises CostError without a source, or for a level that is not above nought.
    """

    source: str
    as_of: date
    levels: Mapping[int, Fraction]

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise CostError("a deflator needs its source: whose price index it is, and where it is published")
        for year, level in self.levels.items():
            if level <= 0:
                raise CostError(f"the deflator's level for {year} is {level}; it must be above nought")

    def ratio(self, year: int, base_year: int) -> Fraction:
        """Return prices of `year` over prices of `base_year`; CostError where a level is missing."""
        for wanted in (year, base_year):
            if wanted not in self.levels:
                raise CostError(f"the deflator ({self.source}) has no level for the financial year {wanted}")
        return self.levels[year] / self.levels[base_year]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cut of the cost in `base`'s numerator by `cut_ratio` (0 to 1), from `base_year` to `target_year`.

    Raises CostError where the base has no single figure, the years are not in order, the cut is not from 0 to 1, or
    real terms lack a deflator.
    """

    base: Share
    base_year: int
    target_year: int
    cut_ratio: Fraction
    terms: Terms = "cash"
    deflator: Deflator | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.base, Share):
            raise CostError("a target stands on a share from a general ledger, not on published payments")
        if self.base.value is None or self.base.denominator_pence is None:
            raise CostError(f"no target without a figure for the base year: {self.base.reason}")
        if self.target_year <= self.base_year:
            raise CostError("the target year comes after the base year")
        if not 0 <= self.cut_ratio <= 1:
            raise CostError(f"the cut {self.cut_ratio} is not from 0 to 1")
        if self.terms not in ("cash", "real"):
            raise CostError(f"terms are cash or real, not {self.terms!r}")
        if (self.deflator is not None) != (self.terms == "real"):
            raise CostError("real terms need a deflator with its source; cash terms take none")


@dataclass(frozen=True, slots=True)
class TargetPoint:
    """The target for one year, in that year's money (pence): ongoing cost, total with change held, their share.

    `base_price_ongoing_pence`: the same ongoing cost in base year prices; equal in cash terms.
    """

    financial_year: int
    ongoing_pence: int
    total_pence: int
    base_price_ongoing_pence: int
    share: float | None


def target_line(target: Target) -> tuple[TargetPoint, ...]:
    """Return the line from base year to target year, both included, cutting in equal steps.

    The rest of the base year's total is held: in cash terms in pounds, in real terms in purchasing power.
    """
    ongoing = target.base.numerator_pence
    held = (target.base.denominator_pence or 0) - ongoing
    steps = target.target_year - target.base_year
    points = []
    for step in range(steps + 1):
        year = target.base_year + step
        cut = target.cut_ratio * Fraction(step, steps)
        prices = Fraction(1) if target.deflator is None else target.deflator.ratio(year, target.base_year)
        aim = ongoing * (1 - cut)
        whole = aim + held
        points.append(
            TargetPoint(
                financial_year=year,
                ongoing_pence=round_pence(aim * prices),
                total_pence=round_pence(whole * prices),
                base_price_ongoing_pence=round_pence(aim),
                share=float(aim / whole) if whole > 0 else None,
            )
        )
    return tuple(points)


@dataclass(frozen=True, slots=True)
class TargetGap:
    """How far a year is from its target: positive pence and points are above it.

    None where a figure is missing, where the method changed, and, with `reason`, where the year is not whole.
    """

    point: TargetPoint
    ongoing_gap_pence: int | None
    share_gap: float | None
    method_changed: tuple[str, ...]
    reason: str | None = None


def against_target(target: Target, base_method: Method, years: Iterable[YearShare]) -> tuple[TargetGap, ...]:
    """Return each given year against the line; years off the line are left out.

    A year counted by another method than the base year carries the mark and no gap: the target does not apply to it
    until the base is restated. A year whose last period is not booked yet has no gap either: seven months are
    below a target of twelve whatever was spent. Raises CostError for a share of another definition.
    """
    points = {point.financial_year: point for point in target_line(target)}
    gaps = []
    for entry in sorted(years, key=lambda entry: entry.financial_year):
        point = points.get(entry.financial_year)
        if point is None:
            continue
        if entry.share.definition.letter != target.base.definition.letter:
            raise CostError("the target and the year are shares of different definitions")
        changed = entry.method.changes(base_method)
        reason = unfinished(entry)
        pence = points_gap = None
        if not changed and reason is None and entry.share.value is not None:
            pence = entry.share.numerator_pence - point.ongoing_pence
            points_gap = None if point.share is None else entry.share.value - point.share
        gaps.append(TargetGap(point, pence, points_gap, changed, reason))
    return tuple(gaps)


def unfinished(entry: YearShare) -> str | None:
    """Return why the year is not known to be whole, None where it is."""
    if entry.periods is None or (span(entry.periods) == (1, _LAST_MONTH)):
        return None
    said = periods_in_words(entry.periods)
    if not entry.periods:
        return f"{said}: whether the year is whole is not known"
    return f"{said} of 12 booked"
