"""The ledger's months for a report, with the sites restricted as they are today and not as when the months were made.

A month past its retention is never made anew, so a site restricted since would keep its name in every report of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.carbon import energy_due, energy_ready, estate
from roadworthy_collector.carbon.estate import FIGURE, Period, Ready
from roadworthy_collector.carbon.sums import Sum
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.carbon_schema import energy_groups
from roadworthy_collector.store.schema import sites
from roadworthy_collector.store.statements import json_text


def ready(connection: Connection, period: Period) -> Ready:
    """Return `estate.ready`, with months made before a site was restricted, or freed, added up anew of their groups."""
    found = estate.ready(connection, period)
    stale = _made_otherwise(connection, period)
    if not stale:
        return found
    return replace(found, sums={**found.sums, **_added_up(connection, stale)})


def _made_otherwise(connection: Connection, period: Period) -> list[str]:
    """Return the months that were made while other sites were restricted."""
    hidden = json_text(energy_due.restricted(connection))
    names = {f"{FIGURE}.{month}": month for month in period.months}
    told = book_figures.c.content["restricted"].as_string().label("restricted")
    query = select(book_figures.c.name, told).where(book_figures.c.name.in_(names))
    return sorted(names[row.name] for row in connection.execute(query) if row.restricted != hidden)


def _added_up(connection: Connection, months: Collection[str]) -> Mapping[str, Any]:
    held = {row.id: row for row in connection.execute(select(sites))}
    groups: dict[str, dict[energy_ready.Group, Sum]] = {month: {} for month in months}
    query = select(energy_groups).where(energy_groups.c.month.in_([f"{month}-01" for month in months]))
    for row in connection.execute(query.execution_options(yield_per=1000)):
        key = row.site, row.unit, row.item_class, row.model
        groups[row.month[:7]].setdefault(key, Sum()).add(estate.sum_of(row))
    return {month: energy_ready.by_dimension(held, month, some) for month, some in groups.items()}
