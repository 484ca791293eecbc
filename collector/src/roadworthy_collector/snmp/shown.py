"""What people and scripts are shown of polled devices."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.snmp.readings import UNITS
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import device_now, devices, sites, units
from roadworthy_collector.store.snmp_schema import snmp_targets
from roadworthy_inventory.device_class import ASKED


def list_targets(
    connection: Connection, *, failing: bool = False, scope: Scope = EVERYTHING, restricted: bool = True
) -> list[dict[str, Any]]:
    """Return one dict a target that is polled, by name; with `failing` those that did not answer last.

    Of a `scope` only those that are devices within it; those at restricted sites with `restricted` only.
    """
    target = snmp_targets.c
    query = (
        select(
            *(target.name, target.host, target.protocol, target.kind, target.profile, target.outcome),
            *(target.reason, target.failures, target.polls, target.successes, target.duration_seconds),
            *(target.readings, target.polled_at, target.succeeded_at),
            devices.c.device_id,
            sites.c.name.label("site"),
            units.c.name.label("unit"),
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
    if not restricted:
        query = query.where(sites.c.restricted.is_not(True))
    return [dict(row) for row in connection.execute(query).mappings()]


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


def _with_unit(one: dict[str, Any]) -> dict[str, Any]:
    told = {"index": "", "value": None, "text": None, "label": None, "relative_error": None} | one
    return told | {"unit": UNITS.get(one["kind"], "")}
