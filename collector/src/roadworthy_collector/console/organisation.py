"""The page of the organisation: units of a day with figures rolled up, the rows behind each, and the form to change it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse

from roadworthy_collector.books import organisation_figures, organisation_places, organisation_rows
from roadworthy_collector.books.organisation import ACTIONS, Asked, change, checked_day, describe
from roadworthy_collector.books.organisation_tree import read
from roadworthy_collector.console import forms, login
from roadworthy_collector.console.costs import pounds
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.queries import sites as site_queries
from roadworthy_inventory.calendar import financial_year_of, local_date

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_SITES))]
_OVER = (7, 14, 31)
_MOST_SITES = 1000
_MOST_ID = 2**63 - 1
_LENGTH = 512
TITLES = {
    "devices": "Devices",
    "items": "Register items",
    "half_hours": "Half-hours",
    "systems": "Systems",
    "cost_centres": "Cost centres",
    "contracts": "Contracts",
    "ledger": "Ledger",
}


def _spent(
    spent: dict[str | None, int], centres: Sequence[dict[str, Any]]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return ({code on record: pence booked}, {any other code: pence}); "" is of lines without a cost centre."""
    codes = {row["code"].casefold(): row["code"] for row in centres}
    known: dict[str, int] = {}
    others: dict[str, int] = {}
    for said, pence in sorted(spent.items(), key=lambda one: (one[0] is None, one[0] or "")):
        code = codes.get((said or "").casefold())
        into = others if code is None else known
        at = code or said or ""
        into[at] = into.get(at, 0) + pence
    return known, others


def _number(text: str) -> int | None:
    fits = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if fits and 0 < int(text) <= _MOST_ID else None


def asked_of(view: View, at: str, over: str) -> organisation_figures.Asked:
    """Return the day and span an address names, today and a week for anything else."""
    today = local_date(view.now, view.settings.reporting_timezone)
    try:
        day = checked_day(dt.date.fromisoformat(at)) if at else today
    except (ValueError, RoadworthyError):
        day = today
    return organisation_figures.Asked(day, int(over) if over in map(str, _OVER) else 7)


def context_of(
    view: View, connection: Any, asked: organisation_figures.Asked
) -> organisation_figures.Context:
    """Return what figures of the reader are made with."""
    zone = view.settings.reporting_timezone
    return organisation_figures.Context(connection, read(connection), asked, zone, view.now, view.scope)


def rows_at(asked: organisation_figures.Asked, kind: str, unit: int | None, **more: Any) -> str:
    """Return the address of the rows behind a figure."""
    query = {"kind": kind, "unit": unit, "at": asked.day.isoformat(), "over": asked.over, **more}
    kept = {name: value for name, value in query.items() if value not in (None, "")}
    return f"/organisation/rows?{urlencode(kept)}"


@router.get("/organisation")
def show_organisation(request: Request, reader: Who, at: str = "", over: str = "") -> HTMLResponse:
    """Show the units of a day with their figures, sites by kind, cost centres and systems."""
    view = View(request, reader)
    return _page(view, asked_of(view, at, over))


def _page(
    view: View,
    asked: organisation_figures.Asked,
    *,
    error: str | None = None,
    told: Sequence[str] = (),
    given: dict[str, str] | None = None,
    status: int = HTTPStatus.OK,
) -> HTMLResponse:
    with view.engine.connect() as connection:
        context = context_of(view, connection, asked)
        found = organisation_figures.figures(context)
        places = site_queries.read_page(
            connection, scope=view.scope, restricted=False, limit=_MOST_SITES
        ).rows
        spent = {} if found.scoped else organisation_figures.by_cost_centre(context)
        centres = organisation_places.listed(connection, "cost_centres", scope=view.scope)
        systems = organisation_places.listed(connection, "systems", scope=view.scope)
    booked, others = _spent(spent, centres)
    by_kind = sorted(places, key=lambda row: row["kind"])
    whole = not found.scoped
    return view.html(
        "organisation.html",
        {
            "asked": asked,
            "today": context.today,
            "lines": found.lines,
            "total": found.total,
            "whole": whole,
            "states": [name for name in found.measures if name.startswith("items_")],
            "sites": [(kind, list(rows)) for kind, rows in groupby(by_kind, key=lambda row: row["kind"])],
            "centres": centres,
            "spent": booked,
            "centres_unknown": others,
            "year": financial_year_of(asked.day),
            "systems": systems,
            "spans": _OVER,
            "actions": ACTIONS,
            "rows_at": rows_at,
            "pounds": pounds,
            "error": error,
            "told": told,
            "given": {"action": "move", "unit": "", "to": "", "day": ""} | (given or {}),
        },
        status,
    )


