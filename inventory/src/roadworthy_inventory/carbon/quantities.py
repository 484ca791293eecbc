"""Energy and emissions as exact numbers: CO2 and CO2e are two types that cannot be added, and no number is a float.

Tonnes and pounds that somebody files follow published rounding rules, so everything up to the rounding is a Fraction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import ClassVar, Self, TypeVar

from roadworthy_inventory.money import round_pence

MOST_KWH = 10**13  # thirty times what the United Kingdom uses in a year: beyond it a number is a slip
_MOST_PLACES = 9
_TEXT_LENGTH = 40
_UNITS = {"": 1, "kwh": 1, "mwh": 1000, "gwh": 10**6}
_AMOUNT = re.compile(
    r"([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d{1,9})?)\s*([^\W\d_]*)", re.ASCII
)


class CarbonError(ValueError):
    """A carbon figure that cannot be given: the text says what, where and what to do.

    CarbonError
    ├── QuantityError       an amount or a unit that cannot be
    ├── YearError           a year that is none, has not begun, or is outside a scheme
    ├── MissingFactorError  a factor or price nobody here has found
    └── FactorFileError     a file of factors that is not the official one
    """


class QuantityError(CarbonError):
    """An amount or a unit that cannot be."""


class YearError(CarbonError):
    """A year that is none, has not begun, or is outside a scheme."""


class MissingFactorError(CarbonError):
    """A factor or price nobody here has found."""


class FactorFileError(CarbonError):
    """A file of factors that is not the official one."""


@dataclass(frozen=True, slots=True)
class _Mass:
    """Kilograms of one gas or basket of gases."""

    kilograms: Fraction
    gas: ClassVar[str] = ""

    @property
    def tonnes(self) -> Fraction:
        """The same in tonnes."""
        return self.kilograms / 1000

    def _same(self, other: object) -> Self:
        if type(other) is not type(self):
            raise TypeError(f"{self.gas} and {getattr(other, 'gas', type(other).__name__)} cannot be added")
        return other

    def __add__(self, other: Self) -> Self:
        return type(self)(self.kilograms + self._same(other).kilograms)

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.kilograms - self._same(other).kilograms)


class Co2(_Mass):
    """Carbon dioxide alone: what CRC counts."""

    gas: ClassVar[str] = "CO2"


class Co2e(_Mass):
    """Carbon dioxide equivalent, methane and nitrous oxide included: what SECR and every return since counts."""

    gas: ClassVar[str] = "CO2e"


M = TypeVar("M", Co2, Co2e)


def emitted(gas: type[M], kwh: Fraction, kg_per_kwh: Fraction) -> M:
    """Return what `kwh` emits at a factor of `kg_per_kwh` of `gas`."""
    return gas(kwh * kg_per_kwh)


def total(gas: type[M], parts: list[M]) -> M:
    """Return the sum; nothing emitted nothing only where somebody counted, so callers ask for that first."""
    found = gas(Fraction(0))
    for part in parts:
        found += part
    return found


def half_up(exact: Fraction, places: int = 0) -> Decimal:
    """Return `exact` rounded half away from zero to `places` decimal places."""
    return Decimal(round_pence(exact * 10**places)).scaleb(-places)


def parse_kwh(text: str, what: str) -> Fraction:
    """Return kilowatt-hours from `1234.5`, `1,234 kWh`, `1.2 MWh` or `3 GWh`; never negative.

    `what` names the figure in messages. Raises QuantityError.
    """
    said = text.strip()
    found = _AMOUNT.fullmatch(said) if len(said) <= _TEXT_LENGTH else None
    if found is None or not any(letter.isdigit() for letter in found[1]):
        raise QuantityError(f"{what}: {said[:_TEXT_LENGTH]!r} is no amount; write kWh as 120000 or 1.2 MWh")
    scale = _UNITS.get(found[2].lower())
    if scale is None:
        raise QuantityError(f"{what}: {found[2]!r} is an unknown unit; use kWh, MWh or GWh")
    try:
        number = Decimal(found[1].replace(",", ""))
    except InvalidOperation:
        raise QuantityError(f"{what}: {said!r} is no amount; write kWh as 120000 or 1.2 MWh") from None
    return kwh(number, what) * scale if not number else _checked(number, scale, what, said)


def _checked(number: Decimal, scale: int, what: str, said: str) -> Fraction:
    if number < 0:
        raise QuantityError(f"{what}: {said!r} is negative; energy used is nought or more")
    # The size is looked at before the exact number is made, for 1e400 would be one of 400 digits.
    if number.adjusted() > len(str(MOST_KWH)) or number * scale > MOST_KWH:
        raise QuantityError(f"{what}: {said!r} is more than {MOST_KWH:,} kWh; no estate uses that in a year")
    if -int(number.normalize().as_tuple().exponent) > _MOST_PLACES:
        raise QuantityError(f"{what}: {said!r} has more than {_MOST_PLACES} decimal places; round it")
    return Fraction(number) * scale


def kwh(number: Decimal | int | Fraction, what: str) -> Fraction:
    """Return an amount of energy already read as a number, checked as `parse_kwh` checks it."""
    if isinstance(number, Decimal):
        if not number.is_finite():
            raise QuantityError(f"{what}: {number} is no amount of energy")
        return _checked(number, 1, what, str(number)) if number else Fraction(0)
    if number < 0:
        raise QuantityError(f"{what}: {number} is negative; energy used is nought or more")
    if number > MOST_KWH:
        raise QuantityError(f"{what}: {number} is more than {MOST_KWH:,} kWh; no estate uses that in a year")
    return Fraction(number)
