"""The page of figures by command, cost centre or site, and of the devices behind those of a site."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse

from roadworthy_collector.books import organisation_groups
from roadworthy_collector.books.organisation_groups import BY_WORDS, BYS, Group, groups, states_of
from roadworthy_collector.console.costs import pounds
from roadworthy_collector.console.organisation import asked_of, context_of
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.calendar import financial_year_of

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
_LENGTH = 256


@router.get("/organisation/groups")
def show_groups(
    request: Request, reader: Who, by: str = "command", at: str = "", over: str = ""
) -> HTMLResponse:
    """Show register items by state, and of sites devices and half-hours, group by group."""
    view = View(request, reader)
    asked = asked_of(view, at, over)
    chosen: organisation_groups.By = next((one for one in BYS if one == by), "command")
    with view.engine.connect() as connection:
        found = groups(context_of(view, connection, asked), chosen)
    context = {
        "by": chosen,
        "by_words": BY_WORDS,
        "asked": asked,
        "groups": found,
        "states": states_of(found),
        "whole": view.scope is None,
        "year": financial_year_of(asked.day),
        "pounds": pounds,
        "register_at": lambda group, **more: _register(chosen, group, **more),
        "site_at": lambda group, kind: _site(asked, group, kind),
        "address": lambda **changed: (
            "/organisation/groups?"
            + urlencode({"by": chosen, "at": asked.day.isoformat(), "over": asked.over} | changed)
        ),
        "ledger_at": _ledger,
    }
    return view.html("organisation_groups.html", context)


def _register(by: str, group: Group, **more: str) -> str:
    mine = {"unknown": by} if group.name is None else {by: group.name}
    return "/register?" + urlencode(mine | more)


def _ledger(group: Group, year: int) -> str:
    mine = {"none": "1"} if group.name is None else {"centre": group.name}
    return "/costs/bridge?" + urlencode({"part": "ledger", "year": year, "measure": "outturn"} | mine)


def _site(asked: Any, group: Group, kind: str, after: int = 0) -> str:
    query = {"kind": kind, "site": group.name, "at": asked.day.isoformat(), "over": asked.over}
    return "/organisation/groups/rows?" + urlencode(query | ({"after": after} if after else {}))


@router.get("/organisation/groups/rows")
def show_site_rows(
    request: Request,
    reader: Who,
    site: str = "",
    kind: str = "devices",
    at: str = "",
    over: str = "",
    after: str = "",
) -> HTMLResponse:
    """Show the devices in service at a site, or those whose half-hours were reported there."""
    view = View(request, reader)
    asked = asked_of(view, at, over)
    which: organisation_groups.SiteKind = "half_hours" if kind == "half_hours" else "devices"
    begin = int(after) if after.isascii() and after.isdigit() and len(after) < 19 else 0
    name = site.replace("\0", "")[:_LENGTH]
    try:
        with view.engine.connect() as connection:
            page = organisation_groups.site_rows(
                context_of(view, connection, asked), which, name, after=begin
            )
    except NotFoundError:
        raise HTTPException(404, "There is no such site here.") from None
    group = Group(name, None, restricted=False, figures={})
    context = {
        "site": name,
        "kind": which,
        "asked": asked,
        "rows": page.rows,
        "next": None if page.next is None else _site(asked, group, which, page.next),
        "first": _site(asked, group, which) if begin else None,
    }
    return view.html("organisation_site.html", context)
