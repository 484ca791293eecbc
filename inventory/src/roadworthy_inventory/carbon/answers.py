"""The calculators' answers: one year's CRC and SECR figures and the factors behind them, as plain numbers and texts.

Exact up to here and floats from here on, because JSON has no fractions. Every answer lists the rows of data it rests
on, each with its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from roadworthy_inventory.calendar import CRC_FIRST_YEAR, CRC_LAST_YEAR, financial_year_label
from roadworthy_inventory.carbon import crc_rates
from roadworthy_inventory.carbon.crc import CrcReport, Row, Supply, report
from roadworthy_inventory.carbon.factor_rules import Resolved, Rule
from roadworthy_inventory.carbon.factors import ITEM_WORDS, Factor, FactorBook, factor_book
from roadworthy_inventory.carbon.quantities import YearError, parse_kwh
from roadworthy_inventory.carbon.secr import SecrInputs, SecrTable, scope3_of_electricity, table
from roadworthy_inventory.carbon.years import parse_year, require_begun, require_crc_year

NOTIONAL = "notional: the scheme ended with 2018/19 and no report can be filed"
CRC_ROUNDING = "all supplies added, rounded half up to whole tonnes once, then priced"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrcAsked:
    """What the calculator is asked; energy as people write it (`120000`, `1.2 MWh`), None where there is no supply.

    `sale` None is buy to comply, and a year without a price is then no error.
    """

    year: str
    electricity: str | None = None
    gas: str | None = None
    estimated_electricity: str | None = None
    estimated_gas: str | None = None
    onsite: str | None = None
    sale: Literal["compliance", "forecast"] | None = None
    apply_de_minimis: bool = False


def _number(exact: Fraction | Decimal | None) -> float | None:
    return None if exact is None else float(exact)


def _supplies(asked: CrcAsked) -> list[Supply]:
    given: tuple[tuple[str | None, crc_rates.Fuel, bool, str], ...] = (
        (asked.electricity, "electricity_grid", False, "electricity-kwh"),
        (asked.estimated_electricity, "electricity_grid", True, "estimated-electricity-kwh"),
        (asked.onsite, "electricity_onsite", False, "onsite-kwh"),
        (asked.gas, "gas", False, "gas-kwh"),
        (asked.estimated_gas, "gas", True, "estimated-gas-kwh"),
    )
    return [
        Supply(fuel=fuel, kwh=parse_kwh(text, name), estimated=estimated)
        for text, fuel, estimated, name in given
        if text is not None
    ]


def _crc_row(row: Row) -> dict[str, Any]:
    return {
        "fuel": row.supply.fuel,
        "title": crc_rates.FUEL_WORDS[row.supply.fuel],
        "basis": "estimated" if row.supply.estimated else "actual",
        "kwh": float(row.supply.kwh),
        "factor_kgco2_per_kwh": _number(row.factor_kgco2_per_kwh),
        "tco2_before_uplift": float(row.before_uplift.tonnes),
        "tco2_uplift": float(row.uplift.tonnes),
        "tco2": float(row.emissions.tonnes),
        "left_out": row.left_out,
    }


def _rate(row: crc_rates.Rate) -> dict[str, Any]:
    words = {"price_compliance": "price, buy to comply", "price_forecast": "price, forecast sale"}
    return {
        "of": f"CRC {financial_year_label(row.began)}",
        "what": words.get(row.item)
        or next(crc_rates.FUEL_WORDS[fuel] for fuel in crc_rates.FUELS if fuel == row.item),
        "value": _number(row.value),
        "unit": row.unit,
        "status": row.status,
        "note": row.note,
        "published": None,
        "source": row.source,
        "as_of": row.as_of.isoformat(),
    }


def _factor(row: Factor) -> dict[str, Any]:
    basis = "" if row.basis == "one_year" else ", five-year average"
    return {
        "of": f"factor set {row.set_name}",
        "what": ITEM_WORDS[row.item] + basis,
        "value": _number(row.value),
        "unit": row.unit,
        "status": row.status,
        "note": row.note,
        "published": row.published or None,
        "source": row.source,
        "as_of": row.as_of.isoformat(),
    }


def _crc_sources(found: CrcReport) -> list[dict[str, Any]]:
    fuels = dict.fromkeys(one.supply.fuel for one in found.rows if not one.left_out)
    rows = [crc_rates.factor(found.began, fuel, found.rates) for fuel in fuels]
    return [_rate(one) for one in (*rows, *found.price.candidates)]


def _price(found: CrcReport) -> dict[str, Any]:
    low, high = found.cost_range_gbp or (None, None)
    return {
        "sale": found.price.sale,
        "price_gbp": _number(found.price.value),
        "price_candidates_gbp": [_number(one.value) for one in found.price.candidates],
        "price_reason": found.price.reason,
        "cost_gbp": _number(found.cost_gbp),
        "cost_low_gbp": _number(low),
        "cost_high_gbp": _number(high),
    }


def crc_answer(asked: CrcAsked, rates: crc_rates.RateBook | None = None) -> dict[str, Any]:
    """Return a compliance year's figures; raises CarbonError saying what, where and what to do.

    `price_gbp` and `cost_gbp` are null with a `price_reason` where sources differ or there was no sale; where they
    differ `price_candidates_gbp`, `cost_low_gbp` and `cost_high_gbp` say between what.
    """
    began = parse_year(asked.year)
    require_crc_year(began)
    found = report(
        began,
        _supplies(asked),
        sale=asked.sale or "compliance",
        sale_required=asked.sale is not None,
        apply_de_minimis=asked.apply_de_minimis,
        rates=rates,
    )
    return {
        "year": found.year,
        "phase": found.phase,
        "notional": NOTIONAL,
        "factor_kgco2_per_kwh": _number(crc_rates.factor(began, "electricity_grid", rates).value),
        "tco2": found.tonnes,
        "tco2_unrounded": float(found.exact.tonnes),
        "allowances": found.allowances,
        "rounding": CRC_ROUNDING,
        **_price(found),
        "gas_below_de_minimis": found.gas_below_de_minimis,
        "de_minimis_applied": found.de_minimis_applied,
        "supplies": [_crc_row(one) for one in found.rows],
        "subtotals": [
            {
                "fuel": one.fuel,
                "basis": "estimated" if one.estimated else "actual",
                "supplies": one.supplies,
                "kwh": float(one.kwh),
                "tco2": float(one.emissions.tonnes),
            }
            for one in found.subtotals
        ],
        "sources": _crc_sources(found),
    }


def _kilograms(tonnes: Fraction | None) -> float | None:
    return None if tonnes is None else float(tonnes * 1000)


def _parts(found: Resolved) -> list[dict[str, Any]]:
    return [{"days": weight.days} | _factor(row) for weight, row in found.parts]


def secr_answer(
    year: str,
    rule: Rule,
    electricity: str,
    *,
    gas: str | None = None,
    today: date,
    book: FactorBook | None = None,
) -> dict[str, Any]:
    """Return a financial year's SECR figures for so much electricity (and gas); raises CarbonError.

    An optional figure without a factor is null, and `reasons` says why. `may_be_issued` is false where a factor was
    only seen second hand.
    """
    inputs = SecrInputs(
        electricity_kwh=parse_kwh(electricity, "electricity-kwh"),
        gas_kwh=None if gas is None else parse_kwh(gas, "gas-kwh"),
    )
    found = table(book or factor_book(), parse_year(year), rule, inputs, today=today)
    wtt, wtt_reason = scope3_of_electricity(found, ("scope3_wtt_generation", "scope3_wtt_td"))
    kilograms = {
        "scope1_gas_kgco2e": _of(found, "scope1_gas"),
        "scope2_location_kgco2e": _of(found, "scope2_location"),
        "scope3_td_kgco2e": _of(found, "scope3_td"),
        "scope3_wtt_kgco2e": (_kilograms(wtt), wtt_reason),
        "scope3_wtt_generation_kgco2e": _of(found, "scope3_wtt_generation"),
        "scope3_wtt_td_kgco2e": _of(found, "scope3_wtt_td"),
    }
    used = [one.factor for one in found.rows if one.factor is not None and one.name != "scope3_homeworking"]
    return {
        "year": found.year,
        "rule": found.rule,
        "factor_set": found.factor_set,
        "electricity_kwh": float(inputs.electricity_kwh),
        "gas_kwh": _number(inputs.gas_kwh),
        **{name: value for name, (value, _) in kilograms.items()},
        "reasons": {name: reason for name, (_, reason) in kilograms.items() if reason},
        "may_be_issued": found.may_be_issued,
        "provisional": list(found.provisional),
        "sources": [part for one in used for part in _parts(one)],
    }


def _of(found: SecrTable, name: str) -> tuple[float | None, str | None]:
    row = found.row(name)
    return _kilograms(row.value), row.reason


def factors_answer(
    year: str | None = None,
    *,
    today: date,
    book: FactorBook | None = None,
    rates: crc_rates.RateBook | None = None,
) -> list[dict[str, Any]]:
    """Return every factor and price held, with its source; those of one set (`2024`) or financial year (`2024/25`).

    Of a financial year: the sets of both calendar years and, where CRC ran, its rates. Raises YearError.
    """
    book = book or factor_book()
    crc = (rates or crc_rates.rate_book()).rows
    if year is None:
        return [_factor(one) for one in book.rows] + [_rate(one) for one in crc]
    if year.strip().isascii() and year.strip().isdigit() and len(year.strip()) == 4:
        sets, began = {int(year)}, None
    else:
        began = parse_year(year)
        require_begun(began, today)
        sets = {began, began + 1}
    rows = [_factor(one) for one in book.rows if one.set_year in sets]
    if began is not None and CRC_FIRST_YEAR <= began <= CRC_LAST_YEAR:
        rows += [_rate(one) for one in crc if one.began == began]
    if not rows:
        raise YearError(
            f"there is no factor set of {year.strip()}: the sets here are {book.years[0]} to {book.years[-1]}"
        )
    return rows
