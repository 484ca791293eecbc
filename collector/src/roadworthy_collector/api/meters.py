"""Meters and supplies: `roadworthy meters`."""

from __future__ import annotations

import datetime as dt
import io
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, PlaceName, Sent, caller
from roadworthy_collector.api.costs import Text
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.uploads import TABLE_BODY, FileName, work_on
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import (
    bill,
    meter_coverage,
    meter_figures,
    meter_import,
    meter_share,
    meter_undo,
    supplies,
    supplies_shown,
    supply_list,
    tariff_store,
)
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.carbon.meters import How

router = APIRouter(prefix=PREFIX, tags=["meters"])
# Supplies are of whole buildings: whose role holds for some units only has no part of them.
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
Preparer = Annotated[Call, Depends(caller(Right.PREPARE_CARBON, everywhere=True))]
Code = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")
]
YearText = Annotated[
    str | None, Query(max_length=9, description="Financial year, 2025/26; the running one if not said.")
]
Fuel = Literal["electricity", "gas", "onsite"]


class Rows(BaseModel):
    """Rows as the command of the same name prints them as JSON."""

    rows: list[dict[str, Any]]


class Imported(BaseModel):
    """How an import went; `batch` null where nothing was written, `already` the batch the same file is in as.

    Days of meters and readings of registers: `new`, `changed`, `unchanged`, and `overlapping`, left because actual
    figures differ. `corrections`: the bad rows as a CSV to be put right, null without any.
    """

    batch: int | None
    already: int | None
    new: int
    changed: int
    unchanged: int
    overlapping: int
    overlaps: list[dict[str, Any]]
    supplies_made: list[str]
    missing: dict[str, int]
    kwh_thousandths: int
    first: str | None
    last: str | None
    rows_read: int
    rows_bad: int
    problems: dict[str, int]
    warnings: dict[str, int]
    notes: list[str]
    first_problems: list[dict[str, Any]]
    corrections: str | None


class Undone(BaseModel):
    """Days restored, removed, and left because a later import changed them."""

    batch: int
    restored: int
    removed: int
    left: int
    supplies_removed: int


class Supplied(Sent):
    """A supply; a name or settlement left out stays as it is."""

    supply: Code
    fuel: Fuel = "electricity"
    name: PlaceName | None = None
    settled_half_hourly: bool | None = None


class Placed(Sent):
    """Which site a supply feeds, from a day until before another; `share` as 0.25 or 25%."""

    supply: Code
    site: PlaceName
    valid_from: dt.date
    valid_to: dt.date | None = None
    tenure: Literal["owner", "tenant", "landlord", "unknown"] = "unknown"
    share: Annotated[str, StringConstraints(max_length=40)] | None = None


class Unplaced(Sent):
    """What was said of a supply and a site, by its first day."""

    supply: Code
    site: PlaceName
    valid_from: dt.date


class Tariffs(Sent):
    """The text of a file of tariffs, CSV or TOML; `whole`: it holds all there are, and those it has not go."""

    content: Text
    format: Literal["csv", "toml"] = "csv"
    whole: bool = False


class Loaded(BaseModel):
    """How many tariffs are new, how many were held alike, and how many went because a whole list has them not."""

    new: int
    held: int
    gone: int = 0


class Listed(BaseModel):
    """The supplies with their sites as CSV."""

    content: str


class SupplyList(Sent):
    """A list of supplies with their sites as CSV; with `dry_run` nothing is written."""

    content: Text
    dry_run: bool = False


class ListLoaded(BaseModel):
    """Supplies that are new, told anew, and as held; `changes` what becomes of each."""

    new: int
    changed: int
    unchanged: int
    changes: list[dict[str, Any]]


class Billed(BaseModel):
    """What `roadworthy meters bill --format json` prints; amounts in pence."""

    first: str
    last: str
    pence: int
    by_site: dict[str, int]
    rows: list[dict[str, Any]]


def _today(call: Call) -> dt.date:
    return local_day(call.now, call.settings.reporting_timezone)


@router.get("/meters/supplies", summary="Supplies", responses=documented())
def list_supplies(call: Looker) -> Rows:
    """List supplies; those of restricted sites only for who may see these."""
    with call.engine.connect() as connection:
        return Rows(
            rows=supplies_shown.supply_rows(supplies.read(connection, restricted=call.sees_restricted))
        )


