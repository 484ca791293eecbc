"""What the jobs ask of the tables and write to them.

Functions take a connection inside a transaction of the caller's and never commit. Those that write take a `limit`,
so that the caller can keep each transaction short: nobody's report may wait long for the write lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, case, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from roadworthy_collector.store.schema import (
    battery_use,
    charts,
    device_now,
    devices,
    dirty,
    energy_days,
    energy_periods,
    estate,
    jobs,
    periods,
    quarantine,
    sessions,
    snapshots,
    startups,
    state_days,
    state_periods,
)
from roadworthy_collector.store.statements import insert_or_ignore, upsert
from roadworthy_inventory.calendar import Span

DAY_SECONDS = 86400
STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")
SCOPES = ("cpu", "memory", "gpu", "machine", "wall")
_PRUNED = "half_hours_pruned_before"


def write_snapshot(connection: Connection, name: str, at: float, body: str) -> None:
    """Leave `body` under `name` for the serving process."""
    connection.execute(upsert(snapshots), {"name": name, "at": at, "body": body})


def write_job(connection: Connection, name: str, values: Mapping[str, Any], *, failed: bool) -> None:
    """Write what a run of the job `name` says about itself; `failed` counts it among the failures."""
    statement = insert(jobs).values(name=name, failures=int(failed), **values)
    counted = {"failures": jobs.c.failures + 1} if failed else {}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={**values, **counted}))


# --- daily totals ------------------------------------------------------------------------------------------


def pruned_before(connection: Connection) -> int:
    """Return the day (midnight UTC, epoch seconds) before which half-hours may be gone; 0 if none ever went."""
    value = connection.scalar(select(estate.c.value).where(estate.c.name == _PRUNED))
    return 0 if value is None else int(value)


def set_pruned_before(connection: Connection, day: int) -> None:
    """Note, before the first half-hour before `day` goes, that they are going."""
    connection.execute(upsert(estate), {"name": _PRUNED, "value": str(day)})


def list_dirty(connection: Connection) -> dict[int, list[int]]:
    """Return {day: devices} to roll up, the oldest day first."""
    found: dict[int, list[int]] = {}
    for row in connection.execute(select(dirty.c.day, dirty.c.device).order_by(dirty.c.day, dirty.c.device)):
        found.setdefault(row.day, []).append(row.device)
    return found


def forget_dirty(connection: Connection, day: int, some: Sequence[int]) -> None:
    """Take the days of these devices off the list."""
    connection.execute(delete(dirty).where(dirty.c.day == day, dirty.c.device.in_(some)))


def sum_periods(connection: Connection, span: Span, some: Sequence[int]) -> dict[int, Any]:
    """Return {device: row} of one day's half-hours.

    periods, observed_seconds, and of the processor and memory the sums weighted by observed seconds beside the
    seconds they are over (NULL where never known).
    """
    columns: list[Any] = [
        periods.c.device,
        func.count().label("periods"),
        func.sum(periods.c.observed_seconds).label("observed_seconds"),
    ]
    for name in ("cpu", "memory"):
        mean = periods.c[f"{name}_mean_ratio"]
        columns += [
            func.sum(mean * periods.c.observed_seconds).label(f"{name}_weighted"),
            func.sum(case((mean.is_not(None), periods.c.observed_seconds))).label(f"{name}_seconds"),
        ]
    return _by_device(connection, columns, _within(periods, span, some), periods.c.device)


def sum_states(connection: Connection, span: Span, some: Sequence[int]) -> dict[int, Any]:
    """Return {device: row} of one day's seconds per device state."""
    columns = [
        state_periods.c.device,
        *(func.sum(state_periods.c[f"{name}_seconds"]).label(f"{name}_seconds") for name in STATES),
    ]
    return _by_device(connection, columns, _within(state_periods, span, some), state_periods.c.device)


def told_states(connection: Connection, day: int, some: Sequence[int]) -> dict[int, Any]:
    """Return {device: row} of the device state told for a whole UTC day, where the policy is daily."""
    query = select(state_days).where(state_days.c.device.in_(some), state_days.c.day == day)
    return {row.device: row for row in connection.execute(query)}


def told_joules(
    connection: Connection, day: int, some: Sequence[int]
) -> dict[int, dict[str, dict[str, int]]]:
    """Return {device: {scope: {quality: joules}}} told for a whole UTC day, where the policy is daily."""
    query = select(energy_days).where(energy_days.c.device.in_(some), energy_days.c.day == day)
    found: dict[int, dict[str, dict[str, int]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.device, {})[row.scope] = {row.quality: row.joules}
    return found


def sum_startups(connection: Connection, span: Span, some: Sequence[int]) -> dict[int, Any]:
    """Return {device: row} of one day's final start-ups whose total is known: startups, their sum and the longest."""
    total = startups.c.total_seconds
    columns = [
        startups.c.device,
        func.count().label("startups"),
        func.sum(total).label("startup_seconds_sum"),
        func.max(total).label("startup_seconds_max"),
    ]
    condition = and_(
        startups.c.device.in_(some),
        startups.c.started_at >= span.start,
        startups.c.started_at < span.end,
        startups.c.final.is_(True),
        total.is_not(None),
    )
    return _by_device(connection, columns, condition, startups.c.device)


def sum_joules(
    connection: Connection, span: Span, some: Sequence[int]
) -> dict[int, dict[str, dict[str, int]]]:
    """Return {device: {scope: {quality: joules}}} of one day."""
    query = (
        select(
            energy_periods.c.device,
            energy_periods.c.scope,
            energy_periods.c.quality,
            func.sum(energy_periods.c.joules).label("joules"),
        )
        .where(_within(energy_periods, span, some))
        .group_by(energy_periods.c.device, energy_periods.c.scope, energy_periods.c.quality)
    )
    found: dict[int, dict[str, dict[str, int]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.device, {}).setdefault(row.scope, {})[row.quality] = int(row.joules)
    return found


def places(connection: Connection, some: Sequence[int]) -> dict[int, Any]:
    """Return {device: row of site and unit} as they are now."""
    query = select(devices.c.id, devices.c.site, devices.c.unit).where(devices.c.id.in_(some))
    return {row.id: row for row in connection.execute(query)}


def write_days(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, keep_place: bool
) -> None:
    """Insert or replace daily totals in `table`, which is `days` or `local_days`.

    With `keep_place` a row that is there keeps its site and unit: late data of a past day must not move it to where
    the device stands today.
    """
    if not rows:
        return
    statement = insert(table)
    key = [column.name for column in table.primary_key.columns]
    kept = set(key) | ({"site", "unit"} if keep_place else set())
    replaced = {column.name: statement.excluded[column.name] for column in table.c if column.name not in kept}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=replaced), list(rows))


