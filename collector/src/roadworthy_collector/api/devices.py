"""Devices: `roadworthy devices`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from roadworthy_collector.api.calls import (
    PREFIX,
    Call,
    DeviceId,
    Limit,
    PlaceName,
    Reason,
    RowCursor,
    Sent,
    caller,
    one_line,
)
from roadworthy_collector.api.errors import documented
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security import erasure, tokens
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import device_list
from roadworthy_collector.store.queries import devices as queries
from roadworthy_collector.store.queries.device_identity import (
    Chosen,
    UsageProfile,
    ask_rotation,
    set_profile,
)

router = APIRouter(prefix=PREFIX, tags=["devices"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_DEVICES))]
Eraser = Annotated[Call, Depends(caller(Right.ERASE_DEVICES))]
Search = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(one_line)]


class Device(BaseModel):
    """A device as a list shows it; times in UTC epoch seconds, null where it is not known."""

    device_id: str
    hostname: str | None
    asset_tag: str | None
    serial: str | None
    vendor: str | None
    model: str | None
    device_class: str
    platform: str | None
    os_name: str | None
    os_version: str | None
    agent_version: str | None
    usage_profile: str
    site: str
    unit: str
    state: device_list.State
    enrolled_at: int
    last_report_at: int | None
    retired_at: int | None
    relayed_by: str | None
    cloned_from: str | None


class DeviceFacts(Device):
    """A device with its facts as its agent told them."""

    environment: str
    facts: dict[str, Any] | None
    facts_at: int | None


class Devices(BaseModel):
    """A page of devices, by age of enrolment. It may hold fewer rows than asked for; only `next` null is the end."""

    rows: list[Device]
    next: int | None


class Revocation(Sent):
    """What the agent is told."""

    re_enrol: bool = Field(default=False, description="Enrol again, instead of stopping.")


class Erasure(Sent):
    """Why a device is erased; it goes on the record."""

    reason: Reason


class Choice(Sent):
    """Devices in service: one by its id, those of a site, those of a unit, or all. Exactly one of these."""

    device_id: DeviceId | None = None
    site: PlaceName | None = None
    unit: PlaceName | None = None
    everything: Annotated[bool, Field(alias="all")] = False

    @model_validator(mode="after")
    def _one_way(self) -> Choice:
        ways = (self.device_id is not None, self.site is not None, self.unit is not None, self.everything)
        if sum(ways) != 1:
            message = "say exactly one of device_id, site, unit and all"
            raise ValueError(message)
        return self

    def chosen(self) -> Chosen:
        """Return which devices are meant."""
        return Chosen(self.device_id, self.site, self.unit)


class Profiled(Choice):
    """Devices, and who uses them."""

    usage_profile: UsageProfile


class Changed(BaseModel):
    """How many devices were meant."""

    devices: int


class Accepted(BaseModel):
    """What follows within seconds."""

    device_id: str
    state: str = Field(description="erasing: retired and without tokens; its facts go within seconds.")


@router.get("/devices", summary="Devices, page by page", responses=documented())
def list_devices(  # noqa: PLR0913 - each is a filter
    call: Looker,
    *,
    site: PlaceName | None = None,
    unit: PlaceName | None = None,
    state: device_list.State | None = None,
    device_class: Annotated[str | None, Query(pattern=r"^[a-z_]{1,16}$")] = None,
    usage_profile: UsageProfile | None = None,
    search: Annotated[
        Search | None, Query(description="A whole device id, host name, serial number or asset tag.")
    ] = None,
    restricted: Annotated[
        bool, Query(description="Those at restricted sites too, for whoever manages sites.")
    ] = False,
    after: RowCursor = 0,
    limit: Limit = 100,
) -> Devices:
    """List devices within the caller's units, retired ones too. Restricted sites are left out unless asked for."""
    wanted = device_list.Wanted(
        site, unit, state, device_class, usage_profile, search, restricted and call.sees_restricted
    )
    interval = call.settings.report_interval_seconds
    with call.engine.connect() as connection:
        page = device_list.read_page(
            connection, wanted, now=call.now, interval_seconds=interval, scope=call.scope,
            after=after, limit=limit,
        )  # fmt: skip
    return Devices.model_validate(page._asdict())


