"""What stood around a CRC report: de minimis, the price of both sales, a late report's penalties, the league table.

Sources: SI 2013/1119, articles 31 and 74; https://www.gov.uk/guidance/crc-energy-efficiency-scheme-annual-reporting;
the league table of 2010/11 by https://github.com/OpenAMEE/datasets
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.report_crc_tables import SALES, price_keys
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import Column, Table, number
from roadworthy_inventory.calendar import CRC_FIRST_YEAR, CRC_LAST_YEAR, financial_year_label
from roadworthy_inventory.carbon import crc
from roadworthy_inventory.carbon.bridge import Bridge, bridge
from roadworthy_inventory.carbon.crc_evidence import (
    LATE_DAYS,
    NEVER_GBP,
    PER_TONNE_GBP,
    beside_league,
    late_penalty,
    league,
    report_due,
)
from roadworthy_inventory.carbon.crc_rates import FUEL_WORDS, SALE_WORDS, RateBook, price
from roadworthy_inventory.carbon.quantities import CarbonError

_DAYS_LATE = (1, 10, LATE_DAYS)
_GAS_IN, _GAS_OUT = "gas in it", "gas left out by de minimis"


def prices(found: crc.CrcReport) -> Table:
    """Return what the allowances would cost in either sale, a row for each price where sources differ."""
    rows: list[dict[str, Any]] = []
    for sale in SALES:
        held = price(found.began, sale, found.rates)
        known = [one for one in held.candidates if one.value is not None]
        rows += [
            {
                "title": SALE_WORDS[sale],
                "price": number(Fraction(str(one.value)), 2),
                "cost": number(found.tonnes * Fraction(str(one.value)), 2),
                "status": one.status,
                "told": "; ".join(
                    said for said in (f"{one.source}, as of {one.as_of:%-d %B %Y}", one.note) if said
                ),
                "works": {"price": f"[factor {key}]", "cost": "[sum total]*[price]"},
            }
            for key, one in zip(price_keys(sale, len(known)), known, strict=True)
        ] or [
            {
                "title": SALE_WORDS[sale],
                "price": None,
                "cost": None,
                "status": "none",
                "told": held.reason or "",
            }
        ]
    columns = (
        Column("title", "Sale", "text"),
        Column("price", "GBP a tonne", places=2),
        Column("cost", "GBP", places=2),
        Column("status", "Status", "text"),
        Column("told", "Source, and when it was read", "text"),
    )
    note = (
        "Where sources differ on a price, each is a row with who says it. The forecast sale was before the year's end, buy "
        "to comply after it; allowances left over counted in later years of the phase and were never paid back."
    )
    return Table("prices", "What the allowances would cost", columns, rows, note)


def de_minimis(found: crc.CrcReport) -> Table | None:
    """Return what leaving gas out does, beside the report with gas in it; None without gas."""
    gas, electricity = (
        sum((one.supply.kwh for one in found.rows if (one.supply.fuel == "gas") == is_gas), Fraction(0))
        for is_gas in (True, False)
    )
    if not gas:
        return None
    rows = [_sums(_GAS_OUT if found.de_minimis_applied else _GAS_IN, found, "[sum total]", said=True)]
    if found.gas_below_de_minimis:
        applied = not found.de_minimis_applied
        sale = found.price.sale
        other = crc.report(
            found.began,
            [one.supply for one in found.rows],
            sale=sale,
            apply_de_minimis=applied,
            rates=found.rates,
        )
        fuel = FUEL_WORDS["gas"]
        works = f'ROUND(SUMIF([table supplies fuel],"<>{fuel}",[table supplies tco2]),0)' if applied else ""
        rows.append(_sums(_GAS_OUT if applied else _GAS_IN, other, works))
    share = f"{float(gas / electricity):.2%} of the electricity" if electricity else "all there is"
    below = "below" if found.gas_below_de_minimis else "not below"
    applied_words = "applied because that was chosen" if found.de_minimis_applied else "not applied"
    note = (
        f"Gas is {float(gas):,.0f} kWh, {share}: {below} the limit of {float(crc.DE_MINIMIS):.0%}. The scheme asked this "
        f"of the first year of a phase, so it is shown and {applied_words}."
    )
    columns = (
        Column("title", "Report", "text"),
        Column("tonnes", "tCO2"),
        Column("cost", f"GBP, {SALE_WORDS[found.price.sale]}", places=2),
    )
    return Table("de_minimis", "De minimis: gas for heating", columns, rows, note)


def _sums(title: str, found: crc.CrcReport, works: str, *, said: bool = False) -> dict[str, Any]:
    cost = None if found.cost_gbp is None else float(found.cost_gbp)
    told = ({"tonnes": works} if works else {}) | (
        {} if cost is None else {"cost": f"[tonnes]*[factor price_{found.price.sale}]"}
    )
    title = f"As reported, {title}" if said else f"Else, {title}"
    return {"title": title, "tonnes": float(found.tonnes), "cost": cost, "works": told}


def previous_tonnes(began: int, supplies: Sequence[crc.Supply], rates: RateBook | None = None) -> int | None:
    """Return the whole tonnes of the compliance year before, None where there was none or nothing is held of it."""
    if began <= CRC_FIRST_YEAR or not supplies:
        return None
    try:
        return crc.report(min(began - 1, CRC_LAST_YEAR), list(supplies), rates=rates).tonnes
    except CarbonError:  # a factor nobody has found: the penalty is then not known either
        return None


_INPUTS = "[cell bridge_inputs value {}]"
_STEP_WORKS = {
    "other_supplies": "-{others}",
    "uplift": "-{uplift}",
    "losses": "-{kwh}*{losses_co2}/1000",
    "gases": "{kwh}*({set_co2e}-{set_co2})/1000",
    "rule": "{kwh}*({target}-{set_co2e})/1000",
}
_INPUT_WORDS = {
    "kwh": ("Electricity from the grid", "kWh"),
    "uplift": ("10 % on its estimated supplies", "tCO2"),
    "others": ("Gas and on-site electricity", "tCO2"),
    "crc": ("CRC's factor, losses in it", "kgCO2/kWh"),
    "set_co2": ("The same year's set, generation", "kgCO2/kWh"),
    "losses_co2": ("The same year's set, losses", "kgCO2/kWh"),
    "set_co2e": ("The same year's set, generation", "kgCO2e/kWh"),
    "target": ("The set or sets SECR's rule picks, generation", "kgCO2e/kWh"),
}


def _bridge_inputs(held: Bridge) -> Table:
    """Return what the steps come of; in a CRC report the kWh and tonnes are those of its supplies."""
    steps = {one.name: one.tonnes for one in held.steps}
    values = {"kwh": held.kwh, "uplift": -steps["uplift"], "others": -steps["other_supplies"]}
    fuel = FUEL_WORDS["electricity_grid"]
    grid = f'SUMIF([table supplies fuel],"{fuel}",[table supplies {{}}])'
    works = {
        "kwh": grid.format("kwh"),
        "uplift": grid.format("uplift"),
        "others": f"SUM([table supplies tco2])-{grid.format('tco2')}",
        "crc": "[factor electricity_grid]",
        "target": "[factor generation]",
    }
    rows = [
        {
            "name": name,
            "title": words[0],
            "value": number(values[name]) if name in values else float(held.factors[name]),
            "places": 3 if name in values else 5,
            "unit": words[1],
            "works": {"value": works[name]} if name in works else {},
        }
        for name, words in _INPUT_WORDS.items()
        if name in values or name in held.factors
    ]
    columns = (
        Column("title", "", "text"),
        Column("value", "Value", places=5),
        Column("unit", "Unit", "text"),
    )
    return Table("bridge_inputs", "What the bridge comes of", columns, rows)


def _step_works(held: Bridge) -> dict[str, str]:
    """Return the formula of each row of the bridge, the first is `crc`."""
    cells = {name: _INPUTS.format(name) for name in _INPUT_WORDS}
    exact = "{kwh}*{crc}/1000+{uplift}+{others}".format(**cells)
    within = "{set_co2}+{losses_co2}" if "set_co2" in held.factors else "{target}"
    works = {name: text.format(**cells) for name, text in _STEP_WORKS.items()}
    works["crc"] = f"ROUND({exact},0)"
    works["rounding"] = f"{exact}-[cell bridge tonnes crc]"
    works["set"] = ("{kwh}*(" + within + "-{crc})/1000").format(**cells)
    return works


def bridge_tables(inputs: Inputs, found: crc.CrcReport, began: int) -> list[Table]:
    """Return the bridge and, where there is one, what its steps come of."""
    try:
        held = bridge(found, inputs.book, inputs.rule, began)
    except CarbonError:
        return [bridged(inputs, found, began)]
    return [bridged(inputs, found, began), _bridge_inputs(held)]


def bridged(inputs: Inputs, found: crc.CrcReport, began: int) -> Table:
    """Return the bridge to SECR for the same electricity, or a table that says why there is none."""
    columns = (Column("title", "Step", "text"), Column("tonnes", "tonnes", places=3))
    title = "From CRC tonnes to SECR scope 2 tonnes for the same electricity"
    try:
        held = bridge(found, inputs.book, inputs.rule, began)
    except CarbonError as error:
        return Table("bridge", title, columns, [], f"No bridge: {error}")
    works = _step_works(held)
    lines = [("crc", "CRC, whole tonnes of CO2", Fraction(held.crc_tonnes))]
    lines += [(one.name, one.title, one.tonnes) for one in held.steps]
    rows: list[dict[str, Any]] = [
        {"name": name, "title": words, "tonnes": number(tonnes), "works": {"tonnes": works[name]}}
        for name, words, tonnes in lines
    ]
    end = {"title": "SECR scope 2, location-based, CO2e", "tonnes": number(held.secr_scope2_tonnes)}
    note = f"SECR by factor set {held.factor_set}, {inputs.rule} rule. The steps add up exactly."
    return Table("bridge", title, columns, rows, note, end)


def late(began: int, before_tonnes: int | None) -> Table:
    """Return what a late report of the year that begins in `began` would have cost, by days late."""
    rows = []
    for days in _DAYS_LATE:
        found = late_penalty(days)
        if found is not None:
            rows.append(
                _late_row(f"{days} {'day' if days == 1 else 'days'}", found.fixed_gbp, found.daily_gbp, 0)
            )
    title = f"more than {LATE_DAYS} days, or never"
    if before_tonnes is None:
        told = late_penalty(LATE_DAYS + 1, 0)
        fixed = told.fixed_gbp if told is not None else 0
        rows.append(_late_row(title, fixed, NEVER_GBP, None))
    elif (never := late_penalty(LATE_DAYS + 1, before_tonnes)) is not None:
        rows.append(_late_row(title, never.fixed_gbp, never.never_gbp, never.per_tonne_gbp))
    columns = (
        Column("title", "Late by", "text"),
        Column("fixed", "at once, GBP"),
        Column("daily", "by the day, or for none, GBP"),
        Column("tonnes", "for doubled tonnes, GBP"),
        Column("total", "together, GBP"),
    )
    due = (
        f"The report of {financial_year_label(began)} was due on {report_due(began):%-d %B %Y}. "
        if began <= CRC_LAST_YEAR
        else "No report of this year is due: the scheme has ended. "
    )
    doubled = (
        f"{2 * before_tonnes:,} tCO2, twice the year before's"
        if before_tonnes is not None
        else "twice the year before's, of which not every supply is known here"
    )
    note = (
        f"{due}After {LATE_DAYS} days emissions were set at {doubled}, with GBP {PER_TONNE_GBP} a tonne and allowances to be "
        "bought for them on top. SI 2013/1119, article 74."
    )
    return Table("late", "What a late report would have cost", columns, rows, note)


def _late_row(title: str, fixed: int, daily: int, tonnes: int | None) -> dict[str, Any]:
    total = None if tonnes is None else fixed + daily + tonnes
    works = {} if total is None else {"total": "[fixed]+[daily]+[tonnes]"}
    return {"title": title, "fixed": fixed, "daily": daily, "tonnes": tonnes, "total": total, "works": works}


def league_table(found: crc.CrcReport) -> Table:
    """Return the report's tonnes beside participants of the league table of 2010/11, for scale."""
    held = league()
    ranks = {one.participant: one.rank for one in held.rows}
    rows = [
        {
            "title": one.participant,
            "tco2": float(one.tco2),
            "rank": ranks.get(one.participant),
            "ratio": number(one.ratio * 100, 1),
            "works": {"ratio": "[sum total]/[tco2]*100"},
        }
        for one in beside_league(Fraction(found.tonnes))
    ]
    whole = {
        "title": f"All {held.participants:,} participants",
        "tco2": float(held.total_tco2),
    }
    columns = (
        Column("title", "Participant, 2010/11", "text"),
        Column("tco2", "tCO2"),
        Column("rank", "rank"),
        Column("ratio", "this report is, % of it", places=1),
    )
    note = (
        "For scale only: the table is of 2010/11 and this report of another year. Ranks are as published; those of the "
        "other rows were not noted. Source: https://github.com/OpenAMEE/datasets"
    )
    return Table("league", "Beside the league table of 2010/11", columns, rows, note, whole)
