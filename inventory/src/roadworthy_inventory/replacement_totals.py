"""A plan rolled up per model, site or unit, with ranges.

What is a device's own adds in quadrature from device to device; what all devices with an offer share (its price, what
it leaves, its embodied carbon) adds in a straight line within the offer, and in quadrature between offers. What is not
known of a device is counted beside the total and not added as zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from roadworthy_inventory.replacement import Plan
from roadworthy_inventory.replacement_book import FIGURES, LIKELY, NO_OFFER, STATUSES, Floats, Ints, effects
from roadworthy_inventory.replacement_inputs import PlanDevice, Range


@dataclass(frozen=True, slots=True)
class Total:
    """What a group of devices comes to; `group` None where the register does not say.

    `counts`: {replace, ssd, ram, battery, keep, fixed, apart, no_offer: devices}. `figures`: {pounds_pence, hours,
    kwh, kgco2e, net_pence: Range} of what is done against keeping; `unknown`: {figure: devices whose is not known}.
    `embodied_kgco2e`: of making all that is bought, whole, as booked in the year of purchase.
    """

    group: str | None
    devices: int
    counts: dict[str, int]
    figures: dict[str, Range]
    unknown: dict[str, int]
    embodied_kgco2e: Range
    embodied_unknown: int


def by_model(plan: Plan) -> list[Total]:
    """Return the totals of each model, the most net first."""
    return totals(plan, lambda device: device.model)


def estate(plan: Plan) -> Total:
    """Return the total of all devices, its group None."""
    found = totals(plan, lambda _device: None)
    return (
        found[0]
        if found
        else Total(None, 0, {}, dict.fromkeys(FIGURES, Range(0, 0, 0)), {}, Range(0, 0, 0), 0)
    )


def totals(plan: Plan, group: Callable[[PlanDevice], str | None]) -> list[Total]:
    """Return the totals of each group, the most net first, equals by name."""
    numbers: dict[str | None, int] = {}
    of = np.array(
        [numbers.setdefault(group(device), len(numbers)) for device in plan.book.devices], dtype=np.int64
    )
    taken = plan.taken
    offers, years = plan.offers[taken], plan.years[taken]
    likely = effects(plan.book, taken, offers, years)
    own = effects(plan.book, taken, offers, years, shared=False)
    shared = effects(plan.book, taken, offers, years, own=False)
    where = _Where(of[taken], offers, len(numbers), max(len(plan.book.offers), 1))
    ranges = {name: where.ranges(likely[name][LIKELY], own[name], shared[name]) for name in FIGURES}
    unknown = {name: where.count(np.isnan(likely[name][LIKELY])) for name in FIGURES}
    making = plan.book.prices[:, 2][:, offers]
    embodied, not_told = (
        where.ranges(making[LIKELY], making[[1, 1, 1]], making),
        where.count(np.isnan(making[LIKELY])),
    )
    counts = _counts(plan, of, len(numbers))
    found = [
        Total(
            name,
            sum(counts[number].values()),
            counts[number],
            {figure: ranges[figure][number] for figure in FIGURES},
            {figure: int(unknown[figure][number]) for figure in FIGURES},
            embodied[number],
            int(not_told[number]),
        )
        for name, number in numbers.items()
    ]
    return sorted(found, key=lambda total: (-total.figures["net_pence"].likely, total.group or ""))


def _counts(plan: Plan, of: Ints, groups: int) -> list[dict[str, int]]:
    kinds = [offer.kind for offer in plan.book.offers]
    found: list[Counter[str]] = [Counter() for _ in range(groups)]
    statuses = plan.book.status.tolist()
    for number, status, offer in zip(of.tolist(), statuses, plan.offers.tolist(), strict=True):
        found[number][STATUSES[status] if status else "keep" if offer == NO_OFFER else kinds[offer]] += 1
    names = ("replace", "ssd", "ram", "battery", "keep", *STATUSES[1:])
    return [{name: each[name] for name in names} for each in found]


@dataclass(frozen=True, slots=True)
class _Where:
    """Groups and offers of what is taken."""

    group: Ints
    offer: Ints
    groups: int
    offers: int

    def count(self, which: Floats) -> Ints:
        return np.bincount(self.group[which.astype(bool)], minlength=self.groups)

    def ranges(self, likely: Floats, own: Floats, shared: Floats) -> list[Range]:
        """Return each group's sum; `own` and `shared` (3, taken) are what either varies between."""
        known = ~np.isnan(likely)
        total = np.bincount(self.group[known], likely[known], self.groups)
        ends = []
        for end in (0, 2):
            alone = np.abs(own[end] - own[LIKELY])[known]
            together = np.abs(shared[end] - shared[LIKELY])[known]
            key = self.group[known] * self.offers + self.offer[known]
            straight = np.bincount(key, together, self.groups * self.offers).reshape(self.groups, self.offers)
            ends.append(
                np.sqrt(np.bincount(self.group[known], alone**2, self.groups) + (straight**2).sum(axis=1))
            )
        rows = zip((total - ends[0]).tolist(), total.tolist(), (total + ends[1]).tolist(), strict=True)
        return [Range(*row) for row in rows]
