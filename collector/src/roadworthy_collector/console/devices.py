"""What the device list shows: filters, sorting, pages, and the way straight to a device named exactly."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection

from roadworthy_collector.console import words
from roadworthy_collector.console.overview import glance_of
from roadworthy_collector.console.view import View
from roadworthy_collector.store.queries import console_list as queries
from roadworthy_collector.store.queries import console_search as search
from roadworthy_collector.store.queries import console_startups as startups
from roadworthy_collector.store.queries.console_list import DeviceFilter, Place
from roadworthy_collector.store.queries.ready import Ready
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
_COUNT_SECONDS, _MOST_COUNTS = 30.0, 1000
_ID_DIGITS, _KEY_LENGTH = 18, 256
_NO_CHOICES: dict[str, list[str]] = {"site": [], "class": [], "model": []}


def parse_filter(query: Mapping[str, str]) -> DeviceFilter:
    """Return what an address asks for; anything it cannot mean falls back to the usual."""
    page = query.get("page", "1")
    sort = query.get("sort", "name")
    sort = sort if sort in queries.SORTS or sort in queries.USES else "name"
    after, before = _place(query.get("after", ""), sort), _place(query.get("before", ""), sort)
    return DeviceFilter(
        text=query.get("q", "").strip()[: search.SEARCH_LENGTH],
        site=query.get("site", ""),
        state=query.get("state", "") if query.get("state", "") in words.DEVICE_STATES else "",
        device_class=query.get("class", ""),
        model=query.get("model", ""),
        sort=sort,
        descending=query.get("order") == "desc",
        page=min(max(int(page), 1), _MAX_PAGE) if page.isascii() and page.isdigit() and len(page) < 8 else 1,
        after=after,
        before=None if after is not None else before,
    )


def _place(text: str, sort: str) -> Place | None:
    """Return the place an address names as `_said` wrote it, None for anything else."""
    device, _, key = text.partition(":")
    if not (device.isascii() and device.isdigit() and len(device) <= _ID_DIGITS):
        return None
    if sort not in queries.NUMBERS:
        return Place(int(device), key[:_KEY_LENGTH].replace("\0", ""))
    try:
        number = float(key)
    except ValueError:
        return None
    return Place(int(device), number) if -1e18 < number < 1e18 else None


def _said(place: Place) -> str:
    return f"{place.id}:{place.key}"


def address(wanted: DeviceFilter, **changed: str) -> str:
    """Return the address of the list as `wanted`, with some of its parts changed; its first page unless they say another."""
    parts = {
        "q": wanted.text,
        "site": wanted.site,
        "state": wanted.state,
        "class": wanted.device_class,
        "model": wanted.model,
        "sort": "" if wanted.sort == "name" else wanted.sort,
        "order": "desc" if wanted.descending else "",
    } | changed
    kept = {name: value for name, value in parts.items() if value}
    return f"/devices?{urlencode(kept)}" if kept else "/devices"


def straight_to(connection: Connection, wanted: DeviceFilter, scope: Scope) -> str | None:
    """Return the device a search names exactly, if it is the only one and nothing else narrows the list."""
    if not wanted.text or wanted.site or wanted.state or wanted.device_class or wanted.model:
        return None
    found = search.exact_matches(connection, wanted.text, scope)
    return found[0] if len(found) == 1 else None


def context(connection: Connection, view: View, wanted: DeviceFilter) -> dict[str, Any]:
    """Return what devices.html needs."""
    interval = view.settings.report_interval_seconds
    held = glance_of(connection, view)
    known = None if view.small else _known_total(view, wanted, held)
    found = queries.list_devices(connection, wanted, view.now, interval, view.scope, total=known)
    if known is None and not view.small:
        _counts(view)[_counted(view, wanted)] = (view.now, found.total)
    pages = max(1, -(-found.total // queries.PAGE_SIZE))
    return {
        "wanted": wanted,
        "total": found.total,
        "more_found": found.more_found,
        "rows": found.rows,
        "restricted": 0 if held is None else held.figures["restricted"],
        "last_totals": startups.last_totals(connection, [row.id for row in found.rows]),
        "choices": _NO_CHOICES if held is None else held.figures["choices"],
        "columns": [_column(wanted, key, title) for key, title in COLUMNS],
        "unheard_left_out": wanted.sort in queries.USES and found.total > queries.FEW_MATCHES,
        "pages": pages,
        "previous": _page(wanted, wanted.page - 1, before=found.first) if wanted.page > 1 else None,
        "next": _page(wanted, wanted.page + 1, after=found.last) if wanted.page < pages else None,
        "first_shown": queries.PAGE_SIZE * (wanted.page - 1) + 1,
    }


def _known_total(view: View, wanted: DeviceFilter, held: Ready | None) -> int | None:
    """Return how many devices match, as far as that is known; a search counts by itself what it finds.

    The whole list from the ready figures, the rest from a count of the last half minute.
    """
    if wanted.text:
        return None
    narrowed = wanted.site or wanted.state or wanted.device_class or wanted.model
    if not narrowed and held is not None:
        return sum(map(int, held.figures["states"].values())) - int(held.figures["restricted"])
    at, total = _counts(view).get(_counted(view, wanted), (-math.inf, 0))
    return total if 0 <= view.now - at < _COUNT_SECONDS else None


def _counts(view: View) -> dict[Hashable, tuple[float, int]]:
    """Return this process's memory of counts, emptied when it is full."""
    state = view.request.app.state
    held: dict[Hashable, tuple[float, int]] | None = getattr(state, "device_counts", None)
    if held is None or len(held) >= _MOST_COUNTS:
        held = state.device_counts = {}
    return held


def _counted(view: View, wanted: DeviceFilter) -> Hashable:
    return (view.scope, wanted.site, wanted.state, wanted.device_class, wanted.model, wanted.text)


def _page(wanted: DeviceFilter, page: int, *, after: Place | None = None, before: Place | None = None) -> str:
    """Return the address of the page beside this one; the first is always the beginning of the list."""
    if page <= 1:
        return address(wanted)
    places = {
        "after": "" if after is None else _said(after),
        "before": "" if before is None else _said(before),
    }
    return address(wanted, page=str(page), **places)


def _column(wanted: DeviceFilter, key: str, title: str) -> dict[str, str]:
    """Return a column head: its address sorts by it, or turns the order round where it does already."""
    sorted_by = wanted.sort == key
    turned = "desc" if sorted_by and not wanted.descending else ""
    order = ("descending" if wanted.descending else "ascending") if sorted_by else ""
    return {"title": title, "order": order, "address": address(wanted, sort=key, order=turned)}
