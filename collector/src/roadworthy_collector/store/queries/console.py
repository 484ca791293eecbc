"""What the console's pages ask of the tables about devices.

Start-ups are in `console_startups`, the list of devices in `console_list`.

Restricted sites are counted in totals only: every query that names a device, a model or a site leaves them out.
Everything about devices takes the `scope` of whoever reads, and shows and counts nothing beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    RowMapping,
    Select,
    and_,
    case,
    desc,
    exists,
    func,
    literal,
    select,
)

from roadworthy_collector.store.queries import facts
from roadworthy_collector.store.queries.console_list import visible
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.queries.states import RUNS_AGENT, state_of
from roadworthy_collector.store.schema import (
    device_now,
    devices,
    estate,
    gaps,
    probe_status,
    sites,
    startups,
    units,
    users,
)


def is_simulated(connection: Connection) -> bool:
    """Return whether this database holds a simulated IT estate."""
    value = connection.scalar(select(estate.c.value).where(estate.c.name == "simulated"))
    return str(value).lower() in {"true", "1", "yes"}


def has_users(connection: Connection) -> bool:
    """Return whether anybody can sign in."""
    return bool(connection.scalar(select(exists(select(literal(1)).select_from(users)))))


def _visible() -> ColumnElement[bool]:
    return sites.c.restricted.is_(False)


def _listed() -> Any:
    return (
        devices.join(sites, devices.c.site == sites.c.id)
        .join(units, devices.c.unit == units.c.id)
        .outerjoin(device_now, device_now.c.device == devices.c.id)
    )


def count_states(
    connection: Connection, now: float, interval_seconds: int, scope: Scope = EVERYTHING
) -> dict[str, int]:
    """Return {state: devices} over the whole IT estate, restricted sites included."""
    state = state_of(now, interval_seconds)
    found = dict.fromkeys(("reporting", "late", "missing", "retired"), 0)
    query = select(state, func.count()).where(within(scope)).group_by(state)
    found.update({row[0]: row[1] for row in connection.execute(query)})
    return found


def count_unknowns(connection: Connection, startups_since: float, scope: Scope = EVERYTHING) -> RowMapping:
    """Return how many devices in service have no known model, serial, class, operating system, site and so on."""

    def counted(condition: ColumnElement[bool], name: str) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0).label(name)

    started = exists(
        select(literal(1)).where(startups.c.device == devices.c.id, startups.c.started_at >= startups_since)
    )
    return (
        connection.execute(
            select(
                func.count().label("devices"),
                counted(devices.c.last_report_at.is_(None), "never_reported"),
                counted(devices.c.model.is_(None), "model"),
                counted(and_(devices.c.serial.is_(None), devices.c.asset_tag.is_(None)), "identity"),
                counted(devices.c.device_class == "unknown", "device_class"),
                counted(and_(RUNS_AGENT, devices.c.os_name.is_(None)), "os"),
                counted(and_(RUNS_AGENT, devices.c.system_medium == "unknown"), "system_medium"),
                counted(sites.c.name == "unassigned", "site"),
                counted(and_(RUNS_AGENT, ~started), "startup"),
                counted(~RUNS_AGENT, "agent"),
            )
            .select_from(devices.join(sites, devices.c.site == sites.c.id))
            .where(devices.c.retired_at.is_(None), within(scope))
        )
        .mappings()
        .one()
    )


def count_probes(connection: Connection, scope: Scope = EVERYTHING) -> Sequence[Row[Any]]:
    """Return (probe, status, devices) over all devices in service."""
    return connection.execute(
        select(probe_status.c.probe, probe_status.c.status, func.count().label("devices"))
        .select_from(probe_status.join(devices, devices.c.id == probe_status.c.device))
        .where(devices.c.retired_at.is_(None), within(scope))
        .group_by(probe_status.c.probe, probe_status.c.status)
    ).all()


def top_reasons(connection: Connection, limit: int = 60, scope: Scope = EVERYTHING) -> Sequence[Row[Any]]:
    """Return (probe, status, reason, devices), the commonest first, for all that is not ok."""
    number = func.count().label("devices")
    return connection.execute(
        select(probe_status.c.probe, probe_status.c.status, probe_status.c.reason, number)
        .select_from(probe_status.join(devices, devices.c.id == probe_status.c.device))
        .where(
            devices.c.retired_at.is_(None),
            probe_status.c.status != "ok",
            probe_status.c.reason.is_not(None),
            within(scope),
        )
        .group_by(probe_status.c.probe, probe_status.c.status, probe_status.c.reason)
        .order_by(desc(number), probe_status.c.reason)
        .limit(limit)
    ).all()


def latest_reports(connection: Connection, limit: int = 8, scope: Scope = EVERYTHING) -> Sequence[Row[Any]]:
    """Return the devices with an agent that reported last, with what they said; polls would crowd them out."""
    newest = (desc(devices.c.last_report_at), devices.c.id)
    # First which they are, out of the index alone: joined at once, every device's row would be read.
    wanted = connection.scalars(
        select(devices.c.id)
        .where(
            *visible(connection, scope),
            RUNS_AGENT,
            devices.c.retired_at.is_(None),
            devices.c.last_report_at.is_not(None),
        )
        .order_by(*newest)
        .limit(limit)
    ).all()
    query: Select[Any] = (
        select(devices.c.id, devices.c.device_id, devices.c.hostname, devices.c.last_report_at,
               sites.c.name.label("site_name"), device_now.c.at, device_now.c.uptime_seconds,
               device_now.c.cpu_ratio, device_now.c.memory_ratio)
        .select_from(_listed())
        .where(devices.c.id.in_(wanted))
        .order_by(*newest)
    )  # fmt: skip
    return connection.execute(query).all()


def use_now(
    connection: Connection, now: float, interval_seconds: int, column: str, scope: Scope = EVERYTHING
) -> dict[str, Any]:
    """Return how `cpu_ratio` or `memory_ratio` of devices that are not missing is spread at their latest reports.

    {n, median, p90, bands}: ranks are nearest rank; `bands` counts devices per tenth of the ratio.
    """
    ratio = device_now.c[column]
    fresh = (
        select(
            ratio.label("ratio"),
            func.row_number().over(order_by=ratio).label("rank"),
            func.count().over().label("n"),
        )
        .select_from(device_now.join(devices, devices.c.id == device_now.c.device))
        .where(ratio.is_not(None), within(scope), state_of(now, interval_seconds).in_(("reporting", "late")))
        .subquery()
    )
    ranks = connection.execute(
        select(
            func.max(fresh.c.n),
            func.max(case((fresh.c.rank == nearest_rank(fresh.c.n, 50), fresh.c.ratio))),
            func.max(case((fresh.c.rank == nearest_rank(fresh.c.n, 90), fresh.c.ratio))),
        )
    ).one()
    band = case(*((fresh.c.ratio < (tenth + 1) / 10, tenth) for tenth in range(9)), else_=9)
    bands = dict.fromkeys(range(10), 0)
    bands.update({row[0]: row[1] for row in connection.execute(select(band, func.count()).group_by(band))})
    return {"n": ranks[0] or 0, "median": ranks[1], "p90": ranks[2], "bands": list(bands.values())}


def nearest_rank(size: ColumnElement[int], percent: int) -> ColumnElement[int]:
    """Return the nearest rank of a percentile among `size` values, counted from one."""
    return (size * percent + 99) // 100


def choices(connection: Connection, scope: Scope = EVERYTHING) -> dict[str, list[str]]:
    """Return what the device list can be narrowed to: sites, classes and models that occur."""
    lists = {}
    for name, column in (
        ("site", sites.c.name),
        ("class", devices.c.device_class),
        ("model", devices.c.model),
    ):
        found = connection.execute(
            select(column)
            .select_from(devices.join(sites, devices.c.site == sites.c.id))
            .where(_visible(), within(scope), column.is_not(None))
            .distinct()
            .order_by(column)
            .limit(500)
        )
        lists[name] = [str(row[0]) for row in found]
    return lists


def some_at_a_glance(
    connection: Connection,
    now: float,
    interval_seconds: int,
    startups_since: float,
    *,
    after: int,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return devices whose row ids follow `after` with what is counted of them at a glance.

    Rows of id, unit, site, restricted, device_class, model, state, cpu_ratio, memory_ratio and, for everything
    `count_unknowns` counts, no_<name>.
    """
    started = exists(
        select(literal(1)).where(startups.c.device == devices.c.id, startups.c.started_at >= startups_since)
    )
    unknowns = {
        "never_reported": devices.c.last_report_at.is_(None),
        "model": devices.c.model.is_(None),
        "identity": and_(devices.c.serial.is_(None), devices.c.asset_tag.is_(None)),
        "device_class": devices.c.device_class == "unknown",
        "os": and_(RUNS_AGENT, devices.c.os_name.is_(None)),
        "system_medium": and_(RUNS_AGENT, devices.c.system_medium == "unknown"),
        "site": sites.c.name == "unassigned",
        "startup": and_(RUNS_AGENT, ~started),
        "agent": ~RUNS_AGENT,
    }
    query = (
        select(
            devices.c.id,
            devices.c.unit,
            sites.c.name.label("site"),
            sites.c.restricted,
            devices.c.device_class,
            devices.c.model,
            state_of(now, interval_seconds).label("state"),
            device_now.c.cpu_ratio,
            device_now.c.memory_ratio,
            *(condition.label(f"no_{name}") for name, condition in unknowns.items()),
        )
        .join_from(devices, sites, devices.c.site == sites.c.id)
        .outerjoin(device_now, device_now.c.device == devices.c.id)
        .where(devices.c.id > after)
        .order_by(devices.c.id)
        .limit(limit)
    )
    return connection.execute(query).all()