@router.put("/meters/supplies", summary="Say a supply", status_code=204, responses=documented(408, 413))
def put_supply(call: Preparer, sent: Supplied) -> Response:
    """Make a supply, or say its name and settlement anew."""
    with write_transaction(call.engine) as connection:
        supplies.save(
            connection,
            sent.supply,
            sent.fuel,
            name=sent.name,
            settled_half_hourly=sent.settled_half_hourly,
            actor=call.actor,
            now=call.at,
        )
    return Response(status_code=204)


@router.get("/meters/list", summary="Supplies and their sites as CSV", responses=documented())
def show_list(call: Looker) -> Listed:
    """Give the list `POST` takes; supplies of restricted sites only for who may see these."""
    with call.engine.connect() as connection:
        return Listed(content=supply_list.write(connection, restricted=call.sees_restricted))


@router.post("/meters/list", summary="Load supplies and their sites", responses=documented(408, 413))
def load_list(call: Preparer, sent: SupplyList) -> ListLoaded:
    """Take supplies with all their sites, all or none; supplies the list does not name stay."""
    seen = call.sees_restricted
    with call.engine.connect() as connection:
        told = supply_list.tried(connection, sent.content, "list.csv", restricted=seen)
    new = sum(one["new"] for one in told)
    if sent.dry_run:
        return ListLoaded(new=new, changed=len(told) - new, unchanged=0, changes=told)
    with write_transaction(call.engine) as connection:
        done = supply_list.load(
            connection, sent.content, "list.csv", restricted=seen, actor=call.actor, now=call.at
        )
    return ListLoaded(new=done.new, changed=done.changed, unchanged=done.unchanged, changes=told)


@router.get("/meters/sites", summary="Which supply feeds which site", responses=documented())
def list_sites(call: Looker) -> Rows:
    """List the places of supplies, with dates, tenure and share."""
    with call.engine.connect() as connection:
        return Rows(rows=supplies_shown.site_rows(supplies.read(connection, restricted=call.sees_restricted)))


@router.put("/meters/sites", summary="Place a supply", status_code=204, responses=documented(404, 408, 413))
def put_site(call: Preparer, sent: Placed) -> Response:
    """Say that a supply feeds a site from a day; the same supply, site and day again replaces it."""
    with write_transaction(call.engine) as connection:
        supplies.place(
            connection,
            sent.supply,
            sent.site,
            valid_from=sent.valid_from,
            valid_to=sent.valid_to,
            tenure=sent.tenure,
            share=supplies_shown.parse_share(sent.share),
            actor=call.actor,
            now=call.at,
        )
    return Response(status_code=204)


@router.post(
    "/meters/sites/remove", summary="Take a place back", status_code=204, responses=documented(404, 408, 413)
)
def remove_site(call: Preparer, sent: Unplaced) -> Response:
    """Take back that a supply feeds a site from a day."""
    with write_transaction(call.engine) as connection:
        supplies.unplace(connection, sent.supply, sent.site, sent.valid_from, actor=call.actor, now=call.at)
    return Response(status_code=204)


@router.get("/meters/tariffs", summary="Tariffs", responses=documented())
def list_tariffs(call: Looker) -> Rows:
    """List tariffs with the source of their prices, in pence without VAT."""
    with call.engine.connect() as connection:
        return Rows(rows=tariff_store.listed(connection, restricted=call.sees_restricted))


@router.post("/meters/tariffs", summary="Load tariffs", responses=documented(408, 413))
def load_tariffs(call: Preparer, sent: Tariffs) -> Loaded:
    """Take tariffs, all or none; two of one supply on the same day are refused."""
    name = f"tariffs.{sent.format}"
    with write_transaction(call.engine) as connection:
        if sent.whole:
            done = tariff_store.replace(
                connection, sent.content, name, restricted=call.sees_restricted, actor=call.actor, now=call.at
            )
            held = len(tariff_store.listed(connection, restricted=call.sees_restricted)) - len(done.new)
            return Loaded(new=len(done.new), held=held, gone=len(done.gone))
        new, held = tariff_store.load(connection, sent.content, name, actor=call.actor, now=call.at)
    return Loaded(new=new, held=held)


