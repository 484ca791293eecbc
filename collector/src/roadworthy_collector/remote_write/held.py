"""What the receiver holds of each device: the newest instant sent, and which series live."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select

from roadworthy_collector.remote_write.series import Live
from roadworthy_collector.store.queries.states import MISSING_INTERVALS
from roadworthy_collector.store.schema import devices, remote_write_devices, remote_write_queue, sites
from roadworthy_collector.store.slots import PERIOD_SECONDS
from roadworthy_collector.store.statements import upsert

_KEYS_PER_QUERY = 1000


@dataclass(slots=True)
class Held:
    """Of one device: `newest` in milliseconds over samples and markers, `live` as `series` has it."""

    newest: int = -1
    live: Live = field(default_factory=dict)

    @property
    def silent_after(self) -> int | None:
        """When the first live series has missed three of its half-hours or days; None where none lives."""
        return min((end + MISSING_INTERVALS * length for end, length in self.live.values()), default=None)

    @property
    def half_hourly(self) -> bool:
        """Whether a live series is of half-hours."""
        return any(length == PERIOD_SECONDS for _, length in self.live.values())


def read_held(connection: Connection, device_ids: Iterable[str]) -> dict[str, Held]:
    """Return {device_id: what is held}, a new one for a device never sent."""
    wanted = list(dict.fromkeys(device_ids))
    found = {device_id: Held() for device_id in wanted}
    table = remote_write_devices.c
    for begin in range(0, len(wanted), _KEYS_PER_QUERY):
        some = wanted[begin : begin + _KEYS_PER_QUERY]
        for row in connection.execute(
            select(table.device_id, table.newest, table.series).where(table.device_id.in_(some))
        ):
            found[row.device_id] = Held(row.newest, row.series)
    return found


def write_held(connection: Connection, held: dict[str, Held], now: int) -> None:
    """Write what the receiver holds now."""
    rows = [
        {
            "device_id": device_id,
            "newest": one.newest,
            "sent_at": now,
            "series": one.live,
            "silent_after": one.silent_after,
            "half_hourly": one.half_hourly,
        }
        for device_id, one in held.items()
    ]
    if rows:
        connection.execute(upsert(remote_write_devices), rows)


def forget_held(connection: Connection, device_ids: Sequence[str]) -> None:
    """Forget devices."""
    connection.execute(delete(remote_write_devices).where(remote_write_devices.c.device_id.in_(device_ids)))


def forget_some(connection: Connection, limit: int) -> int:
    """Forget up to `limit` devices; return how many."""
    some = list(connection.scalars(select(remote_write_devices.c.device_id).limit(limit)))
    forget_held(connection, some)
    return len(some)


def list_leaving(connection: Connection, now: float, interval_seconds: int, limit: int) -> Sequence[Any]:
    """Return devices with live series that are to end.

    Rows of device_id, newest, series, erased, retired_at, restricted, silent_at: when the device had missed three of
    its calls, None for one that is heard. A device with half-hours in the queue waits for them, unless they will not
    be sent.
    """
    held = remote_write_devices.c
    interval = func.coalesce(devices.c.next_call_seconds, interval_seconds)
    silent_at = func.coalesce(devices.c.last_report_at, devices.c.enrolled_at) + MISSING_INTERVALS * interval
    # The marker is put on the next half-hour, which must have come.
    silent = and_(held.half_hourly, silent_at + PERIOD_SECONDS < int(now))
    missed = and_(held.silent_after < int(now), held.sent_at + MISSING_INTERVALS * PERIOD_SECONDS < int(now))
    queued = select(remote_write_queue.c.seq).where(remote_write_queue.c.device == devices.c.id).exists()
    leaves = or_(devices.c.retired_at.is_not(None), silent, missed)
    query = (
        select(
            held.device_id,
            held.newest,
            held.series,
            devices.c.id.is_(None).label("erased"),
            devices.c.retired_at,
            func.coalesce(sites.c.restricted, False).label("restricted"),
            silent_at.label("silent_at"),
        )
        .outerjoin_from(remote_write_devices, devices, devices.c.device_id == held.device_id)
        .outerjoin(sites, sites.c.id == devices.c.site)
        .where(
            held.silent_after.is_not(None),
            or_(devices.c.id.is_(None), sites.c.restricted.is_(True), and_(leaves, ~queued)),
        )
        .order_by(held.device_id)
        .limit(limit)
    )
    return connection.execute(query).all()
