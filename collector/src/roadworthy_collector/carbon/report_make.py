"""Makes a report's content from what the collector holds: the ledger, supplies, factors in force, carbon settings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector import __version__
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import (
    crc_rate_store,
    energy_facts,
    estate,
    factor_store,
    market,
    report_carbon,
    report_crc,
    report_crc_share,
    report_gathered,
    report_restricted,
    report_secr,
    settings_edition,
    supplies,
    without_agent,
)
from roadworthy_collector.carbon.emitted import DEFAULT_RULE
from roadworthy_collector.carbon.report_crc_tables import Choice
from roadworthy_collector.carbon.report_gathered import Gathered, Meters
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import JOURNAL_SCALE, Content, Kind
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.snmp.overlaps import joules_between
from roadworthy_collector.store.queries.console import is_simulated
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.years import parse_year, require_begun, year_days

JOURNAL_LINES: Mapping[Kind, tuple[str, ...]] = {
    "carbon": tuple(report_carbon.PLACE_WORDS),
    "crc": tuple(report_crc.JOURNAL_LINES),
    "secr": report_secr.JOURNAL_LINES,
}


@contextmanager
def refused() -> Iterator[None]:
    """Turn a CarbonError into a RoadworthyError, which commands, the API and pages know how to say."""
    try:
        yield
    except CarbonError as error:
        raise RoadworthyError(str(error)) from None


def began_of(year: str) -> int:
    """Return the calendar year a financial year begins in; RoadworthyError where it is none."""
    with refused():
        return parse_year(year)


def worked_out(gathered: Gathered) -> Content:
    """Return the report of what was gathered; RoadworthyError saying what is missing."""
    with refused():
        return report_gathered.built(gathered)


def content(connection: Connection, kind: Kind, began: int, **how: Any) -> Content:
    """Return the content as things stand, `how` as `gather` takes it; RoadworthyError saying what is missing."""
    return worked_out(gather(connection, kind, began, **how))


def gather(  # noqa: PLR0913 - each is read from another place
    connection: Connection,
    kind: Kind,
    began: int,
    *,
    zone: str,
    now: float,
    journals: Sequence[Mapping[str, Any]] = (),
    journals_before: Mapping[str, Fraction] | None = None,
    issued_before: Mapping[str, Any] | None = None,
    choice: Choice = Choice(),  # noqa: B008 - a tuple, and the same for all
) -> Gathered:
    """Return what a report is made of as things stand; RoadworthyError for a year not begun.

    `journals`: {line, kwh_thousandths, reason, made_by} of the report; `journals_before` {line: kWh} of the year
    before's; `issued_before` what that one said when it was issued, None where it was not. `choice`: of a CRC report.
    """
    today = local_day(now, zone)
    with refused():
        require_begun(began, today)
    said = settings_edition.settings(connection)
    period, past = (estate.financial_year(year) for year in (began, began - 1))
    is_carbon = kind == "carbon"
    inputs = Inputs(
        book=factor_store.book(connection),
        rates=crc_rate_store.rates(connection),
        rule=said.rule or DEFAULT_RULE,
        now=int(now),
        code_version=__version__,
        simulated=is_simulated(connection),
        journals=_by_line(journals),
        journals_before=journals_before or {},
        journal_rows=[{**row, "kwh": row["kwh_thousandths"] / JOURNAL_SCALE} for row in journals],
        rules=_edition(connection),
        issued_before=issued_before,
        choice=choice,
        pending=pending_months(connection, began, today),
        pending_before=pending_months(connection, began - 1, today),
        boundary_changes=said.boundary_changes,
        prices=said.prices,
        apart=without_agent.read(connection, period, zone=zone, now=now)
        if is_carbon
        else without_agent.WithoutAgent(()),
        vehicles=estate.at_kind(connection, period, "vehicle") if is_carbon else {},
        left_out_joules=joules_between(connection, period.months[0], period.months[-1]),
    )
    # A CRC report stands on supplies alone.
    now_, before = (
        estate.Ready(of, (), {}, {}) if kind == "crc" else report_restricted.ready(connection, of)
        for of in (period, past)
    )
    found = Gathered(kind, began, zone, today, inputs, said, now_, before)
    return found if is_carbon else _with_meters(connection, found)


def _with_meters(connection: Connection, one: Gathered) -> Gathered:
    rows, old_rows = (
        supplies.crc_supplies(connection, year, zone=one.zone, today=one.today)
        for year in (one.began, one.began - 1)
    )
    if one.kind == "crc":
        left_out = [each.supply for each in one.said.crc_exclusions]
        shared = report_crc_share.of_year(connection, one.began, left_out)
        return replace(one, meters=Meters(rows), meters_before=Meters(old_rows), shared=shared)
    now, past = (
        Meters(some, market.covered(connection, year, one.said))
        for year, some in ((one.began, rows), (one.began - 1, old_rows))
    )
    return replace(one, meters=now, meters_before=past)


def pending_months(connection: Connection, began: int, today: dt.date) -> tuple[str, ...]:
    """Return the months of a financial year, over and since the first fact, that the ledger has not or not closed.

    The jobs process makes one about every minute. Months before the first fact never come: nobody told them.
    """
    first = energy_facts.first_fact(connection)
    if first is None:
        return ()
    since, until = f"{first:%Y-%m}", f"{today:%Y-%m}"
    held = estate.made_months(connection, estate.financial_year(began))
    return tuple(one.month for one in held if since <= one.month < until and not one.closed)


def _edition(connection: Connection) -> dict[str, str]:
    edition = settings_edition.current(connection)
    return {"carbon settings": f"edition {edition.id}, {edition.digest}" if edition.id else "none saved"}


def _by_line(journals: Sequence[Mapping[str, Any]]) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for row in journals:
        found[row["line"]] = found.get(row["line"], Fraction(0)) + Fraction(
            row["kwh_thousandths"], JOURNAL_SCALE
        )
    return found


def has_ended(began: int, today: dt.date) -> bool:
    """Return whether the year's last day is over."""
    return today > year_days(began)[1]
