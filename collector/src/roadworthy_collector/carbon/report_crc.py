"""The CRC annual report, notional: a row a supply, tCO2 never CO2e, one whole-tonne total, allowances and their price.

The scheme ran from 2010/11 to 2018/19. A later year is worked out at the rates of its last one, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.emitted import SCOPES
from roadworthy_collector.carbon.estate import Estate
from roadworthy_collector.carbon.report_carbon import PLACE_WORDS
from roadworthy_collector.carbon.report_carbon_tables import journal_table
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import (
    TITLES,
    Chart,
    Column,
    Content,
    FactorPart,
    FactorUsed,
    Figure,
    Line,
    Table,
    Term,
    number,
    sum_of,
)
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_inventory.calendar import CRC_LAST_YEAR, financial_year_label
from roadworthy_inventory.carbon import crc
from roadworthy_inventory.carbon.answers import CRC_ROUNDING, NOTIONAL
from roadworthy_inventory.carbon.bridge import Bridge, bridge
from roadworthy_inventory.carbon.crc_evidence import evidence_index
from roadworthy_inventory.carbon.crc_rates import FUEL_WORDS, FUELS, factor, price
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH
from roadworthy_inventory.carbon.quantities import CarbonError

_UPLIFTED = 1 + crc.UPLIFT
JOURNAL_LINES = {"electricity": "electricity_grid", "onsite": "electricity_onsite", "gas": "gas"}
METHOD = (
    (
        "One row a supply (MPAN or MPRN). kWh are what its meters told; export is not taken off. A supply is estimated by "
        "the scheme's own rule: fewer than two actual readings half the year (183 days) apart, whatever the bill says."
    ),
    (
        "tCO2 = kWh x factor / 1000, CO2 alone and never CO2e. An estimated supply emits 10 % more; the uplift is a "
        f"column of its own. Rounding: {CRC_ROUNDING}."
    ),
    "ICT was never a line of a CRC report. Its share is shown under the billed total, as an allocation inside it.",
)


def rates_year(began: int) -> int:
    """Return the compliance year whose rates are taken: the year's own, or the scheme's last one after its end."""
    return min(began, CRC_LAST_YEAR)


def _title(one: CrcSupply) -> str:
    return one.number or one.name or "supplies of restricted sites"


def lines_of(
    supplies: Sequence[CrcSupply], journals: Mapping[str, Fraction]
) -> list[tuple[Line, crc.Supply]]:
    """Return a line and the calculator's supply for each; journals are supplies of their own, never estimated."""
    found = [
        (Line(f"supply {place}", _title(one), one.kwh, "meters of the supply"), one.supply())
        for place, one in enumerate(supplies, 1)
    ]
    for name, kwh in sorted(journals.items()):
        fuel = next(one for one in FUELS if one == JOURNAL_LINES[name])
        line = Line(f"journal {name}", f"adjustments of {FUEL_WORDS[fuel]}", Fraction(0), "journals", (), kwh)
        if kwh:
            found.append((line, crc.Supply(fuel=fuel, kwh=kwh, reference="adjustments")))
    return found


def build(inputs: Inputs, began: int, supplies: Sequence[CrcSupply], estate: Estate) -> Content:
    """Return the report's content; CarbonError without a supply, before the scheme, or with a negative adjustment."""
    if not supplies and not inputs.journals:
        raise CarbonError(
            "a CRC report needs at least one supply: enter MPANs and their half-hourly files with `roadworthy meters`"
        )
    rated = rates_year(began)
    pairs = lines_of(supplies, inputs.journals)
    found = crc.report(rated, [one for _, one in pairs])
    lines = {line.name: line for line, _ in pairs}
    factors: dict[str, FactorUsed] = {
        fuel: _factor(rated, fuel) for fuel in dict.fromkeys(one.fuel for _, one in pairs)
    }
    terms = [Term(line.name, one.fuel, _UPLIFTED if one.estimated else Fraction(1)) for line, one in pairs]
    total = sum_of("total", "Total, whole tonnes", "tCO2", 0, terms, lines, factors)
    tables = [
        _supplies(supplies, found),
        _subtotals(found),
        _share(rated, found, estate),
        _prices(rated, found),
    ]
    tables += [*_bridged(inputs, found, began), _evidence()]
    if inputs.journal_rows:
        tables.append(journal_table(inputs))
    return Content(
        kind="crc",
        began=began,
        year=financial_year_label(began),
        title=TITLES["crc"],
        made_at=inputs.now,
        code_version=inputs.code_version,
        simulated=inputs.simulated,
        figures=_figures(found),
        sentences=_sentences(began, found, supplies),
        tables=[one for one in tables if one is not None],
        charts=_charts(tables[1]),
        factors=list(factors.values()),
        lines=list(lines.values()),
        sums=[total],
        method=METHOD,
        exclusions=_exclusions(supplies),
        rules={"rates": f"CRC {found.year}", "sale": "buy to comply", **inputs.rules},
    )


