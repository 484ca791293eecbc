"""A table in the shape of SECR (streamlined energy and carbon reporting) for one financial year.

Public bodies are not required to report under SECR as organisations; the shape is offered because readers know it.
Scope 2 is generation only, in CO2e, location-based always and market-based beside it where a contract's factor is
given. Losses of transmission and distribution, and well-to-tank, are scope 3 and never in scope 2. The total is of
the mandatory rows. Source: Environmental Reporting Guidelines, March 2019, chapter 2 and Annex F,
https://www.gov.uk/government/publications/environmental-reporting-guidelines-including-mandatory-greenhouse-gas-emissions-reporting-guidance
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.factor_rules import Resolved, Rule, added, resolve, set_name
from roadworthy_inventory.carbon.factors import ITEMS, FactorBook, Item
from roadworthy_inventory.carbon.quantities import Co2e, QuantityError, emitted, kwh
from roadworthy_inventory.carbon.years import require_begun, year_days

Presence = Literal["mandatory", "optional"]


@dataclass(frozen=True, slots=True)
class ContractFactor:
    """What an electricity contract emits, for the market-based row: kgCO2e per kWh, and the paper that says so."""

    kgco2e_per_kwh: Fraction
    source: str

    def __post_init__(self) -> None:
        if not 0 <= self.kgco2e_per_kwh < 5 or not self.source.strip():
            raise QuantityError("a contract's factor is 0 to 5 kgCO2e/kWh and names the paper that says so")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecrInputs:
    """What a year's table is made of; None where it was not counted, which is not nought.

    Energy in kWh; `home_kwh` the homeworkers' devices; transport and business travel as tCO2e from elsewhere.
    """

    electricity_kwh: Fraction
    gas_kwh: Fraction | None = None
    home_kwh: Fraction | None = None
    transport_tco2e: Fraction | None = None
    business_travel_tco2e: Fraction | None = None
    contract: ContractFactor | None = None
    staff_fte: Fraction | None = None
    devices: int | None = None
    spend_gbp_m: Fraction | None = None

    def __post_init__(self) -> None:
        kwh(self.electricity_kwh, "electricity")
        for name in ("gas_kwh", "home_kwh", "transport_tco2e", "business_travel_tco2e"):
            if (value := getattr(self, name)) is not None:
                kwh(value, name)
        for name in ("staff_fte", "devices", "spend_gbp_m"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise QuantityError(f"{name} is {value}; a ratio needs more than nought")


@dataclass(frozen=True, slots=True)
class SecrRow:
    """One row: `value` exact in `unit`, None with its `reason`. `scope` 1, 2 or 3, None for energy and ratios."""

    name: str
    title: str
    presence: Presence
    scope: int | None
    unit: str
    value: Fraction | None
    reason: str | None
    factor: Resolved | None = None


@dataclass(frozen=True, slots=True)
class SecrTable:
    """A year's rows. `may_be_issued` false while a factor is provisional: `provisional` names them."""

    began: int
    rule: Rule
    factor_set: str
    rows: tuple[SecrRow, ...]
    provisional: tuple[str, ...]

    @property
    def year(self) -> str:
        """The financial year as people write it."""
        return financial_year_label(self.began)

    @property
    def may_be_issued(self) -> bool:
        """Whether every factor is read from its official source."""
        return not self.provisional

    def row(self, name: str) -> SecrRow:
        """Return the row of that name; KeyError where there is none."""
        for one in self.rows:
            if one.name == name:
                return one
        raise KeyError(name)


def _by_factor(used: Fraction, found: Resolved) -> tuple[Fraction | None, str | None]:
    """Return tonnes, or None and why there is no factor."""
    if found.value is None:
        return None, found.reason
    return emitted(Co2e, used, found.value).tonnes, None