@router.get("/devices/{device_id}", summary="One device", responses=documented(404))
def show_device(call: Looker, device_id: DeviceId) -> DeviceFacts:
    """Tell of a device and its facts, but not its history."""
    interval = call.settings.report_interval_seconds
    with call.engine.connect() as connection:
        row = device_list.read_one(
            connection, device_id, now=call.now, interval_seconds=interval, scope=call.scope,
            restricted=call.sees_restricted,
        )  # fmt: skip
    return DeviceFacts.model_validate(row)


@router.post(
    "/devices/{device_id}/retire", summary="Retire a device", status_code=204, responses=documented(404)
)
def retire_device(call: Keeper, device_id: DeviceId) -> Response:
    """End its tokens; its facts stay. 404 for one that is retired already."""
    with write_transaction(call.engine) as connection:
        device_list.require(connection, device_id, scope=call.scope, restricted=call.sees_restricted)
        if not queries.retire(connection, device_id, now=call.at, actor=call.actor):
            raise NotFoundError(f"{device_id}: no device of that id is in service")
    return Response(status_code=204)


@router.post(
    "/devices/{device_id}/revoke",
    summary="Revoke a device's tokens",
    status_code=204,
    responses=documented(404, 408, 413),
)
def revoke_device(call: Keeper, device_id: DeviceId, sent: Revocation) -> Response:
    """Refuse its tokens, on every process within five seconds. 404 where none is in force."""
    reason = "re_enrol" if sent.re_enrol else "revoked"
    with write_transaction(call.engine) as connection:
        device_list.require(connection, device_id, scope=call.scope, restricted=call.sees_restricted)
        if not tokens.revoke_device(connection, device_id, reason=reason, now=call.at, actor=call.actor):
            raise NotFoundError(f"{device_id}: no device of that id has a token in force")
    return Response(status_code=204)


@router.post(
    "/devices/{device_id}/erase",
    summary="Erase a device",
    status_code=202,
    responses=documented(404, 408, 409, 413),
)
def erase_device(call: Eraser, device_id: DeviceId, sent: Erasure) -> Accepted:
    """Retire it and take its tokens at once; the jobs process deletes what tells of it within seconds. For good.

    Its energy stays in its sites' sums. 409 for a device under a legal hold.
    """
    with write_transaction(call.engine) as connection:
        device_list.require(connection, device_id, scope=call.scope, restricted=call.sees_restricted)
        erasure.begin(
            connection, device_id, reason=sent.reason, now=call.at, actor=call.actor, scope=call.scope
        )
    return Accepted(device_id=device_id, state="erasing")


@router.post("/devices/rotate", summary="Replace devices' tokens", responses=documented(404, 408, 413))
def rotate_tokens(call: Keeper, sent: Choice) -> Changed:
    """Give devices another token with their next calls; the old one holds until the new one was used."""
    with write_transaction(call.engine) as connection:
        count = ask_rotation(connection, sent.chosen(), now=call.at, actor=call.actor, scope=call.scope)
    return _some(count)


@router.post("/devices/profile", summary="Say who uses devices", responses=documented(404, 408, 413))
def set_usage_profile(call: Keeper, sent: Profiled) -> Changed:
    """Decide by it whether they may tell of their use by the half-hour, the day or not at all."""
    with write_transaction(call.engine) as connection:
        count = set_profile(
            connection, sent.chosen(), sent.usage_profile, now=call.at, actor=call.actor, scope=call.scope
        )
    return _some(count)


def _some(count: int) -> Changed:
    if not count:
        raise NotFoundError("no device in service is meant")
    return Changed(devices=count)
