"""Raw values of SNMP become numbers, words and dates, or a reason why not. Pure; nothing here raises for a value.

What comes back is finite and in the unit of the kind. A sentinel ("not supported" said as a number), a value beyond
what can be, a unit that is none of the kind's: each is refused with its reason, never passed on and never a nought.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias

from roadworthy_collector.snmp.port import Value
from roadworthy_collector.snmp.profile import DateForm, ReadingSpec, Unit
from roadworthy_collector.snmp.readings import UNITS, Kind

Code = Literal["missing", "sentinel", "out_of_range", "not_a_number", "unknown_unit", "not_believed"]

# Ends of whole numbers, which firmware sends for "I have none" whatever its MIB says.
EVERYWHERE_SENTINELS = frozenset({-32768, 2147483647, -2147483648, 4294967295})
# The upper ends of 16-bit numbers as well, but of what is counted (watt-hours, pages, seconds) they are fair values. A
# sensor that happens to stand there is refused for that one poll; a profile says where its unit makes that likely.
SENSOR_SENTINELS = frozenset({32767, 65535})
_SENSED: frozenset[Kind] = frozenset(
    {
        *("active_power", "apparent_power", "idle_power", "nameplate_power", "nameplate_apparent_power"),
        *("load", "voltage", "current", "frequency", "temperature"),
    }
)

# What a reading of a kind can be, ends included, in its unit. A profile may narrow or widen it.
PLAUSIBLE: dict[Kind, tuple[Decimal, Decimal]] = {
    "active_power": (Decimal(0), Decimal(5_000_000)),
    "apparent_power": (Decimal(0), Decimal(5_000_000)),
    "idle_power": (Decimal(1), Decimal(5_000_000)),
    "energy": (Decimal(0), Decimal(10) ** 15),
    "load": (Decimal(0), Decimal(3)),
    "current": (Decimal(0), Decimal(10_000)),
    "voltage": (Decimal(0), Decimal(2_000)),
    "power_factor": (Decimal(0), Decimal(1)),
    "efficiency": (Decimal(0), Decimal(1)),
    "charge": (Decimal(0), Decimal(1)),
    "runtime": (Decimal(0), Decimal(10_000_000)),
    "duration": (Decimal(0), Decimal(10) ** 9),
    "frequency": (Decimal(1), Decimal(500)),
    "temperature": (Decimal(-60), Decimal(200)),
    "humidity": (Decimal(0), Decimal(1)),
    "page_count": (Decimal(0), Decimal(10) ** 10),
    "hours": (Decimal(0), Decimal(1_000_000)),
    "supply": (Decimal(0), Decimal(1)),
    "paper": (Decimal(0), Decimal(1)),
    "utilisation": (Decimal(0), Decimal(1)),
    "memory": (Decimal(1), Decimal(10) ** 15),
    "uptime": (Decimal(0), Decimal(10) ** 10),
    "nameplate_power": (Decimal(1), Decimal(5_000_000)),
    "nameplate_apparent_power": (Decimal(1), Decimal(5_000_000)),
}
_MAY_BE_NEGATIVE = frozenset({"temperature"})
_MOST_DIGITS = 12  # decimal places any sensor has; more is a misread column
_PREFIXES = 24  # 10^-24 to 10^24: the ends of RFC 3433's and RFC 7461's multipliers
UNTOLD_FACTOR = 1 << 40  # stands for a factor that the device should tell and does not
_MOST_FACTOR = 10**9
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,12})?")
_LONGEST_TEXT = 200
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NO_TEXT = frozenset(
    {"n/a", "na", "none", "null", "unknown", "not available", "not applicable", "not specified", "-"}
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a value is no reading: `code` as in Refusal, `reason` in words."""

    code: Code
    reason: str


Number: TypeAlias = Decimal | Trouble


@dataclass(frozen=True, slots=True)
class Beside:
    """What other columns say of a value's scale; None where the profile asks for none."""

    unit: Unit | None = None
    digits: int | None = None
    exponent: int | None = None
    entity_scale: int | None = None
    factor: int | None = None
    whole: int | None = None  # what the value is a share of


