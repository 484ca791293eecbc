"""The job that keeps what metrics tell of years: unit cost, CRC figures, why emissions changed, ends of factor sets.

Each is what its page or report says, so that a board never differs from it: reports as issued, else as things stand.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures, shares
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import estate, factor_store, report_reading, settings_edition
from roadworthy_collector.carbon.emitted import DEFAULT_RULE
from roadworthy_collector.carbon.report_crc_tables import NO_READING
from roadworthy_collector.carbon.report_make import has_ended
from roadworthy_collector.carbon.report_model import Kind
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import cost_centres
from roadworthy_collector.store.schema import units
from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.calendar import local_day as local_span
from roadworthy_inventory.carbon.change import PART_WORDS
from roadworthy_inventory.carbon.factor_rules import Rule
from roadworthy_inventory.carbon.quantities import MissingFactorError

FIGURE = "yearly"
EVERY_SECONDS = 60.0
_AGAIN_SECONDS = 300
_YEARS, _SETS = 5, 3
_KILOGRAMS = 1000
# A part of a year would show falls and rises nobody made.
_MOST_MISSING = 0.05
_PARTS = {words.capitalize(): name.removesuffix("_each") for name, words in PART_WORDS.items()}


def compute(work: Work) -> int:
    """Work the figures out where they are old; return whether they were."""
    now, zone, began = work.clock(), work.settings.reporting_timezone, work.monotonic()
    with work.reading() as connection:
        held = figures.read(connection, FIGURE)
        if held is not None and 0 <= now - held[1] < _AGAIN_SECONDS:
            return 0
    today = local_day(now, zone)
    content: dict[str, Any] = {"crc": {}, "change": {}}
    with work.reading() as connection:
        content["units"] = unit_costs(connection)
        content["sets"] = factor_set_ends(connection, zone)
    year = financial_year_of(today)
    for one in range(year - _YEARS, year):
        with work.reading() as connection:
            content["crc"] |= crc(connection, one, zone=zone, now=now)
            content["change"] |= change(connection, one, zone=zone, now=now)
    if work.stop.is_set():
        return 0
    with work.write() as connection:
        figures.write(connection, FIGURE, content, now, work.monotonic() - began)
    return 1


def unit_costs(connection: Connection) -> list[list[Any]]:
    """Return (unit, definition's letter, year's name, pence) of the outturn by the unit a cost centre belongs to today.

    Of a line without a cost centre, and of a cost centre nobody gave to a unit, the unit is "".
    """
    kept = shares.kept(connection)
    if kept is None:
        return []
    query = select(cost_centres.c.code, units.c.name).join(units, units.c.id == cost_centres.c.unit)
    names = {row.code.casefold(): row.name for row in connection.execute(query)}
    sums: Counter[tuple[str, str, str]] = Counter()
    for year in list(kept[0]["years"].values())[-shares.METRIC_YEARS :]:
        for row in year["by_cost_centre"]:
            unit = names.get((row["place"] or "").casefold(), "")
            for letter, share in row["shares"].items():
                sums[unit, letter, year["name"]] += share["numerator_pence"]
    return [[*key, pence] for key, pence in sorted(sums.items())]


def factor_set_ends(connection: Connection, zone: str) -> dict[str, int]:
    """Return {factor set: when the period it is meant for ends, UTC epoch seconds} of the newest sets in force.

    By the rule in force: *majority* uses a set for the financial year that begins in its year, *blended* for its
    calendar year. A set without a factor for electricity is no set to report with.
    """
    book = factor_store.book(connection)
    rule: Rule = settings_edition.settings(connection).rule or DEFAULT_RULE
    found: dict[str, int] = {}
    for year in reversed(book.years):
        try:
            factor = book.of(year, "generation")
        except MissingFactorError:
            continue
        if factor.value is None:
            continue
        last = dt.date(year + 1, 3, 31) if rule == "majority" else dt.date(year, 12, 31)
        found[factor.set_name] = int(local_span(last, zone).end)
        if len(found) == _SETS:
            break
    return found


def _content(
    connection: Connection, kind: Kind, began: int, *, zone: str, now: float
) -> Mapping[str, Any] | None:
    """Return what a year's report says, None where there is nothing to report on."""
    issued = report_reading.issued(connection, kind, began)
    if issued is not None:
        told: Mapping[str, Any] = issued.content
        return told
    try:
        return report_reading.standing(connection, kind, began, zone=zone, now=now)
    except RoadworthyError:
        return None


def crc(connection: Connection, began: int, *, zone: str, now: float) -> dict[str, Any]:
    """Return {year: {tco2: {part: tonnes}, gbp: {part: pounds}}} of a year that is over and whose meters are known."""
    if not has_ended(began, local_day(now, zone)):
        return {}
    content = _content(connection, "crc", began, zone=zone, now=now)
    if content is None or not _metered(content):
        return {}
    values = {one["name"]: one["value"] for one in content["figures"]}
    tonnes, pounds = {"billed": values["total"]}, {"billed": values["cost"]}
    ict = next((row["tco2"] for row in _rows(content, "ict_share") if row["title"] == "likely"), None)
    if ict is not None:
        tonnes["ict"] = ict
        if values["cost"] is not None and values["total"]:
            pounds["ict"] = ict * values["cost"] / values["total"]
    return {str(began): {"tco2": tonnes, "gbp": pounds}}


def _metered(content: Mapping[str, Any]) -> bool:
    """Return whether every supply has a reading and meters told nearly all the half-hours they should have.

    A report issued without how many those are counts where none is missing.
    """
    if any(row.get("basis") == NO_READING for row in _rows(content, "supplies")):
        return False
    told = [one for one in content["exclusions"] if one["unit"] == "half-hours"]
    missing, expected = (sum(one.get(name) or 0 for one in told) for name in ("count", "of"))
    return missing <= _MOST_MISSING * expected


def change(connection: Connection, began: int, *, zone: str, now: float) -> dict[str, dict[str, float]]:
    """Return {year: {part: kgCO2e}} of why a year that is known to the end differs from the one before.

    Where the year before has months nobody told anything of, both are over the others, as in the report.
    """
    if not all(one.closed for one in estate.made_months(connection, estate.financial_year(began))):
        return {}
    content = _content(connection, "carbon", began, zone=zone, now=now)
    rows = [] if content is None else list(_rows(content, "change"))
    parts = {_PARTS[row["title"]]: row["tonnes"] * _KILOGRAMS for row in rows if row["title"] in _PARTS}
    return {str(began): parts} if parts else {}


def _rows(content: Mapping[str, Any], table: str) -> Iterator[Mapping[str, Any]]:
    for one in content["tables"]:
        if one["name"] == table:
            yield from one["rows"]