@router.post("/organisation")
def change_unit(
    request: Request,
    reader: Keeper,
    action: Annotated[str, Form()] = "",
    unit: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "",
    day: Annotated[str, Form()] = "",
    do: Annotated[str, Form()] = "try",
    csrf: Annotated[str, Form()] = "",
) -> HTMLResponse:
    """Change a unit from a day on, or say what that would do."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    given = {"action": action, "unit": unit[:_LENGTH], "to": to[:_LENGTH], "day": day[:10]}
    now = asked_of(view, "", "")
    try:
        wanted = _change_asked(given)
        done = change(
            view.engine, wanted, actor=reader.name, now=view.now, zone=view.settings.reporting_timezone,
            dry_run=do != "apply",
        )  # fmt: skip
    except RoadworthyError as error:
        return _page(view, now, error=str(error), given=given, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return _page(view, now, told=describe(done), given=given if done.dry_run else None)


def _change_asked(given: dict[str, str]) -> Asked:
    for action in ACTIONS:
        if action == given["action"]:
            break
    else:
        raise RoadworthyError("Choose what is to change.")
    day = forms.day(given["day"])
    if not given["unit"].strip():
        raise RoadworthyError("Name the unit.")
    return Asked(action, given["unit"], given["to"].strip() or None, day)


@router.get("/organisation/rows")
def show_rows(
    request: Request,
    reader: Who,
    kind: str = "devices",
    unit: str = "",
    state: str = "",
    at: str = "",
    over: str = "",
    after: str = "",
) -> HTMLResponse:
    """Show the rows behind a figure of a unit at a day."""
    view = View(request, reader)
    asked = asked_of(view, at, over)
    found = next((one for one in organisation_rows.KINDS if one == kind), None)
    number = _number(unit)
    if found is None or (unit and number is None):
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such list.")
    chosen = state.replace("\0", "")[:24] or None
    try:
        with view.engine.connect() as connection:
            context = context_of(view, connection, asked)
            wanted = organisation_rows.Wanted(found, number, chosen)
            page = organisation_rows.rows(context, wanted, after=_number(after) or 0)
            tree = context.organisation.at(asked.day)
            path = organisation_rows.UNASSIGNED
            if number is not None:
                path = context.organisation.path(tree, str(number))
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such unit on that day here.") from None
    except RoadworthyError as error:
        raise HTTPException(HTTPStatus.FORBIDDEN, str(error)) from None
    narrowed = {"state": chosen}
    filters = {"kind": found, "unit": number, "at": asked.day.isoformat(), "over": asked.over, **narrowed}
    return view.html(
        "organisation_rows.html",
        {
            "asked": asked,
            "kind": found,
            "title": TITLES[found],
            "state": chosen,
            "filters": filters,
            "unit_path": path,
            "rows": page.rows,
            "restricted": page.restricted,
            "pounds": pounds,
            "year": context.asked.day.year - (context.asked.day < dt.date(context.asked.day.year, 4, 1)),
            "is_today": asked.day == context.today and number is not None,
            "register_at": "/register?" + urlencode({"unit": path, **({"state": chosen} if chosen else {})}),
            "lines_at": lambda year, centre: "/costs/lines?" + urlencode({"year": year, "centre": centre}),
            "back": f"/organisation?{urlencode({'at': asked.day.isoformat(), 'over': asked.over})}",
            "next": None if page.next is None else rows_at(asked, found, number, after=page.next, **narrowed),
            "first": rows_at(asked, found, number, **narrowed) if _number(after) else None,
        },
    )
