"""The roll-ups as a process answers them, whichever exposes them: `serve`, or the one `jobs` that holds the jobs."""

from __future__ import annotations

from sqlalchemy import Engine

from roadworthy_collector.metrics.fleet import SNAPSHOT
from roadworthy_collector.metrics.scoped import only_units
from roadworthy_collector.store.queries.metrics import read_snapshot
from roadworthy_collector.store.queries.scope import Scope, names_of

# The jobs process computes the roll-ups twice a minute. Once they are this old they are no longer true, and leaving
# them out is what makes Prometheus mark them as stale.
SNAPSHOT_SECONDS = 300.0


def rollups_of(engine: Engine, scope: Scope, *, now: float) -> str:
    """Return the roll-ups as text, of the units in `scope` only if it names any; empty where they are too old."""
    with engine.connect() as connection:
        snapshot = read_snapshot(connection, SNAPSHOT)
        names = names_of(connection, scope) if scope is not None else None
    body = snapshot.body if snapshot is not None and now - snapshot.at <= SNAPSHOT_SECONDS else ""
    return body if names is None else only_units(body, names)
