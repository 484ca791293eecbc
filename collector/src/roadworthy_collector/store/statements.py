"""Statements that SQLAlchemy's own `insert` cannot say, for SQLite and PostgreSQL alike.

Both databases take the same ON CONFLICT clauses, and SQLAlchemy's compiler for either reads PostgreSQL's Insert; the
store's tests run every statement on both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import JSON, Column, Connection, Dialect, Select, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert, insert

from roadworthy_collector.store.arrays import Write, array_type, lists, writer

_KEYS = "/* keys */"


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


def json_text(value: object) -> str:
    """Return `value` as JSON text, as the columns of JSON hold it; it may hold msgspec's structs."""
    return msgspec.json.encode(value).decode()


class Bulk:
    """Inserts many rows, given as tuples in the order of `columns`; rows already held stay as they are.

    Only for tables whose values need no conversion on their way (no JSON): the driver gets the tuples as they are,
    which takes a third of the time SQLAlchemy needs to convert a dict a row (bench/ingest.py). The default is all of a
    table's columns in the table's order. PostgreSQL gets a list a column in one statement.
    """

    def __init__(self, table: Table, columns: Sequence[str] | None = None) -> None:
        self.columns = tuple(columns or table.columns.keys())
        said = f"INSERT INTO {table.name} ({', '.join(map(quoted, self.columns))})"
        self._marks = f"{said} VALUES ({', '.join('?' * len(self.columns))}) ON CONFLICT DO NOTHING"
        arrays, _ = _unnested(table, self.columns)
        self._unnested = f"{said} SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"  # noqa: S608 - names of our own tables
        self._writers = writers(table, self.columns)

    def insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert `rows` and return how many were new."""
        return execute_many(connection, rows, self._marks, self._unnested, self._writers)


def quoted(name: str) -> str:
    """Return a column's name as both databases take it; some are words of SQL."""
    return f'"{name}"'


class BulkInsert:
    """Inserts many rows none of which is held, given as tuples of all columns in the table's order.

    JSON columns are given as text. A row that is held is an error; not having to ask for it saves SQLite a third of the
    time a `BulkUpsert` of wide rows takes (bench/register_import.py). `held` is for that: the clause of what is held.
    With `columns` the tuples are of these, and the others stay empty.
    """

    def __init__(self, table: Table, held: str = "", columns: Sequence[str] | None = None) -> None:
        names = columns or table.columns.keys()
        said = f"INSERT INTO {table.name} ({', '.join(map(quoted, names))})"
        self._marks = f"{said} VALUES ({', '.join('?' * len(names))}){held}"
        arrays, values = _unnested(table, names)
        self._unnested = f"{said} SELECT {values} FROM unnest({arrays}) AS given ({_names(names)}){held}"  # noqa: S608 - names of our own tables
        self._writers = writers(table, names)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write `rows`."""
        execute_many(connection, rows, self._marks, self._unnested, self._writers)


class BulkUpsert(BulkInsert):
    """Inserts many rows or replaces those held, given as tuples of all columns in the table's order.

    JSON columns are given as text. With `newer` a row is only replaced by one with a greater value in that column.
    No key may come twice: PostgreSQL takes all rows in one statement.
    """

    def __init__(self, table: Table, *, newer: str | None = None) -> None:
        keys = [column.name for column in table.primary_key.columns]
        others = (column.name for column in table.columns if column.name not in keys)
        kept = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in others)
        found = f" ON CONFLICT ({', '.join(map(quoted, keys))}) DO UPDATE SET {kept}"
        if newer is not None:
            found += f" WHERE {table.name}.{quoted(newer)} < excluded.{quoted(newer)}"
        super().__init__(table, found)


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
        self._writers = writers(table, names)

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Update `rows`, each the values of the columns and last that of the key."""
        execute_many(connection, rows, self._marks, self._unnested, self._writers)


