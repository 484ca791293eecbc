"""Where files of CRC factors and prices are kept: editions named `crc_rates` of `rule_editions`, a JSON text each.

Not among `factor_sets`: the version before reads each of these as a set of conversion factors and would stop at one that
is none, and it never asks for editions of this name. Numbers begin where those of factor sets never come to, so that both
are confirmed and withdrawn by one number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, insert, select, update

from roadworthy_collector.store.books_schema import rule_editions

NAME = "crc_rates"
FIRST = 1_000_000  # numbers are above it


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFile:
    """A file of rates; the names are those of the columns of `factor_sets`. `content`: {file, crc_rates: its text}."""

    id: int
    year: int
    version: str
    content: Mapping[str, Any]
    source: str
    file_sha256: str
    proposed_at: int
    proposed_by: str
    confirmed_at: int | None = None
    confirmed_by: str | None = None
    withdrawn_at: int | None = None
    withdrawn_by: str | None = None


def _text(one: RateFile) -> str:
    told = asdict(one)
    return json.dumps({name: value for name, value in told.items() if name != "id"}, sort_keys=True)


def read(connection: Connection) -> list[RateFile]:
    """Return every file, the newest first."""
    query = select(rule_editions.c.id, rule_editions.c.content).where(rule_editions.c.name == NAME)
    rows = connection.execute(query.order_by(rule_editions.c.id.desc()))
    return [RateFile(id=FIRST + row.id, **json.loads(row.content)) for row in rows]


def find(connection: Connection, number: int) -> RateFile | None:
    """Return the file of a number, None where there is none."""
    query = select(rule_editions.c.content).where(
        rule_editions.c.name == NAME, rule_editions.c.id == number - FIRST
    )
    content = connection.scalar(query)
    return None if content is None else RateFile(id=number, **json.loads(content))


def add(connection: Connection, one: RateFile) -> int:
    """Keep a file, whose `id` is not known yet; return its number."""
    values = {
        "name": NAME,
        "digest": one.file_sha256,
        "content": _text(one),
        "made_at": one.proposed_at,
        "made_by": one.proposed_by,
    }
    made = connection.execute(insert(rule_editions).values(**values).returning(rule_editions.c.id))
    return FIRST + int(made.scalar_one())


def mark(connection: Connection, one: RateFile, **values: Any) -> bool:
    """Write who confirmed or withdrew a file; return False where somebody else was faster."""
    mine = update(rule_editions).where(
        rule_editions.c.name == NAME,
        rule_editions.c.id == one.id - FIRST,
        rule_editions.c.content == _text(one),
    )
    return connection.execute(mine.values(content=_text(replace(one, **values)))).rowcount == 1
