"""Published shares to print beside one's own, each with what it measured (`data/cost_benchmarks.csv`).

They do not measure the same thing: 97 % and 29.5 % describe one sector, one year and one sum of money under two
definitions. So a row never goes without its definition, and nothing here is averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

from roadworthy_inventory import tables

_FILE = "cost_benchmarks.csv"
_COLUMNS = (
    "name",
    "body",
    "period",
    "low_percent",
    "high_percent",
    "definition",
    "measures",
    "source",
    "as_of",
)
_DEFINITIONS = ("A", "B", "C", "B-like", "A or B")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One published figure, in per cent (low and high are equal for a single figure).

    `definition`: which of our shares it is comparable with, at best. `measures`: what its source says it is.
    """

    name: str
    body: str
    period: str
    low_percent: float
    high_percent: float
    definition: str
    measures: str
    source: str
    as_of: date


def parse_benchmarks(text: str) -> tuple[Benchmark, ...]:
    """Return the rows of the table's text; TableError naming the line where one is wrong."""
    found = []
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        try:
            low, high = float(row["low_percent"]), float(row["high_percent"])
        except ValueError:
            low, high = 1.0, 0.0
        if not 0 <= low <= high <= 100:
            raise tables.TableError(
                f"{_FILE}: line {line}: low_percent, high_percent: are not 0 to 100 in order"
            )
        for column in ("name", "body", "period", "measures"):
            if not row[column].strip():
                raise tables.TableError(f"{_FILE}: line {line}: {column}: is empty")
        found.append(
            Benchmark(
                name=row["name"],
                body=row["body"],
                period=row["period"],
                low_percent=low,
                high_percent=high,
                definition=tables.one_of(_FILE, line, "definition", row["definition"], _DEFINITIONS),
                measures=row["measures"],
                source=row["source"],
                as_of=tables.iso_date(_FILE, line, "as_of", row["as_of"]),
            )
        )
    return tuple(found)


@cache
def benchmarks() -> tuple[Benchmark, ...]:
    """Return the published figures that ship with the product."""
    return parse_benchmarks(tables.read_text(_FILE))
