"""Carbon of so many kilowatt-hours: `roadworthy carbon`. Calculators: nothing is kept, and only factor sets are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from roadworthy_collector.api.calls import PREFIX, Call, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.carbon import crc_rate_store, factor_store
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.roles import Right
from roadworthy_inventory.carbon.answers import CrcAsked, crc_answer, factors_answer, secr_answer
from roadworthy_inventory.carbon.bridge_answer import bridge_answer
from roadworthy_inventory.carbon.crc_rates import RateBook
from roadworthy_inventory.carbon.factors import FactorBook
from roadworthy_inventory.carbon.quantities import CarbonError

router = APIRouter(prefix=PREFIX, tags=["carbon"])
Looker = Annotated[Call, Depends(caller(Right.READ_ESTATE))]
Year = Annotated[str, Query(max_length=12, description="A financial year, such as 2016/17.")]
Energy = Annotated[str, Query(max_length=40, description="kWh, or with a unit: 1.2 MWh, 3 GWh.")]


class CarbonSource(BaseModel):
    """A factor or price an answer rests on; `value` null where it is missing, and `note` why."""

    of: str
    what: str
    value: float | None
    unit: str
    status: str
    note: str
    published: str | None
    source: str
    as_of: str
    days: int | None = None


class CrcFigures(BaseModel):
    """What `roadworthy carbon crc --format json` prints; tonnes of CO2, never CO2e. Notional: the scheme has ended.

    `price_gbp` and `cost_gbp` are null with a reason where sources differ or there was no sale.
    """

    year: str
    phase: int
    notional: str
    factor_kgco2_per_kwh: float | None
    tco2: int
    tco2_unrounded: float
    allowances: int | None
    rounding: str
    sale: str
    price_gbp: float | None
    price_candidates_gbp: list[float]
    price_reason: str | None
    cost_gbp: float | None
    cost_low_gbp: float | None
    cost_high_gbp: float | None
    gas_below_de_minimis: bool
    de_minimis_applied: bool
    supplies: list[dict[str, Any]]
    subtotals: list[dict[str, Any]]
    sources: list[CarbonSource]


class SecrFigures(BaseModel):
    """What `roadworthy carbon secr --format json` prints; a figure without a factor is null, and `reasons` says why."""

    year: str
    rule: str
    factor_set: str
    electricity_kwh: float
    gas_kwh: float | None
    scope1_gas_kgco2e: float | None
    scope2_location_kgco2e: float | None
    scope3_td_kgco2e: float | None
    scope3_wtt_kgco2e: float | None
    scope3_wtt_generation_kgco2e: float | None
    scope3_wtt_td_kgco2e: float | None
    reasons: dict[str, str]
    may_be_issued: bool
    provisional: list[str]
    sources: list[CarbonSource]


class CarbonBridge(BaseModel):
    """What `roadworthy carbon bridge --format json` prints: `crc_tco2` and all steps are `secr_scope2_tco2e`.

    After the scheme's last year its rates are taken, `crc_rates`.
    """

    year: str
    notional: str
    crc_rates: str
    factor_set: str
    rule: str
    electricity_kwh: float
    crc_tco2: int
    steps: list[dict[str, Any]]
    secr_scope2_tco2e: float
    secr_scope3_losses_tco2e: float | None


class CarbonFactors(BaseModel):
    """Factors and prices, each with its source."""

    rows: list[CarbonSource]


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except CarbonError as error:
        raise RoadworthyError(str(error)) from None


def _today(call: Call) -> date:
    return datetime.fromtimestamp(call.now, ZoneInfo(call.settings.reporting_timezone)).date()


def _rates(call: Call) -> RateBook:
    with call.engine.connect() as connection:
        return crc_rate_store.rates(connection)


def _book(call: Call) -> FactorBook:
    with call.engine.connect() as connection:
        return factor_store.book(connection)


@router.get("/carbon/crc", summary="A CRC year's figures", responses=documented())
def work_out_crc(  # noqa: PLR0913 - one argument a parameter of the query
    call: Looker,
    year: Year,
    electricity_kwh: Energy | None = None,
    gas_kwh: Energy | None = None,
    estimated_electricity_kwh: Energy | None = None,
    estimated_gas_kwh: Energy | None = None,
    onsite_kwh: Energy | None = None,
    sale: Literal["compliance", "forecast"] | None = None,
    *,
    apply_de_minimis: bool = False,
) -> CrcFigures:
    """Work out tonnes and cost of supplies given in kWh: estimated ones emit 10 % more, all are added before rounding."""
    asked = CrcAsked(
        year=year,
        electricity=electricity_kwh,
        gas=gas_kwh,
        estimated_electricity=estimated_electricity_kwh,
        estimated_gas=estimated_gas_kwh,
        onsite=onsite_kwh,
        sale=sale,
        apply_de_minimis=apply_de_minimis,
    )
    with _refused():
        return CrcFigures.model_validate(crc_answer(asked, _rates(call)))


@router.get("/carbon/secr", summary="A year's figures in the shape of SECR", responses=documented())
def work_out_secr(
    call: Looker,
    year: Year,
    rule: Literal["majority", "blended"],
    electricity_kwh: Energy,
    gas_kwh: Energy | None = None,
) -> SecrFigures:
    """Work out scope 2 of purchased electricity, location-based, with losses and well-to-tank apart in scope 3."""
    with _refused():
        found = secr_answer(year, rule, electricity_kwh, gas=gas_kwh, today=_today(call), book=_book(call))
        return SecrFigures.model_validate(found)


@router.get("/carbon/bridge", summary="From CRC to SECR for the same electricity", responses=documented())
def show_bridge(
    call: Looker,
    year: Year,
    rule: Literal["majority", "blended"],
    electricity_kwh: Energy,
    estimated_electricity_kwh: Energy | None = None,
) -> CarbonBridge:
    """Show step by step why one electricity has two tonnages; the steps add up exactly."""
    with _refused():
        found = bridge_answer(
            year,
            rule,
            electricity_kwh,
            estimated=estimated_electricity_kwh,
            today=_today(call),
            book=_book(call),
            crc_rates=_rates(call),
        )
        return CarbonBridge.model_validate(found)


@router.get("/carbon/factors", summary="Conversion factors and CRC rates", responses=documented())
def list_factors(
    call: Looker,
    year: Annotated[str | None, Query(max_length=12, description="2024 or 2024/25; all if not said.")] = None,
) -> CarbonFactors:
    """List every factor and price held, of one factor set or financial year or all, and what is missing."""
    with _refused():
        return CarbonFactors.model_validate(
            {"rows": factors_answer(year, today=_today(call), book=_book(call), rates=_rates(call))}
        )
