"""A backup of a live collector, restored elsewhere: all that was acknowledged before it is there, and nothing half."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL
from support import free_port, postgres, wait_until
from support.crowd import Crowd
from support.running import call, running

from roadworthy_collector.store.engine import Database

STORES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]


@pytest.fixture
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """Yield a database at this program's schema, and the new place of one."""
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        folder.mkdir()
    if request.param == "sqlite":
        done = call("db", "upgrade", folder=folders[0])
        assert done.returncode == 0, done.stderr
        yield folders[0] / "data/roadworthy.db", folders[1] / "data/roadworthy.db"
        return
    urls = postgres.fresh_database(), postgres.fresh_database(empty=True)
    yield urls
    for url in urls:
        postgres.drop_database(url)


def variables(database: Database) -> dict[str, str]:
    if not isinstance(database, URL):
        return {}
    return {"ROADWORTHY_DATABASE_URL": database.render_as_string(), "ROADWORTHY_ROLLUPS_AT": "serve"}


def more(crowd: Crowd, reports: int = 80) -> None:
    """Wait until so many more reports are acknowledged."""
    wanted = len(crowd.acknowledged) + reports
    wait_until(lambda: len(crowd.acknowledged) >= wanted, timeout=60, what=f"reports; {crowd.answers}")


@pytest.mark.parametrize("databases", STORES, indirect=True)
def test_a_backup_under_load_is_restored_whole_and_replays_fill_it(
    databases: tuple[Database, Database], tmp_path: Path
) -> None:
    live, new = databases
    first, second, copy = tmp_path / "first", tmp_path / "second", tmp_path / "monday.backup"
    crowd = Crowd(live, devices=40)
    with (
        running("serve", folder=first, port=free_port(), **variables(live)) as serve,
        running("jobs", folder=first, **variables(live)),
    ):
        serve.wait_ready()
        with crowd.reporting(serve.port):
            more(crowd)
            before = set(crowd.acknowledged)
            done = call("db", "backup", str(copy), folder=first, **variables(live))
            assert done.returncode == 0, done.stderr
            more(crowd)
        refused = call("db", "restore", str(copy), folder=first, **variables(live))
        assert refused.returncode == 2
        said = "tables already" if isinstance(live, URL) else "Roadworthy runs on it; end it, then restore"
        assert said in refused.stderr
    assert crowd.ledger(live).balanced
    done = call("db", "restore", str(copy), folder=second, **variables(new))
    assert done.returncode == 0, done.stderr
    if isinstance(new, Path):
        with closing(sqlite3.connect(new)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    ledger = crowd.ledger(new, before)
    assert ledger.balanced, ledger.faults()
    assert 0 < ledger.acknowledged < crowd.ledger(live).acknowledged
    with running("serve", folder=second, port=free_port(), **variables(new)) as serve:
        serve.wait_ready()
        try:
            crowd.replay(serve.port)
        except AssertionError as error:
            error.add_note(serve.said())
            raise
    whole = crowd.ledger(new)
    assert whole.balanced, whole.faults()
    assert whole.held == crowd.ledger(live).held
