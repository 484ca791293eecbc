"""What to replace first: for a budget, which devices to replace, repair or keep, and how far from the best that is.

A multiple-choice knapsack over devices (or lots), financial years, money, installations and stock, solved by
Lagrangian relaxation with a greedy repair: the plan keeps every limit, and the bound beside it is what no plan can
beat. Nets are pence at the user's own weights. What cannot be told is listed apart and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from roadworthy_inventory.replacement_book import (
    DECIDED,
    FIGURES,
    LIKELY,
    NO_OFFER,
    STATUSES,
    Book,
    Floats,
    Ints,
    effects,
    make_book,
    missing,
    nets,
)
from roadworthy_inventory.replacement_inputs import Offer, PlanDevice, Range, Terms, check
from roadworthy_inventory.replacement_problem import Built, Limits, build, chosen, limits_of
from roadworthy_inventory.replacement_repair import Picks, improve, repair
from roadworthy_inventory.replacement_solver import MONEY, Priced, price

_NEAR_ENOUGH = 2.5e-4  # a gap at which no better plan is looked for
_REPAIRED = 3  # stages of prices from which a plan is tried, the last first


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done with one device.

    `status`: decided; fixed (exception or lease); apart (its net cannot be told: `missing` says why); no_offer.
    `action`: replace, ssd, ram, battery or keep. `offer` and `year` (of the plan, from 0) where it is not kept.
    `figures`: {pounds_pence, hours, kwh, kgco2e, net_pence: Range, or None where not known} of what is done against
    keeping, over the horizon; empty where it is kept.
    """

    tag: str
    model: str | None
    site: str | None
    status: str
    action: str
    offer: str | None
    year: int | None
    figures: dict[str, Range | None]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class YearUse:
    """One limit in one year: capital or revenue in pence, installations, or pieces of a stock by the year's end.

    `used` at likely prices; `used_low` and `used_high` where all prices come out low or high (money only); `limit`
    None where not limited. `next_unit_nets_pence`: what the next penny, installation or piece would net.
    """

    year: int
    what: str
    used: int
    used_low: int
    used_high: int
    limit: int | None
    next_unit_nets_pence: float


