"""Support dates, what was bought, Windows 11 and ageing; this collector fetches no address a request names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, RowCursor, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.uploads import file_body, work_on
from roadworthy_collector.books import (
    lifecycle_bought,
    lifecycle_dates,
    lifecycle_editions,
    lifecycle_lists,
    lifecycle_run,
    lifecycle_trying,
)
from roadworthy_collector.books.lifecycle_dates import Moved
from roadworthy_collector.books.lifecycle_read import Reader as Records
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security.bounds import long_text
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["lifecycle"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
# Dates and what was bought hold for everybody's devices.
WholeKeeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER, everywhere=True))]
Word = Annotated[str, Query(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
_OVERRIDE, _BOUGHT = lifecycle_editions.OVERRIDE, lifecycle_editions.BOUGHT
# So many devices at most are tried in a request; the command tries all.
MOST_TRIED = 20_000


class CountedRelease(BaseModel):
    """So many records run a release: until when free updates run, and paid ones, each with its source."""

    product: str | None
    version: str | None
    status: str
    extension: str
    date: str | None
    source: str | None
    as_of: str | None
    paid_until: str | None
    paid_source: str | None
    count: int


class LifecycleCounts(BaseModel):
    """Counts over the records the caller may see; `made_at` null: nothing was worked out yet.

    `texts` (what is not known and why) is of the whole IT estate and null for a caller of some units.
    """

    made_at: int | None
    on: str | None
    records: int
    restricted: int | None
    status: dict[str, int]
    extension: dict[str, int]
    bucket: dict[str, int]
    windows11: dict[str, int]
    band: dict[str, int]
    age: dict[str, int]
    kinds: dict[str, dict[str, int]]
    releases: list[CountedRelease]
    texts: dict[str, list[list[Any]]] | None


class RecordRow(BaseModel):
    """A device, register item or MDM record; days as ISO dates, each with who says so."""

    number: int
    kind: str
    item: int | None
    device_id: str | None
    name: str | None
    tag: str | None
    serial: str | None
    model: str | None
    class_: str = Field(alias="class")
    unit: str | None
    site: str | None
    system: str | None
    os: str | None
    product: str | None
    version: str | None
    status: str
    ends: str | None
    ends_bucket: str
    source: str | None
    source_as_of: str | None
    why_unknown: str | None
    extension: str
    extension_until: str | None
    extension_source: str | None
    covered_until: str | None
    windows11: str
    windows11_against: list[str]
    windows11_settings: bool
    windows11_missing: list[str]
    windows11_basis: str | None
    since: str | None
    since_from: str | None
    age_years: float | None
    age: str
    band: str
    planned_end: str | None
    planned_source: str | None
    why_no_age: str | None


class RecordPage(BaseModel):
    """A page of records; `next` is null on the last one. A page may hold fewer than asked for."""

    rows: list[RecordRow]
    next: int | None


class SupportDate(BaseModel):
    """A row in force; `origin` shipped, loaded or override; `end_of_support` null where the vendor names no day."""

    product: str
    version: str
    edition: str
    build: str
    kind: str
    end_of_support: str | None
    origin: str
    as_of: str
    licence: str
    source: str


class SupportDates(BaseModel):
    """All of them."""

    rows: list[SupportDate]


class DateChange(BaseModel):
    """A release whose last day differs; `what`: support (free) or paid."""

    product: str
    version: str
    edition: str
    what: str
    before: str | None
    after: str | None


class DatesMoved(BaseModel):
    """What a file changes, or would; `skipped` could not be taken over, each with the reason."""

    rows: int
    as_of: str | None
    added: list[DateChange]
    moved: list[DateChange]
    gone: list[DateChange]
    skipped: list[str]
    hints: list[str]


class TextSent(Sent):
    """A text to try or put in force; an empty one for none."""

    text: Annotated[str, StringConstraints(max_length=lifecycle_editions.LONGEST_CHARACTERS[_OVERRIDE])]
    dry_run: bool = False


class BoughtSent(Sent):
    """What was bought (TOML); an empty text for nothing."""

    text: Annotated[str, StringConstraints(max_length=lifecycle_editions.LONGEST_CHARACTERS[_BOUGHT])]


class TextShown(BaseModel):
    """A text in force; `made_at` null where nobody saved one."""

    text: str
    digest: str
    made_at: int | None
    made_by: str


class BoughtMove(BaseModel):
    """Records that go from one state to another, or stay."""

    before: str
    after: str
    records: int


class BoughtTried(BaseModel):
    """What a text would change on `records` records, which may be every so-manyth of the devices."""

    records: int
    changed: int
    entries: int
    moves: list[BoughtMove]


class EditionRow(BaseModel):
    """An edition of one of the three texts."""

    id: int
    name: str
    digest: str
    made_at: int
    made_by: str
    in_force: bool


class EditionRows(BaseModel):
    """All of them, newest first."""

    rows: list[EditionRow]


class UndoSent(Sent):
    """Which text goes back to the edition before, or to `to`."""

    name: lifecycle_editions.Name
    to: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None


def _wanted(  # noqa: PLR0913, PLR0917 - parameters of the address
    status: Literal["", "supported", "ends_within", "extended", "ended", "unknown_end", "unknown", "not_applicable"] = "",
    extension: Literal["", "none", "bought", "not_bought", "unknown", "over"] = "",
    bucket: Literal[
        "", "ended", "within_90_days", "within_1_year", "within_2_years", "within_3_years", "later", "no_date", "unknown",
        "not_applicable",
    ] = "",
    windows11: Literal["", "runs", "meets", "does_not", "unknown", "not_applicable"] = "",
    band: Literal["", "first_half", "second_half", "past", "long_past", "unknown_age", "no_planned_life"] = "",
    age: Literal[
        "", "under_1", "1_to_2", "2_to_3", "3_to_4", "4_to_5", "5_to_6", "6_to_7", "7_and_over", "unknown"
    ] = "",
    kind: Literal["", "agent", "register", "mdm"] = "",
    product: Word = "",
    version: Word = "",
    unit: Word = "",
    system: Word = "",
) -> lifecycle_lists.Wanted:  # fmt: skip
    return lifecycle_lists.Wanted(
        status, extension, bucket, windows11, band, age, kind, product, version, unit, system
    )


@router.get("/lifecycle", summary="Support, Windows 11 and ageing, counted", responses=documented())
def count_lifecycle(call: Looker) -> LifecycleCounts:
    """Count within the caller's units; every word is there, also with 0, and what is not known is counted."""
    with call.engine.connect() as connection:
        found = lifecycle_lists.counts(connection, call.scope)
    content: dict[str, Any] = {"on": None, "records": 0, "kinds": {}, "releases": []} | found.content
    names = ("status", "extension", "bucket", "windows11", "band", "age")
    empty: dict[str, Any] = {"restricted": None, "texts": None} | {name: {} for name in names}
    return LifecycleCounts.model_validate(empty | content | {"made_at": found.made_at})


