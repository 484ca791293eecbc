"""What to replace first: `roadworthy plan`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Limit, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.books import plan_chosen, plan_lists, plan_queue, planning
from roadworthy_collector.books.plan_example import EXAMPLE
from roadworthy_collector.books.plan_text import Budget
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.access import AccessRefusedError
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["plan"])
# A plan is made for one budget over the whole register: whose role holds for some units only has no part of it.
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
Planner = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER, everywhere=True))]
Action = Literal["replace", "ssd", "ram", "battery", "keep", "fixed", "apart", "no_offer"]
Pounds = Annotated[int, Field(ge=0, le=10**9)]
MOST_ITEMS = plan_queue.MOST_AT_ONCE


class PlanShown(BaseModel):
    """The last plan: counts, limits and use, figures with ranges, per model, stability; `made_at` UTC epoch seconds."""

    made_at: int
    summary: dict[str, Any]


class PlanItems(BaseModel):
    """A page of items with figures, inputs and reasons; `next` is null on the last one."""

    rows: list[dict[str, Any]]
    total: int
    next: int | None


class PlanItem(BaseModel):
    """One item and why it is in the plan or out of it."""

    item: dict[str, Any]


class TicketList(BaseModel):
    """A ready list: the first tickets of `total`, and {what is missing: items} that could not be told."""

    name: str
    title: str
    total: int
    tickets: list[dict[str, Any]]
    unknown: dict[str, int]
    made_at: int


class PlanAsked(Sent):
    """A plan's file and what goes before it. Of a large register have it made: POST /plan/queue."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=60_000, pattern=r"^[^\x00]*$")]
    capital_pounds: Pounds | None = None
    revenue_pounds: Pounds | None = None
    horizon_years: Annotated[int, Field(ge=1, le=40)] | None = None
    installations_per_week: Annotated[int, Field(ge=0, le=10**6)] | None = None
    lots: bool | None = None


class PlanQueued(BaseModel):
    """A plan the jobs process makes; `what` was done last to `items`, `error` says why it failed."""

    state: Literal["waiting", "running", "done", "failed"]
    asked_by: str
    asked_at: int
    what: str
    items: int
    error: str | None


class PlanExample(BaseModel):
    """An annotated file."""

    text: str


@router.get("/plan", summary="The last replacement plan", responses=documented(404))
def show_plan(call: Looker) -> PlanShown:
    """Show what is replaced, repaired and kept, and by how much that may be short of the best plan there is."""
    with call.engine.connect() as connection:
        summary, made_at = planning.require(connection)
    return PlanShown(
        made_at=made_at, summary={name: value for name, value in summary.items() if name != "pieces"}
    )


@router.post("/plan", summary="Make a replacement plan", responses=documented(408, 413))
def make_plan(call: Planner, sent: PlanAsked) -> PlanShown:
    """Make a plan from the register and keep it in place of the last."""
    values = sent.model_dump()
    asked = planning.Asked(text=values.pop("text"), budget=Budget(**values), runs=10, actor=call.actor)
    on = datetime.fromtimestamp(call.now, ZoneInfo(call.settings.reporting_timezone)).date()
    planning.run(call.engine, asked, now=call.now, on=on, most_items=MOST_ITEMS)
    return show_plan(call)


@router.get("/plan/queue", summary="How the plan asked for last goes", responses=documented(404))
def show_queue(call: Looker) -> PlanQueued:
    """State, what was done last to how many items, and what went wrong."""
    with call.engine.connect() as connection:
        found = plan_queue.read(connection)
    if found is None:
        raise NotFoundError("no plan was asked for yet")
    return PlanQueued.model_validate(found._asdict())


@router.post("/plan/queue", summary="Have a plan made", status_code=202, responses=documented(408, 413))
def queue_plan(call: Planner, sent: PlanAsked) -> PlanQueued:
    """Note a plan of any size for the jobs process; it takes the place of the last when it is made."""
    values = sent.model_dump()
    asked = planning.Asked(text=values.pop("text"), budget=Budget(**values), actor=call.actor)
    with write_transaction(call.engine) as connection:
        plan_queue.ask(connection, asked, now=call.now, zone=call.settings.reporting_timezone)
    return show_queue(call)


@router.get("/plan/example", summary="An annotated file of a plan", responses=documented())
def show_example(_: Looker) -> PlanExample:
    """Options, prices, budget and weights, to be edited; every price in it is made up."""
    return PlanExample(text=EXAMPLE)


@router.get("/plan/items", summary="Items of the last plan", responses=documented(404))
def list_items(
    call: Looker,
    action: Action | Literal["done", "repair", "not_decided"] | None = None,
    year: Annotated[str, Query(max_length=8, description="2026/27: what is bought in it.")] = "",
    uses: Annotated[
        str, Query(max_length=64, description="capital, revenue, installations or a stock, in the year.")
    ] = "",
    model: Annotated[str, Query(max_length=128)] = "",
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="`next` of the page before.")] = 0,
    limit: Limit = 100,
) -> PlanItems:
    """Items page by page: of one action, bought in a year, that use a limit, of a model, or all."""
    wanted = plan_chosen.Wanted(action or "", year, uses, model)
    with call.engine.connect() as connection:
        summary, _ = planning.require(connection)
        plan_chosen.check(summary, wanted)
        rows, total, _ = plan_chosen.page(connection, summary, wanted, after, limit)
    end = after + len(rows)
    return PlanItems(rows=rows, total=total, next=end if rows and end < total else None)


@router.get("/plan/why", summary="Why one item is in the plan or out of it", responses=documented(404))
def say_why(call: Looker, tag: Annotated[str, Query(min_length=1, max_length=64)]) -> PlanItem:
    """One item by its tag."""
    with call.engine.connect() as connection:
        summary, _ = planning.require(connection)
        return PlanItem(item=planning.item(connection, summary, tag))


@router.get("/plan/lists/{name}", summary="A ready list", responses=documented(404))
def show_list(
    call: Looker, name: Literal["claim_under_warranty", "fit_an_ssd", "collect_unused"]
) -> TicketList:
    """Tickets that can be handed out. Who may not see small groups is not told whose device is hardly used."""
    if name == "collect_unused" and not call.reader.sees_small_groups:
        raise AccessRefusedError(
            403,
            "not_allowed",
            "how little a device is used may be about one person; your role does not include it",
        )
    with call.engine.connect() as connection:
        return TicketList.model_validate(plan_lists.require(connection, name))
