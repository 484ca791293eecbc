"""Devices as an administrator handles them: the list, and retirement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.schema import devices, sites, tokens, units


def list_devices(connection: Connection, scope: Scope = EVERYTHING) -> list[dict[str, Any]]:
    """Return one dict a device within `scope`: ids, names, site and unit names, and the epoch seconds of its last report.

    Restricted sites are in it: it is for whoever runs the collector.
    """
    query = (
        select(
            devices.c.device_id,
            devices.c.hostname,
            devices.c.asset_tag,
            devices.c.serial,
            devices.c.device_class,
            sites.c.name.label("site"),
            units.c.name.label("unit"),
            devices.c.last_report_at,
            devices.c.retired_at,
            devices.c.relayed_by,
        )
        .join(sites, sites.c.id == devices.c.site)
        .join(units, units.c.id == devices.c.unit)
        .where(within(scope))
        .order_by(devices.c.id)
    )
    return [dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


def retire(connection: Connection, device_id: str, *, now: int, actor: str = "command line") -> bool:
    """Retire `device_id`: its tokens end, its facts stay. Return whether there was such a device in service."""
    found = connection.execute(
        devices.update()
        .where(devices.c.device_id == device_id, devices.c.retired_at.is_(None))
        .values(retired_at=now)
        .returning(devices.c.id)
    ).scalar_one_or_none()
    if found is None:
        return False
    connection.execute(
        tokens.update()
        .where(tokens.c.device == found, tokens.c.revoked_at.is_(None))
        .values(revoked_at=now, revoked_as="revoked")
    )
    record(connection, now, actor, "device.retire", device_id)
    return True
