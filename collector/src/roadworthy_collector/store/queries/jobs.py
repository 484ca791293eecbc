"""What the jobs ask of the tables and write to them.

Functions take a connection inside a transaction of the caller's and never commit. Those that write take a `limit`,
so that the caller can keep each transaction short: nobody's report may wait long for the write lock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Table,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from roadworthy_collector.remote_write import queue
from roadworthy_collector.store import half_hours, slots
from roadworthy_collector.store.merge import Merge
from roadworthy_collector.store.schema import (
    charts,
    counters,
    device_now,
    devices,
    dirty,
    estate,
    jobs,
    sessions,
    site_dirty,
    site_half_hours,
    snapshots,
    state_slots,
    use_slots,
)
from roadworthy_collector.store.slots import DAY_SECONDS, STATES
from roadworthy_collector.store.statements import upsert

__all__ = ["DAY_SECONDS", "SCOPES", "STATES"]

LONG_TRANSACTIONS = "job_long_transactions"  # in table `counters`, by job
SCOPES = ("cpu", "memory", "gpu", "machine", "wall")
_PRUNED = "half_hours_pruned_before"
_STATES_PRUNED = "half_hour_states_pruned_before"
_STATE_COLUMNS = tuple(f"{name}_seconds" for name in STATES)
_MARKS = Merge(dirty, {})
_SITE_MARKS = Merge(site_dirty, {"marks": "{held} + {new}"})


def write_snapshot(connection: Connection, name: str, at: float, body: str) -> None:
    """Leave `body` under `name` for the serving process."""
    connection.execute(upsert(snapshots), {"name": name, "at": at, "body": body})


def write_job(connection: Connection, name: str, values: Mapping[str, Any], *, failed: bool) -> None:
    """Write what a run of the job `name` says about itself; `failed` counts it among the failures."""
    statement = insert(jobs).values(name=name, failures=int(failed), **values)
    counted = {"failures": jobs.c.failures + 1} if failed else {}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={**values, **counted}))


def count_long_transactions(connection: Connection, name: str) -> None:
    """Count a run of the job `name` that held the write lock for too long."""
    row = {"name": LONG_TRANSACTIONS, "label": name, "value": 1}
    connection.execute(upsert(counters, add=("value",)), row)


# --- daily totals ------------------------------------------------------------------------------------------


def pruned_before(connection: Connection) -> int:
    """Return the day (midnight UTC, epoch seconds) before which half-hours may be gone; 0 if none ever went."""
    return _noted(connection, _PRUNED)


def set_pruned_before(connection: Connection, day: int) -> None:
    """Note, before the first half-hour before `day` goes, that they are going."""
    connection.execute(upsert(estate), {"name": _PRUNED, "value": str(day)})


def states_pruned_before(connection: Connection) -> int:
    """Return the day before which the states of half-hours may be gone although the half-hours are there; or 0."""
    return _noted(connection, _STATES_PRUNED)


def set_states_pruned_before(connection: Connection, day: int) -> None:
    """Note, before the first states before `day` go, that they are going."""
    connection.execute(upsert(estate), {"name": _STATES_PRUNED, "value": str(day)})


def _noted(connection: Connection, name: str) -> int:
    value = connection.scalar(select(estate.c.value).where(estate.c.name == name))
    return 0 if value is None else int(value)


def list_dirty(
    connection: Connection, *, today: int | None = None, marked_before: float = 0
) -> dict[int, list[int]]:
    """Return {day: devices} to roll up, the oldest day first.

    With `today`, the midnight of the day that is still going on, those of it are left out that were first marked
    since `marked_before`: each would come again with its next half-hour.
    """
    query = select(dirty.c.day, dirty.c.device).order_by(dirty.c.day, dirty.c.device)
    if today is not None:
        query = query.where(or_(dirty.c.day < today, dirty.c.marked_at <= marked_before))
    found: dict[int, list[int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.day, []).append(row.device)
    return found


def claim_dirty(connection: Connection, day: int, some: Sequence[int]) -> list[int]:
    """Take the marks of these devices' day, before their facts are read; return those there were to take.

    A commit under way holds the marks it has made: they are left for the next time, with facts not seen yet.
    """
    mine = and_(dirty.c.day == day, dirty.c.device.in_(some))
    query = select(dirty.c.device).where(mine).order_by(dirty.c.device).with_for_update(skip_locked=True)
    taken = list(connection.scalars(query))
    connection.execute(delete(dirty).where(dirty.c.day == day, dirty.c.device.in_(taken)))
    return taken


def mark_dirty(connection: Connection, device: int, day: int, now: float) -> None:
    """Have a device's day rolled up again."""
    _MARKS.write(connection, [(device, day, int(now))])


