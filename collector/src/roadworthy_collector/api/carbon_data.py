"""What carbon figures rest on: factor sets loaded, the carbon settings, embodied carbon, returns, the grid now."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, Reason, RowCursor, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.uploads import file_body, work_on
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import (
    embodied,
    factor_list,
    factor_store,
    intensity,
    keep_or_replace,
    returns_told,
    settings_edition,
)
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["carbon"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
# Factors, settings and returns hold for the whole IT estate.
WholeLooker = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
Preparer = Annotated[Call, Depends(caller(Right.PREPARE_CARBON, everywhere=True))]
Second = Annotated[Call, Depends(caller(Right.APPROVE, Right.PREPARE_CARBON, everywhere=True))]
Number = Annotated[int, Path(ge=1, le=MAX_ID)]
_LINE = r"^[^\x00-\x1f\x7f]*$"
Year = Annotated[str, Query(max_length=12, description="A financial year, such as 2025/26.")]
Word = Annotated[str, Query(max_length=128, pattern=_LINE)]
Line = Annotated[str, Query(min_length=1, max_length=512, pattern=_LINE)]
_FILE = file_body(f"The official flat file (XLSX), {factor_store.MOST_BYTES:,} bytes at most.")


class FactorSetRow(BaseModel):
    """A factor of a set in kgCO2e/kWh, or of CRC in the unit its title says, as exact text, beside what is held of it and of the set of the year before."""

    item: str
    title: str
    value: str | None
    held: str | None
    year_before: str | None


class FactorSet(BaseModel):
    """A factor set loaded here; `state`: waiting for a second person, in_force, superseded or withdrawn."""

    id: int
    set_year: int
    version: str
    published: str
    source: str
    file: str
    file_sha256: str
    state: str
    proposed_at: int
    proposed_by: str
    confirmed_at: int | None
    confirmed_by: str | None
    withdrawn_at: int | None
    withdrawn_by: str | None
    rows: list[FactorSetRow]


class FactorSets(BaseModel):
    """All of them, the newest first."""

    sets: list[FactorSet]


class Proposed(BaseModel):
    """The number of the set that waits."""

    number: int


class Withdrawal(Sent):
    """Why a set is taken back."""

    reason: Reason


class CarbonSettingsShown(BaseModel):
    """The carbon settings in force; `made_at` null where nobody saved any, and `text` is then the example."""

    text: str
    digest: str
    made_at: int | None
    made_by: str


class CarbonSettingsSent(Sent):
    """Carbon settings as TOML."""

    text: Annotated[str, StringConstraints(max_length=settings_edition.LONGEST_CHARACTERS)]


class CarbonSettingsChange(BaseModel):
    """A setting that says other than in force; null: not there."""

    setting: str
    before: str | None
    after: str | None


class CarbonSettingsTried(BaseModel):
    """What a text would change."""

    changes: list[CarbonSettingsChange]


class EmbodiedSum(BaseModel):
    """kgCO2e as (low, likely, high) of `items`, of which nothing is known of `unknown`."""

    kgco2e: list[float]
    items: int
    unknown: int


class EmbodiedYear(EmbodiedSum):
    """What was bought in a financial year, or nobody knows when."""

    year: str


class EmbodiedGroup(EmbodiedSum):
    """A class, unit or site; `name` is what `/carbon/embodied/items` narrows by."""

    name: str
    title: str


class EmbodiedFigures(BaseModel):
    """A year both ways: as bought in it, and as it falls on a year of planned life. They are never added up."""

    year: str
    basis: str
    purchase: EmbodiedSum
    life: EmbodiedSum
    years: list[EmbodiedYear]
    groups: dict[str, dict[str, list[EmbodiedGroup]]]
    devices_without_item: int


class EmbodiedItem(BaseModel):
    """A register item with its class's kgCO2e as (low, likely, high), null where none is published."""

    item: int
    tag: str | None
    class_: str = Field(alias="class")
    model: str | None
    purchased: str | None
    state: str
    unit: str | None
    site: str | None
    kgco2e: list[float] | None


