"""Legal holds: `roadworthy hold`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, Days, DeviceId, Reason, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.keys import DAY_SECONDS
from roadworthy_collector.security import holds as rules
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["holds"])
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_HOLDS))]
Approver = Annotated[Call, Depends(caller(Right.APPROVE))]
Either = Annotated[Call, Depends(caller(Right.MANAGE_HOLDS, Right.APPROVE))]
HoldId = Annotated[int, Path(ge=1, le=MAX_ID)]


class Hold(BaseModel):
    """A hold; times in UTC epoch seconds. A waiting one is in force until `lapses_at`.

    Of one whose lifting was asked for, `lifted_by` and `lifted_reason` say by whom and why; it is in force still.
    """

    id: int
    state: Literal["waiting", "approved", "lift_asked", "lapsed", "expired", "lifted"]
    devices: list[str]
    reason: str
    asked_by: str
    asked_at: int
    lapses_at: int
    expires_at: int
    approved_by: str | None
    approved_at: int | None
    lifted_by: str | None
    lifted_at: int | None
    lifted_reason: str | None


class Holds(BaseModel):
    """Holds, newest first."""

    rows: list[Hold]


class NewHold(Sent):
    """Which devices' facts are kept, why and how long."""

    devices: Annotated[list[DeviceId], Field(min_length=1, max_length=rules.MAX_DEVICES)]
    reason: Reason
    days: Days = 90


class Placed(BaseModel):
    """The id of a new hold."""

    id: int


class Lift(Sent):
    """Why a hold ends before its time."""

    reason: Reason


class LiftAnswer(BaseModel):
    """Whether the hold is lifted, or waits for an approver to agree that it is."""

    state: Literal["lifted", "lift_asked"]


@router.get("/holds", summary="Legal holds", responses=documented())
def list_holds(call: Either) -> Holds:
    """List holds on devices within the caller's units, newest first; for those who ask for them and those who approve."""
    with call.engine.connect() as connection:
        return Holds.model_validate({"rows": rules.list_holds(connection, call.now, call.scope)})


@router.post(
    "/holds", summary="Ask for a legal hold", status_code=201, responses=documented(404, 408, 409, 413)
)
def place_hold(call: Keeper, sent: NewHold) -> Placed:
    """In force at once, and for longer than a week only if somebody else approves it."""
    with write_transaction(call.engine) as connection:
        hold = rules.place(
            connection,
            sent.devices,
            reason=sent.reason,
            expires_in_seconds=sent.days * DAY_SECONDS,
            now=call.at,
            actor=call.actor,
            scope=call.scope,
        )
    return Placed(id=hold)


@router.post(
    "/holds/{hold}/approve",
    summary="Approve a legal hold",
    status_code=204,
    responses=documented(404, 408, 409, 413),
)
def approve_hold(call: Approver, hold: HoldId) -> Response:
    """Let a hold last until it expires; 409 for one's own."""
    with write_transaction(call.engine) as connection:
        rules.ensure_within(connection, hold, call.scope)
        rules.approve(connection, hold, call.reader, now=call.at)
    return Response(status_code=204)


@router.post(
    "/holds/{hold}/lift",
    summary="Lift a legal hold, or ask for it",
    responses=documented(404, 408, 409, 413),
)
def lift_hold(call: Keeper, hold: HoldId, sent: Lift) -> LiftAnswer:
    """End a hold that waits for approval; of an approved one ask for it, and somebody else approves that."""
    with write_transaction(call.engine) as connection:
        rules.ensure_within(connection, hold, call.scope)
        state = rules.lift(connection, hold, reason=sent.reason, now=call.at, actor=call.actor)
    return LiftAnswer(state=state)


@router.post(
    "/holds/{hold}/lift/approve",
    summary="Approve the lifting of a legal hold",
    status_code=204,
    responses=documented(404, 408, 409, 413),
)
def approve_lift(call: Approver, hold: HoldId) -> Response:
    """End an approved hold before it expires; 409 for who asked for it, and where nobody did."""
    with write_transaction(call.engine) as connection:
        rules.ensure_within(connection, hold, call.scope)
        rules.approve_lift(connection, hold, call.reader, now=call.at)
    return Response(status_code=204)
