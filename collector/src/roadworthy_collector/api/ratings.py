"""Ratings of devices with their reasons, the rules behind them, and the exceptions register."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from roadworthy_collector.api.calls import (
    MAX_ID,
    PREFIX,
    Call,
    DeviceId,
    Limit,
    Reason,
    RowCursor,
    Sent,
    caller,
)
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.rating_trial import Tried, told
from roadworthy_collector.books import (
    approving,
    excepting,
    figures,
    lists,
    rating,
    rating_trying,
    rules,
    standing,
)
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.rating_measures import RATINGS

router = APIRouter(prefix=PREFIX, tags=["ratings"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER))]
Approver = Annotated[Call, Depends(caller(Right.APPROVE))]
# One edition holds for everybody's devices.
WholeKeeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER, everywhere=True))]
Word = Annotated[str, Query(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
UnitWord = Annotated[
    str,
    Query(
        max_length=512,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="A path or a name, with everything under it.",
    ),
]
Verdict = Literal["", "meets", "needs attention", "action required", "observing", "no data"]
Text = Annotated[str, StringConstraints(max_length=rules.LONGEST_CHARACTERS)]
Number = Annotated[int, Path(ge=1, le=MAX_ID)]
Person = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
# So many devices at most are tried in a request; the command tries all.
MOST_TRIED = 20_000


class Counts(BaseModel):
    """How many devices are rated what; `rated` of `devices` is the coverage, `note` what to do for what is not yet."""

    made_at: int | None
    edition: str | None
    devices: int
    rated: int
    counts: dict[str, int]
    note: str | None


class RatingRow(BaseModel):
    """A device's rating; reasons with `exception` are covered by an exception and do not count."""

    device_id: str
    rating: str
    reasons: list[dict[str, Any]]
    not_judged: dict[str, str] | None
    rules: str
    rated_at: int


class RatingList(BaseModel):
    """A page of ratings; `next` is null on the last one."""

    rows: list[RatingRow]
    next: int | None


class StandingRow(BaseModel):
    """How what was asked for is rated; `device_id` null for what is known from imports alone."""

    name: str
    device_id: str | None
    rating: str
    reasons: list[dict[str, Any]]
    not_judged: dict[str, str] | None
    rules: str
    rated_at: int


class ImportedRow(BaseModel):
    """A rating from imports alone; `side` says what `record` is an id of: register or mdm."""

    side: str
    record: int
    tag: str | None
    serial: str | None
    name: str | None
    model: str | None
    rating: str
    reasons: list[dict[str, Any]]
    not_judged: dict[str, str] | None
    rules: str
    rated_at: int


class ImportedList(BaseModel):
    """A page of ratings from imports alone; `next` is null on the last one."""

    rows: list[ImportedRow]
    next: int | None


class Edition(BaseModel):
    """The rules in force; `made_at` is null for those that ship."""

    name: str
    digest: str
    text: str
    made_at: int | None
    made_by: str


class RulesSent(Sent):
    """Rules as TOML."""

    text: Text


class ExceptionRow(BaseModel):
    """An entry of the exceptions register; `rules` null for all, `approver` null while it waits.

    `state`: waiting, in force, to come, expired, ended, refused, or lapsed: nobody approved it in its time. `on_paper`:
    whoever is named as approver did not sign in to approve it.
    """

    number: int
    what: str
    name: str | None = Field(description="The tag of the item; of a device its hostname and asset tag.")
    device_id: str | None
    state: str
    rules: list[str] | None
    reason: str
    owner: str
    approver: str | None
    on_paper: bool
    asked_by: str | None
    begins: str
    expires: str
    ended: str | None


class ExceptionRows(BaseModel):
    """All of them, those that wait first, then those in force."""

    rows: list[ExceptionRow]


