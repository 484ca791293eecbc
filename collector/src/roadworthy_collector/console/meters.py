"""The page of meters: coverage of supplies by month, gaps, the devices' share, the bill, and a form to bring files in."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData, UploadFile

from roadworthy_collector.books import figures, uploads
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import (
    bill,
    meter_coverage,
    meter_figures,
    meter_import,
    meter_share,
    meter_undo,
    tariff_store,
)
from roadworthy_collector.console import corrections, forms, login, sent_file
from roadworthy_collector.console.costs import ensure_whole_estate, pounds
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.carbon.meters import How

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_CARBON))]
_YEARS = 6
_BAD = 422


@router.get("/meters")
def show_meters(request: Request, reader: Who, year: str = "") -> HTMLResponse:
    """Show the year's supplies with their coverage by month, the last closed month's share, and the bill."""
    ensure_whole_estate(reader)
    return _page(View(request, reader), year)


def _page(
    view: View, year: str = "", error: str | None = None, status: int = HTTPStatus.OK, **told: Any
) -> HTMLResponse:
    zone = view.settings.reporting_timezone
    today = local_day(view.now, zone)
    try:
        began = meter_figures.year_of(year[:20] or None, today)
    except RoadworthyError as refused:
        began, error, status = financial_year_of(today), str(refused), _BAD
    shows_restricted = view.reader is not None and view.reader.may(Right.MANAGE_SITES)
    with view.engine.connect() as connection:
        covered = meter_coverage.year(connection, began, zone=zone, today=today, restricted=shows_restricted)
        held = figures.read(connection, meter_figures.FIGURE)
        context = {
            "covered": covered,
            "months": [one.month for one in covered[0].months] if covered else [],
            "share": held[0] if held else None,
            "shared_at": held[1] if held else None,
            "about_share": meter_share.WORDS,
            "bill": bill.year(connection, began, zone_name=zone, today=today, restricted=shows_restricted),
            "tariffs": tariff_store.listed(connection, restricted=shows_restricted),
            "batches": meter_import.held_batches(connection)[:20],
        }
    years = [
        meter_figures.label(one)
        for one in range(financial_year_of(today), financial_year_of(today) - _YEARS, -1)
    ]
    label = meter_figures.label(began)
    return view.html(
        "meters.html",
        context
        | {
            "year": label,
            "years": years if label in years else [label, *years],
            "error": error,
            "found": None,
            "corrections": None,
            "pounds": pounds,
            "most": uploads.UPLOAD_BYTES // (1024 * 1024),
            "time_of": _time_of,
        }
        | told,
        status,
    )


def _time_of(slot: int) -> str:
    return f"{slot // 2:02d}:{slot % 2 * 30:02d}"


@router.post("/meters/import")
async def import_file(request: Request, reader: Preparer) -> Response:
    """Take a file and import it, or only say what it would do. The body is read only now: its sender is known."""
    ensure_whole_estate(reader)
    return await sent_file.take(request, reader, _imported, _refused)


def _refused(request: Request, reader: Reader, error: str, status: int) -> HTMLResponse:
    return _page(View(request, reader), error=error, status=status)


def _imported(request: Request, reader: Reader, file: UploadFile, form: FormData) -> HTMLResponse:
    view = View(request, reader)
    zone = view.settings.reporting_timezone
    choices = meter_import.Choices(
        how=How(
            time="utc" if forms.text(form, "time") == "utc" else "local",
            stamps={"start": "start", "end": "end"}.get(forms.text(form, "stamps")),  # type: ignore[arg-type]  # one of the two, or None
            status={"A": "A", "E": "E"}.get(forms.text(form, "status")),  # type: ignore[arg-type]  # as above
            long_day="summed" if forms.text(form, "long_day") == "summed" else "dropped",
            number=forms.text(form, "supply")[:40] or None,
            zone=zone,
        ),
        overlap="replace" if forms.text(form, "overlap") == "replace" else "keep",
        dry_run=forms.text(form, "dry_run") != "no",
    )
    name = forms.file_name(file)
    today: dt.date = local_day(view.now, zone)
    found = meter_import.import_file(
        view.engine, file.file, name, choices, actor=reader.name, now=int(view.now), on=today
    )
    at = corrections.keep(view, found.corrections, name, reader.name)
    return _page(view, found=meter_import.as_json(found), corrections=at, file=name, dry_run=choices.dry_run)


@router.post("/meters/batches/{batch}/undo")
def undo_batch(batch: int, request: Request, reader: Preparer, csrf: Annotated[str, Form()] = "") -> Response:
    """Take an import back."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    try:
        meter_undo.undo(view.engine, batch, actor=reader.name, now=int(view.now))
    except RoadworthyError as problem:
        return _page(view, error=str(problem), status=HTTPStatus.CONFLICT)
    return RedirectResponse("/meters#files", HTTPStatus.SEE_OTHER)
