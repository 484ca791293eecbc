"""The queue: which closed half-hours and days the receiver has not acknowledged.

Rows are put in with the facts, in the same transaction, and go out when they are acknowledged, one by one. There is
no cursor by number: with several collectors a lower number may be committed after a higher one, and a cursor would
have passed it (docs/decisions/0023-remote-write-queue.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select

from roadworthy_collector.remote_write import sink
from roadworthy_collector.store.schema import devices, remote_write_queue, sites, state_days
from roadworthy_collector.store.slots import DAY_SECONDS, PERIOD_SECONDS
from roadworthy_collector.store.statements import Bulk

_QUEUE = Bulk(remote_write_queue, ("device", "start", "length_seconds", "queued_at"))
_KEYS_PER_QUERY = 1000


def enqueue(
    connection: Connection, pairs: Sequence[tuple[int, int]], *, clock: Callable[[], float] = time.time
) -> int:
    """Queue newly held half-hours, given as (device row id, start); return how many.

    Call it in the transaction that writes them. Does nothing while no receiver is configured, or when nobody has
    drained the queue for as long as rows may wait in it.
    """
    return _put(connection, pairs, PERIOD_SECONDS, clock) if pairs else 0


def enqueue_days(
    connection: Connection, pairs: Sequence[tuple[int, int]], *, clock: Callable[[], float] = time.time
) -> int:
    """Queue days, given as (device row id, midnight UTC), that are not held yet; return how many.

    Call it in the transaction that writes them, before they are written.
    """
    if not pairs or not sink.is_open(connection, clock()):
        return 0
    new = dict.fromkeys(pairs)
    devices_told, midnights = sorted({pair[0] for pair in new}), {pair[1] for pair in new}
    for begin in range(0, len(devices_told), _KEYS_PER_QUERY):
        some = devices_told[begin : begin + _KEYS_PER_QUERY]
        held = select(state_days.c.device, state_days.c.day)
        for row in connection.execute(
            held.where(state_days.c.device.in_(some), state_days.c.day.in_(midnights))
        ):
            new.pop((row.device, row.day), None)
    return _put(connection, list(new), DAY_SECONDS, clock)


def _put(
    connection: Connection, pairs: Sequence[tuple[int, int]], length_seconds: int, clock: Callable[[], float]
) -> int:
    now = clock()
    if not sink.is_open(connection, now):
        return 0
    return _QUEUE.insert(connection, [(device, start, length_seconds, int(now)) for device, start in pairs])


def read(connection: Connection, limit: int) -> Sequence[Any]:
    """Return up to `limit` rows: those of the devices that wait longest, each device's in order of time.

    Rows of seq, device (row id), start, length_seconds, device_id, retired_at, restricted. A device's later half-hours come along with
    its earlier ones, because a receiver wants each series in order.
    """
    queue = remote_write_queue.c
    oldest = select(queue.device).order_by(queue.seq).limit(limit).subquery()
    query = (
        select(
            queue.seq,
            queue.device,
            queue.start,
            queue.length_seconds,
            devices.c.device_id,
            devices.c.retired_at,
            sites.c.restricted,
        )
        .join(devices, devices.c.id == queue.device)
        .join(sites, sites.c.id == devices.c.site)
        .where(queue.device.in_(select(oldest.c.device)))
        .order_by(queue.device, queue.start, queue.length_seconds)
        .limit(limit)
    )
    return connection.execute(query).all()


def forget(connection: Connection, seqs: Sequence[int]) -> None:
    """Take rows out of the queue."""
    for begin in range(0, len(seqs), _KEYS_PER_QUERY):
        some = seqs[begin : begin + _KEYS_PER_QUERY]
        connection.execute(delete(remote_write_queue).where(remote_write_queue.c.seq.in_(some)))


def drop_oldest(connection: Connection, limit: int, *, before: int | None = None) -> int:
    """Take out up to `limit` of the rows queued first, with `before` only those queued before it; return how many."""
    oldest = select(remote_write_queue.c.seq).order_by(remote_write_queue.c.seq).limit(max(0, limit))
    if before is not None:
        first = oldest.with_only_columns(remote_write_queue.c.seq, remote_write_queue.c.queued_at).subquery()
        oldest = select(first.c.seq).where(first.c.queued_at < before)
    seqs = list(connection.scalars(oldest))
    forget(connection, seqs)
    return len(seqs)


def measure(connection: Connection) -> tuple[int, int | None]:
    """Return how many rows wait, and when the one that waits longest was queued."""
    waiting = connection.scalar(select(func.count()).select_from(remote_write_queue)) or 0
    oldest = select(remote_write_queue.c.queued_at).order_by(remote_write_queue.c.seq).limit(1)
    return waiting, connection.scalar(oldest)
