"""The page of the items behind a figure of disposal."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from roadworthy_collector.books import disposal, disposal_lists
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.console.costs import pounds
from roadworthy_collector.console.disposal import kilograms
from roadworthy_collector.console.view import View
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.disposal import ROUTES

router = APIRouter(include_in_schema=False)
_PAGE = 100


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 9 else None


@router.get("/disposal/items")
def show_items(
    request: Request, reader: Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
) -> HTMLResponse:
    """List items gone or on their way out, with what they add up to."""
    view = View(request, reader)
    asked = request.query_params
    wanted = disposal_lists.Wanted(
        route=asked["route"] if asked.get("route") in ROUTES else None,
        year=asked.get("year", "")[:8] or None,
        category=_number(asked.get("category")),
        which=next((one for one in disposal_lists.WHICH if one == asked.get("which")), None),
    )
    after = _number(asked.get("after")) or 0
    with view.engine.connect() as connection:
        held = disposal.read(connection, view.scope)
    found = disposal_lists.choose(held, wanted, local_day(view.now, view.settings.reporting_timezone))
    query = {name: value for name, value in wanted._asdict().items() if value is not None}

    def at(place: int) -> str:
        return "/disposal/items?" + urlencode(query | ({"after": place} if place else {}))

    context: dict[str, Any] = {
        "wanted": wanted,
        "told": _told(wanted),
        "rows": found.rows[after : after + _PAGE],
        "total": len(found.rows),
        "sums": found,
        "routes": ROUTES,
        "which_words": disposal_lists.WHICH_WORDS,
        "pounds": pounds,
        "kilograms": kilograms,
        "next": at(after + _PAGE) if len(found.rows) > after + _PAGE else None,
        "first": at(0) if after else None,
    }
    return view.html("disposal_items.html", context)


def _told(wanted: disposal_lists.Wanted) -> str:
    """Return the filter as people read it."""
    found = [] if wanted.route is None else [f"route {wanted.route.replace('_', ' ')}"]
    found += [] if wanted.year is None else [f"left in {wanted.year}" if "/" in wanted.year else wanted.year]
    if wanted.category is not None:
        found.append(f"WEEE category {wanted.category or 'not known'}")
    found += [] if wanted.which is None else [disposal_lists.WHICH_WORDS[wanted.which]]
    return ", ".join(found)
