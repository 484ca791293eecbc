"""One process at a time does the jobs: the others stand by and take over when it ends.

On SQLite a file lock in the data folder, on PostgreSQL an advisory lock: either is given back when its holder dies.

A lock in a database is lost with the connection it was taken on, and its holder learns of that later than the one
who takes over. So each holder on PostgreSQL has a term, a number kept in table `estate`, and every write of a job
looks first whether the term is still its own: what an earlier holder had not committed by then never is.
"""

from __future__ import annotations

import logging
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy import select as sql_select
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.errors import StoreError
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import named, open_engine
from roadworthy_collector.store.lock import file_lock
from roadworthy_collector.store.postgresql import JOBS_LOCK, JOBS_WRITE_LOCK
from roadworthy_collector.store.schema import estate
from roadworthy_collector.store.sqlite import BEGIN
from roadworthy_collector.store.statements import upsert

LOCK_FILE = "jobs.lock"
TERM = "jobs_term"
TRY_SECONDS = 1.0
_LOOK_SECONDS = 2.0
_STOP_LOOK_SECONDS = 0.1
_END_LOOK_SECONDS = 0.5  # longer than a look takes, of the two seconds everything may take to end

_log = logging.getLogger(__name__)


class NotHoldingError(StoreError):
    """Another process does the jobs by now; nothing was written."""


@dataclass(frozen=True)
class Held:
    """The jobs are this process's until `let_go` is set; `term` is None where a file is the lock."""

    let_go: threading.Event = field(default_factory=threading.Event)
    term: int | None = None

    def bind(self, engine: Engine) -> None:
        """Let write transactions of `engine` begin only while the term is this holder's (NotHoldingError)."""
        if self.term is not None:
            event.listen(engine, "begin", self._begin)

    def _begin(self, connection: Connection) -> None:
        if BEGIN not in connection.get_execution_options():
            return  # it only reads
        # The lock first: whoever takes over makes the new term known and then waits for all who hold it.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({JOBS_WRITE_LOCK})")
        if _term(connection) != self.term:
            raise NotHoldingError("another process does the jobs by now; nothing was written")


class Place:
    """Whether this process does the jobs just now, for other threads to ask."""

    def __init__(self) -> None:
        self._held: Held | None = None

    @property
    def holds(self) -> bool:
        """Whether the jobs are this process's."""
        held = self._held
        return held is not None and not held.let_go.is_set()

    @contextmanager
    def taken(self, held: Held) -> Iterator[None]:
        """Hold them while the block runs."""
        self._held = held
        try:
            yield
        finally:
            self._held = None


@contextmanager
def holding(settings: Settings, stop: threading.Event) -> Iterator[Held | None]:
    """Wait until this process holds the jobs, and yield that.

    It has to let go when `stop` is set or the lock is lost. Yields None if `stop` was set before the lock was held.
    """
    where = settings.database
    manager = _holding_server(where, stop) if isinstance(where, URL) else _holding_file(settings, stop)
    with manager as held:
        yield held


@contextmanager
def _holding_file(settings: Settings, stop: threading.Event) -> Iterator[Held | None]:
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
            stop.wait(TRY_SECONDS)
            continue
        try:
            yield Held(stop)
        finally:
            lock.__exit__(None, None, None)
        return
    yield None


@contextmanager
def _holding_server(url: URL, stop: threading.Event) -> Iterator[Held | None]:
    engine = open_engine(url, program="jobs lock")
    try:
        found = _wait_for(engine, url, stop)
        if found is None:
            yield None
            return
        connection, held = found
        ended = threading.Event()
        watcher = threading.Thread(
            target=_watch, args=(connection, held.let_go, ended), name="jobs lock", daemon=True
        )
        watcher.start()
        # Not by the watcher: a server that does not answer keeps it.
        threading.Thread(
            target=_pass_on, args=(stop, held.let_go, ended), name="jobs stop", daemon=True
        ).start()
        try:
            yield held
        finally:
            held.let_go.set()
            ended.set()
            watcher.join(_END_LOOK_SECONDS)
            _end(connection)
    finally:
        engine.dispose()


def _wait_for(engine: Engine, url: URL, stop: threading.Event) -> tuple[Connection, Held] | None:
    """Return a connection that holds the lock and what it holds, None if `stop` was set before."""
    waited = False
    while not stop.is_set():
        if (found := _try(engine)) is not None:
            if waited:
                _log.info("does the jobs of %s now", named(url))
            return found
        if not waited:
            _log.info("another process does the jobs of %s, or it cannot be reached; standing by", named(url))
        waited = True
        stop.wait(TRY_SECONDS)
    return None


def _try(engine: Engine) -> tuple[Connection, Held] | None:
    """Take the lock and begin a term; return None if somebody else has the lock or nothing answers."""
    try:
        connection = engine.connect()
    except SQLAlchemyError:
        return None
    try:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        if connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({JOBS_LOCK})").scalar():
            term = (_term(connection) or 0) + 1
            connection.execute(upsert(estate), {"name": TERM, "value": str(term)})
            # What earlier holders have begun ends before anything of this term begins.
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({JOBS_WRITE_LOCK})")
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({JOBS_WRITE_LOCK})")
            return connection, Held(threading.Event(), term)
    except SQLAlchemyError as error:
        _log.warning("the lock on the jobs cannot be taken: %s", _first_line(error))
    _end(connection)
    return None


def _term(connection: Connection) -> int | None:
    """Return the term that was begun last."""
    found = connection.scalar(sql_select(estate.c.value).where(estate.c.name == TERM))
    return None if found is None else int(found)


def _end(connection: Connection) -> None:
    """End the connection itself, and with it the lock; a pool would keep both."""
    with suppress(SQLAlchemyError):
        connection.invalidate()
    with suppress(SQLAlchemyError):
        connection.close()


def _pass_on(stop: threading.Event, let_go: threading.Event, ended: threading.Event) -> None:
    """Set `let_go` when `stop` is set, until `ended` is."""
    while not ended.is_set():
        if stop.wait(_STOP_LOOK_SECONDS):
            let_go.set()
            return


def _watch(connection: Connection, let_go: threading.Event, ended: threading.Event) -> None:
    """Set `let_go` when the connection, and with it the lock, is gone.

    A server that ends a connection says so on it: that is seen at once. One that has vanished says nothing, and is
    asked every few seconds.
    """
    import psycopg  # where there is such a server; elsewhere it would only cost memory

    quiet = 0.0
    try:
        socket = connection.connection.driver_connection.fileno()  # type: ignore[union-attr] # it is psycopg's
        while not ended.is_set():
            said = select.select([socket], [], [], _STOP_LOOK_SECONDS)[0]
            quiet += _STOP_LOOK_SECONDS
            if said or quiet >= _LOOK_SECONDS:
                quiet = 0.0
                connection.exec_driver_sql("SELECT 1").scalar()
    except (
        SQLAlchemyError,
        psycopg.Error,
        OSError,
        ValueError,
    ) as error:  # the latter of a socket that is closed
        _log.warning("the lock on the jobs is lost: %s", _first_line(error))
        let_go.set()


def _first_line(error: Exception) -> str:
    return str(error.__cause__ or error).splitlines()[0]
