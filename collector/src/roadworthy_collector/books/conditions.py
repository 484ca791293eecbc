"""What is known of devices in service, as the rating needs it, read in pieces from the facts and the register.

Start-ups and sign-ins: finished ones of known length of the last 28 days, without wake-ups, first ever and updates; the
baseline is the same of the 28 days before. Percentiles by nearest rank. What is not known is None.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, case, func, select

from roadworthy_collector.books import polled
from roadworthy_collector.books.imported import (
    Entries,
    Scores,
    Supports,
    beside_an_agent,
    date_of,
    support_fields,
)
from roadworthy_collector.books.warranties import Cover, later, latest
from roadworthy_collector.store.books_schema import mdm_devices, reconciled, register_devices, register_items
from roadworthy_collector.store.queries.jobs import DAY_SECONDS
from roadworthy_collector.store.schema import (
    batteries,
    devices,
    disks,
    probe_status,
    signins,
    sites,
    startups,
    units,
)
from roadworthy_inventory.lifecycle import System
from roadworthy_inventory.rating import DeviceCondition

SPAN_DAYS = 28
# A baseline of fewer says nothing; the rules ask the same of the newer figures.
FEWEST = 5
# Not waited for by anybody as a start-up is, or longer for a good reason.
_NOT_COUNTED = ("resume", "first", "update", "container")
_UNCLEAN = "dirty"


class Known(NamedTuple):
    """A device's condition, and where it belongs."""

    id: int
    condition: DeviceCondition
    site: str
    site_id: int
    unit: str
    unit_id: int
    model: str | None
    restricted: bool


def system_of(told: Mapping[str, Any] | None, name: str | None, version: str | None) -> System:
    """Return the operating system of facts on the wire, else of a name and a version."""
    if not told:
        return System(name=name, version=version)
    fields = ("name", "version", "build", "edition", "installation_type", "long_term")
    return System(os_id=told.get("id") or told.get("family"), **{field: told.get(field) for field in fields})


def _device_query(after: int, limit: int) -> Select[Any]:
    columns = (
        *("id", "device_id", "enrolled_at", "last_report_at", "model", "device_class", "environment"),
        *("system_medium", "usage_profile", "os_name", "os_version", "site", "unit", "serial", "asset_tag"),
    )
    return (
        select(
            *(devices.c[name] for name in columns),
            devices.c.facts["os"].label("os"),
            devices.c.facts["hardware"].label("hardware"),
            sites.c.name.label("site_name"),
            sites.c.restricted,
            units.c.name.label("unit_name"),
        )
        .join_from(devices, sites, sites.c.id == devices.c.site)
        .join(units, units.c.id == devices.c.unit)
        .where(devices.c.retired_at.is_(None), devices.c.id > after)
        .order_by(devices.c.id)
        .limit(limit)
    )


class _Facts(NamedTuple):
    """What the other tables say of a piece of devices, by row id."""

    startups: Mapping[int, Lengths]
    signins: Mapping[int, Lengths]
    probes: Mapping[int, str]
    worn: Mapping[int, dict[str, Any]]
    items: Mapping[int, Any]
    imported: Mapping[int, dict[str, Any]]
    covers: Mapping[str, Cover]
    family: Mapping[int, float]
    polled: Mapping[int, dict[str, Any]]


def read(
    connection: Connection,
    now: float,
    supports: Supports,
    entries: Entries,
    scores: Scores,
    *,
    family: Mapping[int, float] | None = None,
    after: int = 0,
    limit: int = 500,
) -> list[Known]:
    """Return what is known of the next `limit` devices in service after row id `after`.

    `family`: {device: its power over the median of its model}, where that is known.
    """
    rows = connection.execute(_device_query(after, limit)).all()
    if not rows:
        return []
    first, last = rows[0].id, rows[-1].id
    facts = _Facts(
        _startups(connection, first, last, now),
        _signins(connection, first, last, now),
        _told(connection, first, last),
        _worn(connection, first, last),
        _items(connection, first, last),
        _imported(connection, first, last, scores),
        latest(connection, (row.serial for row in rows)),
        family or {},
        polled.read(connection, [row for row in rows if row.device_class in polled.RATED]),
    )
    return [_known(row, facts, supports, entries) for row in rows]


