"""The dated tables behind a plan: what making a device emits, what a repair does, and the thresholds of ready lists."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any

from roadworthy_inventory import tables
from roadworthy_inventory.replacement_inputs import Range

_FOOTPRINTS = "device_footprints.csv"
_FOOTPRINT_COLUMNS = (
    "device_class",
    "products",
    "embodied_low_kgco2e",
    "embodied_likely_kgco2e",
    "embodied_high_kgco2e",
    "use_low_kwh",
    "use_likely_kwh",
    "use_high_kwh",
    "source",
    "licence",
    "as_of",
)
_EFFECTS = "repair_effects.csv"
_EFFECT_COLUMNS = ("repair", "figure", "low_ratio", "likely_ratio", "high_ratio", "says", "source", "as_of")
_LISTS = "replacement_lists.toml"


@dataclass(frozen=True, slots=True)
class Footprint:
    """Makers' product footprints of a class: 10th percentile, median and 90th percentile.

    Of `products` sheets, those that tell the figure: not all give a share of use or a year's electricity.
    `embodied_kgco2e`: all but use; `use_kwh`: a year's typical electricity (TEC). Makers differ by more than their
    own error bars say, so these are ranges to plan with, never a comparison of products.
    """

    device_class: str
    products: int
    embodied_kgco2e: Range
    use_kwh: Range
    source: str
    licence: str
    as_of: date


@dataclass(frozen=True, slots=True)
class RepairEffect:
    """By what a repair multiplies a figure, as `says` puts it."""

    repair: str
    figure: str
    ratio: Range
    says: str
    source: str
    as_of: date


@dataclass(frozen=True, slots=True)
class ListThresholds:
    """When a device is listed; `name` says whose thresholds these are. Days, and hours a week."""

    name: str
    least_observed_days: int
    most_in_use_hours_a_week: float
    mdm_silent_days: int
    lifecycle_states: frozenset[str]
    not_usage_profiles: frozenset[str]
    soon_days: int


def parse_footprints(text: str) -> dict[str, Footprint]:
    """Return {device class: footprint} of the table's text; TableError where a row is wrong or there twice."""
    found: dict[str, Footprint] = {}
    for line, row in tables.rows(_FOOTPRINTS, text, _FOOTPRINT_COLUMNS):
        name = row["device_class"]
        if not name or name in found:
            raise tables.TableError(
                f"{_FOOTPRINTS}: line {line}: device_class: {name!r} is empty or there twice"
            )
        if not row["products"].isdecimal():
            raise tables.TableError(f"{_FOOTPRINTS}: line {line}: products: {row['products']!r} is no number")
        found[name] = Footprint(
            name,
            int(row["products"]),
            _range(_FOOTPRINTS, line, row, "embodied_{}_kgco2e"),
            _range(_FOOTPRINTS, line, row, "use_{}_kwh"),
            row["source"],
            row["licence"],
            tables.iso_date(_FOOTPRINTS, line, "as_of", row["as_of"]),
        )
    return found


def parse_effects(text: str) -> tuple[RepairEffect, ...]:
    """Return the rows of the table's text; TableError where one is wrong."""
    return tuple(
        RepairEffect(
            tables.one_of(_EFFECTS, line, "repair", row["repair"], ("ssd", "ram", "battery")),
            row["figure"],
            _range(_EFFECTS, line, row, "{}_ratio"),
            row["says"],
            row["source"],
            tables.iso_date(_EFFECTS, line, "as_of", row["as_of"]),
        )
        for line, row in tables.rows(_EFFECTS, text, _EFFECT_COLUMNS)
    )


def _range(name: str, line: int, row: Mapping[str, str], column: str) -> Range:
    values = []
    for level in ("low", "likely", "high"):
        cell = row[column.format(level)]
        try:
            values.append(float(cell))
        except ValueError:
            raise tables.TableError(
                f"{name}: line {line}: {column.format(level)}: {cell!r} is no number"
            ) from None
    if not 0 <= values[0] <= values[1] <= values[2] < math.inf:
        raise tables.TableError(f"{name}: line {line}: {column.format('low')} to high: {values} are no range")
    return Range(*values)


@cache
def footprints() -> MappingProxyType[str, Footprint]:
    """Return {device class: footprint}, read once."""
    return MappingProxyType(parse_footprints(tables.read_text(_FOOTPRINTS)))


@cache
def repair_effects() -> tuple[RepairEffect, ...]:
    """Return what is published about repairs, read once."""
    return parse_effects(tables.read_text(_EFFECTS))


def parse_thresholds(text: str, name: str = _LISTS) -> ListThresholds:
    """Return the thresholds of a TOML text; TableError naming the key that is missing or wrong."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise tables.TableError(f"{name}: {error}") from None
    if found.get("format") != 1:
        raise tables.TableError(f"{name}: format: {found.get('format')!r}; 1 expected")
    return ListThresholds(
        _value(name, found, "", "name", str),
        _value(name, found, "hardly_used", "least_observed_days", int),
        float(_value(name, found, "hardly_used", "most_in_use_hours_a_week", float)),
        _value(name, found, "hardly_used", "mdm_silent_days", int),
        _words(name, found, "lifecycle_states"),
        _words(name, found, "not_usage_profiles"),
        _value(name, found, "warranty", "soon_days", int),
    )


def _value(name: str, found: Mapping[str, Any], section: str, key: str, kind: type) -> Any:
    where = found.get(section) if section else found
    value: Any = where.get(key) if isinstance(where, dict) else None
    accepted = (int, float) if kind is float else kind
    right = isinstance(value, accepted) and not isinstance(value, bool)
    if not right or (kind is not str and not 0 <= value < math.inf):
        raise tables.TableError(
            f"{name}: {section or 'top'}: {key}: {value!r}; {kind.__name__} from 0 expected"
        )
    return value


def _words(name: str, found: Mapping[str, Any], key: str) -> frozenset[str]:
    value = found["hardly_used"].get(key)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise tables.TableError(f"{name}: hardly_used: {key}: {value!r}; a list of words expected")
    return frozenset(value)


@cache
def thresholds() -> ListThresholds:
    """Return the thresholds that ship with this package, read once: ours, and said so in `name`."""
    return parse_thresholds(tables.read_text(_LISTS))
