"""The table in the shape of SECR: mandatory and optional rows, intensity, base year, targets, and the year before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.emitted import SCOPES
from roadworthy_collector.carbon.estate import Estate
from roadworthy_collector.carbon.report_carbon import PLACE_WORDS, factors_of, provisional_of
from roadworthy_collector.carbon.report_carbon_tables import journal_table
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import (
    TITLES,
    Chart,
    Column,
    Content,
    FactorUsed,
    Figure,
    Line,
    Sum,
    Table,
    Term,
    number,
    sum_of,
)
from roadworthy_collector.carbon.settings_text import CarbonSettings, YearFigures
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.factors import Item
from roadworthy_inventory.carbon.quantities import CarbonError, Co2e
from roadworthy_inventory.carbon.secr import ContractFactor, SecrInputs, SecrRow, SecrTable, table
from roadworthy_inventory.carbon.secr_baseline import progress
from roadworthy_inventory.carbon.years import year_days

JOURNAL_LINES = ("electricity", "gas", "home")
METHOD = (
    (
        "The shape of SECR: public bodies are not required to report under it as organisations. Scope 2 is generation "
        "only, in CO2e, location-based always; losses and well-to-tank are scope 3 and in no total of the mandatory rows."
    ),
    "Electricity and gas are what the meters of the supplies told. Devices used at home come from the agents' ledger.",
    "Tonnes = kWh x factor / 1000, worked out exactly and rounded half up once. The total is of the mandatory rows.",
)
# Rows whose tonnes are kWh x a factor: (name of the row, line, factor).
_PRODUCTS: tuple[tuple[str, str, Item], ...] = (
    ("scope1_gas", "gas", "gas_gross"),
    ("scope2_location", "electricity", "generation"),
    ("scope3_td", "electricity", "transmission_distribution"),
    ("scope3_wtt_generation", "electricity", "wtt_generation"),
    ("scope3_wtt_td", "electricity", "wtt_transmission_distribution"),
    ("scope3_homeworking", "home", "generation"),
)


def build(
    inputs: Inputs,
    began: int,
    supplies: Sequence[CrcSupply],
    estate: Estate,
    settings: CarbonSettings,
    *,
    today: date,
) -> Content:
    """Return the report's content. Without a supply its boundary is the IT estate alone, and it says so.

    Raises CarbonError: a year not begun, a mandatory row without a factor, nothing to count.
    """
    lines, boundary = _lines(inputs, supplies, estate)
    told = settings.of_year(began)
    electricity, gas, home = (lines.get(name) for name in ("electricity", "gas", "home"))
    if electricity is None:
        raise CarbonError(
            "there is neither a supply nor energy of devices in that year, so there is nothing to report"
        )
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
            contract=_contract(settings, supplies, began),
            staff_fte=told.fte,
            devices=estate.total.devices or None,
            spend_gbp_m=told.revenue_gbp_m,
        ),
        today=today,
    )
    items = tuple(dict.fromkeys(item for _, line, item in _PRODUCTS if line in lines))
    factors = factors_of(inputs, began, items)
    tables = [_rows(made), *_baseline(settings, made, began)]
    if inputs.journal_rows:
        tables.append(journal_table(inputs))
    return Content(
        kind="secr",
        began=began,
        year=financial_year_label(began),
        title=TITLES["secr"],
        made_at=inputs.now,
        code_version=inputs.code_version,
        simulated=inputs.simulated,
        figures=_figures(made),
        sentences=[boundary, *_prior(settings, began), *_said(made, settings)],
        tables=tables,
        charts=_charts(tables),
        factors=list(factors.values()),
        lines=list(lines.values()),
        sums=_sums(lines, factors, told),
        method=METHOD,
        exclusions=_exclusions(supplies, made),
        rules={
            "factor rule": inputs.rule,
            "boundary": settings.boundary or "nobody stated one",
            **inputs.rules,
        },
        provisional=provisional_of(inputs, began, items),
    )


def _used(line: Line) -> Fraction:
    return line.kwh + line.journals_kwh


def _lines(inputs: Inputs, supplies: Sequence[CrcSupply], estate: Estate) -> tuple[dict[str, Line], str]:
    """Return electricity, gas and home, as far as each is there, and the boundary in words."""
    found: dict[str, Line] = {}
    journals = inputs.journals
    grid = [one for one in supplies if one.fuel == "electricity_grid"]
    own = tuple(place for place in PLACE_WORDS if SCOPES[place] == 2)
    if grid:
        kwh = sum((one.kwh for one in grid), Fraction(0))
        found["electricity"] = Line(
            "electricity",
            "Purchased electricity",
            kwh,
            "meters of the supplies",
            (),
            journals.get("electricity", Fraction(0)),
        )
        words = f"Boundary: the {len(grid)} electricity supplies entered here, and devices used at home."
    else:
        kwh = sum((estate.energy_at(place).kwh for place in own), Fraction(0))
        words = "Boundary: the IT estate alone, for no electricity supply is entered. This is no total of an organisation."
        if kwh or journals.get("electricity"):
            found["electricity"] = Line(
                "electricity", "Electricity of devices", kwh, "energy ledger of the agents", own,
                journals.get("electricity", Fraction(0)),
            )  # fmt: skip
    gas = [one for one in supplies if one.fuel == "gas"]
    if gas or journals.get("gas"):
        burnt = sum((one.kwh for one in gas), Fraction(0))
        found["gas"] = Line(
            "gas", "Gas", burnt, "meters of the supplies", (), journals.get("gas", Fraction(0))
        )
    home = estate.energy_at("home").kwh
    if home or journals.get("home"):
        at = ("home",)
        found["home"] = Line(
            "home",
            "Devices used at home",
            home,
            "energy ledger of the agents",
            at,
            journals.get("home", Fraction(0)),
        )
    return found, words


def _contract(settings: CarbonSettings, supplies: Sequence[CrcSupply], began: int) -> ContractFactor | None:
    """Return the contracts' mean factor by kWh, None unless one contract holds all year for every grid supply."""
    first, last = year_days(began)
    grid = [one for one in supplies if one.fuel == "electricity_grid"]
    held = []
    for one in grid:
        fits = [
            contract
            for contract in settings.contracts
            if contract.supply == one.number
            and contract.first <= first
            and (contract.last is None or contract.last >= last)
        ]
        if len(fits) != 1:
            return None
        held.append((one.kwh, fits[0].factor))
    used = sum((kwh for kwh, _ in held), Fraction(0))
    if not used:
        return None
    mean = sum((kwh * factor.kgco2e_per_kwh for kwh, factor in held), Fraction(0)) / used
    return ContractFactor(mean, "; ".join(dict.fromkeys(factor.source for _, factor in held)))


