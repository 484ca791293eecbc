"""Texts of cells become values: dates, money, numbers, lengths of time, yes and no, hardware addresses.

Every function takes one cell (text, or what a spreadsheet keeps typed) and returns a value, None where the cell says
there is none, or raises CellError with a code and a message a person can act on. Nothing is guessed in silence.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from roadworthy_inventory.importing.measures import measure, weight
from roadworthy_inventory.importing.problems import CellError
from roadworthy_inventory.importing.sums import NOTHING, Cell, as_text, pence, pounds, usual_pence

__all__ = [
    "DATE_ORDERS", "FORMULA_ERRORS", "LIFELONG", "NOTES_LENGTH", "TEXT_LENGTH", "Cell", "DateOrder", "add_months", "as_text", "bios_date", "date",
    "iso_date", "key", "macs", "measure", "months", "notes", "pence", "plain_texts",
    "pounds", "proves", "text", "usual_pence", "weight", "whole", "without_contacts", "yes_or_no",
]  # fmt: skip
DateOrder = Literal["day first", "month first"]
DATE_ORDERS: tuple[DateOrder, ...] = ("day first", "month first")
LIFELONG = -1  # months of a warranty without end, as GLPI counts them

TEXT_LENGTH = 255
NOTES_LENGTH = 10_000
# What a spreadsheet makes of long digits: the rest of the serial is gone, and thousands of them look alike.
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
_EXACT_FLOAT = 2**53
FORMULA_ERRORS = frozenset(
    {
        "#N/A",
        "#DIV/0!",
        "#REF!",
        "#VALUE!",
        "#NAME?",
        "#NUM!",
        "#NULL!",
        "#SPILL!",
        "#CALC!",
        "#FIELD!",
        "#BLOCKED!",
    }
)


def text(cell: Cell) -> str | None:
    """Return the text of at most 255 characters, None for an empty one."""
    found = cell.strip() if isinstance(cell, str) else as_text(cell)
    if len(found) > TEXT_LENGTH:
        raise CellError(
            "too_long", f"is {len(found)} characters long; at most {TEXT_LENGTH} are kept, shorten it"
        )
    return found or None


def notes(cell: Cell) -> str | None:
    """Return a long text of at most 10,000 characters, None for an empty one."""
    found = as_text(cell)
    if len(found) > NOTES_LENGTH:
        raise CellError(
            "too_long", f"is {len(found)} characters long; at most {NOTES_LENGTH} are kept, shorten it"
        )
    return found or None


def plain_texts(cells: Sequence[str], *, most: int) -> list[str | None] | None:
    """Return what `key` and `notes` make of texts of at most `most` characters in which nothing is odd; else None."""
    said = "".join(cells)
    # What is odd: a control character or line end, a number rounded to 4.5E+12, an apostrophe before a formula, its error.
    if (
        not said.isprintable()
        or "+" in said
        or "'" in said
        or "#" in said
        or len(max(cells, key=len, default="")) > most
    ):
        return None
    if not said.isascii() and not unicodedata.is_normalized("NFC", said):
        return None
    return [cell.strip() or None for cell in cells]


_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+\.[^@\s]+")
_TELEPHONE = re.compile(
    r"(?<![\w.+-])(?!\d\d-\d\d-\d\d)"  # not in the middle of a reference, and no date
    r"(?:\+\d{1,3}[ -]?(?:\(0\)[ -]?)?|00\d\d[ -]?|\(?0)\d(?:[ ()-]{0,2}\d){8,9}(?![\w:-])"
)
_REMOVED = "[removed]"


def without_contacts(said: str) -> tuple[str, int]:
    """Return a free text with e-mail addresses and telephone numbers blanked, and how many there were.

    A number is taken for a telephone's by its shape: 10 or 11 digits from nought, or an international prefix.
    """
    said, addresses = _ADDRESS.subn(_REMOVED, said) if "@" in said else (said, 0)
    said, numbers = _TELEPHONE.subn(_REMOVED, said)
    return said, addresses + numbers


def key(cell: Cell) -> str | None:
    """Return a tag or serial; refused where a spreadsheet has rounded it to `4.5E+12`, for it names no one item.

    Letters with accents come as one character each, so that what looks alike is alike; what cannot be seen is refused.
    """
    found = text(cell)
    if found is not None and not found.isascii():
        found = unicodedata.normalize("NFC", found)
        if hidden := next((letter for letter in found if unicodedata.category(letter) == "Cf"), None):
            raise CellError(
                "invisible",
                f"holds a character that cannot be seen (U+{ord(hidden):04X}); type the cell anew",
            )
    if found is not None and len(found.splitlines()) > 1:
        raise CellError("line_break", "holds a line break; close the quote it opens, or give one tag a cell")
    large = isinstance(cell, float) and abs(cell) > _EXACT_FLOAT
    if large or (found is not None and "+" in found and _ROUNDED.fullmatch(found)):
        raise CellError(
            "rounded", "a spreadsheet has rounded this number; format the column as text at source"
        )
    return found


# --- dates ---

_NUMERIC = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})(?:[ T,].*)?", re.DOTALL)
_ISO = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[ T].*)?", re.DOTALL)
_NAMED = re.compile(
    r"(?:[A-Z]{3,9},? )?([0-9]{1,2})(?:ST|ND|RD|TH)?[ -]?([A-Z]{3,9})\.?,?[ -]?([0-9]{4}|[0-9]{2})(?: .*)?",
    re.IGNORECASE | re.DOTALL,
)
_NAMED_US = re.compile(
    r"([A-Z]{3,9})\.? ([0-9]{1,2})(?:ST|ND|RD|TH)?,? ([0-9]{4})(?: .*)?", re.IGNORECASE | re.DOTALL
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december", "sept"),
)
_SERIAL = re.compile(r"([0-9]{5})(?:\.[0-9]+)?")
_COMPACT = re.compile(r"(19|20)[0-9]{6}")
_EXCEL_EPOCH = dt.date(1899, 12, 30)  # serial 1 is 1900-01-01 in a calendar that has 29 February 1900
_SERIALS = range(18_264, 91_314)  # 1950 to 2149: five digits outside of it are no date of ours
_YEARS = range(1950, 2150)
_PIVOT = 70  # two-digit years: 00-69 are 2000-2069, 70-99 are 1970-1999
# What programs write for "never": the zeros of SQL, .NET, Windows, Excel and Unix.
_NEVER = frozenset(
    {(0, 0, 0), (1, 1, 1), (1601, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 1, 1), (1970, 1, 1)}
)


def proves(cell: Cell) -> DateOrder | None:
    """Return the order a numeric date can only have: 25/12/2023 is day first, 12/25/2023 month first; else None."""
    found = _NUMERIC.fullmatch(cell.strip()) if isinstance(cell, str) else None
    if found is None:
        return None
    first, second, year = int(found[1]), int(found[3]), _year(found[4])
    if first > 12:
        return "day first" if _is_day(year, second, first) else None
    return "month first" if second > 12 and _is_day(year, first, second) else None


def _is_day(year: int, month: int, day: int) -> bool:
    """Whether the calendar has the day: 02/30/2024 is none in either order, so it proves nothing."""
    try:
        dt.date(year, month, day)
    except ValueError:
        return False
    return True


def date(cell: Cell, order: DateOrder = "day first") -> dt.date | None:
    """Return the day a cell says; a time after it is left out, zones are not turned.

    Read: ISO, 20231225, numeric dates in `order` with / . or -, `25 Dec 2023`, `December 25, 2023`, Excel's serial
    days. None for nothing and for the values programs write for "never" (0001-01-01, 1900-01-01, 1970-01-01).
    CellError `date_order` where the date is one in the other order only.
    """
    if isinstance(cell, dt.date):
        return _day(cell.year, cell.month, cell.day)
    said = as_text(cell)
    if said.casefold() in NOTHING or said == "0":
        return None
    if found := _ISO.fullmatch(said):
        return _day(int(found[1]), int(found[3]), int(found[4]))
    if found := _NUMERIC.fullmatch(said):
        return _numeric(found, order)
    return _rarer(said)


def _rarer(said: str) -> dt.date | None:
    """Return the day of 20231225, of Excel's serial number, or of a month by name."""
    if _COMPACT.fullmatch(said):
        return _day(int(said[:4]), int(said[4:6]), int(said[6:]))
    if (found := _SERIAL.fullmatch(said)) and int(found[1]) in _SERIALS:
        return _EXCEL_EPOCH + dt.timedelta(days=int(found[1]))
    if found := _NAMED.fullmatch(said):
        return _named(found[1], found[2], found[3])
    if found := _NAMED_US.fullmatch(said):
        return _named(found[2], found[1], found[3])
    raise CellError("not_a_date", "is no date; write it as 2025-10-14")


