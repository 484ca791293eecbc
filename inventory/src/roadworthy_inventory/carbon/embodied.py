"""The carbon of making devices: year of purchase for reports, per year of life to think with, and break-even.

Per class makers' product sheets give a tenth, a median and a ninetieth percentile of everything but use; they differ
between makers by more than their own error bars, so a single device is never compared by them. The use phase in such
sheets is at other countries' electricity and is never taken; use is what the devices here drew. Whether an item has a
figure is counted: what has none is not nought.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.planned_life import planned_lives
from roadworthy_inventory.replacement_data import footprints
from roadworthy_inventory.replacement_inputs import Range

_NOTHING = Range(0.0, 0.0, 0.0)


class EmbodiedError(CarbonError):
    """A question that has no answer as it was put; the text says why."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was bought. `embodied_kgco2e` is its maker's own figure, where somebody entered one."""

    item_class: str
    purchased: dt.date | None
    embodied_kgco2e: Range | None = None


@dataclass(frozen=True, slots=True)
class Embodied:
    """What making so many `items` emitted, in kgCO2e; `unknown` items are of a class nobody publishes a figure for."""

    kgco2e: Range
    items: int
    unknown: int


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Years until the electricity a new device saves has made up for making it, as (early, likely, late).

    None where it never does: nothing is saved at that end of the range.
    """

    early_years: float | None
    likely_years: float | None
    late_years: float | None


@dataclass(frozen=True, slots=True)
class Appraisal:
    """Replacing instead of keeping, on appraisal terms: kgCO2e and pounds at carbon values; below nought is worse."""

    saved_kgco2e: Range
    worth_gbp: Range
    years: tuple[int, ...]


def of_class(item_class: str) -> Range | None:
    """Return makers' published kgCO2e of making one of `item_class`, None where there is none."""
    found = footprints().get("desktop" if item_class == "all_in_one" else item_class)
    return None if found is None else found.embodied_kgco2e


def by_year_of_purchase(items: Iterable[Item]) -> dict[int | None, Embodied]:
    """Return {financial year it begins in: embodied} as booked when bought; None: nobody knows when."""
    years: dict[int | None, list[Item]] = defaultdict(list)
    for item in items:
        years[None if item.purchased is None else financial_year_of(item.purchased)].append(item)
    return {year: together((item, 1.0) for item in some) for year, some in years.items()}


def per_year_of_life(items: Iterable[Item], year: int) -> Embodied:
    """Return the share of the financial year that begins in `year`: each item spread evenly over its planned life.

    Items of unknown purchase, or of a class without a planned life, are unknown. Nothing is left after that life,
    however long the item is still used.
    """
    first, after = dt.date(year, 4, 1), dt.date(year + 1, 4, 1)
    shares: list[tuple[Item, float | None]] = []
    for item in items:
        life = planned_lives().get(item.item_class)
        if item.purchased is None or life is None:
            shares.append((item, None))
            continue
        days = life.years * 365.25
        begun = (max(first, item.purchased) - item.purchased).days
        ended = (after - item.purchased).days
        shares.append((item, max(min(ended, days) - begun, 0.0) / days))
    return together(shares)


def together(shares: Iterable[tuple[Item, float | None]]) -> Embodied:
    """Return the sum of a share of each item; None for one whose share nobody knows.

    What the figure of a class is off is off for all of that class alike and adds in a straight line; classes, and
    items with a figure of their own, are off independently and add in quadrature.
    """
    groups: dict[str | int, list[tuple[Range, float]]] = defaultdict(list)
    items = unknown = 0
    for number, (item, share) in enumerate(shares):
        items += 1
        figure = item.embodied_kgco2e or of_class(item.item_class)
        if figure is None or share is None:
            unknown += 1
        else:
            groups[number if item.embodied_kgco2e else item.item_class].append((figure, share))
    return Embodied(_quadrature([_line(group) for group in groups.values()]), items, unknown)


def break_even(making: Range, saved_kwh_a_year: Range, kgco2e_per_kwh: float) -> BreakEven:
    """Return after how many years `saved_kwh_a_year` has made up for `making` (kgCO2e) at a factor that stays.

    Early: the least making and the most saved. EmbodiedError for a factor that is not above nought.
    """
    if not (math.isfinite(kgco2e_per_kwh) and kgco2e_per_kwh > 0):
        raise EmbodiedError(f"{kgco2e_per_kwh} kgCO2e a kWh is no factor to divide by")

    def years(kgco2e: float, kwh: float) -> float | None:
        return kgco2e / (kwh * kgco2e_per_kwh) if kwh > 0 else None

    return BreakEven(
        years(making.low, saved_kwh_a_year.high),
        years(making.likely, saved_kwh_a_year.likely),
        years(making.high, saved_kwh_a_year.low),
    )


def appraise(
    making: Range,
    saved_kwh_a_year: Range,
    years: Sequence[int],
    marginal_kgco2e_per_kwh: Mapping[int, float],
    value_gbp_per_tco2e: Mapping[int, float],
) -> Appraisal:
    """Return replacing at the start of `years[0]` instead of keeping until the end of `years[-1]`.

    On appraisal terms: long-run marginal factors and carbon values of each year, as the user loaded them; not
    discounted. A reported footprint uses neither. EmbodiedError names a year without a factor or value.
    """
    if not years:
        raise EmbodiedError("no years to appraise")
    for what, series in (("marginal factor", marginal_kgco2e_per_kwh), ("carbon value", value_gbp_per_tco2e)):
        if missing := [year for year in years if year not in series]:
            raise EmbodiedError(f"no {what} is loaded for {', '.join(map(str, missing))}")
    per_kwh = sum(marginal_kgco2e_per_kwh[year] for year in years)
    gbp_per_kwh = sum(marginal_kgco2e_per_kwh[year] * value_gbp_per_tco2e[year] for year in years) / 1000
    first = value_gbp_per_tco2e[years[0]] / 1000
    ends = list(
        zip(saved_kwh_a_year, reversed(making), strict=True)
    )  # the least saved with the most of making
    return Appraisal(
        Range(*(kwh * per_kwh - made for kwh, made in ends)),
        Range(*(kwh * gbp_per_kwh - made * first for kwh, made in ends)),
        tuple(years),
    )


def _line(group: Iterable[tuple[Range, float]]) -> Range:
    low = likely = high = 0.0
    for figure, share in group:
        low, likely, high = (
            low + figure.low * share,
            likely + figure.likely * share,
            high + figure.high * share,
        )
    return Range(low, likely, high)


def _quadrature(groups: Sequence[Range]) -> Range:
    if not groups:
        return _NOTHING
    likely = math.fsum(group.likely for group in groups)
    down = math.hypot(*(group.likely - group.low for group in groups))
    up = math.hypot(*(group.high - group.likely for group in groups))
    return Range(max(likely - down, 0.0), likely, likely + up)
