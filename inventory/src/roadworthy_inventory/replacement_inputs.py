"""What a replacement plan is made from: devices as they are, offers of what could be done, the user's limits and weights.

Money is whole pence. Every figure is a Range (low, likely, high); what is not known is None and stays unknown: nothing
here has a default that stands for a figure. What an hour and a kilogram of CO2e are worth in pence is the user's own
and is shown beside every net.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, NamedTuple

OfferKind = Literal["replace", "ssd", "ram", "battery"]
OFFER_KINDS: tuple[OfferKind, ...] = ("replace", "ssd", "ram", "battery")
ACTIONS = {
    "replace": "replace it",
    "ssd": "fit an SSD",
    "ram": "add memory",
    "battery": "fit a new battery",
}
HOLD_KINDS = ("exception", "lease")
QUANTITIES = ("support_pence", "hours", "kwh")
LONGEST_YEARS = 10
_YEAR_START = (4, 1)  # UK public bodies: 1 April to 31 March


class PlanInputError(ValueError):
    """Something a plan cannot be made from; the text says what, where and what is expected."""


class Range(NamedTuple):
    """A figure as (low, likely, high), in the unit its field names."""

    low: float
    likely: float
    high: float


def exactly(value: float) -> Range:
    """Return the range of a figure without spread."""
    return Range(value, value, value)


class Change(NamedTuple):
    """What an offer makes of a yearly figure: it `becomes` the range, or is what it was `times` the range."""

    how: Literal["becomes", "times"]
    range: Range


def becomes(low: float, likely: float, high: float) -> Change:
    """Return the change to a figure of the new device's own, a year."""
    return Change("becomes", Range(low, likely, high))


def times(low: float, likely: float, high: float) -> Change:
    """Return the change to a share of what the figure is now: 0.25 is a quarter of it."""
    return Change("times", Range(low, likely, high))


