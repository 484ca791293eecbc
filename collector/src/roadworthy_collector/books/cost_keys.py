"""What cost shares and the lines behind them were made of, in words that change when any of it does."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roadworthy_collector.books import cost_texts
from roadworthy_collector.books.cost_lines import LEDGER, PAYMENTS, in_force
from roadworthy_collector.store.books_schema import ledger_corrections

FORMAT = 5  # of the figures: another number and what is kept is made again


class Keys(NamedTuple):
    """What shares and lines depend on: in one word, without people's corrections, and each of those in a word."""

    whole: str
    base: str
    corrected: dict[str, str]


def keys(connection: Connection) -> Keys:
    """Return what the shares depend on: another word when any of it changes."""
    held = [(one.id, one.kind, one.file_sha256) for one in in_force(connection, LEDGER, PAYMENTS)]
    texts = [cost_texts.current(connection, which).digest for which in ("cost_rules", "cost_method")]
    rows = connection.execute(
        select(ledger_corrections.c.line_hash, ledger_corrections.c.made_at, ledger_corrections.c.classes)
    )
    said = {bytes(row.line_hash).hex(): f"{row.made_at} {json.dumps(row.classes)}" for row in rows}
    base = _digest((FORMAT, held, texts))
    return Keys(_digest((base, sorted(said.items()))), base, {key: _digest(one) for key, one in said.items()})


def _digest(of: Any) -> str:
    return blake2b(repr(of).encode(), digest_size=16).hexdigest()
