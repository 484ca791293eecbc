"""Texts of cells become measures and weights: numbers that cannot be negative."""

from __future__ import annotations

import math
import re

from roadworthy_inventory.importing.problems import CellError
from roadworthy_inventory.importing.sums import NOTHING, Cell, as_text

# What Endpoint Analytics writes for "no value": not available (-1, -2) and no crash seen (the largest Int32).
_NO_MEASURE = frozenset({-1.0, -2.0, 2147483647.0})
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.[0-9]*)?(?:E[+-]?[0-9]{1,3})?", re.IGNORECASE
)
_ONE_COMMA = re.compile(r"[+-]?([0-9]{1,3}),([0-9]{3})")


def measure(cell: Cell) -> float | None:
    """Return a number that cannot be negative, in the source's unit; None for -1, -2 and 2147483647."""
    number = _number(as_text(cell))
    return None if number is None or number in _NO_MEASURE else _not_negative(number)


def weight(cell: Cell) -> float | None:
    """Return a weight, in the source's unit; `1,500` is refused: scales write three decimals, with a comma on the Continent."""
    said = as_text(cell)
    if found := _ONE_COMMA.fullmatch(said):
        whole, decimals = found.groups()
        raise CellError(
            "not_a_number", f"may be {whole}.{decimals} or {whole}{decimals}: write it without a comma"
        )
    number = _number(said)
    return None if number is None else _not_negative(number)


def _number(said: str) -> float | None:
    if said.casefold() in NOTHING:
        return None
    if not _NUMBER.fullmatch(said):
        comma = "," in said and said.count(",") == 1 and "." not in said.partition(",")[2]
        why = "has a decimal comma or wrong thousands; write it as 1234.5" if comma else "is no number"
        raise CellError("not_a_number", why)
    return float(said.replace(",", ""))


def _not_negative(number: float) -> float:
    if number < 0 or not math.isfinite(number):
        raise CellError("not_a_number", "is negative, and this cannot be")
    return number
