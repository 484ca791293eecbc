"""The page of disposal: weight, route and proceeds, missing certificates, and the form to put a record right."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.books import disposal
from roadworthy_collector.books.benefits import parse_day
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.console import login
from roadworthy_collector.console.costs import pounds
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.disposal import ROUTES

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Keeper = Annotated[Reader, Depends(require_page(Right.MANAGE_REGISTER))]
_ROWS = 200
_GRAMS_PER_KG = 1000
_FIELDS = ("tag", "route", "weight_kg", "left", "certificate", "certificate_date")


def items_at(**query: Any) -> str:
    """Return the address of the items behind a figure."""
    return "/disposal/items?" + urlencode({name: value for name, value in query.items() if value is not None})


def kilograms(grams: int) -> str:
    """Return a weight as people write it."""
    return f"{grams / _GRAMS_PER_KG:,.1f} kg"


@router.get("/disposal")
def show_disposal(request: Request, reader: Who, tag: str = "") -> HTMLResponse:
    """Show what went where and what is owed; `tag` begins the form."""
    return _page(View(request, reader), {"tag": tag[:64]})


def _page(
    view: View, given: dict[str, str], error: str | None = None, status: int = HTTPStatus.OK
) -> HTMLResponse:
    today = local_day(view.now, view.settings.reporting_timezone)
    with view.engine.connect() as connection:
        held = disposal.read(connection, view.scope)
    missing = disposal.missing(held, today)
    context = {
        "found": disposal.overview(held, today),
        "missing": missing[:_ROWS],
        "missing_total": len(missing),
        "routes": ROUTES,
        "given": dict.fromkeys(_FIELDS, "") | given,
        "error": error,
        "pounds": pounds,
        "items_at": items_at,
        "kilograms": kilograms,
    }
    return view.html("disposal.html", context, status)


@router.post("/disposal")
def set_disposal(  # noqa: PLR0913, PLR0917 - one argument a field of the form
    request: Request,
    reader: Keeper,
    tag: Annotated[str, Form()] = "",
    route: Annotated[str, Form()] = "",
    weight_kg: Annotated[str, Form()] = "",
    left: Annotated[str, Form()] = "",
    certificate: Annotated[str, Form()] = "",
    certificate_date: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Put one item's disposal right; an empty field leaves a thing as it is."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    given = {
        "tag": tag, "route": route, "weight_kg": weight_kg, "left": left, "certificate": certificate,
        "certificate_date": certificate_date,
    }  # fmt: skip
    today = local_day(view.now, view.settings.reporting_timezone)
    try:
        with write_transaction(view.engine) as connection:
            disposal.change(
                connection,
                tag,
                _told(given),
                on=today,
                actor=reader.name,
                now=int(view.now),
                scope=view.scope,
                restricted=reader.may(Right.MANAGE_SITES),
            )
    except RoadworthyError as error:
        return _page(view, given, str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    return RedirectResponse("/disposal", HTTPStatus.SEE_OTHER)


def _told(given: dict[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {name: given[name].strip() for name in ("route", "certificate")}
    told |= {name: parse_day(given[name]) for name in ("left", "certificate_date")}
    if weight := given["weight_kg"].strip():
        try:
            told["weight_grams"] = round(float(weight) * _GRAMS_PER_KG)
        except (ValueError, OverflowError):
            raise disposal.DisposalError(f"weight: {weight!r} is no number of kilograms") from None
    return {name: value for name, value in told.items() if value}
