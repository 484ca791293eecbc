"""Why a device is in the plan or out of it, in a sentence made of its own figures.

What a device uses of the limits has a price: what it would net elsewhere in the plan. A device is in where it nets
more than that, and out where it nets less, where keeping it nets more, or where what is left of a limit is less than
it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roadworthy_inventory.replacement import Plan
from roadworthy_inventory.replacement_book import NO_OFFER, STATUSES, Ints, missing
from roadworthy_inventory.replacement_inputs import ACTIONS, Offer, PlanDevice, Range
from roadworthy_inventory.replacement_solver import MONEY

_KINDS = ("capital", "revenue", "installations")


@dataclass(frozen=True, slots=True)
class Reason:
    """`code`: in; fixed; apart; no_offer; keeping_nets_more; or the limit that binds, such as `capital 2026/27`.

    `text` says it with the device's figures; `carbon` what carbon alone argues for, empty where nothing is offered.
    """

    tag: str
    code: str
    text: str
    carbon: str


@dataclass(frozen=True, slots=True)
class _Choice:
    """One option of a device or its lot: likely net, and [(limit, kind, amount, what it would net elsewhere)]."""

    offer: int
    year: int
    places: Ints
    net: float
    uses: tuple[tuple[str, int, float, float], ...]

    @property
    def elsewhere(self) -> float:
        return sum(price for *_, price in self.uses)


def pounds(pence: float) -> str:
    """Return £1,234, or £4.20 where it is less than ten pounds; a minus sign stands before the pound sign."""
    amount = abs(pence) / 100
    text = f"{amount:,.2f}" if round(amount, 2) < 10 else f"{amount:,.0f}"
    return f"{'-' if pence < 0 and text.strip('0.,') else ''}£{text}"


def plain(value: float) -> str:
    """Return a figure with three digits or all before the point, without -0."""
    digits = 0 if abs(value) >= 100 else 1
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def money_range(found: Range | None) -> str:
    """Return `£512 (£220 to £840)`, `not known` for None."""
    if found is None:
        return "not known"
    return f"{pounds(found.likely)} ({pounds(found.low)} to {pounds(found.high)})"


def plain_range(found: Range | None, unit: str) -> str:
    """Return `41.0 (30.2 to 60.5) kWh`, `kWh not known` for None."""
    if found is None:
        return f"{unit} not known"
    return f"{plain(found.likely)} ({plain(found.low)} to {plain(found.high)}) {unit}"


def why(plan: Plan, place: int) -> Reason:
    """Return why the device at `place` is in the plan, or out of it."""
    device, status = plan.book.devices[place], STATUSES[plan.book.status[place]]
    if status == "fixed":
        return Reason(device.tag, status, _fixed(device), "")
    if status == "no_offer":
        return Reason(device.tag, status, "Kept: nothing is offered for it.", "")
    if status == "apart":
        unknown = "; ".join(missing(plan.book, place))
        return Reason(
            device.tag, status, f"Its net cannot be told, so nothing is decided. Not known: {unknown}.", ""
        )
    if plan.offers[place] != NO_OFFER:
        choice = _choice(plan, place, int(plan.offers[place]), int(plan.years[place]))
        return Reason(device.tag, "in", _inside(plan, place, choice), _carbon(plan, place, choice))
    return _outside(plan, place)


def _fixed(device: PlanDevice) -> str:
    held = [
        f"{hold.kind} {f'until {hold.until}' if hold.until else 'without an end'}" for hold in device.holds
    ]
    return f"Kept as it is: {' and '.join(held)}; nothing is done while that holds in every year of the plan."


def _choice(plan: Plan, place: int, offer: int, year: int) -> _Choice:
    """Return what the device's option, or its lot's, nets and uses."""
    book = plan.book
    places = np.array([place])
    if book.terms.lots and book.offers[offer].kind == "replace":
        mates = np.flatnonzero((book.lot_of == book.lot_of[place]) & (book.status == book.status[place]))
        places = mates if len(mates) else places
    net = 0.0
    for each in places.tolist():
        slots = np.flatnonzero(book.slots[:, each] == offer)
        net += float(plan.values[slots[0], year, each]) if len(slots) else -np.inf
    uses = []
    for kind in range(MONEY + len(plan.built.stocks)):
        amount = float(plan.use_of(kind)[offer]) * len(places)
        if amount:
            name = _KINDS[kind] if kind < MONEY else f"stock {plan.built.stocks[kind - MONEY]}"
            uses.append((name, kind, amount, amount * float(plan.priced.flow[year, kind])))
    return _Choice(offer, year, places, net, tuple(uses))


def _inside(plan: Plan, place: int, choice: _Choice) -> str:
    terms = plan.book.terms
    text = f"{_act(plan, choice)}: {_nets(plan, place, choice)}."
    if choice.uses:
        text += f" It uses {_spends(plan, choice)}, which elsewhere in the plan would net {pounds(choice.elsewhere)}"
        text += (
            f"; here {pounds(choice.net)}."
            if len(choice.places) == 1
            else f"; {_lot(choice)} {pounds(choice.net)}."
        )
    bound = max(choice.uses, key=lambda use: use[3], default=None)
    if bound and bound[3] > 0:
        text += _next(bound, terms.year_name(choice.year))
    return text


def _outside(plan: Plan, place: int) -> Reason:
    """Return why a device that could be decided is kept."""
    book = plan.book
    tag = book.devices[place].tag
    found = [
        _choice(plan, place, offer, year)
        for offer in book.slots[book.slots[:, place] != NO_OFFER, place].tolist()
        for year in np.flatnonzero(book.free[:, place]).tolist()
    ]
    found = [choice for choice in found if np.isfinite(choice.net)]
    if not found:
        return Reason(
            tag, "fixed", "Kept: what is offered is free for only some of its lot in each year.", ""
        )
    worth = [choice for choice in found if choice.net > 0]
    if not worth:
        best = max(found, key=lambda choice: choice.net)
        text = f"Kept, which nets more than anything offered: {_act(plan, best, 'to ')} {_nets(plan, place, best)}."
        return Reason(tag, "keeping_nets_more", text, _carbon(plan, place, best))
    best = max(worth, key=lambda choice: choice.net - choice.elsewhere)
    code, because = _binding(plan, best)
    text = f"Kept, though {_act(plan, best, 'to ')} {_nets(plan, place, best)}: {because}"
    return Reason(tag, code, text, _carbon(plan, place, best))


def _binding(plan: Plan, choice: _Choice) -> tuple[str, str]:
    """Return (code, the limit that keeps the choice out, in words)."""
    year = plan.book.terms.year_name(choice.year)
    subject = "it" if len(choice.places) == 1 else _lot(choice)
    needs = [use for use in choice.uses if use[2] > plan.left[choice.year, use[1]]]
    priced = max(choice.uses, key=lambda use: use[3], default=None)
    if priced and priced[3] > 0 and choice.elsewhere >= choice.net:
        because = f"{subject} would use {_spends(plan, choice)}, which nets {pounds(choice.elsewhere)} elsewhere in the"
        because += f" plan, more than {pounds(choice.net)} here." + _next(priced, year)
        return f"{priced[0]} {year}", because
    if needs:
        name, kind, amount, _ = needs[0]
        left = _amount(kind, max(float(plan.left[choice.year, kind]), 0.0))
        because = f"{subject} needs {_amount(kind, amount)} of {name} in {year}, and {left} is left."
        return f"{name} {year}", because
    # What is left would do, but one of its lot or a like option has what it would take.
    return (
        f"whole pieces {year}",
        f"what the limits of {year} leave is in pieces that fit other choices better.",
    )


def _next(use: tuple[str, int, float, float], year: str) -> str:
    """Return what one more of a limit would buy."""
    name, kind, amount, price = use
    each = price / amount
    if kind < MONEY - 1:
        return f" The next pound of {name} in {year} would net {pounds(each * 100)}."
    what = "installation" if kind == MONEY - 1 else f"piece of {name}"
    return f" The next {what} in {year} would net {pounds(each)}."


def _act(plan: Plan, choice: _Choice, to: str = "") -> str:
    offer = plan.book.offers[choice.offer]
    act = f"{ACTIONS[offer.kind]} {f'with {offer.name}' if offer.kind == 'replace' else f'({offer.name})'}"
    lot = (
        f" together with the {len(choice.places) - 1} others of its model and site"
        if len(choice.places) > 1
        else ""
    )
    begin = f"{to}{act}" if to else f"{act[0].upper()}{act[1:]}"
    return f"{begin} in {plan.book.terms.year_name(choice.year)}{lot}"


def _lot(choice: _Choice) -> str:
    return f"the lot of {len(choice.places)}"


def _amount(kind: int, amount: float) -> str:
    if kind < MONEY - 1:
        return pounds(amount)
    return f"{amount:,.0f}"


def _spends(plan: Plan, choice: _Choice) -> str:
    """Return what the choice uses, in words."""
    parts = []
    for name, kind, amount, _ in choice.uses:
        if kind < MONEY - 1:
            parts.append(f"{pounds(amount)} of {name}")
        elif kind == MONEY - 1:
            parts.append(f"{amount:,.0f} installation{'s' if amount != 1 else ''}")
        else:
            parts.append(f"{amount:,.0f} from {name}")
    return f"{', '.join(parts)} of {plan.book.terms.year_name(choice.year)}"


def _nets(plan: Plan, place: int, choice: _Choice) -> str:
    """Return the device's own net and its parts, with the user's weights."""
    terms = plan.book.terms
    found = plan.figures(np.array([place]), np.array([choice.offer]), np.array([choice.year]))[0]
    hour = terms.weights.pence_per_hour * terms.weights.hour_loss_ratio
    return (
        f"nets {money_range(found['net_pence'])} over {plain(terms.years_left(choice.year))} years against keeping it:"
        f" {money_range(found['pounds_pence'])} in money, {plain_range(found['hours'], 'staff hours')},"
        f" {plain_range(found['kwh'], 'kWh')} and {plain_range(found['kgco2e'], 'kgCO2e')} saved, with an hour at"
        f" £{hour / 100:,.2f} and a kgCO2e at £{terms.weights.pence_per_kgco2e / 100:,.2f}"
    )


def _carbon(plan: Plan, place: int, choice: _Choice) -> str:
    """Return what carbon alone argues for, with the figures of this device."""
    offer, device = plan.book.offers[choice.offer], plan.book.devices[place]
    made = offer.embodied_kgco2e
    saved = _saved_kwh(offer, device)
    if made is None or saved is None:
        return "What carbon alone argues for cannot be told: the carbon of making it or the electricity is not known."
    yearly = saved * plan.book.terms.kgco2e_per_kwh.likely
    making = f"making the {offer.name} emits {plain_range(made, 'kgCO2e')}"
    if made.likely <= 0 or yearly <= 0:
        if yearly <= 0 < made.likely:
            return f"Carbon alone argues for keeping: {making} and it saves no electricity."
        return (
            "Carbon alone argues neither for nor against it."
            if yearly <= 0
            else "Carbon alone argues for it."
        )
    years = made.likely / yearly
    life = offer.life_years or float(plan.book.terms.horizon_years)
    side = "for keeping" if years > life else "for it"
    return (
        f"Carbon alone argues {side}: {making} and saves {plain(yearly)} kgCO2e a year in use, made good after"
        f" {plain(years)} years of the {plain(life)} it is planned for."
    )


def _saved_kwh(offer: Offer, device: PlanDevice) -> float | None:
    """Return the likely kWh saved a year; None where not known."""
    if offer.kwh is None:
        return None
    if offer.kwh.how == "times" and offer.kwh.range == (1, 1, 1):
        return 0.0
    if device.kwh is None:
        return None
    after = offer.kwh.range.likely
    return device.kwh.likely * (1 - after) if offer.kwh.how == "times" else device.kwh.likely - after


def reasons(plan: Plan, places: Sequence[int]) -> list[Reason]:
    """Return why, for the devices at `places`: those of a page, say, for a sentence is made anew each time."""
    return [why(plan, place) for place in places]
