"""From the arrays of a book to the knapsack: columns, limits and lots, less what can never be part of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from roadworthy_inventory.replacement_book import DECIDED, NO_OFFER, Book, Bools, Figures, Floats, Ints, nets
from roadworthy_inventory.replacement_inputs import Terms, working_weeks
from roadworthy_inventory.replacement_repair import NOTHING, Picks
from roadworthy_inventory.replacement_solver import Problem, Table


@dataclass(frozen=True, slots=True)
class Limits:
    """`limit` (years, MONEY): capital, revenue, installations, inf where not limited; `supply` (years, stocks).

    `idle` (years,): nothing can be done, as no week of the year is without a freeze or still to come.
    """

    limit: Floats
    supply: Floats
    idle: Bools


@dataclass(frozen=True, slots=True)
class Built:
    """The knapsack, and where its parts stand in the book: `member` (members,) devices, by lot.

    `stocks`: the names of those that could run out, as the knapsack counts them.
    """

    problem: Problem
    member: Ints
    stocks: tuple[str, ...]


def limits_of(terms: Terms, on: date) -> Limits:
    """Return the limits of the years; installations are those of the weeks without a freeze, from the day `on`."""
    weekly = terms.installations_per_week
    weeks = [len(working_weeks(terms, year, on)) for year in range(terms.years)]
    rows = []
    for year in range(terms.years):
        crews = None if weekly is None else weekly * weeks[year]
        money = (terms.capital_pence[year], terms.revenue_pence[year], crews)
        rows.append([np.inf if each is None else float(each) for each in money])
    arrived = np.array(list(terms.stock.values()), np.float64).reshape(-1, terms.years)
    return Limits(np.array(rows), np.cumsum(arrived, axis=1).T, np.array(weeks) == 0)


def build(book: Book, figures: Figures, limits: Limits) -> Built:
    """Return the knapsack of all devices that can be decided, at `figures`.

    Left out: what breaks a limit by itself, repairs that net nothing, and lots in which nothing nets anything.
    """
    order = np.flatnonzero(book.status == DECIDED)
    order = order[np.argsort(book.lot_of[order], kind="stable")]
    value, use, stock, tight = _columns(book, figures, limits, order)
    supply = limits.supply[:, tight]
    first = _starts(book.lot_of[order])
    together = book.together
    sizes = np.diff(np.append(first, len(order))).astype(np.float64)
    lot_value = _by_lot(value[:together], first)
    lot_use = _by_lot(use[:, :together], first)
    lots = Table(lot_value, lot_use, stock[:together][:, first] if len(first) else stock[:together], sizes)
    members = Table(value[together:], use[:, together:], stock[together:], np.ones(len(order)))
    for table in (lots, members):
        _forbid(table, limits.limit, supply)
    members.value[members.value <= 0] = -np.inf
    best = np.maximum(members.value.max(axis=(0, 1), initial=-np.inf), 0.0)
    own = np.add.reduceat(best, first) if len(first) else best
    worth = (own > 0) | (lots.value.max(axis=(0, 1), initial=-np.inf) > 0)
    stays = np.repeat(worth, sizes.astype(np.int64))
    problem = Problem(
        lots.some(np.flatnonzero(worth)),
        members.some(np.flatnonzero(stays)),
        _starts(book.lot_of[order[stays]]),
        limits.limit,
        supply,
    )
    names = list(book.terms.stock)
    return Built(problem, order[stays], tuple(names[number] for number in tight))


def chosen(book: Book, built: Built, picks: Picks) -> tuple[Ints, Ints]:
    """Return (devices,) the offer taken, NO_OFFER where none, and (devices,) the year it is taken in, -1 where none."""
    offers = np.full(len(book.devices), NO_OFFER)
    years = np.full(len(book.devices), -1)
    if not len(built.member):
        return offers, years
    whole = picks.lots[built.problem.lot_of]
    column = np.where(whole != NOTHING, whole, picks.members)
    slot = column // book.terms.years + np.where(whole != NOTHING, 0, book.together)
    taken = np.flatnonzero(column != NOTHING)
    devices = built.member[taken]
    offers[devices] = book.slots[slot[taken], devices]
    years[devices] = column[taken] % book.terms.years
    return offers, years


def _columns(
    book: Book, figures: Figures, limits: Limits, order: Ints
) -> tuple[Floats, Floats, Ints, list[int]]:
    """Return (value, use, stock, stocks counted) of `order`'s devices; a stock that cannot run out is not counted."""
    value = nets(book, figures)[:, :, order]
    value[:, limits.idle] = -np.inf
    slots = book.slots[:, order]
    crews = np.array([offer.installations for offer in book.offers], np.float64)
    use = np.stack(
        [np.append(each, 0.0)[slots] for each in (np.rint(figures.capital), np.rint(figures.revenue), crews)]
    )
    names = list(book.terms.stock)
    drawn = np.array(
        [names.index(offer.stock) if offer.stock else NO_OFFER for offer in book.offers] + [NO_OFFER]
    )
    stock = drawn[slots]
    tight = [
        number
        for number in range(len(names))
        if limits.supply[0, number] < (stock == number).any(axis=0).sum()
    ]
    renumber = np.full(len(names) + 1, len(tight))
    renumber[tight] = np.arange(len(tight))
    return value, use, renumber[stock], tight


def _starts(lot_of: Ints) -> Ints:
    """Return where each lot begins in members sorted by lot."""
    return np.flatnonzero(np.diff(lot_of, prepend=-1)) if len(lot_of) else np.zeros(0, np.int64)


def _by_lot(values: Floats, first: Ints) -> Floats:
    """Return the sums by lot of the last axis."""
    if len(first) == values.shape[-1]:
        return values.copy()
    return np.asarray(np.add.reduceat(values, first, axis=-1))


def _forbid(table: Table, limit: Floats, supply: Floats) -> None:
    """Take away, in place, the options that break a limit by themselves."""
    pieces = np.concatenate([supply, np.full((len(supply), 1), np.inf)], axis=1)
    for option in range(table.options):
        for year in range(table.years):
            over = (table.use[:, option] > limit[year][:, None]).any(axis=0)
            over |= pieces[year][table.stock[option]] < table.count
            table.value[option, year, over] = -np.inf
