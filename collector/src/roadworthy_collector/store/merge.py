"""Inserts that change a row already held: many at a time, the driver given the tuples as they are.

Beside `statements.Bulk`, which leaves a row already held alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table

from roadworthy_collector.store.arrays import array_type
from roadworthy_collector.store.statements import execute_many, quoted, writers


class Merge:
    """Inserts rows given as tuples in the order of the table's columns; no two of a call with the same key.

    `changes` says by column what becomes of a row already held: SQL in which `{held}` and `{new}` stand for the
    column's two values and `{bytes}` for the type of bytes. Columns not named there stay. With `where` only rows
    held of which it is true are changed. Without changes a row held stays as it is, and on PostgreSQL is locked, so
    that nobody takes it away before the caller's transaction ends. Only for tables whose values need no
    conversion (no JSON).
    """

    # A cast, because SQLite makes text of two bytes values joined.
    JOINED = "CAST({held} || {new} AS {bytes})"

    def __init__(self, table: Table, changes: Mapping[str, str], where: str = "") -> None:
        names = [column.name for column in table.columns]
        columns = ", ".join(map(quoted, names))
        key = ", ".join(quoted(column.name) for column in table.primary_key)
        tail = f" WHERE {where}" if where else ""

        def statement(values: str, kind: str, changes: Mapping[str, str]) -> str:
            said = ", ".join(
                f"{quoted(name)} = "
                + change.format(
                    held=f"{table.name}.{quoted(name)}", new=f"excluded.{quoted(name)}", bytes=kind
                )
                for name, change in changes.items()
            )
            held = f"DO UPDATE SET {said}{tail}" if said else "DO NOTHING"
            return f"INSERT INTO {table.name} ({columns}) {values} ON CONFLICT ({key}) {held}"

        self._rows = statement(f"VALUES ({', '.join('?' * len(names))})", "BLOB", changes)
        self._writers = writers(table, names)
        arrays = ", ".join(f"%s::{array_type(table.c[name])}" for name in names)
        # SQLite's one writer needs no lock; writing the row again would only cost a page.
        changes = changes or {names[-1]: "{held}"}
        self._lists = statement(f"SELECT * FROM unnest({arrays})", "BYTEA", changes)  # noqa: S608 - names of our own tables

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert `rows`, or change what is held; in the order given, which should be one order everywhere."""
        execute_many(connection, rows, self._rows, self._lists, self._writers)
