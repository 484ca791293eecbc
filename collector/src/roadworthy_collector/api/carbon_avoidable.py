"""Avoidable electricity and the shift calendars: `roadworthy carbon avoidable` and `roadworthy carbon shifts`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, StringConstraints

from roadworthy_collector.api.calls import PREFIX, Call, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.carbon import avoidable_show, shifts, shifts_try
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["carbon"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Whole = Annotated[Call, Depends(caller(Right.READ_ESTATE, everywhere=True))]
Preparer = Annotated[Call, Depends(caller(Right.PREPARE_CARBON, everywhere=True))]
Text = Annotated[str, StringConstraints(min_length=1, max_length=60_000, pattern=r"^[^\x00]*$")]
Kind = Literal["unused_on", "sleep_fails", "out_of_family", "idle_server"]


class Avoidable(BaseModel):
    """Avoidable electricity of 28 whole local days by kind and site: kWh first, pounds where a price is stated.

    `told_days` of the `days` have half-hours; unused time of the others is not counted. `total` is unused-on time and idle servers; where sleep fails is a part of the first, out of family beside it.
    `prices`: pence a kWh of each open site and where it is from; `pence_per_kwh` is what the shift calendars state, for
    sites no supply with a tariff feeds. `suppressed`: kinds not shown because fewer than five devices tell them. `not_known`: kinds no device told enough for, which
    is not nought; `total` is null where neither of its kinds is known. `untold` tell no half-hours.
    """

    first: str
    last: str
    told_days: int
    days: int
    made_at: int
    untold: int | None
    must_be_on: int | None
    no_watts: int | None
    no_profile: int | None
    calendar: dict[str, Any]
    pence_per_kwh: float | None
    prices: list[dict[str, Any]]
    factor_set: str | None
    internal_price: dict[str, str | float] | None
    suppressed: list[str]
    not_known: list[str]
    kinds: dict[str, dict[str, float | None]]
    total: dict[str, float | None]
    rows: list[dict[str, Any]]


class AvoidableDevices(BaseModel):
    """Devices with what is avoidable of each, the most kWh first; restricted sites are left out."""

    rows: list[dict[str, Any]]


class ShiftsShown(BaseModel):
    """The shift calendars in force, TOML; `made_at` null while nobody has saved any and they are ours."""

    content: str
    digest: str
    made_at: int | None
    made_by: str


class ShiftsEdited(Sent):
    """A text to try or to put in force."""

    content: Text


class ShiftsSaved(BaseModel):
    """Whether it is new; false where the same was in force."""

    new: bool


class ShiftsTried(BaseModel):
    """Hours of work a week at each site, now and then."""

    digest: str
    changes: bool
    pence_per_kwh: float | None
    unknown_sites: list[str]
    unknown_units: list[str]
    sites: list[dict[str, Any]]


@router.get("/carbon/avoidable", summary="Avoidable electricity by site", responses=documented(404))
def show_avoidable(call: Looker) -> Avoidable:
    """Show what was avoidable; sites with fewer than five devices are in `other` for a role without small groups."""
    with call.engine.connect() as connection:
        found = avoidable_show.overview(
            connection, scope=call.scope, small_groups=call.reader.sees_small_groups
        )
    if found is None:
        raise NotFoundError("nothing is worked out yet: the jobs process does it daily")
    return Avoidable.model_validate(found)


@router.get("/carbon/avoidable/devices", summary="The devices behind it", responses=documented(404))
def show_devices(
    call: Looker,
    kind: Kind | None = None,
    site: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$", description="`key` of a row.")] = None,
) -> AvoidableDevices:
    """Show the devices; how little one is used may be about one person and needs a role that sees small groups."""
    with call.engine.connect() as connection:
        rows = avoidable_show.device_rows(
            connection, kind, site, scope=call.scope, small_groups=call.reader.sees_small_groups
        )
    return AvoidableDevices(rows=rows)


@router.get("/carbon/shifts", summary="The shift calendars in force", responses=documented())
def show_shifts(call: Whole) -> ShiftsShown:
    """Show when people work at each site, TOML."""
    with call.engine.connect() as connection:
        found, edition = shifts.current(connection)
    return ShiftsShown(digest=found.digest, **edition._asdict())


@router.post("/carbon/shifts/try", summary="Try shift calendars", responses=documented(408, 413))
def try_shifts(call: Preparer, sent: ShiftsEdited) -> ShiftsTried:
    """Say what shift calendars mean, changing nothing."""
    with call.engine.connect() as connection:
        return ShiftsTried.model_validate(shifts_try.try_text(connection, sent.content))


@router.put("/carbon/shifts", summary="Put shift calendars in force", responses=documented(408, 413))
def save_shifts(call: Preparer, sent: ShiftsEdited) -> ShiftsSaved:
    """Put shift calendars in force, on the record."""
    with write_transaction(call.engine) as connection:
        return ShiftsSaved(new=shifts.save(connection, sent.content, now=call.at, actor=call.actor))
