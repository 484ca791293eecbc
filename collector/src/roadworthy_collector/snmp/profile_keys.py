"""Reading a profile's tables strictly: each key is asked for once with its type, and what nobody asked for is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar

from roadworthy_collector.snmp.port import Oid, parse_oid
from roadworthy_collector.snmp.profile import ProfileError, Unit

_Word = TypeVar("_Word", bound=str)

# What one of a unit is in the unit of the kind (UNITS): factor and offset.
_ONE = Decimal(1)
_WATTS = {"W": _ONE, "kW": Decimal(1000), "mW": Decimal("0.001")}
_VOLT_AMPERES = {"VA": _ONE, "kVA": Decimal(1000)}
_RATIO = {"ratio": _ONE, "%": Decimal("0.01")}
_SECONDS = {"s": _ONE, "min": Decimal(60), "h": Decimal(3600)}
SYMBOLS: Mapping[str, Mapping[str, Decimal]] = {
    "active_power": _WATTS,
    "nameplate_power": _WATTS,
    "idle_power": _WATTS,
    "apparent_power": _VOLT_AMPERES,
    "nameplate_apparent_power": _VOLT_AMPERES,
    "energy": {"Wh": _ONE, "kWh": Decimal(1000), "mWh": Decimal("0.001"), "J": _ONE / 3600},
    "load": _RATIO,
    "power_factor": _RATIO,
    "efficiency": _RATIO,
    "charge": _RATIO,
    "humidity": _RATIO,
    "supply": _RATIO,
    "paper": _RATIO,
    "utilisation": _RATIO,
    "current": {"A": _ONE, "mA": Decimal("0.001")},
    "voltage": {"V": _ONE, "mV": Decimal("0.001")},
    "runtime": _SECONDS,
    "duration": _SECONDS,
    "frequency": {"Hz": _ONE},
    "memory": {"B": _ONE, "KiB": Decimal(1024)},
    "uptime": _SECONDS,
    "temperature": {"degC": _ONE, "degF": Decimal(5) / 9},
    "page_count": {"pages": _ONE},
    "hours": {"h": _ONE},
}
_OFFSETS = {"degF": Decimal(-160) / 9}


class Keys:
    """One table of a profile; `where` begins every error. Ask for what it may have, then call `done`."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self.table = table
        self.where = where
        self._asked: set[str] = set()

    def wrong(self, key: str, what: str) -> NoReturn:
        """Raise ProfileError about `key`."""
        raise ProfileError(f"{self.where}: {key}: {what}")

    def done(self) -> None:
        """Raise ProfileError where a key is there that nobody asked for."""
        unknown = sorted(set(self.table) - self._asked)
        if unknown:
            self.wrong(unknown[0], f"unknown key; known: {', '.join(sorted(self._asked))}")

    def has(self, key: str) -> bool:
        """Return whether the key is there."""
        self._asked.add(key)
        return key in self.table

    def text(self, key: str) -> str:
        """Return a text that must be there."""
        found = self.maybe_text(key)
        return found if found is not None else self.wrong(key, "is missing")

    def maybe_text(self, key: str) -> str | None:
        """Return a text, None where it is not there."""
        if not self.has(key):
            return None
        value = self.table[key]
        if not isinstance(value, str) or not value.strip():
            self.wrong(key, "is a text")
        return value

    def word(self, key: str, allowed: Iterable[_Word]) -> _Word:
        """Return one of the allowed words."""
        found = self.text(key)
        words = list(allowed)
        same = next((known for known in words if known == found), None)
        return same if same is not None else self.wrong(key, f"{found!r} is none of {', '.join(words)}")

    def flag(self, key: str) -> bool:
        """Return true or false; false where it is not there."""
        value = self.table[key] if self.has(key) else False
        if not isinstance(value, bool):
            self.wrong(key, "is true or false")
        return value

    def whole(self, key: str, least: int, most: int) -> int:
        """Return a whole number that must be there."""
        value = self.table[key] if self.has(key) else self.wrong(key, "is missing")
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(key, f"is a whole number from {least} to {most}")
        return value

    def decimal(self, key: str) -> Decimal | None:
        """Return a number, None where it is not there."""
        if not self.has(key):
            return None
        value = self.table[key]
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
            self.wrong(key, "is a number")
        return Decimal(value)

    def oid(self, key: str) -> Oid:
        """Return an OID that must be there."""
        return self._oid(key, self.text(key))

    def maybe_oid(self, key: str) -> Oid | None:
        """Return an OID, None where it is not there."""
        found = self.maybe_text(key)
        return None if found is None else self._oid(key, found)

    def oids(self, key: str) -> tuple[Oid, ...]:
        """Return a list of OIDs; none where it is not there."""
        values = self.table[key] if self.has(key) else []
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self.wrong(key, "is a list of OIDs")
        return tuple(self._oid(key, value) for value in values)

    def wholes(self, key: str) -> frozenset[int]:
        """Return a list of whole numbers; none where it is not there."""
        values = self.table[key] if self.has(key) else []
        if not isinstance(values, list) or not all(type(value) is int for value in values):
            self.wrong(key, "is a list of whole numbers")
        return frozenset(values)

    def coded(self, key: str) -> dict[int, str]:
        """Return a table of words by code; empty where it is not there."""
        found: dict[int, str] = {}
        for code, said in (self.table[key] if self.has(key) and self._is_table(key) else {}).items():
            if not (code.isascii() and code.isdigit()):
                self.wrong(key, f"{code!r} is no code: a whole number")
            if not isinstance(said, str) or not said:
                self.wrong(key, f"{code} is a text")
            found[int(code)] = said
        return found

    def pattern(self, key: str) -> re.Pattern[str] | None:
        """Return a regular expression, None where it is not there."""
        found = self.maybe_text(key)
        if found is None:
            return None
        try:
            return re.compile(found)
        except re.error as error:
            self.wrong(key, f"is no regular expression: {error}")

    def inner(self, key: str) -> Keys | None:
        """Return a table within this one, None where it is not there."""
        if not self.has(key):
            return None
        self._is_table(key)
        return Keys(self.table[key], f"{self.where}: {key}")

    def listed(self, key: str) -> list[Keys]:
        """Return a list of tables; a single table counts as a list of one."""
        values = self.table[key] if self.has(key) else []
        values = [values] if isinstance(values, dict) else values
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.wrong(key, "is a table or a list of tables")
        return [Keys(value, f"{self.where}: {key} {n}") for n, value in enumerate(values, start=1)]

    def unit(self, key: str, text: str, kind: str) -> Unit:
        """Return a unit such as "0.1 kWh"; it must be one of the kind."""
        amount, _, symbol = text.rpartition(" ")
        known = SYMBOLS[kind]
        if symbol not in known:
            self.wrong(key, f"{symbol!r} is no unit of {kind}; known: {', '.join(known)}")
        try:
            times = Decimal(amount or "1")
        except InvalidOperation:
            times = Decimal(0)
        if not times.is_finite() or times <= 0:
            self.wrong(key, f"{amount!r} is no positive number")
        return Unit(text, times * known[symbol], _OFFSETS.get(symbol, Decimal(0)))

    def _oid(self, key: str, text: str) -> Oid:
        try:
            return parse_oid(text)
        except ValueError as error:
            self.wrong(key, str(error))

    def _is_table(self, key: str) -> bool:
        if not isinstance(self.table[key], dict):
            self.wrong(key, "is a table")
        return True
