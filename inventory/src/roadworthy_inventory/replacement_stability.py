"""How often a device stays in the plan when the inputs vary across their ranges.

Each run draws every figure once from the triangle of its range: what keeping costs for each device by itself; prices,
what is left afterwards, embodied carbon, tariff and factor once for all who share them. The plan is then made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from roadworthy_inventory.replacement import Plan, solve
from roadworthy_inventory.replacement_book import DECIDED, NO_OFFER, Figures, Floats, Ints
from roadworthy_inventory.replacement_problem import build, chosen

_STAGES = 4  # prices start from the plan's own, so few stages settle them


@dataclass(frozen=True, slots=True)
class Stability:
    """Of `runs` runs, in how many each device (devices,) got something done, and in how many the `same` as in the plan.

    `same` counts the offer whatever the year; for a device that is kept, the runs that keep it. `least_net_pence` and
    `most_net_pence`: of the plans made anew, each at its own draw.
    """

    runs: int
    acted: Ints
    same: Ints
    least_net_pence: int
    most_net_pence: int

    def stays_ratio(self, plan: Plan, place: int) -> float | None:
        """Return the share of runs in which the device at `place` fares as in the plan; None where not decided."""
        return int(self.same[place]) / self.runs if plan.book.status[place] == DECIDED else None


def stability(plan: Plan, *, runs: int, seed: int, go_on: Callable[[], bool] = lambda: True) -> Stability:
    """Return how often each device stays in the plan over at most `runs` runs from `seed`.

    `go_on` is asked before each run but the first, so that the caller can bound the time; how many were made is told.
    Raises ValueError where `runs` is less than 1.
    """
    if runs < 1:
        raise ValueError(f"{runs} runs; 1 or more expected")
    rng = np.random.default_rng(seed)
    acted = np.zeros(len(plan.offers), np.int64)
    same = np.zeros(len(plan.offers), np.int64)
    nets: list[int] = []
    while len(nets) < runs and (not nets or go_on()):
        built = build(plan.book, _draw(plan, rng), plan.limits)
        start = plan.priced.scaled if built.stocks == plan.built.stocks else None
        _, picks, _ = solve(built, start, _STAGES, thorough=False)
        offers, _ = chosen(plan.book, built, picks)
        acted += offers != NO_OFFER
        same += offers == plan.offers
        nets.append(int(picks.value))
    return Stability(len(nets), acted, same, min(nets), max(nets))


def _draw(plan: Plan, rng: np.random.Generator) -> Figures:
    """Return one level of every figure, drawn from its triangle; whole pence for prices."""
    book, terms = plan.book, plan.book.terms
    keep, after = _triangle(book.keep, rng), _triangle(book.after, rng)
    prices = _triangle(book.prices, rng)
    tariff = _triangle(np.array(terms.electricity_pence_per_kwh).reshape(3, 1), rng)[0]
    factor = _triangle(np.array(terms.kgco2e_per_kwh).reshape(3, 1), rng)[0]
    capital, revenue = np.rint(prices[:2])
    return Figures(keep, after, capital, revenue, prices[2], float(tariff), float(factor))


def _triangle(ranges: Floats, rng: np.random.Generator) -> Floats:
    """Return a draw from the triangular distribution of each (low, likely, high), first axis; 0 where not known."""
    low, likely, high = np.nan_to_num(ranges)
    width = high - low
    at = rng.random(low.shape)
    rising = at * width < likely - low
    left = low + np.sqrt(at * width * (likely - low))
    right = high - np.sqrt((1 - at) * width * (high - likely))
    drawn: Floats = np.where(rising, left, right)
    return drawn
