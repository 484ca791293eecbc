"""The page of the lines behind the bridge: what is booked, what the basis leaves out, what spreading moved."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from roadworthy_collector.books import cost_bridge, shares
from roadworthy_collector.console.costs import ensure_whole_estate, pounds
from roadworthy_collector.console.view import View
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.ledger import MEASURES

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
_PAGE = 100
_LONGEST = 64


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 7 else None


def _wanted(asked: Any) -> cost_bridge.Wanted:
    """Return what an address asks for; what is not a choice is not chosen."""
    centre = asked.get("centre", "")[:_LONGEST]
    return cost_bridge.Wanted(
        part=next((one for one in cost_bridge.PARTS if one == asked.get("part")), "ledger"),
        year=_number(asked.get("year")),
        measure=next((one for one in MEASURES if one == asked.get("measure")), None),
        centre=centre if centre or "none" in asked else None,
        period=_number(asked.get("period")),
        reason=asked.get("reason", "")[:_LONGEST] or None,
    )


@router.get("/costs/bridge")
def show_bridge(request: Request, reader: Who) -> HTMLResponse:
    """List lines as booked, those left out with the reason, or what spreading moved."""
    ensure_whole_estate(reader)
    view = View(request, reader)
    asked = request.query_params
    wanted, page = _wanted(asked), max(1, _number(asked.get("page")) or 1)
    with view.engine.connect() as connection:
        found = cost_bridge.read_lines(connection, wanted, offset=(page - 1) * _PAGE, limit=_PAGE)
    query = {name: value for name, value in asked.items() if name != "page" and (value or name == "none")}
    context = {
        "found": found,
        "wanted": wanted,
        "measures": MEASURES,
        "parts_words": cost_bridge.PART_WORDS,
        "page": page,
        "pages": max(1, -(-found.total // _PAGE)),
        "at": lambda number: "/costs/bridge?" + urlencode({**query, "page": number}),
        "pounds": pounds,
        "year_name": shares.year_name,
    }
    return view.html("cost_bridge.html", context)
