"""What is particular to PostgreSQL as the store: how programs are told apart there, and what is never shown."""

from __future__ import annotations

import logging

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url
from sqlalchemy.exc import DBAPIError

from roadworthy_collector.errors import StoreError
from roadworthy_collector.serving import warn_of_others
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import named, open_engine
from roadworthy_collector.store.postgresql import application_name, other_programs
from roadworthy_collector.store.upgrade import upgrade


def test_a_password_is_never_named() -> None:
    url = make_url("postgresql://roadworthy:hunter2@db/fleet")
    assert named(url) == "postgresql://roadworthy:***@db/fleet"
    assert "hunter2" not in repr(open_engine(url).url)


def test_the_name_of_a_program_is_as_the_server_keeps_it() -> None:
    assert application_name("") == "roadworthy"
    assert application_name("serve büro:8470") == "roadworthy serve b?ro:8470"
    assert len(application_name("serve " + "x" * 100)) == 63


@pytest.mark.needs("postgresql")
def test_other_programs_are_told_by_their_names(
    server_database: URL, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("serve one:8470", "serve two:8470", "jobs")
    engines = [open_engine(server_database, program=name) for name in names]
    connections = [engine.connect() for engine in engines]
    try:
        for own, others in (("serve one:8470", ["serve two:8470"]), ("serve new:1", list(names[:2]))):
            assert other_programs(connections[0], "serve", own) == others
        caplog.set_level(logging.WARNING)
        shown, apart = Settings(), Settings(rollups_at="jobs")
        warn_of_others(apart, engines[0], "serve one:8470")
        assert caplog.messages == []
        warn_of_others(shown, engines[0], "serve one:8470")
        (line,) = caplog.messages
        assert "(serve two:8470)" in line
        assert 'rollups_at = "jobs"' in line
    finally:
        for connection, engine in zip(connections, engines, strict=True):
            connection.close()
            engine.dispose()


@pytest.mark.needs("postgresql")
def test_a_database_that_does_not_hold_every_name_is_refused(server_database: URL) -> None:
    name = f"{server_database.database}_bytes"
    making = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    where = server_database.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} " + making).format(sql.Identifier(name)))
        try:
            with pytest.raises(StoreError, match=f"{name}: its encoding is SQL_ASCII, and .* need UTF8"):
                upgrade(server_database.set(database=name))
        finally:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.mark.needs("postgresql")
def test_a_read_only_engine_cannot_write(server_database: URL) -> None:
    engine = open_engine(server_database, read_only=True)
    with pytest.raises(DBAPIError, match="read-only transaction"), engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO estate (name, value) VALUES ('x', 'y')")
    engine.dispose()


@pytest.mark.needs("postgresql")
def test_every_connection_has_its_limits(server_database: URL) -> None:
    engine = open_engine(server_database)
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in (
                "lock_timeout",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
                "timezone",
            )
        }
    engine.dispose()
    assert found == {
        "lock_timeout": "15s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "1min",
        "timezone": "UTC",
    }
