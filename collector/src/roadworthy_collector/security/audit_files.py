"""Rows of the audit as files: JSON, one object a line, or CSV. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

COLUMNS = ("id", "at", "at_utc", "actor", "action", "subject", "detail", "hash")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield each row as a line of JSON."""
    for row in rows:
        yield json.dumps(row, sort_keys=True) + "\n"


def csv_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a head, then each row: `at` also as a time people read, `detail` as JSON."""
    yield _line(COLUMNS)
    for row in rows:
        at = datetime.fromtimestamp(row["at"], UTC).isoformat()
        cells = (row["actor"], row["action"], row["subject"], detail_text(row["detail"]), row["hash"])
        yield _line((row["id"], row["at"], at, *map(plain_cell, cells)))


def plain_cell(value: object) -> str:
    """Return a cell no spreadsheet takes for a formula: what people typed is in the audit."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def detail_text(detail: object) -> str:
    """Return the details of a row as JSON, nothing where there are none."""
    return "" if detail is None else json.dumps(detail, sort_keys=True)


def _line(cells: Iterable[object]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\r\n").writerow(tuple(cells))
    return sink.getvalue()
