"""Texts of cells become sums of money in whole pence; what a cell may hold at all."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from roadworthy_inventory.importing.problems import CellError

Cell = str | int | float | bool | dt.date | dt.datetime | dt.time | dt.timedelta
NOTHING = frozenset({"", "-", "--", "n/a", "na", "none", "null", "nil", "not set", "unknown", "tbc", "#n/a"})

_POUND = re.compile(r"\N{POUND SIGN}|GBP|UKP|\bSTG\b", re.IGNORECASE)
# How nine of ten sums are written: a shorter way to the same pence.
_USUAL = re.compile(r"(-)?\N{POUND SIGN}?([0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.([0-9]{2}))?")
_USUAL_LINES = re.compile(rf"(?>(?:{_USUAL.pattern})?\n)*")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")
_SPACED = re.compile(r"[0-9]{1,3}(?:[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}'][0-9]{3})+(?:\.[0-9]*)?")
_DECIMAL_COMMA = re.compile(r"[0-9. ]*[0-9],[0-9]{1,2}")
_CURRENCY_SIGNS = {
    "$": "dollars",
    "\N{EURO SIGN}": "euros",
    "\N{YEN SIGN}": "yen",
    "\N{INDIAN RUPEE SIGN}": "rupees",
}
_CURRENCY_CODE = re.compile(
    r"(?<![A-Z])(USD|EUR|JPY|CHF|AUD|CAD|NZD|CNY|INR|SEK|NOK|DKK|PLN|HKD|SGD|ZAR)(?![A-Z])"
)
_CREDIT = re.compile(r"\s*(CR|DR)\.?$|^(CR|DR)\.?\s*", re.IGNORECASE)
_MOST_PENCE = 10**15


def as_text(cell: Cell) -> str:
    """Return the cell as text without outer spaces: whole floats without `.0`, dates as YYYY-MM-DD."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, dt.datetime) and cell.time() == dt.time.min:
        return cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else str(cell)


def pence(cell: Cell) -> int | None:
    """Return the sum of money in whole pence; a typed number of a spreadsheet is rounded, half away from zero.

    Brackets, a minus before or behind and CR make it negative. CellError for other currencies (named), for decimal
    commas, for more than two decimals in a text (`1.234` is 1,234 in half of Europe), and for what is no sum at all.
    """
    if isinstance(cell, bool | dt.date | dt.time | dt.timedelta):
        raise CellError("not_money", "is no sum of money; write it as 1234.56")
    if isinstance(cell, int | float):
        return _in_pence(Decimal(str(cell)) if math.isfinite(cell) else Decimal("NaN"))
    if found := _USUAL.fullmatch(cell):
        amount = int(found[2].replace(",", "")) * 100 + int(found[3] or 0)
        return -amount if found[1] else amount
    said = cell.strip().replace("\N{MINUS SIGN}", "-")
    if said.casefold() in NOTHING:
        return None
    _refuse_other_currency(said)
    said = _POUND.sub("", said).strip()
    signs = 0
    if found := _CREDIT.search(said):
        signs += (found[1] or found[2]).upper() == "CR"
        said = _CREDIT.sub("", said, count=1).strip()
    if said.startswith("(") and said.endswith(")"):
        signs += 1
        said = said[1:-1].strip()
    for taken in (said.removeprefix("-"), said.removesuffix("-"), said.removeprefix("+")):
        if taken != said:
            signs += not said.startswith("+")
            said = taken.strip()
            break
    if signs > 1:
        raise CellError("not_money", "has two signs of being negative; write it as -1234.56")
    sum_ = _digits(said)
    return _in_pence(-sum_ if signs else sum_)


def usual_pence(cells: Sequence[str]) -> list[int | None] | None:
    """Return what `pence` makes of texts that are all written as nine of ten are, or empty; else None."""
    said = "\n".join([*cells, ""])
    if not _USUAL_LINES.fullmatch(said):
        return None
    lines = said.replace("\N{POUND SIGN}", "").replace(",", "").split("\n")
    if len(lines) != len(cells) + 1:  # a line end within a cell
        return None
    del lines[-1]
    return [
        int(line.replace(".", "")) if "." in line else int(line) * 100 if line else None for line in lines
    ]


def _refuse_other_currency(said: str) -> None:
    for sign, name in _CURRENCY_SIGNS.items():
        if sign in said:
            raise CellError(
                "other_currency", f"is in {name} ({sign}); only pounds are read, convert it first"
            )
    if found := _CURRENCY_CODE.search(said.upper()):
        raise CellError("other_currency", f"is in {found[1]}; only pounds (GBP) are read, convert it first")


def _digits(said: str) -> Decimal:
    _refuse_decimals(said)
    if _PLAIN.fullmatch(said):
        return Decimal(said)
    if _GROUPED.fullmatch(said):
        return Decimal(said.replace(",", ""))
    if _SPACED.fullmatch(said):
        return Decimal(re.sub(r"[^0-9.]", "", said))
    if _DECIMAL_COMMA.fullmatch(said):
        raise CellError("not_money", "has a decimal comma; write it with a point, as 1234.56")
    raise CellError("not_money", "is no sum of money; write it as 1234.56")


def _refuse_decimals(said: str) -> None:
    """Refuse what rounding would hide: 1.234 is 1,234 where points part thousands; 1234.5000 is 1234.50 anywhere."""
    whole, point, decimals = said.partition(".")
    if len(decimals) <= 2 or not decimals.isdecimal():
        return
    if len(decimals) == 3 and len(whole) <= 3 and whole.isdecimal():
        meant = f"{whole},{decimals} or {whole}{point}{decimals[:2]}"
    elif decimals[2:].strip("0"):
        meant = f"{whole}{point}{decimals[:2]} with the rest rounded away"
    else:
        return
    raise CellError(
        "not_money", f"has more than two decimals: is it {meant}? Write pounds and pence, as 1234.56"
    )


def _in_pence(amount: Decimal) -> int:
    if not amount.is_finite() or abs(amount) * 100 > _MOST_PENCE:
        raise CellError("not_money", "is no sum of money an IT estate can cost")
    return int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


def pounds(pence_: int) -> str:
    """Return whole pence as `1234.56`, which `pence` reads as the same."""
    sign = "-" if pence_ < 0 else ""
    return f"{sign}{abs(pence_) // 100}.{abs(pence_) % 100:02}"
