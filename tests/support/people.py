"""Users of every role, signed in without a browser."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Engine

from roadworthy_collector.security import sessions
from roadworthy_collector.security.access import csrf_of
from roadworthy_collector.security.user_tokens import create_user_token
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.scope import grant
from support.estates import NOW


class Person:
    """A user with a session and a token; `headers` sign a request in."""

    def __init__(
        self, engine: Engine, name: str, role: str, units: list[str] | None = None, now: float = NOW
    ) -> None:
        # Not by `create_user`: hashing a password nobody signs in with takes longer than most tests.
        row = {"password_argon2": "none", "role": role, "created_at": int(now), "scoped": units is not None}
        with write_transaction(engine) as connection:
            connection.execute(schema.users.insert().values(name=name, **row))
            grant(connection, schema.user_units, "user", name, units)
        self.name = name
        self.secret = sessions.start(engine, name, now)
        self.csrf = csrf_of(self.secret)
        with write_transaction(engine) as connection:
            issued = create_user_token(connection, name, now=int(now), expires_in_seconds=86_400)
        self.token = issued.text

    @property
    def cookie(self) -> dict[str, Any]:
        return {"headers": {"Cookie": f"roadworthy_8470={self.secret}"}}

    @property
    def bearer(self) -> dict[str, Any]:
        return {"headers": {"Authorization": f"Bearer {self.token}"}}


def devices_in(text: str) -> set[str]:
    """Return the ids of devices an answer names."""
    return set(re.findall(r"rwd_[0-9a-f]{32}", text))
