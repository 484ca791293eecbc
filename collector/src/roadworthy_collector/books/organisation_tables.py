"""The rows behind the figures of a unit or a site as exported tables: all of them, where a page has a hundred."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, get_args

from roadworthy_collector.books import organisation_figures, organisation_groups, organisation_rows
from roadworthy_collector.books.organisation import checked_day
from roadworthy_collector.books.organisation_rows import Kind, Page
from roadworthy_collector.books.organisation_tree import read as read_organisation
from roadworthy_collector.books.sheets import pounds_of
from roadworthy_collector.books.table_rows import Made, Source, number_of, one_of
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.calendar import local_date

_AT_ONCE = 1000
_UNIT = 10**18
_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "devices": ("device_id", "hostname", "asset_tag", "device_class", "site", "unit"),
    "items": ("tag", "serial", "kind", "model", "lifecycle_state", "site", "unit"),
    "half_hours": ("device_id", "hostname", "days", "half_hours"),
    "systems": ("name", "kind", "unit"),
    "cost_centres": ("code", "name", "unit"),
    "contracts": ("reference", "name", "supplier", "ends", "pounds_a_year", "unit"),
    "ledger": ("cost_centre", "period", "from", "lines", "pounds", "unit"),
}
_SITE_COLUMNS: dict[organisation_groups.SiteKind, tuple[str, ...]] = {
    "devices": ("device_id", "hostname", "asset_tag", "device_class", "unit", "site"),
    "half_hours": ("device_id", "hostname", "days", "half_hours", "site"),
}
_POUNDS = {"pounds_a_year": "value_pence_per_year", "pounds": "pence"}


def asked_of(of: Source) -> organisation_figures.Asked:
    """Return the day and the span of days the filters `at` and `over` name, today and the least for none."""
    asked, today = of.filters, local_date(of.now, of.settings.reporting_timezone)
    try:
        day = checked_day(dt.date.fromisoformat(asked["at"])) if "at" in asked else today
    except ValueError:
        raise RoadworthyError(f"at: {asked['at']!r} is no day; write it as 2025-10-14") from None
    return organisation_figures.Asked(day, number_of(asked.get("over")) or organisation_figures.LEAST_DAYS)


def context_of(of: Source, asked: organisation_figures.Asked) -> organisation_figures.Context:
    """Return what figures of the reader are made with."""
    zone = of.settings.reporting_timezone
    return organisation_figures.Context(
        of.connection, read_organisation(of.connection), asked, zone, of.now, of.scope
    )


def unit_rows(of: Source) -> Made:
    """Return what counts to the unit whose number the filter `unit` names, or to none, of the filter `kind`."""
    said = one_of(of.filters, "kind", organisation_rows.KINDS)
    kind: Kind = next((one for one in organisation_rows.KINDS if one == said), "devices")
    text = of.filters.get("unit", "")
    if text and not (text.isascii() and text.isdecimal() and 0 < int(text) < _UNIT):
        raise RoadworthyError(f"unit: {text!r} is no number of a unit")
    asked = asked_of(of)
    context = context_of(of, asked)
    wanted = organisation_rows.Wanted(kind, int(text) if text else None, of.filters.get("state") or None)
    first = organisation_rows.rows(context, wanted, limit=_AT_ONCE)
    path = organisation_rows.UNASSIGNED
    if text:
        path = context.organisation.path(context.organisation.at(asked.day), text)
    rows = _all(
        first,
        lambda after: organisation_rows.rows(context, wanted, after=after, limit=_AT_ONCE),
        _COLUMNS[kind],
    )
    coverage = f"{kind.replace('_', ' ')} of {path} on {asked.day.isoformat()}; {first.restricted} at restricted sites left out"
    return Made(_COLUMNS[kind], rows, coverage)


def site_rows(of: Source) -> Made:
    """Return the devices in service at the site the filter `site` names, or with `kind` half_hours those reporting there."""
    kinds: tuple[organisation_groups.SiteKind, ...] = get_args(organisation_groups.SiteKind)
    said = one_of(of.filters, "kind", kinds)
    kind = next((one for one in kinds if one == said), kinds[0])
    site = of.filters.get("site", "")
    if not site:
        return Made(_SITE_COLUMNS[kind], (), "no site is named: site")
    asked = asked_of(of)
    context = context_of(of, asked)
    first = organisation_groups.site_rows(context, kind, site, limit=_AT_ONCE)
    rows = _all(
        first,
        lambda after: organisation_groups.site_rows(context, kind, site, after=after, limit=_AT_ONCE),
        _SITE_COLUMNS[kind],
    )
    days = (
        "as of today" if kind == "devices" else f"{asked.first.isoformat()} to {asked.day.isoformat()} (UTC)"
    )
    return Made(_SITE_COLUMNS[kind], rows, f"{kind.replace('_', ' ')} at {site}, {days}")


def _all(first: Page, read: Callable[[int], Page], columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    page = first
    while True:
        for row in page.rows:
            yield {name: pounds_of(row[_POUNDS[name]]) if name in _POUNDS else row[name] for name in columns}
        if page.next is None:
            return
        page = read(page.next)
