"""How often the intervals of power models held: of servers it was tried, of PCs nobody can.

The numbers of `data/power_coverage.csv` are what tests/inventory/test_server_power.py works out: published results of
some processors are left out of the fit, and counted is how many of them lie within the 90 % interval the model then
gives. Everything that states a coverage reads it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from roadworthy_inventory import tables

if TYPE_CHECKING:
    from roadworthy_inventory.carbon.server_power import Load

_LOADS = ("idle", "maximum")
_FILE = "power_coverage.csv"
_NUMBERS = ("results", "processors", "left_out_ratio", "splits", "reached_ratio", "least_ratio", "most_ratio")
_COLUMNS = ("load", *_NUMBERS, "source", "as_of")


@dataclass(frozen=True, slots=True)
class Reached:
    """Of servers at a load: the mean share of unseen results within their interval, the least and most of a split."""

    results: int
    processors: int
    left_out_ratio: float
    splits: int
    reached_ratio: float
    least_ratio: float
    most_ratio: float


def parse_coverage(text: str) -> dict[Load, Reached]:
    """Return {load: coverage} of the table's text; TableError where a row is wrong or a load has none."""
    found: dict[Load, Reached] = {}
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        load: Load = "idle" if row["load"] == "idle" else "maximum"
        tables.one_of(_FILE, line, "load", row["load"], _LOADS)
        try:
            told = {name: float(row[name]) for name in _NUMBERS}
        except ValueError as error:
            raise tables.TableError(f"{_FILE}: line {line}: {error}") from None
        if not 0 < told["least_ratio"] <= told["reached_ratio"] <= told["most_ratio"] <= 1:
            raise tables.TableError(f"{_FILE}: line {line}: the ratios are not in order")
        found[load] = Reached(
            results=int(told["results"]),
            processors=int(told["processors"]),
            left_out_ratio=told["left_out_ratio"],
            splits=int(told["splits"]),
            reached_ratio=told["reached_ratio"],
            least_ratio=told["least_ratio"],
            most_ratio=told["most_ratio"],
        )
    if set(found) != set(_LOADS):
        raise tables.TableError(f"{_FILE}: there is no row for each of {', '.join(_LOADS)}")
    return found


@cache
def reached() -> Mapping[Load, Reached]:
    """Return the table that ships with this package, read once."""
    return MappingProxyType(parse_coverage(tables.read_text(_FILE)))


def how_sure() -> tuple[str, ...]:
    """Return in sentences what low and high of energy are worth."""
    idle, full = reached()["idle"], reached()["maximum"]
    return (
        (
            f"Servers whose make-up is known have 90 % intervals that were tried: of servers the model was not fitted to, "
            f"{_percent(idle.reached_ratio, 1)} lay within them when idle and {_percent(full.reached_ratio, 1)} at full load "
            f"({idle.results} published results of {idle.processors} processors, {_percent(idle.left_out_ratio)} of the "
            f"processors left out of the fit, {idle.splits} times; single splits "
            f"{_percent(min(idle.least_ratio, full.least_ratio))} to {_percent(max(idle.most_ratio, full.most_ratio))})."
        ),
        (
            "For everything else low and high are ranges, not 90 % intervals: no public fleet of office PCs metered at "
            "the wall exists, so the watts of a class in a state, and what power supplies lose, lie between published "
            "figures and nothing could be held out to try them on."
        ),
    )


def _percent(ratio: float, places: int = 0) -> str:
    return f"{ratio * 100:.{places}f} %"
