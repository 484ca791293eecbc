"""The console's addresses. Pages are made on the server, work without JavaScript, and ask nobody else for anything."""

from __future__ import annotations

import asyncio
import logging
import re
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from starlette.exceptions import HTTPException as StarletteHTTPException

from roadworthy_collector.api.errors import http_error, later, refusal
from roadworthy_collector.carbon import intensity
from roadworthy_collector.console import (
    assets,
    audits,
    benefits,
    bulk,
    calibration,
    carbon_data,
    carbon_factors,
    chart_style,
    corrections,
    cost_bridge,
    cost_files,
    cost_rules,
    costs,
    device,
    device_polled,
    devices,
    disposal,
    disposal_items,
    energy,
    energy_day,
    exceptions,
    exports,
    figures,
    file_pages,
    legacy,
    lifecycle,
    login,
    meter_lists,
    meters,
    organisation,
    organisation_groups,
    overview,
    place_forms,
    planned_life,
    plans,
    power,
    ratings,
    reconciliation,
    register,
    replacement,
    reports,
    runbooks,
    staff_time,
    startups,
)
from roadworthy_collector.console.view import View
from roadworthy_collector.logs import Seldom
from roadworthy_collector.security import audit
from roadworthy_collector.security.access import AccessRefusedError, Reader, require_page
from roadworthy_collector.security.limiter import LoginLimiter
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.queries import console as queries
from roadworthy_collector.store.schema import charts

router = APIRouter(include_in_schema=False)
router.include_router(assets.router)
router.include_router(login.router)
router.include_router(audits.router)
router.include_router(costs.router)
router.include_router(cost_files.router)
router.include_router(cost_bridge.router)
router.include_router(cost_rules.router)
router.include_router(corrections.router)
router.include_router(staff_time.router)
router.include_router(benefits.router)
router.include_router(disposal.router)
router.include_router(disposal_items.router)
router.include_router(replacement.router)
router.include_router(reports.router)
router.include_router(plans.router)
router.include_router(reconciliation.router)
router.include_router(register.router)
router.include_router(organisation.router)
router.include_router(organisation_groups.router)
router.include_router(ratings.router)
router.include_router(lifecycle.router)
router.include_router(planned_life.router)
router.include_router(file_pages.router)
router.include_router(place_forms.router)
router.include_router(legacy.router)
router.include_router(exceptions.router)
router.include_router(energy.router)
router.include_router(energy_day.router)
router.include_router(calibration.router)
router.include_router(meters.router)
router.include_router(power.router)
router.include_router(meter_lists.router)
router.include_router(exports.router)
router.include_router(bulk.router)
router.include_router(carbon_factors.router)
router.include_router(carbon_data.router)
router.include_router(runbooks.router)

Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Historian = Annotated[Reader, Depends(require_page(Right.READ_DEVICE_HISTORY))]
# How long a chart's address waits for the jobs process to draw it, and how often it looks.
CHART_WAIT_SECONDS, CHART_LOOK_SECONDS = 10.0, 0.1
REASON_LENGTH = (5, 200)
_MACHINES = re.compile(r"/(api|metrics|sd|healthz|readyz|openapi\.json|charts|static)(/|$)")

_BUSY = "The database cannot be read or written just now. Nothing was changed; try again in a minute."
_log = logging.getLogger(__name__)
_out_of_reach_seldom = Seldom(_log)


def install(api: FastAPI) -> None:
    """Give `api` what the console's routes rely on: pages for errors, and the memory of failed sign-ins."""
    api.state.login_limiter = LoginLimiter()
    api.add_exception_handler(StarletteHTTPException, _failed)
    api.add_exception_handler(OperationalError, _out_of_reach)
    api.add_exception_handler(NoConnectionError, _out_of_reach)
    api.add_exception_handler(DataError, _unfit_value)
    api.add_exception_handler(RequestValidationError, _unfit)


@router.get("/")
def show_overview(request: Request, reader: Who) -> HTMLResponse:
    """Show the IT estate at a glance."""
    view = View(request, reader)
    with view.engine.connect() as connection:
        context = overview.context(connection, view)
    return view.html("overview.html", context)