class ExceptionSent(Sent):
    """An exception to ask for; an approver who is neither whoever asks nor `owner` has to agree to it."""

    what: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="A device id, or a register item's tag."
    )
    rules: Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(max_length=100)] | None = (
        None
    )
    reason: Reason
    owner: Person
    begins: dt.date | None = None
    expires: dt.date


class Made(BaseModel):
    """The number of what was made."""

    number: int


@router.get("/ratings/counts", summary="How many devices are rated what", responses=documented())
def count_ratings(call: Looker, site: Word = "", unit: UnitWord = "", imported: bool = False) -> Counts:  # noqa: FBT001, FBT002 - a parameter of the address
    """Count within the caller's units; `imported` for those known from imports alone."""
    wanted = lists.Wanted(site=site, unit=unit, imported=imported)
    with call.engine.connect() as connection:
        held = figures.read(connection, rating.FIGURE)
        counts = lists.rating_counts(connection, wanted, call.scope)
        note = standing.unreconciled(connection)
    return Counts(
        made_at=None if held is None else held[1],
        edition=None if held is None else held[0]["edition"],
        devices=sum(counts.values()),
        rated=sum(counts.get(word, 0) for word in rating.RATED),
        counts={word: counts.get(word, 0) for word in RATINGS},
        note=note,
    )


@router.get("/ratings", summary="Rated devices with their reasons, page by page", responses=documented())
def list_ratings(
    call: Looker,
    rating_: Annotated[Verdict, Query(alias="rating", description="Only those.")] = "",
    site: Word = "",
    unit: UnitWord = "",
    rule: Word = "",
    after: RowCursor = 0,
    limit: Limit = 100,
) -> RatingList:
    """List ratings within the caller's units; devices at restricted sites are never listed."""
    wanted = lists.Wanted(rating_, site, unit, rule)
    with call.engine.connect() as connection:
        people = call.reader.sees_small_groups
        page = lists.list_ratings(
            connection, wanted, after=after, limit=limit, scope=call.scope, people=people
        )
    return RatingList(rows=[_row(row) for row in page.rows], next=page.next)


@router.get("/ratings/imported", summary="Ratings from imports alone, page by page", responses=documented())
def list_imported(
    call: Looker,
    rating_: Annotated[Verdict, Query(alias="rating", description="Only those.")] = "",
    site: Word = "",
    unit: UnitWord = "",
    rule: Word = "",
    after: RowCursor = 0,
    limit: Limit = 100,
) -> ImportedList:
    """List register items and MDM records no agent reports for, rated by what exports say: import only, no agent."""
    wanted = lists.Wanted(rating_, site, unit, rule, imported=True)
    with call.engine.connect() as connection:
        people = call.reader.sees_small_groups
        page = lists.list_ratings(
            connection, wanted, after=after, limit=limit, scope=call.scope, people=people
        )
    rows = [ImportedRow.model_validate(row | {"rating": row["verdict"]}) for row in page.rows]
    return ImportedList(rows=rows, next=page.next)


@router.get("/ratings/why", summary="Why what people call so is rated so", responses=documented(404))
def why_rating(
    call: Looker,
    name: Annotated[
        str,
        Query(
            min_length=1,
            max_length=128,
            pattern=r"^[^\x00-\x1f\x7f]*$",
            description="A device id, an asset tag or a serial number.",
        ),
    ],
) -> StandingRow:
    """Every reason of a device, or of a register item or MDM record no agent reports for; 404 where several fit."""
    with call.engine.connect() as connection:
        row = standing.why(connection, name, call.scope)
    told = row if call.reader.sees_small_groups else lists.without_people(row)
    return StandingRow.model_validate(told | {"name": name, "rating": row["verdict"]})


@router.get("/devices/{device_id}/rating", summary="Why a device is rated so", responses=documented(404))
def show_rating(call: Looker, device_id: DeviceId) -> RatingRow:
    """Every reason, and every rule that could not be judged."""
    with call.engine.connect() as connection:
        row = lists.why(connection, device_id, call.scope)
    return _row(row if call.reader.sees_small_groups else lists.without_people(row))


