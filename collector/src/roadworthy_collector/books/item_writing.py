"""Changes of register items go into the tables, a transaction a piece, with what was before beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, select

from roadworthy_collector.books import items
from roadworthy_collector.books.batches import Change, reserve
from roadworthy_collector.store.books_schema import register_changes, register_items
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.statements import BulkInsert, BulkUpsert, Lookup


class ItemWriter:
    """Writes changes of items as one batch, a transaction a piece."""

    def __init__(self, engine: Engine, batch: int, now: float) -> None:
        self._engine = engine
        self._batch = batch
        self._now = int(now)
        self._items = BulkUpsert(register_items)
        self._new_items = _NewRows(register_items)
        self._changes = _NewRows(register_changes)
        self._held = Lookup(select(register_items.c.id, register_items.c.batch), register_items.c.id)

    def write(self, changes: Sequence[Change]) -> None:
        """Write one piece, and what was before beside it."""
        batch, now = self._batch, self._now
        # Everything that takes time and needs no lock is done before the lock is taken.
        columns = list(zip(*(change.after for change in changes if change.item is None), strict=True))
        new = len(columns[0]) if columns else 0
        texts = items.known_texts(columns)
        old = [change for change in changes if change.item is not None]
        told = _told(changes, iter(texts)) if old else [(None, text) for text in texts]
        with write_transaction(self._engine) as connection:
            ids = reserve(connection, register_items, new)
            following = iter(ids)
            numbered = [next(following) if change.item is None else change.item for change in changes]
            came = {row[0]: row[1] for row in self._held.rows(connection, [change.item for change in old])}
            kept = [(change.item, *change.after, came.get(change.item, batch), now) for change in old]
            self._items.write(connection, kept)
            if new:
                known = dict(zip(items.NAMES, columns, strict=True))
                told_of = {"batch": [batch] * new, "updated_at": [now] * new}
                self._new_items.write(connection, {"id": ids, **known, **told_of})
            count = len(changes)
            history: dict[str, Sequence[Any]] = {
                "id": reserve(connection, register_changes, count),
                "batch": [batch] * count,
                "item": numbered,
                "before": [before for before, _after in told],
                "after": [after for _before, after in told],
            }
            self._changes.write(connection, history)


def _told(changes: Iterable[Change], texts: Iterator[str]) -> list[tuple[str | None, str]]:
    """Return (before, after) of what differs as JSON; `texts` are those of new items, in order."""
    encode = msgspec.json.encode
    told: list[tuple[str | None, str]] = []
    for change in changes:
        if change.before is None:
            told.append((None, next(texts)))
        else:
            before, after = items.difference(change.before, change.after)
            told.append((encode(before).decode(), encode(after).decode()))
    return told


class _NewRows:
    """Inserts rows given as columns, leaving out those in which nothing stands.

    To be told of a column that nothing stands in it takes SQLite as long as to be told a value: half of the columns of a
    register are empty in most files, and leaving them out takes a third of the time away (bench/register_import.py).
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[tuple[str, ...], BulkInsert] = {}

    def write(self, connection: Connection, columns: Mapping[str, Sequence[Any]]) -> None:
        said = items.told_columns(columns)
        names = tuple(said)
        if names not in self._known:
            self._known[names] = BulkInsert(self._table, columns=names)
        self._known[names].write(connection, list(zip(*said.values(), strict=True)))
