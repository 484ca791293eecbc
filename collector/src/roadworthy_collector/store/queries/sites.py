"""Sites as an administrator handles them: the list, and which of them are restricted."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, func, select

from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
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
    """Return sites by name, `limit` at most, as `list_sites` does; only devices of the page's sites are counted.

    Of a `scope` those where devices within it stand, and these are counted; restricted sites with `restricted` only.
    """
    mine = (devices.c.site == sites.c.id, within(scope))
    count = select(func.count()).select_from(devices).where(*mine).correlate(sites).scalar_subquery()
    query = select(sites.c.name, sites.c.kind, sites.c.restricted, count.label("devices"))
    query = query.where(sites.c.name > after).order_by(sites.c.name).limit(limit + 1)
    if scope is not None:
        query = query.where(exists().where(*mine).correlate(sites))
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
