"""Statements SQLAlchemy writes per database; one file to extend when another database is added.

PostgreSQL takes the same ON CONFLICT clauses from `sqlalchemy.dialects.postgresql`.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.sqlite import Insert, insert


def insert_or_ignore(table: Table) -> Insert:
    """Return an INSERT that leaves a row already held as it is."""
    return insert(table).on_conflict_do_nothing()


def upsert(table: Table, *, add: Sequence[str] = (), newer: str | None = None) -> Insert:
    """Return an INSERT that replaces a row already held.

    Columns in `add` are added to what is held. With `newer` a row is only replaced by one with a greater value in
    that column.
    """
    statement = insert(table)
    new = statement.excluded
    values = {
        column.name: column + new[column.name] if column.name in add else new[column.name]
        for column in table.columns
        if not column.primary_key
    }
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_=values,
        where=None if newer is None else table.c[newer] < new[newer],
    )


class Bulk:
    """Inserts many rows, given as tuples in the order of `columns`; rows already held stay as they are.

    Only for tables whose values need no conversion on their way (no JSON): the driver gets the tuples as they are,
    which takes a third of the time SQLAlchemy needs to convert a dict a row (bench/ingest.py). Cheapest with all of
    a table's columns in the table's order, which is the default.
    """

    def __init__(self, table: Table, columns: Sequence[str] | None = None) -> None:
        self.columns = tuple(columns or table.columns.keys())
        self._statement = insert(table).values(dict.fromkeys(self.columns)).on_conflict_do_nothing()
        # SQLAlchemy names the columns in the table's order, whatever order they are given in here.
        named = [column.name for column in table.columns if column.name in self.columns]
        self._places = itemgetter(*(self.columns.index(name) for name in named))
        self._in_order = named == list(self.columns)

    def insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert `rows` and return how many were new."""
        if not rows:
            return 0
        compiled = str(self._statement.compile(dialect=connection.dialect))
        ordered = list(rows) if self._in_order else list(map(self._places, rows))
        result = connection.exec_driver_sql(compiled, ordered)
        return result.rowcount
