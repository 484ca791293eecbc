"""What the metrics ask of the tables: grouped counts for the roll-ups, rows for the device detail, own health.

Restricted sites are absent by name: the roll-ups by site, unit, model and operating system leave their devices
out, and so does the device detail; totals over closed vocabularies (state, class, probe status) count them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, case, func, literal, select

from roadworthy_collector.store.queries.jobs import SCOPES
from roadworthy_collector.store.queries.states import MISSING_INTERVALS, state_of
from roadworthy_collector.store.schema import (
    counters,
    device_now,
    devices,
    dirty,
    energy_days,
    energy_periods,
    estate,
    histograms,
    jobs,
    probe_status,
    quarantine,
    sites,
    snapshots,
    startups,
    units,
)

# SQLite takes 32,766 variables in a statement; this many keep a statement's text short.
CHUNK = 1000
_PLACED = devices.join(sites, devices.c.site == sites.c.id).join(units, devices.c.unit == units.c.id)
# The operating system as ingest names it in the histograms: "Debian GNU/Linux 12"; nothing known is NULL.
OS_LABEL: ColumnElement[str | None] = case(
    (func.coalesce(devices.c.os_version, "") == "", devices.c.os_name),
    else_=devices.c.os_name + " " + devices.c.os_version,
)


def read_estate(connection: Connection) -> dict[str, str]:
    """Return what this database is: {name: value}."""
    return {row.name: row.value for row in connection.execute(select(estate.c.name, estate.c.value))}


def count_groups(connection: Connection, *, now: float, interval_seconds: int) -> Sequence[Any]:
    """Return devices counted by everything they are grouped by, in one pass.

    Rows of site, unit, restricted, model, os, device_class, environment, system_medium, state, devices, and of the
    heard ones (reporting or late) cpu_sum over cpu_devices and memory_sum over memory_devices (NULL sums where nobody says it).
    """
    state = state_of(now, interval_seconds)
    keys = (
        sites.c.name.label("site"),
        units.c.name.label("unit"),
        sites.c.restricted,
        devices.c.model,
        OS_LABEL.label("os"),
        devices.c.device_class,
        devices.c.environment,
        devices.c.system_medium,
        state.label("state"),
    )
    measures: list[ColumnElement[Any]] = [func.count().label("devices")]
    for name in ("cpu", "memory"):
        heard = case((state.in_(("reporting", "late")), device_now.c[f"{name}_ratio"]))
        measures += [func.sum(heard).label(f"{name}_sum"), func.count(heard).label(f"{name}_devices")]
    query = select(*keys, *measures).select_from(
        _PLACED.outerjoin(device_now, device_now.c.device == devices.c.id)
    )
    return connection.execute(query.group_by(*keys)).all()


def count_probes(connection: Connection) -> Sequence[Any]:
    """Return rows of probe, status and the devices in service that say so."""
    query = (
        select(probe_status.c.probe, probe_status.c.status, func.count().label("devices"))
        .join_from(probe_status, devices, probe_status.c.device == devices.c.id)
        .where(devices.c.retired_at.is_(None))
        .group_by(probe_status.c.probe, probe_status.c.status)
    )
    return connection.execute(query).all()


def read_histograms(connection: Connection) -> Sequence[Any]:
    """Return rows of metric, grouping, member, bucket, held (a count) and sum, restricted sites left out."""
    hidden = select(sites.c.name).where(sites.c.restricted.is_(True))
    query = (
        select(
            histograms.c.metric,
            histograms.c.grouping,
            histograms.c.member,
            histograms.c.bucket,
            histograms.c["count"].label("held"),
            histograms.c.sum,
        )
        .where(~and_(histograms.c.grouping == "site", histograms.c.member.in_(hidden)))
        .order_by(histograms.c.metric, histograms.c.grouping, histograms.c.member, histograms.c.bucket)
    )
    return connection.execute(query).all()


def read_snapshot(connection: Connection, name: str) -> Any:
    """Return the row (at, body) the jobs process last left under `name`, None before the first."""
    return connection.execute(
        select(snapshots.c.at, snapshots.c.body).where(snapshots.c.name == name)
    ).one_or_none()


def list_heard(connection: Connection, *, now: float, interval_seconds: int) -> Sequence[Any]:
    """Return (id, device_id) of the devices whose detail may be shown: heard, in service, not restricted."""
    silence = int(now) - devices.c.last_report_at
    interval = func.coalesce(devices.c.next_call_seconds, interval_seconds)
    query = (
        select(devices.c.id, devices.c.device_id)
        .join(sites, devices.c.site == sites.c.id)
        .where(
            devices.c.retired_at.is_(None),
            sites.c.restricted.is_(False),
            silence <= MISSING_INTERVALS * interval,
        )
        .order_by(devices.c.id)
    )
    return connection.execute(query).all()


def chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield `ids` in pieces a statement can carry."""
    for begin in range(0, len(ids), CHUNK):
        yield ids[begin : begin + CHUNK]


