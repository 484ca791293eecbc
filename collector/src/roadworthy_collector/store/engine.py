"""Opening the database: pragmas, transactions, upgrades and the stamp that says what it is.

SQLite in WAL mode: readers never wait for the writer, the writer never for readers. `synchronous=FULL` makes a
commit wait for the disk, because a commit is what an agent is told; without it a power cut could take back an
acknowledged report.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from roadworthy_collector.errors import EstateError, SchemaError, StoreError
from roadworthy_collector.store import schema
from roadworthy_collector.store.backup import backup
from roadworthy_collector.store.lock import file_lock
from roadworthy_collector.store.statements import insert_or_ignore

__all__ = [
    "UNASSIGNED",
    "backup",
    "current_revision",
    "head_revision",
    "make_folder",
    "open_engine",
    "require_estate",
    "upgrade",
    "write_transaction",
]

BUSY_TIMEOUT_SECONDS = (
    15.0  # longer than any transaction here; only a stuck process is ever waited for this long
)
UNASSIGNED = "unassigned"
_BEGIN = "roadworthy_begin"
_MIGRATIONS = Path(__file__).parent / "migrations"


def open_engine(database: Path, *, read_only: bool = False) -> Engine:
    """Return an engine on the SQLite file `database`, which `upgrade` has made.

    Transactions begin where SQLAlchemy says so; those that write use `write_transaction`. With `read_only` every
    write is refused by SQLite itself. Raises StoreError if `database` is missing.
    """
    if not database.is_file():
        raise StoreError(
            f"{database}: no database here; `roadworthy up` or `roadworthy db upgrade` makes one"
        )
    engine = create_engine(
        "sqlite+pysqlite://",
        # The file is named by URI so that SQLite opens it and never makes an empty one in its place.
        creator=lambda: sqlite3.connect(
            f"file:{quote(str(database.absolute()))}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,  # sqlite3 would begin by itself, late and deferred
            check_same_thread=False,  # the pool hands a connection to one thread at a time
        ),
        poolclass=QueuePool,  # with a `creator` SQLAlchemy cannot see that this is a file, and would share one
        pool_size=8,
        max_overflow=32,
        json_serializer=_json_text,  # faster than the standard library, and it knows msgspec's structs
        json_deserializer=msgspec.json.decode,
    )
    event.listen(engine, "connect", _pragmas(read_only=read_only))
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that holds the write lock from its first statement; commit at the end.

    BEGIN IMMEDIATE, because a transaction that reads first and writes later cannot wait for the lock: SQLite
    refuses it at once when somebody else has written in between.
    """
    with engine.connect().execution_options(**{_BEGIN: "IMMEDIATE"}) as connection, connection.begin():
        yield connection


def upgrade(database: Path, *, clock: Callable[[], float] = time.time) -> None:
    """Make `database` or bring it up to this program's schema, and seed unit and site `unassigned`.

    Runs under a file lock, so any number of processes may call it at once; an existing database that is behind is
    copied beside itself first. Raises SchemaError if the database is newer than the program or no Roadworthy
    database, StoreError if the folder cannot be written.
    """
    _prepare(database)
    with file_lock(database.with_suffix(".lock")):
        engine = open_engine(database)
        try:
            _migrate(engine, database, clock)
            with write_transaction(engine) as connection:
                _seed(connection, int(clock()))
        except DBAPIError as error:
            raise StoreError(f"{database}: cannot be used as a database: {error.orig}") from error
        finally:
            engine.dispose()


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


def head_revision() -> str:
    """Return the schema revision this program is written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise SchemaError(f"{_MIGRATIONS}: this installation has no migrations; install it again")
    return head


def current_revision(engine: Engine) -> str | None:
    """Return the database's schema revision, None if it has none."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _json_text(value: object) -> str:
    """Return `value` as JSON text."""
    return msgspec.json.encode(value).decode()


def _pragmas(*, read_only: bool) -> Callable[[sqlite3.Connection, object], None]:
    """Return what sets up each new connection."""
    statements = ["PRAGMA foreign_keys = ON", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -16384"]
    # WAL is a property of the file; a reader neither needs nor may set it.
    statements.append("PRAGMA query_only = ON" if read_only else "PRAGMA journal_mode = WAL")

    def connect(connection: sqlite3.Connection, _record: object) -> None:
        for statement in statements:
            connection.execute(statement).close()

    return connect


def _begin(connection: Connection) -> None:
    """Begin as the connection's execution options say."""
    kind = connection.get_execution_options().get(_BEGIN, "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")


def make_folder(database: Path) -> None:
    """Make the folder of `database` (0700); raise StoreError if it cannot be written."""
    with _writing(database):
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite writes its log beside the file, and would fail later and less clearly.
        os.close(os.open(database.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600))


def _prepare(database: Path) -> None:
    """Make the folder and the file (0600); SQLite gives its -wal and -shm the file's mode."""
    make_folder(database)
    with _writing(database):
        os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))


@contextmanager
def _writing(database: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{database.parent}: cannot keep the database here: {error.strerror}; "
            "name a folder this user may write (ROADWORTHY_DATA)"
        ) from error


def _config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, without a file."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _migrate(engine: Engine, database: Path, clock: Callable[[], float]) -> None:
    """Run the missing migrations in one transaction, after a backup of a database that is behind."""
    script = ScriptDirectory.from_config(_config())
    known = {revision.revision for revision in script.walk_revisions()}
    current = current_revision(engine)
    if current is not None and current not in known:
        raise SchemaError(
            f"{database}: written by a newer Roadworthy (schema {current}, this program knows {head_revision()}); "
            "install that version again, or restore the backup made before its upgrade"
        )
    if current == script.get_current_head():
        return
    if current is None and inspect(engine).get_table_names():
        raise SchemaError(f"{database}: not a Roadworthy database; move it away or name another data folder")
    if current is not None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(clock()))
        backup(database, database.with_name(f"{database.stem}-{current}-{stamp}.backup"))
    with write_transaction(engine) as connection:
        command.upgrade(_config(connection), "head")


def _seed(connection: Connection, now: int) -> None:
    """Make sure that every device has a unit and a site to stand in from its first day."""
    unit = {"name": UNASSIGNED, "valid_from": now}
    connection.execute(insert_or_ignore(schema.units), unit)
    connection.execute(insert_or_ignore(schema.sites), {"name": UNASSIGNED, "kind": "unknown"})
