"""Systems and the Legacy IT Risk Assessment Framework: evidence from devices, scores by people."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, RowCursor, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.books import legacy_systems
from roadworthy_collector.books.legacy_told import detail, system_row
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["legacy"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER))]
SystemId = Annotated[int, Path(ge=1, le=MAX_ID)]
Criterion = Annotated[str, Path(pattern=r"^([Ll][1-7]|[Cc][1-6])$", description="L1 to L7 or C1 to C6.")]


class SystemRow(BaseModel):
    """A system: its standing by evidence, its devices' ageing apart from it, and how many criteria are signed."""

    id: int
    name: str
    unit: str | None
    standing: str
    devices: int
    legacy: int
    not_legacy: int
    unknown: int
    past_planned_life: int
    age_unknown: int
    signed: int
    unsigned: int


class SystemList(BaseModel):
    """A page of systems with counts over all the caller may see; `next` is null on the last one."""

    framework: str
    made_at: int | None
    standings: dict[str, int]
    signed: int
    unsigned: int
    complete: int
    red_rated: int
    rows: list[SystemRow]
    next: int | None


class EvidenceRow(BaseModel):
    """One kind of evidence over a system's devices: `concerned` of `known`, and `unknown` beside them."""

    code: str
    what: str
    concerned: int
    known: int
    unknown: int
    value: float | str | None
    unit: str
    sources: list[str]
    as_of: str
    strength: str


class SuggestionRow(BaseModel):
    """What the evidence would give: a suggestion, never a score."""

    criterion: str
    score: int
    why: str


class ScoreRow(BaseModel):
    """What somebody signed; `current` false where it was by another version of the framework."""

    criterion: str
    score: int
    remark: str | None
    assessor: str
    assessed_on: str
    framework: str
    current: bool


class Outcome(BaseModel):
    """The arithmetic of a system everything is signed of."""

    likelihood_total: float
    impact_total: float
    overall: float
    legacy: bool
    red_rated: bool


class SystemDetail(SystemRow):
    """Everything about a system; `result` null until every criterion is signed."""

    kind: str
    framework: str
    framework_source: str
    check: str
    criteria: dict[str, str]
    bands: dict[str, int]
    evidence: list[EvidenceRow]
    suggestions: list[SuggestionRow]
    scores: list[ScoreRow]
    unsigned_criteria: list[str]
    result: Outcome | None
    contracts: list[dict[str, Any]]


class ScoreSent(Sent):
    """A score: likelihood 1 to 6, impact 1 to 5."""

    score: Annotated[int, Field(ge=1, le=6)]
    remark: Annotated[str, StringConstraints(max_length=legacy_systems.REMARK_LENGTH)] | None = None


@router.get("/legacy/systems", summary="Systems, their evidence and what is signed", responses=documented())
def list_systems(
    call: Looker,
    standing: Literal["", "legacy", "not_legacy", "unknown", "no_devices"] = "",
    search: Annotated[str, Query(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")] = "",
    unsigned: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    red_rated: bool = False,  # noqa: FBT001, FBT002 - as above
    after: RowCursor = 0,
    limit: Limit = 100,
) -> SystemList:
    """List systems of the caller's units; one of no unit is for who sees the whole IT estate."""
    with call.engine.connect() as connection:
        counts = legacy_systems.summarise(connection, call.scope)
        page = legacy_systems.list_systems(
            connection,
            standing=standing,
            search=search,
            unsigned=unsigned,
            red_rated=red_rated,
            after=after,
            limit=limit,
            scope=call.scope,
        )
    return SystemList(
        framework=legacy_systems.version(),
        made_at=counts.made_at,
        standings=counts.standings,
        signed=counts.signed,
        unsigned=counts.unsigned,
        complete=counts.complete,
        red_rated=counts.red_rated,
        rows=[SystemRow.model_validate(system_row(one)) for one in page.rows],
        next=page.next,
    )


@router.get("/legacy/systems/{system}", summary="One system", responses=documented(404))
def show_system(call: Looker, system: SystemId) -> SystemDetail:
    """Show evidence, suggestions and what is signed."""
    with call.engine.connect() as connection:
        return _detail(call, connection, system)


def _detail(call: Call, connection: Any, system: int) -> SystemDetail:
    on = local_day(call.now, call.settings.reporting_timezone)
    told = detail(connection, legacy_systems.get(connection, system, call.scope), on)
    left = told["unsigned"]
    return SystemDetail.model_validate(told | {"unsigned": len(left), "unsigned_criteria": left})


@router.put(
    "/legacy/systems/{system}/scores/{criterion}",
    summary="Sign a criterion",
    responses=documented(404, 408, 413),
)
def score_system(call: Keeper, system: SystemId, criterion: Criterion, sent: ScoreSent) -> SystemDetail:
    """Sign as the caller, today; what was said before is replaced and stays in the audit."""
    today = local_day(call.now, call.settings.reporting_timezone)
    with write_transaction(call.engine) as connection:
        legacy_systems.score(
            connection,
            system,
            legacy_systems.Said(criterion, sent.score, sent.remark),
            today=today,
            now=call.at,
            actor=call.actor,
            scope=call.scope,
        )
    with call.engine.connect() as connection:
        return _detail(call, connection, system)


@router.delete(
    "/legacy/systems/{system}/scores/{criterion}",
    summary="Take a score back",
    status_code=204,
    responses=documented(404),
)
def withdraw_score(call: Keeper, system: SystemId, criterion: Criterion) -> Response:
    """Make the criterion unsigned again."""
    with write_transaction(call.engine) as connection:
        legacy_systems.withdraw(
            connection, system, criterion, now=call.at, actor=call.actor, scope=call.scope
        )
    return Response(status_code=204)
