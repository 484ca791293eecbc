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
    estate,
    factor_store,
    report_carbon,
    report_crc,
    report_secr,
    settings_edition,
    supplies,
)
from roadworthy_collector.carbon.emitted import DEFAULT_RULE
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_model import JOURNAL_SCALE, Content, Kind
from roadworthy_collector.errors import RoadworthyError
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


def content(
    connection: Connection,
    kind: Kind,
    began: int,
    *,
    zone: str,
    now: float,
    journals: Sequence[Mapping[str, Any]] = (),
    journals_before: Mapping[str, Fraction] | None = None,
) -> Content:
    """Return the content as things stand; RoadworthyError saying what is missing.

    `journals`: {line, kwh_thousandths, reason, made_by} of the report; `journals_before` {line: kWh} of the year before's.
    """
    today = local_day(now, zone)
    with refused():
        require_begun(began, today)
        said = settings_edition.settings(connection)
        edition = settings_edition.current(connection)
        inputs = Inputs(
            book=factor_store.book(connection),
            rule=said.rule or DEFAULT_RULE,
            now=int(now),
            code_version=__version__,
            simulated=is_simulated(connection),
            journals=_by_line(journals),
            journals_before=journals_before or {},
            journal_rows=[{**row, "kwh": row["kwh_thousandths"] / JOURNAL_SCALE} for row in journals],
            rules={
                "carbon settings": f"edition {edition.id}, {edition.digest}" if edition.id else "none saved"
            },
        )
        held = estate.read(connection, estate.financial_year(began))
        if kind == "carbon":
            before = estate.read(connection, estate.financial_year(began - 1))
            return report_carbon.build(inputs, began, held, before)
        rows = supplies.crc_supplies(connection, began, zone=zone, today=today)
        if kind == "crc":
            return report_crc.build(inputs, began, rows, held)
        return report_secr.build(inputs, began, rows, held, said, today=today)


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
