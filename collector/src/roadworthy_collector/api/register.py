"""The register: `roadworthy register`."""

from __future__ import annotations

import io
from dataclasses import asdict, replace
from typing import Annotated, BinaryIO, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, RowCursor, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.register_models import (
    Batches,
    Change,
    Changed,
    Event,
    Imported,
    Item,
    ItemChange,
    ItemInFull,
    Items,
    Linked,
    Problem,
    Undone,
)
from roadworthy_collector.api.uploads import bounded, file_body, work_on
from roadworthy_collector.books import batches, changes, export_notes, exporting
from roadworthy_collector.books import register as queries
from roadworthy_collector.books.importing import Outcome, Wishes, import_file, starter_mapping
from roadworthy_collector.books.register_wanted import Tellable, Wanted
from roadworthy_collector.security.access import AccessRefusedError
from roadworthy_collector.security.roles import Right

router = APIRouter(prefix=PREFIX, tags=["register"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER))]
_LINE = r"^[^\x00-\x1f\x7f]*$"
Text = Annotated[str, Query(max_length=256, pattern=_LINE)]
Said = Annotated[Tellable, Query(description="One of these that is, or is not, told of the item.")]
BatchId = Annotated[int, Field(ge=1, le=MAX_ID)]
_UPLOAD = file_body(bounded("The file itself: CSV, XLSX or JSON"))


def _wanted(  # noqa: PLR0913, PLR0917 - parameters of the address
    call: Looker,
    unit: Text | None = None,
    site: Text | None = None,
    state: Text | None = None,
    kind: Text | None = None,
    search: Text | None = None,
    command: Text | None = None,
    cost_centre: Text | None = None,
    system: Text | None = None,
    known: Said | None = None,
    unknown: Said | None = None,
    matched: Annotated[
        bool | None, Query(description="Those reconciliation takes part in, or those it leaves out.")
    ] = None,
    made_by: Annotated[int | None, Query(ge=1, le=MAX_ID, description="The batch that made them.")] = None,
    changed_by: Annotated[
        int | None, Query(ge=1, le=MAX_ID, description="A batch that changed them.")
    ] = None,
) -> Wanted:
    return Wanted(
        unit, site, state, kind, search, call.scope, call.sees_restricted, command, cost_centre, system, known,
        unknown, matched, made_by, changed_by,
    )  # fmt: skip


Filter = Annotated[Wanted, Depends(_wanted)]


def _item(row: queries.Listed) -> Item:
    found = {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in asdict(row.item).items()
    }
    return Item.model_validate({"id": row.id, "updated_at": row.updated_at, **found})


@router.get("/register/items", summary="Items of the register, page by page", responses=documented())
def list_items(call: Looker, wanted: Filter, after: RowCursor = 0, limit: Limit = 100) -> Items:
    """Items by row id; a unit is a path, `A / B`, those below it included. Search begins a tag, serial or model."""
    with call.engine.connect() as connection:
        page = queries.read_page(connection, wanted, after=after, limit=limit)
        counts = queries.summarise(connection, wanted)
    return Items(
        rows=[_item(row) for row in page.rows], next=page.next, total=counts.total, restricted=counts.restricted,
        states=counts.states, known=counts.known,
    )  # fmt: skip


@router.get("/register/items/{item}", summary="One item in full", responses=documented(404))
def show_item(call: Looker, item: BatchId) -> ItemInFull:
    """Show an item with what was changed and the devices it is or was."""
    with call.engine.connect() as connection:
        row = queries.read_one(connection, item, scope=call.scope, restricted=call.sees_restricted)
        events = queries.history(connection, item)
        devices = queries.linked_devices(connection, item, scope=call.scope, restricted=call.sees_restricted)
    linked = [
        Linked(
            device_id=one.device_id, hostname=one.hostname, first=one.first.isoformat(),
            until=None if one.until is None else one.until.isoformat(), told=one.told,
        )
        for one in devices
    ]  # fmt: skip
    history = [Event.model_validate(event._asdict()) for event in events]
    return ItemInFull(item=_item(row), history=history, devices=linked)


@router.get(
    "/register/export",
    summary="The register as a file",
    responses={**documented(), 200: {"content": {kind: {} for kind in exporting.MEDIA_TYPES.values()}}},
    response_class=Response,
)
def export_items(
    call: Looker,
    wanted: Filter,
    as_: Annotated[Literal["csv", "xlsx"], Query(alias="as")] = "csv",
    marking: Text = "",
) -> Response:
    """Return a file that imports again unchanged; filter, time, coverage and the protective marking stand above its header."""
    said = exporting.checked_marking(marking) or call.settings.protective_marking
    listed = replace(wanted, restricted=False)  # what leaves as a file holds none of these, whoever asks
    headers = {"Content-Disposition": f'attachment; filename="register.{as_}"'}

    def make(target: BinaryIO) -> int:
        with call.engine.connect() as connection:
            return exporting.write(connection, target, listed, as_, now=call.now, marking=said)

    def noted(rows: int) -> None:
        told = listed.in_words()
        export_notes.note(call.engine, call.now, call.actor, "register", kind=as_, rows=rows, told=told)

    pieces = export_notes.noted_pieces(make, noted)
    return StreamingResponse(pieces, media_type=exporting.MEDIA_TYPES[as_], headers=headers)


