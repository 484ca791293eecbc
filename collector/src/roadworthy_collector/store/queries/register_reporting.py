"""Which devices of the register are heard of: how they are recorded there against whether they report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, exists, func, or_, select

from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.queries.states import state_of
from roadworthy_collector.store.schema import devices, sites
from roadworthy_inventory.identity import normalise_serial

DISPOSED = "disposed"
_OWN_SITE = sites.alias("item_site")
_OPEN = or_(_OWN_SITE.c.id.is_(None), _OWN_SITE.c.restricted.is_(False))


class Recorded(NamedTuple):
    """Devices in service at a site that the register has in the lifecycle state `recorded`, by their own state."""

    site: str
    recorded: str
    state: str
    devices: int


def count(connection: Connection, *, now: float, interval_seconds: int) -> list[Recorded]:
    """Return the devices in service that are a register item by the newest reconciliation.

    `site` is the device's. Left out where either stands at a restricted site.
    """
    state, recorded = state_of(now, interval_seconds).label("state"), register_items.c.lifecycle_state
    query = (
        select(sites.c.name, recorded, state, func.count(devices.c.id.distinct()))
        .select_from(register_devices)
        .join(register_items, register_items.c.id == register_devices.c.item)
        .join(devices, devices.c.id == register_devices.c.device)
        .join(sites, sites.c.id == devices.c.site)
        .outerjoin(_OWN_SITE, _OWN_SITE.c.id == register_items.c.site)
        .where(
            register_devices.c.valid_to.is_(None),
            devices.c.retired_at.is_(None),
            sites.c.restricted.is_(False),
            _OPEN,
        )
        .group_by(sites.c.name, recorded, state)
    )
    return [Recorded(*row) for row in connection.execute(query)]


def count_disposed(connection: Connection, *, now: float, interval_seconds: int) -> list[Recorded]:
    """Return the devices in service that are no item of the register but for one that is disposed of.

    No reconciliation has what is disposed of, so the serial number or the asset tag tells.
    """
    gone = set(_keys_of_disposed(connection))
    if not gone:
        return []
    state = state_of(now, interval_seconds).label("state")
    linked = exists().where(register_devices.c.device == devices.c.id, register_devices.c.valid_to.is_(None))
    query = (
        select(sites.c.name, state, devices.c.serial, devices.c.asset_tag)
        .join_from(devices, sites, sites.c.id == devices.c.site)
        .where(devices.c.retired_at.is_(None), sites.c.restricted.is_(False), ~linked)
    )
    found: Counter[tuple[str, str]] = Counter()
    for site, word, serial, tag in connection.execute(query):
        found[site, word] += not gone.isdisjoint(_keys(serial, tag))
    return [Recorded(site, DISPOSED, word, devices_) for (site, word), devices_ in found.items() if devices_]


def _keys_of_disposed(connection: Connection) -> Iterator[tuple[str, str]]:
    query = (
        select(register_items.c.serial, register_items.c.tag)
        .outerjoin(_OWN_SITE, _OWN_SITE.c.id == register_items.c.site)
        .where(register_items.c.lifecycle_state == DISPOSED, _OPEN)
    )
    for serial, tag in connection.execute(query):
        yield from _keys(serial, tag)


def _keys(serial: str | None, tag: str | None) -> Iterator[tuple[str, str]]:
    """Yield what something is known by; what many have, such as `To be filled by O.E.M.`, is no serial number."""
    if (plain := normalise_serial(serial)) is not None:
        yield "serial", plain
    if tag:
        yield "tag", tag.casefold()
