"""Devices and offers as arrays, and what each offer nets against keeping: pounds, hours, kWh and kgCO2e, with ranges.

One formula for the likely figures, the ends of the ranges and the samples: what keeping costs a year less what is left
of it afterwards, over the years the horizon leaves, less the share of price and embodied carbon charged to the plan.
A device whose net cannot be told for one of its offers is not decided.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadworthy_inventory.replacement_inputs import (
    QUANTITIES,
    UNCHANGED,
    Offer,
    PlanDevice,
    Range,
    Terms,
    exactly,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LIKELY = 1  # of (low, likely, high)
NO_OFFER = -1
STATUSES = ("decided", "fixed", "apart", "no_offer")
DECIDED, FIXED, APART, WITHOUT_OFFER = range(4)
FIGURES = ("pounds_pence", "hours", "kwh", "kgco2e", "net_pence")
_WORDS = {"support_pence": "support cost", "hours": "staff hours", "kwh": "kWh"}
_UNKNOWN = Range(np.nan, np.nan, np.nan)


@dataclass(frozen=True, slots=True)
class Figures:
    """One level of every figure: `keep` (quantities, devices) a year, `after` (quantities, offers); prices in pence."""

    keep: Floats
    after: Floats
    capital: Floats
    revenue: Floats
    embodied: Floats
    tariff: float
    factor: float


@dataclass(frozen=True, slots=True)
class Book:
    """The inputs as arrays.

    `keep` (3, quantities, devices) and `after` (3, quantities, offers), nan where not known; `scales` (quantities,
    offers): the figure afterwards is a multiple. `prices` (3, capital revenue embodied, offers). `slots` (slots,
    devices): the offer in each slot or NO_OFFER, replacements in the first `together`. `free` (years, devices): years
    in which nothing holds the device. `status` (devices,). `lot_of` (devices,): its lot, one of its own mostly.
    """

    devices: Sequence[PlanDevice]
    offers: Sequence[Offer]
    terms: Terms
    keep: Floats
    after: Floats
    scales: Bools
    prices: Floats
    slots: Ints
    together: int
    free: Bools
    status: Ints
    lot_of: Ints

    def level(self, level: int) -> Figures:
        """Return the low (0), likely (1) or high (2) of every figure; 0 stands where an unknown has no weight."""
        keep, after, prices = (np.nan_to_num(each[level]) for each in (self.keep, self.after, self.prices))
        terms = self.terms
        tariff, factor = terms.electricity_pence_per_kwh[level], terms.kgco2e_per_kwh[level]
        return Figures(keep, after, prices[0], prices[1], prices[2], tariff, factor)

    def worth(self, tariff: float, factor: float) -> tuple[float, float, float]:
        """Return what one of each quantity saved is worth in pence: a penny of support, an hour, a kWh."""
        weights = self.terms.weights
        return (
            1.0,
            weights.pence_per_hour * weights.hour_loss_ratio,
            tariff + weights.pence_per_kgco2e * factor,
        )

    def share(self, offers: Ints, years: Ints) -> Floats:
        """Return the share of price and embodied carbon charged where `offers` are taken in `years`."""
        life = np.array([offer.life_years or 0.0 for offer in self.offers] or [0.0])[offers]
        left = np.array([self.terms.years_left(year) for year in range(self.terms.years)])[years]
        return np.minimum(left / np.where(life > 0, life, left), 1.0)


def make_book(devices: Sequence[PlanDevice], offers: Sequence[Offer], terms: Terms) -> Book:
    """Return the arrays of inputs that `replacement_inputs.check` has let pass."""
    keep = _levels([[getattr(device, name) for device in devices] for name in QUANTITIES])
    changes = [[getattr(offer, name) for offer in offers] for name in QUANTITIES]
    after = _levels([[change and change.range for change in row] for row in changes])
    scales = np.array([[bool(change) and change.how == "times" for change in row] for row in changes], bool)
    prices = _levels(
        [
            [getattr(offer, name) for offer in offers]
            for name in ("capital_pence", "revenue_pence", "embodied_kgco2e")
        ]
    )
    slots, together = _slots([device.offers for device in devices], offers)
    free = _free(devices, terms)
    status = np.full(len(devices), DECIDED)
    status[_untold(keep, changes, prices, slots, terms)] = APART
    status[(slots == NO_OFFER).all(axis=0)] = WITHOUT_OFFER
    status[~free.any(axis=0)] = FIXED
    lot_of = _lots(devices, terms, status == DECIDED, slots[:together])
    return Book(
        devices, offers, terms, keep, after, scales.reshape(len(QUANTITIES), -1), prices, slots, together, free,
        status, lot_of,
    )  # fmt: skip


def _levels(rows: Sequence[Sequence[Range | None]]) -> Floats:
    """Return (3, rows, columns), nan where None."""
    flat = [found or _UNKNOWN for row in rows for found in row]
    values = np.array(flat, np.float64).reshape(len(rows), -1, 3)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def _slots(names: Sequence[tuple[str, ...]], offers: Sequence[Offer]) -> tuple[Ints, int]:
    """Return (slots, devices) offers, and in how many of the first slots replacements stand, in the order offered."""
    number = {offer.name: place for place, offer in enumerate(offers)}
    replaces = {offer.name for offer in offers if offer.kind == "replace"}
    places: dict[tuple[str, ...], int] = {}
    kinds = [places.setdefault(each, len(places)) for each in names]
    split = [
        (
            [number[name] for name in each if name in replaces],
            [number[name] for name in each if name not in replaces],
        )
        for each in places
    ]
    together = max((len(first) for first, _ in split), default=0)
    width = together + max((len(rest) for _, rest in split), default=0)
    table = np.full((max(width, 1), max(len(split), 1)), NO_OFFER)
    for column, (first, rest) in enumerate(split):
        table[: len(first), column] = first
        table[together : together + len(rest), column] = rest
    return table[:, np.array(kinds, np.int64)], together


def _free(devices: Sequence[PlanDevice], terms: Terms) -> Bools:
    """Return (years, devices): no exception and no lease holds the device on any day of the year."""
    free = np.ones((terms.years, len(devices)), bool)
    begins = [terms.year_days(year)[0] for year in range(terms.years)]
    for place, device in enumerate(devices):
        for hold in device.holds:
            for year, begin in enumerate(begins):
                if hold.until is None or hold.until >= begin:
                    free[year, place] = False
    return free


def _needed(terms: Terms) -> tuple[bool, bool, bool]:
    """Return which quantities have any weight in the net."""
    carbon = terms.weights.pence_per_kgco2e
    hours = terms.weights.pence_per_hour * terms.weights.hour_loss_ratio
    return True, hours > 0, terms.electricity_pence_per_kwh.high + carbon * terms.kgco2e_per_kwh.high > 0


def _untold(
    keep: Floats, changes: Sequence[Sequence[object]], prices: Floats, slots: Ints, terms: Terms
) -> Bools:
    """Return (devices,): the net of one of its offers cannot be told."""
    offered = slots != NO_OFFER
    unknown = (
        np.isnan(prices[LIKELY, 2]) if terms.weights.pence_per_kgco2e > 0 else np.zeros(prices.shape[2], bool)
    )
    found = np.zeros(slots.shape[1], bool)
    for quantity, needed in enumerate(_needed(terms)):
        if needed:
            unknown = unknown | np.array([change is None for change in changes[quantity]], bool)
            compares = np.array([change != UNCHANGED for change in changes[quantity]] or [False])
            found |= np.isnan(keep[LIKELY, quantity]) & (compares[slots] & offered).any(axis=0)
    untold: Bools = found | (np.append(unknown, False)[slots] & offered).any(axis=0)  # NO_OFFER is the last
    return untold


def missing(book: Book, place: int) -> tuple[str, ...]:
    """Return what would have to be known to tell the device's net, in words."""
    device, found = book.devices[place], []
    offers = [offer for offer in book.offers if offer.name in device.offers]
    for name, needed in zip(QUANTITIES, _needed(book.terms), strict=True):
        if (
            needed
            and getattr(device, name) is None
            and any(getattr(each, name) != UNCHANGED for each in offers)
        ):
            found.append(f"{_WORDS[name]} while kept")
        found += [
            f"{_WORDS[name]} with {each.name}" for each in offers if needed and getattr(each, name) is None
        ]
    if book.terms.weights.pence_per_kgco2e > 0:
        found += [f"embodied carbon of {each.name}" for each in offers if each.embodied_kgco2e is None]
    return tuple(found)


