"""What a report is made from besides the ledger: factors in force, the rule, journals, and what the settings say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.estate import Dimension
from roadworthy_collector.carbon.report_crc_tables import Choice
from roadworthy_collector.carbon.report_model import FactorUsed
from roadworthy_collector.carbon.sums import Sum
from roadworthy_collector.carbon.without_agent import WithoutAgent
from roadworthy_inventory.carbon.boundary import BoundaryChange
from roadworthy_inventory.carbon.carbon_price import InternalPriceSeries
from roadworthy_inventory.carbon.crc_rates import RateBook, rate_book
from roadworthy_inventory.carbon.factor_rules import Rule
from roadworthy_inventory.carbon.factors import FactorBook


@dataclass(frozen=True, slots=True)
class Inputs:
    """Shared by all kinds. `journals`: {line: kWh} of this report, `journals_before` of the year before's.

    `pending`: months of the year there are facts of whose ledger is not made or not closed yet, `pending_before` those of the year before. `issued_before`: the content of the year before as it was issued, where it was. `boundary_changes` as the carbon
    settings record them. `vehicles`: {dimension: {key: energy}} in vehicles, `vehicle_sites` the keys of those sites.
    `left_out_joules`: {why: joules of the year that were measured and are not in the ledger}.
    `choice`: of a CRC report, whose factors and prices are `rates`. `prices`: the internal carbon price. `apart`: devices nothing reports for.
    """

    book: FactorBook
    rule: Rule
    now: int
    code_version: str
    simulated: bool
    journals: Mapping[str, Fraction] = field(default_factory=dict)
    journals_before: Mapping[str, Fraction] = field(default_factory=dict)
    journal_rows: Sequence[Mapping[str, Any]] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)
    issued_before: Mapping[str, Any] | None = None
    pending: Sequence[str] = ()
    pending_before: Sequence[str] = ()
    boundary_changes: Sequence[BoundaryChange] = ()
    vehicles: Mapping[Dimension, Mapping[str, Sum]] = field(default_factory=dict)
    left_out_joules: Mapping[str, int] = field(default_factory=dict)
    apart: WithoutAgent = field(default_factory=lambda: WithoutAgent(()))
    choice: Choice = Choice()  # noqa: RUF009 - a tuple, and the same for all
    rates: RateBook = field(default_factory=rate_book)
    prices: InternalPriceSeries = field(default_factory=lambda: InternalPriceSeries(()))

    @property
    def vehicle_sites(self) -> Collection[str]:
        """The keys of the sites that are vehicles."""
        return self.vehicles.get("site", {}).keys()

    @staticmethod
    def set_of(factor: FactorUsed) -> str:
        """Return the factor set of a factor as a report names it."""
        if len(factor.parts) == 1:
            return factor.parts[0].set_name
        return " and ".join(f"{one.set_name} ({one.days} days)" for one in factor.parts)
