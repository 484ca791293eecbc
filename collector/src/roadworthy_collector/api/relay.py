"""A relay and its main collector: `roadworthy relay`. Files themselves are written and read where they are carried to.

What a relay is made of is loaded with the first call: its cryptography costs memory few collectors need.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field, StringConstraints, model_validator

from roadworthy_collector.api.calls import DEVICE_ID, PREFIX, Call, DeviceId, Limit, PlaceName, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import UNASSIGNED, write_transaction

router = APIRouter(prefix=f"{PREFIX}/relay", tags=["relay"])
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_DEVICES, everywhere=True))]
Enroller = Annotated[Call, Depends(caller(Right.MANAGE_ENROLMENT, everywhere=True))]
Key = Annotated[str, StringConstraints(pattern=r"^rwrelay1_[0-9a-f]{16}_[0-9a-f]{64}$")]


class Status(BaseModel):
    """Where a relay forwards to, what waits and what went wrong; times in UTC epoch seconds."""

    mode: Literal["off", "forwarding", "files"]
    upstream: str | None
    relay: str | None
    reports_waiting: int
    bytes_waiting: int
    oldest_waiting_at: float | None
    devices_enrolled: int
    devices_stopped: int
    files_unacknowledged: int
    last_success_at: int | None
    next_try_at: int | None
    fault: str | None
    enrolment_fault: str | None
    items_given_up: dict[str, int]
    items_refused: dict[str, int]


class Relayed(BaseModel):
    """A device of a relay: its ids here and at the main collector, what waits, and why it stopped."""

    device_id: str
    upstream_device_id: str | None
    reports_waiting: int
    policy: Any
    stopped: str | None
    refused_items: int | None
    last_refusal: str | None


class RelayedDevices(BaseModel):
    """A page of devices, by id; `next` is null on the last one."""

    rows: list[Relayed]
    next: str | None


class Resumption(Sent):
    """One device, or all of them."""

    device_id: DeviceId | None = None
    everything: Annotated[bool, Field(alias="all")] = False

    @model_validator(mode="after")
    def _one_way(self) -> Resumption:
        if (self.device_id is not None) == self.everything:
            message = "say either device_id or all"
            raise ValueError(message)
        return self


class Resumed(BaseModel):
    """How many devices are forwarded again."""

    devices: int


class Trusted(BaseModel):
    """A relay whose carried files are read here."""

    name: str
    relay: str
    site: str
    unit: str
    every_days: int
    added_at: int
    public_key: str


class TrustedRelays(BaseModel):
    """All of them, by name."""

    rows: list[Trusted]


class NewTrusted(Sent):
    """A relay's key as it tells it, what it is called here, and where its devices stand."""

    name: Annotated[PlaceName, Field(max_length=64)]
    public_key: Key
    site: PlaceName = UNASSIGNED
    unit: PlaceName = UNASSIGNED
    every_days: Annotated[int, Field(ge=1, le=366)] = 7


class Named(Sent):
    """A relay by the name it has here."""

    name: PlaceName


@router.get("/status", summary="What a relay says of itself", responses=documented())
def show_status(call: Keeper) -> Status:
    """Where this collector forwards to, what waits and what went wrong."""
    from roadworthy_collector.relay import status

    with call.engine.connect() as connection:
        return Status.model_validate(status.read_status(connection, call.settings))


@router.get("/devices", summary="A relay's devices, page by page", responses=documented())
def list_devices(
    call: Keeper,
    *,
    stopped: Annotated[bool, Query(description="Only those not forwarded any more.")] = False,
    after: Annotated[str, Query(pattern=rf"{DEVICE_ID}|^$", description="`next` of the page before.")] = "",
    limit: Limit = 100,
) -> RelayedDevices:
    """Their ids at the main collector, what waits, why one stopped."""
    from roadworthy_collector.relay import status

    with call.engine.connect() as connection:
        rows = status.list_relayed(connection, stopped=stopped, after=after, limit=limit + 1)
    last = rows[limit - 1]["device_id"] if len(rows) > limit else None
    return RelayedDevices.model_validate({"rows": rows[:limit], "next": last})


@router.post("/resume", summary="Forward devices again", responses=documented(404, 408, 413))
def resume(call: Keeper, sent: Resumption) -> Resumed:
    """Have devices enrolled anew with the main collector, as new devices there, and forwarded again."""
    from roadworthy_collector.relay import status

    with write_transaction(call.engine) as connection:
        count = status.resume(connection, sent.device_id, now=call.at, actor=call.actor)
    if not count:
        raise NotFoundError("no such device is forwarded here")
    return Resumed(devices=count)


@router.get("/trust", summary="Whose carried files are read", responses=documented())
def list_trusted(call: Enroller) -> TrustedRelays:
    """List the relays whose signed files are read here, by name."""
    from roadworthy_collector.relay import trust

    with call.engine.connect() as connection:
        return TrustedRelays.model_validate({"rows": trust.list_trusted(connection)})


@router.post("/trust", summary="Trust a relay's key", status_code=204, responses=documented(408, 413))
def add_trusted(call: Enroller, sent: NewTrusted) -> Response:
    """Read the files signed with a key. Have the key told to you by somebody you know, not by the file."""
    from roadworthy_collector.relay import trust

    with write_transaction(call.engine) as connection:
        trust.add(
            connection,
            sent.name,
            sent.public_key,
            now=call.at,
            site=sent.site,
            unit=sent.unit,
            every_days=sent.every_days,
            actor=call.actor,
        )
    return Response(status_code=204)


@router.post(
    "/trust/remove",
    summary="Trust a relay's key no more",
    status_code=204,
    responses=documented(404, 408, 413),
)
def remove_trusted(call: Enroller, sent: Named) -> Response:
    """Read no more files signed with its key; what was read stays."""
    from roadworthy_collector.relay import trust

    with write_transaction(call.engine) as connection:
        trust.remove(connection, sent.name, now=call.at, actor=call.actor)
    return Response(status_code=204)
