"""The CRC annual report, notional: a row a supply, tCO2 never CO2e, one whole-tonne total, allowances and their price.

The scheme ran from 2010/11 to 2018/19. A later year is worked out at the rates of its last one, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon import report_crc_around as around
from roadworthy_collector.carbon import report_crc_share as sharing
from roadworthy_collector.carbon import report_crc_tables as worked_out
from roadworthy_collector.carbon.report_carbon_tables import journal_table
from roadworthy_collector.carbon.report_crc_share import Shared
from roadworthy_collector.carbon.report_crc_tables import JOURNAL_LINES, Worked
from roadworthy_collector.carbon.report_crc_years import years
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import TITLES, Chart, Column, Content, Table, number, sum_of
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_inventory.calendar import CRC_LAST_YEAR, financial_year_label
from roadworthy_inventory.carbon.answers import CRC_ROUNDING, NOTIONAL
from roadworthy_inventory.carbon.crc_evidence import evidence_index

__all__ = ["JOURNAL_LINES", "METHOD", "build", "sentences"]
_NAMED = 5  # supplies without a reading that a sentence names
METHOD = (
    (
        "One row a supply (MPAN or MPRN). kWh are what its meters told; export is not taken off. A supply is estimated by "
        "the scheme's own rule: fewer than two actual readings half the year (183 days) apart, whatever the bill says. One "
        "without any reading is in the list, its kWh not known, and in no sum."
    ),
    (
        "tCO2 = kWh x factor / 1000, CO2 alone and never CO2e. An estimated supply emits 10 % more; the uplift is a "
        f"column of its own. Rounding: {CRC_ROUNDING}."
    ),
    (
        "ICT was never a line of a CRC report. Its share is shown under the billed total, as an allocation inside it: only of "
        "sites a supply feeds, in months that both the ledger and the meters of these sites know from end to end."
    ),
)


def build(
    inputs: Inputs,
    began: int,
    supplies: Sequence[CrcSupply],
    shared: Shared,
    before: Sequence[CrcSupply] = (),
) -> Content:
    """Return the report's content; `shared`: what devices drew where the supplies feed them.

    `before`: the supplies of the year before, which a very late report is set by. Raises CarbonError without a supply
    that has a reading, before the scheme, where adjustments take away more than was used, or where de minimis is chosen
    and the gas is not below it.
    """
    worked = worked_out.work_out(began, supplies, inputs.journals, inputs.choice, inputs.rates)
    lines = {one.line.name: one.line for one in worked.entered}
    factors = {one.key: one for one in worked_out.factors(worked)}
    tables = _tables(inputs, began, worked, supplies, shared, before)
    return Content(
        kind="crc",
        began=began,
        year=financial_year_label(began),
        title=TITLES["crc"],
        made_at=inputs.now,
        code_version=inputs.code_version,
        simulated=inputs.simulated,
        figures=worked_out.figures(worked),
        sentences=sentences(began, worked, supplies),
        tables=tables,
        charts=_charts(next((one for one in tables if one.name == "subtotals"), None)),
        factors=list(factors.values()),
        lines=list(lines.values()),
        sums=[sum_of("total", "Total, whole tonnes", "tCO2", 0, worked.terms(), lines, factors)],
        method=METHOD,
        exclusions=_exclusions(supplies),
        rules={"rates": f"CRC {worked.found.year}", **inputs.choice.told(), **inputs.rules},
    )


def _tables(
    inputs: Inputs,
    began: int,
    worked: Worked,
    supplies: Sequence[CrcSupply],
    shared: Shared,
    before: Sequence[CrcSupply],
) -> list[Table]:
    found = worked.found
    # Twice the tonnes of some of the supplies is no penalty: all of the year before or none.
    known = [one.supply() for one in before] if all(one.has_reading for one in before) else []
    tables = [
        worked_out.supplies_table(supplies, worked),
        worked_out.subtotals(worked),
        sharing.table(found.began, shared, inputs.rates),
        around.prices(found),
        around.de_minimis(found),
        *around.bridge_tables(inputs, found, began),
        around.late(began, around.previous_tonnes(began, known, inputs.rates)),
        years(found),
        around.league_table(found),
        _evidence(),
        journal_table(inputs) if inputs.journal_rows else None,
    ]
    return [one for one in tables if one is not None]


def sentences(began: int, worked: Worked, supplies: Sequence[CrcSupply]) -> list[str]:
    """Return what the first page says."""
    found = worked.found
    told = [f"This report is {NOTIONAL}."]
    if worked.unread:
        names = ", ".join(worked_out.title_of(one) for one in worked.unread[:_NAMED])
        more = f" and {len(worked.unread) - _NAMED} more" if len(worked.unread) > _NAMED else ""
        told.append(
            f"The total is {worked.without}: no reading of the year is held of {names}{more}. Their kWh are not known and "
            "not nought, so the whole is more than this."
        )
    if began > CRC_LAST_YEAR:
        told.append(
            f"The scheme had no year {financial_year_label(began)}: kWh are of that year, factors and price those of "
            f"{found.year}, the scheme's last. It is what the scheme would have asked for, had nothing changed."
        )
    estimated = sum(one.supply.estimated and not one.supply.adjustment for one in found.rows)
    told.append(
        f"{estimated} of {worked.read} supplies are estimated by the scheme's rule and emit 10 % more."
    )
    missing = _missing(supplies)
    if missing:
        told.append(f"{missing:,} half-hours of the supplies have no figure: the kWh are less than was used.")
    if found.de_minimis_applied:
        told.append(
            "Gas is below 2 % of the electricity and left out (de minimis): it is in the list and in no tonne. The scheme "
            "asked for that in the first year of a phase; whoever applies it must know that it was so then."
        )
    elif found.gas_below_de_minimis:
        told.append("Gas is below 2 % of the electricity; de minimis is not applied here.")
    return told


def _missing(supplies: Sequence[CrcSupply]) -> int:
    """Return the half-hours without a figure of supplies that have one at all."""
    return sum(one.missing_half_hours for one in supplies if one.has_reading)


def _evidence() -> Table:
    held = {
        "supplies": "supplies.csv; the sites of each in supply_sites.csv",
        "statements": "meter_files.csv names every file of readings; the files themselves are kept by whoever files it",
        "estimates": "basis and deciding readings in supplies.csv, every day and reading in readings.csv.gz",
        "exclusions": "exclusions.csv",
        "changes": "changes.csv",
        "contacts": "contacts.csv; sign-off in signoff.json",
        "certificate": "certificate.txt, a form to be signed",
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
            "count": _missing(supplies),
            "of": sum(one.expected_half_hours for one in supplies if one.has_reading),
            "unit": "half-hours",
        },
        {
            "what": "Supplies without a reading in the year",
            "why": "their kWh are not known; they are in the list and in no sum",
            "count": sum(not one.has_reading for one in supplies),
            "unit": "supplies",
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
