"""Makes a report's content from what the collector holds: the ledger, supplies, factors in force, carbon settings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector import __version__
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import (
    energy_facts,
    estate,
    factor_store,
    market,
    report_carbon,
    report_crc,
    report_crc_share,
    report_crc_years,
    report_secr,
    settings_edition,
    supplies,
    without_agent,
)
from roadworthy_collector.carbon.emitted import DEFAULT_RULE
from roadworthy_collector.carbon.report_crc_tables import Choice
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import JOURNAL_SCALE, Content, Kind
from roadworthy_collector.carbon.settings_text import CarbonSettings
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


def content(  # noqa: PLR0913 - each is read from another place
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
) -> Content:
    """Return the content as things stand; RoadworthyError saying what is missing.

    `journals`: {line, kwh_thousandths, reason, made_by} of the report; `journals_before` {line: kWh} of the year
    before's; `issued_before` what that one said when it was issued, None where it was not. `choice`: of a CRC report.
    """
    today = local_day(now, zone)
    with refused():
        require_begun(began, today)
        said = settings_edition.settings(connection)
        period = estate.financial_year(began)
        inputs = Inputs(
            book=factor_store.book(connection),
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
            if kind == "carbon"
            else without_agent.WithoutAgent(()),
            vehicles=estate.at_kind(connection, period, "vehicle") if kind == "carbon" else {},
            left_out_joules=joules_between(connection, period.months[0], period.months[-1]),
        )
        return _built(connection, kind, began, inputs, said, zone=zone, today=today)


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


def _built(
    connection: Connection,
    kind: Kind,
    began: int,
    inputs: Inputs,
    said: CarbonSettings,
    *,
    zone: str,
    today: dt.date,
) -> Content:
    held = estate.read(connection, estate.financial_year(began))
    before = estate.read(connection, estate.financial_year(began - 1))
    if kind == "carbon":
        return report_carbon.build(inputs, began, held, before, _like(connection, held, before))
    rows, old_rows = (
        supplies.crc_supplies(connection, year, zone=zone, today=today) for year in (began, began - 1)
    )
    if kind == "crc":
        shared = report_crc_share.of_year(connection, began, [one.supply for one in said.crc_exclusions])
        kept, out = report_crc_years.without_excluded(rows, said.crc_exclusions)
        past_kept, _ = report_crc_years.without_excluded(old_rows, said.crc_exclusions)
        return report_crc_years.with_excluded(report_crc.build(inputs, began, kept, shared, past_kept), out)
    now, past = (
        report_secr.Held(some, energy, market.covered(connection, year, said))
        for year, some, energy in ((began, rows, held), (began - 1, old_rows, before))
    )
    return report_secr.build(inputs, began, now, past, said, today=today)


def _like(
    connection: Connection, held: estate.Estate, before: estate.Estate
) -> tuple[estate.Estate, estate.Estate] | None:
    """Return both years, the one before first, over the months that are closed in both; None without any."""
    pairs = zip(before.months, held.months, strict=True)
    both = [(old.month, new.month) for old, new in pairs if old.closed and new.closed]
    if held.complete or not both:
        return None
    old, new = zip(*both, strict=True)
    return (
        estate.read(connection, before.period, only=old),
        estate.read(connection, held.period, only=new),
    )


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