def quantity(raw: Value, spec: ReadingSpec, beside: Beside) -> float | Trouble:
    """Return the value in the unit of the spec's kind, finite and plausible, or why there is none."""
    number = plain_number(raw, numeric_text=spec.numeric_text)
    if isinstance(number, Trouble):
        return number
    sentinel = _sentinel(number, spec)
    if sentinel is not None:
        return sentinel
    # Where the whole is not told, a unit that is itself a share says as much.
    is_share = spec.share is not None and ((beside.whole or 0) > 0 or beside.unit is None)
    scaled = _shared(number, beside.whole) if is_share else _scaled(number, beside)
    if isinstance(scaled, Trouble):
        return scaled
    least, most = PLAUSIBLE[spec.kind]
    least = spec.least if spec.least is not None else least
    most = spec.most if spec.most is not None else most
    if not least <= scaled <= most:
        unit = UNITS[spec.kind]
        return Trouble(
            "out_of_range",
            f"{raw_text(raw)} would be {plain_text(scaled)} {unit}; believed are {plain_text(least)} to "
            f"{plain_text(most)} {unit}",
        )
    return float(scaled)


def plain_number(raw: Value, *, numeric_text: bool) -> Number:
    """Return a raw value as a number; text only where the device is known to send numbers as text."""
    if isinstance(raw, int):
        return Decimal(raw)
    if isinstance(raw, bytes) and numeric_text:
        text = raw.decode("latin-1").strip(" \t\r\n\0").replace(",", ".")
        if _NUMBER.fullmatch(text):
            return Decimal(text)
    return Trouble("not_a_number", f"{raw_text(raw)} is no number")


def _sentinel(number: Decimal, spec: ReadingSpec) -> Trouble | None:
    if number in spec.sentinels:
        return Trouble("sentinel", f"{number} is how this family says that it has no value")
    if number not in spec.believed and (
        number in EVERYWHERE_SENTINELS or (number in SENSOR_SENTINELS and spec.kind in _SENSED)
    ):
        return Trouble("sentinel", f"{number} is the end of a whole number's range: no value")
    if number < 0 and spec.negative_is_missing:
        return Trouble("sentinel", f"{number}: this family says by a negative number that it has no value")
    if number < 0 and spec.kind not in _MAY_BE_NEGATIVE and spec.least is None:
        return Trouble("out_of_range", f"{number}: {spec.kind.replace('_', ' ')} is not negative")
    return None


def _shared(number: Decimal, whole: int | None) -> Number:
    if whole is None or whole <= 0:
        told = "is not told" if whole is None else f"is told as {whole}"
        return Trouble("unknown_unit", f"{number} of what {told}")
    return number / whole


def _scaled(number: Decimal, beside: Beside) -> Number:
    unit = beside.unit
    if unit is None:
        return Trouble("unknown_unit", f"{number} of a unit that is not told")
    shift = 0
    if beside.digits is not None:
        if not 0 <= beside.digits <= _MOST_DIGITS:
            return Trouble("unknown_unit", f"{number} with {beside.digits} decimal digits")
        shift -= beside.digits
    if beside.entity_scale is not None:
        if not 1 <= beside.entity_scale <= 17:
            return Trouble(
                "unknown_unit", f"{number} with scale {beside.entity_scale}, which RFC 3433 has not"
            )
        shift += 3 * (beside.entity_scale - 9)
    if beside.exponent is not None:
        if not -_PREFIXES <= beside.exponent <= _PREFIXES:
            return Trouble("unknown_unit", f"{number} times ten to the {beside.exponent}")
        shift += beside.exponent
    scaled = number.scaleb(shift)
    if beside.factor is not None and abs(beside.factor) > _MOST_FACTOR:
        return Trouble("unknown_unit", f"{number} times a factor that is not told or cannot be")
    if beside.factor:
        scaled = scaled * beside.factor if beside.factor > 0 else scaled / -beside.factor
    return scaled * unit.factor + unit.offset


def word(raw: Value, spec: ReadingSpec) -> str | Trouble:
    """Return a text reading's value: a date, a state's word, or of bits all that are set with commas between ("none")."""
    if spec.form is not None:
        told = date_of(raw, spec.form)
        return told if told is not None else Trouble("not_a_number", f"{raw_text(raw)} is no date")
    if spec.bits:
        return _bit_words(raw, spec)
    if not isinstance(raw, int):
        return Trouble("not_a_number", f"{raw_text(raw)} is no code")
    found = spec.states.get(raw)
    return found if found is not None else Trouble("out_of_range", f"{raw} is no code of {spec.object}")


