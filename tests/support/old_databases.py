"""Databases as an earlier version left them, built by the migrations up to its schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, MetaData, Table

from roadworthy_collector.store import sqlite, upgrade
from roadworthy_collector.store.engine import Database, open_engine, write_transaction


def make_at(database: Database, revision: str) -> Engine:
    """Make an empty database of the schema `revision`; return an engine on it."""
    if not hasattr(database, "drivername"):
        sqlite.make_file(database)  # type: ignore[arg-type] # it is a path where it is no URL
    engine = open_engine(database)
    with write_transaction(engine) as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(upgrade._MIGRATIONS))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, revision)
    return engine


def insert(engine: Engine, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows into a table as that schema has it."""
    found = Table(table, MetaData(), autoload_with=engine)
    with write_transaction(engine) as connection:
        connection.execute(found.insert(), [dict(row) for row in rows])
