"""Which supplies a CRC report leaves out by a rule of the scheme, and the scheme's years side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from roadworthy_collector.carbon.report_model import Column, Content, Table, number
from roadworthy_collector.carbon.settings_changes import CrcExclusion
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon import crc
from roadworthy_inventory.carbon.crc_evidence import EXCLUSION_RULES
from roadworthy_inventory.carbon.crc_rates import FUEL_WORDS, Price
from roadworthy_inventory.carbon.crc_rates import columns as columns_of_years


def without_excluded(
    supplies: Sequence[CrcSupply], exclusions: Sequence[CrcExclusion]
) -> tuple[list[CrcSupply], list[tuple[CrcSupply, CrcExclusion]]]:
    """Return the supplies that count, and those the carbon settings leave out with the rule."""
    rules = {one.supply: one for one in exclusions}
    kept = [one for one in supplies if one.number not in rules]
    return kept, [(one, rules[one.number]) for one in supplies if one.number in rules]


def with_excluded(content: Content, out: Sequence[tuple[CrcSupply, CrcExclusion]]) -> Content:
    """Return a report that lists the supplies left out, each with its kWh, rule and reason."""
    if not out:
        return content
    rows = [
        {
            "supply": one.number,
            "kwh": number(one.kwh) if one.has_reading else None,
            "rule": EXCLUSION_RULES[rule.rule],
            "why": rule.why,
        }
        for one, rule in out
    ]
    columns = (
        Column("supply", "Supply", "text"),
        Column("kwh", "kWh"),
        Column("rule", "Rule", "text"),
        Column("why", "Reason", "text"),
    )
    note = "In no sum of this report. Who left them out and when is in the audit of the carbon settings."
    table = Table("excluded", "Supplies left out", columns, rows, note)
    counted = {
        "what": "Supplies left out by a rule of the scheme",
        "why": "; ".join(dict.fromkeys(str(row["rule"]) for row in rows)),
        "count": len(rows),
        "unit": "supplies",
    }
    return replace(content, tables=[*content.tables, table], exclusions=[*content.exclusions, counted])


def years(found: crc.CrcReport) -> Table:
    """Return the scheme's nine years side by side: factors, prices, and the same grid electricity at each."""
    grid = sum((one.supply.kwh for one in found.rows if one.supply.fuel == "electricity_grid"), Fraction(0))
    billed = f'SUMIF([table supplies fuel],"{FUEL_WORDS["electricity_grid"]}",[table supplies kwh])'
    works = f"{billed}*[grid]/1000"
    rows = []
    for one in columns_of_years(found.rates):
        factors = {rate.item: rate.value for rate in one.factors}
        electricity = factors["electricity_grid"]
        rows.append(
            {
                "year": financial_year_label(one.began) + (", report only" if one.report_only else ""),
                "phase": str(one.phase),
                "grid": None if electricity is None else float(electricity),
                "gas": None if factors["gas"] is None else float(factors["gas"]),
                "forecast": _price(one.forecast),
                "compliance": _price(one.compliance),
                "tco2": None if electricity is None else number(grid * Fraction(electricity) / 1000),
                "works": {"tco2": works},
            }
        )
    columns = (
        Column("year", "Year", "text"),
        Column("phase", "Phase", "text"),
        Column("grid", "grid", places=5),
        Column("gas", "gas", places=5),
        Column("forecast", "forecast", "text"),
        Column("compliance", "to comply", "text"),
        Column("tco2", "tCO2 then", places=3),
    )
    note = (
        "Back-test: this report's grid electricity at each year's factor, without uplift. Factors in kgCO2/kWh, prices in "
        "GBP a tonne; where sources differ on one, both are told."
    )
    return Table("years", "The scheme's years side by side", columns, rows, note)


def _price(held: Price) -> str:
    return " or ".join(str(one.value) for one in held.candidates if one.value is not None) or "none"
