"""The table in the shape of SECR: mandatory and optional rows, intensity, base year, targets, and the year before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon import internal_price
from roadworthy_collector.carbon.emitted import SCOPES
from roadworthy_collector.carbon.estate import Estate
from roadworthy_collector.carbon.market import residual
from roadworthy_collector.carbon.report_carbon import (
    PLACE_WORDS,
    SMALL_TONNES,
    factors_of,
    nothing_held,
    provisional_of,
)
from roadworthy_collector.carbon.report_carbon_tables import journal_table
from roadworthy_collector.carbon.report_crc_around import bridge_tables
from roadworthy_collector.carbon.report_crc_tables import rates_year
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import (
    TITLES,
    Chart,
    Content,
    FactorUsed,
    Figure,
    Line,
    Sum,
    Table,
    Term,
    counted,
    in_short,
    number,
    sum_of,
)
from roadworthy_collector.carbon.report_secr_beside import (
    Prior,
    baseline_tables,
    beside,
    market_table,
    rows_table,
)
from roadworthy_collector.carbon.report_works import with_divisors
from roadworthy_collector.carbon.settings_text import CarbonSettings, YearFigures
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_inventory.calendar import CRC_FIRST_YEAR, financial_year_label
from roadworthy_inventory.carbon import crc
from roadworthy_inventory.carbon.factors import Item
from roadworthy_inventory.carbon.market import Covered, Market, market_of
from roadworthy_inventory.carbon.quantities import CarbonError, MissingFactorError
from roadworthy_inventory.carbon.secr import SecrInputs, SecrTable, table

_METERS, _LEDGER = "meters of the supplies", "energy ledger of the agents"
JOURNAL_LINES = ("electricity", "gas", "home")
METHOD = (
    (
        "The shape of SECR: public bodies are not required to report under it as organisations. Scope 2 is generation "
        "only, in CO2e, location-based always; losses and well-to-tank are scope 3 and in no total of the mandatory rows."
    ),
    "Electricity and gas are what the meters of the supplies told. Devices used at home come from the agents' ledger.",
    "Tonnes = kWh x factor / 1000, worked out exactly and rounded half up once. The total is of the mandatory rows.",
)
# Rows whose tonnes are kWh x a factor: (name of the row, line, factors that are added).
_PRODUCTS: tuple[tuple[str, str, tuple[Item, ...]], ...] = (
    ("scope1_gas", "gas", ("gas_gross",)),
    ("scope2_location", "electricity", ("generation",)),
    ("scope3_td", "electricity", ("transmission_distribution",)),
    ("scope3_wtt_generation", "electricity", ("wtt_generation",)),
    ("scope3_wtt_td", "electricity", ("wtt_transmission_distribution",)),
    ("scope3_homeworking", "home", ("generation", "transmission_distribution")),
)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of a year: its supplies, the IT estate's energy, and what contracts cover."""

    supplies: Sequence[CrcSupply]
    estate: Estate
    covered: Sequence[Covered] = ()


@dataclass(frozen=True, slots=True)
class _Year:
    """A year worked out: its lines, boundary in words, what covers its electricity, and the table."""

    lines: Mapping[str, Line]
    boundary: str
    billed: bool
    market: Market | None
    table: SecrTable


def build(
    inputs: Inputs, began: int, held: Held, before: Held, settings: CarbonSettings, *, today: date
) -> Content:
    """Return the report's content, the year before beside it. Without a supply its boundary is the IT estate alone.

    Raises CarbonError: a year not begun, a mandatory row without a factor, nothing to count.
    """
    year = _year(inputs, began, held, settings, inputs.journals, today)
    if year is None:
        why = nothing_held(inputs, began)
        if held.estate.total.days:
            why = "no energy of its own is known of any device at these places (a virtual machine's is its host's)"
        raise CarbonError(f"no supply has a reading in that year, and {why}")
    prior = _prior(inputs, year, before, settings, today)
    items = tuple(dict.fromkeys(item for _, line, some in _PRODUCTS if line in year.lines for item in some))
    factors = factors_of(inputs, began, items)
    tables = _tables(inputs, year, prior, settings, held)
    return Content(
        kind="secr",
        began=began,
        year=financial_year_label(began),
        title=TITLES["secr"],
        made_at=inputs.now,
        code_version=inputs.code_version,
        simulated=inputs.simulated,
        figures=_figures(year.table),
        sentences=[year.boundary, *prior.says, *_said(year.table, settings)],
        tables=tables,
        charts=_charts(tables),
        factors=list(factors.values()),
        lines=list(year.lines.values()),
        sums=_sums(year.lines, factors, settings.of_year(began), year.table),
        method=METHOD,
        exclusions=_exclusions(held.supplies, year.table),
        rules={
            "factor rule": inputs.rule,
            "boundary": settings.boundary or "nobody stated one",
            **inputs.rules,
        },
        provisional=provisional_of(inputs, began, items),
    )


