"""Types of columns that are smaller in the tables than in Python: ratios, joules by scope and quality, dates, times.

A daily total is kept for years and for each device, so its bytes count (docs/decisions/0020).
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Dialect, Integer, LargeBinary, SmallInteger, Text
from sqlalchemy.types import TypeDecorator

from roadworthy_collector.store.slots import DAY_SECONDS, PERIOD_SECONDS, QUALITIES, SCOPES

TEN_THOUSANDTHS = 10_000
JoulesByScope = Mapping[str, Mapping[str, int]]
_JOULES = struct.Struct("<BQ")  # number of scope and quality, joules
_WORDS = {
    (scope, quality): number | place << 4
    for number, scope in enumerate(SCOPES)
    for place, quality in enumerate(QUALITIES)
}
_EPOCH = date(1970, 1, 1)
_LONG_TEXT = 65_536
_PACKED = "zlib:"


def pack_ratio(value: float | None) -> int | None:
    """Return a ratio as whole ten-thousandths."""
    return None if value is None else round(value * TEN_THOUSANDTHS)


def pack_joules(value: JoulesByScope | None) -> bytes | None:
    """Return {scope: {quality: joules}} as bytes, in one order whatever the order of the words."""
    if value is None:
        return None
    found = [
        (_WORDS[scope, quality], joules)
        for scope, by_quality in value.items()
        for quality, joules in by_quality.items()
    ]
    if len(found) > 1:
        found.sort()
    return b"".join(_JOULES.pack(*one) for one in found)


def unpack_joules(value: bytes) -> dict[str, dict[str, int]]:
    """Return the {scope: {quality: joules}} that `pack_joules` was given."""
    found: dict[str, dict[str, int]] = {}
    for words, joules in _JOULES.iter_unpack(value):
        found.setdefault(SCOPES[words & 0xF], {})[QUALITIES[words >> 4]] = joules
    return found


def pack_date(value: str) -> int:
    """Return a date as days since 1970-01-01."""
    return (date.fromisoformat(value) - _EPOCH).days


def pack_midnight(value: int) -> int:
    """Return a midnight UTC, in epoch seconds, as days since 1970-01-01; ValueError for any other time."""
    return _whole(value, DAY_SECONDS)


def _whole(value: int, length: int) -> int:
    count, rest = divmod(value, length)
    if rest:
        raise ValueError(f"{value} is no multiple of {length} s")
    return count


def pack_text(value: str) -> str:
    """Return a long text as a `Packed` column keeps it: a tenth of the bytes for the disk to wait for."""
    if len(value) < _LONG_TEXT:
        return value
    return _PACKED + base64.b64encode(zlib.compress(value.encode(), 1)).decode("ascii")


class Packed(TypeDecorator[str]):
    """A text, given as it is or by `pack_text`, before the transaction; it comes back as it was."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - as its base
        """Return what was meant."""
        if value is None or not value.startswith(_PACKED):
            return None if value is None else str(value)
        return zlib.decompress(base64.b64decode(value[len(_PACKED) :])).decode()


class Midnight(TypeDecorator[int]):
    """A midnight UTC in epoch seconds: days since 1970-01-01, four bytes."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - as its base
        """Return what is stored."""
        return None if value is None else pack_midnight(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002 - as its base
        """Return what was meant."""
        return None if value is None else value * DAY_SECONDS


class PeriodStart(TypeDecorator[int]):
    """The start of a settlement period in epoch seconds: half-hours since 1970, four bytes."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - as its base
        """Return what is stored."""
        return None if value is None else _whole(value, PERIOD_SECONDS)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002 - as its base
        """Return what was meant."""
        return None if value is None else value * PERIOD_SECONDS


class Ratio(TypeDecorator[float]):
    """A ratio of 0-1 with four decimals, as on the wire: two bytes."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - as its base
        """Return what is stored."""
        return pack_ratio(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> float | None:  # noqa: ARG002 - as its base
        """Return what was meant."""
        return None if value is None else value / TEN_THOUSANDTHS


class Joules(TypeDecorator[JoulesByScope]):
    """{scope: {quality: joules}}: nine bytes each."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: JoulesByScope | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - as its base
        """Return what is stored."""
        return pack_joules(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> JoulesByScope | None:  # noqa: ARG002 - as its base
        """Return what was meant."""
        return None if value is None else unpack_joules(value)


class IsoDate(TypeDecorator[str]):
    """A calendar date as `2026-03-29`: days since 1970-01-01."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - as its base
        """Return what is stored."""
        return None if value is None else pack_date(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - as its base
        """Return what was meant."""
        return None if value is None else (_EPOCH + timedelta(days=value)).isoformat()
