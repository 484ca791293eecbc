"""Staff time in slow start-ups and sign-ins: `roadworthy staff-time`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, StringConstraints

from roadworthy_collector.api.calls import PREFIX, Call, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.books import staff_time_show, staff_time_text
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["staff-time"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Whole = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
Preparer = Annotated[Call, Depends(caller(Right.PREPARE_FINANCE, everywhere=True))]
Text = Annotated[str, StringConstraints(min_length=1, max_length=60_000, pattern=r"^[^\x00]*$")]
Period = Annotated[str, Query(pattern=r"^[0-9]{4}(-[0-9]{2}|/[0-9]{2})$", description="2026-09 or 2026/27.")]


class StaffTime(BaseModel):
    """Lost hours by financial year and month, the newest first; of some units where the role holds for some.

    Hours first; `worth` null where nobody stated a rate or productive hours. Never cashable.
    """

    assumptions: dict[str, Any]
    loss_factors: list[float]
    cashable: bool
    minimum_group: int
    dimensions: list[str]
    periods: list[dict[str, Any]]


class StaffTimeGroups(BaseModel):
    """The groups of a period, the most hours first; those under five devices are in `other`, so that sums close."""

    period: str
    by: str
    rows: list[dict[str, Any]]


class AssumptionsShown(BaseModel):
    """The assumptions in force, TOML; `made_at` null while nobody has saved any."""

    content: str
    digest: str
    made_at: int | None
    made_by: str


class AssumptionsEdited(Sent):
    """A text to try or to put in force."""

    content: Text


class AssumptionsSaved(BaseModel):
    """Whether it is new; false where the same was in force."""

    new: bool


class AssumptionsTried(BaseModel):
    """What assumptions would make of the newest months; `hours_change`: the hours are worked out again once saved."""

    digest: str
    hours_change: bool
    months: list[dict[str, Any]]


@router.get("/staff-time", summary="Staff time by month and year", responses=documented())
def show_staff_time(call: Looker) -> StaffTime:
    """Show hours lost in slow start-ups and sign-ins somebody sat through, with what was left out and why."""
    with call.engine.connect() as connection:
        return StaffTime.model_validate(staff_time_show.overview(connection, call.scope))


@router.get("/staff-time/groups", summary="Staff time of a period by group", responses=documented(404))
def show_groups(
    call: Looker,
    period: Period,
    by: Literal["unit", "site", "class", "model", "system"] = "unit",
) -> StaffTimeGroups:
    """Show a period's groups; a role that holds for some units sees those, by unit only."""
    with call.engine.connect() as connection:
        rows = staff_time_show.groups(connection, period, by, call.scope)
    return StaffTimeGroups(period=period, by=by, rows=rows)


@router.get("/staff-time/assumptions", summary="The assumptions in force", responses=documented())
def show_assumptions(call: Whole) -> AssumptionsShown:
    """Show what good lengths, rate, loss factor and productive hours were stated, TOML."""
    with call.engine.connect() as connection:
        found, edition = staff_time_text.current(connection)
    return AssumptionsShown(digest=found.digest, **edition._asdict())


@router.post("/staff-time/assumptions/try", summary="Try assumptions", responses=documented(408, 413))
def try_assumptions(call: Preparer, sent: AssumptionsEdited) -> AssumptionsTried:
    """Say what assumptions would make of the newest months, changing nothing."""
    with call.engine.connect() as connection:
        return AssumptionsTried.model_validate(staff_time_show.try_text(connection, sent.content))


@router.put("/staff-time/assumptions", summary="Put assumptions in force", responses=documented(408, 413))
def save_assumptions(call: Preparer, sent: AssumptionsEdited) -> AssumptionsSaved:
    """Put assumptions in force, on the record."""
    with write_transaction(call.engine) as connection:
        new = staff_time_text.save(connection, sent.content, now=call.at, actor=call.actor)
    return AssumptionsSaved(new=new)