class EmbodiedItems(BaseModel):
    """A page of items; `restricted` of restricted sites are counted and not listed."""

    rows: list[EmbodiedItem]
    next: int | None
    restricted: int


class KeepOrReplaceFigures(BaseModel):
    """Models against a new device; a break-even that never comes is null. Appraisal stands apart and is no footprint."""

    factor_set: str
    factor_kgco2e_per_kwh: float
    factor_status: str
    appraisal_terms: str | None
    internal_price: dict[str, str | float] | None
    left_out: dict[str, int]
    rows: list[dict[str, Any]]


class CarbonReturn(BaseModel):
    """A year's return; kWh and tonnes known by (low, likely, high), e-waste in kilograms. Null: not known."""

    kind: str
    title: str
    year: str
    factor_set: str
    basis: str
    rows: list[dict[str, Any]]
    known_kwh: list[float] | None
    known_tco2e: list[float] | None
    e_waste_kg: dict[str, float] | None
    e_waste: list[dict[str, Any]] | None
    home: dict[str, float | None] | None
    simulated: bool
    may_be_issued: bool
    provisional: list[str]
    targets: list[dict[str, Any]]
    boundary: str | None
    settings_digest: str
    notes: list[str]


class GridIntensityNow(BaseModel):
    """gCO2/kWh of this half-hour, null with the reason; for timing only, never for annual totals."""

    gco2_per_kwh: int | None
    forecast: bool
    index: str | None
    place: str | None
    since: int | None
    until: int | None
    why: str | None
    use: str
    credit: str


def _today(call: Call) -> dt.date:
    return local_day(call.now, call.settings.reporting_timezone)


@router.get("/carbon/factor-sets", summary="Factor sets loaded here", responses=documented())
def list_factor_sets(call: Looker) -> FactorSets:
    """List them with how those that wait differ from what is in force."""
    with call.engine.connect() as connection:
        found = factor_list.list_sets(connection)
    return FactorSets.model_validate({"sets": [asdict(one) for one in found]})


@router.post(
    "/carbon/factor-sets",
    summary="Propose a factor set from the official flat file",
    status_code=201,
    responses=documented(408, 413),
    openapi_extra=_FILE,
)
async def load_factor_set(
    call: Preparer,
    request: Request,
    year: Annotated[int, Query(ge=2000, le=2200, description="The set's year.")],
    version: Line,
    published: Line,
    source: Line,
    name: Annotated[str, Query(min_length=1, max_length=128, pattern=_LINE)] = "upload.xlsx",
    sheet: Word = "",
) -> Proposed:
    """Take the body as the file. The set holds once another person has confirmed it."""
    told = factor_store.Told(year, version, published, source, *([sheet] if sheet else []))

    def run(body: bytes) -> int:
        found = factor_store.read_file(body, name, told, actor=call.actor, today=_today(call))
        with write_transaction(call.engine) as connection:
            return factor_store.propose(connection, found, actor=call.actor, now=call.at)

    return Proposed(number=await work_on(request, run))


@router.post(
    "/carbon/factor-sets/{number}/confirm",
    summary="Confirm a factor set",
    status_code=204,
    responses=documented(404, 408, 409),
)
def confirm_factor_set(call: Second, number: Number) -> Response:
    """Put a set in force that somebody else proposed."""
    with write_transaction(call.engine) as connection:
        factor_store.confirm(connection, number, call.reader, now=call.at)
    return Response(status_code=204)


@router.post(
    "/carbon/factor-sets/{number}/withdraw",
    summary="Take a factor set back",
    status_code=204,
    responses=documented(404, 408, 413),
)
def withdraw_factor_set(call: Preparer, number: Number, sent: Withdrawal) -> Response:
    """Let what was held before hold again; the set is kept."""
    with write_transaction(call.engine) as connection:
        factor_store.withdraw(connection, number, actor=call.actor, reason=sent.reason, now=call.at)
    return Response(status_code=204)


@router.get("/carbon/settings", summary="The carbon settings in force", responses=documented())
def show_carbon_settings(call: WholeLooker) -> CarbonSettingsShown:
    """Show the text, and what names the edition."""
    with call.engine.connect() as connection:
        held = settings_edition.current(connection)
    return CarbonSettingsShown(
        text=held.content, digest=held.digest, made_at=held.made_at, made_by=held.made_by
    )


