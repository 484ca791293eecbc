"""Local users: a name, a password, one role, and the units it holds for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security import audit, passwords
from roadworthy_collector.security.roles import NEVER_SCOPED, Role
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.scope import grant, granted_names
from roadworthy_collector.store.schema import sessions, user_tokens, user_units, users

COMMAND_LINE = "command line"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
# Who the audit names where nobody signed in: a user of such a name could hide behind it.
_RESERVED = frozenset({"local", "nobody", "agent", "jobs", "prometheus"})


class UserError(RoadworthyError):
    """A user cannot be created, changed or deleted as asked."""


class NoSuchUserError(UserError, NotFoundError):
    """There is no user of that name."""


class User(NamedTuple):
    """A user without the password; `created_at` in UTC epoch seconds, `units` by name or None for every unit."""

    name: str
    role: str
    created_at: int
    units: list[str] | None = None


def create_user(
    engine: Engine,
    name: str,
    password: str,
    *,
    now: float,
    role: str = Role.ADMINISTRATOR,
    units: Sequence[str] | None = None,
    actor: str = COMMAND_LINE,
) -> None:
    """Create a user; raises UserError for a name taken or odd, an unknown role, a short password, UnknownUnitError."""
    if not _NAME.fullmatch(name) or name.casefold() in _RESERVED:
        raise UserError(
            f"{name!r}: a user name is 1 to 64 letters, digits or . _ @ - and begins with a letter or digit; "
            f"{', '.join(sorted(_RESERVED))} mean somebody else"
        )
    ensure_scope_fits(_role(role), units)
    hashed = passwords.hash_password(_acceptable(password))
    row = {"password_argon2": hashed, "role": role, "created_at": int(now), "scoped": units is not None}
    try:
        with write_transaction(engine) as connection:
            connection.execute(users.insert().values(name=name, **row))
            grant(connection, user_units, "user", name, units)
            detail = {"role": role} if units is None else {"role": role, "units": sorted(units)}
            audit.record(connection, int(now), actor, "user.create", name, detail)
    except IntegrityError:
        raise UserError(f"{name}: there is already a user of that name") from None


def set_password(engine: Engine, name: str, password: str, *, now: float, actor: str = COMMAND_LINE) -> None:
    """Give a user another password and end their sessions; raises UserError if there is no such user."""
    hashed = passwords.hash_password(_acceptable(password))
    with write_transaction(engine) as connection:
        _held(connection, name)
        connection.execute(users.update().where(users.c.name == name).values(password_argon2=hashed))
        connection.execute(sessions.delete().where(sessions.c.user == name))
        audit.record(connection, int(now), actor, "user.password", name)


def set_role(engine: Engine, name: str, role: str, *, now: float, actor: str = COMMAND_LINE) -> None:
    """Give a user another role, from their next request on; the last administrator stays one (UserError)."""
    wanted = _role(role)
    with write_transaction(engine) as connection:
        if wanted is not Role.ADMINISTRATOR:
            _ensure_not_the_last(connection, name, "keeps the role; make another administrator first")
        held = _held(connection, name)
        if held.scoped and wanted in NEVER_SCOPED:
            raise UserError(
                f"{name}: {wanted} is a role for every unit; take the units away first (`user scope --all`)"
            )
        connection.execute(users.update().where(users.c.name == name).values(role=wanted.value))
        detail = {"from": held.role, "to": wanted.value}
        audit.record(connection, int(now), actor, "user.role", name, detail)


def set_scope(
    engine: Engine, name: str, units: Sequence[str] | None, *, now: float, actor: str = COMMAND_LINE
) -> None:
    """Let a user's role hold for these units and those below them only, None for every unit.

    Raises UserError for no such user or a role that is never scoped, UnknownUnitError.
    """
    with write_transaction(engine) as connection:
        ensure_scope_fits(_role(_held(connection, name).role), units)
        connection.execute(users.update().where(users.c.name == name).values(scoped=units is not None))
        grant(connection, user_units, "user", name, units)
        detail = {"units": None if units is None else sorted(units)}
        audit.record(connection, int(now), actor, "user.scope", name, detail)


def delete_user(engine: Engine, name: str, *, now: float, actor: str = COMMAND_LINE) -> None:
    """Delete a user with sessions and tokens; the last administrator stays, or nobody could make another."""
    with write_transaction(engine) as connection:
        _ensure_not_the_last(connection, name, "cannot be deleted; create another one first")
        _held(connection, name)
        # Before the user: PostgreSQL and SQLite both cascade, but nothing signs in in between.
        connection.execute(sessions.delete().where(sessions.c.user == name))
        connection.execute(user_tokens.delete().where(user_tokens.c.user == name))
        connection.execute(users.delete().where(users.c.name == name))
        audit.record(connection, int(now), actor, "user.delete", name)


def list_users(engine: Engine) -> list[User]:
    """Return all users by name."""
    with engine.connect() as connection:
        named = granted_names(connection, user_units, "user")
        query = select(users.c.name, users.c.role, users.c.created_at, users.c.scoped).order_by(users.c.name)
        return [
            User(row.name, row.role, row.created_at, named.get(row.name, []) if row.scoped else None)
            for row in connection.execute(query)
        ]


def check_password(engine: Engine, name: str, password: str) -> bool:
    """Return whether `name` may sign in with `password`; takes as long for a name nobody has."""
    with engine.connect() as connection:
        stored = connection.scalar(select(users.c.password_argon2).where(users.c.name == name))
    return passwords.verify(stored, password)


def ensure_scope_fits(role: Role, units: Sequence[str] | None) -> None:
    """Raise UserError where a role that is for every unit would be scoped."""
    if units is not None and role in NEVER_SCOPED:
        raise UserError(f"{role} is a role for every unit and is not scoped")


def _role(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise UserError(f"{word!r}: no such role; there is {', '.join(Role)}") from None


def _held(connection: Connection, name: str) -> Any:
    query = select(users.c.role, users.c.scoped).where(users.c.name == name).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NoSuchUserError(f"{name}: there is no such user")
    return row


def _ensure_not_the_last(connection: Connection, name: str, said: str) -> None:
    """Raise UserError if `name` is the only administrator.

    Locks them all, and before anything else of users, so that two cannot go at once nor wait for each other.
    """
    query = select(users.c.name).where(users.c.role == Role.ADMINISTRATOR.value).order_by(users.c.name)
    if connection.scalars(query.with_for_update()).all() == [name]:
        raise UserError(f"{name}: the last administrator {said}")


def _acceptable(password: str) -> str:
    if not passwords.MIN_LENGTH <= len(password) <= passwords.MAX_LENGTH:
        raise UserError(f"a password has {passwords.MIN_LENGTH} to {passwords.MAX_LENGTH} characters")
    return password