def _factor(rated: int, fuel: str) -> FactorUsed:
    row = factor(rated, next(one for one in FUELS if one == fuel))
    name = f"CRC {financial_year_label(rated)}"
    part = FactorPart(
        name,
        365,
        None if row.value is None else str(row.value),
        row.status,
        row.note,
        row.source,
        row.as_of.isoformat(),
    )
    value = None if row.value is None else Fraction(row.value)
    return FactorUsed(
        fuel, FUEL_WORDS[next(one for one in FUELS if one == fuel)], row.unit, value, row.note or None, [part]
    )


def _figures(found: crc.CrcReport) -> list[Figure]:
    low, high = found.cost_range_gbp or (None, None)
    differs = found.cost_gbp is None and low is not None
    grid = sum((one.supply.kwh for one in found.rows if one.supply.fuel == "electricity_grid"), Fraction(0))
    return [
        Figure("total", "Emissions, CO2 alone", float(found.tonnes), "tCO2", note=NOTIONAL),
        Figure(
            "cost",
            "Allowances, buy to comply",
            None if found.cost_gbp is None else float(found.cost_gbp),
            "GBP",
            2,
            float(low) if differs and low is not None else None,
            float(high) if differs and high is not None else None,
            found.price.reason or f"GBP {found.price.value} a tonne",
        ),
        Figure("kwh", "Electricity from the grid, billed", number(grid), "kWh"),
        Figure("supplies", "Supplies", float(len(found.rows)), "rows"),
    ]


def _sentences(began: int, found: crc.CrcReport, supplies: Sequence[CrcSupply]) -> list[str]:
    told = [f"This report is {NOTIONAL}."]
    if began > CRC_LAST_YEAR:
        told.append(
            f"The scheme had no year {financial_year_label(began)}: kWh are of that year, factors and price those of "
            f"{found.year}, the scheme's last. It is what the scheme would have asked for, had nothing changed."
        )
    estimated = sum(one.supply.estimated for one in found.rows)
    told.append(
        f"{estimated} of {len(found.rows)} supplies are estimated by the scheme's rule and emit 10 % more."
    )
    missing = sum(one.missing_half_hours for one in supplies)
    if missing:
        told.append(f"{missing:,} half-hours of the supplies have no figure: the kWh are less than was used.")
    if found.gas_below_de_minimis:
        told.append("Gas is below 2 % of the electricity; de minimis is not applied here.")
    return told


def _supplies(supplies: Sequence[CrcSupply], found: crc.CrcReport) -> Table:
    rows: list[dict[str, Any]] = []
    told = [*supplies, *[None] * (len(found.rows) - len(supplies))]
    for one, row in zip(told, found.rows, strict=True):
        rows.append(
            {
                "supply": "adjustments" if one is None else _title(one),
                "site": row.supply.site or "",
                "fuel": FUEL_WORDS[row.supply.fuel],
                "basis": "estimated" if row.supply.estimated else "actual",
                "kwh": number(row.supply.kwh),
                "factor": None if row.factor_kgco2_per_kwh is None else float(row.factor_kgco2_per_kwh),
                "before": number(row.before_uplift.tonnes),
                "uplift": number(row.uplift.tonnes),
                "tco2": number(row.emissions.tonnes),
            }
        )
    columns = (
        Column("supply", "Supply", "text"),
        Column("site", "Site", "text"),
        Column("fuel", "Fuel", "text"),
        Column("basis", "Basis", "text"),
        Column("kwh", "kWh"),
        Column("before", "tCO2", places=3),
        Column("uplift", "10 % uplift", places=3),
        Column("tco2", "together", places=3),
    )
    total = {
        "supply": "All",
        "kwh": number(sum((one.supply.kwh for one in found.rows), Fraction(0))),
        "before": number(sum((one.before_uplift.tonnes for one in found.rows), Fraction(0))),
        "uplift": number(sum((one.uplift.tonnes for one in found.rows), Fraction(0))),
        "tco2": number(found.exact.tonnes),
    }
    return Table(
        "supplies", "Supplies", columns, rows, f"Rounded once to whole tonnes: {found.tonnes:,} tCO2.", total
    )


def _subtotals(found: crc.CrcReport) -> Table:
    rows = [
        {
            "title": f"{FUEL_WORDS[one.fuel]}, {'estimated' if one.estimated else 'actual'}",
            "supplies": one.supplies,
            "kwh": number(one.kwh),
            "tco2": number(one.emissions.tonnes),
        }
        for one in found.subtotals
    ]
    columns = (
        Column("title", "Fuel", "text"),
        Column("supplies", "supplies"),
        Column("kwh", "kWh"),
        Column("tco2", "tCO2", places=3),
    )
    return Table("subtotals", "Subtotals by fuel, actual and estimated apart", columns, rows)


