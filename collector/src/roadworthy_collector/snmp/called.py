"""Devices by what people call them: device id, host name, serial number or asset tag, letter case aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from sqlalchemy import Connection, and_, func, or_, select

from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import devices, sites


def find_device(
    connection: Connection, text: str, scope: Scope = EVERYTHING, *, restricted: bool = True
) -> int:
    """Return the row id of the device called so; NotFoundError where there is none, or more than one."""
    low = text.strip().lower()
    names = (devices.c.hostname, devices.c.serial, devices.c.asset_tag)
    matches = or_(devices.c.device_id == text.strip(), *(func.lower(name) == low for name in names))
    query = select(devices.c.id).where(and_(matches, devices.c.retired_at.is_(None)))
    if not restricted:
        query = query.join(sites).where(sites.c.restricted.is_(False))
    if scope is not None:
        query = query.where(devices.c.unit.in_(sorted(scope)))
    return the_only(connection.scalars(query.limit(2)).all(), text)


def the_only(found: Collection[int], text: str) -> int:
    """Return the one device called so; NotFoundError where there is none, or another beside it."""
    if len(found) != 1:
        many = "more than one device is" if found else "no device in service is"
        raise NotFoundError(
            f"{many} called {text}; give its device id, host name, serial number or asset tag"
        )
    return int(next(iter(found)))


def find_all(connection: Connection, texts: Collection[str]) -> Mapping[str, set[int]]:
    """Return {text: row ids of the devices called so}, as `find_device` finds them, in one pass over all devices."""
    found: dict[str, set[int]] = {text: set() for text in texts}
    if not texts:
        return found
    by_id = {text.strip(): text for text in texts}
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for text in texts:
        by_name[text.strip().lower()].append(text)
    query = select(
        *(devices.c.id, devices.c.device_id, devices.c.hostname, devices.c.serial, devices.c.asset_tag)
    ).where(devices.c.retired_at.is_(None))
    for device, device_id, *names in connection.execute(query):
        if device_id in by_id:
            found[by_id[device_id]].add(device)
        for name in names:
            for text in by_name.get(name.lower(), ()) if name else ():
                found[text].add(device)
    return found
