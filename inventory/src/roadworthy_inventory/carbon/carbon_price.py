"""An organisation's own carbon price: a dated series of its own type, so that it never passes for an allowance price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from roadworthy_inventory.carbon.quantities import CarbonError, Co2e, MissingFactorError, half_up


@dataclass(frozen=True, slots=True)
class InternalPrice:
    """GBP per tonne of CO2e from a day on, and who decided it (`source`: a paper or a minute)."""

    since: date
    gbp_per_tco2e: Decimal
    source: str

    def __post_init__(self) -> None:
        if not (self.gbp_per_tco2e.is_finite() and 0 <= self.gbp_per_tco2e <= 100_000):
            raise CarbonError(
                f"an internal carbon price of {self.gbp_per_tco2e} is none; write GBP per tCO2e"
            )
        if not self.source.strip():
            raise CarbonError("an internal carbon price needs its source: the paper that decided it")


class InternalPriceSeries:
    """The prices in order of time; each holds until the next."""

    def __init__(self, prices: Sequence[InternalPrice]) -> None:
        self.prices = tuple(sorted(prices, key=lambda one: one.since))
        for before, after in zip(self.prices, self.prices[1:], strict=False):
            if before.since == after.since:
                raise CarbonError(f"two internal carbon prices begin on {after.since}; keep one")

    def on(self, day: date) -> InternalPrice:
        """Return the price in force; MissingFactorError before the first, which is not nought."""
        held = [one for one in self.prices if one.since <= day]
        if not held:
            raise MissingFactorError(
                f"no internal carbon price is in force on {day}; add one that begins then"
            )
        return held[-1]

    def cost(self, emissions: Co2e, day: date) -> Decimal:
        """Return what `emissions` cost at the price of `day`, GBP, rounded to pence. Only CO2e is priced."""
        return half_up(emissions.tonnes * Fraction(self.on(day).gbp_per_tco2e), 2)
