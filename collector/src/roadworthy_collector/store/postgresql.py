"""PostgreSQL as the store: for several collectors on one database, or where it is already looked after.

Transactions run at READ COMMITTED. Whoever reads in order to write locks what it read first: ingest the devices of
its group, in the order of their ids, so that two collectors never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine

CONNECT_TIMEOUT_SECONDS = 5
# As SQLite's: longer than any transaction here waits for another, shorter than an agent waits for its answer.
LOCK_TIMEOUT_SECONDS = 15
STATEMENT_TIMEOUT_SECONDS = 60
# Names of advisory locks; any constant will do as long as nobody else in this database takes the same.
UPGRADE_LOCK = 0x726F_6164_0001
JOBS_LOCK = 0x726F_6164_0002


def open_server(url: URL, *, read_only: bool, json: dict[str, Any]) -> Engine:
    """Return an engine on the database `url` names; nothing is connected yet."""
    settings = {
        "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
        "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
        # A collector whose machine has vanished must not hold its locks until TCP gives up.
        "idle_in_transaction_session_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
        "default_transaction_read_only": "on" if read_only else "off",
        "timezone": "UTC",
    }
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": "roadworthy",
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
        pool_size=8,
        max_overflow=8,
        pool_pre_ping=True,  # a server that was restarted has closed what the pool holds
        pool_timeout=LOCK_TIMEOUT_SECONDS,
        **json,
    )


@contextmanager
def upgrade_lock(connection: Connection) -> Iterator[None]:
    """Let one process at a time change the schema; the lock ends with the transaction `connection` is in."""
    # Building an index takes as long as it takes; waiting for somebody else's transaction does not.
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")
    yield