def iso_date(cell: Cell) -> dt.date | None:
    """Return the day of YYYY-MM-DD exactly, whatever the year; for our own files."""
    if isinstance(cell, dt.datetime):
        return cell.date()
    if isinstance(cell, dt.date):
        return cell
    said = as_text(cell)
    if not said:
        return None
    try:
        return dt.date.fromisoformat(said)
    except ValueError:
        # A spreadsheet that opened our file may have turned its dates into the day-first ones of its country.
        return date(cell)


def bios_date(cell: Cell) -> dt.date | None:
    """Return the release date of firmware: SMBIOS writes it month first, whatever the country.

    Source: DMTF DSP0134, BIOS Information (Type 0), "mm/dd/yyyy": https://www.dmtf.org/dsp/DSP0134
    """
    return date(cell, "month first")


def _numeric(found: re.Match[str], order: DateOrder) -> dt.date | None:
    first, second, year = int(found[1]), int(found[3]), _year(found[4])
    day, month = (first, second) if order == "day first" else (second, first)
    if month > 12 and _is_day(year, day, month):
        other = "month first" if order == "day first" else "day first"
        raise CellError("date_order", f"is a date only when read {other}, and the column is read {order}")
    return _day(year, month, day)


def _named(day: str, name: str, year: str) -> dt.date | None:
    short = name[:3].casefold()
    if short not in _MONTHS or (len(name) > 3 and name.casefold() not in _LONG_MONTHS):
        raise CellError("not_a_date", "is no date: the month is not an English one; write it as 2025-10-14")
    return _day(_year(year), _MONTHS.index(short) + 1, int(day))


