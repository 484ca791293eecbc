"""A copy of the database that can be restored, made while it is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from roadworthy_collector.errors import StoreError


def backup(database: Path, target: Path) -> Path:
    """Copy `database` to `target` (mode 0600) with SQLite's backup API and return `target`.

    The copy is whole or absent: it is written beside `target`, synchronised to disk and then renamed. Raises
    StoreError if `target` exists already, if `database` cannot be read or if the copy cannot be written.
    """
    if not database.is_file():
        raise StoreError(f"{database}: there is no database to back up")
    if target.exists():
        raise StoreError(f"{target}: exists already; name another file for the backup")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
        _synchronise(partial)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{target}: cannot back up {database}: {error}") from error
    return target


def _synchronise(path: Path) -> None:
    """Wait until the bytes of `path` are on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
