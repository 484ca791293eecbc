"""What a failed statement says of the database: whose fault it is, and whether trying again helps."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_SQLITE_FAULTS = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
        *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB),
    }
)
# Classes of SQLSTATE: connection lost, wrong password, read-only or ended transaction, out of disk or memory,
# stopped or locked by somebody, operator intervention, failure of its own.
_SERVER_FAULTS = ("08", "25", "28", "3D", "53", "55", "57", "58", "XX")
_ONCE_MORE = frozenset({"40P01", "40001"})  # deadlock, serialisation: another transaction went first


def is_database_fault(error: Exception) -> bool:
    """Return whether nobody can write now: the database locked, full, read-only, gone, its disk broken."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return bool(code & 0xFF in _SQLITE_FAULTS)  # the other bits say more exactly which
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    # psycopg gives no state where it could not connect at all, or the connection broke.
    if state is None:
        return type(error.orig).__name__ in {"OperationalError", "InterfaceError", "ConnectionTimeout"}
    return str(state).startswith(_SERVER_FAULTS)


def is_refused_value(error: Exception) -> bool:
    """Return whether the database works and a value is what it cannot hold: a text or number outside its type."""
    if isinstance(error, OverflowError):  # sqlite3: more than 64 bits
        return True
    return isinstance(error, DataError) and not is_database_fault(error)


def goes_once_more(error: Exception) -> bool:
    """Return whether the same transaction may well succeed when it is tried again at once."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _ONCE_MORE
