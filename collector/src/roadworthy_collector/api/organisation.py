"""The organisation: `roadworthy organisation`."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.uploads import TABLE_BODY, work_on
from roadworthy_collector.books import (
    organisation_figures,
    organisation_places,
    organisation_rows,
)
from roadworthy_collector.books.exporting import MEDIA_TYPES, checked_marking
from roadworthy_collector.books.organisation import Asked, change, checked_day
from roadworthy_collector.books.organisation_files import import_file, noted_export
from roadworthy_collector.books.organisation_rows_told import What
from roadworthy_collector.books.organisation_tree import read
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.calendar import local_date

router = APIRouter(prefix=PREFIX, tags=["organisation"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
# Whoever exports sees the whole tree; a change of it touches everybody's.
Everyone = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_SITES))]
Registrar = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER, everywhere=True))]
Financier = Annotated[Call, Depends(caller(Right.PREPARE_FINANCE, everywhere=True))]
_LINE = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512, pattern=_LINE)]
Optional = Annotated[str, StringConstraints(max_length=512, pattern=_LINE)]
DayAsked = Annotated[dt.date | None, Query(description="The day, 2026-03-31; today if not said.")]
_RIGHTS = {
    "units": Right.MANAGE_SITES,
    "sites": Right.MANAGE_SITES,
    "systems": Right.MANAGE_REGISTER,
    "cost_centres": Right.PREPARE_FINANCE,
}


def _importer(request: Request, what: What = "units") -> Call:
    """Return the call of whoever may change what the file holds."""
    return caller(_RIGHTS[what], everywhere=True)(request)


Importer = Annotated[Call, Depends(_importer)]


class UnitLine(BaseModel):
    """A unit of the day; `own` are figures of itself alone, `total` with all under it. `unit` null: unassigned."""

    unit: int | None
    name: str
    path: str
    depth: int
    own: dict[str, int]
    total: dict[str, int]


class Tree(BaseModel):
    """The units of `day` in order, unassigned last; half-hours of the UTC days from `first` to `day`."""

    day: str
    first: str
    units: list[UnitLine]
    total: dict[str, int]


class RowsPage(BaseModel):
    """Rows behind a figure; `restricted` counts those at restricted sites, which are not among them."""

    rows: list[dict[str, Any]]
    next: int | None
    restricted: int


class UnitChange(Sent):
    """A change of one unit from `day` on (today if not said).

    `unit` is a path, or a name no other unit has. `to`: of a move the unit above (null: the top), of a renaming the
    name, of a merger the unit that goes on.
    """

    action: Literal["add", "move", "rename", "merge", "close"]
    unit: Name
    to: Name | None = None
    day: dt.date | None = None
    dry_run: bool = False


class UnitChanged(BaseModel):
    """What a change did, or would do; `holders` are users and scrape tokens whose role holds for a unit that goes."""

    action: str
    day: dt.date
    before: str | None
    after: str | None
    below: int
    waits: bool
    dry_run: bool
    belongings: dict[str, int]
    holders: list[str]


class ImportedFile(BaseModel):
    """What an import did, or would do."""

    what: str
    day: dt.date
    dry_run: bool
    new: list[str]
    changed: list[str]
    unchanged: int


class CostCentre(BaseModel):
    """A cost centre; `items` counts register items, null for a caller of some units."""

    code: str
    name: str | None
    unit: str | None
    items: int | None


class CostCentres(BaseModel):
    """All of them, by code."""

    rows: list[CostCentre]


class System(BaseModel):
    """A system, an application too; `items` counts register items, null for a caller of some units."""

    name: str
    kind: str
    unit: str | None
    items: int | None


class Systems(BaseModel):
    """All of them, by name."""

    rows: list[System]


class CentreSaid(Sent):
    """What is said of a cost centre; null leaves a thing as it is, unit `none` takes it away."""

    code: Name
    name: Optional | None = None
    unit: Optional | None = None
    day: dt.date | None = None
    dry_run: bool = False


class SystemSaid(Sent):
    """What is said of a system; null leaves a thing as it is, unit `none` takes it away."""

    name: Name
    kind: Literal["application", "infrastructure", "unknown"] | None = None
    unit: Optional | None = None
    day: dt.date | None = None
    dry_run: bool = False


class SiteSaid(Sent):
    """What kind of place a site is; with `new` it is made if it is not there."""

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_LINE)
    ]
    kind: Literal["force", "home", "vehicle", "partner", "data_centre", "unknown"]
    new: bool = False
    dry_run: bool = False


class Put(BaseModel):
    """A row before (null: it is new) and after."""

    before: dict[str, Any] | None
    after: dict[str, Any]
    dry_run: bool


def context_of(call: Call, connection: Any, at: dt.date | None, over: int) -> organisation_figures.Context:
    """Return what figures of the caller are made with."""
    zone = call.settings.reporting_timezone
    asked = organisation_figures.Asked(checked_day(at or local_date(call.now, zone)), over)
    return organisation_figures.Context(connection, read(connection), asked, zone, call.now, call.scope)


Over = Annotated[
    int,
    Query(
        ge=organisation_figures.LEAST_DAYS,
        le=organisation_figures.MOST_DAYS,
        description="Half-hours of so many UTC days.",
    ),
]


@router.get("/organisation", summary="The units of a day, figures rolled up", responses=documented())
def show_tree(call: Looker, at: DayAsked = None, over: Over = 7) -> Tree:
    """Units within the caller's, by the tree of the day; money only for callers of the whole IT estate."""
    with call.engine.connect() as connection:
        found = organisation_figures.figures(context_of(call, connection, at, over))
    return Tree(
        day=found.asked.day.isoformat(),
        first=found.asked.first.isoformat(),
        units=[UnitLine(**asdict(line)) for line in found.lines],
        total=found.total,
    )


