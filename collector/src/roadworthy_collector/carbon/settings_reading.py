"""How values of the carbon settings are read: each with its key in the message where it is wrong, exact, never a float."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.years import parse_year

_MOST_NUMBER = Decimal(10) ** 13


class CarbonSettingsError(RoadworthyError):
    """The settings for carbon figures are wrong; the message names the key and says what is expected."""


def wrong(where: str, expected: str) -> NoReturn:
    """Raise CarbonSettingsError: the key, and what is expected of it."""
    raise CarbonSettingsError(f"the carbon settings: {where}: {expected}")


def only(said: Mapping[str, Any], allowed: set[str], where: str) -> None:
    """Raise CarbonSettingsError where a table has a key it may not have."""
    if unknown := sorted(said.keys() - allowed):
        raise CarbonSettingsError(f"{where}: {unknown[0]}: unknown key; known: {', '.join(sorted(allowed))}")


def table_of(
    said: Mapping[str, Any], name: str, keys: set[str], needed: tuple[str, ...]
) -> Mapping[str, Any] | None:
    """Return the table [name] with its keys checked, None where it is not there."""
    found = said.get(name)
    if found is None:
        return None
    if not isinstance(found, dict):
        wrong(name, f"write [{name}]")
    return checked(found, name, keys, needed)


def checked(
    found: Mapping[str, Any], where: str, keys: set[str], needed: tuple[str, ...]
) -> Mapping[str, Any]:
    """Return a table that has only `keys`, and all that are needed."""
    only(found, keys, f"the carbon settings: {where}")
    for one in needed:
        if one not in found:
            wrong(f"{where}: {one}", "is missing")
    return found


def listed(
    said: Mapping[str, Any], name: str, keys: set[str], needed: tuple[str, ...]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return (what messages call it, table) of each [[name]]."""
    found = said.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        wrong(name, f"write [[{name}]], one table each")
    return [
        (f"{name} {place}", checked(one, f"{name} {place}", keys, needed))
        for place, one in enumerate(found, 1)
    ]


def number(value: object, where: str, most: Decimal = _MOST_NUMBER, least: Decimal = Decimal(0)) -> Fraction:
    """Return a number from `least` to `most` with at most nine decimals, exact as it was written."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        wrong(where, "write a number, such as 12.5")
    found = Decimal(value)
    if not (found.is_finite() and least <= found <= most):
        wrong(where, f"is a number from {least:,} to {most:,}")
    if -int(found.normalize().as_tuple().exponent) > 9:
        wrong(where, "has more than 9 decimal places; round it")
    return Fraction(found)


def text_of(said: Mapping[str, Any], key: str, where: str, most: int = 512) -> str:
    """Return a text that is not empty."""
    value = said.get(key)
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= most:
        wrong(where, f"write a text of 1 to {most} characters")
    return value.strip()


def day_of(value: object, where: str) -> date:
    """Return a day as TOML writes it."""
    if type(value) is not date:
        wrong(where, "write a day, without quotes: 2026-04-01")
    return value


def year_of(text: object, where: str) -> int:
    """Return the calendar year a financial year begins in."""
    try:
        return parse_year(str(text))
    except CarbonError as error:
        wrong(where, str(error))
