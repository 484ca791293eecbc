"""Returns out of the collector's own data: the shape of SECR, a "GGC-style" ICT return, Scotland's columns.

Organisation figures rest on supply meters; what agents tell is an allocation inside the billed total. Without a meter
reading the table is of ICT alone and says so. What the organisation tells of itself comes from the carbon settings,
and what nobody told is "not counted", never nought. Amounts are exact.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from sqlalchemy import Connection

from roadworthy_collector.carbon import estate, factor_store, market, settings_edition, supplies
from roadworthy_collector.carbon.settings_text import CarbonSettings
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.carbon.factors import FactorBook
from roadworthy_inventory.carbon.market import market_of
from roadworthy_inventory.carbon.quantities import CarbonError, Co2e
from roadworthy_inventory.carbon.secr import ContractFactor, SecrInputs, SecrTable, table
from roadworthy_inventory.carbon.secr_baseline import PriorYear, Progress, Target, progress

Basis = Literal["billed", "ict"]
BASIS_WORDS = {
    "billed": "the organisation's supplies as its meters told; agents' kWh is an allocation inside the billed total",
    "ict": "ICT alone, as agents told: no supply has a reading in this year, so this is not the organisation's total",
}
_OWN_PLACES = ("force", "data_centre", "unknown")


@dataclass(frozen=True, slots=True)
class Metered:
    """What the supplies' meters told of a year: kWh by fuel, None where no supply of that fuel has a reading.

    `missing_half_hours` of `expected_half_hours` have no figure, so the kWh are less than was used.
    """

    electricity_kwh: Fraction | None
    gas_kwh: Fraction | None
    estimated_kwh: Fraction
    onsite_kwh: Fraction
    supplies: int
    missing_half_hours: int
    expected_half_hours: int


@dataclass(frozen=True, slots=True)
class TargetStanding:
    """A target with where the year stands on the way to it."""

    target: Target
    progress: Progress


@dataclass(frozen=True, slots=True)
class SecrReturn:
    """A year's table with what stands beside it.

    `prior`: the year before worked out by today's method, None where nothing is held of it; `published`: what was
    published for it, with why the two compare or do not; `prior_says` is the sentence for the reader. `notes`: what
    a reader must know, such as places nobody stated. `settings_digest` names the edition of the carbon settings.
    """

    basis: Basis
    table: SecrTable
    inputs: SecrInputs
    metered: Metered
    prior: SecrTable | None
    published: PriorYear | None
    prior_says: str
    targets: tuple[TargetStanding, ...]
    boundary: str | None
    settings_digest: str
    notes: tuple[str, ...]


def secr(
    connection: Connection, began: int, *, today: dt.date, zone: str, basis: Basis | None = None
) -> SecrReturn:
    """Return the table of the financial year that begins in `began`, of the whole IT estate.

    `basis` None: billed where a supply has a reading, else ICT alone. RoadworthyError where no factor rule was
    chosen, the year has not begun, a mandatory factor is missing, or the basis asked for has no data.
    """
    said = settings_edition.settings(connection)
    book = factor_store.book(connection)
    metered = metered_of(connection, began, today=today, zone=zone)
    chosen = basis or ("billed" if metered.electricity_kwh is not None else "ict")
    try:
        inputs, notes = _inputs(connection, began, said, book, metered, chosen)
        found = table(book, began, said.require_rule(), inputs, today=today)
        prior = _prior_table(connection, began - 1, said, book, chosen, zone, today)
    except CarbonError as error:
        raise RoadworthyError(str(error)) from None
    published, says = _beside(said, began - 1, prior, chosen)
    return SecrReturn(
        basis=chosen,
        table=found,
        inputs=inputs,
        metered=metered,
        prior=prior,
        published=published,
        prior_says=says,
        targets=_standings(said, found) if chosen == "billed" else (),
        boundary=said.boundary,
        settings_digest=said.digest,
        notes=notes,
    )


def metered_of(connection: Connection, began: int, *, today: dt.date, zone: str) -> Metered:
    """Return what the meters told of the financial year that begins in `began`."""
    held = supplies.crc_supplies(connection, began, zone=zone, today=today, restricted=True)
    rows = [one for one in held if one.has_reading]
    grid = [one for one in rows if one.fuel == "electricity_grid"]
    gas = [one for one in rows if one.fuel == "gas"]
    onsite = [one for one in rows if one.fuel == "electricity_onsite"]
    return Metered(
        electricity_kwh=sum((one.kwh for one in grid), Fraction(0)) if grid else None,
        gas_kwh=sum((one.kwh for one in gas), Fraction(0)) if gas else None,
        estimated_kwh=sum((one.estimated_kwh for one in rows), Fraction(0)),
        onsite_kwh=sum((one.kwh for one in onsite), Fraction(0)),
        supplies=len(rows),
        missing_half_hours=sum(one.missing_half_hours for one in rows),
        expected_half_hours=sum(one.expected_half_hours for one in rows),
    )


def _inputs(
    connection: Connection,
    began: int,
    said: CarbonSettings,
    book: FactorBook,
    metered: Metered,
    basis: Basis,
) -> tuple[SecrInputs, tuple[str, ...]]:
    held = estate.read(connection, estate.financial_year(began))
    home = held.energy_at("home")
    told = said.of_year(began)
    notes: list[str] = []
    contract = None
    if basis == "billed":
        if metered.electricity_kwh is None:
            raise RoadworthyError(
                "no supply of electricity has a reading in this year; import its meters' files"
            )
        electricity = metered.electricity_kwh
        contract = _contract(connection, began, said, book, electricity)
        if metered.missing_half_hours:
            notes.append(
                f"{metered.missing_half_hours:,} of {metered.expected_half_hours:,} half-hours have no figure: more "
                "was used than the meters told"
            )
    else:
        electricity = sum((held.energy_at(place).kwh for place in _OWN_PLACES), Fraction(0))
        notes += _ict_notes(held)
    return SecrInputs(
        electricity_kwh=electricity,
        gas_kwh=metered.gas_kwh if basis == "billed" else None,
        home_kwh=home.kwh if home.days else None,
        transport_tco2e=told.transport_tco2e if basis == "billed" else None,
        business_travel_tco2e=told.business_travel_tco2e if basis == "billed" else None,
        contract=contract,
        staff_fte=told.fte,
        devices=held.total.devices or None,
        spend_gbp_m=told.revenue_gbp_m,
    ), tuple(notes)


def _contract(
    connection: Connection, began: int, said: CarbonSettings, book: FactorBook, electricity: Fraction
) -> ContractFactor | None:
    rest = market.residual(said, book, began, said.require_rule())
    made = market_of(electricity, market.covered(connection, began, said), rest)
    return None if made is None else made.factor()


def _ict_notes(held: estate.Estate) -> list[str]:
    notes = []
    unknown = held.energy_at("unknown")
    if unknown.whole_joules:
        notes.append(
            f"{float(unknown.kwh):,.0f} kWh were used where nobody stated the place; they are counted as on own sites"
        )
    for place, title in (("partner", "landlords' and partners' sites"), ("vehicle", "vehicles")):
        energy = held.energy_at(place)
        if energy.whole_joules:
            notes.append(f"{float(energy.kwh):,.0f} kWh in {title} are not in scope 2 and left out here")
    if not held.complete:
        notes.append("not every month of the year is there and closed; the figures will grow")
    return notes


def _prior_table(
    connection: Connection,
    began: int,
    said: CarbonSettings,
    book: FactorBook,
    basis: Basis,
    zone: str,
    today: dt.date,
) -> SecrTable | None:
    metered = metered_of(connection, began, today=today, zone=zone)
    if basis == "billed" and metered.electricity_kwh is None:
        return None
    if basis == "ict" and not estate.read(connection, estate.financial_year(began)).total.days:
        return None
    inputs, _ = _inputs(connection, began, said, book, metered, basis)
    return table(book, began, said.require_rule(), inputs, today=today)


def gross(found: SecrTable) -> Co2e:
    """Return the total of the mandatory rows."""
    value = found.row("gross").value
    return Co2e((value or Fraction(0)) * 1000)


def _beside(
    said: CarbonSettings, began: int, prior: SecrTable | None, basis: Basis
) -> tuple[PriorYear | None, str]:
    told = said.of_year(began)
    if basis == "ict" or told.published_tco2e is None:
        if prior is None:
            return None, "Nothing is held of the year before."
        return (
            None,
            "The year before is worked out here by this year's method; no published figure is held of it.",
        )
    restated = gross(prior) if prior is not None and told.not_comparable else None
    year = PriorYear(began, Co2e(told.published_tco2e * 1000), restated, told.not_comparable)
    return year, year.mark or "The year before is as it was published."


def _standings(said: CarbonSettings, found: SecrTable) -> tuple[TargetStanding, ...]:
    base = said.base_year
    if base is None or found.began < base.began:
        return ()
    return tuple(
        TargetStanding(one, progress(base, one, found.began, gross(found)))
        for one in said.targets
        if one.by_began > base.began
    )


def rows_told(found: SecrTable, prior: SecrTable | None) -> Sequence[dict[str, object]]:
    """Return the rows as JSON says them, the year before beside each; numbers for reading, exact ones are in the table."""
    return [
        {
            "row": one.name,
            "title": one.title,
            "presence": one.presence,
            "scope": one.scope,
            "unit": one.unit,
            "value": None if one.value is None else float(one.value),
            "reason": one.reason,
            "year_before": None if prior is None else _float(prior.row(one.name).value),
        }
        for one in found.rows
    ]


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
