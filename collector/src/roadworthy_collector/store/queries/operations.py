"""What a collector says of itself: what it is, and how its jobs go."""

from __future__ import annotations

from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select

from roadworthy_collector.store.schema import estate, jobs


def read_estate(connection: Connection) -> dict[str, Any]:
    """Return whether the IT estate is simulated, since when the database is there, and its schema revision."""
    values = {row.name: row.value for row in connection.execute(select(estate))}
    created_at = values.get("created_at")
    return {
        "simulated": values.get("simulated") == "true",
        "created_at": None if created_at is None else int(created_at),
        "schema_revision": MigrationContext.configure(connection).get_current_revision(),
    }


def list_jobs(connection: Connection) -> list[dict[str, Any]]:
    """Return what each job wrote of its last runs, by name."""
    return [dict(row) for row in connection.execute(select(jobs).order_by(jobs.c.name)).mappings()]
