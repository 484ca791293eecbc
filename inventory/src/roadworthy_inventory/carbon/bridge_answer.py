"""The bridge's answer: from a year's CRC tonnes to its SECR tonnes for the same electricity, as plain numbers and texts."""

from __future__ import annotations

from datetime import date
from typing import Any

from roadworthy_inventory.calendar import CRC_LAST_YEAR, financial_year_label
from roadworthy_inventory.carbon.answers import NOTIONAL
from roadworthy_inventory.carbon.bridge import bridge
from roadworthy_inventory.carbon.crc import Supply, report
from roadworthy_inventory.carbon.crc_rates import RateBook
from roadworthy_inventory.carbon.factor_rules import Rule
from roadworthy_inventory.carbon.factors import FactorBook, factor_book
from roadworthy_inventory.carbon.quantities import parse_kwh
from roadworthy_inventory.carbon.years import parse_year, require_begun


def bridge_answer(
    year: str,
    rule: Rule,
    electricity: str,
    *,
    estimated: str | None = None,
    today: date,
    book: FactorBook | None = None,
    crc_rates: RateBook | None = None,
) -> dict[str, Any]:
    """Return each step from CRC to SECR scope 2 for so much grid electricity, in tonnes that add up; raises CarbonError.

    `estimated`: electricity of estimated supplies, on top. A year after the scheme's last is taken at that one's rates.
    """
    began = parse_year(year)
    require_begun(began, today)
    supplies = [Supply(fuel="electricity_grid", kwh=parse_kwh(electricity, "electricity-kwh"))]
    if estimated is not None:
        kwh = parse_kwh(estimated, "estimated-electricity-kwh")
        supplies.append(Supply(fuel="electricity_grid", kwh=kwh, estimated=True))
    rates = min(began, CRC_LAST_YEAR)
    found = bridge(report(rates, supplies, rates=crc_rates), book or factor_book(), rule, began)
    losses = found.secr_scope3_losses_tonnes
    return {
        "year": found.year,
        "notional": NOTIONAL,
        "crc_rates": financial_year_label(rates),
        "factor_set": found.factor_set,
        "rule": rule,
        "electricity_kwh": float(sum(one.kwh for one in supplies)),
        "crc_tco2": found.crc_tonnes,
        "steps": [{"name": one.name, "title": one.title, "tonnes": float(one.tonnes)} for one in found.steps],
        "secr_scope2_tco2e": float(found.secr_scope2_tonnes),
        "secr_scope3_losses_tco2e": None if losses is None else float(losses),
    }