def probes_between(
    connection: Connection, first: int, last: int
) -> dict[int, list[tuple[str, str, str | None]]]:
    """Return {device: [(probe, status, reason)]} of the devices whose row ids are `first` to `last`."""
    query = select(
        probe_status.c.device, probe_status.c.probe, probe_status.c.status, probe_status.c.reason
    ).where(probe_status.c.device.between(first, last))
    found: dict[int, list[tuple[str, str, str | None]]] = {}
    for device, *told in connection.execute(query):
        found.setdefault(device, []).append((told[0], told[1], told[2]))
    return found


def count_restricted(connection: Connection, scope: Scope = EVERYTHING) -> int:
    """Return how many devices stand at restricted sites: what a list says it leaves out."""
    joined = devices.join(sites, devices.c.site == sites.c.id)
    query = select(func.count()).select_from(joined).where(sites.c.restricted.is_(True), within(scope))
    return connection.scalar(query) or 0


def find_device(
    connection: Connection, device_id: str, now: float, interval_seconds: int, scope: Scope = EVERYTHING
) -> Row[Any] | None:
    """Return one device with its site, unit, state and latest word.

    None if it is unknown, at a restricted site or not within `scope`.
    """
    return connection.execute(
        select(
            devices,
            sites.c.name.label("site_name"),
            sites.c.kind.label("site_kind"),
            units.c.name.label("unit_name"),
            state_of(now, interval_seconds).label("state"),
            device_now.c.at,
            device_now.c.start.label("now_start"),
            device_now.c.observed_seconds.label("now_observed_seconds"),
            device_now.c.uptime_seconds,
            device_now.c.cpu_ratio,
            device_now.c.memory_ratio,
            device_now.c.now,
        )
        .select_from(_listed())
        .where(devices.c.device_id == device_id, _visible(), within(scope))
    ).one_or_none()


def probes_of(connection: Connection, device: int) -> Sequence[Row[Any]]:
    """Return every probe's latest status of one device."""
    return connection.execute(select(probe_status).where(probe_status.c.device == device)).all()


def periods_of(connection: Connection, device: int, since: int) -> Sequence[Any]:
    """Return one device's half-hours from `since` on, oldest first: rows as `facts.Period`."""
    return facts.periods(connection, device, since)


def gaps_of(connection: Connection, device: int, limit: int = 20) -> Sequence[Row[Any]]:
    """Return the latest gaps of one device, newest first."""
    return connection.execute(
        select(gaps).where(gaps.c.device == device).order_by(desc(gaps.c.begin)).limit(limit)
    ).all()