def _lots(devices: Sequence[PlanDevice], terms: Terms, decided: Bools, replaces: Ints) -> Ints:
    """Return (devices,) lot numbers; in a lot only the replacements stay that all its members are offered."""
    if not terms.lots or not devices:
        return np.arange(len(devices))
    numbers: dict[tuple[str, ...], int] = {}
    members: defaultdict[int, list[int]] = defaultdict(list)
    lot_of = np.zeros(len(devices), np.int64)
    for place, device in enumerate(devices):
        named = bool(decided[place] and device.model and device.site)
        key = (str(device.model), str(device.site)) if named else (str(place),)
        lot_of[place] = numbers.setdefault(key, len(numbers))
        members[int(lot_of[place])].append(place)
    for places in members.values():
        offered = replaces[:, places]
        if len(places) > 1 and (offered != offered[:, :1]).any():
            common = set.intersection(*(set(column.tolist()) for column in offered.T)) - {NO_OFFER}
            replaces[:, places] = NO_OFFER
            for slot, offer in enumerate(sorted(common)):
                replaces[slot, places] = offer
    return lot_of


def nets(book: Book, figures: Figures) -> Floats:
    """Return (slots, years, devices): whole pence each offer nets against keeping; -inf where it is not to be had."""
    terms = book.terms
    out = np.full((len(book.slots), terms.years, len(book.devices)), -np.inf)
    worth = book.worth(figures.tariff, figures.factor)
    carbon = terms.weights.pence_per_kgco2e
    once = figures.capital + figures.revenue + carbon * figures.embodied
    able = book.status == DECIDED
    for slot, offers in enumerate(book.slots):
        some = np.flatnonzero((offers != NO_OFFER) & able)
        taken = offers[some]
        yearly = np.zeros(len(some))
        for quantity in range(len(QUANTITIES)):
            if worth[quantity]:
                yearly += worth[quantity] * _saved(book, figures, quantity, some, taken)
        for year in range(terms.years):
            share = book.share(np.arange(len(book.offers)), np.full(len(book.offers), year))
            value = np.rint(terms.years_left(year) * yearly - (share * once)[taken])
            out[slot, year, some] = np.where(book.free[year, some], value, -np.inf)
    return out