def _row(row: dict[str, Any]) -> RatingRow:
    return RatingRow.model_validate(row | {"rating": row["verdict"]})


@router.get("/rating-rules", summary="The rules in force", responses=documented())
def show_rules(call: Looker) -> Edition:
    """Show the text, and what names the edition."""
    with call.engine.connect() as connection:
        found, text, about = rules.current(connection)
    return Edition(name=found.name, digest=found.digest, text=text, **about)


@router.post("/rating-rules/try", summary="Try other rules", responses=documented(408, 413))
def try_rules(call: WholeKeeper, sent: RulesSent) -> Tried:
    """Say what other rules would change; nothing is saved."""
    zone = call.settings.reporting_timezone
    found = rating_trying.try_text(call.engine, sent.text, call.now, zone, most=MOST_TRIED)
    return told(found)


@router.post("/rating-rules", summary="Put rules in force", status_code=201, responses=documented(408, 413))
def save_rules(call: WholeKeeper, sent: RulesSent) -> Edition:
    """Save an edition; the one before is kept."""
    with write_transaction(call.engine) as connection:
        found = rules.save(connection, sent.text, now=call.at, actor=call.actor)
    return Edition(name=found.name, digest=found.digest, text=sent.text, made_at=call.at, made_by=call.actor)


@router.get("/exceptions", summary="The exceptions register", responses=documented())
def list_exceptions(call: Looker) -> ExceptionRows:
    """Every entry within the caller's units, expired and ended ones too."""
    today = local_day(call.now, call.settings.reporting_timezone)
    with call.engine.connect() as connection:
        rows = excepting.list_entries(connection, today, call.scope)
    return ExceptionRows.model_validate({"rows": rows})


@router.post(
    "/exceptions", summary="Ask for an exception", status_code=201, responses=documented(404, 408, 413)
)
def add_exception(call: Keeper, sent: ExceptionSent) -> Made:
    """Ask to take a device or item out of a rule until a day; it holds once an approver agreed to it."""
    today = local_day(call.now, call.settings.reporting_timezone)
    asked = excepting.Asked(
        *(sent.what, sent.rules, sent.reason, sent.owner, None), sent.begins or today, sent.expires
    )
    with write_transaction(call.engine) as connection:
        known = {one.rule_id for one in rules.current(connection)[0].rules}
        number = excepting.add(
            connection, asked, known_rules=known, now=call.at, actor=call.actor, scope=call.scope
        )
    return Made(number=number)


@router.post(
    "/exceptions/{number}/approve",
    summary="Approve an exception",
    status_code=204,
    responses=documented(404, 408, 409),
)
def approve_exception(call: Approver, number: Number) -> Response:
    """Let it hold until it expires; 409 for one's own."""
    return _decide(call, number, approving.approve)


@router.post(
    "/exceptions/{number}/refuse",
    summary="Refuse an exception",
    status_code=204,
    responses=documented(404, 408, 409),
)
def refuse_exception(call: Approver, number: Number) -> Response:
    """Refuse one that waits; it stays on the register. 409 for one's own."""
    return _decide(call, number, approving.refuse)


def _decide(call: Call, number: int, decide: Any) -> Response:
    today = local_day(call.now, call.settings.reporting_timezone)
    with write_transaction(call.engine) as connection:
        decide(connection, number, call.reader, today=today, now=call.at)
    return Response(status_code=204)


@router.post(
    "/exceptions/{number}/end", summary="End an exception", status_code=204, responses=documented(404, 408)
)
def end_exception(call: Keeper, number: Number) -> Response:
    """End it from today on; it stays on the register."""
    today = local_day(call.now, call.settings.reporting_timezone)
    with write_transaction(call.engine) as connection:
        excepting.end(connection, number, today=today, now=call.at, actor=call.actor, scope=call.scope)
    return Response(status_code=204)
