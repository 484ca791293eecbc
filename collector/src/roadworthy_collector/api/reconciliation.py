"""Reconciliation: how register, MDM export and agents fit, the rows behind each gap, and what people decide."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, RowCursor, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.books import figures, lists, reviewing
from roadworthy_collector.books.reconciled_at import Listed
from roadworthy_collector.books.reconciling import FIGURE, count_reporting
from roadworthy_collector.books.waterfall import waterfall, with_agent
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

JOB_FIGURE = "books"  # of jobs.books, which goes by it
router = APIRouter(prefix=PREFIX, tags=["reconciliation"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER))]
# Decisions are about records of any unit; who holds a role for some units decides theirs in the queue alone.
WholeKeeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER, everywhere=True))]
PairId = Annotated[int, Path(ge=1, le=MAX_ID)]


class Step(BaseModel):
    """A step of the waterfall; `gap` dropped out here and stand at `place`. `share` is of the register.

    `rows` is the place under which `/reconciliation/gaps` lists the items.
    """

    name: str
    items: int
    share: float | None
    gap: int
    place: str | None
    rows: str


class Reconciliation(BaseModel):
    """What came out; `made_at` null before the first run. Rates are [numerator, denominator], of the whole IT estate only."""

    made_at: int | None
    with_mdm: bool
    steps: list[Step]
    with_agent: int = Field(description="Register items with an agent, in the MDM export or not.")
    reporting: int = Field(description="Of those, that reported in the week before.")
    counts: list[tuple[str, str, int]] = Field(description="Place, state and records.")
    match_rate: tuple[int, int] | None
    device_rate: tuple[int, int] | None


class Record(BaseModel):
    """A record at a place; what it has no row of is null."""

    id: int
    state: str
    tag: str | None
    serial: str | None
    kind: str | None
    model: str | None
    lifecycle_state: str | None
    device_id: str | None
    hostname: str | None
    device_serial: str | None
    last_report_at: int | None
    mdm_name: str | None
    mdm_serial: str | None
    last_check_in: str | None
    unit: str | None
    site: str | None
    detail: dict[str, Any]


class Asked(BaseModel):
    """It was asked for."""

    within_seconds: int


class Records(BaseModel):
    """A page of records; `next` is null on the last one."""

    rows: list[Record]
    next: int | None


class End(BaseModel):
    """A record of a pair: which side, what it is called."""

    side: str
    said: str
    device_id: str | None


class Pair(BaseModel):
    """Two records, or groups of them, that may be one machine; `why` they were not joined."""

    id: int
    why: str
    one: list[End]
    other: list[End]
    agreed: list[str]
    contradicting: list[str]
    plain: bool


class Pairs(BaseModel):
    """A page of pairs; `next` is null on the last one."""

    rows: list[Pair]
    next: int | None


class Decided(BaseModel):
    """The records a decision was noted for."""

    pairs: list[tuple[str, str]]


class Decide(Sent):
    """Whether the two are one machine."""

    same: bool


class Withdraw(Sent):
    """Two records as the list of decisions names them."""

    one: Annotated[str, Field(max_length=160)]
    other: Annotated[str, Field(max_length=160)]


class Decision(BaseModel):
    """What somebody decided."""

    one: str
    other: str
    same: bool
    made_at: int
    made_by: str


class Decisions(BaseModel):
    """All of them, newest first."""

    rows: list[Decision]


@router.get("/reconciliation", summary="How the register fits what reports", responses=documented())
def show_reconciliation(call: Looker) -> Reconciliation:
    """Show the waterfall from the register to what reported this week, within the caller's units."""
    with call.engine.connect() as connection:
        held = figures.read(connection, FIGURE)
        counts = lists.counts(connection, call.scope)
        reporting = count_reporting(connection, counts, call.scope)
    found = {} if held is None else held[0]
    with_mdm = found.get("mdm_batch") is not None
    whole = call.scope is None
    return Reconciliation(
        made_at=None if held is None else held[1],
        with_mdm=with_mdm,
        steps=[Step(**step._asdict()) for step in waterfall(counts, with_mdm=with_mdm)],
        with_agent=with_agent(counts),
        reporting=reporting,
        counts=[(place, state, count) for (place, state), count in sorted(counts.items())],
        match_rate=found.get("match_rate") if whole else None,
        device_rate=found.get("device_rate") if whole else None,
    )


@router.post(
    "/reconciliation/run", summary="Reconcile and rate soon", status_code=202, responses=documented(408)
)
def run_soon(call: WholeKeeper) -> Asked:
    """Have the jobs process bring everything together and rate it within a minute; it does so hourly by itself."""
    with write_transaction(call.engine) as connection:
        figures.write(connection, JOB_FIGURE, {"seen": None}, call.now, 0.0)
    return Asked(within_seconds=60)


@router.get("/reconciliation/gaps", summary="The rows behind a gap, page by page", responses=documented())
def list_gap(
    call: Looker,
    place: Listed,
    state: Annotated[Literal["", "matched", "undecided", "orphan", "agent", "mdm", "both"], Query()] = "",
    after: RowCursor = 0,
    limit: Limit = 100,
) -> Records:
    """List records that stand at a place, or behind a sum of the waterfall, within the caller's units; those at restricted sites are never listed."""
    with call.engine.connect() as connection:
        page = lists.gap(connection, place, state=state, after=after, limit=limit, scope=call.scope)
    return Records.model_validate(page._asdict())


@router.get("/reconciliation/review", summary="Pairs for a person to decide", responses=documented())
def list_review(call: Looker, after: RowCursor = 0, limit: Limit = 100) -> Pairs:
    """List pairs that agree in one key only, or compete for the same place."""
    with call.engine.connect() as connection:
        page = lists.gap(connection, "review", after=after, limit=limit, scope=call.scope)
    rows = [
        {
            "id": row["id"],
            "why": row["state"],
            "one": row["ends"][0],
            "other": row["ends"][1],
            "agreed": row["detail"]["agreed"],
            "contradicting": row["detail"]["contradicting"],
            "plain": row["detail"]["plain"],
        }
        for row in page.rows
    ]
    return Pairs.model_validate({"rows": rows, "next": page.next})


@router.post(
    "/reconciliation/review/{pair}", summary="Confirm or refuse a pair", responses=documented(404, 408, 413)
)
def decide_pair(call: Keeper, pair: PairId, sent: Decide) -> Decided:
    """Say whether two records are one machine; the matches follow within minutes."""
    with write_transaction(call.engine) as connection:
        pairs = reviewing.decide(
            connection, pair, same=sent.same, now=call.at, actor=call.actor, scope=call.scope
        )
    return Decided(pairs=pairs)


@router.get("/reconciliation/decisions", summary="What people decided", responses=documented())
def list_decisions(call: WholeKeeper) -> Decisions:
    """Every decision in force."""
    with call.engine.connect() as connection:
        return Decisions.model_validate({"rows": reviewing.list_decisions(connection)})


@router.post(
    "/reconciliation/decisions/withdraw",
    summary="Forget a decision",
    status_code=204,
    responses=documented(404, 408, 413),
)
def withdraw_decision(call: WholeKeeper, sent: Withdraw) -> Response:
    """Let two records go by their keys again."""
    with write_transaction(call.engine) as connection:
        reviewing.withdraw(connection, sent.one, sent.other, now=call.at, actor=call.actor)
    return Response(status_code=204)
