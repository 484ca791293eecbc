"""PostgreSQL is upgraded on purpose, by one at a time, whole or not at all; a version before runs on the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, inspect
from support import postgres
from support.migrations import ADDS, REVISION, with_one_more

from roadworthy_collector.errors import SchemaError, StoreError
from roadworthy_collector.store import postgresql
from roadworthy_collector.store import upgrade as store
from roadworthy_collector.store.engine import open_engine

pytestmark = pytest.mark.needs("postgresql")
HEAD = store.head_revision()


@pytest.fixture
def url() -> Iterator[URL]:
    """Yield a database of this test alone, at this program's schema."""
    url = postgres.fresh_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def empty() -> Iterator[URL]:
    """Yield a database without a table."""
    url = postgres.fresh_database(empty=True)
    yield url
    postgres.drop_database(url)


def state(url: URL) -> tuple[str | None, set[str], set[str]]:
    """Return revision, tables and columns of `devices`."""
    engine = open_engine(url)
    try:
        seen = inspect(engine)
        columns = {column["name"] for column in seen.get_columns("devices")}
        return store.current_revision(engine), set(seen.get_table_names()), columns
    finally:
        engine.dispose()


def test_an_empty_database_is_refused_and_left_empty(empty: URL) -> None:
    with pytest.raises(SchemaError) as caught:
        store.make_ready(empty)
    assert str(caught.value) == (
        f"{empty}: its schema is missing and this program needs {HEAD}; "
        "run `roadworthy db upgrade` once, then start again"
    )
    engine = open_engine(empty)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_database_that_is_behind_is_refused(url: URL) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    assert store.misfit(engine) == f"the database is at schema 0001, this program needs {HEAD}"
    engine.dispose()
    with pytest.raises(
        SchemaError, match=f"its schema is 0001 and this program needs {HEAD}; run `roadworthy db"
    ):
        store.make_ready(url)


def test_two_upgrades_at_once_are_one(empty: URL) -> None:
    failures: list[Exception] = []

    def one() -> None:
        try:
            store.upgrade(empty)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    store.make_ready(empty)


def test_a_migration_that_fails_leaves_all_as_it_was(
    url: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = state(url)
    with pytest.raises(StoreError, match="nonsense"):
        with_one_more(monkeypatch, tmp_path, url, steps=ADDS + "    op.execute('SELECT nonsense')\n")
    assert state(url) == before


def test_an_upgrade_does_not_hang_behind_traffic(
    url: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(postgresql, "UPGRADE_LOCK_TIMEOUT_SECONDS", 1)
    before = state(url)
    with psycopg.connect(host="127.0.0.1", port=url.port, user=postgres.USER, dbname=url.database) as reader:
        reader.execute("SELECT count(*) FROM devices")  # and stays in its transaction, as pg_dump does
        with pytest.raises(
            StoreError, match="a table was in use for 1 s, so nothing was changed; run it again"
        ):
            with_one_more(monkeypatch, tmp_path / "first", url)
        reader.rollback()
        assert state(url) == before
    with_one_more(monkeypatch, tmp_path / "again", url)
    assert state(url)[0] == REVISION


def test_this_program_runs_on_a_database_one_ahead_that_only_adds(
    url: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_one_more(monkeypatch, tmp_path, url)
    revision, tables, columns = state(url)
    assert (revision, "more" in tables, "more" in columns) == (REVISION, True, True)
    store.make_ready(url)
    with pytest.raises(SchemaError, match="written by a newer Roadworthy"):
        store.upgrade(url)  # it may run there, and has no say there


def test_one_that_takes_away_refuses_the_program_before(
    url: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_one_more(monkeypatch, tmp_path, url, runs_from=REVISION)
    with pytest.raises(SchemaError) as caught:
        store.make_ready(url)
    assert str(caught.value) == (
        f"{url}: written by a newer Roadworthy (schema {REVISION}, this program knows {HEAD}); "
        "install that version again, or restore the backup made before its upgrade"
    )


def test_a_strange_database_is_refused(empty: URL) -> None:
    with psycopg.connect(host="127.0.0.1", port=empty.port, user=postgres.USER, dbname=empty.database) as one:
        one.execute("CREATE TABLE songs (title text)")
    with pytest.raises(SchemaError, match="not a Roadworthy database"):
        store.upgrade(empty)


def test_a_server_that_does_not_answer_is_one_clear_line() -> None:
    from support import free_port

    url = postgres.server_url(free_port(), "roadworthy")
    for call in (store.make_ready, store.upgrade):
        with pytest.raises(StoreError) as caught:
            call(url)
        assert str(caught.value).startswith(f"{url}: cannot be ")
        assert "\n" not in str(caught.value)
