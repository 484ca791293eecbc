"""The energy and carbon of a period as commands, the API, exports and the console show them."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from sqlalchemy import Connection

from roadworthy_collector.books.table_rows import Made, Source
from roadworthy_collector.carbon import energy_facts, factor_store, settings_edition, without_agent
from roadworthy_collector.carbon.behind import devices_behind
from roadworthy_collector.carbon.emitted import DEFAULT_RULE, Emissions, emissions
from roadworthy_collector.carbon.estate import (
    DIMENSIONS,
    Dimension,
    Estate,
    Period,
    financial_year,
    parse_period,
    periods,
    read,
    shown_row,
    subtree,
)
from roadworthy_collector.carbon.without_agent import WithoutAgent
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_inventory.calendar import financial_year_of, local_date
from roadworthy_inventory.carbon.factor_rules import Rule
from roadworthy_inventory.carbon.ledger import QUALITIES
from roadworthy_inventory.carbon.power_coverage import how_sure
from roadworthy_inventory.carbon.quantities import YearError
from roadworthy_inventory.carbon.years import require_begun

NOT_MADE = (
    "no month of it is in the energy ledger yet: the jobs process makes about a month a minute, the newest first, so ask "
    "again later"
)
NOTHING_TOLD = "no device told anything of it, and unknown is not nought"
_TONNE_KG = 1000
_EVERY = 10**6


class Asked(NamedTuple):
    """A period as text (None: the newest financial year there is), of some units; a rule other than the settings'."""

    period: str | None = None
    unit: str | None = None
    rule: Rule | None = None
    scope: Scope = EVERYTHING


class Shown(NamedTuple):
    """Energy and what it emits; `rule_stated`: the rule is the settings' or the asker's, and not ours.

    `apart`: devices nothing reports for, in no sum of the others. `awaited`: there are facts of a month of it that is not
    made yet.
    """

    estate: Estate
    emissions: Emissions
    rule_stated: bool
    today: dt.date
    apart: WithoutAgent
    awaited: bool

    @property
    def why_not(self) -> str:
        """Why nothing is known, of a period no month of which is made."""
        return NOT_MADE if self.awaited else NOTHING_TOLD

    def told(self, by: Dimension | None = None) -> dict[str, Any]:
        """Return it as JSON says it, with the rows of a dimension."""
        rows = [] if by is None else [shown_row(row, by) for row in self.estate.rows(by)]
        said = self.emissions.told() | {"rule_stated": self.rule_stated}
        told = {
            **self.estate.told(self.today),
            "emissions": said,
            "by": by,
            "rows": rows,
            "how_sure": list(how_sure()),
            "without_agent": self.apart.told(),
        }
        return told if told["made_at"] is not None else _unknown(told, self.why_not)


def _unknown(told: dict[str, Any], why: str) -> dict[str, Any]:
    """Return the figures of a period no month of which is made: nothing is known of it, and that is not nought."""
    for name in ("kwh", "low_kwh", "high_kwh", "devices", "device_days", "unknown_hours"):
        told[name] = None
    told["by_quality"] = {name: {"kwh": None, "share": None} for name in told["by_quality"]}
    for line in told["emissions"]["lines"]:
        line.update(dict.fromkeys(("kwh", "kgco2e", "low_kgco2e", "high_kgco2e")), reason=why)
    return told


def chosen_period(connection: Connection, said: str | None, *, now: float, zone: str) -> Period:
    """Return the period somebody asks for; RoadworthyError for one that is none or has not begun."""
    today = local_date(now, zone)
    if said is None:
        held = periods(connection)
        return parse_period(held[0]) if held else financial_year(financial_year_of(today))
    period = parse_period(said)
    try:
        require_begun(financial_year_of(period.first), today)
    except YearError as error:
        raise RoadworthyError(str(error)) from None
    if period.first > today:
        raise RoadworthyError(f"{period.label} has not begun; energy is known of months up to now")
    return period