def _share(rated: int, found: crc.CrcReport, estate: Estate) -> Table | None:
    """Return the devices' part of the billed grid electricity, None where nothing was billed."""
    billed = sum((one.supply.kwh for one in found.rows if one.supply.fuel == "electricity_grid"), Fraction(0))
    if billed <= 0:
        return None
    inside = [estate.energy_at(place) for place in PLACE_WORDS if SCOPES[place] == 2]
    ends = (
        sum(getattr(one, name) for one in inside) for name in ("whole_joules", "low_joules", "high_joules")
    )
    likely, low, high = (Fraction(one, JOULES_PER_KWH) for one in ends)
    share = crc.ict_share(rated, billed, likely, low, high)
    rows = [
        {"title": title, "kwh": number(kwh), "ratio": number(ratio * 100, 2), "tco2": number(mass.tonnes)}
        for title, kwh, mass, ratio in zip(
            ("low end", "likely", "high end"), share.kwh, share.emissions, share.ratio, strict=True
        )
    ]
    note = "An allocation inside the billed total, never a line of the report; intervals of the places are added in a line."
    if share.above_bill:
        note += " Agents claim more than was billed: a meter or a model is wrong, so somebody should look."
    columns = (
        Column("title", "Interval of the ledger", "text"),
        Column("kwh", "kWh"),
        Column("ratio", "of the bill, %", places=2),
        Column("tco2", "tCO2", places=3),
    )
    words = crc.ICT_SHARE_WORDS
    return Table("ict_share", words[:1].upper() + words[1:], columns, rows, note)


def _prices(rated: int, found: crc.CrcReport) -> Table:
    rows = []
    for sale, words in (("compliance", "buy to comply"), ("forecast", "forecast sale")):
        held = price(rated, "compliance" if sale == "compliance" else "forecast")
        values: list[Decimal | None] = [one.value for one in held.candidates if one.value is not None]
        rows += [
            {
                "title": words,
                "price": None if value is None else float(value),
                "cost": None if value is None else float(found.tonnes * value),
                "note": held.reason or "",
            }
            for value in values or [None]
        ]
    columns = (
        Column("title", "Sale", "text"),
        Column("price", "GBP a tonne", places=2),
        Column("cost", "GBP", places=2),
        Column("note", "Note", "text"),
    )
    return Table(
        "prices",
        "What the allowances would cost",
        columns,
        rows,
        "Where sources differ on a price, each is a row.",
    )


def _bridged(inputs: Inputs, found: crc.CrcReport, began: int) -> list[Table]:
    """Return the bridge to SECR, or a table that says why there is none."""
    columns = (Column("title", "Step", "text"), Column("tonnes", "tonnes", places=3))
    title = "From CRC tonnes to SECR scope 2 tonnes for the same electricity"
    if began != found.began:
        why = "No bridge: the factors of CRC are not of this year."
        return [Table("bridge", title, columns, [], why)]
    try:
        held: Bridge = bridge(found, inputs.book, inputs.rule)
    except CarbonError as error:
        return [Table("bridge", title, columns, [], f"No bridge: {error}")]
    rows = [{"title": "CRC, whole tonnes of CO2", "tonnes": float(held.crc_tonnes)}]
    rows += [{"title": one.title, "tonnes": number(one.tonnes)} for one in held.steps]
    end = {"title": "SECR scope 2, location-based, CO2e", "tonnes": number(held.secr_scope2_tonnes)}
    note = f"SECR by factor set {held.factor_set}, {inputs.rule} rule. The steps add up exactly."
    return [Table("bridge", title, columns, rows, note, end)]


def _evidence() -> Table:
    held = {
        "supplies": "lines.csv",
        "exclusions": "report.json",
        "changes": "report.json",
        "contacts": "signoff.json",
    }
    rows = [
        {"title": one.title, "why": one.why, "file": one.file or "not in this pack: kept by whoever files it"}
        for one in evidence_index(held)
    ]
    columns = (
        Column("title", "Part", "text"),
        Column("why", "Why it is there", "text"),
        Column("file", "Where", "text"),
    )
    return Table("evidence", "Index of the evidence pack", columns, rows)


def _charts(subtotals: Table | None) -> list[Chart]:
    if subtotals is None or not subtotals.rows:
        return []
    told = "; ".join(f"{one['title']} {one['tco2']:,.1f} t" for one in subtotals.rows)
    return [Chart("fuels", "Emissions by fuel", f"Bars: {told}.", "subtotals", "title", ("tco2",), "tCO2")]


def _exclusions(supplies: Sequence[CrcSupply]) -> list[dict[str, Any]]:
    return [
        {
            "what": "Half-hours without a figure",
            "why": "nobody told them; they are not nought and not filled in",
            "count": sum(one.missing_half_hours for one in supplies),
            "unit": "half-hours",
        },
        {
            "what": "Export",
            "why": "CRC never took electricity sent back off what was used",
            "count": number(sum((one.export_kwh for one in supplies), Fraction(0)), 0),
            "unit": "kWh",
        },
        {
            "what": "Supplies nobody entered",
            "why": "only supplies in `roadworthy meters supplies` are here",
            "count": None,
            "unit": "not counted",
        },
    ]
