"""Devices as an administrator handles them: the list, and retirement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.store.schema import audit, devices, sites, tokens, units


def list_devices(connection: Connection) -> list[dict[str, Any]]:
    """Return one dict a device: ids, names, site and unit names, and the epoch seconds of its last report."""
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
        )
        .join(sites, sites.c.id == devices.c.site)
        .join(units, units.c.id == devices.c.unit)
        .order_by(devices.c.id)
    )
    return [dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


def retire(connection: Connection, device_id: str, *, now: int) -> bool:
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
    connection.execute(
        audit.insert().values(at=now, actor="command line", action="device.retire", subject=device_id)
    )
    return True
