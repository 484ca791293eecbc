"""How one register item or device is rated, found by what people call it: a device id, an asset tag, a serial number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from roadworthy_collector.books import figures, lists, register
from roadworthy_collector.books.reconciling import FIGURE as RECONCILED
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.books_schema import (
    import_ratings,
    mdm_devices,
    register_devices,
    register_items,
)
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.schema import devices, sites

_DEVICE_ID = "rwd_"


def why(connection: Connection, said: str, scope: Scope = EVERYTHING) -> dict[str, Any]:
    """Return the rating of a device or record; `device_id` None where it is known from imports alone.

    NotFoundError where nothing of that name is rated, may be shown, or several things are.
    """
    if said.startswith(_DEVICE_ID):
        return lists.why(connection, said, scope)
    try:
        item = register.find_tag(connection, said, scope=scope, restricted=False)
    except NotFoundError:
        found = None
    else:
        found = of_item(connection, item, scope)
    found = found or _of_device(connection, said, scope) or _of_mdm(connection, said, scope)
    if found is None:
        hint = unreconciled(connection)
        raise NotFoundError(
            f"{said}: nothing with this id, asset tag or serial number is rated, or several things are"
            + ("" if hint is None else f"; {hint}")
        )
    return found


def unreconciled(connection: Connection) -> str | None:
    """Return what to do where imports are held that no reconciliation has looked at: nothing of them is rated."""
    if figures.read(connection, RECONCILED) is not None:
        return None
    held = (register_items, mdm_devices)
    if not any(connection.scalar(select(one.c.id).limit(1)) is not None for one in held):
        return None
    return (
        "imports are held that were never reconciled, and only what is reconciled is rated: run `roadworthy reconcile "
        "run` and then `roadworthy ratings run`, or leave it to `roadworthy jobs`, which does both within a minute"
    )


def of_item(connection: Connection, item: int, scope: Scope = EVERYTHING) -> dict[str, Any] | None:
    """Return the rating of an item's device in service, else what imports alone say; None where there is neither."""
    query = (
        select(devices.c.device_id)
        .join(register_devices, register_devices.c.device == devices.c.id)
        .where(register_devices.c.item == item, register_devices.c.valid_to.is_(None))
        .where(devices.c.retired_at.is_(None))
        .order_by(register_devices.c.valid_from.desc(), devices.c.id.desc())
        .limit(1)
    )
    device_id = connection.scalar(query)
    if device_id is not None:
        try:
            return lists.why(connection, device_id, scope)
        except NotFoundError:
            return None
    return _imported(connection, import_ratings.c.side == "register", import_ratings.c.record == item)


def _imported(connection: Connection, *conditions: ColumnElement[bool]) -> dict[str, Any] | None:
    found = connection.execute(select(import_ratings).where(*conditions).limit(2)).mappings().all()
    return dict(found[0]) | {"device_id": None} if len(found) == 1 else None


def _of_device(connection: Connection, said: str, scope: Scope) -> dict[str, Any] | None:
    wanted = said.strip().lower()
    query = (
        select(devices.c.device_id)
        .join(sites, sites.c.id == devices.c.site)
        .where(or_(func.lower(devices.c.asset_tag) == wanted, func.lower(devices.c.serial) == wanted))
        .where(devices.c.retired_at.is_(None), sites.c.restricted.is_(False), within(scope))
        .limit(2)
    )
    found = connection.scalars(query).all()
    return lists.why(connection, found[0], scope) if len(found) == 1 else None


def _of_mdm(connection: Connection, said: str, scope: Scope) -> dict[str, Any] | None:
    if scope is not None:  # an MDM record without an item is of no unit
        return None
    mine = select(mdm_devices.c.id).where(func.lower(mdm_devices.c.serial) == said.strip().lower())
    return _imported(connection, import_ratings.c.side == "mdm", import_ratings.c.record.in_(mine))


def items_of_tags(connection: Connection, tags: Iterable[str]) -> dict[str, int]:
    """Return {tag: row id} of the items a plan names by their tags, or by `#` and row id where they have none."""
    told = set(tags)
    found = {tag: int(tag[1:]) for tag in told if tag.startswith("#") and tag[1:].isdecimal()}
    query = select(register_items.c.tag, register_items.c.id).where(register_items.c.tag.in_(sorted(told)))
    return found | {row.tag: row.id for row in connection.execute(query)}


def by_reason(not_judged: Mapping[str, str] | None) -> dict[str, list[str]]:
    """Return {why: rules not judged for it}, most rules first: many rules wait for the same thing."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for rule, said in sorted((not_judged or {}).items()):
        found[said].append(rule)
    return dict(sorted(found.items(), key=lambda one: (-len(one[1]), one[0])))
