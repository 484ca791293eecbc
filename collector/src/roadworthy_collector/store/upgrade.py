"""Bringing a database to this program's schema.

SQLite upgrades itself when a program starts, under a file lock and after a copy. PostgreSQL is upgraded only when
somebody says so (`roadworthy db upgrade`), under an advisory lock; programs refuse to run on a database that is
behind. Migrations first add and only a version later take away, so that the version before runs on a database that
is one ahead: `runs_from` in table `estate` names the oldest schema whose program still can.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, inspect, select
from sqlalchemy.exc import DBAPIError

from roadworthy_collector.errors import SchemaError, StoreError
from roadworthy_collector.store import postgresql, schema, sqlite
from roadworthy_collector.store.backup import copy_file
from roadworthy_collector.store.engine import (
    UNASSIGNED,
    Database,
    named,
    open_engine,
    write_transaction,
)
from roadworthy_collector.store.lock import file_lock
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.statements import insert_or_ignore, upsert

__all__ = ["current_revision", "head_revision", "make_ready", "misfit", "upgrade"]

# The oldest schema whose program runs on a database of this one, and the first that ran on PostgreSQL at all. Raised by
# a migration that drops or rewrites something: CONTRIBUTING.md.
RUNS_FROM = "0010"
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_NOT_AVAILABLE = "55P03"


def upgrade(
    database: Database, *, clock: Callable[[], float] = time.time, actor: str = "program start"
) -> None:
    """Make `database` or bring it up to this program's schema, and seed unit and site `unassigned`.

    Runs under a lock, so any number of processes may call it at once; an existing file that is behind is copied
    beside itself first. A change of the schema is a row of the audit, of `actor`. Raises SchemaError if the database is newer than the program or no Roadworthy database,
    StoreError if it cannot be reached or written.
    """
    try:
        if isinstance(database, URL):
            _upgrade_server(database, clock, actor)
        else:
            _upgrade_file(database, clock, actor)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise StoreError(
                f"{named(database)}: a table was in use for {postgresql.UPGRADE_LOCK_TIMEOUT_SECONDS} s, so nothing "
                "was changed; run it again, once a backup (pg_dump) or a long question is over"
            ) from error
        raise StoreError(f"{named(database)}: cannot be used as a database: {_first_line(error)}") from error


def make_ready(database: Database) -> None:
    """Upgrade a file; raise SchemaError if a server's database is not one this program can run on."""
    if not isinstance(database, URL):
        upgrade(database)
        return
    engine = open_engine(database)
    try:
        current = current_revision(engine)
        if misfit(engine) is None:
            return
        if current is not None and current not in _known():
            raise _newer(database, current)
        raise SchemaError(
            f"{named(database)}: its schema is {current or 'missing'} and this program needs {head_revision()}; "
            "run `roadworthy db upgrade` once, then start again"
        )
    except DBAPIError as error:
        raise StoreError(f"{named(database)}: cannot be reached: {_first_line(error)}") from error
    finally:
        engine.dispose()


def head_revision() -> str:
    """Return the schema revision this program is written for."""
    return _revisions(_MIGRATIONS).head


def misfit(engine: Engine) -> str | None:
    """Return why this program cannot run on the schema of `engine`'s database, None if it can.

    It can on its own, and on a newer one that says so: a newer program has upgraded it, and this one runs on until it
    is replaced itself. Raises SQLAlchemyError if the database does not answer.
    """
    current, head = current_revision(engine), head_revision()
    if current == head or (current is not None and current not in _known() and _runs_from(engine) <= head):
        return None
    return f"the database is at schema {current}, this program needs {head}"


class _Revisions(NamedTuple):
    head: str
    known: frozenset[str]


@lru_cache(maxsize=1)
def _revisions(folder: Path) -> _Revisions:
    """Return the migrations of this program, read once: load balancers ask every few seconds, and all of them run."""
    scripts = ScriptDirectory.from_config(_config())
    head = scripts.get_current_head()
    if head is None:
        raise SchemaError(f"{folder}: this installation has no migrations; install it again")
    return _Revisions(head, frozenset(one.revision for one in scripts.walk_revisions()))


def current_revision(engine: Engine) -> str | None:
    """Return the database's schema revision, None if it has none."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _upgrade_file(database: Path, clock: Callable[[], float], actor: str) -> None:
    sqlite.make_file(database)
    with file_lock(database.with_suffix(".lock")):
        engine = open_engine(database)
        try:
            current = current_revision(engine)
            if _is_behind(engine, database, current):
                if current is not None:
                    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(clock()))
                    copy_file(database, database.with_name(f"{database.stem}-{current}-{stamp}.backup"))
                with write_transaction(engine) as connection:
                    _migrate(connection, current, int(clock()), actor)
            with write_transaction(engine) as connection:
                _seed(connection, int(clock()))
        finally:
            engine.dispose()


def _upgrade_server(url: URL, clock: Callable[[], float], actor: str) -> None:
    engine = open_engine(url)
    try:
        with write_transaction(engine) as connection, postgresql.upgrade_lock(connection):
            # Looked at again under the lock: another process may just have done it.
            current = MigrationContext.configure(connection).get_current_revision()
            if _is_behind(connection, url, current):
                _migrate(connection, current, int(clock()), actor)
            _seed(connection, int(clock()))
    finally:
        engine.dispose()


def _migrate(connection: Connection, current: str | None, now: int, actor: str) -> None:
    """Run the migrations that are missing, and write down that an existing database was changed."""
    command.upgrade(_config(connection), "head")
    if current is not None:
        audit.record(
            connection,
            now,
            actor,
            "database.upgrade",
            head_revision(),
            {"from": current, "to": head_revision()},
        )


def _is_behind(bind: Engine | Connection, database: Database, current: str | None) -> bool:
    """Return whether migrations are missing; raise SchemaError where they cannot be run."""
    if current is not None and current not in _known():
        raise _newer(database, current)
    if current is None and inspect(bind).get_table_names():
        raise SchemaError(
            f"{named(database)}: not a Roadworthy database; move it away or name another data folder"
        )
    return current != head_revision()


def _known() -> frozenset[str]:
    return _revisions(_MIGRATIONS).known


def _newer(database: Database, current: str) -> SchemaError:
    return SchemaError(
        f"{named(database)}: written by a newer Roadworthy (schema {current}, this program knows {head_revision()}); "
        "install that version again, or restore the backup made before its upgrade"
    )


def _runs_from(engine: Engine) -> str:
    query = select(schema.estate.c.value).where(schema.estate.c.name == "runs_from")
    with engine.connect() as connection:
        return connection.scalar(query) or RUNS_FROM


def _config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, without a file."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _seed(connection: Connection, now: int) -> None:
    """Make sure that every device has a unit and a site to stand in from its first day."""
    unit = {"name": UNASSIGNED, "valid_from": now}
    connection.execute(insert_or_ignore(schema.units), unit)
    connection.execute(
        insert_or_ignore(schema.sites), {"name": UNASSIGNED, "kind": "unknown", "restricted": False}
    )
    connection.execute(upsert(schema.estate), {"name": "runs_from", "value": RUNS_FROM})


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
