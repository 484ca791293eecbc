"""Benefits of systems switched off, contracts and warranties: `roadworthy benefits` and `roadworthy contracts`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Note, PlaceName, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.books import benefits as books
from roadworthy_collector.books import contracts as contract_books
from roadworthy_collector.books import warranties as warranty_books
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.security.access import AccessRefusedError
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.books_schema import benefits as table
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["benefits"])
# Money of the whole IT estate: whose role holds for some units only has no part of it.
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
UnitLooker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Preparer = Annotated[Call, Depends(caller(Right.PREPARE_FINANCE, everywhere=True))]
Stepper = Annotated[Call, Depends(caller(Right.APPROVE, Right.PREPARE_FINANCE, everywhere=True))]
_MOST_PENCE = 10**13
Pence = Annotated[int, Field(ge=0, le=_MOST_PENCE)]
Reference = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Number = Annotated[int, Path(ge=1, le=MAX_ID)]


class Year(Sent):
    """A financial year, named by the year it begins in; double running null where nobody knows it."""

    financial_year: Annotated[int, Field(ge=1990, le=2200)]
    saving_pence: Pence
    double_running_pence: Pence | None = None


class Claimed(Sent):
    """A benefit of switching `system` off, claimed by the caller."""

    reference: Reference
    system: PlaceName
    cashable: bool
    years: Annotated[list[Year], Field(min_length=1, max_length=30)]
    cost_centre: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    decommissioned: dt.date | None = None


class Added(BaseModel):
    """The number it got."""

    number: int


class Benefits(BaseModel):
    """All benefits with their steps, and sums by state, cashable or not and financial year, without people."""

    rows: list[dict[str, Any]]
    sums: list[dict[str, Any]]


class Stepped(BaseModel):
    """The state a benefit is in now."""

    number: int
    state: str


class Contracts(BaseModel):
    """Contracts by end, those whose notice is due, when cover ends by month, pounds a year; unknown counted.

    `endless`: no end is known of these, so they are in no sum of running ones; `endless_unknown` have no value told.
    """

    on: str
    within_days: int
    rows: list[dict[str, Any]]
    notice_due: list[dict[str, Any]]
    notice_unknown: int
    states: dict[str, int]
    running_pence: int
    running_unknown: int
    endless: list[dict[str, Any]]
    endless_pence: int
    endless_unknown: int
    cliffs: dict[str, Any]


class ContractTold(Sent):
    """What is said of a contract; left out leaves it, an empty text takes it away."""

    reference: Reference
    system: Note | None = None
    unit: Note | None = None
    cost_centre: Note | None = None
    replaced_by: Note | None = None


class Warranties(BaseModel):
    """How many items' warranties end in which month, by whose date, and the items of the month asked for.

    `months`: ended, the coming 24 by name, later, unknown. `total`: of the items asked for, the first 1000 of which are shown.
    """

    months: dict[str, int]
    by_source: dict[str, int]
    rows: list[dict[str, Any]]
    total: int


def _today(call: Call) -> dt.date:
    return local_day(call.now, call.settings.reporting_timezone)


@router.get("/benefits", summary="Benefits of systems switched off", responses=documented())
def list_benefits(call: Looker) -> Benefits:
    """Benefits with their steps, and their sums; cashable and not are never added together."""
    with call.engine.connect() as connection:
        return Benefits.model_validate(books.overview(connection))


@router.post("/benefits", summary="Claim a benefit", status_code=201, responses=documented(408, 413))
def add_benefit(call: Preparer, sent: Claimed) -> Added:
    """Put a benefit on the register, identified; another person agrees to it."""
    years = [(year.financial_year, year.saving_pence, year.double_running_pence) for year in sent.years]
    claim = books.Claim(
        sent.reference, sent.system, sent.cashable, years, sent.cost_centre, sent.decommissioned
    )
    with write_transaction(call.engine) as connection:
        number = books.add(connection, claim, actor=call.actor, on=_today(call), now=call.at)
    return Added(number=number)


@router.post(
    "/benefits/{number}/{step}", summary="Take a benefit a step further", responses=documented(404, 408, 413)
)
def advance_benefit(call: Stepper, number: Number, step: Literal["agree", "deliver", "remove"]) -> Stepped:
    """Agree to it, say it is delivered, or remove it from the budget: the last is an approver's, never the claimant's."""
    with call.engine.connect() as connection:
        claimant = connection.scalar(select(table.c.claimant).where(table.c.id == number))
    if claimant is not None and not books.may_step(call.reader, step, claimant):
        raise AccessRefusedError(
            403,
            "not_allowed",
            "this step is not yours: another person than the claimant takes it, and the last an approver",
        )
    role = books.role_of(call.reader)
    with write_transaction(call.engine) as connection:
        found = books.advance_one(
            connection, number, step, actor=call.actor, role=role, on=_today(call), now=call.at
        )
    return Stepped(number=number, state=found.state)


@router.get("/contracts", summary="Contracts by end", responses=documented())
def list_contracts(
    call: Looker,
    notice_days: Annotated[int, Query(ge=0, le=3660, description="Notice due within so many days.")] = 90,
    ends: Annotated[str, Query(pattern=r"^([0-9]{4}-[0-9]{2}|ended|later|unknown|)$")] = "",
    stands: Literal["", "running", "notice due"] = "",
    lacks: Literal["", "value", "notice"] = "",
) -> Contracts:
    """Contracts that count, the newest of each reference, with what is due; `rows` narrowed to what is asked for."""
    with call.engine.connect() as connection:
        found = contract_books.overview(connection, _today(call), within_days=notice_days)
    rows = contract_books.choose(found, contract_books.Wanted(ends, stands, lacks))
    return Contracts.model_validate(found | {"rows": rows})


@router.put(
    "/contracts", summary="Say what a contract is for", status_code=204, responses=documented(404, 408, 413)
)
def set_contract(call: Preparer, sent: ContractTold) -> Response:
    """Name its system, unit, cost centre and what replaces it, on the record."""
    values = sent.model_dump()
    reference = values.pop("reference")
    with write_transaction(call.engine) as connection:
        told = contract_books.Told(**values)
        contract_books.change(connection, reference, told, actor=call.actor, now=call.at)
    return Response(status_code=204)


@router.get("/warranties", summary="When warranties end", responses=documented())
def list_warranties(
    call: UnitLooker,
    month: Annotated[str | None, Query(pattern=r"^([0-9]{4}-[0-9]{2}|ended|later|unknown)$")] = None,
) -> Warranties:
    """Items by the month their warranty ends; without a month those of the coming 90 days."""
    with call.engine.connect() as connection:
        found = warranty_books.ends(connection, _today(call), month=month, scope=call.scope, limit=1_000)
    return Warranties.model_validate(found._asdict())