@router.get(
    "/lifecycle/records",
    summary="Devices, register items and MDM records behind a count",
    responses=documented(),
)
def list_records(
    call: Looker,
    wanted: Annotated[lifecycle_lists.Wanted, Depends(_wanted)],
    after: RowCursor = 0,
    limit: Limit = 100,
) -> RecordPage:
    """List within the caller's units; records at restricted sites are never listed."""
    with call.engine.connect() as connection:
        reader = Records(connection, local_day(call.now, call.settings.reporting_timezone))
        page = lifecycle_lists.list_page(
            connection, reader, wanted, after=after, limit=limit, scope=call.scope
        )
    return RecordPage(rows=[RecordRow.model_validate(row) for row in page.rows], next=page.next)


@router.post(
    "/lifecycle/run", summary="Work the lifecycle out now", status_code=204, responses=documented(408, 413)
)
def run_lifecycle(call: WholeKeeper) -> Response:
    """Work out support, Windows 11, ageing and the evidence for legacy; the jobs process does it hourly."""
    lifecycle_run.work_out(Work(call.engine, call.settings, clock=lambda: call.now))
    return Response(status_code=204)


@router.get("/lifecycle/dates", summary="The support dates in force", responses=documented())
def list_dates(call: Looker, product: Word = "") -> SupportDates:
    """Return each with its source, when it was taken from it, and whether it ships, was loaded or overridden."""
    with call.engine.connect() as connection:
        rows = lifecycle_dates.listed(lifecycle_dates.in_force(connection), product)
    return SupportDates.model_validate({"rows": rows})