def shown(connection: Connection, asked: Asked, *, now: float, zone: str) -> Shown:
    """Return the energy and emissions somebody asks for."""
    period = chosen_period(connection, asked.period, now=now, zone=zone)
    said = asked.rule or settings_edition.settings(connection).rule
    found = read(connection, period, scope=asked.scope, unit=asked.unit)
    factors = factor_store.book(connection)
    made = emissions(found, rule=said or DEFAULT_RULE, book=factors)
    some = asked.scope if asked.unit is None else subtree(connection, asked.unit, asked.scope)
    apart = without_agent.read(connection, period, zone=zone, now=now, scope=some)
    today = local_date(now, zone)
    return Shown(found, made, said is not None, today, apart, _awaited(connection, found, today))


def _awaited(connection: Connection, found: Estate, today: dt.date) -> bool:
    """Whether a month that began, from the first fact on, is not in the ledger."""
    first = energy_facts.first_fact(connection)
    if first is None:
        return False
    return any(
        one.made_at is None and f"{first:%Y-%m}" <= one.month <= f"{today:%Y-%m}" for one in found.months
    )


def checked_dimension(said: str) -> Dimension:
    """Return a dimension; RoadworthyError for none."""
    for one in DIMENSIONS:
        if one == said:
            return one
    raise RoadworthyError(f"{said!r}: energy is shown by one of {', '.join(DIMENSIONS)}")


def flat_row(told: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a dimension as a line of a table."""
    return {
        "key": told["key"],
        "group": told["title"],
        "kwh": told["kwh"],
        "low_kwh": told["low_kwh"],
        "high_kwh": told["high_kwh"],
        **{f"{name}_kwh": told["by_quality"][name]["kwh"] for name in QUALITIES},
        "devices": told["devices"],
        "device_days": told["device_days"],
        "unknown_hours": told["unknown_hours"],
        "coverage_ratio": told["coverage_ratio"],
        "reason": told["reason"],
    }


def coverage(one: Shown) -> str:
    """Return in a sentence what is in the figures and what is not."""
    told = one.estate.told(one.today)
    ratio = told["coverage_ratio"]
    if told["made_at"] is None:
        return f"nothing is known: {one.why_not}"
    known = "nothing is known yet" if ratio is None else f"{ratio:.1%} of the devices' time is known"
    missing = (
        f"; months without figures: {', '.join(told['months_missing'])}" if told["months_missing"] else ""
    )
    still = f"; still open: {', '.join(told['months_open'])}" if told["months_open"] else ""
    return f"{known}, {told['unknown_hours']:,.0f} hours unknown{missing}{still}; {told['basis']}"


def energy_rows(of: Source) -> Made:
    """Return the rows of a dimension for a file."""
    asked = Asked(of.filters.get("year"), of.filters.get("unit"), scope=of.scope)
    found = shown(of.connection, asked, now=of.now, zone=of.settings.reporting_timezone)
    by = checked_dimension(of.filters.get("by", "month"))
    rows = [flat_row(shown_row(row, by)) for row in found.estate.rows(by)]
    columns = list(rows[0]) if rows else ["key", "group", "kwh"]
    return Made(columns, rows, coverage(found), found.estate.told(found.today)["made_at"])


def device_rows(of: Source) -> Made:
    """Return the devices behind a figure for a file."""
    zone = of.settings.reporting_timezone
    period = chosen_period(of.connection, of.filters.get("year"), now=of.now, zone=zone)
    by = checked_dimension(of.filters["by"]) if of.filters.get("by") else None
    found = devices_behind(of.connection, period, by, of.filters.get("key", ""), scope=of.scope, limit=_EVERY)
    rows = [
        {name: value for name, value in row.items() if name != "by_quality"}
        | {f"{name}_kwh": row["by_quality"][name] for name in QUALITIES}
        for row in found.rows
    ]
    columns = list(rows[0]) if rows else ["device_id", "kwh"]
    return Made(columns, rows, f"{found.devices:,} devices, {found.kwh:,.0f} kWh; restricted sites left out")


def tonnes(kilograms: float | None) -> str:
    """Return kilograms as tonnes for people, or that they are not known."""
    return "not known" if kilograms is None else f"{kilograms / _TONNE_KG:,.2f}"