@router.delete(
    "/meters/tariffs/{number}", summary="Drop a tariff", status_code=204, responses=documented(404)
)
def drop_tariff(call: Preparer, number: Annotated[int, Path(ge=1, le=MAX_ID)]) -> Response:
    """Take a tariff back; the audit keeps what it said."""
    with write_transaction(call.engine) as connection:
        tariff_store.drop(connection, number, actor=call.actor, now=call.at)
    return Response(status_code=204)


@router.get("/meters/gaps", summary="Gaps of a year", responses=documented())
def show_gaps(call: Looker, year: YearText = None) -> Rows:
    """Say which half-hours each supply misses, and what share is estimated."""
    with call.engine.connect() as connection:
        found = meter_coverage.year(
            connection,
            meter_figures.year_of(year, _today(call)),
            zone=call.settings.reporting_timezone,
            today=_today(call),
            restricted=call.sees_restricted,
        )
    return Rows(rows=[one.shown() for one in found])


@router.get("/meters/share", summary="The devices' share of the meters", responses=documented())
def show_share(
    call: Looker,
    month: Annotated[
        str | None, Query(max_length=7, description="2026-10; the last closed one if not said.")
    ] = None,
    site: Annotated[str | None, Query(max_length=128)] = None,
) -> Rows:
    """Hold the devices' energy beside the meters of force sites and data centres: an allocation inside the bill."""
    first = meter_share.last_closed(_today(call)) if month is None else meter_share.parse_month(month)
    with call.engine.connect() as connection:
        rows = meter_share.of_month(
            connection,
            first,
            zone_name=call.settings.reporting_timezone,
            site=site,
            restricted=call.sees_restricted,
            today=_today(call),
        )
    return Rows(rows=rows)


@router.get("/meters/bill", summary="The bill of a year", responses=documented())
def show_bill(call: Looker, year: YearText = None) -> Billed:
    """Say what supplies cost by their tariffs; energy without a price is counted."""
    with call.engine.connect() as connection:
        found = bill.year(
            connection,
            meter_figures.year_of(year, _today(call)),
            zone_name=call.settings.reporting_timezone,
            today=_today(call),
            restricted=call.sees_restricted,
        )
    return Billed.model_validate(bill.shown(found))


@router.get("/meters/batches", summary="Imports of meter files", responses=documented())
def list_batches(call: Looker) -> Rows:
    """List imports, newest first; `made_at` in UTC epoch seconds."""
    with call.engine.connect() as connection:
        return Rows(rows=meter_import.held_batches(connection))


@router.post(
    "/meters/import",
    summary="Import a meter file",
    responses=documented(408, 413),
    openapi_extra=TABLE_BODY,
)
async def import_meters(  # noqa: PLR0913, PLR0917 - each a parameter of the address
    call: Preparer,
    request: Request,
    name: FileName = "upload.csv",
    time: Literal["local", "utc"] = "local",
    stamps: Literal["start", "end"] | None = None,
    unit: Literal["kWh", "MWh", "Wh", "kW", "MW"] | None = None,
    status: Literal["A", "E"] | None = None,
    long_day: Literal["dropped", "summed"] = "dropped",
    supply: Annotated[str | None, Query(max_length=40)] = None,
    overlap: Literal["keep", "replace"] = "keep",
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
) -> Imported:
    """Take the body as a file of half-hours or register readings. The same file again changes nothing."""
    how = How(time=time, stamps=stamps, unit=unit, status=status, long_day=long_day, number=supply)
    choices = meter_import.in_zone(
        meter_import.Choices(how=how, overlap=overlap, dry_run=dry_run), call.settings.reporting_timezone
    )

    def run(body: bytes) -> Imported:
        done = meter_import.import_file(
            call.engine, io.BytesIO(body), name, choices, actor=call.actor, now=call.at, on=_today(call)
        )
        return Imported(**meter_import.as_json(done), corrections=done.corrections)

    return await work_on(request, run)


@router.post(
    "/meters/batches/{batch}/undo", summary="Undo an import of meters", responses=documented(404, 408, 413)
)
def undo_batch(call: Preparer, batch: Annotated[int, Path(ge=1, le=MAX_ID)]) -> Undone:
    """Take an import back: days it changed are as they were, days it brought go."""
    done = meter_undo.undo(call.engine, batch, actor=call.actor, now=call.at)
    return Undone(
        batch=done.batch,
        restored=done.restored,
        removed=done.removed,
        left=done.left,
        supplies_removed=done.supplies_removed,
    )
