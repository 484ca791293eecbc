"""One process at a time does the jobs: the others stand by and take over when it ends.

On SQLite a file lock in the data folder, on PostgreSQL an advisory lock: either is given back when its holder dies.
A holder that loses its connection has lost the lock and stops working at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import named, open_engine
from roadworthy_collector.store.lock import file_lock
from roadworthy_collector.store.postgresql import JOBS_LOCK

LOCK_FILE = "jobs.lock"
_LOOK_SECONDS = 2.0

_log = logging.getLogger(__name__)


@contextmanager
def holding(settings: Settings, stop: threading.Event) -> Iterator[threading.Event | None]:
    """Wait until this process holds the jobs; yield an event that is set when it must let go.

    That is when `stop` is set or the lock is lost. Yields None if `stop` was set before the lock was held.
    """
    where = settings.database
    manager = _holding_server(where, stop) if isinstance(where, URL) else _holding_file(settings, stop)
    with manager as let_go:
        yield let_go


@contextmanager
def _holding_file(settings: Settings, stop: threading.Event) -> Iterator[threading.Event | None]:
    path = settings.data / LOCK_FILE
    waited = False
    while not stop.is_set():
        try:
            lock = file_lock(path, wait=False)
            lock.__enter__()
        except OSError:
            if not waited:
                _log.info("another process does the jobs of %s; standing by", settings.data)
            waited = True
            stop.wait(_LOOK_SECONDS)
            continue
        try:
            yield stop
        finally:
            lock.__exit__(None, None, None)
        return
    yield None


@contextmanager
def _holding_server(url: URL, stop: threading.Event) -> Iterator[threading.Event | None]:
    engine = open_engine(url)
    connection: Connection | None = None
    waited = False
    try:
        while not stop.is_set() and connection is None:
            connection = _try(engine)
            if connection is None:
                if not waited:
                    _log.info(
                        "another process does the jobs of %s, or it cannot be reached; standing by",
                        named(url),
                    )
                waited = True
                stop.wait(_LOOK_SECONDS)
        if connection is None:
            yield None
            return
        let_go, ended = threading.Event(), threading.Event()
        watcher = threading.Thread(
            target=_watch, args=(connection, stop, let_go, ended), name="jobs lock", daemon=True
        )
        watcher.start()
        try:
            yield let_go
        finally:
            ended.set()
            watcher.join(_LOOK_SECONDS)
    finally:
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()
        engine.dispose()  # the lock ends with its connection


def _try(engine: Engine) -> Connection | None:
    """Return a connection that holds the lock, None if somebody else does or nothing answers."""
    try:
        connection = engine.connect()
    except SQLAlchemyError:
        return None
    try:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        if connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({JOBS_LOCK})").scalar():
            return connection
    except SQLAlchemyError:
        pass
    connection.close()
    return None


def _watch(
    connection: Connection, stop: threading.Event, let_go: threading.Event, ended: threading.Event
) -> None:
    """Set `let_go` when `stop` is set or the connection, and with it the lock, is gone."""
    looked = 0.0
    while not ended.is_set() and not let_go.is_set():
        if stop.wait(0.1):
            let_go.set()
            return
        looked += 0.1
        if looked < _LOOK_SECONDS:
            continue
        looked = 0.0
        try:
            connection.exec_driver_sql("SELECT 1").scalar()
        except SQLAlchemyError as error:
            _log.warning("the lock on the jobs is lost: %s", str(error.__cause__ or error).splitlines()[0])
            let_go.set()
