"""The record of people who read per-device metrics: who, with which token, of which units; once an hour, not a scrape.

A scrape token is a machine's and leaves no rows: that it was made is one. A user's token or session is a person who
looks at devices one by one, as on a device's page, so the audit has to tell of it. An hour is what a given reason
holds there, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import Connection, Engine, func, select

from roadworthy_collector.security.audit import LATEST_ROWS, OPENING_SECONDS
from roadworthy_collector.security.roles import Reader
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import Scope, names_of
from roadworthy_collector.store.schema import audit

READ_DETAIL = "devices.read_detail"
NAMED_UNITS = 100  # in one row; the rest is a number
_MOST = 1024  # of readers remembered

_Key: TypeAlias = tuple[str, str | None, Scope]


class DetailReads:
    """Puts such readers on the record. Remembers for a while whom it has, so that a scrape asks no table."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._noted: dict[_Key, float] = {}
        self._lock = threading.Lock()

    def is_due(self, reader: Reader) -> bool:
        """Return whether `note` has to look; never for who needs not sign in. Asks no table."""
        noted_at = self._noted.get((reader.name, reader.token, reader.scope), float("-inf"))
        return reader.signed_in and self._clock() - noted_at >= OPENING_SECONDS

    def note(self, reader: Reader) -> None:
        """Write a row unless there is one of this hour, token and scope; raises SQLAlchemyError if it cannot.

        Whoever calls this shows nothing then.
        """
        key, now = (reader.name, reader.token, reader.scope), self._clock()
        with self._lock:  # several shards are asked for at once
            if not self.is_due(reader):
                return
            with write_transaction(self._engine) as connection:
                self._noted.pop(key, None)
                at = _noted_at(connection, reader, now)
                if at is None:
                    at = now
                    record(
                        connection,
                        int(now),
                        reader.name,
                        READ_DETAIL,
                        reader.token,
                        _detail(connection, reader),
                    )
            self._noted[key] = at
            if len(self._noted) > _MOST:
                del self._noted[next(iter(self._noted))]


def _noted_at(connection: Connection, reader: Reader, now: float) -> float | None:
    """Return when another process, or this one before it was started anew, has written the row of this hour."""
    newest = connection.scalar(select(func.max(audit.c.id))) or 0
    found = connection.execute(
        select(audit.c.at, audit.c.detail)
        .where(
            audit.c.id > newest - LATEST_ROWS,
            audit.c.at > int(now) - OPENING_SECONDS,
            audit.c.actor == reader.name,
            audit.c.action == READ_DETAIL,
            audit.c.subject == reader.token if reader.token else audit.c.subject.is_(None),
        )
        .order_by(audit.c.id.desc())
        .limit(1)
    ).one_or_none()
    return float(found.at) if found is not None and found.detail == _detail(connection, reader) else None


def _detail(connection: Connection, reader: Reader) -> dict[str, object]:
    """Return what the row tells: the units in scope, those below the user's own included."""
    told: dict[str, object] = {"by": "session" if reader.token is None else "token"}
    if reader.scope is None:
        return told | {"units": "every unit"}
    names = names_of(connection, reader.scope)
    more = {"more_units": len(names) - NAMED_UNITS} if len(names) > NAMED_UNITS else {}
    return told | {"units": names[:NAMED_UNITS], **more}
