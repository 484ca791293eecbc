"""The page of factor sets: what is loaded, how what waits differs, and the forms to propose, confirm and withdraw."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData

from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.uploads import UPLOAD_SECONDS
from roadworthy_collector.carbon import crc_rate_store, factor_list, factor_store
from roadworthy_collector.console import forms, login
from roadworthy_collector.console.costs import ensure_whole_estate
from roadworthy_collector.console.forms import FormRefusedError
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.bounds import FILE_FORM
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.carbon.crc_rates import COLUMNS
from roadworthy_inventory.carbon.factors import ITEM_WORDS, ITEMS

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_CARBON))]
_FIELDS = ("year", "version", "published", "source")
_MOST_ID = 2**63 - 1
_BAD = HTTPStatus.UNPROCESSABLE_ENTITY
STATES = {
    "waiting": "waits for a second person",
    "in_force": "in force",
    "superseded": "superseded by a later one",
    "withdrawn": "withdrawn",
}


@router.get("/carbon/factors")
def show_factors(request: Request, reader: Who) -> HTMLResponse:
    """Show the factors in force and the sets loaded here."""
    return _page(View(request, reader))


def _page(
    view: View,
    error: str | None = None,
    given: dict[str, str] | None = None,
    status: int = HTTPStatus.OK,
) -> HTMLResponse:
    with view.engine.connect() as connection:
        held = factor_store.book(connection)
        sets = factor_list.list_sets(connection)
    reader = view.reader
    whole = reader is not None and reader.scope is None
    context = {
        "error": error,
        "given": dict.fromkeys(_FIELDS, "") | (given or {}),
        "sets": sets,
        "states": STATES,
        "titles": ITEM_WORDS,
        "years": [(year, [held.of(year, item) for item in ITEMS]) for year in reversed(held.years)],
        "prepares": whole and reader is not None and reader.may(Right.PREPARE_CARBON),
        "mine": {
            one.id for one in sets if reader is not None and factor_store.may_confirm(reader, one.proposed_by)
        },
        "columns": COLUMNS,
        "most": factor_store.MOST_BYTES // (1024 * 1024),
    }
    return view.html("carbon_factors.html", context, status)


@router.post("/carbon/factors", openapi_extra=FILE_FORM)
async def load_set(request: Request, reader: Preparer) -> Response:
    """Take the flat file and what is said of it as a proposal; the body is read only now: its sender is known."""
    ensure_whole_estate(reader)
    try:
        form = await forms.read_form(request, reader, factor_store.MOST_BYTES, UPLOAD_SECONDS)
    except FormRefusedError as error:
        return await anyio.to_thread.run_sync(_refused, request, reader, str(error), {}, error.status)
    given = {name: forms.text(form, name)[:512] for name in _FIELDS}
    try:
        await anyio.to_thread.run_sync(_proposed, request, reader, form)
    except RoadworthyError as error:
        return await anyio.to_thread.run_sync(_refused, request, reader, str(error), given, _BAD)
    finally:
        await form.close()
    return RedirectResponse("/carbon/factors", HTTPStatus.SEE_OTHER)


def _refused(
    request: Request, reader: Reader, error: str, given: dict[str, str], status: int
) -> HTMLResponse:
    return _page(View(request, reader), error, given, status)


def _proposed(request: Request, reader: Reader, form: FormData) -> None:
    view = View(request, reader)
    file = forms.file(form, "file")
    if file is None:
        raise RoadworthyError("Choose the flat file first.")
    year = forms.text(form, "year").strip()
    if not (year.isascii() and year.isdigit() and len(year) <= len("2026")):
        raise RoadworthyError("year: write the set's year, such as 2026")
    told = factor_store.Told(int(year), *(" ".join(forms.text(form, name).split()) for name in _FIELDS[1:]))
    today = local_day(view.now, view.settings.reporting_timezone)
    found = factor_store.read_file(
        file.file.read(), forms.file_name(file)[:128], told, actor=reader.name, today=today
    )
    with write_transaction(view.engine) as connection:
        factor_store.propose(connection, found, actor=reader.name, now=int(view.now))


@router.post("/carbon/factors/crc", openapi_extra=FILE_FORM)
async def load_crc_rates(request: Request, reader: Preparer) -> Response:
    """Take a CSV file of CRC factors and prices as a proposal."""
    ensure_whole_estate(reader)
    try:
        form = await forms.read_form(request, reader, crc_rate_store.MOST_BYTES, UPLOAD_SECONDS)
    except FormRefusedError as error:
        return await anyio.to_thread.run_sync(_refused, request, reader, str(error), {}, error.status)
    try:
        await anyio.to_thread.run_sync(_proposed_rates, request, reader, form)
    except RoadworthyError as error:
        return await anyio.to_thread.run_sync(_refused, request, reader, str(error), {}, _BAD)
    finally:
        await form.close()
    return RedirectResponse("/carbon/factors", HTTPStatus.SEE_OTHER)


def _proposed_rates(request: Request, reader: Reader, form: FormData) -> None:
    view = View(request, reader)
    file = forms.file(form, "file")
    if file is None:
        raise RoadworthyError("Choose the file of rates first.")
    name, body = forms.file_name(file)[:128], file.file.read()
    today = local_day(view.now, view.settings.reporting_timezone)
    with write_transaction(view.engine) as connection:
        crc_rate_store.propose(connection, body, name, actor=reader.name, now=int(view.now), today=today)


@router.post("/carbon/factors/{number}/confirm")
def confirm_set(number: int, request: Request, reader: Who, csrf: Annotated[str, Form()] = "") -> Response:
    """Put a set in force; refused to its proposer and to whoever neither prepares nor approves."""
    view = _own(request, reader, csrf)

    def act(connection: Any) -> None:
        factor_store.confirm(connection, _checked(number), reader, now=int(view.now))

    return _done(view, act)


@router.post("/carbon/factors/{number}/withdraw")
def withdraw_set(
    number: int,
    request: Request,
    reader: Preparer,
    reason: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Take a set back, with a reason."""
    view = _own(request, reader, csrf)
    why = " ".join(reason.split())

    def act(connection: Any) -> None:
        factor_store.withdraw(connection, _checked(number), actor=reader.name, reason=why, now=int(view.now))

    return _done(view, act)


def _own(request: Request, reader: Reader, csrf: str) -> View:
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    return View(request, reader)


def _checked(number: int) -> int:
    if not 0 < number <= _MOST_ID:
        raise NotFoundError(f"there is no factor set {number}")
    return number


def _done(view: View, act: Any) -> Response:
    try:
        with write_transaction(view.engine) as connection:
            act(connection)
    except NotFoundError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
    except RoadworthyError as error:
        return _page(view, str(error), status=_BAD)
    return RedirectResponse("/carbon/factors", HTTPStatus.SEE_OTHER)
