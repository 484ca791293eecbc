"""Devices that are polled: `roadworthy snmp`. What asks a device itself is no operation (docs/decisions/0030)."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from roadworthy_collector.api.calls import MAX_ID, PREFIX, Call, DeviceId, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.security.roles import Right
from roadworthy_collector.snmp import feeding, overlaps, shown
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.calendar import local_date

router = APIRouter(prefix=PREFIX, tags=["polled devices"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_REGISTER))]
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Named = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256, pattern=_PRINTABLE)
]


class Target(BaseModel):
    """A target and its last poll. Times in UTC epoch seconds.

    `device_id` is null until it answered for the first time; `feeds_refused` says what the targets file says hangs there
    and cannot be, and why.
    """

    name: str
    host: str
    protocol: str
    kind: str
    profile: str | None
    outcome: str
    reason: str | None
    failures: int
    polls: int
    successes: int
    duration_seconds: float | None
    readings: int
    polled_at: int | None
    succeeded_at: int | None
    device_id: str | None
    site: str | None
    unit: str | None
    feeds_refused: str | None


class Family(BaseModel):
    """A family of devices that is known."""

    name: str
    title: str
    kind: str
    tier: int
    mib: str
    readings: list[str]


class Reading(BaseModel):
    """One value; a state has a `text`, everything else a `value` in `unit`."""

    name: str
    index: str
    kind: str
    place: str
    value: float | None
    text: str | None
    unit: str
    quality: str
    label: str | None
    relative_error: float | None
    source: str


class Refused(BaseModel):
    """A value that is not believed, or was expected and is not there; of code `feeds` a statement of the targets file."""

    name: str
    index: str
    code: str
    reason: str


class Readings(BaseModel):
    """What a polled device told last."""

    device_id: str
    name: str | None
    device_class: str
    model: str | None
    at: int | None
    readings: list[Reading]
    flags: dict[str, bool]
    refused: list[Refused]


class Feed(BaseModel):
    """What hangs on an outlet; `outlet` empty: on the whole unit, `fed` null: nothing known."""

    id: int
    feeder: str
    feeder_name: str | None
    outlet: str
    fed: str | None
    fed_name: str | None
    site: str
    valid_from: dt.date
    valid_to: dt.date | None
    source: str
    stated_by: str | None
    stated_at: int


class Stated(Sent):
    """What hangs where: device ids, host names, serial numbers or asset tags."""

    feeder: Named
    outlet: Annotated[str, StringConstraints(max_length=64, pattern=_PRINTABLE)] = ""
    fed: Named | None = None
    since: dt.date | None = Field(default=None, alias="from")


class Ended(Sent):
    """When a statement no longer holds; today where it is left out."""

    on: dt.date | None = None


class Overlap(BaseModel):
    """Energy that was measured and is left out of the ledger; `fed` null: none is known, or it is `erased`."""

    month: str
    feeder: str
    feeder_name: str | None
    feeder_class: str
    outlet: str
    fed: str | None
    fed_name: str | None
    erased: bool
    site: str
    why: str
    days: int
    kwh: float


class Overlaps(BaseModel):
    """A month's overlaps, the most kWh first, 1,000 at most; `kwh` by why are of all. `month` null: there are none."""

    month: str | None
    kwh: dict[str, float]
    rows: list[Overlap]


class Made(BaseModel):
    """The number of the statement made."""

    id: int


@router.get("/snmp/profiles", summary="Families of devices that are known", responses=documented())
def list_profiles(call: Looker) -> list[Family]:  # noqa: ARG001 - for its right
    """Every family with the kinds of readings it gives."""
    return [
        Family(
            name=one.name,
            title=one.title,
            kind=one.kind,
            tier=one.tier,
            mib=one.mib,
            readings=list(dict.fromkeys(spec.kind for spec in one.readings)),
        )
        for one in shipped_profiles()
    ]


@router.get("/snmp/targets", summary="Who is polled, and how it went", responses=documented())
def list_targets(
    call: Looker, *, failing: Annotated[bool, Query(description="Only those that do not answer.")] = False
) -> list[Target]:
    """Targets by name. Whoever sees some units only sees those that are devices of theirs."""
    with call.engine.connect() as connection:
        rows = shown.list_targets(
            connection, failing=failing, scope=call.scope, restricted=call.sees_restricted
        )
    return [Target.model_validate(row) for row in rows]


@router.get(
    "/snmp/devices/{device_id}/readings", summary="What a polled device told last", responses=documented(404)
)
def read_readings(call: Looker, device_id: Annotated[DeviceId, Path()]) -> Readings:
    """Every reading with how it is known, what needs somebody, and what was refused with its reason."""
    with call.engine.connect() as connection:
        found: dict[str, Any] = shown.read_readings(
            connection, device_id, scope=call.scope, restricted=call.sees_restricted
        )
    return Readings.model_validate(found)


@router.get("/snmp/overlaps", summary="What was measured twice, or is in no sum", responses=documented())
def list_overlaps(
    call: Looker,
    *,
    month: Annotated[
        str | None, Query(description="As 2026-04; left out: the newest there is.", max_length=7)
    ] = None,
) -> Overlaps:
    """Joules the energy ledger left out: outlet, feeder, controller (measured twice) or undeclared (counted nowhere)."""
    with call.engine.connect() as connection:
        found = overlaps.read(connection, month, scope=call.scope, restricted=call.sees_restricted)
    return Overlaps.model_validate(overlaps.told(found))


@router.get("/snmp/feeds", summary="What hangs on what", responses=documented())
def list_feeds(
    call: Looker, *, ended: Annotated[bool, Query(description="Those that no longer hold too.")] = False
) -> list[Feed]:
    """Statements by feeder and outlet."""
    with call.engine.connect() as connection:
        rows = feeding.list_feeds(connection, scope=call.scope, restricted=call.sees_restricted, ended=ended)
    return [Feed.model_validate(row) for row in rows]


@router.post(
    "/snmp/feeds", summary="Say what hangs on an outlet", status_code=201, responses=documented(404, 408, 413)
)
def state_feed(call: Keeper, sent: Stated) -> Made:
    """State it from a day on; what contradicts it ends that day."""
    day = sent.since or local_date(call.now, call.settings.reporting_timezone)
    with write_transaction(call.engine) as connection:
        number = feeding.state(
            connection,
            sent.feeder,
            sent.outlet,
            sent.fed,
            day,
            now=call.at,
            actor=call.actor,
            scope=call.scope,
            restricted=call.sees_restricted,
        )
    return Made(id=number)


@router.post(
    "/snmp/feeds/{number}/end",
    summary="End a statement of what hangs where",
    status_code=204,
    responses=documented(404, 408, 413),
)
def end_feed(call: Keeper, number: Annotated[int, Path(ge=1, le=MAX_ID)], sent: Ended) -> Response:
    """From a day on it no longer holds."""
    day = sent.on or local_date(call.now, call.settings.reporting_timezone)
    with write_transaction(call.engine) as connection:
        seen = call.sees_restricted
        feeding.end(connection, number, day, now=call.at, actor=call.actor, scope=call.scope, restricted=seen)
    return Response(status_code=204)
