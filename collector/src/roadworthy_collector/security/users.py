"""Local users. One role so far: `administrator`, who reads everything and is on the record for it."""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import IntegrityError

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security import audit, passwords
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import sessions, users

ADMINISTRATOR = "administrator"
ROLES = (ADMINISTRATOR,)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class UserError(RoadworthyError):
    """A user cannot be created, changed or deleted as asked."""


class User(NamedTuple):
    """A user without the password; `created_at` in UTC epoch seconds."""

    name: str
    role: str
    created_at: int


def create_user(
    engine: Engine,
    name: str,
    password: str,
    *,
    now: float,
    role: str = ADMINISTRATOR,
    actor: str = "command line",
) -> None:
    """Create a user; raises UserError for a name taken or odd, an unknown role, a short password."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r}: a user name is 1 to 64 letters, digits or . _ @ - and begins with a letter or digit"
        )
    if role not in ROLES:
        raise UserError(f"{role!r}: no such role; there is {', '.join(ROLES)}")
    hashed = passwords.hash_password(_acceptable(password))
    try:
        with write_transaction(engine) as connection:
            connection.execute(
                users.insert().values(name=name, password_argon2=hashed, role=role, created_at=int(now))
            )
            audit.record(connection, int(now), actor, "user.create", name, {"role": role})
    except IntegrityError:
        raise UserError(f"{name}: there is already a user of that name") from None


def set_password(
    engine: Engine, name: str, password: str, *, now: float, actor: str = "command line"
) -> None:
    """Give a user another password and end their sessions; raises UserError if there is no such user."""
    hashed = passwords.hash_password(_acceptable(password))
    with write_transaction(engine) as connection:
        changed = connection.execute(
            users.update().where(users.c.name == name).values(password_argon2=hashed)
        )
        if changed.rowcount != 1:
            raise UserError(f"{name}: there is no such user")
        connection.execute(sessions.delete().where(sessions.c.user == name))
        audit.record(connection, int(now), actor, "user.password", name)


def delete_user(engine: Engine, name: str, *, now: float, actor: str = "command line") -> None:
    """Delete a user and their sessions; the last one stays, or the collector would be open again."""
    with write_transaction(engine) as connection:
        if connection.scalar(select(users.c.name).where(users.c.name == name)) is None:
            raise UserError(f"{name}: there is no such user")
        if (connection.scalar(select(func.count()).select_from(users)) or 0) < 2:
            raise UserError(f"{name}: the last user cannot be deleted; create another one first")
        connection.execute(users.delete().where(users.c.name == name))
        audit.record(connection, int(now), actor, "user.delete", name)


def list_users(engine: Engine) -> list[User]:
    """Return all users by name."""
    with engine.connect() as connection:
        found = connection.execute(
            select(users.c.name, users.c.role, users.c.created_at).order_by(users.c.name)
        )
        return [User(*row) for row in found]


def check_password(engine: Engine, name: str, password: str) -> bool:
    """Return whether `name` may sign in with `password`; takes as long for a name nobody has."""
    with engine.connect() as connection:
        stored = connection.scalar(select(users.c.password_argon2).where(users.c.name == name))
    return passwords.verify(stored, password)


def _acceptable(password: str) -> str:
    if not passwords.MIN_LENGTH <= len(password) <= passwords.MAX_LENGTH:
        raise UserError(f"a password has {passwords.MIN_LENGTH} to {passwords.MAX_LENGTH} characters")
    return password
