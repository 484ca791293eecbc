"""What a report says, before it looks like anything: figures, sentences, tables, charts, and how its tonnes were made.

One content is rendered as PDF, XLSX, CSV, JSON and HTML, kept when the report is closed and put into its evidence
pack. It is JSON: exact amounts are texts of fractions (`"5/18"`), numbers for reading are floats beside them.

    tonnes of a sum = kWh of its lines x factor x uplift / 1000, added exactly, rounded once as `places` says
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any, Literal

from roadworthy_inventory.carbon.factor_rules import Resolved
from roadworthy_inventory.carbon.quantities import half_up

Kind = Literal["carbon", "crc", "secr"]
KINDS: tuple[Kind, ...] = ("carbon", "crc", "secr")
VERSION = 1
JOURNAL_SCALE = 1000  # journals are kept in thousandths of a kWh
_PLAIN = 100  # above this many no decimals are needed beside a bar
TITLES: Mapping[Kind, str] = {
    "carbon": "Energy and carbon of the IT estate",
    "crc": "CRC annual report, notional",
    "secr": "Energy and carbon in the shape of SECR",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: text, or a number with so many decimals; `unit` is part of its title."""

    name: str
    title: str
    kind: Literal["text", "number"] = "number"
    places: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of {column: value}, None where nothing is known. `total` is their sum, where there is one.

    A row's own `works` says how a spreadsheet works its columns out ({column: formula}, see report_works). A row's own
    `places` stands in for those of its columns, where its unit is another one. `tonnes_of`: (column of tonnes, column of kWh, key of the factor), so that a spreadsheet can work it out.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    note: str = ""
    total: Mapping[str, Any] | None = None
    tonnes_of: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of a table: `label` and `values` name its columns; several values are parts of one bar."""

    name: str
    title: str
    alt: str
    table: str
    label: str
    values: Sequence[str]
    unit: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the first page with its interval, low and high None where it has none; `value` None with a note.

    `works`: how a spreadsheet works it out, see report_works.
    """

    name: str
    title: str
    value: float | None
    unit: str
    places: int = 0
    low: float | None = None
    high: float | None = None
    note: str = ""
    works: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Energy that sums are made of. `ledger`: places of consumption whose joules it is, none for other sources."""

    name: str
    title: str
    kwh: Fraction
    source: str
    ledger: Sequence[str] = ()
    journals_kwh: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Term:
    """A line's kWh, journals included, times a factor, times an uplift."""

    line: str
    factor: str
    uplift: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Sum:
    """Tonnes: terms and `given` tonnes from elsewhere added exactly, and rounded once to `places`."""

    name: str
    title: str
    unit: Literal["tCO2", "tCO2e"]
    tonnes: Fraction
    places: int
    terms: Sequence[Term]
    given: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class FactorPart:
    """A row of a factor set, and for how many of the year's days it holds; `value` an exact decimal text."""

    set_name: str
    days: int
    value: str | None
    status: str
    note: str
    source: str
    as_of: str


@dataclass(frozen=True, slots=True)
class FactorUsed:
    """A factor by the key that terms name: the blend of its parts by days; None with a reason where it is missing."""

    key: str
    title: str
    unit: str
    value: Fraction | None
    reason: str | None
    parts: Sequence[FactorPart]


@dataclass(frozen=True, slots=True)
class Content:
    """A whole report; `exclusions` say what is left out, why, and how much of it there is."""

    kind: Kind
    began: int
    year: str
    title: str
    made_at: int
    code_version: str
    simulated: bool
    figures: Sequence[Figure]
    sentences: Sequence[str]
    tables: Sequence[Table]
    charts: Sequence[Chart]
    factors: Sequence[FactorUsed]
    lines: Sequence[Line]
    sums: Sequence[Sum]
    method: Sequence[str]
    exclusions: Sequence[Mapping[str, Any]]
    rules: Mapping[str, Any] = field(default_factory=dict)
    provisional: Sequence[str] = ()
    version: int = VERSION

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it: tuples as lists, exact amounts as texts."""
        found = _plain(asdict(self))
        assert isinstance(found, dict)  # noqa: S101 - what asdict gives stays one
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def used(key: str, title: str, found: Resolved) -> FactorUsed:
    """Return a factor of a factor set as a report names it."""
    parts = [
        FactorPart(
            row.set_name,
            weight.days,
            None if row.value is None else str(row.value),
            row.status,
            row.note,
            row.source,
            row.as_of.isoformat(),
        )
        for weight, row in found.parts
    ]
    return FactorUsed(key, title, found.unit, found.value, found.reason, parts)


def sum_of(
    name: str,
    title: str,
    unit: Literal["tCO2", "tCO2e"],
    places: int,
    terms: Sequence[Term],
    lines: Mapping[str, Line],
    factors: Mapping[str, FactorUsed],
    *,
    given: Fraction = Fraction(0),
) -> Sum:
    """Return a sum worked out; KeyError for a line or factor that is not there or has no value."""
    tonnes = given
    for term in terms:
        line, factor = lines[term.line], factors[term.factor].value
        if factor is None:
            raise KeyError(term.factor)
        tonnes += (line.kwh + line.journals_kwh) * factor * term.uplift / 1000
    return Sum(name, title, unit, tonnes, places, terms, given)


def in_short(value: float) -> str:
    """Return a number as it stands beside a bar: as many decimals as it needs to be no nought, three at most."""
    places = 0 if not value or abs(value) >= _PLAIN else 1 if abs(value) >= 1 else 3
    return f"{value:,.{places}f}".replace("-", "\N{MINUS SIGN}")


def counted(count: int, one: str, several: str) -> str:
    """Return how many of something there are, in words: `1 supply`, `12 supplies`."""
    return f"{count:,} {one if count == 1 else several}"


def number(exact: Fraction | None, places: int = 3) -> float | None:
    """Return an exact amount rounded half up, for reading."""
    return None if exact is None else float(half_up(exact, places))
