"""Devices as an administrator handles them: retirement. Lists are in `device_list`."""

from __future__ import annotations

from sqlalchemy import Connection

from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import devices, tokens


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
