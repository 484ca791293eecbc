"""What people and scripts are shown of polled devices."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import devices, sites, units
from roadworthy_collector.store.snmp_schema import snmp_targets


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