def _year(digits: str) -> int:
    if len(digits) == 4:
        return int(digits)
    return int(digits) + (2000 if int(digits) < _PIVOT else 1900)


def _day(year: int, month: int, day: int) -> dt.date | None:
    if (year, month, day) in _NEVER:
        return None
    try:
        found = dt.date(year, month, day)
    except ValueError:
        raise CellError("not_a_date", "is no day of the calendar; write it as 2025-10-14") from None
    if year not in _YEARS:
        raise CellError(
            "not_a_date", f"is in the year {year}; dates from {_YEARS[0]} to {_YEARS[-1]} are read"
        )
    return found


# --- numbers, lengths of time, yes and no ---

_WHOLE = re.compile(r"[+-]?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.0*)?")
_LENGTH = re.compile(
    r"([0-9]+(?:\.[0-9]+)?) ?(years?|yrs?|y|months?|mths?|mos?|m)?(?:,| and)? ?", re.IGNORECASE
)
_MOST_MONTHS = 1200
_YES = frozenset({"yes", "y", "true", "t", "1", "on", "enabled", "x"})
_NO = frozenset({"no", "n", "false", "f", "0", "off", "disabled"})


def whole(cell: Cell) -> int | None:
    """Return the whole number; `1,234` and `12.0` are whole."""
    said = as_text(cell)
    if said.casefold() in NOTHING:
        return None
    if not _WHOLE.fullmatch(said):
        raise CellError("not_a_number", "is no whole number")
    return int(said.split(".")[0].replace(",", ""))


def months(cell: Cell, unit: Literal["months", "years"] = "months") -> int | None:
    """Return a length of time in months: `3 years` is 36, `36` is 36 `unit`s, `Lifelong` is LIFELONG (-1)."""
    said = as_text(cell).casefold()
    if said in NOTHING:
        return None
    if said in {"lifelong", "lifetime", "-1"}:
        return LIFELONG
    total, place = Decimal(0), 0
    while place < len(said):
        found = _LENGTH.match(said, place)
        if found is None:
            raise CellError("not_a_length", "is no length of time; write it as 36 months or 3 years")
        name = found[2] or unit
        total += Decimal(found[1]) * (12 if name.startswith("y") else 1)
        place = found.end()
    if total != total.to_integral_value() or total > _MOST_MONTHS:
        raise CellError("not_a_length", f"is no whole number of months up to {_MOST_MONTHS}")
    return int(total)


def add_months(start: dt.date, count: int) -> dt.date:
    """Return the last day of a length of `count` months that begins on `start`: 36 from 2024-03-01 is 2027-02-28."""
    year, month = divmod(start.year * 12 + start.month - 1 + count, 12)
    for day in (start.day, 30, 29, 28):
        try:
            return dt.date(year, month + 1, day) - dt.timedelta(days=day == start.day)
        except ValueError:
            continue
    raise CellError("not_a_date", f"{count} months after {start.isoformat()} is out of the calendar")


def yes_or_no(cell: Cell) -> bool | None:
    """Return what the cell answers, None for nothing."""
    if isinstance(cell, bool):
        return cell
    said = as_text(cell).casefold()
    if said in NOTHING:
        return None
    if said in _YES or said in _NO:
        return said in _YES
    raise CellError("not_yes_or_no", "is neither yes nor no")


# --- hardware addresses ---

_MAC_SPLIT = re.compile(r"[,;|/\s]+")
_MAC = re.compile(r"[0-9a-f]{12}")
_NO_MACS = frozenset({"000000000000", "ffffffffffff"})


def macs(cell: Cell) -> tuple[str, ...]:
    """Return the addresses as `aa:bb:cc:dd:ee:ff`, each once, in their order; all zeros and all ones are none."""
    said = as_text(cell).casefold()
    if said in NOTHING:
        return ()
    found: dict[str, None] = {}
    bare = re.sub(r"[\s:.-]", "", said)
    for part in [bare] if _MAC.fullmatch(bare) else _MAC_SPLIT.split(said):
        digits = re.sub(r"[:.-]", "", part)
        if not digits or digits in _NO_MACS:
            continue
        if not _MAC.fullmatch(digits):
            raise CellError("not_a_mac", "is no hardware address; write it as aa:bb:cc:dd:ee:ff")
        found[":".join(digits[place : place + 2] for place in range(0, 12, 2))] = None
    return tuple(found)
