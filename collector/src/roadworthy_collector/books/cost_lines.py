"""Lines of the general ledger and of supplier payments as the store keeps them, and people's corrections of them.

A line is kept whole in `ledger_lines.content`, without what is not told, and read back as the `LedgerLine` or
`PaymentLine` it was. Only lines of batches in force count: not of one that was undone or is still being written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import batches, ledger_corrections, ledger_lines
from roadworthy_collector.store.statements import upsert
from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.cost_rules import Classification, Correction
from roadworthy_inventory.ledger import LedgerLine
from roadworthy_inventory.payments import PaymentLine

LEDGER, PAYMENTS, CONTRACTS = "ledger", "payments", "contracts"
NO_YEAR = 0  # `financial_year` of a payment without a date: the column takes no NULL, and nobody's year is 0
_DATES = frozenset({"spread_from", "spread_to", "paid"})
_READ = 2_000
Line = LedgerLine | PaymentLine


class CostsError(RoadworthyError):
    """Something about the ledger that a person can put right."""


class Batch(NamedTuple):
    """A batch in force; `made_at` in UTC epoch seconds."""

    id: int
    kind: str
    file_name: str | None
    file_sha256: str | None
    made_at: int
    made_by: str
    rows_good: int


def as_content(line: Line) -> dict[str, Any]:
    """Return what `ledger_line` or `payment_line` reads back; what is not told is left out."""
    found = {one.name: getattr(line, one.name) for one in fields(line)}
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in found.items()
        if value is not None
    }


def ledger_line(content: Mapping[str, Any]) -> LedgerLine:
    """Return the line of a ledger `as_content` wrote."""
    return LedgerLine(**_values(content))


def payment_line(content: Mapping[str, Any]) -> PaymentLine:
    """Return the payment `as_content` wrote."""
    return PaymentLine(**_values(content))


def _values(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: date.fromisoformat(value) if name in _DATES else value for name, value in content.items()}


def year_of(line: Line) -> int:
    """Return the year the line's financial year begins in, NO_YEAR where a payment has no date."""
    if isinstance(line, LedgerLine):
        return line.financial_year
    return NO_YEAR if line.paid is None else financial_year_of(line.paid)


def key_of(line: Line) -> str:
    """Return what names the line by its content, whatever file it came in."""
    if isinstance(line, LedgerLine):
        return line.key
    content = {
        name: value for name, value in as_content(line).items() if name not in {"source", "source_line"}
    }
    return blake2b(repr(sorted(content.items())).encode(), digest_size=12).hexdigest()


def write(connection: Connection, batch: int, lines: Sequence[Line]) -> None:
    """Insert `lines` of a batch."""
    rows = [
        {
            "batch": batch,
            "line": line.source_line,
            "financial_year": year_of(line),
            "period": line.accounting_period if isinstance(line, LedgerLine) else None,
            "cost_centre": line.cost_centre and line.cost_centre[:64],  # to look up; `content` has it whole
            "content": as_content(line),
        }
        for line in lines
    ]
    if rows:
        connection.execute(insert(ledger_lines), rows)


def counts() -> ColumnElement[bool]:
    """Return the condition over `batches` that keeps those in force."""
    return and_(batches.c.undone_at.is_(None), batches.c.unfinished.is_(False))


def in_force(connection: Connection, *kinds: str) -> list[Batch]:
    """Return the batches of these kinds that count, oldest first."""
    columns = (batches.c[name] for name in Batch._fields)
    query = select(*columns).where(batches.c.kind.in_(kinds), counts())
    return [Batch(*row) for row in connection.execute(query.order_by(batches.c.id))]


def read_ledger(connection: Connection, lines: Sequence[int] | None = None) -> list[LedgerLine]:
    """Return every line of the ledger that counts, by batch and place in it; only those of `lines` of their files."""
    return [ledger_line(content) for content in _contents(connection, LEDGER, lines)]


def read_payments(connection: Connection) -> list[PaymentLine]:
    """Return every payment that counts, by batch and place in it."""
    return [payment_line(content) for content in _contents(connection, PAYMENTS)]


def _contents(
    connection: Connection, kind: str, lines: Sequence[int] | None = None
) -> Iterator[Mapping[str, Any]]:
    query = (
        select(ledger_lines.c.content)
        .join(batches, batches.c.id == ledger_lines.c.batch)
        .where(batches.c.kind == kind, counts())
        .order_by(ledger_lines.c.id)
    )
    if lines is not None:
        query = query.where(ledger_lines.c.line.in_(lines))
    yield from connection.scalars(query.execution_options(yield_per=_READ))


def count_lines(connection: Connection, kind: str) -> int:
    """Return how many lines of a kind count."""
    query = (
        select(func.count())
        .select_from(ledger_lines.join(batches, batches.c.id == ledger_lines.c.batch))
        .where(batches.c.kind == kind, counts())
    )
    return connection.scalar(query) or 0


def read_corrections(connection: Connection) -> list[Correction]:
    """Return what people said of single lines."""
    rows = connection.execute(select(ledger_corrections).order_by(ledger_corrections.c.line_hash))
    return [
        Correction(
            line_key=bytes(row.line_hash).hex(),
            result=Classification(
                pool=row.classes["pool"],
                intent=row.classes["intent"],
                maintenance=row.classes["maintenance"],
                legacy=row.classes["legacy"],
                confidence=1.0,
            ),
            person=row.made_by,
            on=datetime.fromtimestamp(row.made_at, UTC).date(),
            reason=row.classes["reason"],
        )
        for row in rows
    ]


def write_correction(connection: Connection, correction: Correction, now: int) -> None:
    """Keep a correction in place of the one held for its line."""
    result = correction.result
    row = {
        "line_hash": bytes.fromhex(correction.line_key),
        "classes": {
            "pool": result.pool,
            "intent": result.intent,
            "maintenance": result.maintenance,
            "legacy": result.legacy,
            "reason": correction.reason,
        },
        "made_at": now,
        "made_by": correction.person,
    }
    connection.execute(upsert(ledger_corrections), row)
