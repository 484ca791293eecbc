"""CRC factors and allowance prices loaded here: proposed out of a CSV file, in force once a second person confirmed them.

Listed, confirmed and withdrawn as factor sets are, and kept apart from these (`crc_rate_files`). A file's rows stand in place of whatever
was held of their compliance years and items, in the order of confirmation. The file is as the one that ships: columns
compliance_year, item, value, unit, status, note, source, as_of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.carbon import crc_rate_files
from roadworthy_collector.carbon.crc_rate_files import RateFile
from roadworthy_collector.carbon.factor_store import FactorRow, FactorSetError, ensure_line
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.crc_rates import COLUMNS, Rate, RateBook, ensure_fit, parse_rates, rate_book
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.tables import TableError

MOST_BYTES = 256 * 1024  # the table that ships, with all nine years, is below 16 kB
KEY = "crc_rates"  # of a set's content: which sort it is of
VERSION = "CRC rates"
_MOST_CELL = 512


def rates(connection: Connection) -> RateBook:
    """Return every factor and price in force: the shipped ones, and confirmed ones over them. Cheap: kept by content."""
    held = [
        (one.confirmed_at, one.id, one.content[KEY])
        for one in crc_rate_files.read(connection)
        if one.confirmed_at is not None and one.withdrawn_at is None
    ]
    return _book(json.dumps([text for *_, text in sorted(held)]))


@lru_cache(maxsize=8)
def _book(content: str) -> RateBook:
    found = rate_book()
    for text in json.loads(content):
        found = found.with_rows(parse_rates(text))
    return found


def read_file(body: bytes, file: str, *, today: date) -> tuple[Rate, ...]:
    """Return the rows of a file's bytes; FactorSetError names file, line and column that are wrong."""
    ensure_line("file", file)
    if len(body) > MOST_BYTES:
        raise FactorSetError(f"{file}: is larger than {MOST_BYTES:,} bytes")
    try:
        text = body.decode("utf-8-sig")
        found = parse_rates(text)
        ensure_fit(found)
    except (UnicodeDecodeError, TableError, CarbonError) as error:
        raise FactorSetError(f"{file}: {error}") from None
    if not found:
        raise FactorSetError(f"{file}: has no row under its columns, which are {', '.join(COLUMNS)}")
    for line, row in enumerate(text.splitlines()[1:], 2):
        if len(row) > _MOST_CELL * 2 or not row.isprintable():
            raise FactorSetError(
                f"{file}: line {line}: is longer than can be, or holds what cannot be printed"
            )
    if late := [one for one in found if one.as_of > today]:
        raise FactorSetError(f"{file}: as_of {late[0].as_of} has not come yet; say when the source was read")
    return found


def propose(connection: Connection, body: bytes, file: str, *, actor: str, now: int, today: date) -> int:
    """Keep a file's rates, which wait for a second person; return their number. FactorSetError for a wrong file."""
    found = read_file(body, file, today=today)
    sha256 = hashlib.sha256(body).hexdigest()
    for one in crc_rate_files.read(connection):
        if one.file_sha256 == sha256 and one.withdrawn_at is None:
            raise FactorSetError(f"{file}: this file is in already, as factor set {one.id}")
    proposed = RateFile(
        id=0,
        year=min(one.began for one in found),
        version=VERSION,
        content={"file": file, KEY: body.decode("utf-8-sig")},
        source=found[0].source,
        file_sha256=sha256,
        proposed_at=now,
        proposed_by=actor,
    )
    number = crc_rate_files.add(connection, proposed)
    detail = {"number": number, "file": file, "sha256": sha256, "values": _values(found)}
    audit.record(connection, now, actor, "carbon.factors.propose", f"{VERSION} of {_years(found)}", detail)
    return number


def _values(rows: Sequence[Rate]) -> dict[str, str]:
    """Return {year and item: what the file says}, each where sources differ."""
    found: dict[str, list[Rate]] = {}
    for one in rows:
        found.setdefault(_key(one), []).append(one)
    return {key: _said(some) or "none" for key, some in found.items()}


def _years(rows: Sequence[Rate]) -> str:
    return ", ".join(dict.fromkeys(financial_year_label(one.began) for one in rows))


def _key(one: Rate) -> str:
    return f"{financial_year_label(one.began)} {one.item}"


def shown(content: Mapping[str, Any], held: RateBook) -> tuple[FactorRow, ...]:
    """Return the items of a loaded file beside what `held` has of them and of the year before."""
    found: dict[tuple[int, str], list[Rate]] = {}
    for row in parse_rates(content[KEY]):
        found.setdefault((row.began, row.item), []).append(row)
    return tuple(
        FactorRow(
            some[0].item,
            f"CRC {_key(some[0])}, {some[0].unit}",
            _said(some) or f"none: {some[0].note}",
            _said(held.of(began, item)),
            _said(held.of(began - 1, item)) if began > min(one.began for one in held.rows) else None,
        )
        for (began, item), some in found.items()
    )


def _said(rows: Sequence[Rate]) -> str | None:
    return " or ".join(str(one.value) for one in rows if one.value is not None) or None


def keys_of(content: Mapping[str, Any]) -> frozenset[tuple[int, str]]:
    """Return the years and items a file says something of."""
    return frozenset((one.began, one.item) for one in parse_rates(content[KEY]))
