"""Bounds of the numbers in a pack: `1E-999999999` is short to write and never done to work out.

What is made here stays far within: exact amounts are fractions of a few dozen digits, and rows have plain numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

_EXACT = re.compile(r"-?[0-9]{1,400}(?:/[0-9]{1,400}|(?:\.[0-9]{1,400})?(?:[eE][-+]?[0-9]{1,3})?)", re.ASCII)
_CELL = re.compile(r"(?:-?[0-9]{1,40}(?:/[0-9]{1,40}|(?:\.[0-9]{1,40})?(?:e[-+]?[0-9]{1,3})?))?", re.ASCII)
_HUGE = re.compile(r"[0-9._][eE][-+]?[0-9_]{4,}\s*", re.ASCII)
_MOST_WHOLE = 10**400
_MOST_PLACES = 12
_MOST_DIGITS = 40
_SHOWN = 40


class NumberError(ValueError):
    """A number of a pack that is none, or has more digits than can be; the message names file and place."""


def exact(value: Any, where: str) -> Fraction:
    """Return a number of a pack, a text or as JSON has it, exactly; NumberError naming `where` it stands."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or _EXACT.fullmatch(value) is None:
        raise NumberError(f"{where}: {_short(value)} is no number that can be")
    try:
        return Fraction(value)
    except ZeroDivisionError:
        raise NumberError(f"{where}: {_short(value)} is no number that can be") from None


def _short(value: Any) -> str:
    text = (
        repr(value)
        if not isinstance(value, int) or abs(value) < _MOST_WHOLE
        else "a number of so many digits"
    )
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def ensure_cells(name: str, line: int, row: Mapping[str, str], columns: tuple[str, ...]) -> None:
    """Raise NumberError where a row's cell of `columns`, empty or a number, is anything else."""
    for column in columns:
        if _CELL.fullmatch(row[column]) is None:
            raise NumberError(
                f"{name}: line {line}: {column}: {_short(row[column])} is no number that can be"
            )


def ensure_bounded(name: str, value: Any) -> None:
    """Raise NumberError where JSON holds a number of too many digits, or decimal places that cannot be printed."""
    for where, key, one in _numbers(value, ""):
        most = _MOST_PLACES if key == "places" else _MOST_WHOLE
        least = 0 if key == "places" else -_MOST_WHOLE
        if not least <= one <= most:
            raise NumberError(f"{name}: {where}: {_short(one)} is no number that can be")


def _numbers(value: Any, where: str, key: str = "") -> Iterator[tuple[str, str, float]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _numbers(one, f"{where}, {name}" if where else str(name), str(name))
    elif isinstance(value, list):
        for at, one in enumerate(value, 1):
            yield from _numbers(one, f"{where} {at}", key)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield where, key, value


def ensure_issued(name: str, issued: Mapping[str, Any]) -> None:
    """Raise NumberError for an amount of an earlier issue, as `name` keeps it, that nobody could work with."""
    ensure_bounded(name, issued)
    for one in issued["lines"]:
        exact(one["kwh"], f"{name}: lines, {one['name']}, kwh")
        exact(one["journals_kwh"], f"{name}: lines, {one['name']}, journals_kwh")
    for table in issued["tables"]:
        for row in table["rows"]:
            for column, cell in row.items():
                if isinstance(cell, str) and _HUGE.search(cell):
                    raise NumberError(
                        f"{name}: {table['name']}, {column}: {_short(cell)} is no number that can be"
                    )


def ensure_decimals(name: str, value: Any, where: str = "") -> None:
    """Raise NumberError where something read of `name` holds a decimal of too many digits on either side of its point."""
    if isinstance(value, Decimal):
        digits, exponent = len(value.as_tuple().digits), value.as_tuple().exponent
        if not isinstance(exponent, int) or digits > _MOST_DIGITS or abs(exponent) > _MOST_DIGITS:
            raise NumberError(f"{name}: {where}: {_short(str(value))} is no number that can be")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            ensure_decimals(name, one, f"{where}, {key}" if where else str(key))
    elif isinstance(value, (list, tuple)):
        for at, one in enumerate(value, 1):
            ensure_decimals(name, one, f"{where} {at}")
    elif is_dataclass(value):
        for field in fields(value):
            ensure_decimals(
                name, getattr(value, field.name), f"{where}, {field.name}" if where else field.name
            )