def read_details(connection: Connection, ids: Sequence[int]) -> Sequence[Any]:
    """Return the latest word of each device: its labels and now-values, ordered by id."""
    query = (
        select(
            devices.c.device_id,
            sites.c.name.label("site"),
            units.c.name.label("unit"),
            devices.c.model,
            OS_LABEL.label("os"),
            devices.c.device_class,
            devices.c.environment,
            devices.c.last_report_at,
            device_now.c.uptime_seconds,
            device_now.c.cpu_ratio,
            device_now.c.memory_ratio,
        )
        .select_from(_PLACED.outerjoin(device_now, device_now.c.device == devices.c.id))
        .where(devices.c.id.in_(ids))
        .order_by(devices.c.id)
    )
    return connection.execute(query).all()


def read_last_startups(connection: Connection, ids: Sequence[int]) -> Sequence[Any]:
    """Return the newest final start-up of each device that has one, with its phases as on the wire."""
    other = startups.alias()
    newest = (
        select(func.max(other.c.started_at))
        .where(other.c.device == devices.c.id, other.c.final.is_(True))
        .scalar_subquery()
    )
    query = (
        select(
            devices.c.device_id,
            startups.c.kind,
            startups.c.quality,
            startups.c.total_seconds,
            startups.c.usable_seconds,
            startups.c.phases,
        )
        .join(startups, startups.c.device == devices.c.id)
        .where(devices.c.id.in_(ids), startups.c.final.is_(True), startups.c.started_at == newest)
        .order_by(devices.c.id, startups.c.start_id)
    )
    return connection.execute(query).all()


def read_probe_states(connection: Connection, ids: Sequence[int]) -> Sequence[Any]:
    """Return (device_id, probe, status) of every probe of the devices."""
    query = (
        select(devices.c.device_id, probe_status.c.probe, probe_status.c.status)
        .join(probe_status, probe_status.c.device == devices.c.id)
        .where(devices.c.id.in_(ids))
        .order_by(devices.c.id, probe_status.c.probe)
    )
    return connection.execute(query).all()


def read_energy_counters(connection: Connection, ids: Sequence[int]) -> Sequence[Any]:
    """Return (device_id, scope, quality, counter_end_joules) of each device's newest stored half-hour or day per scope.

    One query per scope and table: each then is a seek in the key (device, scope, start), whatever the history holds.
    """
    newest: dict[tuple[str, str], Any] = {}
    for scope in SCOPES:
        for table, start in ((energy_periods, "start"), (energy_days, "day")):
            for row in connection.execute(_newest_energy(table, start, scope, ids)):
                held = newest.get((row.device_id, scope))
                if held is None or row.counter_end_joules > held.counter_end_joules:
                    newest[row.device_id, scope] = row
    return list(newest.values())


def _newest_energy(table: Table, start: str, scope: str, ids: Sequence[int]) -> Select[Any]:
    other = table.alias()
    newest = (
        select(func.max(other.c[start]))
        .where(other.c.device == devices.c.id, other.c.scope == literal(scope))
        .scalar_subquery()
    )
    return (
        select(devices.c.device_id, table.c.scope, table.c.quality, table.c.counter_end_joules)
        .join(table, table.c.device == devices.c.id)
        .where(devices.c.id.in_(ids), table.c.scope == literal(scope), table.c[start] == newest)
        .order_by(devices.c.id)
    )


def read_counters(connection: Connection) -> Sequence[Any]:
    """Return the counts that survive a restart: rows of name, label and value."""
    return connection.execute(
        select(counters.c.name, counters.c.label, counters.c.value).order_by(
            counters.c.name, counters.c.label
        )
    ).all()


def read_jobs(connection: Connection) -> Sequence[Any]:
    """Return what each job last wrote about itself."""
    return connection.execute(select(jobs).order_by(jobs.c.name)).all()


def count_quarantined(connection: Connection) -> int:
    """Return how many refused items are kept."""
    return connection.scalar(select(func.count()).select_from(quarantine)) or 0


def count_dirty(connection: Connection) -> int:
    """Return how many device days wait to be rolled up."""
    return connection.scalar(select(func.count()).select_from(dirty)) or 0