class _Maker:
    def __init__(self, book: FactorBook, began: int, rule: Rule, inputs: SecrInputs) -> None:
        first, last = year_days(began)
        self.inputs = inputs
        self.found: dict[Item, Resolved] = {item: resolve(book, item, first, last, rule) for item in ITEMS}
        self.used: list[Resolved] = []

    def tonnes(
        self, name: str, title: str, presence: Presence, scope: int, used: Fraction | None, *items: Item
    ) -> SecrRow:
        if used is None:
            return SecrRow(name, title, presence, scope, "tCO2e", None, "not counted")
        self.used += [self.found[item] for item in items]
        found = self.found[items[0]]
        for item in items[1:]:
            found = added(found, self.found[item])
        value, reason = _by_factor(used, found)
        return SecrRow(name, title, presence, scope, "tCO2e", value, reason, found)

    @staticmethod
    def given(
        name: str, title: str, presence: Presence, scope: int | None, unit: str, value: Fraction | None
    ) -> SecrRow:
        return SecrRow(
            name, title, presence, scope, unit, value, None if value is not None else "not counted"
        )

    def mandatory(self) -> list[SecrRow]:
        given = self.inputs
        if given.gas_kwh is not None:
            self.found["gas_gross"].require()
        self.found["generation"].require()
        energy = given.electricity_kwh + (given.gas_kwh or 0)
        return [
            self.given("energy", "Energy used to calculate emissions", "mandatory", None, "kWh", energy),
            self.tonnes("scope1_gas", "Combustion of gas", "mandatory", 1, given.gas_kwh, "gas_gross"),
            self.given(
                "scope1_transport", "Fuel for transport", "mandatory", 1, "tCO2e", given.transport_tco2e
            ),
            self.given(
                "scope3_business_travel",
                "Business travel in hire or own cars",
                "mandatory",
                3,
                "tCO2e",
                given.business_travel_tco2e,
            ),
            self.tonnes(
                "scope2_location",
                "Purchased electricity, location-based",
                "mandatory",
                2,
                given.electricity_kwh,
                "generation",
            ),
        ]

    def optional(self) -> list[SecrRow]:
        given, used = self.inputs, self.inputs.electricity_kwh
        contract = given.contract
        market = None if contract is None else used * contract.kgco2e_per_kwh / 1000
        reason = "no contract's factor was given" if contract is None else None
        rows = [
            SecrRow(
                "scope2_market", "Purchased electricity, market-based", "optional", 2, "tCO2e", market, reason
            )
        ]
        for name, title, item in (
            ("scope3_td", "Losses of transmission and distribution", "transmission_distribution"),
            ("scope3_wtt_generation", "Well-to-tank of generation", "wtt_generation"),
            ("scope3_wtt_td", "Well-to-tank of losses", "wtt_transmission_distribution"),
        ):
            rows.append(self.tonnes(name, title, "optional", 3, used, _item(item)))
        rows.append(
            self.tonnes(
                "scope3_homeworking",
                "Devices used at home, electricity and its losses",
                "optional",
                3,
                given.home_kwh,
                "generation",
                "transmission_distribution",
            )
        )
        return rows


def _item(name: str) -> Item:
    return next(one for one in ITEMS if one == name)


def _ratios(total: Fraction, inputs: SecrInputs) -> list[SecrRow]:
    found = []
    for name, title, unit, by in (
        ("intensity_fte", "Per full-time equivalent", "tCO2e/FTE", inputs.staff_fte),
        ("intensity_device", "Per device", "tCO2e/device", inputs.devices),
        ("intensity_gbp_m", "Per million pounds of spend", "tCO2e/GBP m", inputs.spend_gbp_m),
    ):
        value = None if by is None else total / by
        found.append(
            SecrRow(name, title, "mandatory", None, unit, value, None if by is not None else "not counted")
        )
    return found


def table(book: FactorBook, began: int, rule: Rule, inputs: SecrInputs, *, today: date) -> SecrTable:
    """Return the table of the financial year that begins in `began`.

    Raises YearError for a year not begun on `today`, MissingFactorError where a mandatory row has no factor; an
    optional row without one says why. At least one of the three ratios is what the format asks for.
    """
    require_begun(began, today)
    maker = _Maker(book, began, rule, inputs)
    mandatory, optional = maker.mandatory(), maker.optional()
    gross = sum(
        (one.value for one in mandatory if one.unit == "tCO2e" and one.value is not None), Fraction(0)
    )
    total = SecrRow(
        "gross", "Total gross emissions of the mandatory rows", "mandatory", None, "tCO2e", gross, None
    )
    provisional = sorted({set_name(one) for one in maker.used if one.provisional})
    rows = (*mandatory, total, *_ratios(gross, inputs), *optional)
    return SecrTable(began, rule, set_name(maker.found["generation"]), rows, tuple(provisional))


def scope3_of_electricity(found: SecrTable, names: Sequence[str]) -> tuple[Fraction | None, str | None]:
    """Return the sum of some rows in tCO2e, or None and why as soon as one is missing: a part is no whole."""
    total = Fraction(0)
    for name in names:
        row = found.row(name)
        if row.value is None:
            return None, row.reason
        total += row.value
    return total, None