@router.get("/devices")
def show_devices(request: Request, reader: Who) -> Response:
    """Show the list of devices, or go straight to the one a search names exactly."""
    view = View(request, reader)
    wanted = devices.parse_filter(request.query_params)
    with view.engine.connect() as connection:
        if found := devices.straight_to(connection, wanted, view.scope):
            return RedirectResponse(f"/devices/{quote(found, safe='')}", HTTPStatus.SEE_OTHER)
        context = devices.context(connection, view, wanted)
    return view.html("devices.html", context)


@router.get("/devices/{device_id}")
def show_device(device_id: str, request: Request, reader: Who, hours: str = "48") -> HTMLResponse:
    """Show one device, with its history for whom that is.

    Its history is on the record: users give a reason first, an open collector notes it.
    """
    view = View(request, reader)
    span = int(hours) if hours in map(str, device.HOURS) else 48
    with view.engine.connect() as connection:
        row = _found(connection, view, device_id)
        if device_polled.is_polled(row):
            rating = device.rating_of(connection, view, device_id)
            return view.html("device_polled.html", device_polled.context(connection, view, row, rating))
        if not reader.may(Right.READ_DEVICE_HISTORY):
            return view.html("device.html", device.context(connection, view, row, span, history=False))
        opened = audit.opened_recently(connection, view.now, reader.name, device_id)
        if reader.signed_in and not opened:
            return view.html("reason.html", {"device": row, "error": None, "lengths": REASON_LENGTH})
        context = device.context(connection, view, row, span)
    if not opened:
        audit.record_alone(view.engine, view.now, reader.name, audit.OPEN_DEVICE, device_id)
    return view.html("device.html", context)


@router.post("/devices/{device_id}/open")
def open_device(
    device_id: str,
    request: Request,
    reader: Historian,
    reason: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Take a reason for opening one device's history, put it on the record, and go there."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    with view.engine.connect() as connection:
        row = _found(connection, view, device_id)
    given = " ".join(reason.split())
    if not REASON_LENGTH[0] <= len(given) <= REASON_LENGTH[1]:
        error = f"Give a reason of {REASON_LENGTH[0]} to {REASON_LENGTH[1]} characters."
        context = {"device": row, "error": error, "lengths": REASON_LENGTH}
        return view.html("reason.html", context, HTTPStatus.UNPROCESSABLE_ENTITY)
    audit.record_alone(view.engine, view.now, reader.name, audit.OPEN_DEVICE, device_id, {"reason": given})
    return RedirectResponse(f"/devices/{quote(device_id, safe='')}", HTTPStatus.SEE_OTHER)


def _found(connection: Connection, view: View, device_id: str) -> Any:
    """Return the row of a device the reader may see; raise 404 alike for one that is not there and one that is not theirs."""
    interval = view.settings.report_interval_seconds
    row = queries.find_device(connection, device_id, view.now, interval, view.scope)
    if row is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no device of that id here.")
    return row


@router.get("/startups")
def show_startups(request: Request, reader: Who, days: str = "30", kind: str = "boot") -> HTMLResponse:
    """Show which models, sites and devices start slowly, and what contributes."""
    view = View(request, reader)
    span = int(days) if days in map(str, figures.DAYS) else 30
    with view.engine.connect() as connection:
        context = startups.context(connection, view, span, kind if kind in figures.KINDS else "boot")
    return view.html("startups.html", context)


@router.get("/about")
def show_about(request: Request, reader: Who) -> HTMLResponse:
    """Say what this is, which version, and what devices send."""
    view = View(request, reader)
    with view.engine.connect() as connection:
        grid = intensity.told(connection, view.now)
    return view.html("about.html", {"settings": view.settings, "grid": grid})


@router.get("/docs")
def show_docs(request: Request, reader: Who) -> HTMLResponse:
    """Show the API: Swagger UI from its package, and a plain table of the same operations without JavaScript."""
    paths = request.app.openapi()["paths"]
    operations = [
        (method.upper(), path, details.get("summary", ""))
        for path, methods in sorted(paths.items())
        for method, details in methods.items()
        if method in {"get", "post", "put", "patch", "delete"}
    ]
    return View(request, reader).html("docs.html", {"operations": operations})


@router.get("/charts/{name}")
async def show_chart(name: str, request: Request, reader: Who) -> Response:
    """Serve a chart, waiting a little for it to be drawn; 503 if it is not, and the page has the table.

    One of a device's history is there only for who may read that, whoever knows its address.
    """
    found = re.fullmatch(r"([0-9a-f]{64})\.svg", name)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such chart")
    waited = 0.0
    while True:
        row = await anyio.to_thread.run_sync(_chart, request, reader, found[1])
        if row is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no page has asked for this chart lately")
        svg, error = row
        if svg is not None:
            headers = {
                "Cache-Control": "private, max-age=86400, immutable",
                "Content-Security-Policy": chart_style.POLICY,
            }
            return Response(svg, media_type="image/svg+xml", headers=headers)
        if error is not None:
            raise HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, "this chart cannot be drawn")
        if waited >= CHART_WAIT_SECONDS:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "not drawn yet", {"Retry-After": "5"})
        await asyncio.sleep(CHART_LOOK_SECONDS)
        waited += CHART_LOOK_SECONDS


