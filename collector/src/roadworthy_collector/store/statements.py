"""Statements that SQLAlchemy's own `insert` cannot say, for SQLite and PostgreSQL alike.

Both databases take the same ON CONFLICT clauses, and SQLAlchemy's compiler for either reads PostgreSQL's Insert; the
store's tests run every statement on both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Boolean, Connection, Float, Integer, LargeBinary, Table
from sqlalchemy.dialects.postgresql import Insert, insert


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
    a table's columns in the table's order, which is the default. PostgreSQL gets a list a column in one statement.
    """

    def __init__(self, table: Table, columns: Sequence[str] | None = None) -> None:
        self.columns = tuple(columns or table.columns.keys())
        self._statement = insert(table).values(dict.fromkeys(self.columns)).on_conflict_do_nothing()
        # SQLAlchemy names the columns in the table's order, whatever order they are given in here.
        named = [column.name for column in table.columns if column.name in self.columns]
        self._places = itemgetter(*(self.columns.index(name) for name in named))
        self._in_order = named == list(self.columns)
        self._floats = [n for n, name in enumerate(named) if isinstance(table.c[name].type, Float)]
        arrays = ", ".join(f"%s::{array_type(table, name)}" for name in named)
        self._unnested = (
            f"INSERT INTO {table.name} ({', '.join(map(quoted, named))}) "  # noqa: S608 - names of our own tables
            f"SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
        )

    def insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert `rows` and return how many were new."""
        if not rows:
            return 0
        ordered = list(rows) if self._in_order else list(map(self._places, rows))
        if connection.dialect.name == "postgresql":
            values = columns_of(ordered, self._floats)
            return connection.exec_driver_sql(self._unnested, values).rowcount
        compiled = str(self._statement.compile(dialect=connection.dialect))
        return connection.exec_driver_sql(compiled, ordered).rowcount


def columns_of(rows: Iterable[tuple[Any, ...]], floats: Sequence[int]) -> tuple[list[Any], ...]:
    """Return a list of values a column; psycopg takes no list of both whole numbers and fractions."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    for place in floats:
        columns[place] = [None if value is None else float(value) for value in columns[place]]
    return tuple(columns)


def array_type(table: Table, name: str) -> str:
    """Return PostgreSQL's type of a list of a column's values; texts without a length, so that none is cut."""
    kind = table.c[name].type
    for found, word in (
        (Boolean, "boolean"),
        (Float, "double precision"),
        (Integer, "bigint"),
        (LargeBinary, "bytea"),
    ):
        if isinstance(kind, found):
            return f"{word}[]"
    return "text[]"


def quoted(name: str) -> str:
    """Return a column's name as both databases take it; some are words of SQL."""
    return f'"{name}"'
