"""The record of who did what: rows are added, never changed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Engine, desc, func, select

from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.audit import prune, read, record, verify
from roadworthy_collector.store.schema import audit

__all__ = [
    "LATEST_ROWS",
    "OPENING_SECONDS",
    "OPEN_DEVICE",
    "opened_recently",
    "prune",
    "read",
    "record",
    "record_alone",
    "verify",
]

OPEN_DEVICE = "device.open"
# How long a given reason holds: an hour's work on one device is one opening.
OPENING_SECONDS = 3600
# An opening is looked for among this many latest rows, so that a long record does not slow the page.
LATEST_ROWS = 20_000


def record_alone(
    engine: Engine,
    now: float,
    actor: str,
    action: str,
    subject: str | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Add one row in a transaction of its own."""
    with write_transaction(engine) as connection:
        record(connection, int(now), actor, action, subject[:128] if subject else None, detail)


def opened_recently(connection: Connection, now: float, actor: str, device_id: str) -> bool:
    """Return whether `actor` has opened this device's history within OPENING_SECONDS."""
    newest = connection.scalar(select(func.max(audit.c.id))) or 0
    found = connection.scalar(
        select(audit.c.id)
        .where(
            audit.c.id > newest - LATEST_ROWS,
            audit.c.at > int(now) - OPENING_SECONDS,
            audit.c.actor == actor,
            audit.c.action == OPEN_DEVICE,
            audit.c.subject == device_id,
        )
        .order_by(desc(audit.c.id))
        .limit(1)
    )
    return found is not None
