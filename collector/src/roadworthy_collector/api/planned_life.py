"""How many years this organisation plans with for each class of things."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, StringConstraints

from roadworthy_collector.api.calls import PREFIX, Call, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.lifecycle import MOST_TRIED, BoughtTried
from roadworthy_collector.books import lifecycle_trying, planned_text
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["lifecycle"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
WholeKeeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER, everywhere=True))]


class PlannedLine(BaseModel):
    """The life in force of a class, in years, with who says so; `published_years` null where nobody published one."""

    item_class: str
    years: float | None
    published_years: float | None
    source: str | None


class PlannedShown(BaseModel):
    """The text in force, and what holds by class; `made_at` null while nobody has stated any."""

    text: str
    digest: str
    made_at: int | None
    made_by: str
    rows: list[PlannedLine]


class PlannedSent(Sent):
    """Planned lives (TOML); an empty text for none of your own."""

    text: Annotated[str, StringConstraints(max_length=planned_text.LONGEST_CHARACTERS, pattern=r"^[^\x00]*$")]


class PlannedSaved(BaseModel):
    """Whether it is new; false where the same was in force."""

    new: bool


@router.get("/lifecycle/planned", summary="The planned life of each class", responses=documented())
def show_planned(call: Looker) -> PlannedShown:
    """Return the text in force, and the years of each class with who says so."""
    with call.engine.connect() as connection:
        found, edition = planned_text.current(connection)
    rows = [PlannedLine.model_validate(one._asdict()) for one in planned_text.listed(found.lives)]
    return PlannedShown(
        text=edition.content,
        digest=found.digest,
        made_at=edition.made_at,
        made_by=edition.made_by,
        rows=rows,
    )


@router.post("/lifecycle/planned/try", summary="Try planned lives", responses=documented(408, 413))
def try_planned(call: WholeKeeper, sent: PlannedSent) -> BoughtTried:
    """Say what other planned lives would change on the devices; nothing is saved."""
    zone = call.settings.reporting_timezone
    found = lifecycle_trying.try_lives(call.engine, sent.text, call.now, zone, most=MOST_TRIED)
    return BoughtTried.model_validate(found.told())


@router.put("/lifecycle/planned", summary="State planned lives", responses=documented(408, 413))
def save_planned(call: WholeKeeper, sent: PlannedSent) -> PlannedSaved:
    """Put planned lives in force, on the record; the edition before is kept."""
    with write_transaction(call.engine) as connection:
        new = planned_text.save(connection, sent.text, now=call.at, actor=call.actor)
    return PlannedSaved(new=new)
