"""Users, their roles, scopes, passwords and tokens: `roadworthy user`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, Field

from roadworthy_collector.api.calls import PREFIX, Call, Days, Note, PlaceName, Sent, TokenId, caller
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.keys import DAY_SECONDS, Issued
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.security import passwords, user_tokens, users
from roadworthy_collector.security.roles import Right, Role
from roadworthy_collector.store.engine import write_transaction

router = APIRouter(prefix=PREFIX, tags=["users"])
Keeper = Annotated[Call, Depends(caller(Right.MANAGE_USERS))]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
Name = Annotated[str, Path(pattern=NAME, description="Who.")]
Units = Annotated[list[PlaceName], Field(min_length=1, max_length=100)]
Password = Annotated[str, Field(min_length=passwords.MIN_LENGTH, max_length=passwords.MAX_LENGTH)]


class User(BaseModel):
    """A user without the password; `units` null for every unit, `created_at` in UTC epoch seconds."""

    name: str
    role: str
    created_at: int
    units: list[str] | None


class Users(BaseModel):
    """All users by name."""

    rows: list[User]


class NewUser(Sent):
    """A user to make; without `units` for every unit."""

    name: Annotated[str, Field(pattern=NAME)]
    password: Password
    role: Role
    units: Units | None = None


class NewPassword(Sent):
    """Another password."""

    password: Password


class NewRole(Sent):
    """Another role."""

    role: Role


class NewScope(Sent):
    """The units a role holds for and those below them, or null for every unit."""

    units: Units | None


class UserToken(BaseModel):
    """A token without its secret; times in UTC epoch seconds."""

    id: str
    user: str
    note: str | None
    created_at: int
    expires_at: int
    revoked_at: int | None


class UserTokens(BaseModel):
    """Tokens, newest first."""

    rows: list[UserToken]


class NewToken(Sent):
    """How long a token is good, and what for."""

    days: Days = 90
    note: Note | None = None


@router.get("/users", summary="Users", responses=documented())
def list_users(call: Keeper) -> Users:
    """All users with their roles and units."""
    return Users.model_validate({"rows": [user._asdict() for user in users.list_users(call.engine)]})


@router.post("/users", summary="Make a user", status_code=201, responses=documented(408, 409, 413))
def create_user(call: Keeper, sent: NewUser) -> User:
    """Make a user of one role, for some units or for every unit. 409 for a name that is taken."""
    units = sent.units
    users.create_user(
        call.engine, sent.name, sent.password, now=call.now, role=sent.role, units=units, actor=call.actor
    )
    return User(name=sent.name, role=sent.role, created_at=call.at, units=units and sorted(units))


@router.delete(
    "/users/{name}", summary="Delete a user", status_code=204, responses=documented(404, 408, 409, 413)
)
def delete_user(call: Keeper, name: Name) -> Response:
    """Delete a user with sessions and tokens. 409 for the last administrator."""
    users.delete_user(call.engine, name, now=call.now, actor=call.actor)
    return Response(status_code=204)


@router.put(
    "/users/{name}/password",
    summary="Give a user another password",
    status_code=204,
    responses=documented(404, 408, 413),
)
def set_password(call: Keeper, name: Name, sent: NewPassword) -> Response:
    """Their sessions end; their tokens stay."""
    users.set_password(call.engine, name, sent.password, now=call.now, actor=call.actor)
    return Response(status_code=204)


@router.put(
    "/users/{name}/role",
    summary="Give a user another role",
    status_code=204,
    responses=documented(404, 408, 409, 413),
)
def set_role(call: Keeper, name: Name, sent: NewRole) -> Response:
    """From their next request on. 409 where it cannot be: the last administrator, a role that is never scoped."""
    users.set_role(call.engine, name, sent.role, now=call.now, actor=call.actor)
    return Response(status_code=204)


@router.put(
    "/users/{name}/scope",
    summary="Say for which units a role holds",
    status_code=204,
    responses=documented(404, 408, 409, 413),
)
def set_scope(call: Keeper, name: Name, sent: NewScope) -> Response:
    """For some units and those below them, or with null for every unit again."""
    users.set_scope(call.engine, name, sent.units, now=call.now, actor=call.actor)
    return Response(status_code=204)


@router.get("/user-tokens", summary="Users' tokens", responses=documented())
def list_tokens(
    call: Keeper,
    user: Annotated[str | None, Query(pattern=NAME, description="Whose; everybody's if not said.")] = None,
) -> UserTokens:
    """Tokens for scripts, newest first."""
    with call.engine.connect() as connection:
        return UserTokens.model_validate({"rows": user_tokens.list_user_tokens(connection, user)})


@router.post(
    "/users/{name}/tokens",
    summary="Make a token of a user",
    status_code=201,
    responses=documented(404, 408, 409, 413),
)
def create_token(call: Keeper, name: Name, sent: NewToken) -> Issued:
    """Make a token with the user's role and scope and tell it once."""
    with write_transaction(call.engine) as connection:
        issued = user_tokens.create_user_token(
            connection,
            name,
            now=call.at,
            expires_in_seconds=sent.days * DAY_SECONDS,
            note=sent.note,
            actor=call.actor,
        )
    return Issued(id=issued.id, token=issued.text)


@router.post(
    "/user-tokens/{token_id}/revoke",
    summary="Revoke a user's token",
    status_code=204,
    responses=documented(404, 408, 413),
)
def revoke_token(call: Keeper, token_id: TokenId) -> Response:
    """Refuse this token from now on."""
    with write_transaction(call.engine) as connection:
        if not user_tokens.revoke_user_token(connection, token_id, now=call.at, actor=call.actor):
            raise NotFoundError(f"{token_id}: no user token of that id is in force")
    return Response(status_code=204)
