"""Backups: of one moment, whole or absent; restored only where nobody runs, and nothing is ever deleted."""

from __future__ import annotations

import io
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL, insert, inspect, select
from support import postgres

from roadworthy_collector.copying import LINE_SECONDS, progress_on_stderr
from roadworthy_collector.errors import StoreError
from roadworthy_collector.store import schema
from roadworthy_collector.store.backup import backup, restore
from roadworthy_collector.store.engine import Database, open_engine, write_transaction
from roadworthy_collector.store.lock import file_lock
from roadworthy_collector.store.sqlite import IN_USE_LOCK
from roadworthy_collector.store.upgrade import upgrade

NOW = 1789002000.0


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a file whose name needs care in a URI."""
    path = tmp_path / "data 100%?" / "roadworthy.db"
    upgrade(path)
    return path


@pytest.fixture
def places() -> Iterator[tuple[URL, URL]]:
    """Yield a PostgreSQL database at this program's schema and one without a table."""
    pair = postgres.fresh_database(), postgres.fresh_database(empty=True)
    yield pair
    for url in pair:
        postgres.drop_database(url)


def note(database: Database, name: str) -> None:
    engine = open_engine(database)
    with write_transaction(engine) as connection:
        connection.execute(insert(schema.estate), {"name": name, "value": ""})
    engine.dispose()


def notes(database: Database) -> set[str]:
    engine = open_engine(database)
    with engine.connect() as connection:
        found = set(connection.scalars(select(schema.estate.c.name)))
    engine.dispose()
    return found


def fill(database: Path, rows: int) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE bulk (id INTEGER PRIMARY KEY, body BLOB)")
        connection.executemany("INSERT INTO bulk (body) VALUES (?)", ((b"x" * 4000,) for _ in range(rows)))


def test_a_copy_is_of_one_moment_and_ends_however_much_is_written_meanwhile(
    database: Path, tmp_path: Path
) -> None:
    """Each step of the copy is followed by a write from another connection, which would begin an unguarded one anew."""
    fill(database, 20_000)
    steps: list[tuple[int, int | None]] = []

    def write(copied: int, whole: int | None) -> None:
        steps.append((copied, whole))
        assert len(steps) < 100, "the copy begins again and again"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("INSERT INTO bulk (body) VALUES ('late')")

    copy = backup(database, tmp_path / "copy.db", progress=write)
    assert len(steps) > 3
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
    assert (steps[-1][1] or 0) >= 20_000 * 4000
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM bulk").fetchone() == (20_000,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_was_there_is_moved_aside_with_its_log(database: Path, tmp_path: Path) -> None:
    note(database, "kept")
    copy = backup(database, tmp_path / "copy.db")
    holder = sqlite3.connect(database)  # while somebody has it open its log stays a file of its own
    holder.execute("INSERT INTO estate (name, value) VALUES ('later', '')")
    holder.commit()
    aside = restore(database, copy, clock=lambda: NOW)
    assert aside == database.with_name("roadworthy-before-restore-20260910T010000Z.db")
    assert aside.with_name(f"{aside.name}-wal").exists()
    assert not database.with_name("roadworthy.db-wal").exists()
    holder.close()
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert "later" not in notes(database)
    assert {"kept", "later"} <= notes(aside)
    with pytest.raises(StoreError, match="exists already; move it away first"):
        restore(database, copy, clock=lambda: NOW)
    assert "kept" in notes(database)


def test_nothing_is_restored_where_a_program_runs(database: Path, tmp_path: Path) -> None:
    copy = backup(database, tmp_path / "copy.db")
    before = database.read_bytes()
    with file_lock(database.parent / IN_USE_LOCK, shared=True), pytest.raises(StoreError) as caught:
        restore(database, copy)
    assert str(caught.value) == f"{database}: Roadworthy runs on it; end it, then restore"
    assert database.read_bytes() == before
    assert list(database.parent.glob("*restore*")) == []


@pytest.mark.parametrize("damage", ["missing", "cut", "strange", "no database"])
def test_what_is_no_whole_backup_is_refused(database: Path, tmp_path: Path, damage: str) -> None:
    fill(database, 200)
    copy = tmp_path / "copy.db"
    if damage == "cut":
        backup(database, copy)
        copy.write_bytes(copy.read_bytes()[:-400_000])
    elif damage == "strange":
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute("CREATE TABLE songs (title)")
    elif damage == "no database":
        copy.write_bytes(b"a letter to the council" * 1000)
    before = database.read_bytes()
    with pytest.raises(StoreError) as caught:
        restore(database, copy)
    assert str(caught.value).startswith(f"{copy}: ")
    assert database.read_bytes() == before


@pytest.mark.needs("postgresql")
def test_postgresql_is_dumped_and_restored_into_an_empty_database(
    places: tuple[URL, URL], tmp_path: Path
) -> None:
    url, empty = places
    note(url, "kept")
    sizes: list[int] = []
    copy = backup(url, tmp_path / "copy.dump", progress=lambda copied, _: sizes.append(copied))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sizes[-1] == copy.stat().st_size
    note(url, "later")
    assert restore(empty, copy) is None
    assert notes(empty) == notes(url) - {"later"}
    with pytest.raises(StoreError, match="tables already; restore into an empty database"):
        restore(url, copy)
    assert "later" in notes(url)


@pytest.mark.needs("postgresql")
def test_a_dump_that_is_cut_short_leaves_the_database_empty(places: tuple[URL, URL], tmp_path: Path) -> None:
    url, empty = places
    copy = backup(url, tmp_path / "copy.dump")
    copy.write_bytes(copy.read_bytes()[: copy.stat().st_size * 2 // 3])
    with pytest.raises(StoreError, match="pg_restore failed"):
        restore(empty, copy)
    engine = open_engine(empty)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.needs("postgresql")
def test_a_dump_that_fails_leaves_nothing(places: tuple[URL, URL], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="pg_dump failed"):
        backup(places[0].set(database="nowhere"), tmp_path / "copy.dump")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_takes_long_says_how_far_it_is() -> None:
    clock, stream = [0.0], io.StringIO()
    with progress_on_stderr(stream, monotonic=lambda: clock[0]) as progress:
        progress(1_000_000, 9_000_000)
        clock[0] += LINE_SECONDS
        progress(5_000_000, 9_000_000)
        progress(6_000_000, 9_000_000)
        clock[0] += LINE_SECONDS
        progress(7_000_000, None)
    assert stream.getvalue() == "roadworthy: 5 of 9 MB copied\nroadworthy: 7 MB copied\n"


def test_at_a_terminal_a_bar_moves() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with progress_on_stderr(stream) as progress:
        progress(5_000_000, 10_000_000)
    assert "copying" in stream.getvalue()
