"""CRC emission factors and allowance prices by compliance year (`data/crc_rates.csv`), conflicts kept as conflicts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Literal

from roadworthy_inventory import tables
from roadworthy_inventory.calendar import CRC_FIRST_YEAR, CRC_LAST_YEAR, financial_year_label
from roadworthy_inventory.carbon.quantities import MissingFactorError
from roadworthy_inventory.carbon.years import parse_year, require_crc_year

_FILE = "crc_rates.csv"
_VALUE = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,12})?", re.ASCII)  # below 100
_SHOWN = 40
COLUMNS = ("compliance_year", "item", "value", "unit", "status", "note", "source", "as_of")
Fuel = Literal["electricity_grid", "electricity_onsite", "gas"]
Sale = Literal["compliance", "forecast"]
FUELS: tuple[Fuel, ...] = ("electricity_grid", "electricity_onsite", "gas")
FUEL_WORDS: Mapping[Fuel, str] = {
    "electricity_grid": "electricity from the grid",
    "electricity_onsite": "electricity made on site",
    "gas": "gas for heating, gross calorific value",
}
SALE_WORDS: Mapping[Sale, str] = {"compliance": "buy to comply", "forecast": "forecast sale"}
ITEMS = (*FUELS, "price_compliance", "price_forecast")
# `derived`: by a rule that gives every printed number, not seen printed. `none`: the scheme had none that year.
_STATUSES = ("published", "derived", "conflict", "missing", "none")
FIRST_YEAR_OF_PHASE_2 = 2014
REPORT_ONLY_YEAR = 2010
_REPORT_ONLY = "report only: no allowances that year"
# Coal burnt for electricity is below it; what is above was in grams, or a hundred times too high.
_MOST_KGCO2_PER_KWH: Mapping[str, int] = dict.fromkeys(FUELS, 1)


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
    # Without an exponent: of 1E-40000000 nobody could ever work a fraction out.
    number = Decimal(row["value"]) if _VALUE.fullmatch(row["value"]) else Decimal(0)
    if not number:
        raise tables.TableError(
            f"{_FILE}: line {line}: value: {row['value'][:_SHOWN]!r} is no number of this table"
        )
    return number


def parse_rates(text: str) -> tuple[Rate, ...]:
    """Return the rows of the table's text; TableError naming the line where one is wrong, YearError a year."""
    found = []
    for line, row in tables.rows(_FILE, text, COLUMNS):
        began = parse_year(row["compliance_year"])
        require_crc_year(began)
        item = tables.one_of(_FILE, line, "item", row["item"], ITEMS)
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


class RateBook:
    """All factors and prices known, by compliance year and item; several rows of a price where sources differ."""

    def __init__(self, rows: Iterable[Rate]) -> None:
        self._rows: dict[tuple[int, str], tuple[Rate, ...]] = {}
        for row in rows:
            self._rows[row.began, row.item] = (*self._rows.get((row.began, row.item), ()), row)
        for began in range(CRC_FIRST_YEAR, CRC_LAST_YEAR + 1):
            for item in ITEMS:
                if (began, item) not in self._rows:
                    raise tables.TableError(f"{_FILE}: {financial_year_label(began)} has no row for {item}")

    @property
    def rows(self) -> tuple[Rate, ...]:
        """Every row."""
        return tuple(one for some in self._rows.values() for one in some)

    def of(self, began: int, item: str) -> tuple[Rate, ...]:
        """Return the rows of a year's item; YearError for a year outside the scheme."""
        require_crc_year(began)
        return self._rows[began, item]

    def with_rows(self, rows: Iterable[Rate]) -> RateBook:
        """Return a book in which `rows` stand in place of whatever was held of their years and items."""
        new = tuple(rows)
        replaced = {(one.began, one.item) for one in new}
        kept = (one for one in self.rows if (one.began, one.item) not in replaced)
        return RateBook((*kept, *new))


def _ensure_likely(row: Rate) -> None:
    """Raise TableError for a factor no fuel of the scheme can have, and for a price of the year that had none."""
    if row.value is None:
        return
    name = f"{financial_year_label(row.began)} {row.item}"
    if (most := _MOST_KGCO2_PER_KWH.get(row.item)) is not None and row.value > most:
        raise tables.TableError(
            f"{name}: {row.value} kgCO2/kWh is more than {most}, which no such fuel gives off; look at the unit"
        )
    if row.began == REPORT_ONLY_YEAR and row.item.startswith("price"):
        raise tables.TableError(f"{name}: {_REPORT_ONLY}, so there was no price")


def ensure_fit(rows: Iterable[Rate]) -> None:
    """Raise TableError for rows that cannot be, and that cannot stand side by side: two of an item of no conflict."""
    held: dict[tuple[int, str], list[Rate]] = {}
    for row in rows:
        _ensure_likely(row)
        held.setdefault((row.began, row.item), []).append(row)
    for (began, item), some in held.items():
        conflicts = [one.status == "conflict" for one in some]
        if any(conflicts) != (len(some) > 1) or all(conflicts) is not any(conflicts):
            raise tables.TableError(
                f"{financial_year_label(began)} {item}: {len(some)} rows; one is no conflict, and several are each one"
            )
        if any(conflicts) and item in FUELS:
            raise tables.TableError(f"{financial_year_label(began)} {item}: a factor is one; decide which")


@cache
def rate_book() -> RateBook:
    """Return the rates that ship with the product: all nine years, every item of each."""
    return RateBook(parse_rates(tables.read_text(_FILE)))


def factor(began: int, fuel: Fuel, book: RateBook | None = None) -> Rate:
    """Return the year's factor of a fuel, which may say that it is missing."""
    return (book or rate_book()).of(began, fuel)[0]


def require_factor(began: int, fuel: Fuel, book: RateBook | None = None) -> Fraction:
    """Return the year's factor in kgCO2/kWh; MissingFactorError where nobody has found it."""
    found = factor(began, fuel, book)
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


def columns(book: RateBook | None = None) -> tuple[YearColumn, ...]:
    """Return all nine years, 2010/11 to 2018/19, side by side."""
    return tuple(
        YearColumn(
            began,
            phase(began),
            began == REPORT_ONLY_YEAR,
            tuple(factor(began, fuel, book) for fuel in FUELS),
            price(began, "forecast", book),
            price(began, "compliance", book),
        )
        for began in range(CRC_FIRST_YEAR, CRC_LAST_YEAR + 1)
    )


def price(began: int, sale: Sale, book: RateBook | None = None) -> Price:
    """Return the year's price of an allowance in that sale."""
    found = (book or rate_book()).of(began, f"price_{sale}")
    if began == REPORT_ONLY_YEAR:
        return Price(sale, None, (), _REPORT_ONLY)
    if found[0].status == "conflict":
        told = " or ".join(f"£{one.value}" for one in found)
        return Price(sale, None, found, f"sources differ on the {SALE_WORDS[sale]} of that year: {told}")
    if found[0].value is None:
        return Price(sale, None, (), found[0].note)
    return Price(sale, found[0].value, found, None)
