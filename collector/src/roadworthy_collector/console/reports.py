"""The page of carbon reports: what there is, who takes the next step, files and evidence packs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from roadworthy_collector.carbon import (
    lifecycle,
    report_doors,
    report_make,
    report_newest,
    report_reading,
    report_render,
)
from roadworthy_collector.carbon.estate import PLACE_TITLES, periods
from roadworthy_collector.carbon.report_doors import Door
from roadworthy_collector.carbon.report_model import TITLES
from roadworthy_collector.console import login
from roadworthy_collector.console.costs import ensure_whole_estate
from roadworthy_collector.console.view import View
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.access import Reader, require_page
from roadworthy_collector.security.roles import Right

router = APIRouter(include_in_schema=False)
Who = Annotated[Reader, Depends(require_page(Right.READ_ESTATE))]
Preparer = Annotated[Reader, Depends(require_page(Right.PREPARE_CARBON))]
_MOST_ID = 2**63 - 1
_TEXT = 600
STEP_WORDS = {
    "review": "I have reviewed it",
    "close": "Close it",
    "approve": "Approve it",
    "publish": "Publish it",
}
LINE_WORDS = {
    **PLACE_TITLES,
    "electricity": "electricity",
    "onsite": "electricity made on site",
    "gas": "gas",
    "electricity, estimated": "electricity of estimated supplies",
    "gas, estimated": "gas of estimated supplies",
}


def _door(view: View, reader: Reader) -> Door:
    return Door(view.engine, view.settings, reader, view.now)


@router.get("/reports")
def show_reports(request: Request, reader: Who) -> HTMLResponse:
    """Show every report with its state and next step, and the form to prepare one."""
    ensure_whole_estate(reader)
    return _list(View(request, reader), reader)


def _list(
    view: View, reader: Reader, error: str | None = None, given: str = "", status: int = HTTPStatus.OK
) -> HTMLResponse:
    with view.engine.connect() as connection:
        context = {
            "rows": report_reading.listed(connection),
            "years": periods(connection),
            "titles": TITLES,
            "forms": report_render.FORMS,
            "error": error,
            "given": given,
            "can_prepare": reader.signed_in and reader.may(Right.PREPARE_CARBON),
            "can_take": report_doors.may_take_pack(reader),
        }
    return view.html("reports.html", context, status)


@router.post("/reports")
def prepare_report(
    request: Request,
    reader: Preparer,
    kind: Annotated[Literal["carbon", "crc", "secr"], Form()] = "carbon",
    year: Annotated[str, Form(max_length=20)] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Begin a report."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    try:
        number = report_doors.prepare(_door(view, reader), kind, year)
    except RoadworthyError as error:
        return _list(view, reader, str(error), year, HTTPStatus.UNPROCESSABLE_ENTITY)
    return RedirectResponse(f"/reports/{number}", HTTPStatus.SEE_OTHER)


@router.get("/reports/{number}")
def show_report(number: int, request: Request, reader: Who) -> HTMLResponse:
    """Show one report: figures, steps, adjustments, late data, changes, and the forms of whoever may go on."""
    ensure_whole_estate(reader)
    return _page(View(request, reader), reader, number)


def _page(
    view: View,
    reader: Reader,
    number: int,
    error: str | None = None,
    status: int = HTTPStatus.OK,
    **given: str,
) -> HTMLResponse:
    with view.engine.connect() as connection:
        try:
            row = report_reading.find(connection, min(max(number, 0), _MOST_ID))
        except NotFoundError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no report of this number.") from None
        try:
            found: dict[str, Any] = report_doors.told(connection, view.settings, row.id, now=view.now)
            trouble = None
        except RoadworthyError as fault:
            found = report_reading.row_of(row) | dict.fromkeys(
                ("figures", "sentences", "journals", "late", "changes"), ()
            )
            entered = [
                {**one, "kwh": one["kwh_thousandths"] / 1000}
                for one in report_reading.journals(connection, row.id)
            ]
            found |= {"provisional": (), "frozen": False, "journals": entered, "contacts_warning": ""}
            trouble = str(fault)
        following = found["next"]
        signed = reader.signed_in and reader.may(Right.PREPARE_CARBON)
        context = {
            "found": found,
            "title": TITLES[row.kind],
            "step_words": STEP_WORDS,
            "mine": following is not None and lifecycle.may(connection, reader, row, following),
            "forms": report_render.FORMS,
            "lines": [(line, LINE_WORDS[line]) for line in report_make.JOURNAL_LINES[row.kind]],
            "line_words": LINE_WORDS,
            "error": error,
            "trouble": trouble,
            "given": {"line": "", "kwh": "", "reason": "", "of": "", **given},
            "can_journal": signed and row.state in {report_reading.OPEN, report_reading.PROVISIONAL},
            "can_restate": signed and row.state == report_reading.PUBLISHED,
            "can_reopen": signed
            and row.state in {report_reading.PROVISIONAL, report_reading.CLOSED, report_reading.APPROVED},
            "can_take": report_doors.may_take_pack(reader),
        }
    return view.html("report.html", context, status)


@router.get("/reports/{number}/file")
def report_file(
    number: int, request: Request, reader: Who, form: Literal["pdf", "xlsx", "csv", "json", "html"] = "pdf"
) -> Response:
    """Send a report as a file."""
    ensure_whole_estate(reader)
    view = View(request, reader)
    try:
        with view.engine.connect() as connection:
            row = report_reading.find(connection, min(max(number, 0), _MOST_ID))
            content, frame = report_newest.one(connection, view.settings, row, now=view.now)
        body = report_render.by_child(content, frame, form)
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no report of this number.") from None
    except RoadworthyError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    name = report_render.file_name(content, frame, form)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=report_render.MEDIA_TYPES[form], headers=headers)


@router.get("/reports/{number}/pack")
def report_pack(number: int, request: Request, reader: Who) -> FileResponse:
    """Send an evidence pack."""
    if not report_doors.may_take_pack(reader):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, "Your role takes no evidence packs: they hold rows of devices."
        )
    view = View(request, reader)
    try:
        path = report_doors.taken_pack(_door(view, reader), min(max(number, 0), _MOST_ID))
    except NotFoundError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
    return FileResponse(path, media_type="application/zip", filename=path.name)


@router.post("/reports/{number}/journals")
def adjust_report(
    number: int,
    request: Request,
    reader: Preparer,
    line: Annotated[str, Form(max_length=64)] = "",
    kwh: Annotated[str, Form(max_length=64)] = "",
    reason: Annotated[str, Form(max_length=_TEXT)] = "",
    of: Annotated[str, Form(max_length=64)] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Enter an adjustment."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    try:
        report_doors.journal(_door(view, reader), min(max(number, 0), _MOST_ID), line, kwh, reason, of)
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no report of this number.") from None
    except RoadworthyError as error:
        given = {"line": line, "kwh": kwh, "reason": reason, "of": of}
        return _page(view, reader, number, str(error), HTTPStatus.UNPROCESSABLE_ENTITY, **given)
    return RedirectResponse(f"/reports/{number}", HTTPStatus.SEE_OTHER)


@router.post("/reports/{number}/restate")
def restate_report(
    number: int,
    request: Request,
    reader: Preparer,
    reason: Annotated[str, Form(max_length=_TEXT)] = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Begin a report in the place of a published one."""
    login.ensure_own_form(request, csrf, reader.csrf)
    view = View(request, reader)
    try:
        found = report_doors.restate(_door(view, reader), min(max(number, 0), _MOST_ID), reason)
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no report of this number.") from None
    except RoadworthyError as error:
        return _page(view, reader, number, str(error), HTTPStatus.UNPROCESSABLE_ENTITY, reason=reason)
    return RedirectResponse(f"/reports/{found}", HTTPStatus.SEE_OTHER)


@router.post("/reports/{number}/{step}")
def take_report(
    number: int,
    step: Literal["review", "close", "approve", "publish"],
    request: Request,
    reader: Who,
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Take a report a step further."""
    login.ensure_own_form(request, csrf, reader.csrf)
    ensure_whole_estate(reader)
    view = View(request, reader)
    wanted = min(max(number, 0), _MOST_ID)
    try:
        with view.engine.connect() as connection:
            mine = lifecycle.may(connection, reader, report_reading.find(connection, wanted), step)
        if not mine:
            raise HTTPException(
                HTTPStatus.FORBIDDEN,
                "This step is not yours: preparer, reviewer and approver are three different people.",
            )
        report_doors.take(_door(view, reader), wanted, step)
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no report of this number.") from None
    except RoadworthyError as error:
        return _page(view, reader, number, str(error), HTTPStatus.CONFLICT)
    return RedirectResponse(f"/reports/{number}", HTTPStatus.SEE_OTHER)
