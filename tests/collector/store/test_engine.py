"""The database: made by the migrations, upgraded with a backup, refused when it is not ours."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, insert, inspect, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.schema import CreateTable

from roadworthy_collector.errors import EstateError, SchemaError, StoreError
from roadworthy_collector.store import schema
from roadworthy_collector.store import upgrade as store
from roadworthy_collector.store.backup import backup
from roadworthy_collector.store.engine import open_engine, require_estate, write_transaction
from roadworthy_collector.store.upgrade import upgrade

NOW = 1789002000.0
HEAD = store.head_revision()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database at this program's schema."""
    path = tmp_path / "data" / "roadworthy.db"
    upgrade(path, clock=lambda: NOW)
    return path


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    """Yield an engine on it."""
    engine = open_engine(database)
    yield engine
    engine.dispose()


def set_revision(database: Path, revision: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


@pytest.mark.filterwarnings(
    "ignore:.*expression-based index:UserWarning", "ignore:.*expression-based index:sqlalchemy.exc.SAWarning"
)  # the next test looks at them
def test_migrations_and_tables_agree(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, schema.metadata) == []


def test_migrations_make_the_very_tables(engine: Engine) -> None:
    """What Alembic does not compare too: checks, foreign keys, tables without a row id."""
    direct = create_engine("sqlite://")
    schema.metadata.create_all(direct)
    query = "SELECT name, replace(sql, '\"', '') FROM sqlite_master WHERE name NOT LIKE 'alembic%' AND sql IS NOT NULL"
    with engine.connect() as one, direct.connect() as other:
        assert set(map(words, one.exec_driver_sql(query))) == set(map(words, other.exec_driver_sql(query)))
    direct.dispose()


def words(row: tuple[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return a table's name and its definition as sorted words, in whatever order it was written down."""
    return row[0], tuple(sorted(row[1].replace(",", " ").replace("(", " ( ").replace(")", " ) ").split()))


def test_every_table_can_be_said_in_sql(engine: Engine) -> None:
    assert set(inspect(engine).get_table_names()) == set(schema.metadata.tables) | {"alembic_version"}
    assert all(str(CreateTable(table)) for table in schema.metadata.sorted_tables)


def test_a_new_database_has_a_place_for_every_device(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(select(schema.sites.c.name, schema.sites.c.kind)).all() == [
            ("unassigned", "unknown")
        ]
        assert connection.execute(select(schema.units.c.name, schema.units.c.valid_from)).all() == [
            ("unassigned", int(NOW))
        ]


def test_only_its_owner_can_read_it(database: Path, engine: Engine) -> None:
    with write_transaction(engine) as connection:
        connection.execute(insert(schema.estate), {"name": "x", "value": "y"})
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in database.parent.iterdir()}
    assert {"roadworthy.db", "roadworthy.db-wal"} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(database.parent.stat().st_mode) == 0o700


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    upgrade(tmp_path / "roadworthy.db")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_upgrading_again_changes_nothing_and_makes_no_backup(database: Path) -> None:
    before = database.read_bytes()
    upgrade(database, clock=lambda: NOW + 5)
    assert database.read_bytes() == before
    assert list(database.parent.glob("*.backup")) == []


def test_many_processes_may_upgrade_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def one() -> None:
        try:
            upgrade(tmp_path / "roadworthy.db")
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_database_that_is_behind_is_backed_up_first(
    database: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with write_transaction(engine) as connection:
        connection.execute(insert(schema.estate), {"name": "kept", "value": "yes"})
    folder = tmp_path / "migrations"
    copy_migrations(folder)
    (folder / "versions" / "0999_more.py").write_text(
        f"from alembic import op\nimport sqlalchemy as sa\nrevision = '0999'\ndown_revision = '{HEAD}'\n"
        "def upgrade():\n    op.add_column('estate', sa.Column('more', sa.Text()))\n"
    )
    monkeypatch.setattr(store, "_MIGRATIONS", folder)
    upgrade(database, clock=lambda: NOW)
    assert store.current_revision(engine) == store.head_revision() == "0999"
    (copy,) = database.parent.glob("*.backup")
    assert copy.name == f"roadworthy-{HEAD}-20260910T010000Z.backup"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT value FROM estate WHERE name = 'kept'").fetchone() == ("yes",)
        assert [row[1] for row in connection.execute("PRAGMA table_info(estate)")] == ["name", "value"]


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    database: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    copy_migrations(folder)
    (folder / "versions" / "0999_broken.py").write_text(
        f"from alembic import op\nimport sqlalchemy as sa\nrevision = '0999'\ndown_revision = '{HEAD}'\n"
        "def upgrade():\n    op.add_column('estate', sa.Column('more', sa.Text()))\n    op.execute('SELECT nonsense')\n"
    )
    monkeypatch.setattr(store, "_MIGRATIONS", folder)
    with pytest.raises(StoreError, match="nonsense"):
        upgrade(database)
    assert store.current_revision(engine) == HEAD
    assert "more" not in {column["name"] for column in inspect(engine).get_columns("estate")}


def copy_migrations(folder: Path) -> None:
    (folder / "versions").mkdir(parents=True)
    own = Path(store.__file__).parent / "migrations"
    for path in (own / "env.py", *own.glob("versions/[0-9]*.py")):
        (folder / path.relative_to(own)).write_text(path.read_text())


def test_a_database_of_a_newer_program_is_refused(database: Path) -> None:
    set_revision(database, "9999")
    with pytest.raises(SchemaError) as caught:
        upgrade(database)
    assert str(caught.value) == (
        f"{database}: written by a newer Roadworthy (schema 9999, this program knows {store.head_revision()}); "
        "install that version again, or restore the backup made before its upgrade"
    )
    assert list(database.parent.glob("*.backup")) == []


def test_a_strange_database_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / "roadworthy.db"
    with closing(sqlite3.connect(strange)) as connection, connection:
        connection.execute("CREATE TABLE songs (title)")
    with pytest.raises(SchemaError, match="not a Roadworthy database"):
        upgrade(strange)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "roadworthy.db").write_bytes(b"a letter to the council" * 100)
    with pytest.raises(StoreError, match="cannot be used as a database"):
        upgrade(tmp_path / "roadworthy.db")


def test_an_unusable_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        upgrade(tmp_path / "file" / "roadworthy.db")
    assert "name a folder this user may write (ROADWORTHY_DATA)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_database_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database here"):
        open_engine(tmp_path / "roadworthy.db")
    assert list(tmp_path.iterdir()) == []


def test_commits_wait_for_the_disk_and_references_are_held(engine: Engine) -> None:
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 15000}
    row = {"device": 77, "day": 0}
    with pytest.raises(IntegrityError), write_transaction(engine) as connection:
        connection.execute(insert(schema.dirty), row)


def test_a_read_only_engine_cannot_write(database: Path, engine: Engine) -> None:
    reader = open_engine(database, read_only=True)
    with reader.connect() as connection:
        assert connection.scalar(select(schema.sites.c.name)) == "unassigned"
    with pytest.raises(DBAPIError, match="readonly"), reader.begin() as connection:
        connection.execute(insert(schema.estate), {"name": "x", "value": "y"})
    reader.dispose()


def test_a_writer_that_reads_first_still_gets_its_turn(engine: Engine) -> None:
    """With a deferred BEGIN the second of these would fail at once, whatever the timeout."""
    order: list[str] = []
    reading = threading.Event()

    def second() -> None:
        reading.wait()
        with write_transaction(engine) as connection:
            order.append("second")
            connection.execute(insert(schema.estate), {"name": "second", "value": ""})

    thread = threading.Thread(target=second)
    thread.start()
    with write_transaction(engine) as connection:
        connection.scalar(select(schema.sites.c.name))
        reading.set()
        connection.execute(insert(schema.estate), {"name": "first", "value": ""})
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    twice = [{"name": "half", "value": ""}] * 2
    with pytest.raises(IntegrityError), write_transaction(engine) as connection:
        connection.execute(insert(schema.estate), twice)
    with engine.connect() as connection:
        assert connection.execute(select(schema.estate).where(schema.estate.c.name == "half")).all() == []


def test_simulated_and_real_estates_never_share_a_database(engine: Engine, tmp_path: Path) -> None:
    require_estate(engine, simulated=False, clock=lambda: NOW)
    require_estate(engine, simulated=False)
    with pytest.raises(EstateError, match="holds a real IT estate"):
        require_estate(engine, simulated=True)
    upgrade(tmp_path / "demo.db")
    demo = open_engine(tmp_path / "demo.db")
    require_estate(demo, simulated=True)
    with pytest.raises(EstateError, match="holds a simulated IT estate"):
        require_estate(demo, simulated=False)
    demo.dispose()
    with engine.connect() as connection:
        found = dict(connection.execute(select(schema.estate.c.name, schema.estate.c.value)).all())
    assert (found["simulated"], found["created_at"]) == ("false", str(int(NOW)))


def test_a_backup_is_whole_and_taken_while_in_use(database: Path, engine: Engine, tmp_path: Path) -> None:
    with write_transaction(engine) as connection:
        connection.execute(insert(schema.estate), {"name": "kept", "value": "yes"})
    with engine.connect() as reader:
        reader.execute(select(schema.estate))
        copy = backup(database, tmp_path / "copy.db")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    restored = open_engine(copy)
    with restored.connect() as connection:
        kept = select(schema.estate.c.value).where(schema.estate.c.name == "kept")
        assert connection.scalar(kept) == "yes"
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    restored.dispose()


def test_a_backup_overwrites_nothing_and_says_where_it_cannot_go(database: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(StoreError, match="exists already"):
        backup(database, tmp_path / "precious")
    with pytest.raises(StoreError, match="cannot back up"):
        backup(database, tmp_path / "nowhere" / "copy.db")
    with pytest.raises(StoreError, match="no database to back up"):
        backup(tmp_path / "missing.db", tmp_path / "copy.db")
    assert (tmp_path / "precious").read_text() == "x"