def _within(table: Any, span: Span, some: Sequence[int]) -> Any:
    return and_(table.c.device.in_(some), table.c.start >= span.start, table.c.start < span.end)


def _by_device(connection: Connection, columns: Iterable[Any], condition: Any, device: Any) -> dict[int, Any]:
    query = select(*columns).where(condition).group_by(device)
    return {row.device: row for row in connection.execute(query)}


# --- the last open half-hour of a silent device --------------------------------------------------------------


def open_periods(connection: Connection, *, silent_since: int, not_before: int) -> Sequence[Any]:
    """Return (device, start, now) of devices silent since before `silent_since` whose open half-hour is not booked.

    Half-hours before `not_before` are past their retention and stay unbooked.
    """
    booked = (
        select(literal(1))
        .where(periods.c.device == device_now.c.device, periods.c.start == device_now.c.start)
        .exists()
    )
    query = (
        select(device_now.c.device, device_now.c.start, device_now.c.now)
        .join(devices, devices.c.id == device_now.c.device)
        .where(devices.c.last_report_at < silent_since, device_now.c.start >= not_before, ~booked)
        .order_by(device_now.c.device)
    )
    return connection.execute(query).all()


def book(
    connection: Connection,
    period: Mapping[str, Any],
    states: Mapping[str, Any],
    energy: Sequence[Mapping[str, Any]],
) -> None:
    """Insert one half-hour with its device state and energy, and mark its day; what is already held stays."""
    connection.execute(insert_or_ignore(periods), dict(period))
    connection.execute(insert_or_ignore(state_periods), dict(states))
    if energy:
        connection.execute(insert_or_ignore(energy_periods), [dict(row) for row in energy])
    day = period["start"] // DAY_SECONDS * DAY_SECONDS
    connection.execute(insert_or_ignore(dirty), {"device": period["device"], "day": day})


# --- pruning and cleaning --------------------------------------------------------------------------------------


def has_dirty_before(connection: Connection, day: int) -> bool:
    """Return whether a day before `day` still waits to be rolled up."""
    return connection.scalar(select(literal(1)).where(dirty.c.day < day).limit(1)) is not None


def prune_energy(connection: Connection, before: int, limit: int) -> int:
    """Delete up to `limit` rows of energy and battery use that began before `before`; return how many."""
    gone = 0
    for table, start in ((energy_periods, "start"), (energy_days, "day"), (battery_use, "start")):
        gone += _delete_before(connection, table, (table,), before, limit - gone, start)
        if gone >= limit:
            break
    return gone


def prune_half_hours(connection: Connection, before: int, limit: int) -> int:
    """Delete up to `limit` half-hours that began before `before`, with their device states; return how many."""
    gone = _delete_before(connection, periods, (state_periods, periods), before, limit)
    return gone + _delete_before(connection, state_days, (state_days,), before, limit - gone, "day")


def _delete_before(
    connection: Connection,
    found_in: Table,
    tables: Iterable[Table],
    before: int,
    limit: int,
    start: str = "start",
) -> int:
    """Delete from `tables` the rows whose keys `found_in` holds from before `before`; return how many keys.

    One statement a key: SQLite finds each by the primary key, where a list of keys in one statement makes it scan.
    """
    key = list(found_in.primary_key.columns)
    query = select(*(column.label(f"key_{column.name}") for column in key))
    began = found_in.c[start]
    rows = connection.execute(query.where(began < before).order_by(began).limit(max(0, limit)))
    keys = [dict(row) for row in rows.mappings()]
    for table in tables if keys else ():
        matches = and_(*(table.c[column.name] == bindparam(f"key_{column.name}") for column in key))
        connection.execute(delete(table).where(matches), keys)
    return len(keys)


def clean_sessions(connection: Connection, now: float, limit: int) -> int:
    """Delete up to `limit` sessions that have ended; return how many."""
    old = select(sessions.c.secret_sha256).where(sessions.c.expires_at <= now).limit(limit)
    return connection.execute(delete(sessions).where(sessions.c.secret_sha256.in_(old))).rowcount


def clean_charts(connection: Connection, before: float, limit: int) -> int:
    """Delete up to `limit` charts nobody has asked for since `before`; return how many."""
    old = select(charts.c.hash).where(charts.c.asked_at < before).limit(limit)
    return connection.execute(delete(charts).where(charts.c.hash.in_(old))).rowcount


def clean_quarantine(connection: Connection, before: float, limit: int) -> int:
    """Delete up to `limit` refused items received before `before`; return how many."""
    old = select(quarantine.c.id).where(quarantine.c.received_at < before).limit(limit)
    return connection.execute(delete(quarantine).where(quarantine.c.id.in_(old))).rowcount
