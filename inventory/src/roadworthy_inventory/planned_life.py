"""How old a thing is against how long it was planned to live: ageing, which is not legacy.

Planned lives per class are data with a source (`data/planned_life.csv`); what an organisation has decided itself
goes before them. A thing of unknown age is a class of its own and never counted as new or old; a class nobody has
published a life for has none here.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from roadworthy_inventory import tables
from roadworthy_inventory.device_class import CLASSES
from roadworthy_inventory.register import ITEM_KINDS
from roadworthy_inventory.toml_lines import TomlLines

_FILE = "planned_life.csv"
_COLUMNS = ("item_class", "years", "low_years", "high_years", "note", "source", "as_of")
DAYS_A_YEAR = 365.25
Band = Literal["first_half", "second_half", "past", "long_past", "unknown_age", "no_planned_life"]
BANDS: tuple[Band, ...] = ("first_half", "second_half", "past", "long_past", "unknown_age", "no_planned_life")
STATED = "stated by the organisation"
OWN_CLASSES = tuple(sorted({*CLASSES, *ITEM_KINDS} - {"unknown"}))
LONGEST_SOURCE = 300
LONG_PAST = 1.5  # times the planned life; the bands are ours
AGE_BANDS = ("under_1", "1_to_2", "2_to_3", "3_to_4", "4_to_5", "5_to_6", "6_to_7", "7_and_over", "unknown")


@dataclass(frozen=True, slots=True)
class PlannedLife:
    """How many years a class of things is planned to live, with the range sources give."""

    item_class: str
    years: float
    low_years: float
    high_years: float
    note: str
    source: str
    as_of: dt.date


class OwnLifeError(ValueError):
    """What an organisation says of its planned lives is wrong; each problem with its line, one a line."""


@dataclass(frozen=True, slots=True)
class OwnLife:
    """How many years an organisation plans with, and what it says that by."""

    years: float
    source: str = ""

    def said(self) -> str:
        """Return who says so."""
        return f"{STATED}: {self.source}" if self.source else STATED


@dataclass(frozen=True, slots=True)
class Ageing:
    """Age in years, planned life in years, their ratio and band; None where not known, with the reason."""

    band: Band
    age_years: float | None
    planned_years: float | None
    ratio: float | None
    source: str | None
    reason: str | None = None


def parse_planned_lives(text: str) -> dict[str, PlannedLife]:
    """Return {class: planned life} of the table's text; TableError where a row is wrong or there twice."""
    found: dict[str, PlannedLife] = {}
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        years = [_years(line, column, row[column]) for column in ("low_years", "years", "high_years")]
        if sorted(years) != years:
            raise tables.TableError(f"{_FILE}: line {line}: years: {years[1]:g} is outside its own range")
        if row["item_class"] in found:
            raise tables.TableError(f"{_FILE}: line {line}: item_class: {row['item_class']} is there twice")
        as_of = tables.iso_date(_FILE, line, "as_of", row["as_of"])
        found[row["item_class"]] = PlannedLife(
            row["item_class"], years[1], years[0], years[2], row["note"], row["source"], as_of
        )
    return found


def _years(line: int, column: str, text: str) -> float:
    try:
        years = float(text)
    except ValueError:
        years = 0.0
    if not 0 < years < 100:  # nothing here is planned for a century
        raise tables.TableError(f"{_FILE}: line {line}: {column}: {text!r} is no number of years")
    return years


@cache
def planned_lives() -> MappingProxyType[str, PlannedLife]:
    """Return {class: planned life} as shipped, read once."""
    return MappingProxyType(parse_planned_lives(tables.read_text(_FILE)))


def parse_own_lives(text: str, name: str = "planned lives") -> dict[str, OwnLife]:
    """Return {class: planned life} of a TOML text, a table a class; OwnLifeError with every problem and its line."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OwnLifeError(f"{name}: {error}") from None
    lines = TomlLines(text)
    found, problems = {}, []
    for item_class, table in content.items():
        wrong = list(_wrong(item_class, table))
        problems += [f"{name}: line {lines.of((item_class, *place))}: {said}" for place, said in wrong]
        if not wrong:
            found[item_class] = OwnLife(float(table["years"]), table.get("source", "").strip())
    if problems:
        raise OwnLifeError("\n".join(problems))
    return found


def _wrong(item_class: str, table: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield (key, what is wrong there) of one table."""
    if item_class not in OWN_CLASSES:
        yield (), f"{item_class} is no class; known: {', '.join(OWN_CLASSES)}"
    if not isinstance(table, dict):
        yield (), f"write a table [{item_class}] with years"
        return
    for key in table.keys() - {"years", "source"}:
        yield (key,), f"{key} is no key; known: years, source"
    years, source = table.get("years"), table.get("source", "")
    # TOML has inf and nan, which are in no range; nothing here is planned for a century.
    if isinstance(years, bool) or not isinstance(years, int | float) or not 0 < years < 100:
        yield ("years",), f"years: a number above 0 and below 100 is wanted, and this is {years!r}"
    if not isinstance(source, str) or len(source) > LONGEST_SOURCE:
        yield ("source",), f"source: a text of at most {LONGEST_SOURCE} characters is wanted"


def age_years(since: dt.date | None, on: dt.date) -> float | None:
    """Return the age in years; None where it is not known or lies in the future."""
    return None if since is None or since > on else (on - since).days / DAYS_A_YEAR


def age_band(since: dt.date | None, on: dt.date) -> str:
    """Return the band of years for an age pyramid, one of AGE_BANDS."""
    age = age_years(since, on)
    return "unknown" if age is None else AGE_BANDS[min(int(age), len(AGE_BANDS) - 2)]


def ageing(
    item_class: str,
    since: dt.date | None,
    on: dt.date,
    *,
    planned_end: dt.date | None = None,
    own: Mapping[str, OwnLife] | None = None,
) -> Ageing:
    """Return how a thing in use `since` a day has aged on the day `on`.

    `planned_end` is the item's own planned end, `own` the organisation's own lives per class; in this order
    they go before the shipped ones.
    """
    years, source = _planned(item_class, since, planned_end, own or {})
    age = age_years(since, on)
    if age is None:
        reason = (
            "the date it was bought is not known"
            if since is None
            else f"it was bought on {since}, after {on}"
        )
        return Ageing("unknown_age", None, years, None, source, reason)
    if years is None:
        return Ageing("no_planned_life", age, None, None, None, f"no planned life is held for {item_class}")
    ratio = age / years
    band: Band = "first_half" if ratio < 1 / 2 else "second_half"
    if ratio >= 1:
        band = "past" if ratio < LONG_PAST else "long_past"
    return Ageing(band, age, years, ratio, source)


def _planned(
    item_class: str, since: dt.date | None, planned_end: dt.date | None, own: Mapping[str, OwnLife]
) -> tuple[float | None, str | None]:
    if planned_end is not None and since is not None and planned_end > since:
        return (planned_end - since).days / DAYS_A_YEAR, "the register's planned end"
    if item_class in own:
        return own[item_class].years, own[item_class].said()
    shipped = planned_lives().get(item_class)
    return (shipped.years, shipped.source) if shipped else (None, None)