@dataclass(frozen=True)
class Plan:
    """A plan and its bound. `offers` and `years` (devices,): what is taken and when, -1 where the device is kept.

    `net_pence`: what the plan nets at likely figures; `bound_pence`: no plan within the limits nets more.
    """

    book: Book
    limits: Limits
    built: Built
    priced: Priced
    offers: Ints
    years: Ints
    net_pence: int
    bound_pence: int

    @property
    def gap_ratio(self) -> float:
        """By which share of the bound the plan may be short of the best one; 0 where nothing nets anything."""
        return (self.bound_pence - self.net_pence) / self.bound_pence if self.bound_pence else 0.0

    @property
    def counts(self) -> dict[str, int]:
        """{status or action: devices}: apart, fixed, no_offer, and of the decided replace, ssd, ram, battery, keep."""
        found = Counter(STATUSES[status] for status in self.book.status.tolist() if status != DECIDED)
        kinds = [offer.kind for offer in self.book.offers]
        decided = self.offers[self.book.status == DECIDED].tolist()
        found.update("keep" if offer == NO_OFFER else kinds[offer] for offer in decided)
        names = ("replace", "ssd", "ram", "battery", "keep", *STATUSES[1:])
        return {name: found[name] for name in names}

    @cached_property
    def taken(self) -> Ints:
        """Places in the book of the devices that are not kept."""
        return np.flatnonzero(self.offers != NO_OFFER)

    @cached_property
    def values(self) -> Floats:
        """(slots, years, devices) what each offer nets at likely figures; -inf where it is not to be had."""
        return nets(self.book, self.book.level(LIKELY))

    @cached_property
    def left(self) -> Floats:
        """(years, kinds) what the plan leaves of capital, revenue, installations and the stocks that could run out."""
        problem, terms = self.built.problem, self.book.terms
        used = np.zeros((terms.years, MONEY + problem.stocks))
        offers, years = self.offers[self.taken], self.years[self.taken]
        for kind in range(used.shape[1]):
            used[:, kind] = np.bincount(years, self.use_of(kind)[offers], terms.years)
        return problem.headroom(used)

    def use_of(self, kind: int) -> Floats:
        """Return (offers,) what each offer uses of a kind of limit: pence, installations, or pieces of a stock."""
        offers = self.book.offers
        if kind < MONEY - 1:
            return np.asarray(self.book.prices[LIKELY, kind])
        if kind == MONEY - 1:
            return np.array([offer.installations for offer in offers], np.float64)
        return np.array([offer.stock == self.built.stocks[kind - MONEY] for offer in offers], np.float64)

    @cached_property
    def place(self) -> dict[str, int]:
        """{tag: place in the book}."""
        return {device.tag: place for place, device in enumerate(self.book.devices)}

    def figures(self, places: Ints, offers: Ints, years: Ints) -> list[dict[str, Range | None]]:
        """Return the figures of each of `places` with the offer and year beside it."""
        found = effects(self.book, places, offers, years)
        columns = [found[name].T.tolist() for name in FIGURES]
        rows = zip(*columns, strict=True)
        return [{name: _range(cell) for name, cell in zip(FIGURES, row, strict=True)} for row in rows]

    def decisions(self, places: Sequence[int] | None = None) -> list[Decision]:
        """Return what is to be done with the devices at `places`, all of them by default, in the order given."""
        some = np.arange(len(self.book.devices)) if places is None else np.array(places, np.int64)
        acted = some[self.offers[some] != NO_OFFER]
        rows = self.figures(acted, self.offers[acted], self.years[acted])
        figures = dict(zip(acted.tolist(), rows, strict=True))
        return [self._decision(place, figures.get(place)) for place in some.tolist()]

    def _decision(self, place: int, figures: dict[str, Range | None] | None) -> Decision:
        device, status = self.book.devices[place], STATUSES[self.book.status[place]]
        offer = self.book.offers[self.offers[place]] if figures is not None else None
        return Decision(
            device.tag,
            device.model,
            device.site,
            status,
            offer.kind if offer else "keep",
            offer.name if offer else None,
            int(self.years[place]) if offer else None,
            figures or {},
            missing(self.book, place) if status == "apart" else (),
        )

    def uses(self) -> list[YearUse]:
        """Return every limit's use, by year: capital, revenue, installations, then the stocks that are drawn on."""
        terms, found = self.book.terms, []
        offers, years = self.offers[self.taken], self.years[self.taken]
        for year in range(terms.years):
            now = years == year
            for kind, what in enumerate(("capital", "revenue", "installations")):
                alone = np.stack([self.use_of(kind)] * 3) if kind == MONEY - 1 else self.book.prices[:, kind]
                low, likely, high = (int(each[offers[now]].sum()) for each in alone)
                limit = self.limits.limit[year, kind]
                nets_more = float(self.priced.flow[year, kind])
                found.append(
                    YearUse(year, what, likely, low, high, None if np.isinf(limit) else int(limit), nets_more)
                )
            for number, name in enumerate(terms.stock):
                drawn = [self.book.offers[offer].stock == name for offer in offers[years <= year].tolist()]
                arrived = int(self.limits.supply[year, number])
                found.append(
                    YearUse(
                        year, name, sum(drawn), sum(drawn), sum(drawn), arrived, self._stock_nets(name, year)
                    )
                )
        return found

    def _stock_nets(self, name: str, year: int) -> float:
        """Return what one more piece of a stock in `year` would net; 0 where it cannot run out."""
        tight = self.built.stocks
        return float(self.priced.flow[year, MONEY + tight.index(name)]) if name in tight else 0.0


def _range(cell: Sequence[float]) -> Range | None:
    return None if cell[LIKELY] != cell[LIKELY] else Range(*cell)


def make_plan(devices: Sequence[PlanDevice], offers: Sequence[Offer], terms: Terms, on: date) -> Plan:
    """Return the plan made on the day `on`: deterministic, within every limit, with its bound.

    Raises PlanInputError naming the device, offer or term that a plan cannot be made from.
    """
    check(devices, offers, terms, on)
    book = make_book(devices, offers, terms)
    limits = limits_of(terms, on)
    built = build(book, book.level(LIKELY), limits)
    priced, picks, bound = solve(built)
    taken, years = chosen(book, built, picks)
    return Plan(book, limits, built, priced, taken, years, int(picks.value), int(bound))


def solve(
    built: Built, start: Floats | None = None, stages: int = 12, *, thorough: bool = True
) -> tuple[Priced, Picks, float]:
    """Return (the prices of the least bound, the best plan found from the last stages, the least bound).

    `start`: where a search of a like problem ended. `thorough`: small problems are gone over unit by unit.
    """
    found = price(built.problem, start, stages)
    least = min(found, key=lambda priced: priced.bound)
    best: Picks | None = None
    for priced, spread in [
        (priced, spread) for priced in found[: -_REPAIRED - 1 : -1] for spread in (True, False)
    ]:
        picks = repair(built.problem, priced, spread=spread)
        best = picks if best is None or picks.value > best.value else best
        if least.bound - best.value <= _NEAR_ENOUGH * least.bound:
            break
    picks = best or repair(built.problem, least, spread=False)
    if thorough and least.bound - picks.value > _NEAR_ENOUGH * least.bound:
        picks = improve(built.problem, least, picks)
    return least, picks, least.bound
