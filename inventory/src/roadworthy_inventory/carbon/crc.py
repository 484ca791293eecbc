"""The CRC annual report, recognisable to whoever filed one: supplies, subtotals, whole tonnes, allowances, price.

The scheme ended with 2018/19, so every figure is notional: a back-test for its years. Per supply

    tCO2 = kWh x factor / 1000, and 10 % more where the supply is estimated (the uplift is shown apart)

then all rows are added, the sum is rounded half up to whole tonnes once, and tonnes x price is the cost. CO2 only,
never CO2e. Sources: SI 2013/1119; https://www.gov.uk/guidance/crc-energy-efficiency-scheme-annual-reporting; the
rounding is that of the worked example at
https://www.valpak.co.uk/blog/how-new-greenhouse-gas-conversion-factors-will-affect-the-crc-scheme
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.crc_rates import (
    FUEL_WORDS,
    FUELS,
    REPORT_ONLY_YEAR,
    SALE_WORDS,
    Fuel,
    Price,
    RateBook,
    Sale,
    phase,
    price,
    rate_book,
    require_factor,
)
from roadworthy_inventory.carbon.quantities import (
    CarbonError,
    Co2,
    MissingFactorError,
    QuantityError,
    emitted,
    half_up,
    kwh,
    total,
)

UPLIFT = Fraction(1, 10)  # of the emissions of an estimated supply
DE_MINIMIS = Fraction(2, 100)  # of the electricity, kWh: gas for heating below it need not be reported


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """One supply: `reference` its MPAN or MPRN where known, energy in kWh, estimated by the scheme's rule or actual.

    An `adjustment` is no supply but corrects the others of its fuel, so its kWh may be negative.
    """

    fuel: Fuel
    kwh: Fraction
    estimated: bool = False
    reference: str | None = None
    site: str | None = None
    adjustment: bool = False

    def __post_init__(self) -> None:
        if self.fuel not in FUELS:
            raise QuantityError(f"{self.fuel!r} is no fuel of CRC here; use {', '.join(FUELS)}")
        kwh(abs(self.kwh) if self.adjustment else self.kwh, self.reference or self.fuel)


@dataclass(frozen=True, slots=True)
class Row:
    """A supply with its emissions: `uplift` is nought for an actual supply; left out by de minimis or counted."""

    supply: Supply
    factor_kgco2_per_kwh: Fraction | None
    before_uplift: Co2
    uplift: Co2
    left_out: bool = False

    @property
    def emissions(self) -> Co2:
        """Before uplift and uplift together."""
        return self.before_uplift + self.uplift


@dataclass(frozen=True, slots=True)
class Subtotal:
    """All counted supplies of one fuel, actual or estimated."""

    fuel: Fuel
    estimated: bool
    supplies: int
    kwh: Fraction
    emissions: Co2


@dataclass(frozen=True, slots=True)
class CrcReport:
    """One year's report, by the factors and prices of `rates`. `cost_gbp` and `cost_range_gbp` None where there was no sale; the latter low and high."""

    began: int
    phase: int
    rows: tuple[Row, ...]
    subtotals: tuple[Subtotal, ...]
    exact: Co2
    tonnes: int
    price: Price
    cost_gbp: Decimal | None
    cost_range_gbp: tuple[Decimal, Decimal] | None
    gas_below_de_minimis: bool
    de_minimis_applied: bool
    rates: RateBook = field(default_factory=rate_book, repr=False, compare=False)

    @property
    def year(self) -> str:
        """The compliance year as people write it."""
        return financial_year_label(self.began)

    @property
    def allowances(self) -> int | None:
        """How many had to be surrendered: one a tonne; None in the year that was report only."""
        return None if self.began == REPORT_ONLY_YEAR else self.tonnes


def _row(began: int, supply: Supply, rates: RateBook, *, left_out: bool) -> Row:
    if left_out:
        return Row(supply, None, Co2(Fraction(0)), Co2(Fraction(0)), left_out=True)
    factor = require_factor(began, supply.fuel, rates)
    before = emitted(Co2, supply.kwh, factor)
    return Row(supply, factor, before, Co2(before.kilograms * UPLIFT if supply.estimated else Fraction(0)))


def below_de_minimis(supplies: Sequence[Supply]) -> bool:
    """Whether there is gas, and less of it than 2 % of all electricity in kWh.

    The scheme asked this of the first year of a phase; whoever applies it to another year must know that one passed.
    """
    gas = sum((one.kwh for one in supplies if one.fuel == "gas"), Fraction(0))
    electricity = sum((one.kwh for one in supplies if one.fuel != "gas"), Fraction(0))
    return 0 < gas < electricity * DE_MINIMIS


