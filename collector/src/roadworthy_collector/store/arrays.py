"""Lists of values as PostgreSQL reads them from text: what a statement for many rows is given, one for each column.

The driver can write them too, in a loop over each value's type: three times as long as all else a report costs the
writer (docs/decisions/0029-arrays-as-text.md). Here the type is the column's, known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary
from sqlalchemy.types import TypeDecorator

_KINDS = ((Boolean, "boolean"), (Float, "double precision"), (Integer, "bigint"), (LargeBinary, "bytea"))
Write = Callable[[Iterable[Any]], str]


def array_type(column: Column[Any]) -> str:
    """Return PostgreSQL's type of a list of a column's values; texts without a length, so that none is cut."""
    kind = column.type
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return next((f"{word}[]" for found, word in _KINDS if isinstance(kind, found)), "text[]")


def writer(column: Column[Any]) -> Write:
    """Return what writes a list of a column's values, None among them."""
    written: dict[str, Write] = {"text[]": _texts, "bytea[]": _bytes}
    return written.get(array_type(column), _numbers)


def lists(rows: Iterable[Sequence[Any]], writers: Iterable[Write]) -> tuple[str, ...]:
    """Return a list for each column of `rows`, of which there is at least one."""
    return tuple(write(values) for write, values in zip(writers, zip(*rows, strict=True), strict=True))


def _numbers(values: Iterable[float | None]) -> str:
    """Return numbers or truth values; Python writes none that PostgreSQL would read as another."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _texts(values: Iterable[str | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"{_escaped(value)}"' for value in values]) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _bytes(values: Iterable[bytes | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"
