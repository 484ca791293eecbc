"""SQLite as the store: one file in WAL mode.

Readers never wait for the writer, the writer never for readers. `synchronous=FULL` makes a commit wait for the disk,
because a commit is what an agent is told; without it a power cut could take back an acknowledged report.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from roadworthy_collector.errors import StoreError

# Longer than any transaction here; only a stuck process is ever waited for this long.
BUSY_TIMEOUT_SECONDS = 15.0
LOG_BYTES = 16 * 1024 * 1024  # what the log beside the file is cut back to once it has been copied into that
CACHE_BYTES = 32 * 1024 * 1024  # of each connection, filled as it is used
_PAGE_BYTES = 4096
IN_USE_LOCK = "in-use.lock"  # held, shared, by every program that runs on a data folder
# Execution option of a connection: how its transactions begin.
BEGIN = "roadworthy_begin"


def open_file(database: Path, *, read_only: bool, json: dict[str, Any]) -> Engine:
    """Return an engine on the file `database`; raise StoreError if it is missing.

    Transactions begin where SQLAlchemy says so. With `read_only` every write is refused by SQLite itself.
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
        hide_parameters=True,  # names of devices and people stay out of errors, and so out of logs
        **json,
    )
    event.listen(engine, "connect", _pragmas(read_only=read_only))
    event.listen(engine, "begin", _begin)
    return engine


def make_folder(folder: Path) -> None:
    """Make `folder` (0700); raise StoreError if nothing can be written there."""
    with _writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite writes its log beside the file, and would fail later and less clearly.
        os.close(os.open(folder / IN_USE_LOCK, os.O_RDWR | os.O_CREAT, 0o600))


def make_file(database: Path) -> None:
    """Make the folder and the file (0600); SQLite gives its -wal and -shm the file's mode."""
    make_folder(database.parent)
    with _writing(database.parent):
        os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))


def _pragmas(*, read_only: bool) -> Callable[[sqlite3.Connection, object], None]:
    """Return what sets up each new connection."""
    statements = ["PRAGMA foreign_keys = ON", "PRAGMA synchronous = FULL"]
    statements.append(f"PRAGMA cache_size = -{CACHE_BYTES // 1024}")
    # Four times the usual: pages written again and again go into the file once, a tenth less time a report.
    statements.append(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // _PAGE_BYTES}")
    # A reader that stays long lets the log grow; without a limit the file would keep that size for ever.
    statements.append(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    # WAL is a property of the file; a reader neither needs nor may set it.
    statements.append("PRAGMA query_only = ON" if read_only else "PRAGMA journal_mode = WAL")

    def connect(connection: sqlite3.Connection, _record: object) -> None:
        for statement in statements:
            connection.execute(statement).close()

    return connect


def _begin(connection: Connection) -> None:
    """Begin as the connection's execution options say."""
    kind = connection.get_execution_options().get(BEGIN, "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot keep the database here: {error.strerror}; "
            "name a folder this user may write (ROADWORTHY_DATA)"
        ) from error
