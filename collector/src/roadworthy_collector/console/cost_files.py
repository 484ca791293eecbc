"""The pages that bring money in: a ledger, payments or contracts is sent once, tried, kept for an hour and applied."""

from __future__ import annotations

import tempfile
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import anyio.to_thread
from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData, UploadFile

from roadworthy_collector.books import cost_import, shares, uploads
from roadworthy_collector.books.cost_import import BadRowsError, Choices, Outcome
from roadworthy_collector.books.cost_lines import CostsError
from roadworthy_collector.console import corrections, forms, login
from roadworthy_collector.console.costs import MOST_LINES, ensure_whole_estate, pounds
from roadworthy_collector.console.forms import FormRefusedError
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.bounds import FILE_FORM
from roadworthy_collector.security.roles import Right

router = APIRouter(include_in_schema=False)
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_FINANCE))]
_KINDS = {"ledger": "General ledger", "payments": "Published supplier payments", "contracts": "Contracts"}
_OVERLAPS = ("refuse", "replace", "keep")
_BAD = 422


@router.get("/costs/import")
def show_form(request: Request, reader: Preparer) -> HTMLResponse:
    """Show the form that takes a file."""
    ensure_whole_estate(reader)
    return _page(View(request, reader))


def _page(view: View, error: str | None = None, status: int = HTTPStatus.OK, **told: Any) -> HTMLResponse:
    context = {
        "error": error,
        "bad": None,
        "kinds": _KINDS,
        "most": uploads.UPLOAD_BYTES // (1024 * 1024),
        "pounds": pounds,
        "found": None,
        "token": None,
        "corrections": None,
        "dry_run": False,
        "file": "",
    }
    return view.html("costs_import.html", context | told, status)


@router.post("/costs/import", openapi_extra=FILE_FORM)
async def try_file(request: Request, reader: Preparer) -> Response:
    """Take a file and say what it would do; nothing is written. The body is read only now: its sender is known."""
    ensure_whole_estate(reader)
    try:
        form = await forms.read_form(request, reader, uploads.UPLOAD_BYTES, uploads.UPLOAD_SECONDS)
    except FormRefusedError as error:
        return await anyio.to_thread.run_sync(_refused, request, reader, str(error), error.status)
    try:
        file = forms.file(form, "file")
        if file is None:
            return await anyio.to_thread.run_sync(_refused, request, reader, "Choose a file first.", _BAD)
        mapping = await forms.text_file(form, "mapping", "mapping file")
        return await anyio.to_thread.run_sync(_tried, request, reader, file, form, mapping)
    except RoadworthyError as error:
        return await anyio.to_thread.run_sync(_refused, request, reader, str(error), _BAD)
    finally:
        await form.close()


def _refused(request: Request, reader: Reader, error: str, status: int) -> HTMLResponse:
    return _page(View(request, reader), error, status)


def _tried(
    request: Request, reader: Reader, file: UploadFile, form: FormData, mapping: str | None
) -> HTMLResponse:
    view = View(request, reader)
    kind = forms.text(form, "kind")
    if kind not in _KINDS:
        raise CostsError(f"kind: choose one of {', '.join(_KINDS)}")
    strict = {"yes": True, "no": False}.get(forms.text(form, "strict"), kind == "ledger")
    name = forms.file_name(file)
    kept = uploads.keep(
        view.settings, file.file, actor=reader.name, now=view.now, name=name, format_=kind, mapping=mapping,
        strict=strict,
    )  # fmt: skip
    found, at, refused = _run(view, kept, reader, dry_run=True, overlap="refuse")
    if refused is not None or found is None or found.already is not None or not found.lines:
        uploads.drop(kept)
    if refused is not None:
        return _not_taken(view, refused, at)
    token = None if found is None or found.already is not None or not found.lines else kept.token
    return _page(view, found=found, token=token, corrections=at, dry_run=True, file=name)


def _not_taken(view: View, refused: CostsError, corrections_at: str | None) -> HTMLResponse:
    """Say why a file is not taken; where it is for its rows, with the first of them."""
    if not isinstance(refused, BadRowsError):
        return _page(view, str(refused), _BAD, corrections=corrections_at)
    error = f"{refused.summary}. Correct them, or choose below to set bad rows aside and take the good ones."
    return _page(view, error, _BAD, corrections=corrections_at, bad=refused.report)


def _run(
    view: View, kept: uploads.Kept, reader: Reader, *, dry_run: bool, overlap: Any
) -> tuple[Outcome | None, str | None, CostsError | None]:
    """Return how an import went, the address of its correction file, and why the file is not taken."""
    with tempfile.TemporaryDirectory(prefix="roadworthy-") as folder:
        bad = Path(folder) / "corrections.csv"
        choices = Choices(
            kind=kept.format,  # type: ignore[arg-type]  # one of _KINDS
            mapping=cost_import.mapping_of(kept.mapping, "mapping file"),
            strict=kept.strict,
            dry_run=dry_run,
            overlap=overlap,
            corrections_to=bad,
        )
        on = datetime.fromtimestamp(view.now, ZoneInfo(view.settings.reporting_timezone)).date()
        found: Outcome | None = None
        wrong: CostsError | None = None
        try:
            found = cost_import.import_file(
                view.engine, kept.path, choices, actor=reader.name, now=int(view.now), on=on, name=kept.name
            )
        except CostsError as error:
            wrong = error
        text = bad.read_text("utf-8-sig") if bad.exists() else None
    return found, corrections.keep(view, text, kept.name, reader.name), wrong


@router.post("/costs/import/apply")
def apply_file(
    request: Request,
    reader: Preparer,
    token: Annotated[str, Form()] = "",
    overlap: Annotated[str, Form()] = "refuse",
    csrf: Annotated[str, Form()] = "",
) -> HTMLResponse:
    """Import a file that was tried."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    try:
        kept = uploads.find(view.settings, token, actor=reader.name, now=view.now)
    except NotFoundError as error:
        return _page(view, str(error), HTTPStatus.NOT_FOUND)
    if kept.format not in _KINDS or not kept.path.exists():
        return _page(view, "The file is no longer kept; send it again.", HTTPStatus.NOT_FOUND)
    chosen = overlap if overlap in _OVERLAPS else "refuse"
    try:
        found, at, wrong = _run(view, kept, reader, dry_run=False, overlap=chosen)
    except RoadworthyError as problem:  # another batch is being written: the file stays kept
        return _page(view, str(problem), HTTPStatus.CONFLICT)
    if wrong is not None:
        return _not_taken(view, wrong, at)
    uploads.drop(kept)
    shares.refresh(view.engine, view.now, most_lines=MOST_LINES)
    return _page(view, found=found, corrections=at, file=kept.name)


@router.post("/costs/batches/{batch}/undo")
def undo_batch(batch: int, request: Request, reader: Preparer, csrf: Annotated[str, Form()] = "") -> Response:
    """Take an import back; what people said of single lines stays."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    try:
        cost_import.undo(view.engine, min(max(batch, 0), 2**63 - 1), actor=reader.name, now=int(view.now))
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no import of money of that number.") from None
    except CostsError as error:
        raise HTTPException(HTTPStatus.CONFLICT, str(error)) from None
    shares.refresh(view.engine, view.now, most_lines=MOST_LINES)
    return RedirectResponse("/costs", HTTPStatus.SEE_OTHER)
