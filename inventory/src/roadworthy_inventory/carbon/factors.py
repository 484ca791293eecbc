"""UK government conversion factors as dated, sourced rows (`data/uk_factors.csv`): what is known, and what is not.

A factor set is one year's DESNZ (before: BEIS, DECC, Defra) conversion factors. A row that nobody here has found is
a row too, with its reason, so that a missing factor is said and never silently another year's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import cache
from typing import Literal

from roadworthy_inventory import tables
from roadworthy_inventory.carbon.quantities import MissingFactorError

_FILE = "uk_factors.csv"
_COLUMNS = (
    "set_year",
    "version",
    "published",
    "data_year",
    "item",
    "unit",
    "basis",
    "value",
    "status",
    "note",
    "source",
    "licence",
    "as_of",
)
Item = Literal[
    "generation",
    "transmission_distribution",
    "wtt_generation",
    "wtt_transmission_distribution",
    "gas_gross",
]
ITEMS: tuple[Item, ...] = (
    "generation",
    "transmission_distribution",
    "wtt_generation",
    "wtt_transmission_distribution",
    "gas_gross",
)
ITEM_WORDS: Mapping[Item, str] = {
    "generation": "UK electricity, generation",
    "transmission_distribution": "UK electricity, transmission and distribution losses",
    "wtt_generation": "UK electricity, well-to-tank of generation",
    "wtt_transmission_distribution": "UK electricity, well-to-tank of transmission and distribution",
    "gas_gross": "natural gas, gross calorific value",
}
Unit = Literal["kgCO2e/kWh", "kgCO2/kWh"]
UNITS: tuple[Unit, ...] = ("kgCO2e/kWh", "kgCO2/kWh")
Basis = Literal["one_year", "five_year_average"]
# `restated`: of the series as published later, not what the set of that year printed. `provisional`: seen second
# hand only; a report on it cannot be issued. Of loaded sets besides: `proposed`, then `confirmed` by a second person.
STATUSES = ("published", "restated", "secondary", "provisional", "missing")
# What a set did to its own method, beside what the grid did: said wherever a change of factor is explained.
SET_NOTES: Mapping[int, str] = {
    2013: "The set of 2013 left the five-year average for the figure of one year.",
    2026: "A part of the factor's fall is a change of the set's own method: its data are one year old and no longer two.",
}
Key = tuple[int, str, str, str]


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of one set; `value` in kilograms per kWh, None where `status` is missing and `note` says why.

    `published`: the day, or the month, the set appeared; empty where that was not found.
    """

    set_year: int
    version: str
    published: str
    data_year: int | None
    item: Item
    unit: Unit
    basis: Basis
    value: Decimal | None
    status: str
    note: str
    source: str
    licence: str
    as_of: date

    @property
    def key(self) -> Key:
        """What there is one of."""
        return self.set_year, self.item, self.unit, self.basis

    @property
    def set_name(self) -> str:
        """The factor set as a report names it: year and version."""
        return (
            f"{self.set_year} v{self.version.removeprefix('v')}"
            if self.version[:1].isdigit()
            else (f"{self.set_year} {self.version}".strip())
        )

    @property
    def exact(self) -> Fraction:
        """The value; MissingFactorError where there is none."""
        if self.value is None:
            raise MissingFactorError(self.missing)
        return Fraction(self.value)

    @property
    def missing(self) -> str:
        """Why there is none."""
        return f"factor set {self.set_year} has no {ITEM_WORDS[self.item]} in {self.unit} here: {self.note}"


def _value(line: int, row: Mapping[str, str]) -> Decimal | None:
    if row["status"] == "missing":
        if row["value"]:
            raise tables.TableError(f"{_FILE}: line {line}: value: a missing factor has none")
        return None
    try:
        number = Decimal(row["value"])
    except InvalidOperation:
        number = Decimal(-1)
    if not (number.is_finite() and 0 < number < 2):
        raise tables.TableError(f"{_FILE}: line {line}: value: {row['value']!r} is no factor per kWh")
    return number


def parse_factors(text: str) -> tuple[Factor, ...]:
    """Return the rows of the table's text; TableError naming the line where one is wrong."""
    found = []
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        if not (row["set_year"].isdigit() and (row["data_year"] or "0").isdigit()):
            raise tables.TableError(f"{_FILE}: line {line}: set_year, data_year: are no years")
        status = tables.one_of(_FILE, line, "status", row["status"], STATUSES)
        if status != "published" and not row["note"]:
            raise tables.TableError(f"{_FILE}: line {line}: note: {status} needs a reason")
        tables.one_of(_FILE, line, "item", row["item"], ITEMS)
        tables.one_of(_FILE, line, "unit", row["unit"], UNITS)
        tables.one_of(_FILE, line, "basis", row["basis"], ("one_year", "five_year_average"))
        found.append(
            Factor(
                set_year=int(row["set_year"]),
                version=row["version"],
                published=row["published"],
                data_year=int(row["data_year"]) if row["data_year"] else None,
                item=next(one for one in ITEMS if one == row["item"]),
                unit="kgCO2/kWh" if row["unit"] == "kgCO2/kWh" else "kgCO2e/kWh",
                basis="one_year" if row["basis"] == "one_year" else "five_year_average",
                value=_value(line, row),
                status=status,
                note=row["note"],
                source=row["source"],
                licence=row["licence"],
                as_of=tables.iso_date(_FILE, line, "as_of", row["as_of"]),
            )
        )
    return tuple(found)


class FactorBook:
    """All factors known, each once."""

    def __init__(self, rows: Iterable[Factor]) -> None:
        self._rows: dict[Key, Factor] = {}
        for row in rows:
            if row.key in self._rows:
                raise tables.TableError(f"{_FILE}: {row.set_year} {row.item} in {row.unit} is there twice")
            self._rows[row.key] = row

    @property
    def rows(self) -> tuple[Factor, ...]:
        """Every row, by year."""
        return tuple(sorted(self._rows.values(), key=lambda one: one.set_year))

    @property
    def years(self) -> tuple[int, ...]:
        """The years there are sets of."""
        return tuple(sorted({one.set_year for one in self._rows.values()}))

    def of(self, set_year: int, item: Item, unit: Unit = "kgCO2e/kWh", basis: Basis = "one_year") -> Factor:
        """Return the row, which may say that it is missing; MissingFactorError where there is no set of that year."""
        row = self._rows.get((set_year, item, unit, basis))
        if row is None:
            if set_year not in self.years:
                raise MissingFactorError(
                    f"there is no factor set {set_year}: the sets here are {self.years[0]} to {self.years[-1]}; "
                    "load the official flat file once it is published"
                )
            raise MissingFactorError(
                f"factor set {set_year} has no {ITEM_WORDS[item]} in {unit} on a basis of {basis}"
            )
        return row

    def with_set(self, rows: Iterable[Factor]) -> FactorBook:
        """Return a book in which `rows`, a confirmed set, stand in place of what was held of the same."""
        held = dict(self._rows)
        held.update((row.key, row) for row in rows)
        return FactorBook(held.values())


@cache
def factor_book() -> FactorBook:
    """Return the factors that ship with the product."""
    return FactorBook(parse_factors(tables.read_text(_FILE)))
