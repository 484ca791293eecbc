"""The government's flat file of conversion factors read into a proposed factor set, which a second person confirms.

The flat file is an XLSX with a row a factor: ID, Scope, Level 1-4, Column Text, UOM, GHG/Unit and the factor, whose
column is named after the year. Rows are found by their ids, which are the same in the files of 2023, 2025 and 2026;
the files of 2016 to 2020 have no ids and are refused, for what they hold ships with the product.
Source: https://www.gov.uk/government/collections/government-conversion-factors-for-company-reporting
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import BinaryIO
from urllib.parse import urlsplit

from roadworthy_inventory.carbon.factors import ITEM_WORDS, Factor, FactorBook, Item
from roadworthy_inventory.carbon.quantities import FactorFileError
from roadworthy_inventory.importing.decoding import ByteStream
from roadworthy_inventory.importing.problems import ImportRefusedError
from roadworthy_inventory.importing.reading import Table, open_table
from roadworthy_inventory.importing.values import Cell, as_text

IDS: Mapping[str, Item] = MappingProxyType(
    {
        "7_400_4000_5_1": "generation",
        "13_402_4000_5_1": "transmission_distribution",
        "15_917_4000_5_1": "wtt_generation",
        "15_918_4000_5_1": "wtt_transmission_distribution",
        "1_100_1004_6_1": "gas_gross",
    }
)
SHEET = "Factors by Category"  # of a workbook; a CSV of it has none
MANDATORY: tuple[Item, ...] = ("generation", "transmission_distribution")
_FACTOR_COLUMN = re.compile(r"ghg conversion factor\s*(\d{4})?", re.IGNORECASE)
_NEEDED = ("ID", "UOM", "GHG/Unit")


@dataclass(frozen=True, slots=True)
class Difference:
    """How a proposed factor differs from what is held: `held` None where there was none."""

    item: Item
    held: Decimal | None
    proposed: Decimal


@dataclass(frozen=True, slots=True)
class ProposedSet:
    """A factor set read from a file and not in force: who proposed it, its rows and how they differ from what is held.

    `sha256` of the file, `absent` what it has no row for.
    """

    set_year: int
    rows: tuple[Factor, ...]
    absent: tuple[Item, ...]
    file: str
    sha256: str
    proposed_by: str

    def differences(self, book: FactorBook) -> tuple[Difference, ...]:
        """Return what would change in `book`, for the second person to look at."""
        held = {one.key: one.value for one in book.rows}
        return tuple(
            Difference(one.item, held.get(one.key), one.value)
            for one in self.rows
            if one.value is not None and held.get(one.key) != one.value
        )

    def confirmed(self, by: str) -> tuple[Factor, ...]:
        """Return the rows in force, confirmed by a second person; FactorFileError where it is the first one."""
        if not by.strip() or by.strip().casefold() == self.proposed_by.strip().casefold():
            raise FactorFileError(
                f"the factor set {self.set_year} was proposed by {self.proposed_by!r}; another person confirms it"
            )
        return tuple(
            replace(one, status="confirmed", note=f"{one.note}; confirmed by {by.strip()}")
            for one in self.rows
        )


def _columns(table: Table, said_year: int) -> dict[str, int]:
    by_name = {name.strip().casefold(): at for at, name in enumerate(table.header)}
    found = {}
    for name in _NEEDED:
        at = by_name.get(name.casefold())
        if at is None:
            raise FactorFileError(
                f"{table.file}: there is no column {name!r}; use the flat file, of 2021 or later, as published"
            )
        found[name] = at
    for name, at in by_name.items():
        if match := _FACTOR_COLUMN.match(name):
            if match[1] and int(match[1]) != said_year:
                raise FactorFileError(f"{table.file}: it is the set of {match[1]}, not of {said_year}")
            return found | {"factor": at}
    raise FactorFileError(f"{table.file}: there is no column 'GHG Conversion Factor {said_year}'")


def _number(file: str, line: int, cell: Cell) -> Decimal:
    try:
        value = Decimal(as_text(cell).strip())
    except InvalidOperation:
        value = Decimal(-1)
    if not (value.is_finite() and 0 < value < 2):
        raise FactorFileError(f"{file}: line {line}: column factor: {cell!r} is no factor per kWh")
    # The official sheet shows five places and holds as many; a float's tail is none of them.
    return value.quantize(Decimal("0.00001")) if -int(value.as_tuple().exponent) > 5 else value


def _rows(table: Table, said_year: int) -> dict[Item, Decimal]:
    at = _columns(table, said_year)
    found: dict[Item, Decimal] = {}
    for line, cells in table.rows:
        if len(cells) <= max(at.values()):
            continue
        item = IDS.get(as_text(cells[at["ID"]]).strip())
        if item is None:
            continue
        if item in found:
            raise FactorFileError(f"{table.file}: line {line}: {ITEM_WORDS[item]} is there twice")
        unit = as_text(cells[at["UOM"]]).strip().casefold()
        gas = as_text(cells[at["GHG/Unit"]]).strip().casefold().replace(" ", "")
        if not unit.startswith("kwh") or gas != "kgco2e":
            raise FactorFileError(
                f"{table.file}: line {line}: {ITEM_WORDS[item]} is in {gas} per {unit}; kg CO2e per kWh is meant"
            )
        found[item] = _number(table.file, line, cells[at["factor"]])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTold:
    """What a person says of the file: the set's year and version, its day or month, where it is published, and who asks.

    Raises FactorFileError where the source is no public https address or nobody proposes it.
    """

    set_year: int
    version: str
    published: str
    source: str
    sha256: str
    proposed_by: str

    def __post_init__(self) -> None:
        if urlsplit(self.source).scheme != "https":
            raise FactorFileError(
                f"{self.source!r} is no public https address; say where the file is published"
            )
        if not self.proposed_by.strip():
            raise FactorFileError("a proposed factor set names who proposed it")


def read_flat_file(
    stream: ByteStream | BinaryIO, file: str, told: FileTold, *, today: date, sheet: str = SHEET
) -> ProposedSet:
    """Return the set in the flat file called `file` as a proposal.

    Raises FactorFileError naming line and column, also where generation or losses are not in it.
    """
    try:
        found = _rows(open_table(stream, file, sheet=sheet), told.set_year)
    except ImportRefusedError as error:
        raise FactorFileError(str(error)) from None
    for item in MANDATORY:
        if item not in found:
            raise FactorFileError(f"{file}: there is no row for {ITEM_WORDS[item]} (id {_id(item)})")
    by = told.proposed_by.strip()
    said = {
        "set_year": str(told.set_year),
        "version": told.version,
        "published": told.published,
        "status": "proposed",
        "source": told.source,
        "as_of": today.isoformat(),
    }
    rows = tuple(
        _factor(item, value, said | {"note": f"flat file {file}, row {_id(item)}, proposed by {by}"})
        for item, value in found.items()
    )
    absent = tuple(item for item in IDS.values() if item not in found)
    return ProposedSet(told.set_year, rows, absent, file, told.sha256, by)


def _factor(item: Item, value: Decimal, said: Mapping[str, str]) -> Factor:
    return Factor(
        set_year=int(said["set_year"]),
        version=said["version"],
        published=said["published"],
        data_year=None,
        item=item,
        unit="kgCO2e/kWh",
        basis="one_year",
        value=value,
        status=said["status"],
        note=said["note"],
        source=said["source"],
        licence="OGL-3.0",
        as_of=date.fromisoformat(said["as_of"]),
    )


def _id(item: Item) -> str:
    return next(one for one, name in IDS.items() if name == item)


def in_force(book: FactorBook, confirmed: Sequence[Factor]) -> FactorBook:
    """Return `book` with a confirmed set in it; FactorFileError for rows nobody has confirmed."""
    if any(one.status != "confirmed" for one in confirmed):
        raise FactorFileError("a proposed factor set is not in force before a second person confirms it")
    return book.with_set(confirmed)


def content_of(rows: Sequence[Factor]) -> list[dict[str, str]]:
    """Return a set's rows as JSON a store can keep; `rows_of` reads them again."""
    return [
        {
            "set_year": str(one.set_year),
            "version": one.version,
            "published": one.published,
            "item": one.item,
            "value": str(one.value),
            "status": one.status,
            "note": one.note,
            "source": one.source,
            "as_of": one.as_of.isoformat(),
        }
        for one in rows
    ]


def rows_of(content: Sequence[Mapping[str, str]]) -> tuple[Factor, ...]:
    """Return the rows `content_of` made; FactorFileError where they are none."""
    by_name: dict[str, Item] = {item: item for item in IDS.values()}
    try:
        return tuple(
            _factor(
                by_name[one["item"]],
                _number("the stored factor set", at, one["value"]),
                one,
            )
            for at, one in enumerate(content, 1)
        )
    except (KeyError, ValueError) as error:
        raise FactorFileError(
            f"the stored factor set cannot be read ({error!r}); load its file again"
        ) from None
