"""Erasing a device: what tells of it goes, what it drew stays in the sums of its sites without saying whose it was.

Two steps. `begin` retires the device and takes its tokens away; `finish`, WAIT_SECONDS later, deletes. In between
every process forgets the tokens it remembers, so that no report can bring back what is gone. Retirement alone keeps
all facts (`store.queries.devices.retire`). The audit keeps the random device id: it is the record of what was done.

Functions take a connection inside a write transaction of the caller's and never commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs.rollup import roll_up_some
from roadworthy_collector.security.holds import held_devices
from roadworthy_collector.security.tokens import COMMAND_LINE
from roadworthy_collector.store import half_hours
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.schema import (
    anonymous_site_days,
    charts,
    days,
    devices,
    dirty,
    erasures,
    local_days,
    tokens,
)
from roadworthy_collector.store.statements import upsert

# A revocation holds on every process within five seconds.
WAIT_SECONDS = 6
REASON_LENGTH = (5, 512)
_DAY_SECONDS = 86_400
_DAYS_PER_QUERY = 500


class ErasureError(RoadworthyError):
    """A device cannot be erased as asked."""


class NothingToEraseError(ErasureError, NotFoundError):
    """There is no device of that id."""


def begin(
    connection: Connection,
    device_id: str,
    *,
    reason: str,
    now: int,
    actor: str = COMMAND_LINE,
    scope: Scope = EVERYTHING,
) -> int:
    """Retire the device `rwd_...`, end its tokens and note that it is to be erased; return its row id.

    Asked again it goes on where it stood. Raises ErasureError for a device that is not there or not within `scope`,
    one under a legal hold, and a reason too short or too long.
    """
    given = " ".join(reason.split())
    if not REASON_LENGTH[0] <= len(given) <= REASON_LENGTH[1]:
        raise ErasureError(f"give a reason of {REASON_LENGTH[0]} to {REASON_LENGTH[1]} characters")
    query = select(devices.c.id).where(devices.c.device_id == device_id, within(scope)).with_for_update()
    device: int | None = connection.scalar(query)
    if device is None:
        raise NothingToEraseError(f"{device_id}: there is no device of that id")
    if device in held_devices(connection, now):
        raise ErasureError(f"{device_id}: under a legal hold (`roadworthy hold list`); nothing was changed")
    connection.execute(delete(tokens).where(tokens.c.device == device))
    in_service = update(devices).where(devices.c.id == device, devices.c.retired_at.is_(None))
    connection.execute(in_service.values(retired_at=now))
    if connection.scalar(select(erasures.c.device).where(erasures.c.device == device)) is None:
        row = {"device": device, "asked_by": actor, "asked_at": now, "reason": given}
        connection.execute(insert(erasures).values(row))
        record(connection, now, actor, "device.erase_asked", device_id, {"reason": given})
    return device


def list_due(connection: Connection, now: float) -> list[int]:
    """Return the row ids of devices that may be deleted now, the longest waiting first; none under a hold."""
    query = select(erasures.c.device).where(erasures.c.asked_at <= int(now) - WAIT_SECONDS)
    held = held_devices(connection, now)
    return [
        device for device in connection.scalars(query.order_by(erasures.c.asked_at)) if device not in held
    ]


def finish(connection: Connection, device: int, *, now: float, zone: str) -> bool:
    """Delete the device of row id `device`, its energy added up into `anonymous_site_days`; return whether it was there.

    `zone` is the reporting time zone: days that wait to be rolled up are rolled up first. Raises ErasureError where
    nobody asked for it, it is too early, or a hold has come in between.
    """
    query = select(devices.c.device_id).where(devices.c.id == device).with_for_update()
    device_id = connection.scalar(query)
    if device_id is None:
        return False
    asked = connection.execute(select(erasures).where(erasures.c.device == device)).one_or_none()
    if asked is None or asked.asked_at > int(now) - WAIT_SECONDS:
        raise ErasureError(f"{device_id}: its tokens may still be remembered; wait {WAIT_SECONDS} s")
    if device in held_devices(connection, now):
        raise ErasureError(f"{device_id}: under a legal hold now; it is erased when that ends")
    waiting = select(dirty.c.day).where(dirty.c.device == device).order_by(dirty.c.day)
    for day in connection.scalars(waiting).all():
        roll_up_some(connection, day, [device], now=now, zone=zone)
    since, until = _first_day(connection, int(now)), int(now) + 2 * _DAY_SECONDS
    _keep_energy(connection, device, since, until)
    half_hours.forget(connection, device, since=since, until=until)
    # Charts are drawn from names and half-hours of devices; they are drawn anew for whoever looks.
    connection.execute(delete(charts))
    connection.execute(delete(devices).where(devices.c.id == device))  # the other tables follow
    detail = {"asked_by": asked.asked_by, "reason": asked.reason}
    record(connection, int(now), asked.asked_by, "device.erase", device_id, detail)
    return True


def _first_day(connection: Connection, now: int) -> int:
    """Return the first UTC day any device has facts of, in epoch seconds."""
    found = connection.scalar(select(func.min(days.c.day)))
    # Half-hours not yet rolled up are never older than what reports are taken for.
    return int(min(now if found is None else found, now - 400 * _DAY_SECONDS))


def _keep_energy(connection: Connection, device: int, since: int, until: int) -> None:
    """Add the device's daily joules to those of the sites it stood at."""
    midnights = list(range(since // _DAY_SECONDS * _DAY_SECONDS, until + _DAY_SECONDS, _DAY_SECONDS))
    dates = {day: datetime.fromtimestamp(day, UTC).date().isoformat() for day in midnights}
    sums: dict[tuple[int, str, str, str, str], int] = defaultdict(int)
    for row in _rows(connection, days, "day", midnights, device):
        _add(sums, row, "utc", dates[row.day])
    for row in _rows(connection, local_days, "date", list(dates.values()), device):
        _add(sums, row, "local", str(row.date))
    if sums:
        kept = [
            {
                "site": site,
                "calendar": calendar,
                "date": date,
                "scope": scope,
                "quality": quality,
                "joules": joules,
                "devices": 1,
            }
            for (site, calendar, date, scope, quality), joules in sums.items()
        ]
        connection.execute(upsert(anonymous_site_days, add=("joules", "devices")), kept)


def _rows(connection: Connection, table: Table, key: str, values: list[Any], device: int) -> Iterator[Any]:
    for begin_at in range(0, len(values), _DAYS_PER_QUERY):
        some = values[begin_at : begin_at + _DAYS_PER_QUERY]
        query = select(table.c[key], table.c.site, table.c.joules)
        yield from connection.execute(query.where(table.c[key].in_(some), table.c.device == device))


def _add(sums: dict[tuple[int, str, str, str, str], int], row: Any, calendar: str, date: str) -> None:
    told: Mapping[str, Mapping[str, int]] = row.joules or {}
    for scope, by_quality in told.items():
        for quality, joules in by_quality.items():
            sums[row.site, calendar, date, scope, quality] += joules