def _sums(lines: Mapping[str, Line], factors: Mapping[str, FactorUsed], told: YearFigures) -> list[Sum]:
    given = (told.transport_tco2e or Fraction(0)) + (told.business_travel_tco2e or Fraction(0))
    mandatory = [Term(line, item) for _, line, item in _PRODUCTS[:2] if line in lines]
    gross = sum_of("total", "Total gross emissions", "tCO2e", 3, mandatory, lines, factors, given=given)
    return [gross] + [
        sum_of(name, name, "tCO2e", 3, [Term(line, item)], lines, factors)
        for name, line, item in _PRODUCTS
        if line in lines and factors[item].value is not None
    ]


def _figures(made: SecrTable) -> list[Figure]:
    shown = (
        ("gross", "tCO2e", 1),
        ("energy", "kWh", 0),
        ("scope2_location", "tCO2e", 1),
        ("intensity_fte", "tCO2e/FTE", 3),
    )
    found = []
    for name, unit, places in shown:
        row = made.row(name)
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


def _rows(made: SecrTable) -> Table:
    def cells(row: SecrRow) -> dict[str, Any]:
        return {
            "title": row.title,
            "presence": row.presence,
            "scope": "" if row.scope is None else str(row.scope),
            "value": number(row.value, 0 if row.unit == "kWh" else 3),
            "unit": row.unit,
            "note": row.reason or "",
        }

    columns = (
        Column("title", "Row", "text"),
        Column("presence", "Presence", "text"),
        Column("scope", "Scope", "text"),
        Column("value", "Value", places=3),
        Column("unit", "Unit", "text"),
        Column("note", "Note", "text"),
    )
    note = "A row that was not counted is not nought. Optional rows are in no total."
    return Table("secr", f"Rows of {made.year}", columns, [cells(row) for row in made.rows], note)


def _prior(settings: CarbonSettings, began: int) -> list[str]:
    told = settings.of_year(began - 1)
    label = financial_year_label(began - 1)
    if told.published_tco2e is None:
        return [f"What was published for {label} is not entered, so there is no year beside this one."]
    found = [f"Published for {label}: {number(told.published_tco2e, 1):,} tCO2e gross."]
    if told.not_comparable:
        found.append(f"{label} is not comparable with this year: {'; '.join(told.not_comparable)}")
    return found


def _said(made: SecrTable, settings: CarbonSettings) -> list[str]:
    found = []
    if settings.rule is None:
        found.append(f"Nobody chose a factor rule in the carbon settings; the {made.rule} rule is taken.")
    return found


def _baseline(settings: CarbonSettings, made: SecrTable, began: int) -> list[Table]:
    """Return the standing against the base year and its targets, nothing where there is no base year."""
    base, gross = settings.base_year, made.row("gross").value
    if base is None or gross is None or began < base.began:
        return []
    rows = [
        {
            "title": f"Base year {financial_year_label(base.began)}: {base.boundary}",
            "allowed": number(base.emissions.tonnes),
            "actual": number(gross),
            "reduced": number((1 - gross / base.emissions.tonnes) * 100, 1),
        }
    ]
    for target in settings.targets:
        found = progress(base, target, began, Co2e(gross * 1000))
        rows.append(
            {
                "title": f"On the line to {financial_year_label(target.by_began)} ({target.source}): "
                f"{'yes' if found.on_line else 'no'}",
                "allowed": number(found.allowed.tonnes),
                "actual": number(found.actual.tonnes),
                "reduced": number(found.reduced_ratio * 100, 1),
            }
        )
    columns = (
        Column("title", "Against", "text"),
        Column("allowed", "tCO2e there", places=3),
        Column("actual", "tCO2e now", places=3),
        Column("reduced", "reduced, %", places=1),
    )
    note = f"Recalculated where changes of boundary, method or errors pass {float(base.threshold_ratio) * 100:g} % of it."
    return [Table("baseline", "Base year and targets", columns, rows, note)]


def _charts(tables: Sequence[Table]) -> list[Chart]:
    rows = [row for row in tables[0].rows if row["unit"] == "tCO2e" and row["value"] is not None]
    if not rows:
        return []
    told = "; ".join(f"{row['title']} {row['value']:,.1f} t" for row in rows)
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
            "count": sum(one.missing_half_hours for one in supplies),
            "unit": "half-hours",
        },
    ]