def _known(row: Any, facts: _Facts, supports: Supports, entries: Entries) -> Known:
    item, startups_of = facts.items.get(row.id), facts.startups.get(row.id)
    names = (row.device_id, row.serial, row.asset_tag, None if item is None else item.tag)
    support = supports.of(system_of(row.os, row.os_name, row.os_version), names, row.unit)
    condition = DeviceCondition(
        device=row.device_id,
        usage_profile=_first_known(None if item is None else item.usage_profile, row.usage_profile),
        device_class=row.device_class,
        environment=row.environment,
        **_figures("startup", startups_of or _NO_LENGTHS),
        **_figures("signin", facts.signins.get(row.id, _NO_LENGTHS)),
        unexpected_shutdowns_count=_unclean(startups_of, facts.probes.get(row.id) == "ok"),
        **support_fields(support),
        warranty_end=_warranty_end(row, item, facts.covers),
        **facts.worn.get(row.id, {}),
        system_medium=row.system_medium,
        power_against_family_ratio=facts.family.get(row.id),
        first_report=_day(row.enrolled_at),
        last_report=_day(row.last_report_at),
        **facts.imported.get(row.id, {}),
        **facts.polled.get(row.id, {}),
        exceptions=(*entries.devices.get(row.id, ()), *(entries.items.get(item.id, ()) if item else ())),
    )
    return Known(
        *(row.id, condition, row.site_name, row.site, row.unit_name, row.unit, row.model),
        bool(row.restricted),
    )


def _warranty_end(row: Any, item: Any, covers: Mapping[str, Cover]) -> dt.date | None:
    """Return the later of what the register and an imported list of warranties say."""
    cover = later(date_of(None if item is None else item.warranty_end), row.serial, covers)
    return None if cover is None else cover.ends


class Lengths(NamedTuple):
    """A device's lengths now and before, and how many start-ups of the span followed an unclean stop."""

    now: list[float]
    before: list[float]
    seen: int = 0
    unclean: int = 0


_NO_LENGTHS = Lengths([], [])


def _startups(connection: Connection, first: int, last: int, now: float) -> dict[int, Lengths]:
    begin, middle = now - 2 * SPAN_DAYS * DAY_SECONDS, now - SPAN_DAYS * DAY_SECONDS
    query = select(startups.c.device, startups.c.started_at, startups.c.kind, startups.c.total_seconds).where(
        startups.c.device.between(first, last), startups.c.started_at >= begin, startups.c.final.is_(True)
    )
    held: defaultdict[int, list[Any]] = defaultdict(lambda: [[], [], 0, 0])
    for device, at, kind, seconds in connection.execute(query):
        of = held[device]
        if at >= middle:
            of[2] += 1
            of[3] += kind == _UNCLEAN
        if seconds is not None and kind not in _NOT_COUNTED:
            of[0 if at >= middle else 1].append(seconds)
    return {device: Lengths(*of) for device, of in held.items()}


def _signins(connection: Connection, first: int, last: int, now: float) -> dict[int, Lengths]:
    """Return the lengths of sign-ins by their days; the first of somebody on a device makes a profile, and is left out."""
    begin = int(now) - 2 * SPAN_DAYS * DAY_SECONDS
    middle = int(now) - SPAN_DAYS * DAY_SECONDS
    query = select(
        signins.c.device,
        signins.c.day,
        signins.c.total_seconds,
        signins.c.record["first_on_device"].as_boolean().label("first"),
    ).where(
        signins.c.device.between(first, last),
        signins.c.day >= begin,
        signins.c.final.is_(True),
        signins.c.total_seconds.is_not(None),
    )
    held: defaultdict[int, Lengths] = defaultdict(lambda: Lengths([], []))
    for device, day, seconds, newcomer in connection.execute(query):
        if not newcomer:
            (held[device].now if day >= middle else held[device].before).append(seconds)
    return held


