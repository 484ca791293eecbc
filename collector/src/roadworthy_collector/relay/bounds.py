"""Keeps a relay's queue within its bounds: what is too old or too much goes, the oldest first, and is said to be gone.

The half-hours and days that go become gaps, which the main collector gets with the device's next report.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.relay import content, outbox, state
from roadworthy_collector.store.schema import relay_devices, relay_outbox

_EVERY_SECONDS = 60.0
_BOUNDED_AT = "bounded_at"
DAY_SECONDS = 86_400

_log = logging.getLogger(__name__)


def keep_bounds(work: Work) -> int:
    """Give up what is past the queue's bounds, once a minute; return how many reports went."""
    now = work.clock()
    with work.engine.connect() as connection:
        held = state.read(connection)
        if now < float(held.get(_BOUNDED_AT, 0)) + _EVERY_SECONDS:
            return 0
        _, used, oldest = outbox.size(connection)
    before = int(now) - work.settings.relay_outbox_max_days * DAY_SECONDS
    over = _Over(before, used - work.settings.relay_outbox_max_bytes)
    gone = 0
    if over.left > 0 or (oldest is not None and oldest < before):
        gone = work.batches(over.step)
    with work.write() as connection:
        state.write(connection, {_BOUNDED_AT: f"{now:.3f}", state.GIVING_UP: "1" if over.lost else None})
    if over.lost and state.GIVING_UP not in held:
        _log.warning(
            "the main collector was not reached for too long: %d items were given up, the oldest first; "
            "the half-hours among them are reported as gaps",
            over.lost,
        )
    elif not over.lost and state.GIVING_UP in held:
        _log.warning("the queue for the main collector is within its bounds again")
    return gone


class _Over:
    """Deletes what is received before `before`, then the oldest until `left` bytes are freed."""

    def __init__(self, before: int, left: int) -> None:
        self.left = left
        self.lost = 0
        self._before = before

    def step(self, connection: Connection, limit: int) -> int:
        columns = relay_outbox.c
        query = select(columns.id, columns.device, columns.bytes, columns.body, columns.file)
        rows = connection.execute(
            query.where(columns.received_at < self._before).order_by(columns.received_at).limit(limit)
        ).all()
        if not rows and self.left > 0:
            rows = connection.execute(query.order_by(columns.id).limit(limit)).all()
            rows = rows[: _needed([row.bytes for row in rows], self.left)]
        if rows:
            outbox.lock_devices(connection, [row.device for row in rows])
            self.left -= sum(row.bytes for row in rows)
            self.lost += _give_up(connection, [row for row in rows if row.file is None])
            outbox.let_go(connection, [row.id for row in rows])
        return len(rows)


def _needed(sizes: Sequence[int], left: int) -> int:
    """Return how many of the first sizes free `left` bytes."""
    for count, size in enumerate(sizes, start=1):
        left -= size
        if left <= 0:
            return count
    return len(sizes)


def _give_up(connection: Connection, rows: Sequence[Any]) -> int:
    """Count the items of rows no file holds, and keep as gaps what half-hours they were; return how many items."""
    lost: Counter[str] = Counter()
    spans: dict[int, list[tuple[int, int]]] = {}
    for row in rows:
        report = content.unpack(row.body)
        for name in content.HISTORY:
            if found := getattr(report, name):
                lost[name] += len(found)
        spans.setdefault(row.device, []).extend(content.lost_spans(report))
    for device, some in sorted(spans.items()):
        if not some:
            continue
        mine = relay_devices.c.device == device
        held = connection.scalar(select(relay_devices.c.gaps).where(mine)) or []
        joined = content.joined([*((begin, end) for begin, end in held), *some])
        connection.execute(update(relay_devices).where(mine).values(gaps=[list(span) for span in joined]))
    outbox.count(connection, outbox.GIVEN_UP, lost)
    return lost.total()
