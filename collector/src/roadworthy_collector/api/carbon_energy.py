"""Energy and carbon of the IT estate: `roadworthy carbon energy` and `roadworthy carbon rebuild`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from roadworthy_collector.api.calls import PREFIX, Call, Limit, Sent, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.carbon import energy_day_shown, energy_due
from roadworthy_collector.carbon.behind import LIMIT, devices_behind
from roadworthy_collector.carbon.show import Asked, chosen_period, shown
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security.roles import Right
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["carbon"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Preparer = Annotated[Call, Depends(caller(Right.PREPARE_CARBON, everywhere=True))]
Year = Annotated[str, Query(max_length=12, description="2025/26 or 2025-09; the newest year if not said.")]
By = Literal["month", "quality", "place", "unit", "site", "class", "model"]
Key = Annotated[str, Query(max_length=256, pattern=r"^[^\x00]*$", description="`key` of a row.")]
UnitName = Annotated[
    str, Query(max_length=128, pattern=r"^[^\x00]*$", description="This unit and those below it.")
]


class EnergyFigures(BaseModel):
    """Energy at the wall in kWh with low and high, by how it is known, and what it emits.

    Null where no month of the period is in the ledger: not known is not nought. `unknown_hours` are of devices that should have told something, and are in no sum. `basis` says what the figure is, `how_sure` what low and high are worth. `without_agent`: devices nothing reports for, by class, in none of the other figures.
    """

    period: str
    complete: bool
    basis: str
    months_missing: list[str]
    months_open: list[str]
    made_at: int | None
    kwh: float | None
    low_kwh: float | None
    high_kwh: float | None
    by_quality: dict[str, dict[str, float | None]]
    devices: int | None
    device_days: int | None
    unknown_hours: float | None
    coverage_ratio: float | None
    emissions: dict[str, Any]
    by: str | None
    rows: list[dict[str, Any]]
    how_sure: list[str]
    without_agent: dict[str, Any]


class EnergyDay(BaseModel):
    """A local day's energy at the wall; `rows` by half-hour or group. Null where nothing was told of it."""

    date: str
    zone: str
    site: str | None
    device: str | None
    basis: str
    kwh: float | None
    low_kwh: float | None
    high_kwh: float | None
    by_quality: dict[str, dict[str, float | None]]
    devices: int | None
    device_days: int | None
    unknown_hours: float | None
    coverage_ratio: float | None
    spread_kwh: float | None
    even_kwh: float | None
    plug_lines: list[dict[str, Any]]
    by: str
    rows: list[dict[str, Any]]


class EnergyDevices(BaseModel):
    """The devices behind a figure, the most kWh first; restricted sites are left out."""

    period: str
    devices: int
    kwh: float
    rows: list[dict[str, Any]]


class Rebuild(Sent):
    """A month, or null for all."""

    month: str | None = Field(default=None, pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")


class Rebuilt(BaseModel):
    """The months that will be made anew."""

    months: list[str]


@router.get("/carbon/energy", summary="Energy and carbon of the IT estate", responses=documented(404))
def show_energy(
    call: Looker,
    year: Year | None = None,
    by: By = "month",
    unit: UnitName | None = None,
    rule: Literal["majority", "blended"] | None = None,
) -> EnergyFigures:
    """Show the energy of a financial year or month, by one dimension; of some units where the role holds for some."""
    asked = Asked(year, unit, rule, call.scope)
    with call.engine.connect() as connection:
        found = shown(connection, asked, now=call.now, zone=call.settings.reporting_timezone)
    return EnergyFigures.model_validate(found.told(by))


@router.get("/carbon/energy/day", summary="A day by half-hour, site or class", responses=documented(404))
def show_day(
    call: Looker,
    date: Annotated[dt.date, Query(description="A local day, such as 2026-10-25.")],
    by: energy_day_shown.By = "half-hour",
    site: Annotated[
        str | None, Query(max_length=128, pattern=r"^[^\x00]*$", description="This site alone.")
    ] = None,
    device: Annotated[
        str | None, Query(max_length=64, pattern=r"^[^\x00]*$", description="This device alone.")
    ] = None,
    reason: Annotated[str, Query(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")] = "",
) -> EnergyDay:
    """Show a local day and its 46, 48 or 50 half-hours, which add up to it to the joule.

    Of fewer than five devices, or device by device, it may be about one person: that takes the right to read a device's
    history and a reason, and goes on the record. `spread_kwh` of a half-hour is of devices that tell no half-hours: by
    the profile of their class, and where fewer than five devices make that one evenly, which is `even_kwh` of it. A
    half-hour nobody knows anything of has null.
    """
    asked = energy_day_shown.Asked(date, by, site, device, reason, call.scope)
    who = energy_day_shown.Who(call.actor, call.reader.may(Right.READ_DEVICE_HISTORY), waits=True)
    work = Work(call.engine, call.settings, clock=lambda: call.now, rests=False)
    return EnergyDay.model_validate(energy_day_shown.day(work, asked, who))


@router.get("/carbon/energy/devices", summary="The devices behind a figure", responses=documented())
def show_devices(
    call: Looker, year: Year | None = None, by: By | None = None, key: Key = "", limit: Limit = LIMIT
) -> EnergyDevices:
    """Show the devices of a row of `/carbon/energy`, or of all without `by`, with their kWh of the period."""
    with call.engine.connect() as connection:
        period = chosen_period(connection, year, now=call.now, zone=call.settings.reporting_timezone)
        found = devices_behind(connection, period, by, key, scope=call.scope, limit=limit)
    return EnergyDevices(period=period.label, devices=found.devices, kwh=found.kwh, rows=list(found.rows))


@router.post("/carbon/energy/rebuild", summary="Have months made anew", responses=documented(404, 408, 413))
def rebuild(call: Preparer, sent: Rebuild) -> Rebuilt:
    """Have the ledger's months made anew from the daily totals, on the record; the jobs process does it."""
    with write_transaction(call.engine) as connection:
        wanted = energy_due.ask(connection, sent.month, now=call.at, actor=call.actor)
    if sent.month and not wanted:
        raise NotFoundError(f"the ledger has no month {sent.month}")
    return Rebuilt(months=wanted)
