"""Numbers of supplies: the MPAN of electricity and the MPRN of gas, with their check digits.

MPAN: the core of 13 digits; the first twelve, each times its prime of 3, 5, 7, 13 ... 43 (11 is left out), added up,
modulo 11, modulo 10, are the last. The full form has 8 characters before it: profile class, time switch code, line loss
factor class. https://en.wikipedia.org/wiki/Meter_Point_Administration_Number
MPRN: 6 to 10 digits, the last two of which are a check: the others, each times how many of them are left with it,
added up, modulo 11. https://en.everybodywiki.com/Meter_Point_Reference_Number
"""

from __future__ import annotations

import re

from roadworthy_inventory.carbon.quantities import CarbonError

_PRIMES = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
_FULL = re.compile(r"S?([0-9]{2})([0-9]{3})([0-9A-Z]{3})([0-9]{13})", re.ASCII)
_CORE = re.compile(r"S?([0-9]{13})", re.ASCII)
_SHORTEST_MPRN, _LONGEST_MPRN = 6, 10
_SAID = 40


class MeterNumberError(CarbonError):
    """A number that is no MPAN or MPRN: the text says why."""


def _plain(text: str) -> str:
    return re.sub(r"[\s./-]", "", text).upper()


def mpan(text: str) -> str:
    """Return the 13 digits of an MPAN written with or without spaces, its `S`, or the 8 characters before.

    Raises MeterNumberError for another length, or a check digit that does not fit.
    """
    said = _plain(text)
    found = _FULL.fullmatch(said) or _CORE.fullmatch(said)
    if found is None:
        raise MeterNumberError(
            f"{text.strip()[:_SAID]!r} is no MPAN: it has 13 digits, or 21 characters in the full form"
        )
    core = found[found.lastindex or 1]
    wanted = mpan_check_digit(core[:12])
    if int(core[12]) != wanted:
        raise MeterNumberError(
            f"MPAN {core} does not check: its last digit would be {wanted}, so one of its digits is wrong"
        )
    return core


def mpan_check_digit(twelve: str) -> int:
    """Return the thirteenth digit of an MPAN's first twelve."""
    return sum(int(digit) * prime for digit, prime in zip(twelve, _PRIMES, strict=True)) % 11 % 10


def mprn(text: str) -> str:
    """Return the digits of an MPRN; MeterNumberError where it is none."""
    said = _plain(text).removeprefix("M")
    if not (said.isascii() and said.isdigit() and _SHORTEST_MPRN <= len(said) <= _LONGEST_MPRN):
        raise MeterNumberError(
            f"{text.strip()[:_SAID]!r} is no MPRN: it has {_SHORTEST_MPRN} to {_LONGEST_MPRN} digits"
        )
    wanted = mprn_check_digits(said[:-2])
    if said[-2:] != wanted:
        raise MeterNumberError(
            f"MPRN {said} does not check: its last two digits would be {wanted}, so one of its digits is wrong"
        )
    return said


def mprn_check_digits(rest: str) -> str:
    """Return the last two digits of an MPRN that begins with `rest`."""
    length = len(rest)
    return f"{sum(int(digit) * (length - place) for place, digit in enumerate(rest)) % 11:02d}"