@router.get("/organisation/rows", summary="The rows behind a figure", responses=documented(404))
def list_rows(
    call: Looker,
    kind: organisation_rows.Kind = "devices",
    unit: Annotated[
        int | None, Query(ge=1, le=MAX_ID, description="A unit's number; none: what is unassigned.")
    ] = None,
    state: Annotated[
        str | None, Query(max_length=24, pattern=_LINE, description="Lifecycle state of items.")
    ] = None,
    at: DayAsked = None,
    over: Over = 7,
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="`next` of the page before.")] = 0,
    limit: Limit = 100,
) -> RowsPage:
    """Rows that count to a unit and those under it at a day; what stands at a restricted site is counted only."""
    with call.engine.connect() as connection:
        context = context_of(call, connection, at, over)
        wanted = organisation_rows.Wanted(kind, unit, state)
        return RowsPage.model_validate(
            organisation_rows.rows(context, wanted, after=after, limit=limit)._asdict()
        )


@router.post(
    "/organisation/units", summary="Change the tree from a day on", responses=documented(404, 408, 413)
)
def change_unit(call: Keeper, sent: UnitChange) -> UnitChanged:
    """Add, move, rename, merge or close a unit; figures of the days before stay under the tree of their day."""
    asked = Asked(sent.action, sent.unit, sent.to, sent.day)
    zone = call.settings.reporting_timezone
    done = change(call.engine, asked, actor=call.actor, now=call.now, zone=zone, dry_run=sent.dry_run)
    return UnitChanged.model_validate(asdict(done))


@router.post(
    "/organisation/import", summary="Bring in a file of the organisation", responses=documented(408, 413),
    openapi_extra=TABLE_BODY,
)  # fmt: skip
async def import_organisation(
    call: Importer,
    request: Request,
    what: What = "units",
    name: Annotated[str, Query(max_length=256, pattern=_LINE)] = "upload",
    at: Annotated[
        dt.date | None, Query(description="The first day of its changes; today if not said.")
    ] = None,
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
) -> ImportedFile:
    """All rows or none. Units and sites need the right to manage sites, systems the register, cost centres finance."""

    def run(body: bytes) -> ImportedFile:
        found = import_file(
            call.engine, io.BytesIO(body), name or "upload", actor=call.actor, now=call.now,
            zone=call.settings.reporting_timezone, day=at, what=what, dry_run=dry_run,
        )  # fmt: skip
        return ImportedFile.model_validate(asdict(found))

    return await work_on(request, run)


