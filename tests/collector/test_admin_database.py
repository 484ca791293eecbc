"""What is done to the database from the command line is on the record, in the database it was done to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL
from support import postgres
from support.estates import make_database
from support.migrations import REVISION, with_one_more
from support.running import call

from roadworthy_collector.security.audit import record_alone
from roadworthy_collector.store.engine import Database, open_engine
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.upgrade import head_revision

Row = tuple[str, str, str, Any]


def rows(database: Database) -> list[Row]:
    engine = open_engine(database)
    with engine.connect() as connection:
        assert audit.verify(connection).broken is None
        found = [
            (row["actor"], row["action"], row["subject"], row["detail"]) for row in audit.read(connection)
        ]
    engine.dispose()
    return found


def note(database: Database, subject: str) -> None:
    engine = open_engine(database)
    record_alone(engine, 1, "ada", "test", subject)
    engine.dispose()


def done(folder: Path, *command: str, **variables: str) -> str:
    found = call("db", *command, folder=folder, **variables)
    assert found.returncode == 0, found.stderr
    return found.stderr


def test_a_backup_and_a_restore_say_which_file_and_what_was_replaced(tmp_path: Path) -> None:
    database, copy = tmp_path / "data" / "roadworthy.db", tmp_path / "monday.db"
    make_database(database)
    note(database, "before")
    assert done(tmp_path, "backup", str(copy)) == ""
    assert rows(database)[1:] == [("command line", "database.backup", "monday.db", {"file": str(copy)})]
    note(database, "later")
    with closing(sqlite3.connect(database)) as connection:
        end = connection.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    assert done(tmp_path, "restore", str(copy)) == ""
    (aside,) = database.parent.glob("*before-restore*.db")
    told = {"file": str(copy), "moved_aside": aside.name, "replaced": {"id": end[0], "hash": end[1]}}
    assert rows(database)[1:] == [("command line", "database.restore", "monday.db", told)]
    assert rows(aside)[-1][2] == "later"


def test_a_damaged_database_that_is_replaced_has_no_chain_to_tell_of(tmp_path: Path) -> None:
    database, copy = tmp_path / "data" / "roadworthy.db", tmp_path / "monday.db"
    make_database(database)
    done(tmp_path, "backup", str(copy))
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    database.write_bytes(b"not a database at all" * 1000)
    assert done(tmp_path, "restore", str(copy)) == ""
    ((_, action, _, detail),) = rows(database)
    assert (action, detail["replaced"]) == ("database.restore", None)


def test_a_backup_before_an_upgrade_is_made_though_it_cannot_be_written_down(tmp_path: Path) -> None:
    database, copy = tmp_path / "data" / "roadworthy.db", tmp_path / "monday.db"
    make_database(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "not written to the audit (database.backup): the database is at schema 0001" in done(
        tmp_path, "backup", str(copy)
    )
    assert copy.is_file()


def test_an_upgrade_is_written_down_once_and_a_new_database_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, head = tmp_path / "data" / "roadworthy.db", head_revision()
    done(tmp_path, "upgrade")
    done(tmp_path, "upgrade")
    assert rows(database) == []
    with_one_more(monkeypatch, tmp_path, database)
    with_one_more(monkeypatch, tmp_path / "again", database)
    told = {"from": head, "to": REVISION}
    assert rows(database) == [("program start", "database.upgrade", REVISION, told)]


@pytest.fixture
def places() -> Iterator[tuple[URL, URL]]:
    """Yield a PostgreSQL database at this program's schema and one without a table."""
    pair = postgres.fresh_database(), postgres.fresh_database(empty=True)
    yield pair
    for url in pair:
        postgres.drop_database(url)


@pytest.mark.needs("postgresql")
def test_postgresql_is_written_down_too(places: tuple[URL, URL], tmp_path: Path) -> None:
    url, empty = places
    copy = tmp_path / "monday.dump"
    names = [{"ROADWORTHY_DATABASE_URL": one.render_as_string(hide_password=False)} for one in places]
    done(tmp_path, "backup", str(copy), **names[0])
    assert rows(url) == [("command line", "database.backup", "monday.dump", {"file": str(copy)})]
    done(tmp_path, "restore", str(copy), **names[1])
    told = {"file": str(copy), "moved_aside": None, "replaced": None}
    assert rows(empty) == [("command line", "database.restore", "monday.dump", told)]