def list_site_dirty(connection: Connection, before: int) -> Sequence[Any]:
    """Return (day, marks, rolled_at) of the UTC days before `before` whose site half-hours are out of date."""
    query = select(site_dirty).where(site_dirty.c.day < before, site_dirty.c.marks > 0)
    return connection.execute(query.order_by(site_dirty.c.day)).all()


def mark_site_dirty(connection: Connection, day: int) -> None:
    """Have the site half-hours of a UTC day added up again."""
    _SITE_MARKS.write(connection, [(day, 1, None)])


def site_states(connection: Connection, day: int) -> dict[tuple[int, int], tuple[int, ...]]:
    """Return {(start, site): seconds of the six states} of the site half-hours held of a UTC day."""
    table = site_half_hours
    query = select(table.c.start, table.c.site, *(table.c[name] for name in _STATE_COLUMNS))
    found = connection.execute(query.where(table.c.start >= day, table.c.start < day + DAY_SECONDS))
    return {(start, site): tuple(seconds) for start, site, *seconds in found}


def write_site_half_hours(
    connection: Connection, starts: Sequence[int], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Replace the site half-hours of these starts by `rows`."""
    connection.execute(delete(site_half_hours).where(site_half_hours.c.start.in_(starts)))
    if rows:
        connection.execute(insert(site_half_hours), list(rows))


def settle_site_day(connection: Connection, day: int, marks: int, now: float) -> None:
    """Note that a UTC day's site half-hours are added up; it stays out of date if marked since `marks` were read."""
    left = {"marks": site_dirty.c.marks - marks, "rolled_at": int(now)}
    connection.execute(update(site_dirty).where(site_dirty.c.day == day).values(left))


def places(connection: Connection, some: Sequence[int]) -> dict[int, Any]:
    """Return {device: row of site and unit} as they are now."""
    query = select(devices.c.id, devices.c.site, devices.c.unit).where(devices.c.id.in_(some))
    return {row.id: row for row in connection.execute(query)}


def write_days(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keep_place: bool,
    keep_states: bool = False,
) -> None:
    """Insert or replace daily totals in `table`, which is `days` or `local_days`.

    With `keep_place` a row that is there keeps its site and unit: late data of a past day must not move it to where
    the device stands today. With `keep_states` it keeps its state seconds too, if it knows any.
    """
    if not rows:
        return
    statement = insert(table)
    key = [column.name for column in table.primary_key.columns]
    kept = set(key) | ({"site", "unit"} if keep_place else set())
    replaced: dict[str, Any] = {
        column.name: statement.excluded[column.name] for column in table.c if column.name not in kept
    }
    if keep_states:
        stays = or_(_known_seconds(table.c) > 0, _known_seconds(statement.excluded) == 0)
        replaced |= {
            name: case((stays, table.c[name]), else_=statement.excluded[name]) for name in _STATE_COLUMNS
        }
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=replaced), list(rows))


def _known_seconds(columns: Any) -> Any:
    """Return the sum of a row's seconds in all states but `unobserved`, which is the last."""
    return sum((columns[name] for name in _STATE_COLUMNS[1:-1]), start=columns[_STATE_COLUMNS[0]])


# --- the last open half-hour of a silent device --------------------------------------------------------------


def open_periods(connection: Connection, *, silent_since: int, not_before: int) -> Sequence[Any]:
    """Return (device, start, now) of devices silent since before `silent_since` whose open half-hour is not booked.

    Half-hours before `not_before` are past their retention and stay unbooked.
    """
    start = device_now.c.start
    day = start - start % DAY_SECONDS
    booked = (
        select(literal(1))
        .where(
            use_slots.c.day == day,
            use_slots.c.device == device_now.c.device,
            use_slots.c.held.op("&")(_bit(start % DAY_SECONDS)) != 0,
        )
        .exists()
    )
    query = (
        select(device_now.c.device, device_now.c.start, device_now.c.now)
        .join(devices, devices.c.id == device_now.c.device)
        .where(devices.c.last_report_at < silent_since, device_now.c.start >= not_before, ~booked)
        .order_by(device_now.c.device)
    )
    return connection.execute(query).all()