@router.post(
    "/lifecycle/dates/load",
    summary="Load a newer endoflife.date dump",
    responses=documented(408, 413),
    openapi_extra=file_body(
        "The answer of https://endoflife.date/api/v1/products/full, or of one product. Nothing is fetched."
    ),
)
async def load_dates(
    call: WholeKeeper,
    request: Request,
    name: Word = "upload",
    dry_run: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
) -> DatesMoved:
    """Take the body as the file; with `dry_run` say what would change and save nothing."""

    def run(body: bytes) -> Moved:
        if dry_run:
            with call.engine.connect() as connection:
                return lifecycle_dates.try_dump(connection, body)
        with write_transaction(call.engine) as connection:
            return lifecycle_dates.load_dump(
                connection, body, source=name or "upload", now=call.at, actor=call.actor
            )

    return DatesMoved.model_validate((await work_on(request, run)).told())


@router.post(
    "/lifecycle/dates/override",
    summary="Override support dates",
    responses=documented(408, 413),
    openapi_extra=long_text(lifecycle_editions.LONGEST_CHARACTERS[_OVERRIDE]),
)
def override_dates(call: WholeKeeper, sent: TextSent) -> DatesMoved:
    """Put dates of your own before all others; with `dry_run` say what would change and save nothing."""
    if sent.dry_run:
        with call.engine.connect() as connection:
            found = lifecycle_dates.try_override(connection, sent.text, now=call.at)
    else:
        with write_transaction(call.engine) as connection:
            found = lifecycle_dates.save_override(
                connection, sent.text, source="API", now=call.at, actor=call.actor
            )
    return DatesMoved.model_validate(found.told())


@router.get("/lifecycle/bought", summary="Which extended updates were bought", responses=documented())
def show_bought(call: Looker) -> TextShown:
    """Return the text in force."""
    with call.engine.connect() as connection:
        return _shown(lifecycle_editions.current(connection, _BOUGHT))


def _shown(held: lifecycle_editions.Held) -> TextShown:
    return TextShown(text=held.content, digest=held.digest, made_at=held.made_at, made_by=held.made_by)


@router.post(
    "/lifecycle/bought/try",
    summary="Try what was bought",
    responses=documented(408, 413),
    openapi_extra=long_text(lifecycle_editions.LONGEST_CHARACTERS[_BOUGHT]),
)
def try_bought(call: WholeKeeper, sent: BoughtSent) -> BoughtTried:
    """Say what the text would change on the devices; nothing is saved."""
    zone = call.settings.reporting_timezone
    found = lifecycle_trying.try_bought(call.engine, sent.text, call.now, zone, most=MOST_TRIED)
    return BoughtTried.model_validate(found.told())


@router.post(
    "/lifecycle/bought",
    summary="Say what was bought",
    status_code=201,
    responses=documented(408, 413),
    openapi_extra=long_text(lifecycle_editions.LONGEST_CHARACTERS[_BOUGHT]),
)
def save_bought(call: WholeKeeper, sent: BoughtSent) -> TextShown:
    """Save an edition; the one before is kept."""
    with write_transaction(call.engine) as connection:
        return _shown(lifecycle_bought.save_bought(connection, sent.text, now=call.at, actor=call.actor))


@router.get("/lifecycle/editions", summary="Editions of dates and of what was bought", responses=documented())
def list_editions(call: Looker) -> EditionRows:
    """Return who saved what when."""
    with call.engine.connect() as connection:
        return EditionRows.model_validate({"rows": lifecycle_editions.editions(connection)})


@router.post("/lifecycle/editions/undo", summary="Go back to an edition", responses=documented(404, 408, 413))
def undo_edition(call: WholeKeeper, sent: UndoSent) -> TextShown:
    """Put the edition before in force as a new one, so that it can be undone too."""
    with write_transaction(call.engine) as connection:
        return _shown(
            lifecycle_editions.undo(connection, sent.name, now=call.at, actor=call.actor, to=sent.to)
        )
