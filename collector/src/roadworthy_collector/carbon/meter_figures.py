"""The job of the meters: the last closed month by site, kept ready for page and metrics; and years as people name them."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from sqlalchemy import Connection, func, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import meter_share
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import batches, book_figures
from roadworthy_collector.store.carbon_schema import supplies, supply_sites
from roadworthy_inventory.calendar import financial_year_label, financial_year_of, local_date
from roadworthy_inventory.carbon.quantities import YearError
from roadworthy_inventory.carbon.years import parse_year, require_begun

FIGURE = "meters"
EVERY_SECONDS = 60.0
_HOUR = 3600


def refresh(work: Work) -> int:
    """Work out the last closed month where an hour has passed or meters, supplies or the ledger changed."""
    now, zone = work.clock(), work.settings.reporting_timezone
    first = meter_share.last_closed(local_date(now, zone))
    with work.engine.connect() as connection:
        told = [str(first), *_seen(connection)]
        held = figures.read(connection, FIGURE)
        if held is not None and held[0]["seen"] == told and 0 <= now - held[1] < _HOUR:
            return 0
        began = time.monotonic()
        rows = meter_share.of_month(connection, first, zone_name=zone, today=local_date(now, zone))
    content = {"seen": told, "month": f"{first:%Y-%m}", "sites": rows}
    with work.write() as connection:
        figures.write(connection, FIGURE, content, now, time.monotonic() - began)
    return len(rows)


def _seen(connection: Connection) -> list[Any]:
    """Return what tells that somebody changed what the figures are made of."""
    found: list[Any] = []
    for table, columns in (
        (batches, (func.max(batches.c.id), func.max(batches.c.undone_at))),
        (supplies, (func.count(), func.max(supplies.c.id))),
        (supply_sites, (func.count(), func.sum(supply_sites.c.share), func.max(supply_sites.c.valid_to))),
    ):
        found += connection.execute(select(*columns).select_from(table)).one()
    ledger = select(func.max(book_figures.c.made_at)).where(book_figures.c.name.like("energy%"))
    return [*found, connection.scalar(ledger)]


def year_of(text: str | None, today: dt.date) -> int:
    """Return the year a financial year begins in, the running one for None; RoadworthyError where it cannot be."""
    if text is None:
        return financial_year_of(today)
    try:
        began = parse_year(text)
        require_begun(began, today)
    except YearError as error:
        raise RoadworthyError(str(error)) from None
    return began


def label(began: int) -> str:
    """Return the year as people write it."""
    return financial_year_label(began)
