"""Devices for programs: page by page, whatever the size of the IT estate, and one by its id.

A page never costs more than a bounded look: pages go along the row id, and where no index narrows what is wanted each
looks at SCANNED_ROWS devices at most. It may then hold fewer rows than asked for, even none, and still name the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, or_, select, true

from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.queries.states import state_of
from roadworthy_collector.store.schema import devices, sites, units

State = Literal["reporting", "late", "missing", "retired"]
SCANNED_ROWS = 10_000
PAGE_ROWS = 500
_COLUMNS = (
    "device_id", "hostname", "asset_tag", "serial", "vendor", "model", "device_class", "platform", "os_name",
    "os_version", "agent_version", "usage_profile", "enrolled_at", "last_report_at", "retired_at", "relayed_by",
    "cloned_from",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """Which devices: None means any. `search` is a whole id, host name, serial number or asset tag."""

    site: str | None = None
    unit: str | None = None
    state: State | None = None
    device_class: str | None = None
    usage_profile: str | None = None
    search: str | None = None
    restricted: bool = False  # those at restricted sites too

    @property
    def indexed(self) -> bool:
        """Whether indexes find them without looking at others."""
        narrow = (self.site, self.unit, self.search)
        wide = (self.state, self.device_class, self.usage_profile)
        return any(one is not None for one in narrow) and all(one is None for one in wide)


class Page(NamedTuple):
    """Some rows, and the cursor the next page begins after; None on the last one."""

    rows: list[dict[str, Any]]
    next: int | None


def read_page(
    connection: Connection,
    wanted: Wanted,
    *,
    now: float,
    interval_seconds: int,
    scope: Scope = EVERYTHING,
    after: int = 0,
    limit: int = PAGE_ROWS,
) -> Page:
    """Return the devices within `scope` whose row ids follow `after`, `limit` at most."""
    last = None if wanted.indexed else _last_looked_at(connection, after)
    conditions = [devices.c.id > after, *_conditions(connection, wanted, now, interval_seconds, scope)]
    if last is not None:
        conditions.append(devices.c.id <= last)
    query = (
        select(devices.c.id, *_shown(now, interval_seconds))
        .join_from(devices, sites, sites.c.id == devices.c.site)
        .join(units, units.c.id == devices.c.unit)
        .where(*conditions)
        .order_by(devices.c.id)
        .limit(limit + 1)
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    ids = [row.pop("id") for row in found]
    if len(found) > limit:
        return Page(found[:limit], ids[limit - 1])
    return Page(found, last)


def read_all(
    connection: Connection, wanted: Wanted, *, now: float, interval_seconds: int
) -> Iterator[dict[str, Any]]:
    """Yield every device wanted, page by page."""
    after: int | None = 0
    while after is not None:
        page = read_page(connection, wanted, now=now, interval_seconds=interval_seconds, after=after)
        yield from page.rows
        after = page.next


def read_one(
    connection: Connection,
    device_id: str,
    *,
    now: float,
    interval_seconds: int,
    scope: Scope = EVERYTHING,
    restricted: bool = True,
) -> dict[str, Any]:
    """Return one device with its facts as last told; raises NotFoundError as `require` does."""
    query = (
        select(*_shown(now, interval_seconds), devices.c.environment, devices.c.facts, devices.c.facts_at)
        .join_from(devices, sites, sites.c.id == devices.c.site)
        .join(units, units.c.id == devices.c.unit)
        .where(devices.c.device_id == device_id, within(scope), _at(restricted=restricted))
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise _missing(device_id)
    return dict(row)


def require(
    connection: Connection, device_id: str, *, scope: Scope = EVERYTHING, restricted: bool = True
) -> None:
    """Raise NotFoundError for a device that is not there, not within `scope` or, without `restricted`, not shown."""
    query = select(devices.c.id).join(sites, sites.c.id == devices.c.site)
    mine = (devices.c.device_id == device_id, within(scope), _at(restricted=restricted))
    if connection.scalar(query.where(*mine)) is None:
        raise _missing(device_id)


def _missing(device_id: str) -> NotFoundError:
    return NotFoundError(f"{device_id}: there is no device of that id")


def _at(*, restricted: bool) -> ColumnElement[bool]:
    return true() if restricted else sites.c.restricted.is_(False)


def _shown(now: float, interval_seconds: int) -> list[ColumnElement[Any]]:
    """Return what is told of a device in a list."""
    return [
        *(devices.c[name] for name in _COLUMNS),
        sites.c.name.label("site"),
        units.c.name.label("unit"),
        state_of(now, interval_seconds).label("state"),
    ]


def _last_looked_at(connection: Connection, after: int) -> int | None:
    """Return the last row id one page looks at, None if the end of the table is nearer."""
    ahead = select(devices.c.id).where(devices.c.id > after).order_by(devices.c.id)
    return connection.scalar(ahead.offset(SCANNED_ROWS - 1).limit(1))


def _conditions(
    connection: Connection, wanted: Wanted, now: float, interval_seconds: int, scope: Scope
) -> list[ColumnElement[bool]]:
    """Return what keeps the devices wanted; names of site and unit as row ids, which have indexes."""
    found = [within(scope), _at(restricted=wanted.restricted)]
    if wanted.site is not None:
        site = connection.scalar(select(sites.c.id).where(sites.c.name == wanted.site))
        found.append(devices.c.site == (0 if site is None else site))
    if wanted.unit is not None:
        unit = connection.scalar(select(units.c.id).where(units.c.name == wanted.unit))
        found.append(devices.c.unit == (0 if unit is None else unit))
    if wanted.state is not None:
        found.append(state_of(now, interval_seconds) == wanted.state)
    if wanted.device_class is not None:
        found.append(devices.c.device_class == wanted.device_class)
    if wanted.usage_profile is not None:
        found.append(devices.c.usage_profile == wanted.usage_profile)
    if wanted.search is not None:
        exact = ("device_id", "hostname", "serial", "asset_tag")
        found.append(or_(*(devices.c[name] == wanted.search for name in exact)))
    return found
