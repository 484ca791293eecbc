"""Users: created, listed, changed, deleted, and on the record."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select
from support.estates import NOW, Estate

from roadworthy_collector.security.passwords import hash_password, verify
from roadworthy_collector.security.users import (
    UserError,
    check_password,
    create_user,
    delete_user,
    list_users,
    set_password,
)
from roadworthy_collector.store import schema

PASSWORD = "correct horse battery staple"  # noqa: S105 - a test's own


@pytest.fixture
def engine(estate: Estate) -> Engine:
    return estate.engine


def test_a_password_is_kept_as_argon2id_and_never_as_itself(engine: Engine) -> None:
    create_user(engine, "ada", PASSWORD, now=NOW)
    with engine.connect() as connection:
        kept = connection.scalar(select(schema.users.c.password_argon2))
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept
    assert check_password(engine, "ada", PASSWORD)
    assert not check_password(engine, "ada", PASSWORD + " ")
    assert not check_password(engine, "grace", PASSWORD)


def test_to_try_a_password_costs_what_rfc_9106_asks_for(
    hasher_of_passwords: Callable[[], PasswordHasher],
) -> None:
    hashed = hasher_of_passwords().hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert verify(hashed, PASSWORD)
    assert not verify(hashed, PASSWORD + " ")


def test_nobody_has_the_password_of_nobody() -> None:
    assert not verify(None, "nobody has this password")
    assert not verify("not a hash", PASSWORD)
    assert verify(hash_password(PASSWORD), PASSWORD)


@pytest.mark.parametrize(
    ("name", "password", "role", "said"),
    [
        ("ada", PASSWORD, "administrator", "already a user"),
        ("", PASSWORD, "administrator", "a user name is"),
        ("a b", PASSWORD, "administrator", "a user name is"),
        ("../x", PASSWORD, "administrator", "a user name is"),
        ("x" * 65, PASSWORD, "administrator", "a user name is"),
        ("grace", "short", "administrator", "12 to 1024 characters"),
        ("grace", "x" * 1025, "administrator", "12 to 1024 characters"),
        ("grace", PASSWORD, "king", "no such role; there is viewer, service_desk"),
    ],
)
def test_what_cannot_be_a_user(engine: Engine, name: str, password: str, role: str, said: str) -> None:
    create_user(engine, "ada", PASSWORD, now=NOW)
    with pytest.raises(UserError, match=said):
        create_user(engine, name, password, now=NOW, role=role)
    assert [user.name for user in list_users(engine)] == ["ada"]


def test_the_last_user_stays_or_the_collector_would_be_open_again(engine: Engine) -> None:
    create_user(engine, "ada", PASSWORD, now=NOW)
    with pytest.raises(UserError, match="the last administrator cannot be deleted"):
        delete_user(engine, "ada", now=NOW)
    create_user(engine, "grace", PASSWORD, now=NOW)
    delete_user(engine, "ada", now=NOW)
    assert [(user.name, user.role, user.created_at) for user in list_users(engine)] == [
        ("grace", "administrator", int(NOW))
    ]


def test_somebody_who_is_not_there(engine: Engine) -> None:
    with pytest.raises(UserError, match="no such user"):
        delete_user(engine, "ada", now=NOW)
    with pytest.raises(UserError, match="no such user"):
        set_password(engine, "ada", PASSWORD, now=NOW)


def test_all_of_it_is_on_the_record(engine: Engine) -> None:
    create_user(engine, "ada", PASSWORD, now=NOW)
    create_user(engine, "grace", PASSWORD, now=NOW, actor="ada")
    set_password(engine, "grace", PASSWORD + "!", now=NOW)
    delete_user(engine, "grace", now=NOW, actor="ada")
    with engine.connect() as connection:
        columns = (schema.audit.c.actor, schema.audit.c.action, schema.audit.c.subject)
        rows = [tuple(row) for row in connection.execute(select(*columns).order_by(schema.audit.c.id))]
    assert rows == [
        ("command line", "user.create", "ada"),
        ("ada", "user.create", "grace"),
        ("command line", "user.password", "grace"),
        ("ada", "user.delete", "grace"),
    ]
