"""Into which week the work of a plan falls: each year's devices stay in their year, frozen weeks stay empty.

A second, simple step: site by site, the one whose work nets most per installation first, lots and sites in one piece.
A year's installations fit its weeks because the plan was limited to what those weeks hold.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

import numpy as np

from roadworthy_inventory.replacement import Plan
from roadworthy_inventory.replacement_inputs import working_weeks


@dataclass(frozen=True, slots=True)
class Slot:
    """One device's work: its tag, site, offer, the plan's year, and the Mondays of the first and last week it takes."""

    tag: str
    site: str | None
    offer: str
    year: int
    week: date
    last_week: date


def schedule(plan: Plan, on: date) -> list[Slot]:
    """Return the work in the order in which it is done; `on` is the day the plan was made on."""
    found: list[Slot] = []
    for year in range(plan.book.terms.years):
        weeks = working_weeks(plan.book.terms, year, on)
        if weeks:
            found += _year(plan, year, weeks)
    return found


def _year(plan: Plan, year: int, weeks: tuple[date, ...]) -> list[Slot]:
    order = _order(plan, plan.taken[plan.years[plan.taken] == year].tolist(), year)
    weekly = plan.book.terms.installations_per_week
    work = [plan.book.offers[plan.offers[place]].installations for place in order]
    if weekly is None:
        # Nothing is known of what crews can do in a week, so the work is spread over the weeks there are.
        weekly = max(-(-sum(work) // len(weeks)), 1)
    found, done = [], 0
    for place, installations in zip(order, work, strict=True):
        first = min(done // weekly, len(weeks) - 1) if weekly else 0
        done += installations
        last = max(first, min((done - 1) // weekly, len(weeks) - 1)) if weekly and installations else first
        device, offer = plan.book.devices[place], plan.book.offers[plan.offers[place]]
        found.append(Slot(device.tag, device.site, offer.name, year, weeks[first], weeks[last]))
    return found


def _order(plan: Plan, places: list[int], year: int) -> list[int]:
    """Return places, sites in one piece, most net per installation first; inside a site by lot, then by tag."""
    net: defaultdict[str, float] = defaultdict(float)
    work: defaultdict[str, int] = defaultdict(int)
    sites = {place: plan.book.devices[place].site or "" for place in places}
    for place in places:
        offer = int(plan.offers[place])
        slot = int(np.argmax(plan.book.slots[:, place] == offer))
        net[sites[place]] += float(plan.values[slot, year, place])
        work[sites[place]] += plan.book.offers[offer].installations
    return sorted(
        places,
        key=lambda place: (
            -net[sites[place]] / max(work[sites[place]], 1),
            sites[place],
            int(plan.book.lot_of[place]),
            plan.book.devices[place].tag,
        ),
    )
