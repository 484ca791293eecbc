"""Disposal: `roadworthy disposal`."""

from __future__ import annotations

import datetime as dt
import io
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.uploads import TABLE_BODY, FileName, MappingText, work_on
from roadworthy_collector.books import disposal as books
from roadworthy_collector.books import disposal_import, disposal_lists
from roadworthy_collector.books.cost_import import mapping_of
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["disposal"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER))]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
Pence = Annotated[int, Field(ge=0, le=10**12)]
Route = Literal[
    "reuse",
    "resale",
    "recycling",
    "energy_recovery",
    "landfill",
    "destruction",
    "return_to_lessor",
    "unknown",
]
After = Annotated[int, Query(ge=0, le=MAX_ID, description="`next` of the page before.")]


class Disposal(BaseModel):
    """What went where: totals, by route and financial year, by WEEE category; what is not known beside each sum."""

    on: str
    total: dict[str, Any]
    cells: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    undated: int
    untold: int


class Disposed(BaseModel):
    """A page of items; `next` is null on the last one."""

    rows: list[dict[str, Any]]
    total: int
    next: int | None


class DisposalImported(BaseModel):
    """How an import went; `batch` null where nothing was written, `same_as` the batch the same file is in as.

    `corrections`: a CSV of the rows set aside, null of none.
    """

    batch: int | None
    same_as: int | None
    disposed: int
    awaiting: int
    rows_read: int
    rows_bad: int
    problems: dict[str, int]
    corrections: str | None


class DisposalTold(Sent):
    """What is put right about an item; what is left out stays."""

    tag: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    route: Route | None = None
    weight_grams: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    left: dt.date | None = None
    certificate: Line | None = None
    certificate_date: dt.date | None = None
    proceeds_pence: Pence | None = None
    cost_pence: Pence | None = None
    contractor: Line | None = None


class DisposalSet(BaseModel):
    """The record as it is now."""

    tag: str
    route: str
    certificate: str | None


def _today(call: Call) -> dt.date:
    return local_day(call.now, call.settings.reporting_timezone)


def _held(call: Call) -> list[books.Held]:
    with call.engine.connect() as connection:
        return books.read(connection, call.scope)


def _page(rows: list[dict[str, Any]], after: int, limit: int) -> Disposed:
    end = after + limit
    return Disposed(rows=rows[after:end], total=len(rows), next=end if end < len(rows) else None)


@router.get("/disposal", summary="What was disposed of, and how", responses=documented())
def show_disposal(call: Looker) -> Disposal:
    """Weight, proceeds and certificates by route, financial year and WEEE category."""
    return Disposal.model_validate(books.overview(_held(call), _today(call)))


@router.get("/disposal/items", summary="Items gone or on their way out", responses=documented())
def list_items(
    call: Looker,
    route: Route | None = None,
    year: Annotated[
        str | None, Query(max_length=8, description="2026/27, or undated: when the item left.")
    ] = None,
    category: Annotated[int | None, Query(ge=0, le=14, description="WEEE; 0: none known.")] = None,
    which: disposal_lists.Which | None = None,
    after: After = 0,
    limit: Limit = 100,
) -> Disposed:
    """Items with their records, by number; of one route, year or category, or of which something is not known."""
    wanted = disposal_lists.Wanted(route, year, category, which)
    return _page(disposal_lists.choose(_held(call), wanted, _today(call)).rows, after, limit)


@router.get("/disposal/missing", summary="Missing certificates", responses=documented())
def list_missing(call: Looker, after: After = 0, limit: Limit = 100) -> Disposed:
    """Data-bearing items that left without a complete data-destruction certificate, the longest gone first."""
    return _page(books.missing(_held(call), _today(call)), after, limit)


@router.put("/disposal", summary="Put a disposal right", responses=documented(404, 408, 413))
def set_disposal(call: Keeper, sent: DisposalTold) -> DisposalSet:
    """Put one item's disposal right, on the record."""
    told = sent.model_dump(exclude_none=True)
    tag = told.pop("tag")
    with write_transaction(call.engine) as connection:
        found = books.change(
            connection,
            tag,
            told,
            on=_today(call),
            actor=call.actor,
            now=call.at,
            scope=call.scope,
            restricted=call.sees_restricted,
        )
    return DisposalSet(tag=found.tag, route=found.route, certificate=found.certificate)


@router.post(
    "/disposal/import",
    summary="Import a list of disposals",
    responses=documented(408, 413),
    openapi_extra=TABLE_BODY,
)
async def import_disposals(
    call: Keeper,
    request: Request,
    name: FileName = "upload.csv",
    mapping: MappingText = None,
    strict: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
) -> DisposalImported:
    """Take the body as the file: one batch, which the register's undo takes back."""
    wishes = disposal_import.Wishes(
        mapping=mapping_of(mapping, "mapping"),
        strict=strict,
        dry_run=dry_run,
        scope=call.scope,
        restricted=call.sees_restricted,
    )

    def run(body: bytes) -> DisposalImported:
        done = disposal_import.import_file(
            call.engine, io.BytesIO(body), name, wishes, actor=call.actor, now=call.now, on=_today(call)
        )
        return _imported(done)

    return await work_on(request, run)


def _imported(done: disposal_import.Outcome) -> DisposalImported:
    report = done.report
    return DisposalImported(
        batch=done.batch,
        same_as=done.same_as,
        disposed=done.disposed,
        awaiting=done.awaiting,
        rows_read=0 if report is None else report.rows_read,
        rows_bad=0 if report is None else report.quarantined,
        problems={} if report is None else dict(report.by_code),
        corrections=done.corrections,
    )
