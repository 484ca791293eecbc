"""What people and scripts are shown of polled devices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, case, func, select
from sqlalchemy.orm import aliased

from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.snmp import refused_feeds
from roadworthy_collector.snmp.readings import UNITS
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.queries.states import MISSING_INTERVALS
from roadworthy_collector.store.schema import days, device_now, devices, local_days, sites, units
from roadworthy_collector.store.snmp_schema import snmp_targets
from roadworthy_inventory.calendar import local_date, utc_day
from roadworthy_inventory.device_class import ASKED

_AT_ONCE = 500
_UNTOLD = ("restricted", "before_device", "refused")
# What is kept of a target that is no device yet: the site its file names.
BEFORE_DEVICE = case((snmp_targets.c.device.is_(None), snmp_targets.c.state)).label("before_device")


def restricted_sites(connection: Connection) -> frozenset[str]:
    """Return the names of the sites that are restricted."""
    return frozenset(connection.scalars(select(sites.c.name).where(sites.c.restricted.is_(True))))


def is_restricted(target: Any, names: frozenset[str]) -> bool:
    """Whether a target stands at a restricted site: as a device, or before it is one by its file (`BEFORE_DEVICE`)."""
    if target.restricted is not None:
        return bool(target.restricted)
    return (target.before_device or {}).get("site") in names


def list_targets(
    connection: Connection, *, failing: bool = False, scope: Scope = EVERYTHING, restricted: bool = True
) -> list[dict[str, Any]]:
    """Return one dict a target that is polled, by name; with `failing` those that did not answer last.

    `feeds_refused` says in words which statements of the targets file of what hangs there are not made.

    Of a `scope` only those that are devices within it; those at restricted sites with `restricted` only.
    """
    target = snmp_targets.c
    query = (
        select(
            *(target.name, target.host, target.protocol, target.kind, target.profile, target.outcome),
            *(target.reason, target.failures, target.polls, target.successes, target.duration_seconds),
            *(target.readings, target.polled_at, target.succeeded_at, target.refused),
            devices.c.device_id,
            sites.c.name.label("site"),
            units.c.name.label("unit"),
            sites.c.restricted,
            BEFORE_DEVICE,
        )
        .outerjoin(devices, devices.c.id == target.device)
        .outerjoin(sites, sites.c.id == devices.c.site)
        .outerjoin(units, units.c.id == devices.c.unit)
        .where(target.removed.is_(False))
        .order_by(target.name)
    )
    if failing:
        query = query.where(target.failures > 0)
    if scope is not None:
        query = query.where(devices.c.unit.in_(sorted(scope)))
    hidden = frozenset() if restricted else restricted_sites(connection)
    return [
        {name: value for name, value in row._asdict().items() if name not in _UNTOLD}
        | {"feeds_refused": refused_feeds.text(row.refused)}
        for row in connection.execute(query)
        if restricted or not is_restricted(row, hidden)
    ]


def read_readings(
    connection: Connection, device_id: str, *, scope: Scope = EVERYTHING, restricted: bool = True
) -> dict[str, Any]:
    """Return what a polled device told last: when, its readings, what needs somebody, and what was refused and why.

    NotFoundError for a device that is not polled, or not within the `scope`.
    """
    query = (
        select(
            *(devices.c.id, devices.c.device_id, devices.c.hostname, devices.c.device_class, devices.c.model),
            *(device_now.c.at, device_now.c.now, sites.c.restricted),
        )
        .join(sites, sites.c.id == devices.c.site)
        .outerjoin(device_now, device_now.c.device == devices.c.id)
        .where(devices.c.device_id == device_id, devices.c.device_class.in_((*ASKED, "server", "other")))
    )
    if scope is not None:
        query = query.where(devices.c.unit.in_(sorted(scope)))
    row = connection.execute(query).first()
    if row is None or (row.restricted and not restricted):
        raise NotFoundError(f"{device_id}: no device of that id is polled")
    refused = connection.scalar(select(snmp_targets.c.refused).where(snmp_targets.c.device == row.id))
    now = row.now or {}
    return {
        "device_id": row.device_id,
        "name": row.hostname,
        "device_class": row.device_class,
        "model": row.model,
        "at": row.at,
        "readings": [_with_unit(one) for one in now.get("readings", [])],
        "flags": now.get("flags") or {},
        "refused": refused or [],
    }


def target_of(connection: Connection, device: int) -> dict[str, Any] | None:
    """Return how a device is polled and what was refused of its last answer; None where another collector polls it."""
    query = select(snmp_targets).where(snmp_targets.c.device == device).order_by(snmp_targets.c.removed)
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def _with_unit(one: dict[str, Any]) -> dict[str, Any]:
    told = {"index": "", "value": None, "text": None, "label": None, "relative_error": None} | one
    return told | {"unit": UNITS.get(one["kind"], "")}


class Unit(NamedTuple):
    """A polled device as the page of power shows it; None where it does not tell. Ratios from 0 to 1."""

    device_id: str
    name: str
    device_class: str
    model: str | None
    site: str
    at: int | None
    fresh: bool
    watts: float | None
    quality: str | None
    load: float | None
    charge: float | None
    runtime_seconds: float | None
    pages: float | None
    lowest_supply: tuple[float, str] | None
    states: tuple[str, ...]
    flags: tuple[str, ...]
    joules: int | None  # of the last whole local day
    outcome: str | None  # of the last poll, None where another collector polls it
    reason: str | None


def list_units(
    connection: Connection,
    *,
    now: float,
    zone: str,
    interval_seconds: int,
    scope: Scope = EVERYTHING,
    restricted: bool = True,
    classes: Sequence[str] = ASKED,
    most: int | None = None,
) -> list[Unit]:
    """Return the polled devices in service of some classes, by class and name, with what they told last.

    With `most` the first so many; `count_units` says how many there are.
    """
    target = aliased(snmp_targets)
    query = (
        select(
            *(devices.c.id, devices.c.device_id, devices.c.hostname, devices.c.device_class, devices.c.model),
            *(devices.c.next_call_seconds, device_now.c.at, device_now.c.now, sites.c.name.label("site")),
            *(target.c.outcome, target.c.reason),
        )
        .join(sites, sites.c.id == devices.c.site)
        .outerjoin(device_now, device_now.c.device == devices.c.id)
        .outerjoin(target, (target.c.device == devices.c.id) & target.c.removed.is_(False))
        .where(devices.c.device_class.in_(classes), devices.c.retired_at.is_(None), *_seen(scope, restricted))
        .order_by(devices.c.device_class, devices.c.hostname, devices.c.id)
        .limit(most)
    )
    rows = connection.execute(query).all()
    day = local_date(now, zone) - dt.timedelta(days=1)
    drawn = wall_joules(connection, [row.id for row in rows], day, zone)
    return [_unit(row, now, interval_seconds, drawn.get(row.id)) for row in rows]


def count_units(
    connection: Connection, *, scope: Scope = EVERYTHING, restricted: bool = True
) -> dict[str, int]:
    """Return {class: polled devices in service} of the classes there are."""
    query = (
        select(devices.c.device_class, func.count())
        .join(sites, sites.c.id == devices.c.site)
        .where(devices.c.device_class.in_(ASKED), devices.c.retired_at.is_(None), *_seen(scope, restricted))
        .group_by(devices.c.device_class)
        .order_by(devices.c.device_class)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _seen(scope: Scope, restricted: bool) -> list[ColumnElement[bool]]:  # noqa: FBT001 - as list_units has it
    """Return the conditions for devices of a scope, at restricted sites with `restricted` only."""
    found: list[ColumnElement[bool]] = []
    if scope is not None:
        found.append(devices.c.unit.in_(sorted(scope)))
    if not restricted:
        found.append(sites.c.restricted.is_(False))
    return found


def wall_joules(connection: Connection, ids: Sequence[int], day: dt.date, zone: str) -> dict[int, int]:
    """Return {device row id: joules at the wall} of a local day, of the devices that told any."""
    if local_totals.is_utc_day(day, zone):
        key = days.c.device
        query = select(key.label("device"), days.c.joules).where(days.c.day == utc_day(day).start)
    else:
        key = local_days.c.device
        query = select(key.label("device"), local_days.c.joules).where(local_days.c.date == day.isoformat())
    found = {}
    for place in range(0, len(ids), _AT_ONCE):
        for row in connection.execute(query.where(key.in_(ids[place : place + _AT_ONCE]))):
            if told := (row.joules or {}).get("wall"):
                found[row.device] = sum(told.values())
    return found


def _unit(row: Any, now: float, interval_seconds: int, joules: int | None) -> Unit:
    told = row.now or {}
    readings = told.get("readings", [])
    wall: Mapping[str, Any] = next((one for one in told.get("energy", []) if one.get("scope") == "wall"), {})
    interval = row.next_call_seconds or interval_seconds
    supplies = [(one["value"], one.get("label") or one.get("index", "")) for one in _of(readings, "supply")]
    return Unit(
        device_id=row.device_id,
        name=row.hostname or row.device_id,
        device_class=row.device_class,
        model=row.model,
        site=row.site,
        at=row.at,
        fresh=row.at is not None and now - row.at <= MISSING_INTERVALS * interval,
        watts=wall.get("latest_watts"),
        quality=wall.get("quality"),
        load=_most(_of(readings, "load")),
        charge=_most(_of(readings, "charge")),
        runtime_seconds=_most(_of(readings, "runtime")),
        pages=_most(_of(readings, "page_count")),
        lowest_supply=min(supplies, default=None),
        states=tuple(
            f"{one['name'].replace('_', ' ')}: {one['text']}"
            for one in readings
            if one.get("text") is not None
        ),
        flags=tuple(name for name, up in (told.get("flags") or {}).items() if up),
        joules=joules,
        outcome=row.outcome,
        reason=row.reason,
    )


def _of(readings: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [one for one in readings if one["kind"] == kind and one.get("value") is not None]


def _most(readings: Sequence[Mapping[str, Any]]) -> float | None:
    return max((float(one["value"]) for one in readings), default=None)
