"""What the device detail reads: which devices are to be shown, and of some of them what is known now.

Rows are plain tuples from the driver, in blocks: of 100,000 devices SQLAlchemy's own rows cost as much again as
reading does (bench/scrape.py). No column here needs a conversion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    TableValuedAlias,
    Text,
    bindparam,
    cast,
    column,
    func,
    or_,
    select,
)

from roadworthy_collector.store.queries.metrics import OS_LABEL
from roadworthy_collector.store.schema import (
    batteries,
    device_now,
    devices,
    disks,
    energy_counters,
    probe_status,
    sites,
    startups,
    units,
)

Rows = Iterator[tuple[Any, ...]]
_BLOCK = 2000


def list_standing(connection: Connection) -> Rows:
    """Yield of every device that may be shown while it is heard what changes whenever anything of it does.

    Tuples of id, device_id, site, unit, last_report_at, next_call_seconds, facts_at, facts_sent_at, latest_sent_at,
    probes_sent_at. Retired devices, those never heard and those of restricted sites are left out.
    """
    query = (
        select(
            devices.c.id,
            devices.c.device_id,
            devices.c.site,
            devices.c.unit,
            devices.c.last_report_at,
            devices.c.next_call_seconds,
            devices.c.facts_at,
            devices.c.facts_sent_at,
            devices.c.latest_sent_at,
            devices.c.probes_sent_at,
        )
        .join(sites, devices.c.site == sites.c.id)
        .where(
            devices.c.retired_at.is_(None),
            devices.c.last_report_at.is_not(None),
            sites.c.restricted.is_(False),
        )
    )
    yield from _tuples(connection, query)


def read_places(connection: Connection) -> tuple[dict[int, str], dict[int, str]]:
    """Return the names of all sites and of all units by their ids."""
    return (
        dict(_tuples(connection, select(sites.c.id, sites.c.name))),
        dict(_tuples(connection, select(units.c.id, units.c.name))),
    )


def count_in_service(connection: Connection) -> int:
    """Return how many devices are not retired."""
    return (
        connection.scalar(select(func.count()).select_from(devices).where(devices.c.retired_at.is_(None)))
        or 0
    )


def read_descriptions(connection: Connection, ids: Sequence[int]) -> Rows:
    """Yield (device, model, os, class, environment)."""
    query = select(
        devices.c.id, devices.c.model, OS_LABEL, devices.c.device_class, devices.c.environment
    ).where(_among(connection, devices.c.id))
    yield from _tuples(connection, query, ids)


def read_now(connection: Connection, ids: Sequence[int]) -> Rows:
    """Yield (device, uptime_seconds, cpu_ratio, memory_ratio, now, newest, second) of each of `ids`.

    `now` is the open half-hour as JSON text. `newest` and `second` are when the device's two newest start-ups began,
    final or not: that takes an index, reading the start-ups themselves three times as long.
    """
    listed = _listed(connection)
    begun = (
        select(startups.c.started_at)
        .where(startups.c.device == listed.c.value)
        .order_by(startups.c.started_at.desc())
        .limit(1)
    )
    # Not from `devices`: with the facts in them its rows fill a page each, and reading them takes longer than all else.
    query = select(
        listed.c.value,
        device_now.c.uptime_seconds,
        device_now.c.cpu_ratio,
        device_now.c.memory_ratio,
        cast(device_now.c.now, Text),
        begun.scalar_subquery(),
        begun.offset(1).scalar_subquery(),
    ).select_from(listed.outerjoin(device_now, device_now.c.device == listed.c.value))
    yield from _tuples(connection, query, ids)


def read_last_startups(connection: Connection, ids: Sequence[int]) -> Rows:
    """Yield (device, started_at, kind, quality, total_seconds, usable_seconds, phases) of each newest final start-up.

    `phases` as JSON text; of two that began at the same instant the first by its id comes first.
    """
    other = startups.alias()
    newest = (
        select(other.c.started_at)
        .where(other.c.device == startups.c.device, other.c.final.is_(True))
        .order_by(other.c.started_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(
            startups.c.device,
            startups.c.started_at,
            startups.c.kind,
            startups.c.quality,
            startups.c.total_seconds,
            startups.c.usable_seconds,
            cast(startups.c.phases, Text),
        )
        .where(
            _among(connection, startups.c.device), startups.c.final.is_(True), startups.c.started_at == newest
        )
        .order_by(startups.c.device, startups.c.start_id)
    )
    yield from _tuples(connection, query, ids)


def read_energy_counters(connection: Connection, ids: Sequence[int]) -> Rows:
    """Yield (device, scope, quality, counter_end_joules) of each device's newest stored half-hour or day per scope."""
    query = (
        select(
            energy_counters.c.device,
            energy_counters.c.scope,
            energy_counters.c.quality,
            energy_counters.c.counter_end_joules,
        )
        .where(_among(connection, energy_counters.c.device))
        .order_by(energy_counters.c.device, energy_counters.c.scope)
    )
    yield from _tuples(connection, query, ids)


def read_probe_states(connection: Connection, ids: Sequence[int]) -> Rows:
    """Yield (device, probe, status) of every probe of the devices."""
    query = (
        select(probe_status.c.device, probe_status.c.probe, probe_status.c.status)
        .where(_among(connection, probe_status.c.device))
        .order_by(probe_status.c.device, probe_status.c.probe)
    )
    yield from _tuples(connection, query, ids)


def read_batteries(connection: Connection, ids: Sequence[int]) -> Rows:
    """Yield (device, name, health_ratio, cycles) of the devices' batteries."""
    query = (
        select(batteries.c.device, batteries.c.name, batteries.c.health_ratio, batteries.c.cycles)
        .where(_among(connection, batteries.c.device))
        .order_by(batteries.c.device, batteries.c.name)
    )
    yield from _tuples(connection, query, ids)


def read_disks(connection: Connection, ids: Sequence[int]) -> Rows:
    """Yield (device, name, wear_ratio, failing) of the devices' disks that tell either."""
    query = (
        select(disks.c.device, disks.c.name, disks.c.wear_ratio, disks.c.failing)
        .where(
            _among(connection, disks.c.device),
            or_(disks.c.wear_ratio.is_not(None), disks.c.failing.is_not(None)),
        )
        .order_by(disks.c.device, disks.c.name)
    )
    yield from _tuples(connection, query, ids)


def _listed(connection: Connection) -> TableValuedAlias:
    """Return `ids`, all of them in one parameter so that statements are always the same, as a table of `value`."""
    if connection.dialect.name == "postgresql":
        given = func.unnest(bindparam("ids", type_=ARRAY(BigInteger)))
        return given.table_valued(column("value", BigInteger)).render_derived(name="listed")
    return func.json_each(bindparam("ids", type_=Text)).table_valued(
        column("value", BigInteger), name="listed"
    )


def _among(connection: Connection, key: ColumnElement[int]) -> ColumnElement[bool]:
    """Return "`key` is one of `ids`"."""
    return key.in_(select(_listed(connection).c.value))


def _tuples(connection: Connection, query: Select[Any], ids: Sequence[int] | None = None) -> Rows:
    """Yield a query's rows as the driver gives them."""
    values: dict[str, Any] = {}
    if ids is not None:
        values["ids"] = list(ids) if connection.dialect.name == "postgresql" else json.dumps(list(ids))
    with connection.execute(query, values) as result:
        cursor = result.cursor
        while cursor is not None and (rows := cursor.fetchmany(_BLOCK)):
            yield from rows
