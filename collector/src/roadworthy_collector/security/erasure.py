"""Erasing a device: what tells of it goes, what it drew stays in the sums of its sites without saying whose it was.

Two steps. `begin` retires the device and takes its tokens away; `finish`, WAIT_SECONDS later, deletes. In between
every process forgets the tokens it remembers, so that no report can bring back what is gone. A device of years is
deleted in pieces (`jobs.privacy.erase`): the days first, its row last. Retirement alone keeps all facts (`store.queries.devices.retire`). The audit keeps the random device id: it is the record of what was done.

Functions take a connection inside a write transaction of the caller's and never commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, delete, func, insert, or_, select, update

from roadworthy_collector.carbon import energy_kept, plug_store
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs.rollup import roll_up_some
from roadworthy_collector.security.holds import held_devices
from roadworthy_collector.security.tokens import COMMAND_LINE
from roadworthy_collector.store import half_hours
from roadworthy_collector.store.books_schema import match_decisions, reconciled
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.schema import (
    anonymous_site_days,
    away_months,
    battery_days,
    charts,
    days,
    devices,
    dirty,
    energy_slots,
    erasures,
    gaps,
    local_days,
    quarantine,
    signins,
    startups,
    state_slots,
    tokens,
    use_slots,
)
from roadworthy_collector.store.statements import upsert
from roadworthy_inventory.calendar import utc_date

# A revocation holds on every process within five seconds.
WAIT_SECONDS = 6
REASON_LENGTH = (5, 512)
_DAY_SECONDS = 86_400
_DAYS_PER_QUERY = 500
_BY_DAY = (days, use_slots, state_slots, energy_slots)
# Tables a device has thousands of rows in, by what tells one of its rows from another.
_MANY: tuple[Column[Any], ...] = (
    startups.c.start_id,
    signins.c.signin_id,
    gaps.c.begin,
    battery_days.c.day,
    quarantine.c.id,
)


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
    """Delete the device of row id `device` in one transaction; return whether it was there.

    `jobs.privacy.erase` does the same in short ones. `zone` is the reporting time zone: days that wait to be rolled up
    are rolled up first. Raises ErasureError as `ensure_due`.
    """
    if ensure_due(connection, device, now=now) is None:
        return False
    for day in list_waiting(connection, device):
        roll_up_day(connection, device, day, now=now, zone=zone)
    erase_days(connection, device, list_days(connection, now), now=now, zone=zone)
    return remove(connection, device, now=now)


def ensure_due(connection: Connection, device: int, *, now: float) -> str | None:
    """Lock the device's row and return its id `rwd_...`, None if it is gone already.

    Raises ErasureError where nobody asked for its erasure, it is too early, or a hold has come in between.
    """
    query = select(devices.c.device_id).where(devices.c.id == device).with_for_update()
    device_id: str | None = connection.scalar(query)
    if device_id is None:
        return None
    asked_at = connection.scalar(select(erasures.c.asked_at).where(erasures.c.device == device))
    if asked_at is None or asked_at > int(now) - WAIT_SECONDS:
        raise ErasureError(f"{device_id}: its tokens may still be remembered; wait {WAIT_SECONDS} s")
    if device in held_devices(connection, now):
        raise ErasureError(f"{device_id}: under a legal hold now; it is erased when that ends")
    return device_id


def list_waiting(connection: Connection, device: int) -> list[int]:
    """Return the UTC days of the device that wait to be rolled up, the oldest first."""
    waiting = select(dirty.c.day).where(dirty.c.device == device).order_by(dirty.c.day)
    return list(connection.scalars(waiting))


def roll_up_day(connection: Connection, device: int, day: int, *, now: float, zone: str) -> None:
    """Roll up a day of a device that may be erased now; before any of its days goes."""
    if ensure_due(connection, device, now=now) is not None:
        roll_up_some(connection, day, [device], now=now, zone=zone)


def list_days(connection: Connection, now: float) -> list[int]:
    """Return every UTC day, as its midnight, any device may have half-hours or totals of."""
    first = _first_day(connection, int(now)) // _DAY_SECONDS * _DAY_SECONDS
    return list(range(first, int(now) + 3 * _DAY_SECONDS, _DAY_SECONDS))


def erase_days(
    connection: Connection, device: int, midnights: Sequence[int], *, now: float, zone: str
) -> None:
    """Delete these days of a device, and what it drew on them goes to `anonymous_site_days`: sums stay at any moment.

    A day that is deleted adds nothing when it is asked for again, so that an erasure may go on after a crash.
    """
    if ensure_due(connection, device, now=now) is not None:
        _keep_energy(connection, device, midnights, zone)
        half_hours.forget(connection, device, midnights)


def remove_some(connection: Connection, device: int, limit: int, *, now: float) -> int:
    """Delete at most `limit` of the rows a device may have thousands of, its days aside; return how many went.

    What is left is for `remove`. None of them is in a sum that is kept.
    """
    if ensure_due(connection, device, now=now) is None:
        return 0
    for key in _MANY:
        its = key.table.c.device == device
        if chosen := connection.scalars(select(key).where(its).limit(limit)).all():
            connection.execute(delete(key.table).where(its, key.in_(chosen)))
            return len(chosen)
    return 0


def list_charts(connection: Connection) -> list[str]:
    """Return the charts there are: they are drawn from names and half-hours of devices."""
    return list(connection.scalars(select(charts.c.hash)))


def remove_charts(connection: Connection, some: Sequence[str]) -> None:
    """Delete these charts; they are drawn anew for whoever looks."""
    connection.execute(delete(charts).where(charts.c.hash.in_(some)))


def remove(connection: Connection, device: int, *, now: float) -> bool:
    """Delete what is left of a device whose days are erased, and write it down; return whether it was there."""
    device_id = ensure_due(connection, device, now=now)
    if device_id is None:
        return False
    asked = connection.execute(select(erasures).where(erasures.c.device == device)).one()
    # Charts are drawn from names and half-hours of devices; they are drawn anew for whoever looks.
    connection.execute(delete(charts))
    # The reconciliation names records; the next one writes anew what is left.
    connection.execute(delete(reconciled).where(reconciled.c.device == device))
    # Its energy stays in the sums of its site and unit (`energy_groups`).
    energy_kept.leave(connection, device, now)
    plug_store.forget(connection, device)
    spoken_of = f"agent:{device_id}"
    connection.execute(
        delete(match_decisions).where(
            or_(match_decisions.c.one == spoken_of, match_decisions.c.other == spoken_of)
        )
    )
    connection.execute(delete(devices).where(devices.c.id == device))  # the other tables follow
    detail = {"asked_by": asked.asked_by, "reason": asked.reason}
    record(connection, int(now), asked.asked_by, "device.erase", device_id, detail)
    return True


def _first_day(connection: Connection, now: int) -> int:
    """Return the first UTC day any device has facts of, in epoch seconds.

    Of any device and not of this one: each table begins with its oldest day, while one device's would be looked for
    in all rows. SQLite gives the number of the newest device to the next one when it is erased, so a row left behind
    would be another device's.
    """
    firsts = [connection.scalar(select(func.min(table.c.day))) for table in _BY_DAY]
    dates = (connection.scalar(select(func.min(one))) for one in (local_days.c.date, away_months.c.month))
    firsts += [
        int(datetime.fromisoformat(str(one)).replace(tzinfo=UTC).timestamp())
        for one in dates
        if one is not None
    ]
    return min((day for day in firsts if day is not None), default=now)


def _keep_energy(connection: Connection, device: int, midnights: Sequence[int], zone: str) -> None:
    """Add the device's joules of these days to those of the sites it stood at."""
    dates = {day: utc_date(day) for day in midnights}
    sums: dict[tuple[int, str, str, str, str], int] = defaultdict(int)
    for row in _rows(connection, list(midnights), device):
        _add(sums, row, "utc", dates[row.day].isoformat())
    told = set(dates.values())
    for total in local_totals.read(connection, min(told), max(told), zone, ("site", "joules"), device):
        if total.date in told:
            _add(sums, total.values, "local", total.date.isoformat())
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


def _rows(connection: Connection, midnights: list[int], device: int) -> Iterator[Any]:
    for begin_at in range(0, len(midnights), _DAYS_PER_QUERY):
        some = midnights[begin_at : begin_at + _DAYS_PER_QUERY]
        query = select(days.c.day, days.c.site, days.c.joules)
        yield from connection.execute(query.where(days.c.day.in_(some), days.c.device == device))


def _add(sums: dict[tuple[int, str, str, str, str], int], row: Any, calendar: str, date: str) -> None:
    told: Mapping[str, Mapping[str, int]] = row.joules or {}
    for scope, by_quality in told.items():
        for quality, joules in by_quality.items():
            sums[row.site, calendar, date, scope, quality] += joules