def _tables(inputs: Inputs, year: _Year, prior: Prior, settings: CarbonSettings, held: Held) -> list[Table]:
    told = settings.of_year(year.table.began)
    devices = held.estate.total.devices
    by = {"intensity_fte": told.fte, "intensity_device": devices, "intensity_gbp_m": told.revenue_gbp_m}
    found = with_divisors(rows_table(year.table, prior), by)
    if year.market is not None:
        found.append(market_table(year.market))
    found += _bridge(inputs, year.table.began, held)
    found += baseline_tables(settings, year.table)
    priced = internal_price.table_of(inputs.prices, year.table.began, year.table.row("gross").value)
    if priced is not None:
        found.append(priced)
    if inputs.journal_rows:
        found.append(journal_table(inputs))
    return found


def _bridge(inputs: Inputs, began: int, held: Held) -> list[Table]:
    """Return the bridge from CRC's tonnes for the same supplies; nothing without any, or where CRC has no factor."""
    some = [one.supply() for one in held.supplies if one.has_reading]
    if began < CRC_FIRST_YEAR or not any(one.fuel == "electricity_grid" for one in some):
        return []
    try:
        found = crc.report(rates_year(began), some, rates=inputs.rates)
    except CarbonError:
        return []
    return bridge_tables(inputs, found, began)


def _prior(inputs: Inputs, year: _Year, before: Held, settings: CarbonSettings, today: date) -> Prior:
    began = year.table.began - 1
    past = _before(inputs, began, before, settings, today)
    # A year nothing is held of rests on neither.
    same = past is None or not past.lines or past.billed == year.billed
    worked_out = past.table if past is not None and same else None
    found = beside(settings, began, worked_out, inputs.issued_before, same_boundary=same)
    if inputs.pending_before:
        made = f"The energy ledger of {found.label} is still being made ({', '.join(inputs.pending_before)})"
        return replace(found, says=[f"{made}: what it has of devices is not whole yet.", *found.says])
    return found


def _before(inputs: Inputs, began: int, held: Held, settings: CarbonSettings, today: date) -> _Year | None:
    """Return the year before by this year's method, None where nothing is held of it or a factor is missing."""
    try:
        return _year(inputs, began, held, settings, inputs.journals_before, today)
    except MissingFactorError:
        return None


def _year(
    inputs: Inputs,
    began: int,
    held: Held,
    settings: CarbonSettings,
    journals: Mapping[str, Fraction],
    today: date,
) -> _Year | None:
    """Return a year worked out, None where there is neither a supply nor energy of devices."""
    lines, boundary, billed = _lines(journals, held.supplies, held.estate)
    told = settings.of_year(began)
    electricity, gas, home = (lines.get(name) for name in ("electricity", "gas", "home"))
    if electricity is None:
        return None
    rest = residual(settings, inputs.book, began, inputs.rule)
    covers = market_of(_used(electricity), held.covered, rest) if billed else None
    made = table(
        inputs.book,
        began,
        inputs.rule,
        SecrInputs(
            electricity_kwh=_used(electricity),
            gas_kwh=None if gas is None else _used(gas),
            home_kwh=None if home is None else _used(home),
            transport_tco2e=told.transport_tco2e,
            business_travel_tco2e=told.business_travel_tco2e,
            contract=None if covers is None else covers.factor(),
            staff_fte=told.fte,
            devices=held.estate.total.devices or None,
            spend_gbp_m=told.revenue_gbp_m,
        ),
        today=today,
    )
    return _Year(lines, boundary, billed, covers, made)


def _used(line: Line) -> Fraction:
    return line.kwh + line.journals_kwh


