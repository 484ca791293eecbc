"""Opening the database, whichever it is: a file for SQLite, a URL for PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import URL, Connection, Engine, select

from roadworthy_collector.errors import EstateError
from roadworthy_collector.store import postgresql, schema, sqlite
from roadworthy_collector.store.statements import insert_or_ignore, json_text

__all__ = ["UNASSIGNED", "Database", "named", "open_engine", "require_estate", "write_transaction"]

Database = Path | URL
UNASSIGNED = "unassigned"


def open_engine(database: Database, *, read_only: bool = False, program: str = "") -> Engine:
    """Return an engine on `database`, which `store.upgrade` has made.

    Transactions that write use `write_transaction`. With `read_only` every write is refused by the database itself.
    `program` is what a server's administrator sees this program as, after `roadworthy`. Raises StoreError if a file
    is missing; a server is first asked when it is first used.
    """
    # Faster than the standard library, and it knows msgspec's structs.
    json = {"json_serializer": json_text, "json_deserializer": msgspec.json.decode}
    if isinstance(database, URL):
        return postgresql.open_server(database, read_only=read_only, json=json, program=program)
    return sqlite.open_file(database, read_only=read_only, json=json)


def named(database: Database) -> str:
    """Return how a message names `database`; never with its password."""
    if isinstance(database, URL):
        return database.render_as_string(hide_password=True)
    return str(database)


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that may write; commit at the end.

    On SQLite it holds the write lock from its first statement (BEGIN IMMEDIATE), because a transaction that reads
    first and writes later cannot wait for the lock: SQLite refuses it at once when somebody else has written in
    between.
    """
    with (
        engine.connect().execution_options(**{sqlite.BEGIN: "IMMEDIATE"}) as connection,
        connection.begin(),
    ):
        yield connection


def require_estate(engine: Engine, *, simulated: bool, clock: Callable[[], float] = time.time) -> None:
    """Stamp a new database as `simulated` or not; raise EstateError if it is already of the other kind.

    Decision: a simulated IT estate and a real one never share a database, or figures of one would pass for the
    other's.
    """
    word = "true" if simulated else "false"
    with write_transaction(engine) as connection:
        rows = [{"name": "simulated", "value": word}, {"name": "created_at", "value": str(int(clock()))}]
        connection.execute(insert_or_ignore(schema.estate), rows)
        found = connection.scalar(select(schema.estate.c.value).where(schema.estate.c.name == "simulated"))
    if found == word:
        return
    if simulated:
        raise EstateError(
            "this database holds a real IT estate; start the demo with another data folder (--data)"
        )
    raise EstateError("this database holds a simulated IT estate; name another data folder (ROADWORTHY_DATA)")