def _bit(seconds: Any) -> Any:
    """Return the bit of the half-hour so many seconds after midnight; `//` divides whole numbers on both databases."""
    return literal(1, BigInteger).op("<<")(cast(seconds // slots.PERIOD_SECONDS, Integer))


def book(connection: Connection, found: Sequence[half_hours.HalfHour], now: float) -> None:
    """Add half-hours and mark their days; what is already held stays."""
    # Locked as ingest locks them: the same half-hour may be on its way from the device itself.
    locked = select(devices.c.id).where(devices.c.id.in_({one.device for one in found}))
    connection.execute(locked.order_by(devices.c.id).with_for_update()).all()
    held = half_hours.held(connection, ((one.device, one.start) for one in found))
    new = [one for one in found if (one.device, one.start) not in held]
    half_hours.append(connection, new)
    queue.enqueue(connection, [(one.device, one.start) for one in new])
    for one in new:
        mark_dirty(connection, one.device, slots.slot_of(one.start)[0], now)


# --- pruning and cleaning --------------------------------------------------------------------------------------


def has_dirty_before(connection: Connection, day: int) -> bool:
    """Return whether a day before `day` still waits to be rolled up, by device or by site."""
    devices_wait = select(literal(1)).where(dirty.c.day < day).limit(1)
    sites_wait = select(literal(1)).where(site_dirty.c.day < day, site_dirty.c.marks > 0).limit(1)
    return connection.scalar(devices_wait) is not None or connection.scalar(sites_wait) is not None


def prune_by_day(
    connection: Connection, table: Table, before: Any, limit: int, kept: Collection[int] = ()
) -> int:
    """Delete up to `limit` rows of the oldest day before `before` from a table keyed by day first; return how many.

    Rows of the devices in `kept` stay. One range of the key a statement: its rows lie together.
    """
    day, other = table.primary_key.columns
    mine = and_(day < before, other.not_in(kept)) if kept else day < before
    oldest = connection.execute(select(day).where(mine).order_by(day).limit(1)).scalar()
    if oldest is None:
        return 0
    some = select(other).where(mine, day == oldest).order_by(other).limit(limit)
    last = connection.scalar(select(func.max(some.subquery().c[0])))
    return connection.execute(delete(table).where(mine, day == oldest, other <= last)).rowcount


def prune_states(connection: Connection, before: int, limit: int, kept: Collection[int] = ()) -> int:
    """Delete up to `limit` states of half-hours of the oldest day before `before`; return how many device days.

    Unlike half-hours too old to be taken at all, late ones of these days may come at any moment. So what is not added
    up yet stays for the next time, and so does, on PostgreSQL, what a report under way adds to.
    """
    day, device = state_slots.c.day, state_slots.c.device
    sites_wait = select(site_dirty.c.day).where(site_dirty.c.day < before, site_dirty.c.marks > 0)
    marked = set(connection.scalars(sites_wait))
    waits = select(literal(1)).where(dirty.c.device == device, dirty.c.day == day).exists()
    last = -1
    # Day by day: the rows of one that waits are not looked at.
    while (last := connection.scalar(select(func.min(day)).where(day > last, day < before))) is not None:
        if last in marked:
            continue
        mine = and_(day == last, device.not_in(kept), ~waits)
        some = select(device).where(mine).order_by(device).limit(limit)
        taken = connection.scalars(some.with_for_update(of=state_slots, skip_locked=True)).all()
        # Asked once more with the rows locked: a report may have been written between the two.
        if gone := connection.execute(delete(state_slots).where(mine, device.in_(taken))).rowcount:
            return gone
    return 0


def prune_before(
    connection: Connection, column: Any, before: float, limit: int, kept: Collection[int] = ()
) -> int:
    """Delete up to `limit` rows whose `column` is before `before`, the oldest first; return how many.

    Rows of the devices in `kept` stay. One statement a row: SQLite finds each by the primary key, where a list of keys
    in one statement makes it scan.
    """
    table = column.table
    key = list(table.primary_key.columns)
    query = select(*(one.label(f"b_{one.name}") for one in key)).where(column < before)
    if kept:
        query = query.where(or_(table.c.device.is_(None), table.c.device.not_in(kept)))
    rows = [dict(row) for row in connection.execute(query.order_by(column).limit(limit)).mappings()]
    if rows:
        matches = and_(*(one == bindparam(f"b_{one.name}", type_=one.type) for one in key))
        connection.execute(delete(table).where(matches), rows)
    return len(rows)


def clean_sessions(connection: Connection, now: float, limit: int) -> int:
    """Delete up to `limit` sessions that have ended; return how many."""
    old = select(sessions.c.secret_sha256).where(sessions.c.expires_at <= now).limit(limit)
    return connection.execute(delete(sessions).where(sessions.c.secret_sha256.in_(old))).rowcount


def clean_charts(connection: Connection, before: float, limit: int) -> int:
    """Delete up to `limit` charts nobody has asked for since `before`; return how many."""
    old = select(charts.c.hash).where(charts.c.asked_at < before).limit(limit)
    return connection.execute(delete(charts).where(charts.c.hash.in_(old))).rowcount