UNCHANGED = times(1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One thing that can be done to a device: another device in its place, or a part.

    `capital_pence`, `revenue_pence`: paid once, the likely one counts against the budgets. `support_pence` (pence a
    year of support and repair), `hours` (staff hours a year lost), `kwh` (a year at the wall): what they are
    afterwards; None where that is not known. `embodied_kgco2e`: of making it; None where not known. `life_years`:
    price and embodied carbon are charged to the plan for the share of that life inside its horizon; None charges all.
    `installations`: of the crews' capacity, 0 where no crew is needed. `stock`: the name of the stock it draws on.
    """

    name: str
    kind: OfferKind
    capital_pence: Range
    revenue_pence: Range
    support_pence: Change | None
    hours: Change | None
    kwh: Change | None
    embodied_kgco2e: Range | None
    life_years: float | None = None
    installations: int = 1
    stock: str | None = None


class Hold(NamedTuple):
    """Why a device is fixed: an exception or a lease, through the day `until` (None: for the whole plan)."""

    kind: Literal["exception", "lease"]
    until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDevice:
    """One device that could be replaced, repaired or kept.

    `support_pence`, `hours`, `kwh`: what keeping it as it is costs a year: pence of support and repair, staff hours
    lost in slow start-ups and sign-ins, kWh at the wall; None where not known. `offers`: names of offers that fit it.
    """

    tag: str
    serial: str | None = None
    model: str | None = None
    site: str | None = None
    unit: str | None = None
    support_pence: Range | None = None
    hours: Range | None = None
    kwh: Range | None = None
    offers: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What the user holds things to be worth, shown with every net; none has a default.

    `pence_per_hour`: the loaded rate of a staff hour. `hour_loss_ratio`: the share of a waited hour that is lost, 0 to
    1. `pence_per_kgco2e`: what a kilogram is worth.
    """

    pence_per_hour: float
    hour_loss_ratio: float
    pence_per_kgco2e: float


class Freeze(NamedTuple):
    """Days without work, both included; a week that holds one of them has no work at all."""

    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The limits and prices of a plan.

    `first_year`: the calendar year in which the first financial year (from 1 April) begins. `capital_pence` and
    `revenue_pence`: one for each year, None where that year is not limited. `horizon_years`: over how many years from
    the start of the first savings count, at least the number of budget years. `installations_per_week`: what all crews
    do in a week; None where not limited. `stock`: {name: pieces that arrive in each year}. `lots`: devices of one
    model at one site are replaced all together or not at all. `electricity_pence_per_kwh`, `kgco2e_per_kwh`: of the
    electricity saved.
    """

    first_year: int
    capital_pence: tuple[int | None, ...]
    revenue_pence: tuple[int | None, ...]
    horizon_years: int
    weights: Weights
    electricity_pence_per_kwh: Range
    kgco2e_per_kwh: Range
    installations_per_week: int | None = None
    freezes: tuple[Freeze, ...] = ()
    stock: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    lots: bool = False

    @property
    def years(self) -> int:
        """Number of financial years with a budget."""
        return len(self.capital_pence)

    def year_name(self, year: int) -> str:
        """Return `2026/27` for the plan's year number `year`, from 0."""
        begins = self.first_year + year
        return f"{begins}/{(begins + 1) % 100:02d}"

    def year_days(self, year: int) -> tuple[date, date]:
        """Return the first and the last day of the plan's year number `year`."""
        begins = self.first_year + year
        return date(begins, *_YEAR_START), date(begins + 1, *_YEAR_START) - timedelta(days=1)

    def years_left(self, year: int) -> float:
        """Return over how many years what is done in `year` saves; the year itself counts half, as work is spread."""
        return self.horizon_years - year - 0.5


def working_weeks(terms: Terms, year: int, on: date) -> tuple[date, ...]:
    """Return the Mondays of `year`, from the day `on`, in whose week nothing is frozen."""
    first, last = terms.year_days(year)
    begin = max(first, on)
    monday = begin + timedelta(days=-begin.weekday() % 7)
    found = []
    while monday <= last:
        sunday = monday + timedelta(days=6)
        if not any(freeze.first <= sunday and freeze.last >= monday for freeze in terms.freezes):
            found.append(monday)
        monday += timedelta(days=7)
    return tuple(found)


def check(devices: Iterable[PlanDevice], offers: Iterable[Offer], terms: Terms, on: date) -> None:
    """Raise PlanInputError where a plan cannot be made; the text names the device, offer or term."""
    _check_terms(terms, on)
    kinds: dict[str, Offer] = {}
    for offer in offers:
        if offer.name in kinds:
            raise PlanInputError(f"offer {offer.name}: is there twice; give each a name of its own")
        _check_offer(offer, terms)
        kinds[offer.name] = offer
    seen: set[str] = set()
    for device in devices:
        if device.tag in seen:
            raise PlanInputError(f"device {device.tag}: is there twice")
        seen.add(device.tag)
        _check_device(device, kinds)


def _check_device(device: PlanDevice, offers: Mapping[str, Offer]) -> None:
    for quantity in QUANTITIES:
        _check_range(getattr(device, quantity), "device", device.tag, quantity)
    for name in device.offers:
        if name not in offers:
            raise PlanInputError(f"device {device.tag}: offer {name!r} is none of the offers")
    if len(set(device.offers)) < len(device.offers):
        raise PlanInputError(f"device {device.tag}: an offer is there twice")
    for hold in device.holds:
        if hold.kind not in HOLD_KINDS:
            raise PlanInputError(f"device {device.tag}: a hold is {hold.kind!r}; exception or lease expected")


def _check_terms(terms: Terms, on: date) -> None:
    years = terms.years
    if not 1 <= years <= LONGEST_YEARS or len(terms.revenue_pence) != years:
        raise PlanInputError(
            f"terms: {years} years of capital and {len(terms.revenue_pence)} of revenue; the same number, 1 to"
            f" {LONGEST_YEARS}, expected"
        )
    if not years <= terms.horizon_years <= 4 * LONGEST_YEARS:
        raise PlanInputError(
            f"terms: a horizon of {terms.horizon_years} years; {years} to {4 * LONGEST_YEARS} expected"
        )
    if not 1900 < terms.first_year < 9900 or on > terms.year_days(0)[1]:
        raise PlanInputError(f"terms: the first year, {terms.first_year}, is over on {on}")
    _check_limits(terms)
    _check_weights(terms.weights)
    _check_range(terms.electricity_pence_per_kwh, "terms", "", "electricity_pence_per_kwh")
    _check_range(terms.kgco2e_per_kwh, "terms", "", "kgco2e_per_kwh")


def _check_limits(terms: Terms) -> None:
    years = terms.years
    for name in ("capital_pence", "revenue_pence"):
        for year, amount in enumerate(getattr(terms, name)):
            if amount is not None and amount < 0:
                raise PlanInputError(f"terms: {name} of {terms.year_name(year)} is negative")
    if terms.installations_per_week is not None and terms.installations_per_week < 0:
        raise PlanInputError("terms: installations_per_week is negative")
    for name, pieces in terms.stock.items():
        if len(pieces) != years or any(each < 0 for each in pieces):
            raise PlanInputError(f"terms: stock {name!r}: {years} numbers from 0, one a year, expected")
    for freeze in terms.freezes:
        if freeze.last < freeze.first:
            raise PlanInputError(f"terms: a freeze ends {freeze.last}, before it begins {freeze.first}")


def _check_weights(weights: Weights) -> None:
    for name in ("pence_per_hour", "hour_loss_ratio", "pence_per_kgco2e"):
        value = getattr(weights, name)
        if not math.isfinite(value) or value < 0:
            raise PlanInputError(f"weights: {name} is {value}; a number from 0 expected")
    if weights.hour_loss_ratio > 1:
        raise PlanInputError(f"weights: hour_loss_ratio is {weights.hour_loss_ratio}; 0 to 1 expected")


def _check_offer(offer: Offer, terms: Terms) -> None:
    if offer.kind not in OFFER_KINDS:
        raise PlanInputError(f"offer {offer.name}: kind {offer.kind!r} is none of {', '.join(OFFER_KINDS)}")
    for name in ("capital_pence", "revenue_pence"):
        found: Range = getattr(offer, name)
        _check_range(found, "offer", offer.name, name)
        if any(value != int(value) for value in found):
            raise PlanInputError(f"offer {offer.name}: {name} is {tuple(found)}; whole pence expected")
    _check_range(offer.embodied_kgco2e, "offer", offer.name, "embodied_kgco2e")
    for name in QUANTITIES:
        change: Change | None = getattr(offer, name)
        if change is not None:
            _check_range(change.range, "offer", offer.name, name)
    if offer.life_years is not None and not 0 < offer.life_years < math.inf:
        raise PlanInputError(f"offer {offer.name}: life_years is {offer.life_years}; more than 0 expected")
    if offer.installations < 0:
        raise PlanInputError(
            f"offer {offer.name}: installations is {offer.installations}; 0 or more expected"
        )
    if offer.stock is not None and offer.stock not in terms.stock:
        raise PlanInputError(f"offer {offer.name}: stock {offer.stock!r} is none of the stocks in the terms")


def _check_range(found: Range | None, what: str, name: str, figure: str) -> None:
    if found is None:
        return
    low, likely, high = found
    # nan fails every comparison, so it is refused here too.
    if not (0 <= low <= likely <= high < 1e13):
        where = f"{what} {name}" if name else what
        raise PlanInputError(
            f"{where}: {figure} is ({low}, {likely}, {high}); low <= likely <= high from 0 expected"
        )
