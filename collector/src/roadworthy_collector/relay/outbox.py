"""The queue of a relay: accepted reports, written in the transaction of their facts, let go when the main holds them.

Functions take a connection inside a transaction of the caller's and never commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from roadworthy_collector.ingest import wire
from roadworthy_collector.relay import content
from roadworthy_collector.store import schema
from roadworthy_collector.store.schema import counters, relay_devices, relay_outbox
from roadworthy_collector.store.statements import insert_or_ignore, upsert

_IDS_PER_STATEMENT = 500
GIVEN_UP = "relay_given_up"  # by kind of item; what no main collector will ever get from here
REFUSED = "relay_refused"  # by code; what the main collector would not take


class Accepted(NamedTuple):
    """A report as accepted: its device's row id, and its content without the items refused."""

    device: int
    report: wire.Report


class Row(NamedTuple):
    """A report in the queue."""

    id: int
    device: int
    received_at: int
    body: bytes


def queue_for_relay(connection: Connection, accepted: Sequence[Accepted], now: int) -> dict[int, str]:
    """Queue reports for the main collector and return the collection policies it asks for, by device row id.

    Called in the transaction that writes their facts, so that what is acknowledged is queued as well.
    """
    if not accepted:
        return {}
    ids = sorted({one.device for one in accepted})
    connection.execute(insert_or_ignore(relay_devices), [{"device": device} | _NEW for device in ids])
    _drop_passed(connection, sorted({one.device for one in accepted if one.report.now is not None}))
    # Of the open half-hours in one group only each device's last one is worth a row.
    last = {one.device: place for place, one in enumerate(accepted) if one.report.now is not None}
    rows = []
    for place, one in enumerate(accepted):
        passing = content.is_passing(one.report)
        if passing and (one.report.now is None or last[one.device] > place):
            continue
        body = content.pack(one.report)
        rows.append(
            {
                "device": one.device,
                "received_at": now,
                "bytes": len(body),
                "passing": passing,
                "body": body,
            }
        )
    if rows:
        connection.execute(insert(relay_outbox), rows)
    return _policies(connection, ids)


_NEW = {"not_before": 0.0, "tried_at": 0.0, "refused_items": 0}


def waiting_devices(connection: Connection, now: float, limit: int) -> list[Any]:
    """Return the rows of `relay_devices` that have something to forward now, the longest untried first."""
    query = (
        select(relay_devices)
        .where(
            relay_devices.c.stopped.is_(None),
            relay_devices.c.not_before <= now,
            select(relay_outbox.c.id).where(relay_outbox.c.device == relay_devices.c.device).exists(),
        )
        .order_by(relay_devices.c.tried_at, relay_devices.c.device)
        .limit(limit)
    )
    return list(connection.execute(query))


def is_anybody_nobody(connection: Connection) -> bool:
    """Return whether a device with something waiting has no identity at the main collector yet."""
    query = select(relay_devices.c.device).where(
        relay_devices.c.upstream_device_id.is_(None),
        select(relay_outbox.c.id).where(relay_outbox.c.device == relay_devices.c.device).exists(),
    )
    return connection.scalar(query.limit(1)) is not None


def first_rows(connection: Connection, device: int, limit: int) -> list[Row]:
    """Return a device's oldest reports in the queue, in the order they were accepted."""
    query = (
        select(relay_outbox.c.id, relay_outbox.c.device, relay_outbox.c.received_at, relay_outbox.c.body)
        .where(relay_outbox.c.device == device)
        .order_by(relay_outbox.c.id)
        .limit(limit)
    )
    return [Row(*row) for row in connection.execute(query)]


def lock_devices(connection: Connection, devices: Iterable[int]) -> None:
    """Take the locks ingest takes first, in its order, so that the two never wait for each other in a circle."""
    wanted = sorted(set(devices))
    query = select(schema.devices.c.id).where(schema.devices.c.id.in_(wanted)).order_by(schema.devices.c.id)
    connection.execute(query.with_for_update()).all()


def let_go(connection: Connection, ids: Sequence[int]) -> None:
    """Forget reports the main collector holds."""
    for begin in range(0, len(ids), _IDS_PER_STATEMENT):
        some = ids[begin : begin + _IDS_PER_STATEMENT]
        connection.execute(delete(relay_outbox).where(relay_outbox.c.id.in_(some)))


def size(connection: Connection) -> tuple[int, int, int | None]:
    """Return how many reports wait, their bytes, and when the oldest was received (epoch seconds; None if none)."""
    query = select(func.count(), func.sum(relay_outbox.c.bytes), func.min(relay_outbox.c.received_at))
    row = connection.execute(query.select_from(relay_outbox)).one()
    return row[0], int(row[1] or 0), row[2]


def forget_device(connection: Connection, device: int) -> None:
    """Forget all that is queued and known of a device, for an erasure that keeps the device's row."""
    connection.execute(delete(relay_outbox).where(relay_outbox.c.device == device))
    connection.execute(delete(relay_devices).where(relay_devices.c.device == device))


def count(connection: Connection, name: str, labels: Counter[str]) -> None:
    """Add to the counters `name`."""
    rows = [{"name": name, "label": label[:128], "value": value} for label, value in sorted(labels.items())]
    if rows:
        connection.execute(upsert(counters, add=("value",)), rows)


def _drop_passed(connection: Connection, devices: Sequence[int]) -> None:
    """Drop the open half-hours that newer ones replace."""
    for begin in range(0, len(devices), _IDS_PER_STATEMENT):
        some = devices[begin : begin + _IDS_PER_STATEMENT]
        connection.execute(
            delete(relay_outbox).where(relay_outbox.c.device.in_(some), relay_outbox.c.passing.is_(True))
        )


def _policies(connection: Connection, ids: Iterable[int]) -> dict[int, str]:
    """Return the collection policies the main collector asks for."""
    wanted = list(ids)
    found: dict[int, str] = {}
    for begin in range(0, len(wanted), _IDS_PER_STATEMENT):
        query = select(relay_devices.c.device, relay_devices.c.policy).where(
            relay_devices.c.device.in_(wanted[begin : begin + _IDS_PER_STATEMENT]),
            relay_devices.c.policy.is_not(None),
        )
        found.update({row.device: row.policy for row in connection.execute(query)})
    return found