@router.get(
    "/carbon/settings/example",
    summary="An example of carbon settings",
    responses={**documented(), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def show_settings_example(_: Looker) -> Response:
    """Return TOML with every setting as a comment; as it is, it says nothing."""
    return Response(settings_edition.EXAMPLE, media_type="text/plain")


@router.post("/carbon/settings/try", summary="Try carbon settings", responses=documented(408, 413))
def try_carbon_settings(call: Preparer, sent: CarbonSettingsSent) -> CarbonSettingsTried:
    """Say what a text says other than the settings in force; nothing is saved."""
    with call.engine.connect() as connection:
        found = settings_edition.try_text(connection, sent.text)
    return CarbonSettingsTried.model_validate({"changes": [one._asdict() for one in found]})


@router.put("/carbon/settings", summary="Put carbon settings in force", responses=documented(408, 413))
def save_carbon_settings(call: Preparer, sent: CarbonSettingsSent) -> CarbonSettingsShown:
    """Save an edition; the one before is kept."""
    with write_transaction(call.engine) as connection:
        found = settings_edition.save(connection, sent.text, actor=call.actor, now=call.at)
    return CarbonSettingsShown(text=sent.text, digest=found.digest, made_at=call.at, made_by=call.actor)


@router.get("/carbon/embodied", summary="Embodied carbon of a year", responses=documented())
def show_embodied_carbon(call: Looker, year: Year) -> EmbodiedFigures:
    """Add up the register items within the caller's units, by class, unit and site."""
    with call.engine.connect() as connection:
        found = embodied.overview(connection, embodied.year_of(year), call.scope)
    return EmbodiedFigures.model_validate(found)


@router.get("/carbon/embodied/items", summary="Items behind embodied carbon", responses=documented())
def list_embodied_items(
    call: Looker,
    bought: Annotated[
        str,
        Query(max_length=12, description="Financial year of purchase; `unknown` for those without a date."),
    ] = "",
    class_: Annotated[Word, Query(alias="class")] = "",
    unit: Word = "",
    site: Word = "",
    after: RowCursor = 0,
    limit: Limit = 100,
) -> EmbodiedItems:
    """List register items page by page."""
    undated = bought == "unknown"
    wanted = embodied.Wanted(
        embodied.year_of(bought) if bought and not undated else None, undated, class_, unit, site
    )
    with call.engine.connect() as connection:
        page = embodied.list_items(connection, wanted, after=after, limit=limit, scope=call.scope)
    return EmbodiedItems.model_validate(page._asdict())


@router.get("/carbon/keep-or-replace", summary="Keep or replace, by model", responses=documented())
def show_keep_or_replace(
    call: Looker,
    new_class: Annotated[
        Word,
        Query(alias="with", description="Class of a new computer: desktop, laptop or tablet; or `same`."),
    ] = "same",
) -> KeepOrReplaceFigures:
    """Say after how many years a new device has made up for its making, at the factor of the newest set."""
    with call.engine.connect() as connection:
        found = keep_or_replace.compare(connection, _today(call), new_class=new_class, scope=call.scope)
    return KeepOrReplaceFigures.model_validate(keep_or_replace.told(found))


@router.get("/carbon/returns/{name}", summary="A year's return", responses=documented(404))
def show_carbon_return(call: WholeLooker, name: returns_told.Kind, year: Year) -> CarbonReturn:
    """Return it out of the collector's own data and the carbon settings."""
    with call.engine.connect() as connection:
        found = returns_told.read(
            connection,
            name,
            embodied.year_of(year),
            today=_today(call),
            zone=call.settings.reporting_timezone,
        )
    return CarbonReturn.model_validate(found)


@router.get("/carbon/intensity", summary="The grid's carbon intensity now", responses=documented())
def show_grid_intensity(call: Looker) -> GridIntensityNow:
    """Return what is held of this half-hour; nothing is asked for a request."""
    with call.engine.connect() as connection:
        return GridIntensityNow.model_validate(intensity.told(connection, call.now))
