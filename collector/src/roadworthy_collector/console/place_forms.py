"""The pages that say which unit a cost centre belongs to, and what a contract is for."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.books import contracts, organisation_places
from roadworthy_collector.books.contracts import Told
from roadworthy_collector.books.organisation_places import Said
from roadworthy_collector.console import forms, login
from roadworthy_collector.console.costs import ensure_whole_estate
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_FINANCE))]
Field = Annotated[str, Form()]
_LENGTH = 512
_CENTRE = ("code", "name", "unit", "day")
_CONTRACT = ("system", "unit", "cost_centre", "replaced_by")


@router.get("/organisation/cost-centres")
def show_cost_centres(request: Request, reader: Who, code: str = "") -> HTMLResponse:
    """Show the cost centres with the unit each belongs to, and the form to say so; `code` begins the form."""
    ensure_whole_estate(reader)
    return _centres(View(request, reader), {"code": code[:_LENGTH]})


def _centres(
    view: View,
    given: dict[str, str],
    *,
    error: str | None = None,
    done: Any = None,
    status: int = HTTPStatus.OK,
) -> HTMLResponse:
    with view.engine.connect() as connection:
        rows = organisation_places.listed(connection, "cost_centres", scope=view.scope)
    held = next((row for row in rows if row["code"] == given["code"]), None)
    begun = {"name": held["name"] or "", "unit": held["unit"] or ""} if held is not None else {}
    context = {
        "rows": rows,
        "given": dict.fromkeys(_CENTRE, "") | begun | given,
        "error": error,
        "done": done,
    }
    return view.html("cost_centres.html", context, status)


@router.post("/organisation/cost-centres")
def set_cost_centre(
    request: Request,
    reader: Preparer,
    code: Field = "",
    name: Field = "",
    unit: Field = "",
    day: Field = "",
    do: Field = "try",
    csrf: Field = "",
) -> HTMLResponse:
    """Add a cost centre, or name one that is there and put it under a unit from a day on; or say what that would do."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    given = {"code": code.strip()[:_LENGTH], "name": name[:_LENGTH], "unit": unit[:_LENGTH], "day": day[:10]}
    try:
        with view.engine.connect() as connection:
            rows = organisation_places.listed(connection, "cost_centres", scope=view.scope)
        new = given["code"].casefold() not in {row["code"].casefold() for row in rows}
        done = organisation_places.say(
            view.engine,
            "cost_centres",
            _said(given),
            actor=reader.name,
            now=view.now,
            zone=view.settings.reporting_timezone,
            new=new,
            dry_run=do != "apply",
        )
    except RoadworthyError as error:
        return _centres(view, given, error=str(error), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return _centres(view, given, done=done)


def _said(given: dict[str, str]) -> Said:
    day = forms.day(given["day"])
    unit = given["unit"].strip() or organisation_places.NO_UNIT
    return Said(given["code"], given["name"].strip(), None, unit, day)


@router.get("/contracts/set")
def show_contract(request: Request, reader: Preparer, reference: str = "") -> HTMLResponse:
    """Show what a contract is for, with the form to put it right."""
    ensure_whole_estate(reader)
    return _contract(View(request, reader), reference[:_LENGTH])


def _contract(
    view: View,
    reference: str,
    given: dict[str, str] | None = None,
    *,
    error: str | None = None,
    status: int = HTTPStatus.OK,
) -> HTMLResponse:
    with view.engine.connect() as connection:
        found = [one for one in contracts.read(connection) if one.contract.reference == reference]
        systems = organisation_places.listed(connection, "systems", scope=view.scope)
        centres = organisation_places.listed(connection, "cost_centres", scope=view.scope)
    if not found:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no contract of this reference.")
    held = found[0]
    context = {
        "held": held,
        "given": {name: getattr(held, name) or "" for name in _CONTRACT} | (given or {}),
        "systems": [row["name"] for row in systems],
        "centres": [row["code"] for row in centres],
        "error": error,
    }
    return view.html("contract_set.html", context, status)


@router.post("/contracts/set")
def set_contract(
    request: Request,
    reader: Preparer,
    reference: Field = "",
    system: Field = "",
    unit: Field = "",
    cost_centre: Field = "",
    replaced_by: Field = "",
    csrf: Field = "",
) -> Response:
    """Say what a contract is for and what replaces it; an empty field takes a thing away."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    told = Told(system, unit, cost_centre, replaced_by)
    try:
        with write_transaction(view.engine) as connection:
            contracts.change(connection, reference, told, actor=reader.name, now=int(view.now))
    except RoadworthyError as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _contract(view, reference[:_LENGTH], told._asdict(), error=str(error), status=status)
    return RedirectResponse("/contracts#all", HTTPStatus.SEE_OTHER)
