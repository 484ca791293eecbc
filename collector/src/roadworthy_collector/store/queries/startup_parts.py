"""What the roll-ups ask of start-ups: lengths, phases and contributing factors, of some devices at a time.

Start-ups are finished, of known length, from off: a wake-up from sleep takes seconds, and one distribution of both says
nothing. Restricted sites and devices out of service are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Text, case, cast, func, select

from roadworthy_collector.store.queries.states import WAKE_KIND
from roadworthy_collector.store.schema import devices, sites, startups

_JOINED = startups.join(devices, devices.c.id == startups.c.device).join(sites, sites.c.id == devices.c.site)
_SITE = sites.c.name.label("site")


def last_of_next(connection: Connection, after: int, limit: int) -> int | None:
    """Return the row id of the last of the next `limit` devices after `after`, None where there are no more."""
    some = select(devices.c.id).where(devices.c.id > after).order_by(devices.c.id).limit(limit).subquery()
    last: int | None = connection.scalar(select(func.max(some.c.id)))
    return last


def count_members(connection: Connection) -> Sequence[Row[Any]]:
    """Return (site, model, in_service, devices) of unrestricted sites, in_service 0 for those retired."""
    in_service = case((devices.c.retired_at.is_(None), 1), else_=0).label("in_service")
    query = select(_SITE, devices.c.model, in_service, func.count().label("devices"))
    query = query.join_from(devices, sites, sites.c.id == devices.c.site).where(sites.c.restricted.is_(False))
    return connection.execute(query.group_by(_SITE, devices.c.model, in_service)).all()


def told(connection: Connection, first: int, last: int, since: float) -> Sequence[Row[Any]]:
    """Return (device, site, model, started_at, seconds, phases, factors) of start-ups since `since`, lists as JSON text.

    Of devices whose row ids are `first` to `last`. Grouped by the database it took twice as long: SQLite reads an
    element's text anew for each of its fields.
    """
    query = (
        select(
            startups.c.device,
            sites.c.name,
            devices.c.model,
            startups.c.started_at,
            startups.c.total_seconds,
            cast(startups.c.phases, Text),
            cast(startups.c.factors, Text),
        )
        .select_from(_JOINED)
        .where(
            startups.c.device.between(first, last),
            startups.c.started_at >= since,
            startups.c.final.is_(True),
            startups.c.total_seconds.is_not(None),
            startups.c.kind != WAKE_KIND,
            devices.c.retired_at.is_(None),
            sites.c.restricted.is_(False),
        )
    )
    return connection.execute(query).all()
