"""What the metrics ask of the tables: grouped counts for the roll-ups, rows for the device detail, own health.

Restricted sites are absent by name: the roll-ups by site, unit, model and operating system leave their devices
out, and so does the device detail; totals over closed vocabularies (state, class, probe status) count them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from roadworthy_collector.store.queries.states import state_of
from roadworthy_collector.store.schema import (
    counters,
    device_now,
    devices,
    dirty,
    estate,
    histograms,
    jobs,
    probe_status,
    quarantine,
    sites,
    snapshots,
    units,
)

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


def read_backlog(connection: Connection) -> tuple[int, int | None]:
    """Return how many device days wait to be rolled up, and the midnight of the oldest; None if none waits."""
    count, oldest = connection.execute(select(func.count(), func.min(dirty.c.day))).one()
    return count, oldest
