"""Carbon reports: `roadworthy report`. Figures in five forms, the way to being issued, evidence packs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Reason, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.carbon import (
    lifecycle,
    pack_verify,
    report_doors,
    report_newest,
    report_reading,
    report_render,
)
from roadworthy_collector.carbon.report_crc_tables import Choice
from roadworthy_collector.carbon.report_doors import Door
from roadworthy_collector.security.access import AccessRefusedError
from roadworthy_collector.security.roles import Right

router = APIRouter(prefix=PREFIX, tags=["carbon-reports"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
Preparer = Annotated[Call, Depends(caller(Right.PREPARE_CARBON, everywhere=True))]
Stepper = Annotated[Call, Depends(caller(Right.PREPARE_CARBON, Right.APPROVE, everywhere=True))]
Taker = Annotated[Call, Depends(caller(*report_doors.PACK_RIGHTS, everywhere=True))]
Kind = Literal["carbon", "crc", "secr"]
Form = Annotated[
    Literal["pdf", "xlsx", "csv", "json", "html"], Query(alias="as", description="What to answer it as.")
]
Number = Annotated[int, Path(ge=1, le=MAX_ID)]
Year = Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=12)]
Text = Annotated[str, StringConstraints(max_length=64)]
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {} for kind in report_render.MEDIA_TYPES.values()}}
}
_PACK: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}


class Prepared(Sent):
    """Which report to begin, or to take back to open."""

    kind: Kind
    year: Year


class Report(BaseModel):
    """The number and state of a report."""

    number: int
    state: str


class Taken(Report):
    """A report a step further; `warning`, of one published, where its pack names somebody by account alone."""

    warning: str | None


class Reports(BaseModel):
    """Every report without its figures, newest first; `next` is the step that follows."""

    rows: list[dict[str, Any]]


class Told(BaseModel):
    """A report: its figures (frozen from closing on), steps, adjustments, late data, changes to the restated one."""

    number: int
    kind: str
    year: str
    state: str
    next: str | None
    steps: list[dict[str, Any]]
    restates: int | None
    restated_because: str | None
    pack: str | None
    pack_sha256: str | None
    simulated: bool
    made_at: int
    made_by: str
    figures: list[dict[str, Any]]
    sentences: list[str]
    provisional: list[str]
    journals: list[dict[str, Any]]
    late: list[dict[str, Any]]
    changes: list[dict[str, Any]]
    frozen: bool
    contacts_warning: str


class Adjustment(Sent):
    """kWh to add to a line, as text (`-12.5` takes away), and why; `of` a supply or site, for a report on CRC."""

    line: Text
    kwh: Text
    reason: Reason
    of: Annotated[str, StringConstraints(max_length=64)] = ""


class Because(Sent):
    """Why a report is restated."""

    reason: Reason


class Found(BaseModel):
    """What a pack came to; `differences` is empty where everything fits, `whole` says that the report was made again."""

    ok: bool
    whole: bool
    report: int | None
    kind: str
    year: str
    sha256: str
    totals: dict[str, float]
    kwh: float | None
    days: int
    differences: list[str]
    remarks: list[str]


def _door(call: Call) -> Door:
    return Door(call.engine, call.settings, call.reader, call.now)


def _answer(body: bytes, name: str, form: report_render.Form) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=report_render.MEDIA_TYPES[form], headers=headers)


@router.get("/carbon-reports", summary="Carbon reports", responses=documented())
def list_reports(call: Looker) -> Reports:
    """Every report with its state and steps."""
    with call.engine.connect() as connection:
        return Reports(rows=report_reading.listed(connection))


@router.post("/carbon-reports", summary="Prepare a report", status_code=201, responses=documented(408, 413))
def prepare_report(call: Preparer, sent: Prepared) -> Report:
    """Begin a report, or take one that is not issued back to open."""
    number = report_doors.prepare(_door(call), sent.kind, sent.year)
    return Report(number=number, state=report_reading.OPEN)


@router.get(
    "/carbon-reports/figures/{kind}",
    summary="A year's newest report as a file",
    responses={**documented(404), **_FILES},
    response_class=Response,
)
def write_report(
    call: Looker,
    kind: Kind,
    year: Annotated[str, Query(max_length=12, description="A financial year, such as 2025/26.")],
    form: Form = "json",
    *,
    live: Annotated[bool, Query(description="Figures as they stand now.")] = False,
    sale: Annotated[
        Literal["compliance", "forecast"], Query(description="Of CRC, live: the sale the price is of.")
    ] = "compliance",
    apply_de_minimis: Annotated[
        bool, Query(description="Of CRC, live: leave out gas below 2 % of the electricity.")
    ] = False,
) -> Response:
    """Answer the newest report that was prepared for the year, else live figures."""
    choice = Choice(sale, apply_de_minimis)
    with call.engine.connect() as connection:
        content, frame = report_newest.newest(
            connection, call.settings, kind, year, now=call.now, live=live, choice=choice
        )
    body = report_render.by_child(content, frame, form)
    return _answer(body, report_render.file_name(content, frame, form), form)


@router.get("/carbon-reports/{number}", summary="A report", responses=documented(404))
def show_report(call: Looker, number: Number) -> Told:
    """Figures, steps, adjustments, late data, and what it changed against the one it restates."""
    with call.engine.connect() as connection:
        return Told.model_validate(report_doors.told(connection, call.settings, number, now=call.now))


@router.get(
    "/carbon-reports/{number}/file",
    summary="A report as a file",
    responses={**documented(404), **_FILES},
    response_class=Response,
)
def report_file(call: Looker, number: Number, form: Form = "pdf") -> Response:
    """Answer one report, whatever came after it."""
    with call.engine.connect() as connection:
        row = report_reading.find(connection, number)
        content, frame = report_newest.one(connection, call.settings, row, now=call.now)
    body = report_render.by_child(content, frame, form)
    return _answer(body, report_render.file_name(content, frame, form), form)


@router.get(
    "/carbon-reports/{number}/pack",
    summary="An evidence pack",
    responses={**documented(404), **_PACK},
    response_class=FileResponse,
)
def report_pack(call: Taker, number: Number) -> FileResponse:
    """Answer the evidence pack of an issued report; taking it is on the record, for it holds daily rows of devices."""
    path = report_doors.taken_pack(_door(call), number)
    return FileResponse(path, media_type="application/zip", filename=path.name)


@router.post(
    "/carbon-reports/{number}/verify", summary="Recompute an evidence pack", responses=documented(404)
)
def verify_report(call: Taker, number: Number) -> Found:
    """Recompute the totals from the pack alone, and compare its hash with the one noted when it was issued."""
    with call.engine.connect() as connection:
        path = report_doors.pack_path(connection, call.settings, number)
        noted = report_reading.find(connection, number).pack_sha256
    found = pack_verify.verify(path, known_sha256=noted, draw=report_render.pdf_by_child)
    told = {name: getattr(found, name) for name in Found.model_fields}
    return Found.model_validate(told)


@router.post(
    "/carbon-reports/{number}/journals",
    summary="Enter an adjustment",
    status_code=204,
    responses=documented(404, 408, 413),
)
def adjust_report(call: Preparer, number: Number, sent: Adjustment) -> Response:
    """Adjust a line of a report that is not closed; a reviewed one has to be reviewed again."""
    report_doors.journal(_door(call), number, sent.line, sent.kwh, sent.reason, sent.of)
    return Response(status_code=204)


@router.post(
    "/carbon-reports/{number}/restate",
    summary="Restate a published report",
    status_code=201,
    responses=documented(404, 408, 413),
)
def restate_report(call: Preparer, number: Number, sent: Because) -> Report:
    """Begin a report in its place; the published one stays in force until the new one is published."""
    found = report_doors.restate(_door(call), number, sent.reason)
    return Report(number=found, state=report_reading.OPEN)


@router.post(
    "/carbon-reports/{number}/{step}",
    summary="Take a report a step further",
    responses=documented(404, 408, 413),
)
def take_report(
    call: Stepper, number: Number, step: Literal["review", "close", "approve", "publish"]
) -> Taken:
    """Review, close, approve or publish it: preparer, reviewer and approver are three different people."""
    with call.engine.connect() as connection:
        row = report_reading.find(connection, number)
        mine = lifecycle.may(connection, call.reader, row, step)
    if not mine:
        raise AccessRefusedError(
            403,
            "not_allowed",
            "this step is not yours: preparer, reviewer and approver are three different people",
        )
    with call.engine.connect() as connection:
        warning = report_doors.contacts_warning(connection, number) if step == "publish" else ""
    state = report_doors.take(_door(call), number, step)
    return Taken(number=number, state=state, warning=warning or None)