@router.post(
    "/register/import",
    summary="Bring a file into the register",
    responses=documented(408, 409, 413),
    openapi_extra=_UPLOAD,
)
async def import_items(  # noqa: PLR0913, PLR0917 - parameters of the address
    call: Keeper,
    request: Request,
    name: Text = "upload",
    format_: Annotated[Text | None, Query(alias="format")] = None,
    mapping: Annotated[
        str | None, Query(max_length=16_000, description="The text of a mapping file (TOML).")
    ] = None,
    date_order: Literal["day first", "month first"] | None = None,
    strict: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    again: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    sheet: Text | None = None,
) -> Imported:
    """Take the body as the file. Good rows come in, bad ones are told; with `strict` all rows or none do."""
    wishes = Wishes(
        format_,
        mapping,
        "mapping",
        date_order,
        strict,
        dry_run,
        again,
        call.scope,
        call.sees_restricted,
        sheet,
    )

    def run(body: bytes) -> Imported:
        found = import_file(
            call.engine, io.BytesIO(body), name or "upload", wishes, actor=call.actor, now=call.now
        )
        return imported(found)

    return await work_on(request, run)


@router.post(
    "/register/mapping",
    summary="A mapping file for a file's headers",
    responses={**documented(408, 413), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
    openapi_extra=_UPLOAD,
)
async def make_mapping(
    call: Keeper,  # noqa: ARG001 - who may
    request: Request,
    name: Text = "upload",
    sheet: Text | None = None,
) -> Response:
    """Return TOML to be edited: which column is which field. Nothing is written; columns about people are left out."""
    text = await work_on(request, lambda body: starter_mapping(io.BytesIO(body), name or "upload", sheet))
    return Response(text, media_type="text/plain")


def imported(found: Outcome) -> Imported:
    """Return how an import went, as the API answers it."""
    report = found.report
    corrections = None
    if found.corrections is not None:
        corrections = found.corrections.getvalue()
    return Imported(
        file=found.file, kind=found.kind, format=found.format, dry_run=found.dry_run, batch=found.batch,
        same_as=found.same_as,
        rows_read=0 if report is None else report.rows_read,
        good=0 if report is None else report.good,
        quarantined=0 if report is None else report.quarantined,
        new=found.new, changed=found.changed, unchanged=found.unchanged, made=dict(found.made),
        problems=[] if report is None else [Problem(**asdict(one)) for one in report.problems],
        warnings=[] if report is None else [Problem(**asdict(one)) for one in report.warnings],
        notes=[] if report is None else list(report.notes),
        changes=[ItemChange(**asdict(one)) for one in found.changes],
        corrections=corrections,
    )  # fmt: skip


@router.get("/register/batches", summary="Imports and changes by hand", responses=documented())
def list_batches(
    call: Looker,
    before: Annotated[int | None, Query(ge=1, le=MAX_ID, description="`next` of the page before.")] = None,
    limit: Limit = 100,
) -> Batches:
    """Batches, newest first; whoever's role holds for some units sees their own."""
    made_by = None if call.scope is None else call.actor
    with call.engine.connect() as connection:
        page = queries.read_batches(connection, before=before, limit=limit, made_by=made_by)
    return Batches.model_validate(page._asdict())


@router.post(
    "/register/batches/{batch}/undo", summary="Undo a batch", responses=documented(404, 409, 408, 413)
)
def undo_batch(call: Keeper, batch: BatchId) -> Undone:
    """Put every item of a batch back as it was before; what a later batch changed is left, and named."""
    with call.engine.connect() as connection:
        batches.require(connection, batch, made_by=None if call.scope is None else call.actor)
    found = batches.undo(call.engine, batch, actor=call.actor, now=call.now)
    return Undone.model_validate(asdict(found))


@router.post("/register/change", summary="Change many items at once", responses=documented(408, 409, 413))
def change_items(call: Keeper, sent: Change) -> Changed:
    """Move, retire, re-profile or enrol the items of these tags: one batch, one audit entry, undone as a whole."""
    if sent.retire_devices and not call.reader.may(Right.MANAGE_DEVICES):
        raise AccessRefusedError(403, "not_allowed", "retiring devices is not in your role")
    asked = changes.Asked(
        sent.unit, sent.site, sent.state, sent.profile, sent.kind, sent.enrol, sent.retire_devices
    )
    found = changes.change_items(
        call.engine, changes.parse_pasted("\n".join(sent.tags)), asked, actor=call.actor, now=call.now,
        dry_run=sent.dry_run, scope=call.scope, restricted=call.sees_restricted,
    )  # fmt: skip
    return Changed.model_validate(asdict(found))
