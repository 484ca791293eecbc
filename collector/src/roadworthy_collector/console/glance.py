"""Figures about devices at a glance, as the first page and the device list show them.

Computed from the tables for a small scope, made ready by the jobs process (`jobs.console_devices`) for a large one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.store.queries import console as queries
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope

STARTUP_DAYS = 30  # a device without a start-up in these counts as not known


def live(
    connection: Connection, now: float, interval_seconds: int, scope: Scope = EVERYTHING
) -> dict[str, Any]:
    """Return all of them as of `now`; what each is, the queries say."""
    since = now - STARTUP_DAYS * 86400
    return {
        "states": queries.count_states(connection, now, interval_seconds, scope),
        "unknown": dict(queries.count_unknowns(connection, since, scope)),
        "probes": [list(row) for row in queries.count_probes(connection, scope)],
        "reasons": [list(row) for row in queries.top_reasons(connection, scope=scope)],
        "use": {
            name: queries.use_now(connection, now, interval_seconds, f"{name}_ratio", scope)
            for name in ("cpu", "memory")
        },
        "choices": queries.choices(connection, scope),
        "restricted": queries.count_restricted(connection, scope),
    }
