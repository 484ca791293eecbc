"""Smart plugs and what they teach the power models: `roadworthy carbon calibration`."""

from __future__ import annotations

import io
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.uploads import TABLE_BODY, FileName, work_on
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import plug_import, plug_shown
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.carbon.plug_file import How

router = APIRouter(prefix=PREFIX, tags=["carbon"])
# Lines are of models, whichever units their devices stand in.
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
Preparer = Annotated[Call, Depends(caller(Right.PREPARE_CARBON, everywhere=True))]


class Calibration(BaseModel):
    """Days plugs metered, and lines of metered on modelled watts by model; `why` a line is not used.

    `month` and `made_at`: of the ledger's newest month that has lines. `batches`: imports, newest first.
    """

    about: str
    devices: int
    days: int
    kwh: float
    first: str | None
    last: str | None
    month: str | None
    made_at: int | None
    fits: list[dict[str, Any]]
    batches: list[dict[str, Any]]


class PlugsImported(BaseModel):
    """How an import went; `batch` null where nothing was written, `already` the batch the same file is in as.

    Days `new`, `changed`, `unchanged`; `partly` covered ones are left out, the first of them in `gaps`.
    `corrections`: the bad rows as a CSV to be put right, null without any.
    """

    batch: int | None
    already: int | None
    devices: int
    new: int
    changed: int
    unchanged: int
    partly: int
    kwh: float
    first: str | None
    last: str | None
    gaps: list[dict[str, str]]
    rows_read: int
    rows_bad: int
    problems: dict[str, int]
    warnings: dict[str, int]
    notes: list[str]
    first_problems: list[dict[str, Any]]
    first_warnings: list[dict[str, Any]]
    corrections: str | None


class PlugsUndone(BaseModel):
    """How many days of how many devices an undone import had said."""

    batch: int
    devices: int
    days: int


@router.get("/carbon/calibration", summary="Smart plugs and their lines", responses=documented())
def show_calibration(call: Looker) -> Calibration:
    """Show the days plugs metered, each model's line with its residual, and the imports."""
    with call.engine.connect() as connection:
        return Calibration(**plug_shown.shown(connection))


@router.post(
    "/carbon/calibration/import",
    summary="Import readings of smart plugs",
    responses=documented(408, 413),
    openapi_extra=TABLE_BODY,
)
async def import_plugs(
    call: Preparer,
    request: Request,
    name: FileName = "upload.csv",
    time: Literal["local", "utc"] = "local",
    device: Annotated[str | None, Query(max_length=256, pattern=r"^[^\x00]*$")] = None,
    kind: Literal["register", "interval", "watts"] | None = None,
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
) -> PlugsImported:
    """Take the body as a file of readings of single devices. The same file again changes nothing."""
    zone = call.settings.reporting_timezone
    how = How(time=time, device=device, kind=kind, zone=zone)
    choices = plug_import.Choices(how=how, dry_run=dry_run)

    def run(body: bytes) -> PlugsImported:
        done = plug_import.import_file(
            call.engine,
            io.BytesIO(body),
            name,
            choices,
            actor=call.actor,
            now=call.at,
            on=local_day(call.now, zone),
        )
        return PlugsImported(**plug_import.as_json(done), corrections=done.corrections)

    return await work_on(request, run)


@router.post(
    "/carbon/calibration/batches/{batch}/undo",
    summary="Undo an import of smart plugs",
    responses=documented(404, 408, 413),
)
def undo_batch(call: Preparer, batch: Annotated[int, Path(ge=1, le=MAX_ID)]) -> PlugsUndone:
    """Take an import back: days it changed are as they were, days it brought go."""
    done = plug_import.undo(call.engine, batch, actor=call.actor, now=call.at)
    return PlugsUndone(batch=done.batch, devices=done.devices, days=done.days)
