"""PostgreSQL as the store: for several collectors on one database, or where it is already looked after.

Transactions run at READ COMMITTED. Whoever reads in order to write locks what it read first: ingest the devices of
its group, in the order of their ids, so that two collectors never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from roadworthy_collector.errors import StoreError

CONNECT_TIMEOUT_SECONDS = 5
# As SQLite's: longer than any transaction here waits for another, shorter than an agent waits for its answer.
LOCK_TIMEOUT_SECONDS = 15
STATEMENT_TIMEOUT_SECONDS = 60
# A change of the schema waits for whoever uses a table, and everybody who comes later waits behind it: not for long.
UPGRADE_LOCK_TIMEOUT_SECONDS = 5
# What was sent and is not acknowledged for so long goes nowhere: the other machine, or the network to it, is gone.
UNACKNOWLEDGED_SECONDS = 15
# Names of advisory locks; any constant will do as long as nobody else in this database takes the same.
UPGRADE_LOCK = 0x726F_6164_0001
JOBS_LOCK = 0x726F_6164_0002
JOBS_WRITE_LOCK = 0x726F_6164_0003
_NAME_BYTES = 63  # PostgreSQL cuts a longer application_name


def open_server(url: URL, *, read_only: bool, json: dict[str, Any], program: str = "") -> Engine:
    """Return an engine on the database `url` names; nothing is connected yet."""
    settings = {
        "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
        "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
        # A collector whose machine has vanished must not hold its locks until TCP gives up.
        "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
        "default_transaction_read_only": "on" if read_only else "off",
        "timezone": "UTC",
        # Pages and reports are many and short: what several processors or compiling save one, the others wait for.
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
    }
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": application_name(program),
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": UNACKNOWLEDGED_SECONDS * 1000,
        },
        pool_size=8,
        max_overflow=8,
        pool_pre_ping=True,  # a server that was restarted has closed what the pool holds
        pool_timeout=LOCK_TIMEOUT_SECONDS,
        hide_parameters=True,  # names of devices and people stay out of errors, and so out of logs
        **json,
    )
    # Before SQLAlchemy itself looks at the server: it stops without a word where texts come as bytes.
    event.listen(engine, "connect", _require_unicode, insert=True)
    event.listen(engine, "connect", _make_durable)
    return engine


def _require_unicode(connection: Any, _record: object) -> None:
    """Refuse a database whose texts have no encoding, or one that does not hold every name there is."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"database {connection.info.dbname}: its encoding is {encoding}, and names of devices and sites need UTF8; "
            "make it anew with CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8'"
        )


def _make_durable(connection: Any, _record: object) -> None:
    """Have commits wait for the disk where the server's own setting would not: a commit is what an agent is told.

    Settings that wait for more than this server's disk (`remote_apply`) are left as they are.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()


@contextmanager
def upgrade_lock(connection: Connection) -> Iterator[None]:
    """Let one process at a time change the schema; the lock ends with the transaction `connection` is in."""
    # Building an index takes as long as it takes, and so does the upgrade somebody else has begun; waiting for a
    # transaction that uses a table does not.
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{UPGRADE_LOCK_TIMEOUT_SECONDS}s'")
    yield


def application_name(program: str) -> str:
    """Return the name a program goes by in `pg_stat_activity`, as PostgreSQL keeps it."""
    name = f"roadworthy {program}".strip()
    return name.encode("ascii", "replace")[:_NAME_BYTES].decode()


def other_programs(connection: Connection, kind: str, own: str) -> list[str]:
    """Return the programs of a kind (`serve`) that are connected to this database now, without `own`."""
    query = text(
        "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() "
        "AND starts_with(application_name, :begin) AND application_name <> :own ORDER BY application_name"
    )
    values = {"begin": f"roadworthy {kind} ", "own": application_name(own)}
    return [str(name).removeprefix("roadworthy ") for name in connection.scalars(query, values)]
