"""What makes a commit wait for the disk is in force on the very connections that write; power loss cannot be tried."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from collector.ingest.samples import fresh_database
from faults.servers import HarmedServer
from support import wait_until

from roadworthy_collector.store.engine import open_engine, write_transaction

SETTINGS = ("synchronous_commit", "fsync", "full_page_writes")


def test_sqlite_waits_for_the_disk_at_every_commit(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as engine:
        for _ in range(3):
            with write_transaction(engine) as connection:
                found = [
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("synchronous", "journal_mode", "foreign_keys")
                ]
            assert found == [2, "wal", 1]  # 2 is FULL


@pytest.mark.needs("postgresql")
def test_postgresql_waits_for_the_disk_at_every_commit(server: HarmedServer) -> None:
    """Whatever an administrator has set for the whole server, and no less than that."""
    for said, in_force in (("on", "on"), ("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")):
        with psycopg.connect(server.database.render_as_string(), autocommit=True) as administrator:
            administrator.execute(f"ALTER SYSTEM SET synchronous_commit = '{said}'")
            administrator.execute("SELECT pg_reload_conf()")

        def reloaded() -> bool:
            with psycopg.connect(server.database.render_as_string()) as one:
                return one.execute("SHOW synchronous_commit").fetchone() == (said,)  # noqa: B023 - used here

        wait_until(reloaded, what="the setting")
        engine = open_engine(server.database)
        with write_transaction(engine) as connection:
            found = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in SETTINGS]
        engine.dispose()
        assert found == [in_force, "on", "on"]
