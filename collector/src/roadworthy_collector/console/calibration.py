"""The page of smart plugs: days they metered, each model's line with its residual, and a form to bring files in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData, UploadFile

from roadworthy_collector.books import uploads
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import plug_import
from roadworthy_collector.carbon.plug_shown import shown
from roadworthy_collector.console import corrections, forms, login, sent_file
from roadworthy_collector.console.costs import ensure_whole_estate
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.carbon.plug_file import How

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_CARBON))]


@router.get("/carbon/calibration")
def show_calibration(request: Request, reader: Who) -> HTMLResponse:
    """Show what plugs metered and the lines fitted to it."""
    ensure_whole_estate(reader)
    return _page(View(request, reader))


def _page(view: View, error: str | None = None, status: int = HTTPStatus.OK, **told: Any) -> HTMLResponse:
    with view.engine.connect() as connection:
        held = shown(connection)
    context: dict[str, Any] = {"held": held, "error": error, "found": None, "corrections": None}
    context["most"] = uploads.UPLOAD_BYTES // (1024 * 1024)
    return view.html("carbon_calibration.html", context | told, status)


@router.post("/carbon/calibration/import")
async def import_file(request: Request, reader: Preparer) -> Response:
    """Take a file and import it, or only say what it would do. The body is read only now: its sender is known."""
    ensure_whole_estate(reader)
    return await sent_file.take(request, reader, _imported, _refused)


def _refused(request: Request, reader: Reader, error: str, status: int) -> HTMLResponse:
    return _page(View(request, reader), error, status)


def _imported(request: Request, reader: Reader, file: UploadFile, form: FormData) -> HTMLResponse:
    view = View(request, reader)
    zone = view.settings.reporting_timezone
    how = How(
        time="utc" if forms.text(form, "time") == "utc" else "local",
        kind={"register": "register", "interval": "interval", "watts": "watts"}.get(forms.text(form, "kind")),  # type: ignore[arg-type]  # one of the three, or None
        device=forms.text(form, "device")[:256] or None,
        zone=zone,
    )
    choices = plug_import.Choices(how=how, dry_run=forms.text(form, "dry_run") != "no")
    name = forms.file_name(file)
    found = plug_import.import_file(
        view.engine,
        file.file,
        name,
        choices,
        actor=reader.name,
        now=int(view.now),
        on=local_day(view.now, zone),
    )
    at = corrections.keep(view, found.corrections, name, reader.name)
    said = plug_import.as_json(found)
    return _page(view, found=said, corrections=at, file=name, dry_run=choices.dry_run)


@router.post("/carbon/calibration/batches/{batch}/undo")
def undo_batch(batch: int, request: Request, reader: Preparer, csrf: Annotated[str, Form()] = "") -> Response:
    """Take an import back."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    try:
        plug_import.undo(view.engine, batch, actor=reader.name, now=int(view.now))
    except RoadworthyError as problem:
        return _page(view, str(problem), HTTPStatus.CONFLICT)
    return RedirectResponse("/carbon/calibration#files", HTTPStatus.SEE_OTHER)
