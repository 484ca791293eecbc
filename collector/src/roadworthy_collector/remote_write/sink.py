"""The receiver as the database knows it: whether there is one, how sending to it goes, and what is counted.

Kept in the database and not in the job, so that a restart neither forgets how long to wait nor says again what it
has said, and so that every serving process shows the same figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, select, update

from roadworthy_collector.store.schema import counters, remote_write_sink
from roadworthy_collector.store.statements import Lookup, insert_or_ignore, upsert

_NAME = "main"
_OPEN = Lookup(
    select(remote_write_sink.c.open_until), remote_write_sink.c.name
)  # asked for each group of reports
# In table `counters`.
SAMPLES = "remote_write_samples"
MARKERS = "remote_write_markers"
FAILED = "remote_write_failed"  # by HTTP status
DROPPED = "remote_write_dropped"  # half-hours and days, by reason
_COUNTED = {
    SAMPLES: "roadworthy_remote_write_samples_total",
    MARKERS: "roadworthy_remote_write_stale_markers_total",
}


def read_sink(connection: Connection) -> Any:
    """Return the row of the receiver, None while none is configured."""
    return connection.execute(
        select(remote_write_sink).where(remote_write_sink.c.name == _NAME)
    ).one_or_none()


def make_sink(connection: Connection, open_until: int) -> None:
    """Begin to queue for a receiver."""
    row = {"name": _NAME, "open_until": open_until, "queued_periods": 0, "tries": 0}
    connection.execute(insert_or_ignore(remote_write_sink), row)


def update_sink(connection: Connection, **values: Any) -> None:
    """Change what is said of the receiver."""
    connection.execute(update(remote_write_sink).where(remote_write_sink.c.name == _NAME).values(**values))


def drop_sink(connection: Connection) -> None:
    """Forget the receiver: from now on nothing is queued."""
    connection.execute(delete(remote_write_sink))


def is_open(connection: Connection, now: float) -> bool:
    """Return whether half-hours are to be queued."""
    found = _OPEN.rows(connection, [_NAME])
    return bool(found) and now < found[0][0]


def count(connection: Connection, counted: Mapping[tuple[str, str], int]) -> None:
    """Add to the counts that survive a restart: {(name, label): how many}."""
    rows = [
        {"name": name, "label": label, "value": value}
        for (name, label), value in sorted(counted.items())
        if value
    ]
    if rows:
        connection.execute(upsert(counters, add=("value",)), rows)


def sink_values(sink: Any, counted: Iterable[Any]) -> dict[str, float | None]:
    """Return {metric: value} of what has no label; None where there is nothing to tell."""
    totals = {row.name: row.value for row in counted if row.name in _COUNTED}
    gauges: dict[str, float | None] = {
        "roadworthy_remote_write_queued_periods": None if sink is None else sink.queued_periods,
        "roadworthy_remote_write_queue_age_seconds": None if sink is None else _age(sink),
        "roadworthy_remote_write_last_success_timestamp_seconds": None
        if sink is None
        else sink.last_success_at,
    }
    return gauges | {shown: totals.get(name) for name, shown in _COUNTED.items()}


def _age(sink: Any) -> float | None:
    """Return how long the oldest row had waited when the queue was last counted; 0 for an empty queue."""
    if sink.counted_at is None:
        return None
    return 0.0 if sink.oldest_queued_at is None else max(0.0, sink.counted_at - sink.oldest_queued_at)
