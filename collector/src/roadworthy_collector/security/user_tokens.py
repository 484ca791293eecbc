"""Users' tokens `rwu1_...`: what a script signs in with, with the role and scope its user has at that moment.

Functions take a connection inside a write transaction of the caller's and never commit.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select, update

from roadworthy_collector.security.sessions import SessionUser
from roadworthy_collector.security.tokens import COMMAND_LINE, Issued, Kind, issue, matches, parse
from roadworthy_collector.security.users import NoSuchUserError, UserError
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import user_tokens, users

MAX_SECONDS = 366 * 86_400


def create_user_token(
    connection: Connection,
    user: str,
    *,
    now: int,
    expires_in_seconds: int,
    note: str | None = None,
    actor: str = COMMAND_LINE,
) -> Issued:
    """Make a token of `user` and audit it; raises UserError for no such user or more than a year."""
    if connection.scalar(select(users.c.name).where(users.c.name == user)) is None:
        raise NoSuchUserError(f"{user}: there is no such user")
    if not 0 < expires_in_seconds <= MAX_SECONDS:
        raise UserError(f"a token expires within {MAX_SECONDS // 86_400} days")
    token = issue(Kind.USER)
    row = {
        "id": token.id,
        "user": user,
        "secret_sha256": token.sha256,
        "note": note[:256] if note else None,
        "created_at": now,
        "expires_at": now + expires_in_seconds,
    }
    connection.execute(insert(user_tokens).values(row))
    detail = {"user": user, "expires_at": row["expires_at"], "note": row["note"]}
    record(connection, now, actor, "user_token.create", token.id, detail)
    return token


def list_user_tokens(connection: Connection, user: str | None = None) -> list[dict[str, Any]]:
    """Return the tokens of `user`, or of everybody, newest first, without their secrets."""
    kept = [column for column in user_tokens.c if column.name != "secret_sha256"]
    query = select(*kept).order_by(user_tokens.c.created_at.desc(), user_tokens.c.id)
    if user is not None:
        query = query.where(user_tokens.c.user == user)
    return [dict(row) for row in connection.execute(query).mappings()]


def revoke_user_token(connection: Connection, id_: str, *, now: int, actor: str = COMMAND_LINE) -> bool:
    """Refuse this token from now on, on every process; return whether it was still good."""
    query = update(user_tokens).where(
        user_tokens.c.id == id_, user_tokens.c.revoked_at.is_(None), user_tokens.c.expires_at > now
    )
    if connection.execute(query.values(revoked_at=now)).rowcount == 0:
        return False
    record(connection, now, actor, "user_token.revoke", id_)
    return True


def find_user(connection: Connection, text: str, now: float) -> SessionUser | None:
    """Return whose token `text` is, None if it is unknown, revoked or expired."""
    parsed = parse(text)
    if parsed is None or parsed.kind is not Kind.USER:
        return None
    query = (
        select(users.c.name, users.c.role, users.c.scoped, user_tokens.c.secret_sha256)
        .join(user_tokens, user_tokens.c.user == users.c.name)
        .where(
            user_tokens.c.id == parsed.id,
            user_tokens.c.revoked_at.is_(None),
            user_tokens.c.expires_at > int(now),
        )
    )
    row = connection.execute(query).one_or_none()
    if row is None or not matches(parsed.secret, row.secret_sha256):
        return None
    return SessionUser(row.name, row.role, row.scoped, parsed.id)
