"""The pages of the carbon settings, of returns, and of embodied carbon with the items behind it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import embodied, keep_or_replace, returns_told, settings_edition
from roadworthy_collector.console.costs import ensure_whole_estate
from roadworthy_collector.console.text_forms import TextForm, plainly
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.calendar import financial_year_label, financial_year_of

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_CARBON))]
_BAD = HTTPStatus.UNPROCESSABLE_ENTITY
_ROWS = 100
_MOST_ID = 2**63 - 1


def _held(connection: Connection) -> dict[str, Any]:
    held = settings_edition.current(connection)
    return {"held": held, "text": held.content, "editions": settings_edition.editions(connection)}


_SETTINGS = TextForm(
    "carbon_settings.html",
    "/carbon/settings",
    _held,
    plainly(settings_edition.try_text),
    settings_edition.save,
)
_SETTINGS.serve(
    router,
    "/carbon/settings",
    who=require_page(Right.READ_ESTATE),
    keeper=require_page(Right.PREPARE_CARBON),
)


def _years(view: View, year: str) -> tuple[int, list[str], str | None]:
    """Return (the year asked for or the running one, years to choose from, what is wrong with what was asked)."""
    running = financial_year_of(local_day(view.now, view.settings.reporting_timezone))
    choices = [financial_year_label(began) for began in range(running, running - 6, -1)]
    try:
        return (embodied.year_of(year) if year else running), choices, None
    except RoadworthyError as error:
        return running, choices, str(error)


@router.get("/carbon/returns")
def show_returns(request: Request, reader: Who, kind: str = "ggc", year: str = "") -> HTMLResponse:
    """Show a year's return; of the whole IT estate, so for whom that is."""
    ensure_whole_estate(reader)
    view = View(request, reader)
    began, choices, error = _years(view, year[:12])
    chosen: returns_told.Kind = next((name for name in returns_told.TITLES if name == kind), "ggc")
    found = None
    if error is None:
        try:
            with view.engine.connect() as connection:
                found = returns_told.read(
                    connection,
                    chosen,
                    began,
                    today=local_day(view.now, view.settings.reporting_timezone),
                    zone=view.settings.reporting_timezone,
                )
        except RoadworthyError as refused:
            error = str(refused)
    context = {
        "found": found,
        "error": error,
        "kind": chosen,
        "titles": returns_told.TITLES,
        "year": financial_year_label(began),
        "choices": choices,
    }
    return view.html("carbon_returns.html", context, HTTPStatus.OK if error is None else _BAD)


@router.get("/embodied")
def show_embodied(request: Request, reader: Who, year: str = "") -> HTMLResponse:
    """Show embodied carbon both ways, and keep or replace by model."""
    view = View(request, reader)
    began, choices, error = _years(view, year[:12])
    wanted = request.query_params.get("with", "same")
    new_class = wanted if wanted in keep_or_replace.NEW_CLASSES else "same"
    today = local_day(view.now, view.settings.reporting_timezone)
    with view.engine.connect() as connection:
        found = embodied.overview(connection, began, view.scope)
        models = keep_or_replace.told(
            keep_or_replace.compare(connection, today, new_class=new_class, scope=view.scope)
        )
    context = {
        "found": found,
        "models": models,
        "error": error,
        "choices": choices,
        "classes": keep_or_replace.NEW_CLASSES,
        "new_class": new_class,
        "behind": _behind,
    }
    return view.html("embodied.html", context, HTTPStatus.OK if error is None else _BAD)


def _behind(**wanted: str) -> str:
    """Return the address of the items behind a figure; a row that restricted sites are in has none."""
    if set(embodied.OTHERS.values()) & set(wanted.values()):
        return ""
    return "/embodied/items?" + urlencode(
        {name.rstrip("_"): value for name, value in wanted.items() if value}
    )


@router.get("/embodied/items")
def show_items(request: Request, reader: Who) -> HTMLResponse:
    """Show the register items behind a figure, page by page."""
    view = View(request, reader)
    asked = {name: request.query_params.get(name, "")[:128] for name in ("bought", "class", "unit", "site")}
    after = request.query_params.get("after", "0")
    number = int(after) if after.isascii() and after.isdigit() and len(after) < 20 else 0
    error = None
    wanted = embodied.Wanted(None, asked["bought"] == "unknown", asked["class"], asked["unit"], asked["site"])
    try:
        if asked["bought"] and not wanted.undated:
            wanted = wanted._replace(bought=embodied.year_of(asked["bought"]))
    except RoadworthyError as refused:
        error = str(refused)
    with view.engine.connect() as connection:
        page = embodied.list_items(
            connection, wanted, after=min(number, _MOST_ID), limit=_ROWS, scope=view.scope
        )
    following = None
    if page.next is not None:
        following = "/embodied/items?" + urlencode(asked | {"after": page.next})
    context = {"page": page, "asked": asked, "error": error, "following": following}
    return view.html("embodied_items.html", context, HTTPStatus.OK if error is None else _BAD)
