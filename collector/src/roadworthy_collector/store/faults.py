"""What a failed statement says of the database: whose fault it is, and whether trying again helps."""

from __future__ import annotations

import functools
import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, ProgrammingError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from roadworthy_collector.store.schema import metadata

_SQLITE_FAULTS = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
        *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB),
    }
)
# Classes of SQLSTATE: connection lost, wrong password, read-only or ended transaction, out of disk or memory,
# stopped or locked by somebody, operator intervention, failure of its own.
_SERVER_FAULTS = ("08", "25", "28", "3D", "53", "55", "57", "58", "XX")
# Classes of SQLSTATE: a constraint, and a limit of the server such as the longest entry of an index.
_RULES = ("23", "54")
_UNIQUE, _REFERENCE = "23505", "23503"
_SQLITE_RULES = frozenset({sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH})
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


def is_refused_row(error: Exception) -> bool:
    """Return whether the database works and its rules, or the way to it, refuse what a statement would write.

    Such as a constraint, or a value of a type nothing can be made of. Not a table or a right that is missing, nor a
    number the database itself gives out and that is taken (a restore left its sequence behind): nobody's report is at
    fault for those, and somebody will mend them.
    """
    if not isinstance(error, StatementError) or is_database_fault(error):
        return False
    if not isinstance(error, DBAPIError):
        return True
    code, state = getattr(error.orig, "sqlite_errorcode", None), getattr(error.orig, "sqlstate", None)
    if code is not None:
        return code & 0xFF in _SQLITE_RULES
    if state is None:
        return isinstance(error, ProgrammingError)  # of the library here: no server has seen it
    own_number = state == _UNIQUE and _diagnosis(error, "constraint_name") in _numbered()
    return str(state).startswith(_RULES) and not own_number


def is_lost_reference(error: Exception) -> bool:
    """Return whether a row names another that is not there: it was deleted meanwhile."""
    orig = getattr(error, "orig", None)
    code, state = getattr(orig, "sqlite_errorcode", None), getattr(orig, "sqlstate", None)
    return code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY or state == _REFERENCE


def rule_of(error: Exception) -> str:
    """Return which rule refused a row, as the database names it; never with a value of the row."""
    if said := _diagnosis(error, "message_primary"):
        return said
    orig = getattr(error, "orig", None)
    if getattr(orig, "sqlite_errorcode", None) is not None:
        return str(orig)
    return type(orig or error).__name__


def _diagnosis(error: Exception, name: str) -> str | None:
    """Return a field of what a server said about an error (https://www.postgresql.org/docs/current/libpq-exec.html)."""
    diagnosis = getattr(getattr(error, "orig", None), "diag", None)
    found: str | None = getattr(diagnosis, name, None)
    return found


@functools.cache
def _numbered() -> frozenset[str]:
    """Return the names of the keys whose numbers the database gives out."""
    return frozenset(
        str(table.primary_key.name)
        for table in metadata.tables.values()
        if table.autoincrement_column is not None
    )


def goes_once_more(error: Exception) -> bool:
    """Return whether the same transaction may well succeed when it is tried again at once."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _ONCE_MORE
