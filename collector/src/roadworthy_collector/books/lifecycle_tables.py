"""Lifecycle, support dates and the legacy framework's register as the rows of exported tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from roadworthy_collector.books import (
    figures,
    legacy_systems,
    lifecycle_bought,
    lifecycle_dates,
    lifecycle_editions,
    lifecycle_lists,
    lifecycle_run,
)
from roadworthy_collector.books.legacy_run import FIGURE as LEGACY
from roadworthy_collector.books.lifecycle_codes import WORDS
from roadworthy_collector.books.lifecycle_lists import Wanted
from roadworthy_collector.books.lifecycle_read import Reader
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.table_rows import Made, Source, one_of, when
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.os_rows import products

_PAGE = 500
_EVERY = 10**9
FILTERS = Wanted._fields
COLUMNS = (
    "kind", "tag", "device_id", "name", "serial", "model", "class", "unit", "site", "system", "os", "product", "version",
    "status", "ends", "source", "source_as_of", "why_unknown", "extension", "extension_until", "extension_source",
    "covered_until", "windows11", "windows11_against", "windows11_missing", "windows11_basis", "since", "since_from",
    "age_years", "planned_end", "band", "planned_source", "why_no_age",
)  # fmt: skip

_BOUGHT = (
    "entry", "product", "versions", "bought", "until", "units", "devices", "evidence", "said_at", "said_by",
)  # fmt: skip


def wanted_of(told: Mapping[str, str]) -> Wanted:
    """Return the filter that parts of an address or of a command name; RoadworthyError for a word nothing has."""
    wanted = Wanted(**{name: told.get(name, "") for name in Wanted._fields})
    for name, words in wanted.words().items():
        for word in words:
            if word not in WORDS[name]:
                raise RoadworthyError(f"{name}: {word!r} is none of {', '.join(WORDS[name])}")
    return wanted


def records(source: Source) -> Made:
    """Return every record with its support, Windows 11 answer and ageing."""
    wanted = wanted_of(source.filters)
    found = lifecycle_lists.counts(source.connection, source.scope)
    on = local_day(source.now, source.settings.reporting_timezone)

    def rows() -> Iterator[Mapping[str, Any]]:
        reader, after = Reader(source.connection, on), 0
        while True:
            page = lifecycle_lists.list_page(
                source.connection, reader, wanted, after=after, limit=_PAGE, scope=source.scope
            )
            yield from page.rows
            if page.next is None:
                return
            after = page.next

    status = found.content.get("status", {})
    told = f"{sum(status.values()):,} records, {status.get('unknown', 0):,} of unknown support"
    left = figures.read(source.connection, lifecycle_run.FIGURE)
    if source.scope is None and left is not None and left[0]["restricted"]:
        told += f"; {left[0]['restricted']:,} at restricted sites left out"
    return Made(COLUMNS, rows(), told, found.made_at)


def dates(source: Source) -> Made:
    """Return the support dates in force, each with its source."""
    held = lifecycle_dates.in_force(source.connection)
    rows = lifecycle_dates.listed(held, one_of(source.filters, "product", sorted(products(held.rows))))
    undated = sum(row["end_of_support"] is None for row in rows)
    columns = tuple(rows[0]) if rows else ("product",)
    return Made(columns, rows, f"{len(rows):,} rows, {undated:,} without a last day named")


def bought(source: Source) -> Made:
    """Return what was said to be bought, an entry a row in the order that decides; empty cells mean all."""
    held = lifecycle_editions.current(source.connection, lifecycle_editions.BOUGHT)
    said = {"said_at": when(held.made_at), "said_by": held.made_by}
    rows = [
        {"entry": number, **{name: getattr(one, name) for name in _BOUGHT[1:-2]}, **said}
        | {"devices": sorted(one.devices)}
        for number, one in enumerate(lifecycle_bought.entries_of(held.content), 1)
    ]
    found = lifecycle_lists.counts(source.connection, source.scope)
    states = found.content.get("extension", {})
    told = (
        f"{len(rows)} entries; {states.get('bought', 0):,} records have paid updates by them, of "
        f"{states.get('unknown', 0):,} nobody has said"
    )
    return Made(_BOUGHT, rows, told, found.made_at)


def register(source: Source) -> Made:
    """Return the framework's register: scores people signed, suggestions apart."""
    on = local_day(source.now, source.settings.reporting_timezone)
    asked = source.filters
    chosen = legacy_systems.list_systems(
        source.connection,
        standing=one_of(asked, "standing", legacy_systems.STANDINGS),
        search=asked.get("search", ""),
        unsigned=one_of(asked, "unsigned", ("yes",)) == "yes",
        red_rated=one_of(asked, "red", ("yes",)) == "yes",
        limit=_EVERY,
        scope=source.scope,
    )
    rows = legacy_systems.register_rows(source.connection, on, chosen.rows)
    found = legacy_systems.summarise(source.connection, source.scope)
    held = figures.read(source.connection, LEGACY)
    told = (
        f"{legacy_systems.version()}: {found.systems:,} systems, {found.signed:,} criteria signed, "
        f"{found.unsigned:,} unsigned; scores are to be checked against the published guidance"
    )
    return Made(legacy_systems.COLUMNS, rows, told, None if held is None else held[1])