def _saved(book: Book, figures: Figures, quantity: int, devices: Ints, offers: Ints) -> Floats:
    """Return what is saved a year of `quantity`."""
    keep, after = figures.keep[quantity, devices], figures.after[quantity, offers]
    saved: Floats = np.where(book.scales[quantity, offers], keep * (1.0 - after), keep - after)
    return saved


def effects(
    book: Book, devices: Ints, offers: Ints, years: Ints, *, own: bool = True, shared: bool = True
) -> dict[str, Floats]:
    """Return {figure: (3, chosen)} low, likely and high of what each nets over the horizon; nan where not known.

    `own`: vary what is the device's own (what keeping it costs); `shared`: vary what all devices with the offer share
    (its price, its figures, the electricity's). FIGURES names them; savings are positive, kgCO2e includes making it.
    """
    levels = (0, LIKELY, 2)
    keep = np.stack([book.keep[level if own else LIKELY][:, devices] for level in levels])
    after = np.stack([book.after[level if shared else LIKELY][:, offers] for level in levels])
    prices = np.stack([book.prices[level if shared else LIKELY][:, offers] for level in levels])[::-1]
    years_left = np.array([book.terms.years_left(year) for year in range(book.terms.years)])[years]
    saved = [
        years_left * _saved_range(keep[:, each], after[:, each], book.scales[each, offers])
        for each in range(len(QUANTITIES))
    ]
    share = book.share(offers, years)
    terms = book.terms
    spread = (lambda found: found) if shared else (lambda found: exactly(found.likely))
    tariff, factor = spread(terms.electricity_pence_per_kwh), spread(terms.kgco2e_per_kwh)
    charged = share * (prices[:, 0] + prices[:, 1])
    pounds = saved[0] + _times(saved[2], tariff) - charged
    carbon = _times(saved[2], factor) - share * prices[:, 2]
    worth = [book.worth(*pair) for pair in zip(tariff, factor, strict=True)]
    kwh_worth = Range(*(each[2] for each in worth))
    hours = np.zeros_like(saved[1]) if not worth[0][1] else worth[0][1] * saved[1]
    of_making = terms.weights.pence_per_kgco2e
    making = of_making * share * prices[:, 2] if of_making else 0.0
    used = _times(saved[2], kwh_worth) if kwh_worth.high else 0.0
    net = saved[0] + hours + used - charged - making
    found = (pounds, saved[1], saved[2], carbon, net)
    return dict(zip(FIGURES, found, strict=True))


def _saved_range(keep: Floats, after: Floats, scales: Bools) -> Floats:
    """Return (3, n) the least, likely and most that is saved a year; 0 where nothing changes, known or not."""
    plain = keep - after[::-1]
    by_ratio = keep * (1.0 - after[::-1])
    by_ratio[0] = np.minimum(by_ratio[0], keep[2] * (1.0 - after[2]))
    by_ratio[2] = np.maximum(by_ratio[2], keep[0] * (1.0 - after[0]))
    same = scales & (after[0] == 1.0) & (after[2] == 1.0)
    return np.where(same, 0.0, np.where(scales, by_ratio, plain))


def _times(saved: Floats, factor: Range) -> Floats:
    """Return (3, n) the range of a saving times a factor; a loss is greatest where the factor is."""
    low = np.minimum(saved[0] * factor.low, saved[0] * factor.high)
    high = np.maximum(saved[2] * factor.low, saved[2] * factor.high)
    return np.stack([low, saved[1] * factor.likely, high])
