"""Sites as an administrator handles them: the list, and which of them are restricted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import devices, sites
from roadworthy_collector.store.statements import insert_or_ignore


def list_sites(connection: Connection) -> list[dict[str, Any]]:
    """Return one dict a site: name, kind, whether it is restricted, and its devices, retired ones included."""
    query = (
        select(sites.c.name, sites.c.kind, sites.c.restricted, func.count(devices.c.id).label("devices"))
        .outerjoin(devices, devices.c.site == sites.c.id)
        .group_by(sites.c.id)
        .order_by(sites.c.name)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def restrict(connection: Connection, name: str, *, now: int, actor: str = "command line") -> None:
    """Restrict the site `name`, made if new: it can be marked before its first device enrols."""
    connection.execute(insert_or_ignore(sites), {"name": name, "kind": "unknown", "restricted": True})
    connection.execute(sites.update().where(sites.c.name == name).values(restricted=True))
    record(connection, now, actor, "site.restrict", name)


def release(connection: Connection, name: str, *, now: int, actor: str = "command line") -> bool:
    """Show the site `name` again; return whether there was such a restricted site."""
    mine = sites.update().where(sites.c.name == name, sites.c.restricted.is_(True))
    if connection.execute(mine.values(restricted=False)).rowcount == 0:
        return False
    record(connection, now, actor, "site.release", name)
    return True