def _subtotals(rows: Sequence[Row]) -> tuple[Subtotal, ...]:
    found = []
    for fuel in FUELS:
        for estimated in (False, True):
            parts = [
                one
                for one in rows
                if not one.left_out and (one.supply.fuel, one.supply.estimated) == (fuel, estimated)
            ]
            if parts:
                used = sum((one.supply.kwh for one in parts), Fraction(0))
                found.append(
                    Subtotal(fuel, estimated, len(parts), used, total(Co2, [one.emissions for one in parts]))
                )
    return tuple(found)


def _range(tonnes: int, found: Price) -> tuple[Decimal, Decimal] | None:
    prices = [one.value for one in found.candidates if one.value is not None]
    return (tonnes * min(prices), tonnes * max(prices)) if prices else None


def _ensure_enough(supplies: Sequence[Supply]) -> None:
    for fuel in FUELS:
        if (used := sum((one.kwh for one in supplies if one.fuel == fuel), Fraction(0))) < 0:
            raise CarbonError(
                f"adjustments take {float(-used):,.0f} kWh more of {FUEL_WORDS[fuel]} away than its supplies used"
            )
        # Less than nothing of estimated supplies would take the uplift off others.
        estimated = sum((one.kwh for one in supplies if one.fuel == fuel and one.estimated), Fraction(0))
        if estimated < 0:
            raise CarbonError(
                f"adjustments take {float(-estimated):,.0f} kWh more of {FUEL_WORDS[fuel]} away than its estimated supplies used"
            )


def report(
    began: int,
    supplies: Sequence[Supply],
    *,
    sale: Sale = "compliance",
    sale_required: bool = False,
    apply_de_minimis: bool = False,
    rates: RateBook | None = None,
) -> CrcReport:
    """Return the report for the compliance year that begins in `began`, by the shipped rates if `rates` are not said.

    Raises CarbonError: no supply, a year outside the scheme, a factor nobody has found, no sale where
    `sale_required`, de minimis applied to gas that is not below it.
    """
    in_phase = phase(began)
    if not supplies:
        raise CarbonError("a CRC report needs at least one supply; give its kWh, even if nought")
    below = below_de_minimis(supplies)
    if apply_de_minimis and not below:
        raise CarbonError("de minimis does not apply: there is no gas below 2 % of the electricity in kWh")
    rates = rates or rate_book()
    found = price(began, sale, rates)
    if sale_required and not found.candidates:
        raise MissingFactorError(
            f"CRC {financial_year_label(began)} has no price in the {SALE_WORDS[sale]}: {found.reason}"
        )
    _ensure_enough(supplies)
    rows = tuple(_row(began, one, rates, left_out=apply_de_minimis and one.fuel == "gas") for one in supplies)
    exact = total(Co2, [one.emissions for one in rows])
    tonnes = int(half_up(exact.tonnes))
    return CrcReport(
        began=began,
        phase=in_phase,
        rows=rows,
        subtotals=_subtotals(rows),
        exact=exact,
        tonnes=tonnes,
        price=found,
        cost_gbp=None if found.value is None else tonnes * found.value,
        cost_range_gbp=_range(tonnes, found),
        gas_below_de_minimis=below,
        de_minimis_applied=apply_de_minimis,
        rates=rates,
    )


ICT_SHARE_WORDS = "ICT share of billed supply, CRC basis, notional"


@dataclass(frozen=True, slots=True)
class IctShare:
    """What the devices take of a billed supply: an allocation inside the total, never a line of the report.

    Low and high are the ends of the interval of the devices' own energy. Tonnes are exact and not rounded.
    """

    billed_kwh: Fraction
    kwh: tuple[Fraction, Fraction, Fraction]
    emissions: tuple[Co2, Co2, Co2]
    ratio: tuple[Fraction, Fraction, Fraction]
    above_bill: bool


def ict_share(
    began: int,
    billed_kwh: Fraction,
    likely: Fraction,
    low: Fraction,
    high: Fraction,
    rates: RateBook | None = None,
) -> IctShare:
    """Return the devices' share of `billed_kwh` from the grid, (low, likely, high).

    `above_bill` where even the low end is more than was billed: then a meter or a model is wrong, and the number is
    shown so that somebody looks. Raises QuantityError for an interval out of order or a bill of nought.
    """
    if not 0 <= low <= likely <= high:
        raise QuantityError(f"an interval of {low} to {high} kWh with {likely} likely is out of order")
    if billed_kwh <= 0:
        raise QuantityError("nothing was billed, so there is nothing to take a share of")
    factor = require_factor(began, "electricity_grid", rates)
    parts = (low, likely, high)
    emissions = (emitted(Co2, low, factor), emitted(Co2, likely, factor), emitted(Co2, high, factor))
    ratios = (low / billed_kwh, likely / billed_kwh, high / billed_kwh)
    return IctShare(billed_kwh, parts, emissions, ratios, low > billed_kwh)
