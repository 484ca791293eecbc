"""The spool's file: one SQLite database in WAL mode, one connection, short transactions.

`synchronous=NORMAL` in WAL mode survives a killed agent with every committed sample; a power cut may lose the
latest commits, at most the open period (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from roadworthy_agent.errors import StateError

log = logging.getLogger(__name__)

VERSION = 2
SCHEMA = """
CREATE TABLE boots (
    id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL,
    boottime REAL NOT NULL, monotonic REAL NOT NULL, wall REAL NOT NULL,
    server_anchor REAL, tolerance REAL NOT NULL DEFAULT 5, placed_anchor REAL, lost INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE samples (
    boot INTEGER NOT NULL REFERENCES boots, begin REAL NOT NULL, "end" REAL NOT NULL,
    cpu REAL, memory REAL, cpu_source TEXT NOT NULL, memory_source TEXT NOT NULL, quality TEXT NOT NULL, state TEXT,
    PRIMARY KEY (boot, begin)
) WITHOUT ROWID;
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, basis TEXT NOT NULL,
    from_boot INTEGER, from_boottime REAL, to_boot INTEGER, to_boottime REAL,
    payload TEXT, held INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE startups (
    start_id TEXT PRIMARY KEY, boot INTEGER NOT NULL, boottime REAL NOT NULL, record TEXT NOT NULL,
    revision INTEGER NOT NULL, final INTEGER NOT NULL, started_at REAL, held_revision INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE frozen (start INTEGER PRIMARY KEY, payload TEXT NOT NULL);
CREATE TABLE frozen_keys (start INTEGER PRIMARY KEY);
CREATE TABLE pending (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, body BLOB NOT NULL,
    parts TEXT NOT NULL);
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, item TEXT NOT NULL, key TEXT NOT NULL, code TEXT NOT NULL,
    field TEXT, message TEXT, content TEXT
);
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
# Since version 2: energy, days, sign-ins.
SCHEMA_2 = """
CREATE TABLE energy (
    boot INTEGER NOT NULL REFERENCES boots, scope TEXT NOT NULL, begin REAL NOT NULL, "end" REAL NOT NULL,
    counter_begin INTEGER NOT NULL, counter_end INTEGER NOT NULL,
    source TEXT NOT NULL, quality TEXT NOT NULL, relative_error REAL, beside INTEGER,
    PRIMARY KEY (boot, scope, begin)
) WITHOUT ROWID;
CREATE TABLE counters (scope TEXT PRIMARY KEY, microjoules INTEGER NOT NULL, settled INTEGER NOT NULL);
CREATE TABLE open_days (day INTEGER PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE frozen_days (day INTEGER PRIMARY KEY, payload TEXT NOT NULL, held INTEGER NOT NULL DEFAULT 0);
CREATE TABLE signins (
    key TEXT PRIMARY KEY, signin_id TEXT NOT NULL UNIQUE, boot INTEGER NOT NULL, boottime REAL NOT NULL,
    record TEXT NOT NULL, revision INTEGER NOT NULL, final INTEGER NOT NULL, day INTEGER,
    held_revision INTEGER NOT NULL DEFAULT 0
);
"""


class Database:
    """A connection several threads may use, one transaction at a time."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        # Whether there was no spool before: its numbering begins again, so the reports are another stream.
        self.begun_anew = not path.exists()
        try:
            self._connection = _open_reading(path) if read_only else _open(path)
        except sqlite3.DatabaseError as error:
            if read_only or isinstance(error, sqlite3.OperationalError):
                raise StateError(f"{path}: cannot open the spool: {error}") from error
            # Not a database any more: what it held is lost either way, measuring goes on.
            aside = _set_aside(path)
            log.warning(
                "%s: the spool is damaged (%s); kept as %s, starting a new one", path, error, aside.name
            )
            self._connection = _open(path)
            self.begun_anew = True

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction: all of the block or nothing. Nested blocks join the outer."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._connection
            except BaseException:
                self._depth -= 1
                if self._depth == 0 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Return what a query gives."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Row | None:
        """Return the first row a query gives, or None."""
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def number(self, sql: str, values: tuple[Any, ...] = ()) -> int:
        """Return the one number a query gives, 0 where it gives none."""
        row = self.row(sql, values)
        return int(row[0]) if row is not None and row[0] is not None else 0

    def get(self, name: str, default: Any = None) -> Any:
        """Return a kept JSON value."""
        row = self.row("SELECT value FROM meta WHERE name = ?", (name,))
        return default if row is None else json.loads(row[0])

    def put(self, **values: Any) -> None:
        """Keep JSON values; one that is None is forgotten."""
        with self.transaction() as connection:
            for name, value in values.items():
                if value is None:
                    connection.execute("DELETE FROM meta WHERE name = ?", (name,))
                else:
                    connection.execute(
                        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                        (name, json.dumps(value)),
                    )

    def count(self, name: str, more: int) -> None:
        """Add to a kept count."""
        if more:
            self.put(**{name: self.get(name, 0) + more})

    def used_bytes(self) -> int:
        """Return the bytes in use: pages that hold something."""
        pages = self.number("PRAGMA page_count") - self.number("PRAGMA freelist_count")
        return pages * self.number("PRAGMA page_size")

    def release(self) -> None:
        """Give free pages back to the disk."""
        with self._lock:
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only before the first table
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 64")
        connection.execute("PRAGMA journal_size_limit = 262144").fetchall()
        connection.execute("PRAGMA cache_size = -256")  # KiB: a small agent
        _make_tables(connection, path)
        if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)  # noqa: TRY301 - closed and told like any other damage
    except BaseException:
        connection.close()
        raise
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return connection


def _open_reading(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0
    )
    connection.row_factory = sqlite3.Row
    return connection


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StateError(
            f"{path}: written by a newer agent (spool version {version}); install that one again"
        )
    if version == 0:
        steps = SCHEMA + SCHEMA_2
    elif version == 1:
        steps = f"ALTER TABLE samples ADD COLUMN state TEXT; {SCHEMA_2}"
    else:
        return
    connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")


def _set_aside(path: Path) -> Path:
    """Rename a damaged database and its side files; keeps one, the latest."""
    aside = path.with_name(path.name + ".damaged")
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside
