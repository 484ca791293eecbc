"""Statements that SQLAlchemy's own `insert` cannot say, for SQLite and PostgreSQL alike.

Both databases take the same ON CONFLICT clauses, and SQLAlchemy's compiler for either reads PostgreSQL's Insert; the
store's tests run every statement on both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Connection, Dialect, Float, Integer, LargeBinary, Select, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.types import TypeDecorator


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
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
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


class BulkUpsert:
    """Inserts many rows or replaces those held, given as tuples of all columns in the table's order.

    JSON columns are given as text. With `newer` a row is only replaced by one with a greater value in that column.
    No key may come twice: PostgreSQL takes all rows in one statement.
    """

    def __init__(self, table: Table, *, newer: str | None = None) -> None:
        names = table.columns.keys()
        keys = [column.name for column in table.primary_key.columns]
        said = f"INSERT INTO {table.name} ({', '.join(map(quoted, names))})"
        kept = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in names if name not in keys)
        found = f" ON CONFLICT ({', '.join(map(quoted, keys))}) DO UPDATE SET {kept}"
        if newer is not None:
            found += f" WHERE {table.name}.{quoted(newer)} < excluded.{quoted(newer)}"
        self._marks = f"{said} VALUES ({', '.join('?' * len(names))}){found}"
        arrays, values = _unnested(table, names)
        self._unnested = f"{said} SELECT {values} FROM unnest({arrays}) AS given ({_names(names)}){found}"  # noqa: S608 - names of our own tables
        self._floats = _floats(table, names)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace `rows`."""
        _execute(connection, rows, self._marks, self._unnested, self._floats)


class BulkUpdate:
    """Updates `columns` of many rows, given as (value of `key`, values of the columns in order).

    JSON columns are given as text.
    """

    def __init__(self, table: Table, key: str, columns: Sequence[str]) -> None:
        names = (*columns, key)
        self._marks = (
            f"UPDATE {table.name} SET {', '.join(f'{quoted(name)} = ?' for name in columns)} "  # noqa: S608 - names of our own tables
            f"WHERE {quoted(key)} = ?"
        )
        arrays, _ = _unnested(table, names)
        values = ", ".join(f"{quoted(name)} = given.{quoted(name)}{_cast(table, name)}" for name in columns)
        self._unnested = (
            f"UPDATE {table.name} SET {values} FROM unnest({arrays}) AS given ({_names(names)}) "  # noqa: S608 - names of our own tables
            f"WHERE {table.name}.{quoted(key)} = given.{quoted(key)}"
        )
        self._floats = _floats(table, names)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Update `rows`, each the values of the columns and last that of the key."""
        _execute(connection, rows, self._marks, self._unnested, self._floats)


class Lookup:
    """Reads rows by a list of keys, with one statement whose text never changes and no conversion on the way.

    `query` is a select; `key` a whole number or text. SQLite gets the list as JSON, PostgreSQL as an array. Values
    come as the driver gives them: of JSON columns only PostgreSQL's are decoded, truth values are 0 or 1 on SQLite.
    """

    def __init__(self, query: Select[Any], key: Column[Any], *, lock: str | None = None) -> None:
        kind = "bigint" if isinstance(key.type, Integer) else "text"
        listed = {
            "sqlite": "(SELECT value FROM json_each(?))",
            "postgresql": f"(SELECT unnest(%s::{kind}[]))",
        }
        self._said: dict[str, str] = {}
        dialects: dict[str, Dialect] = {
            "sqlite": sqlite.dialect(),
            "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call] # SQLAlchemy leaves it so
        }
        for name, dialect in dialects.items():
            text = str(
                query.where(key.in_([0])).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
            )
            if text.count("IN (0)") + text.count("IN ('0')") != 1:
                raise ValueError(f"no list of keys to put in: {text}")
            self._said[name] = text.replace("IN ('0')", "IN (0)").replace("IN (0)", f"IN {listed[name]}")
        if lock is not None:  # SQLite has locked everything already
            self._said["postgresql"] += f" FOR UPDATE OF {lock}"

    def rows(self, connection: Connection, keys: Sequence[int | str]) -> Sequence[Any]:
        """Return the rows of `keys`."""
        if connection.dialect.name == "postgresql":
            return connection.exec_driver_sql(self._said["postgresql"], (list(keys),)).all()
        return connection.exec_driver_sql(self._said["sqlite"], (json.dumps(list(keys)),)).all()


def _execute(
    connection: Connection,
    rows: Sequence[tuple[Any, ...]],
    marks: str,
    unnested: str,
    floats: Sequence[int],
) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(unnested, columns_of(rows, floats))
    else:
        connection.exec_driver_sql(marks, list(rows))


def _unnested(table: Table, names: Sequence[str]) -> tuple[str, str]:
    """Return PostgreSQL's lists of values, and the values taken out of them again."""
    arrays = ", ".join(f"%s::{array_type(table, name)}" for name in names)
    values = ", ".join(f"given.{quoted(name)}{_cast(table, name)}" for name in names)
    return arrays, values


def _cast(table: Table, name: str) -> str:
    return "::json" if isinstance(table.c[name].type, JSON) else ""


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names))


def _floats(table: Table, names: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(names) if isinstance(table.c[name].type, Float)]
