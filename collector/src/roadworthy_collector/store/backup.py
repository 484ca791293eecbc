"""Copies of the database that can be restored, made while it is in use.

SQLite: its backup API. PostgreSQL: `pg_dump` and `pg_restore`, which every place that runs PostgreSQL has and knows.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, inspect
from sqlalchemy.exc import DBAPIError

from roadworthy_collector.errors import StoreError
from roadworthy_collector.store.engine import Database, named, open_engine
from roadworthy_collector.store.lock import file_lock
from roadworthy_collector.store.sqlite import IN_USE_LOCK

# What belongs to a SQLite file, in the order it is moved: a file without its log would look whole and be none.
_SUFFIXES = ("", "-wal", "-shm")
_STEP_PAGES = 2048  # some 8 MB between two calls of `progress`
_LOOK_SECONDS = 0.5

# Called now and then with the bytes copied so far and, where that is known, those there are in all.
Progress = Callable[[int, int | None], None]


def backup(database: Database, target: Path, *, progress: Progress | None = None) -> Path:
    """Copy `database`, which may be in use, to `target` (mode 0600) and return `target`.

    The copy is of one moment, and whole or absent: it is written beside `target`, synchronised to disk and then
    renamed. Raises StoreError if `target` exists already, if `database` cannot be read or if the copy cannot be
    written.
    """
    if isinstance(database, URL):
        return _dump(database, target, progress)
    return copy_file(database, target, progress=progress)


def restore(database: Database, source: Path, *, clock: Callable[[], float] = time.time) -> Path | None:
    """Put the backup `source` in the place of `database`, which nothing may be using.

    A file that is there is moved aside and its new path returned; a PostgreSQL database must be empty. Raises
    StoreError if `source` is no whole backup, if programs run on the database, or if it cannot be written.
    """
    if not source.is_file():
        raise StoreError(f"{source}: there is no backup here")
    if isinstance(database, URL):
        _restore_dump(database, source)
        return None
    return _restore_file(database, source, clock)


def chain_end(database: Path) -> dict[str, object] | None:
    """Return id and hash of the audit's last row in a SQLite file nobody uses; None where it cannot be read.

    The file stays as it is: it may be looked at as evidence, and it may be damaged, for it was replaced.
    """
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(database.absolute()))}?mode=ro", uri=True)
        ) as connection:
            found = connection.execute("SELECT row_id, hash FROM audit_chain WHERE name = 'head'").fetchone()
    except sqlite3.Error:
        return None
    return None if found is None else {"id": found[0], "hash": found[1]}


def copy_file(database: Path, target: Path, *, progress: Progress | None = None) -> Path:
    """Copy a SQLite file with SQLite's backup API; see `backup`."""
    if not database.is_file():
        raise StoreError(f"{database}: there is no database to back up")
    partial = _beside(target)
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(database, isolation_level=None)) as source:
            # Reading holds the moment the copy is of. Without it each step would let go of the file, and begin the
            # copy anew whenever somebody has written: under load it would never end.
            source.execute("BEGIN")
            (page_bytes,) = source.execute("PRAGMA page_size").fetchone()
            source.execute("SELECT 1 FROM sqlite_master").fetchone()

            def step(_status: int, left: int, pages: int) -> None:
                if progress is not None:
                    progress((pages - left) * page_bytes, pages * page_bytes)

            with closing(sqlite3.connect(partial)) as copy:
                source.backup(copy, pages=_STEP_PAGES, progress=step)
        _finish(partial, target)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{target}: cannot back up {database}: {error}") from error
    return target


def _restore_file(database: Path, source: Path, clock: Callable[[], float]) -> Path | None:
    """Check the backup, make sure nobody runs on the data, and swap the files."""
    _check(source)
    try:
        with file_lock(database.parent / IN_USE_LOCK, wait=False):
            partial = _beside(database.with_name(f"{database.name}.restored"))
            try:
                os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                shutil.copyfile(source, partial)
                _synchronise(partial)
                aside = _move_aside(database, clock)
                _finish(partial, database)
            finally:
                partial.unlink(missing_ok=True)
            return aside
    except BlockingIOError:
        raise StoreError(f"{database}: Roadworthy runs on it; end it, then restore") from None
    except OSError as error:
        raise StoreError(f"{database}: cannot restore {source}: {error}") from error