def _bit_words(raw: Value, spec: ReadingSpec) -> str | Trouble:
    if not isinstance(raw, bytes):
        return Trouble("not_a_number", f"{raw_text(raw)} is no row of bits")
    words = [spec.bits[bit] for bit in sorted(bits_set(raw)) if bit in spec.bits]
    return ", ".join(words) if words else "none"


def bits_set(raw: bytes) -> frozenset[int]:
    """Return which bits are set; bit 0 is the most significant of the first octet (BITS, and hrPrinter's errors)."""
    return frozenset(
        place * 8 + bit for place, octet in enumerate(raw) for bit in range(8) if octet & (0x80 >> bit)
    )


def text_of(raw: Value | None) -> str | None:
    """Return a value as text a person reads: no control characters, at most 200 characters; None where it is empty."""
    if raw is None or isinstance(raw, tuple):
        return None
    if isinstance(raw, int):
        return str(raw)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_TEXT]
    return None if not clean or clean.casefold() in _NO_TEXT else clean


def date_of(raw: Value | None, form: DateForm) -> str | None:
    """Return a value as an ISO date, or (form "text") as it is; None where it is none of that form."""
    if form == "date_and_time":
        return _date_and_time(raw)
    text = text_of(raw)
    if text is None or form == "text":
        return text
    if form == "compact":
        return _day(*_numbers(r"(\d{4})(\d{2})(\d{2})(?=\d{6}(?:\.|$))", text, ends=False))
    iso = _day(*_numbers(r"(\d{4})-(\d{1,2})-(\d{1,2})", text))
    if form == "iso_date":
        return iso
    month, day, year = _numbers(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})", text)
    slashed = _day(_full_year(year), month, day)
    if form == "month_day_year":
        return slashed
    return iso or _named_month(text) or _unmistakable(month, day, year)


def _unmistakable(first: int, second: int, year: int) -> str | None:
    """Return the date of 31/01/2024 or 01/31/2024 or 03/03/2024; not of 03/04/2024, which is two days."""
    if year < 100 or (first <= 12 and second <= 12 and first != second):
        return None
    return _day(year, second, first) if first > 12 else _day(year, first, second)


def _named_month(text: str) -> str | None:
    """Return the date of 04-Mar-2024 or 4 March 2024."""
    found = re.match(r"([0-9]{1,2})[ -]([A-Za-z]{3,9})[ -]([0-9]{4})(?![0-9])", text)
    if found is None:
        return None
    month = next((n for n, name in enumerate(_MONTHS, start=1) if name == found[2][:3].casefold()), 0)
    return _day(int(found[3]), month, int(found[1]))


def _numbers(pattern: str, text: str, *, ends: bool = True) -> tuple[int, int, int]:
    found = re.match(pattern + (r"(?!\d)" if ends else ""), text, re.ASCII)
    return (0, 0, 0) if found is None else (int(found[1]), int(found[2]), int(found[3]))


def _full_year(year: int) -> int:
    """Return a year of two digits as one of 1970 to 2069; one of four as it is."""
    if year >= 100:
        return year
    return 1900 + year if year >= 70 else 2000 + year


def _date_and_time(raw: Value | None) -> str | None:
    """SNMPv2-TC DateAndTime: two octets of year, then month and day, in 8 or 11 octets."""
    if not isinstance(raw, bytes) or len(raw) not in {8, 11}:
        return None
    return _day(int.from_bytes(raw[:2], "big"), raw[2], raw[3])


def _day(year: int, month: int, day: int) -> str | None:
    # Unset clocks say 1970-01-01 or noughts; nothing that answers SNMP was made before 1980.
    if not 1980 <= year <= 2100:
        return None
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def raw_text(raw: Value) -> str:
    """Return a raw value as an error says it."""
    if isinstance(raw, bytes):
        return repr(raw.decode("latin-1")[:40])
    return str(raw) if isinstance(raw, int) else "an object identifier"


def plain_text(number: Decimal) -> str:
    """Return a number without exponent and with at most six places."""
    return f"{number:.6f}".rstrip("0").rstrip(".")