def _chart(request: Request, reader: Reader, digest: str) -> tuple[str | None, str | None] | None:
    """Return a chart's picture and what went wrong drawing it; None where the reader has no such chart."""
    view = View(request, reader)
    with view.engine.connect() as connection:
        row = connection.execute(
            select(charts.c.spec, charts.c.svg, charts.c.error).where(charts.c.hash == digest)
        ).one_or_none()
        if row is None or not _may_see(connection, view, reader, row.spec.get("device")):
            return None
    return row.svg, row.error


def _may_see(connection: Connection, view: View, reader: Reader, device_id: str | None) -> bool:
    if device_id is None:
        return True
    interval = view.settings.report_interval_seconds
    return (
        reader.may(Right.READ_DEVICE_HISTORY)
        and queries.find_device(connection, device_id, view.now, interval, view.scope) is not None
    )


async def _failed(request: Request, error: Exception) -> Response:
    """Answer an HTTP error: machines get JSON, people a page that says what to do."""
    if isinstance(error, AccessRefusedError):
        return Response(error.body(), error.status_code, error.headers, "application/json")
    if not isinstance(error, StarletteHTTPException):
        raise error
    redirected = error.status_code < HTTPStatus.BAD_REQUEST
    wants_page = "text/html" in request.headers.get("accept", "") and not _MACHINES.match(request.url.path)
    if redirected:
        return await http_exception_handler(request, error)
    if not wants_page:
        return http_error(error)
    page = await anyio.to_thread.run_sync(_error_page, request, error.status_code, str(error.detail))
    page.headers.update(error.headers or {})
    return page


async def _unfit(request: Request, error: Exception) -> Response:
    """Answer 422 in the form of every other error, naming the parameter."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    broken = first["type"] == "json_invalid"
    field = "body" if broken else ".".join(str(part) for part in first["loc"][1:])
    said = first["msg"].removeprefix("Value error, ")
    message = f"{field}: {said}" if field else said
    if _MACHINES.match(request.url.path):
        return refusal(422, "malformed_json" if broken else "schema", message, field or None)
    return await _failed(request, HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, message))


async def _unfit_value(request: Request, _: Exception) -> Response:
    """Answer 422 where PostgreSQL takes no such value, such as a text with U+0000 in it: nothing goes by that."""
    message = "a value cannot be looked for: it holds a character or a number nothing here has"
    if _MACHINES.match(request.url.path):
        return refusal(422, "schema", message)
    return await _failed(request, HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, message))


async def _out_of_reach(request: Request, error: Exception) -> Response:
    """Answer 503 where the database is locked by another program, its disk full or gone: that passes."""
    path = getattr(request.scope.get("route"), "path", "")  # not the address: it may name a device
    _out_of_reach_seldom.warn(f"{request.method} {path}: {str(error).splitlines()[0]}")
    refused = HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, _BUSY, {"Retry-After": later()})
    return await _failed(request, refused)


def _error_page(request: Request, status: int, detail: str) -> HTMLResponse:
    title = {
        404: "Not found",
        403: "Not allowed",
        405: "Not allowed",
        429: "Too many attempts",
        503: "Not just now",
    }.get(status, "That did not work")
    return View(request, None).html("error.html", {"title": title, "detail": detail}, status)
