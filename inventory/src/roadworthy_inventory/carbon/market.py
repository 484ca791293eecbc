"""Market-based electricity: what contracts cover, by instrument and time, and the residual mix for what nothing covers.

GHG Protocol Scope 2 Guidance (2015), chapters 6 and 7: electricity under no contractual instrument counts at the
residual mix; where none is published for the market, at the average of the grid, and the report says so;
https://ghgprotocol.org/scope-2-guidance
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from roadworthy_inventory.carbon.quantities import Co2e, emitted
from roadworthy_inventory.carbon.secr import ContractFactor


@dataclass(frozen=True, slots=True)
class Covered:
    """Electricity of one supply under an instrument from `first` to `last`, both included, and its factor."""

    instrument: str
    supply: str
    first: date
    last: date
    kwh: Fraction
    factor: ContractFactor

    @property
    def emissions(self) -> Co2e:
        """What it emits by its contract."""
        return emitted(Co2e, self.kwh, self.factor.kgco2e_per_kwh)


@dataclass(frozen=True, slots=True)
class Market:
    """A year's electricity by what covers it: `covered` and `rest_kwh` at the `residual` are all of it."""

    covered: tuple[Covered, ...]
    rest_kwh: Fraction
    residual: ContractFactor

    @property
    def kwh(self) -> Fraction:
        """All electricity."""
        return sum((one.kwh for one in self.covered), self.rest_kwh)

    @property
    def emissions(self) -> Co2e:
        """All of its emissions, market-based."""
        found = emitted(Co2e, self.rest_kwh, self.residual.kgco2e_per_kwh)
        for one in self.covered:
            found += one.emissions
        return found

    def factor(self) -> ContractFactor:
        """Return the mean factor by kWh with every paper it rests on."""
        papers = [one.factor.source for one in self.covered if one.kwh]
        if self.rest_kwh:
            papers.append(f"{float(self.rest_kwh):,.0f} kWh under no contract: {self.residual.source}")
        return ContractFactor(self.emissions.kilograms / self.kwh, "; ".join(dict.fromkeys(papers)))


def market_of(whole_kwh: Fraction, covered: Sequence[Covered], residual: ContractFactor) -> Market | None:
    """Return the year's electricity by what covers it, None where nothing does or nothing was used.

    Where an adjustment took off what contracts cover, nothing is left for the residual mix.
    """
    some = tuple(one for one in covered if one.kwh > 0)
    under = sum((one.kwh for one in some), Fraction(0))
    if not some or whole_kwh <= 0:
        return None
    return Market(some, max(whole_kwh - under, Fraction(0)), residual)