def _lines(
    journals: Mapping[str, Fraction], supplies: Sequence[CrcSupply], estate: Estate
) -> tuple[dict[str, Line], str, bool]:
    """Return electricity, gas and home, as far as each is there, the boundary in words, and whether it was billed."""
    found: dict[str, Line] = {}

    def put(name: str, title: str, kwh: Fraction, source: str, ledger: Sequence[str] = ()) -> None:
        journal = journals.get(name, Fraction(0))
        if kwh or journal:
            found[name] = Line(name, title, kwh, source, ledger, journal)

    some = [one for one in supplies if one.has_reading]
    grid = [one for one in some if one.fuel == "electricity_grid"]
    own = tuple(place for place in PLACE_WORDS if SCOPES[place] == 2)
    if grid:
        kwh = sum((one.kwh for one in grid), Fraction(0))
        journal = journals.get("electricity", Fraction(0))
        # A supply that used nothing is counted all the same.
        found["electricity"] = Line("electricity", "Purchased electricity", kwh, _METERS, (), journal)
        words = (
            f"Boundary: {counted(len(grid), 'electricity supply', 'electricity supplies')} with a reading here, and devices used "
            "at home."
        )
    else:
        kwh = sum((estate.energy_at(place).kwh for place in own), Fraction(0))
        words = "Boundary: the IT estate alone, for no electricity supply has a reading. This is no total of an organisation."
        put("electricity", "Electricity of devices", kwh, _LEDGER, own)
    gas = [one.kwh for one in some if one.fuel == "gas"]
    if gas or journals.get("gas"):
        found["gas"] = Line(
            "gas", "Gas", sum(gas, Fraction(0)), _METERS, (), journals.get("gas", Fraction(0))
        )
    put("home", "Devices used at home", estate.energy_at("home").kwh, _LEDGER, ("home",))
    return found, words, bool(grid)


def _sums(
    lines: Mapping[str, Line], factors: Mapping[str, FactorUsed], told: YearFigures, made: SecrTable
) -> list[Sum]:
    titles = {row.name: row.title for row in made.rows}
    given = (told.transport_tco2e or Fraction(0)) + (told.business_travel_tco2e or Fraction(0))
    mandatory = [Term(line, item) for _, line, some in _PRODUCTS[:2] if line in lines for item in some]
    gross = sum_of("total", "Total gross emissions", "tCO2e", 3, mandatory, lines, factors, given=given)
    return [gross] + [
        sum_of(name, titles[name], "tCO2e", 3, [Term(line, item) for item in some], lines, factors)
        for name, line, some in _PRODUCTS
        if line in lines and all(factors[item].value is not None for item in some)
    ]


def _figures(made: SecrTable) -> list[Figure]:
    shown = (
        ("gross", "tCO2e", 1),
        ("energy", "kWh", 0),
        ("scope2_location", "tCO2e", 1),
        ("intensity_fte", "tCO2e/FTE", 3),
    )
    found = []
    for name, unit, most in shown:
        row = made.row(name)
        # A few kWh are no nought tonnes.
        small = unit == "tCO2e" and row.value is not None and abs(row.value) < SMALL_TONNES
        places = 3 if small else most
        note = row.reason or (f"factor set {made.factor_set}, {made.rule} rule" if name != "energy" else "")
        found.append(
            Figure(
                "total" if name == "gross" else name,
                row.title,
                number(row.value, places),
                unit,
                places,
                note=note,
            )
        )
    return found


def _said(made: SecrTable, settings: CarbonSettings) -> list[str]:
    found = []
    if settings.rule is None:
        found.append(f"Nobody chose a factor rule in the carbon settings; the {made.rule} rule is taken.")
    return found


def _charts(tables: Sequence[Table]) -> list[Chart]:
    rows = [row for row in tables[0].rows if row["drawn"] and row["value"] is not None]
    if not rows:
        return []
    told = "; ".join(f"{row['title']} {in_short(row['value'])} t" for row in rows)
    return [Chart("rows", "Emissions by row", f"Bars: {told}.", "secr", "title", ("value",), "tCO2e")]


def _exclusions(supplies: Sequence[CrcSupply], made: SecrTable) -> list[dict[str, Any]]:
    uncounted = [row for row in made.rows if row.value is None]
    return [
        {
            "what": "Rows not counted",
            "why": "; ".join(row.title for row in uncounted) or "every row is counted",
            "count": len(uncounted),
            "unit": "rows",
        },
        {
            "what": "Half-hours of supplies without a figure",
            "why": "nobody told them; they are not nought and not filled in",
            "count": sum(one.missing_half_hours for one in supplies if one.has_reading),
            "unit": "half-hours",
        },
        {
            "what": "Supplies without a reading in the year",
            "why": "what they used is not known, so they are in no row",
            "count": sum(not one.has_reading for one in supplies),
            "unit": "supplies",
        },
        {
            "what": "Electricity made and used on site",
            "why": "its own generation has no emissions here, and it is not in the energy that was bought; what its "
            "generation meters told is counted here",
            "count": number(
                sum((one.kwh for one in supplies if one.is_onsite and one.has_reading), Fraction(0)), 0
            ),
            "unit": "kWh",
        },
    ]
