"""Whose carried files a collector reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select

from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.relay.errors import RelayError
from roadworthy_collector.relay.signing import parse_told
from roadworthy_collector.store.engine import UNASSIGNED
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import relay_trust, sites, units
from roadworthy_collector.store.statements import insert_or_ignore

ACTOR = "command line"
_NAME_LENGTH = 64


class NotTrustedError(RelayError, NotFoundError):
    """Nobody of that name is trusted."""


def add(
    connection: Connection,
    name: str,
    told: str,
    *,
    now: int,
    site: str = UNASSIGNED,
    unit: str = UNASSIGNED,
    every_days: int = 7,
    actor: str = ACTOR,
) -> None:
    """Trust a key, as `rwrelay1_...` tells it, under a name; its devices stand at `site` and belong to `unit`.

    Both are made if new. Raises RelayError for a key that is none, is trusted already, or a name that is taken.
    """
    name = name.strip()
    if not 1 <= len(name) <= _NAME_LENGTH or not name.isprintable():
        raise RelayError(f"a name is 1 to {_NAME_LENGTH} characters on one line, not {name!r}")
    if (parsed := parse_told(told)) is None:
        raise RelayError("this is no key of a relay; it prints its own with: roadworthy relay identity")
    query = select(relay_trust.c.name).where(
        or_(relay_trust.c.name == name, relay_trust.c.public_key == parsed.public_key)
    )
    if (held := connection.scalar(query)) is not None:
        raise RelayError(f"{held} is trusted already, with this key or under this name")
    connection.execute(insert_or_ignore(sites), {"name": site, "kind": "unknown"})
    connection.execute(insert_or_ignore(units), {"name": unit, "valid_from": now})
    row = {
        "public_key": parsed.public_key,
        "name": name,
        "relay": parsed.relay,
        "site": connection.scalar(select(sites.c.id).where(sites.c.name == site)),
        "unit": connection.scalar(select(units.c.id).where(units.c.name == unit)),
        "every_days": every_days,
        "added_at": now,
    }
    connection.execute(insert(relay_trust).values(row))
    detail = {"relay": parsed.relay, "public_key": parsed.public_key, "site": site, "unit": unit}
    record(connection, now, actor, "relay.trust", name, detail)


def remove(connection: Connection, name: str, *, now: int, actor: str = ACTOR) -> None:
    """Read no more files signed with the key of that name; what was read stays. Raises RelayError if there is none."""
    query = delete(relay_trust).where(relay_trust.c.name == name).returning(relay_trust.c.public_key)
    key = connection.execute(query).scalar_one_or_none()
    if key is None:
        raise NotTrustedError(f"nobody trusted is called {name}; see `roadworthy relay trust list`")
    record(connection, now, actor, "relay.distrust", name, {"public_key": key})


def list_trusted(connection: Connection) -> list[dict[str, Any]]:
    """Return who is trusted, by name."""
    query = (
        select(
            relay_trust.c.name,
            relay_trust.c.relay,
            sites.c.name.label("site"),
            units.c.name.label("unit"),
            relay_trust.c.every_days,
            relay_trust.c.added_at,
            relay_trust.c.public_key,
        )
        .join(sites, sites.c.id == relay_trust.c.site)
        .join(units, units.c.id == relay_trust.c.unit)
        .order_by(relay_trust.c.name)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def relay_of(connection: Connection) -> Callable[[str], str | None]:
    """Return what says which relay a public key may speak for."""
    known = {
        row[0]: row[1] for row in connection.execute(select(relay_trust.c.public_key, relay_trust.c.relay))
    }
    return known.get
