"""What a report is made from besides the ledger: factors in force, the rule, journals, and what the settings say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.report_model import FactorUsed
from roadworthy_inventory.carbon.factor_rules import Rule
from roadworthy_inventory.carbon.factors import FactorBook


@dataclass(frozen=True, slots=True)
class Inputs:
    """Shared by all kinds. `journals`: {line: kWh} of this report, `journals_before` of the year before's."""

    book: FactorBook
    rule: Rule
    now: int
    code_version: str
    simulated: bool
    journals: Mapping[str, Fraction] = field(default_factory=dict)
    journals_before: Mapping[str, Fraction] = field(default_factory=dict)
    journal_rows: Sequence[Mapping[str, Any]] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def set_of(factor: FactorUsed) -> str:
        """Return the factor set of a factor as a report names it."""
        if len(factor.parts) == 1:
            return factor.parts[0].set_name
        return " and ".join(f"{one.set_name} ({one.days} days)" for one in factor.parts)
