"""CRC emission factors and allowance prices by compliance year (`data/crc_rates.csv`), conflicts kept as conflicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cache
from typing import Literal

from roadworthy_inventory import tables
from roadworthy_inventory.calendar import CRC_FIRST_YEAR, CRC_LAST_YEAR, financial_year_label
from roadworthy_inventory.carbon.quantities import MissingFactorError
from roadworthy_inventory.carbon.years import parse_year, require_crc_year

_FILE = "crc_rates.csv"
_COLUMNS = ("compliance_year", "item", "value", "unit", "status", "note", "source", "as_of")
Fuel = Literal["electricity_grid", "electricity_onsite", "gas"]
Sale = Literal["compliance", "forecast"]
FUELS: tuple[Fuel, ...] = ("electricity_grid", "electricity_onsite", "gas")
FUEL_WORDS: Mapping[Fuel, str] = {
    "electricity_grid": "electricity from the grid",
    "electricity_onsite": "electricity made on site",
    "gas": "gas for heating, gross calorific value",
}
SALE_WORDS: Mapping[Sale, str] = {"compliance": "buy to comply", "forecast": "forecast sale"}
_ITEMS = (*FUELS, "price_compliance", "price_forecast")
# `derived`: by a rule that gives every printed number, not seen printed. `none`: the scheme had none that year.
_STATUSES = ("published", "derived", "conflict", "missing", "none")
FIRST_YEAR_OF_PHASE_2 = 2014
REPORT_ONLY_YEAR = 2010


@dataclass(frozen=True, slots=True)
class Rate:
    """A factor (kgCO2/kWh, never CO2e) or a price (GBP/tCO2); `value` None where there is none, and `note` why."""

    began: int
    item: str
    value: Decimal | None
    unit: str
    status: str
    note: str
    source: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Price:
    """An allowance price: `value` None where sources differ (`candidates` has each) or there was no sale (`reason`)."""

    sale: Sale
    value: Decimal | None
    candidates: tuple[Rate, ...]
    reason: str | None


def phase(began: int) -> int:
    """Return the phase of the scheme a compliance year belongs to, 1 or 2."""
    require_crc_year(began)
    return 2 if began >= FIRST_YEAR_OF_PHASE_2 else 1


def _value(line: int, row: Mapping[str, str]) -> Decimal | None:
    if row["status"] in {"missing", "none"}:
        if row["value"] or not row["note"]:
            raise tables.TableError(f"{_FILE}: line {line}: what is not known has no value and a reason")
        return None
    try:
        number = Decimal(row["value"])
    except InvalidOperation:
        number = Decimal(-1)
    if not (number.is_finite() and 0 < number < 100):
        raise tables.TableError(f"{_FILE}: line {line}: value: {row['value']!r} is no number of this table")
    return number


def parse_rates(text: str) -> tuple[Rate, ...]:
    """Return the rows of the table's text; TableError naming the line where one is wrong."""
    found = []
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        began = parse_year(row["compliance_year"])
        require_crc_year(began)
        item = tables.one_of(_FILE, line, "item", row["item"], _ITEMS)
        unit = "GBP/tCO2" if item.startswith("price") else "kgCO2/kWh"
        found.append(
            Rate(
                began=began,
                item=item,
                value=_value(line, row),
                unit=tables.one_of(_FILE, line, "unit", row["unit"], (unit,)),
                status=tables.one_of(_FILE, line, "status", row["status"], _STATUSES),
                note=row["note"],
                source=row["source"],
                as_of=tables.iso_date(_FILE, line, "as_of", row["as_of"]),
            )
        )
    return tuple(found)


@cache
def rates() -> tuple[Rate, ...]:
    """Return the rates that ship with the product: all nine years, every item of each."""
    found = parse_rates(tables.read_text(_FILE))
    held = {(one.began, one.item) for one in found}
    for began in range(CRC_FIRST_YEAR, CRC_LAST_YEAR + 1):
        for item in _ITEMS:
            if (began, item) not in held:
                raise tables.TableError(f"{_FILE}: {financial_year_label(began)} has no row for {item}")
    return found


def _of(began: int, item: str) -> tuple[Rate, ...]:
    require_crc_year(began)
    return tuple(one for one in rates() if (one.began, one.item) == (began, item))


def factor(began: int, fuel: Fuel) -> Rate:
    """Return the year's factor of a fuel, which may say that it is missing."""
    return _of(began, fuel)[0]


def require_factor(began: int, fuel: Fuel) -> Fraction:
    """Return the year's factor in kgCO2/kWh; MissingFactorError where nobody has found it."""
    found = factor(began, fuel)
    if found.value is None:
        raise MissingFactorError(
            f"CRC {financial_year_label(began)} has no factor for {FUEL_WORDS[fuel]} here: {found.note}; "
            "tonnes of that year cannot be given for it"
        )
    return Fraction(found.value)


@dataclass(frozen=True, slots=True)
class YearColumn:
    """A compliance year of the scheme: its factors by fuel, which may be missing, and both prices."""

    began: int
    phase: int
    report_only: bool
    factors: tuple[Rate, ...]
    forecast: Price
    compliance: Price


def columns() -> tuple[YearColumn, ...]:
    """Return all nine years, 2010/11 to 2018/19, side by side."""
    return tuple(
        YearColumn(
            began,
            phase(began),
            began == REPORT_ONLY_YEAR,
            tuple(factor(began, fuel) for fuel in FUELS),
            price(began, "forecast"),
            price(began, "compliance"),
        )
        for began in range(CRC_FIRST_YEAR, CRC_LAST_YEAR + 1)
    )


def price(began: int, sale: Sale) -> Price:
    """Return the year's price of an allowance in that sale."""
    found = _of(began, f"price_{sale}")
    if found[0].status == "conflict":
        told = " or ".join(f"£{one.value}" for one in found)
        return Price(sale, None, found, f"sources differ on the {SALE_WORDS[sale]} of that year: {told}")
    if found[0].value is None:
        return Price(sale, None, (), found[0].note)
    return Price(sale, found[0].value, found, None)
