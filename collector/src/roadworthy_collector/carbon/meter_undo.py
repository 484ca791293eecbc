"""Undoing an import of meter files: what it changed goes back to what it was, what it brought goes."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, update

from roadworthy_collector.books import batches as book_batches
from roadworthy_collector.books import figures
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.books_schema import batches, book_figures
from roadworthy_collector.store.carbon_schema import meter_days, supplies, supply_sites, tariffs
from roadworthy_collector.store.columns import pack_date
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.statements import BulkUpsert

KIND = "meters"
BEFORE = "meters.before."  # and the batch: what its rows were before
_PIECE = 300


class Before:
    """A row of `meter_days` as it was before a batch changed it, as JSON: [supply, day, channel, bytes, ...]."""

    @staticmethod
    def of(row: Any) -> list[Any]:
        """Return a row as JSON can say it."""
        packed = base64.b64encode(row.half_hours).decode()
        return [row.supply, row.day, row.channel, packed, row.statuses, row.kwh_thousandths, row.batch]

    @staticmethod
    def row(said: list[Any]) -> tuple[Any, ...]:
        """Return it as a row to be written."""
        supply, day, channel, packed, statuses, thousandths, batch = said
        return (supply, pack_date(day), channel, base64.b64decode(packed), statuses, thousandths, batch)


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing did: days `restored`, `removed`, and `left` because a later import changed them."""

    batch: int
    restored: int
    removed: int
    left: int
    supplies_removed: int


def undo(engine: Engine, batch: int, *, actor: str, now: int) -> Undone:
    """Take an import of a meter file back. NotFoundError where there is none, BatchError where it is not finished."""
    ensure_counts(engine, batch, KIND, "meters", "roadworthy meters batches", now)
    return put_back(engine, batch, actor=actor, now=now, action="meters.undo")


def ensure_counts(engine: Engine, batch: int, kind: str, what: str, see: str, now: int) -> None:
    """Raise NotFoundError where there is no such batch of a kind, BatchError where it is not finished or undone."""
    with engine.connect() as connection:
        row = connection.execute(select(batches).where(batches.c.id == batch)).one_or_none()
    if row is None or row.kind != kind:
        raise NotFoundError(f"{batch}: there is no import of {what} of that number; see `{see}`")
    if row.unfinished and row.made_at > now - book_batches.RUNNING_SECONDS:
        raise book_batches.BatchError(f"batch {batch} is still being written; wait until it is done")
    if row.undone_at is not None:
        raise book_batches.BatchError(
            f"batch {batch} does not count any more: it was undone by {row.undone_by}"
        )


def put_back(engine: Engine, batch: int, *, actor: str, now: int, action: str) -> Undone:
    """Put back what a batch changed and drop what it brought, a piece a transaction."""
    with write_transaction(engine) as connection:
        values = {"undone_at": now, "undone_by": actor, "unfinished": False}
        connection.execute(update(batches).where(batches.c.id == batch).values(**values))
    restored = 0
    for name in _images(engine, batch):
        with write_transaction(engine) as connection:
            restored += _restore(connection, batch, name)
    removed = _remove(engine, batch)
    with write_transaction(engine) as connection:
        left = _left(connection, batch)
        gone = _drop_supplies(connection, batch)
        detail = {"restored": restored, "removed": removed, "left": left, "supplies_removed": gone}
        audit.record(connection, now, actor, action, f"batch {batch}", detail)
    return Undone(batch, restored, removed, left, gone)


def _images(engine: Engine, batch: int) -> list[str]:
    with engine.connect() as connection:
        names = book_figures.c.name
        query = select(names).where(names.like(f"{BEFORE}{batch}.%"), names != f"{BEFORE}{batch}.made")
        return list(connection.scalars(query.order_by(names)))


def _restore(connection: Connection, batch: int, name: str) -> int:
    """Put one piece of rows back as they were; those a later batch holds stay."""
    found = figures.read(connection, name)
    rows = [] if found is None else found[0]
    back = []
    for said in rows:
        if _holder(connection, said) != batch:
            continue
        before = _standing(connection, said)
        if before is not None:
            back.append(Before.row(before))
    BulkUpsert(meter_days).write(connection, back)
    return len(back)


def _holder(connection: Connection, said: list[Any]) -> int | None:
    query = select(meter_days.c.batch).where(
        meter_days.c.supply == said[0], meter_days.c.day == said[1], meter_days.c.channel == said[2]
    )
    return connection.scalar(query)


def _standing(connection: Connection, said: list[Any]) -> list[Any] | None:
    """Return what a row was before, of a batch that still counts; None where no such batch ever held it."""
    seen = set()
    while True:
        of = said[6]
        undone = connection.scalar(select(batches.c.undone_at).where(batches.c.id == of))
        if undone is None:
            return said
        seen.add(of)
        names = book_figures.c.name
        query = select(book_figures.c.content).where(
            names.like(f"{BEFORE}{of}.%"), names != f"{BEFORE}{of}.made"
        )
        earlier = next(
            (one for content in connection.scalars(query) for one in content if one[:3] == said[:3]), None
        )
        if earlier is None or earlier[6] in seen:
            return None
        said = earlier


def _remove(engine: Engine, batch: int) -> int:
    """Delete the rows a batch still holds; return how many."""
    total = 0
    while True:
        with write_transaction(engine) as connection:
            query = select(meter_days).where(meter_days.c.batch == batch).limit(_PIECE)
            for row in (rows := connection.execute(query).all()):
                connection.execute(
                    delete(meter_days).where(
                        meter_days.c.supply == row.supply,
                        meter_days.c.day == row.day,
                        meter_days.c.channel == row.channel,
                    )
                )
        total += len(rows)
        if len(rows) < _PIECE:
            return total


def _left(connection: Connection, batch: int) -> int:
    """Return how many of its days later batches changed: their images name it."""
    names = book_figures.c.name
    later = connection.execute(select(names, book_figures.c.content).where(names.like(f"{BEFORE}%")))
    return sum(
        1
        for name, content in later
        if not name.endswith(".made") and int(name.split(".")[2]) > batch and isinstance(content, list)
        for one in content
        if one[6] == batch and _holder(connection, one) is not None
    )


def _drop_supplies(connection: Connection, batch: int) -> int:
    """Drop the supplies an import made that nobody has said anything of since; return how many."""
    found = figures.read(connection, f"{BEFORE}{batch}.made")
    gone = 0
    for number in [] if found is None else found[0]["supplies"]:
        supply = connection.scalar(select(supplies.c.id).where(supplies.c.number == number))
        tables = (meter_days.c.supply, supply_sites.c.supply, tariffs.c.supply)
        used = (connection.scalar(select(func.count()).where(column == supply)) for column in tables)
        named = connection.scalar(select(supplies.c.name).where(supplies.c.id == supply))
        if supply is not None and named is None and not any(used):
            connection.execute(delete(supplies).where(supplies.c.id == supply))
            gone += 1
    return gone