def _check(source: Path) -> None:
    """Raise StoreError unless `source` is a whole database of ours."""
    try:
        uri = f"file:{quote(str(source.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreError(f"{source}: this backup is damaged: {found}")
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"{source}: this is no backup of Roadworthy: {error}") from error


def _move_aside(database: Path, clock: Callable[[], float]) -> Path | None:
    """Rename a database with its log, which belongs to it; return its new path."""
    if not database.exists():
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(clock()))
    aside = database.with_name(f"{database.stem}-before-restore-{stamp}{database.suffix}")
    if aside.exists():
        raise StoreError(f"{aside}: exists already; move it away first")
    for suffix in _SUFFIXES:
        part = database.with_name(database.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    return aside


def _dump(url: URL, target: Path, progress: Progress | None) -> Path:
    partial = _beside(target)
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise StoreError(f"{target}: cannot back up {named(url)}: {error}") from error
    try:
        arguments = ("--format=custom", "--no-owner", "--no-privileges", f"--file={partial}")

        def look() -> None:
            if progress is not None:
                progress(partial.stat().st_size, None)

        _run(url, "pg_dump", *arguments, meanwhile=look)
        _finish(partial, target)
    except (OSError, StoreError) as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StoreError(f"{target}: cannot back up {named(url)}: {error}") from error
        raise
    return target


def _restore_dump(url: URL, source: Path) -> None:
    engine = open_engine(url)
    try:
        if tables := inspect(engine).get_table_names():
            raise StoreError(
                f"{named(url)}: holds {len(tables)} tables already; restore into an empty database (createdb), "
                "then point `database_url` at it"
            )
    except DBAPIError as error:
        raise StoreError(f"{named(url)}: cannot be reached: {error.orig}") from error
    finally:
        engine.dispose()
    _run(
        url,
        "pg_restore",
        "--exit-on-error",
        "--single-transaction",
        "--no-owner",
        "--no-privileges",
        str(source),
    )


def _run(url: URL, program: str, *arguments: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Run one of PostgreSQL's own programs on `url`; the password goes through its environment."""
    if (found := shutil.which(program)) is None:
        raise StoreError(f"{program}: not found; install PostgreSQL's client programs")
    variables = {
        "PGHOST": url.host,
        "PGPORT": None if url.port is None else str(url.port),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        **{f"PG{name.upper()}": value for name, value in url.query.items() if isinstance(value, str)},
    }
    environment = os.environ | {name: str(value) for name, value in variables.items() if value is not None}
    command: Sequence[str] = (found, "--no-password", f"--dbname={url.database or ''}", *arguments)
    with subprocess.Popen(  # noqa: S603 - no shell, arguments of our own
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said: str | None = None
        try:
            while said is None:
                with suppress(subprocess.TimeoutExpired):
                    said = process.communicate(timeout=_LOOK_SECONDS)[1]
                meanwhile()
        except BaseException:  # a Ctrl-C above all: nothing may go on writing a copy nobody waits for
            process.kill()
            raise
    if process.returncode:
        last = (said.strip().splitlines() or ["no reason given"])[-1]
        raise StoreError(f"{named(url)}: {program} failed: {last}")


def _beside(target: Path) -> Path:
    """Return where a copy grows before it takes its name; raise StoreError if that is taken."""
    if target.exists():
        raise StoreError(f"{target}: exists already; name another file for the backup")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{target}: cannot back up to here: {error}") from error
    return partial


def _finish(partial: Path, target: Path) -> None:
    """Wait until the bytes are on the disk, then give the copy its name, and wait for that too."""
    _synchronise(partial)
    partial.replace(target)
    if sys.platform != "win32":  # where a folder cannot be opened, and needs not be
        _synchronise(target.absolute().parent, os.O_RDONLY)


def _synchronise(path: Path, how: int = os.O_RDWR) -> None:
    descriptor = os.open(path, how)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
