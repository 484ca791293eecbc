"""What a relay remembers beside its queue: its id, when to call again, what it has said already."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from sqlalchemy import Connection, delete, select

from roadworthy_collector.store.schema import relay_state
from roadworthy_collector.store.statements import insert_or_ignore, upsert

ID = "id"
WAIT_UNTIL = "wait_until"  # epoch seconds; before them nothing is forwarded
FAILURES = "failures"  # in a row
FAULT = "fault"  # why forwarding fails, while it does
ENROL_UNTIL = "enrol_until"  # epoch seconds; before them no device is enrolled with the main collector
ENROL_FAULT = "enrol_fault"
GIVING_UP = "giving_up"  # set while the queue is over its bounds
REFUSING = "refusing"  # set while the main collector refuses items
LAST_SUCCESS = "last_success"  # epoch seconds


def read(connection: Connection) -> dict[str, str]:
    """Return everything remembered."""
    return {row[0]: row[1] for row in connection.execute(select(relay_state.c.name, relay_state.c.value))}


def write(connection: Connection, values: Mapping[str, str | None]) -> None:
    """Remember `values`; None forgets."""
    kept = [{"name": name, "value": value} for name, value in sorted(values.items()) if value is not None]
    gone = [name for name, value in values.items() if value is None]
    if kept:
        connection.execute(upsert(relay_state), kept)
    if gone:
        connection.execute(delete(relay_state).where(relay_state.c.name.in_(gone)))


def own_id(connection: Connection, random_hex: Callable[[int], str] = secrets.token_hex) -> str:
    """Return this collector's id as a relay, 16 hex digits, made at the first call; in a write transaction."""
    connection.execute(insert_or_ignore(relay_state), {"name": ID, "value": random_hex(8)})
    found: str = connection.execute(select(relay_state.c.value).where(relay_state.c.name == ID)).scalar_one()
    return found


def known_id(connection: Connection) -> str | None:
    """Return this collector's id as a relay, None if it never was one."""
    return connection.scalar(select(relay_state.c.value).where(relay_state.c.name == ID))
