"""What the device list shows: filters, sorting, pages, and the way straight to a device named exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection

from roadworthy_collector.console import words
from roadworthy_collector.console.view import View
from roadworthy_collector.store.queries import console as queries
from roadworthy_collector.store.queries import console_startups as startups
from roadworthy_collector.store.queries.console import DeviceFilter
from roadworthy_collector.store.queries.scope import Scope

# Column heads that sort, in their order on the page.
COLUMNS = (
    ("name", "Device"),
    ("site", "Site"),
    ("model", "Model"),
    ("class", "Class"),
    ("report", "Last report"),
    ("cpu", "Processor"),
    ("memory", "Memory"),
)
_MAX_PAGE = 1_000_000


def parse_filter(query: Mapping[str, str]) -> DeviceFilter:
    """Return what an address asks for; anything it cannot mean falls back to the usual."""
    page = query.get("page", "1")
    sort = query.get("sort", "name")
    return DeviceFilter(
        text=query.get("q", "").strip()[: queries.SEARCH_LENGTH],
        site=query.get("site", ""),
        state=query.get("state", "") if query.get("state", "") in words.DEVICE_STATES else "",
        device_class=query.get("class", ""),
        model=query.get("model", ""),
        sort=sort if sort in queries.SORTS else "name",
        descending=query.get("order") == "desc",
        page=min(max(int(page), 1), _MAX_PAGE) if page.isascii() and page.isdigit() and len(page) < 8 else 1,
    )


def address(wanted: DeviceFilter, **changed: str) -> str:
    """Return the address of the list as `wanted`, with some of its parts changed."""
    parts = {
        "q": wanted.text,
        "site": wanted.site,
        "state": wanted.state,
        "class": wanted.device_class,
        "model": wanted.model,
        "sort": "" if wanted.sort == "name" else wanted.sort,
        "order": "desc" if wanted.descending else "",
        "page": "" if wanted.page == 1 else str(wanted.page),
    } | changed
    kept = {name: value for name, value in parts.items() if value}
    return f"/devices?{urlencode(kept)}" if kept else "/devices"


def straight_to(connection: Connection, wanted: DeviceFilter, scope: Scope) -> str | None:
    """Return the device a search names exactly, if it is the only one and nothing else narrows the list."""
    if not wanted.text or wanted.site or wanted.state or wanted.device_class or wanted.model:
        return None
    found = queries.exact_matches(connection, wanted.text, scope)
    return found[0] if len(found) == 1 else None


def context(connection: Connection, view: View, wanted: DeviceFilter) -> dict[str, Any]:
    """Return what devices.html needs."""
    total, rows = queries.list_devices(
        connection, wanted, view.now, view.settings.report_interval_seconds, view.scope
    )
    pages = max(1, -(-total // queries.PAGE_SIZE))
    return {
        "wanted": wanted,
        "total": total,
        "rows": rows,
        "restricted": queries.count_restricted(connection, view.scope),
        "last_totals": startups.last_totals(connection, [row.id for row in rows]),
        "choices": queries.choices(connection, view.scope),
        "columns": [_column(wanted, key, title) for key, title in COLUMNS],
        "pages": pages,
        "previous": address(wanted, page=str(wanted.page - 1)) if wanted.page > 1 else None,
        "next": address(wanted, page=str(wanted.page + 1)) if wanted.page < pages else None,
        "first_shown": queries.PAGE_SIZE * (wanted.page - 1) + 1,
    }


def _column(wanted: DeviceFilter, key: str, title: str) -> dict[str, str]:
    """Return a column head: its address sorts by it, or turns the order round where it does already."""
    sorted_by = wanted.sort == key
    turned = "desc" if sorted_by and not wanted.descending else ""
    order = ("descending" if wanted.descending else "ascending") if sorted_by else ""
    return {"title": title, "order": order, "address": address(wanted, sort=key, order=turned, page="")}
