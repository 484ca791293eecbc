"""Sites as an administrator handles them: the list, and which of them are restricted."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, func, literal_column, select

from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
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


class SitePage(NamedTuple):
    """Some sites, and the name the next page begins after; None on the last one."""

    rows: list[dict[str, Any]]
    next: str | None


def read_page(
    connection: Connection, *, scope: Scope = EVERYTHING, restricted: bool = True, after: str = "", limit: int
) -> SitePage:
    """Return sites by name, `limit` at most, as `list_sites` does.

    Of a `scope` those where devices within it stand, and these are counted; restricted sites with `restricted` only.
    """
    # Not the bare column: its own index would be taken, and a wide row read for each device.
    place = devices.c.site + literal_column("0")
    counted = select(place.label("site"), func.count(devices.c.id).label("devices"))
    if (
        scope is not None
    ):  # said so that the whole is counted out of one index (store/schema.py, ix_devices_listed)
        counted = counted.where((devices.c.unit + 0).in_(sorted(scope)))
    held = counted.group_by(place).subquery()
    query = select(
        sites.c.name, sites.c.kind, sites.c.restricted, func.coalesce(held.c.devices, 0).label("devices")
    )
    query = query.join(held, held.c.site == sites.c.id, isouter=scope is None)
    query = query.where(sites.c.name > after).order_by(sites.c.name).limit(limit + 1)
    if not restricted:
        query = query.where(sites.c.restricted.is_(False))
    found = [dict(row) for row in connection.execute(query).mappings()]
    return SitePage(found[:limit], found[limit - 1]["name"] if len(found) > limit else None)


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