class Lookup:
    """Reads rows by a list of keys, with one statement whose text never changes and no conversion on the way.

    `query` is a select; `key` a column of whole numbers or text, or several of one table, whose keys are tuples then.
    SQLite gets the list as JSON, PostgreSQL an array a column. Values come as the driver gives them: of JSON columns
    only PostgreSQL's are decoded, truth values are 0 or 1 on SQLite.
    """

    def __init__(self, query: Select[Any], *key: Column[Any], lock: str | None = None) -> None:
        self._single = len(key) == 1
        names = ", ".join(f"{column.table.name}.{quoted(column.name)}" for column in key)
        places = (
            ("value",) if self._single else tuple(f"json_extract(value, '$[{n}]')" for n in range(len(key)))
        )
        arrays = ", ".join(f"%s::{array_type(column)}" for column in key)
        self._writers = [writer(column) for column in key]
        listed = {
            "sqlite": f"({names}) IN (SELECT {', '.join(places)} FROM json_each(?))",  # noqa: S608 - names of our own tables
            "postgresql": f"({names}) IN (SELECT * FROM unnest({arrays}))",  # noqa: S608 - names of our own tables
        }
        dialects: dict[str, Dialect] = {
            "sqlite": sqlite.dialect(),
            "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call] # SQLAlchemy leaves it so
        }
        # Put in afterwards: a compiler would take the marks of values in it for text.
        marked = query.where(text(_KEYS))
        self._said = {
            name: str(marked.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).replace(
                _KEYS, listed[name]
            )
            for name, dialect in dialects.items()
        }
        if lock is not None:  # SQLite has locked everything already
            self._said["postgresql"] += f" FOR UPDATE OF {lock}"

    def rows(self, connection: Connection, keys: Sequence[Any]) -> Sequence[Any]:
        """Return the rows of `keys`."""
        if not keys:
            return ()
        if connection.dialect.name == "postgresql":
            rows = zip(keys, strict=True) if self._single else keys
            values = lists(rows, self._writers)
            return connection.exec_driver_sql(self._said["postgresql"], values).all()
        return connection.exec_driver_sql(self._said["sqlite"], (json.dumps(keys),)).all()


class BulkDelete:
    """Deletes the rows of many keys, given as tuples of the columns `key`."""

    def __init__(self, table: Table, *key: str) -> None:
        said = f"DELETE FROM {table.name} "  # noqa: S608 - names of our own tables
        self._marks = said + "WHERE " + " AND ".join(f"{quoted(name)} = ?" for name in key)
        arrays, _ = _unnested(table, key)
        self._writers = writers(table, key)
        self._unnested = (
            f"{said} USING unnest({arrays}) AS given ({_names(key)}) "
            f"WHERE {' AND '.join(f'{table.name}.{quoted(name)} = given.{quoted(name)}' for name in key)}"
        )

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Delete `rows`, as far as they are there."""
        execute_many(connection, rows, self._marks, self._unnested, self._writers)


def execute_many(
    connection: Connection,
    rows: Sequence[tuple[Any, ...]],
    marks: str,
    unnested: str,
    writers: Sequence[Write],
) -> int:
    """Execute for all `rows` and return how many rows of the table that changed.

    SQLite gets `marks` and the rows as they are, PostgreSQL `unnested` and a list for each column.
    """
    if not rows:
        return 0
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(unnested, lists(rows, writers)).rowcount
    return connection.exec_driver_sql(marks, list(rows)).rowcount


def writers(table: Table, names: Iterable[str]) -> list[Write]:
    """Return what writes lists of the values of some columns."""
    return [writer(table.c[name]) for name in names]


def _unnested(table: Table, names: Sequence[str]) -> tuple[str, str]:
    """Return PostgreSQL's lists of values, and the values taken out of them again."""
    arrays = ", ".join(f"%s::{array_type(table.c[name])}" for name in names)
    values = ", ".join(f"given.{quoted(name)}{_cast(table, name)}" for name in names)
    return arrays, values


def _cast(table: Table, name: str) -> str:
    return "::json" if isinstance(table.c[name].type, JSON) else ""


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names))
