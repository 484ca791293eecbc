"""Signed-in sessions: a random secret in a cookie, its SHA-256 in the table, gone after twelve hours."""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

from sqlalchemy import Connection, Engine, or_, select

from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import sessions, users

LIFETIME_SECONDS = 12 * 3600


class SessionUser(NamedTuple):
    """Whose session it is; or whose token, of which `token` is the id."""

    name: str
    role: str
    scoped: bool = False
    token: str | None = None


def secure(settings: Settings) -> bool:
    """Return whether browsers reach this collector by TLS only."""
    return settings.tls_certificate is not None or settings.behind_tls_proxy


def cookie_name(settings: Settings) -> str:
    """Return the cookie's name; cookies know no ports, so two collectors on one machine need two names."""
    prefix = "__Host-" if secure(settings) else ""
    return f"{prefix}roadworthy_{settings.port}"


def start(engine: Engine, user: str, now: float) -> str:
    """Start a session of `user` and return its secret; expired sessions go at the same time."""
    secret = secrets.token_urlsafe(32)
    with write_transaction(engine) as connection:
        connection.execute(sessions.delete().where(sessions.c.expires_at <= int(now)))
        connection.execute(
            sessions.insert().values(
                secret_sha256=_digest(secret),
                user=user,
                created_at=int(now),
                expires_at=int(now) + LIFETIME_SECONDS,
            )
        )
    return secret


def find(engine: Engine, secret: str, now: float) -> SessionUser | None:
    """Return whose session `secret` is, or None if there is none or it has expired."""
    with engine.connect() as connection:
        row = connection.execute(
            select(users.c.name, users.c.role, users.c.scoped)
            .join(sessions, sessions.c.user == users.c.name)
            .where(sessions.c.secret_sha256 == _digest(secret), sessions.c.expires_at > int(now))
        ).one_or_none()
    return None if row is None else SessionUser(row.name, row.role, row.scoped)


def user_of(connection: Connection, name: str) -> SessionUser | None:
    """Return the user of this name, None if there is none."""
    query = select(users.c.name, users.c.role, users.c.scoped).where(users.c.name == name)
    row = connection.execute(query).one_or_none()
    return None if row is None else SessionUser(row.name, row.role, row.scoped)


def end(engine: Engine, secret: str, now: float) -> None:
    """End one session, and every expired one."""
    with write_transaction(engine) as connection:
        connection.execute(
            sessions.delete().where(
                or_(sessions.c.secret_sha256 == _digest(secret), sessions.c.expires_at <= int(now))
            )
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