def _figures(name: str, lengths: Lengths) -> dict[str, Any]:
    return {
        f"{name}_p50_seconds": ranked(lengths.now, 50),
        f"{name}_p90_seconds": ranked(lengths.now, 90),
        f"{name}_baseline_p50_seconds": ranked(lengths.before, 50) if len(lengths.before) >= FEWEST else None,
        f"{name}_count": len(lengths.now),
    }


def ranked(values: Iterable[float], percent: int) -> float | None:
    """Return the value that so many percent are not above (nearest rank), None of none."""
    ordered = sorted(values)
    return ordered[(len(ordered) * percent + 99) // 100 - 1] if ordered else None


def _unclean(lengths: Lengths | None, told: bool) -> int | None:  # noqa: FBT001 - a fact of the row
    """Return how many start-ups followed an unclean stop; none at all is known where the probe works or one was seen."""
    if lengths is not None and lengths.seen:
        return lengths.unclean
    return 0 if told else None


def _told(connection: Connection, first: int, last: int) -> dict[int, str]:
    query = select(probe_status.c.device, probe_status.c.status).where(
        probe_status.c.device.between(first, last), probe_status.c.probe == "startup"
    )
    return {row.device: row.status for row in connection.execute(query)}


def _worn(connection: Connection, first: int, last: int) -> dict[int, dict[str, Any]]:
    """Return of each device its worst disk and its worst battery."""
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    failing = func.max(case((disks.c.failing.is_(True), 1), (disks.c.failing.is_(False), 0)))
    query = (
        select(disks.c.device, func.max(disks.c.wear_ratio).label("wear"), failing.label("failing"))
        .where(disks.c.device.between(first, last), disks.c.medium != "virtual")
        .group_by(disks.c.device)
    )
    for row in connection.execute(query):
        found[row.device] |= {
            "disk_wear_ratio": row.wear,
            "disk_failing": None if row.failing is None else bool(row.failing),
        }
    worst = (
        select(
            batteries.c.device,
            func.min(batteries.c.health_ratio).label("health"),
            func.max(batteries.c.cycles).label("cycles"),
        )
        .where(batteries.c.device.between(first, last))
        .group_by(batteries.c.device)
    )
    for row in connection.execute(worst):
        found[row.device] |= {"battery_health_ratio": row.health, "battery_cycles": row.cycles}
    return found


def _items(connection: Connection, first: int, last: int) -> dict[int, Any]:
    """Return the register item of each device, as linked now."""
    query = (
        select(
            register_devices.c.device,
            register_items.c.id,
            register_items.c.tag,
            register_items.c.usage_profile,
            register_items.c.warranty_end,
        )
        .join(register_items, register_items.c.id == register_devices.c.item)
        .where(register_devices.c.device.between(first, last), register_devices.c.valid_to.is_(None))
        .order_by(register_devices.c.valid_from)
    )
    return {row.device: row for row in connection.execute(query)}


def _imported(connection: Connection, first: int, last: int, scores: Scores) -> dict[int, dict[str, Any]]:
    """Return what another tool says of devices, by where reconciliation put them or by their serial numbers."""
    if scores.on is None:
        return {}
    query = (
        select(devices.c.id, devices.c.serial, mdm_devices.c.mdm_id)
        .outerjoin(reconciled, and_(reconciled.c.device == devices.c.id, reconciled.c.place != "review"))
        .outerjoin(mdm_devices, mdm_devices.c.id == reconciled.c.mdm)
        .where(devices.c.id.between(first, last))
        .order_by(reconciled.c.run)
    )
    return {row.id: beside_an_agent(scores.of(row.mdm_id, row.serial)) for row in connection.execute(query)}


def _first_known(*words: str | None) -> str:
    return next((word for word in words if word and word != "unknown"), "unknown")


def _day(epoch: int | None) -> dt.date | None:
    return None if epoch is None else dt.datetime.fromtimestamp(epoch, dt.UTC).date()