@router.get(
    "/organisation/export",
    summary="The organisation as a file",
    responses={**documented(), 200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}},
    response_class=Response,
)
def export_organisation(
    call: Everyone,
    what: What = "units",
    as_: Annotated[Literal["csv", "xlsx"], Query(alias="as")] = "csv",
    at: DayAsked = None,
    marking: Annotated[str, Query(max_length=256, pattern=_LINE)] = "OFFICIAL",
) -> Response:
    """Return a file that imports again unchanged; restricted sites are left out."""
    said = checked_marking(marking)
    day = checked_day(at or local_date(call.now, call.settings.reporting_timezone))
    with tempfile.TemporaryDirectory() as folder:
        target = FilePath(folder) / f"{what}.{as_}"
        noted_export(call.engine, target, what, day=day, now=call.now, marking=said, actor=call.actor)
        body = target.read_bytes()
    headers = {"Content-Disposition": f'attachment; filename="{what}.{as_}"'}
    return Response(body, media_type=MEDIA_TYPES[as_], headers=headers)


def _put(
    call: Call, kind: organisation_places.Kind, said: organisation_places.Said, *, new: bool, dry_run: bool
) -> Put:
    zone = call.settings.reporting_timezone
    found = organisation_places.say(
        call.engine, kind, said, actor=call.actor, now=call.now, zone=zone, new=new, dry_run=dry_run
    )
    return Put.model_validate(asdict(found))


@router.get("/cost-centres", summary="Cost centres", responses=documented())
def list_cost_centres(call: Looker) -> CostCentres:
    """Cost centres with the unit each belongs to, of some units only theirs."""
    with call.engine.connect() as connection:
        found = organisation_places.listed(connection, "cost_centres", scope=call.scope)
    return CostCentres.model_validate({"rows": found})


@router.post("/cost-centres", summary="Add a cost centre", responses=documented(404, 408, 413))
def add_cost_centre(call: Financier, sent: CentreSaid) -> Put:
    """Add one, under a unit if said."""
    said = organisation_places.Said(sent.code, sent.name, None, sent.unit, sent.day)
    return _put(call, "cost_centres", said, new=True, dry_run=sent.dry_run)


@router.put("/cost-centres", summary="Change a cost centre", responses=documented(404, 408, 413))
def set_cost_centre(call: Financier, sent: CentreSaid) -> Put:
    """Name it, or put it under a unit from a day on."""
    said = organisation_places.Said(sent.code, sent.name, None, sent.unit, sent.day)
    return _put(call, "cost_centres", said, new=False, dry_run=sent.dry_run)


@router.get("/systems", summary="Systems", responses=documented())
def list_systems(call: Looker) -> Systems:
    """Systems, applications too, with the unit each belongs to, of some units only theirs."""
    with call.engine.connect() as connection:
        found = organisation_places.listed(connection, "systems", scope=call.scope)
    return Systems.model_validate({"rows": found})


@router.post("/systems", summary="Add a system", responses=documented(404, 408, 413))
def add_system(call: Registrar, sent: SystemSaid) -> Put:
    """Add one, of a kind and under a unit if said."""
    said = organisation_places.Said(sent.name, None, sent.kind, sent.unit, sent.day)
    return _put(call, "systems", said, new=True, dry_run=sent.dry_run)


@router.put("/systems", summary="Change a system", responses=documented(404, 408, 413))
def set_system(call: Registrar, sent: SystemSaid) -> Put:
    """Say what it is, or which unit it belongs to from a day on."""
    said = organisation_places.Said(sent.name, None, sent.kind, sent.unit, sent.day)
    return _put(call, "systems", said, new=False, dry_run=sent.dry_run)


@router.put("/sites/kind", summary="Say what kind of place a site is", responses=documented(404, 408, 413))
def set_site_kind(call: Keeper, sent: SiteSaid) -> Put:
    """Say it of a site, which with `new` is made; whether it is restricted stays as it is."""
    found = organisation_places.set_site(
        call.engine, sent.name, sent.kind, actor=call.actor, now=call.now, new=sent.new, dry_run=sent.dry_run
    )
    return Put.model_validate(asdict(found))
