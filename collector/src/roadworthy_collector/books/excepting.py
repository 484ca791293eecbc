"""The exceptions register: what somebody agreed to leave as it is. Kept by device or register item; never hidden."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from roadworthy_collector.books.imported import Entries
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import exceptions, register_items
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, covers
from roadworthy_collector.store.schema import devices, sites
from roadworthy_inventory.exceptions import ExceptionEntry, ExceptionEntryError, check_entry


class Asked(NamedTuple):
    """An exception somebody asks for; `what` is a device id or a register item's tag, `rules` None for all."""

    what: str
    rules: Sequence[str] | None
    reason: str
    owner: str
    approver: str
    begins: dt.date
    expires: dt.date


def add(
    connection: Connection,
    asked: Asked,
    *,
    known_rules: Collection[str],
    now: int,
    actor: str,
    scope: Scope = EVERYTHING,
) -> int:
    """Put an exception on the register; return its number. Raises RoadworthyError with all that is wrong with it."""
    item, device = find(connection, asked.what, scope)
    entry = ExceptionEntry(
        entry_id="new",
        item=asked.what,
        rules=None if asked.rules is None else frozenset(asked.rules),
        reason=asked.reason,
        owner=asked.owner,
        approver=asked.approver,
        starts=asked.begins,
        expires=asked.expires,
    )
    try:
        check_entry(entry, known_rules=known_rules)
    except ExceptionEntryError as error:
        raise RoadworthyError(f"exception of {asked.what}: {'; '.join(error.problems)}") from None
    values = {
        "item": item,
        "device": device,
        "rules": None if asked.rules is None else sorted(asked.rules),
        "reason": asked.reason.strip(),
        "owner": asked.owner.strip()[:128],
        "approver": asked.approver.strip()[:128],
        "begins": asked.begins.isoformat(),
        "expires": asked.expires.isoformat(),
        "made_at": now,
    }
    number = int(
        connection.execute(insert(exceptions).values(**values).returning(exceptions.c.id)).scalar_one()
    )
    told = {name: values[name] for name in ("rules", "reason", "owner", "approver", "begins", "expires")}
    audit.record(connection, now, actor, "exception.add", asked.what, {"number": number, **told})
    return number


def end(
    connection: Connection, number: int, *, today: dt.date, now: int, actor: str, scope: Scope = EVERYTHING
) -> None:
    """End an exception from `today` on; it stays on the register. NotFoundError where there is none to end."""
    row = next((one for one in _rows(connection, scope) if one.id == number), None)
    if row is None or row.withdrawn is not None or row.expires < today.isoformat():
        raise NotFoundError(f"no exception {number} is in force; see `roadworthy exceptions list`")
    ended = update(exceptions).where(exceptions.c.id == number).values(withdrawn=today.isoformat())
    connection.execute(ended)
    audit.record(connection, now, actor, "exception.end", row.tag or row.device_id, {"number": number})


def list_entries(connection: Connection, today: dt.date, scope: Scope = EVERYTHING) -> list[dict[str, Any]]:
    """Return all entries, those in force first, with what each is of and how it stands on `today`.

    Those of devices and items at restricted sites are left out.
    """
    found = []
    for row in _rows(connection, scope):
        entry = _entry(row)
        state = "in force" if entry.holds(today) else "to come" if entry.starts > today else "expired"
        if entry.withdrawn is not None and entry.withdrawn <= today:
            state = "ended"
        found.append(
            {
                "number": row.id,
                "what": row.tag or row.device_id or f"item {row.item}",
                "device_id": row.device_id,
                "state": state,
                "rules": row.rules,
                "reason": row.reason,
                "owner": row.owner,
                "approver": row.approver,
                "begins": row.begins,
                "expires": row.expires,
                "ended": row.withdrawn,
            }
        )
    return sorted(found, key=lambda one: (one["state"] != "in force", one["expires"], one["number"]))


def read_entries(connection: Connection) -> Entries:
    """Return every entry, by what it is of."""
    items: defaultdict[int, list[ExceptionEntry]] = defaultdict(list)
    of_devices: defaultdict[int, list[ExceptionEntry]] = defaultdict(list)
    for row in connection.execute(select(exceptions)):
        if row.item is not None:
            items[row.item].append(_entry(row))
        elif row.device is not None:
            of_devices[row.device].append(_entry(row))
    return Entries(
        {item: tuple(of) for item, of in items.items()}, {one: tuple(of) for one, of in of_devices.items()}
    )


def find(connection: Connection, what: str, scope: Scope = EVERYTHING) -> tuple[int | None, int | None]:
    """Return (item, None) of a register item's tag or (None, device) of a device id, within `scope`."""
    device = connection.execute(
        select(devices.c.id, devices.c.unit).where(devices.c.device_id == what)
    ).one_or_none()
    if device is not None and covers(scope, device.unit):
        return None, device.id
    item = connection.execute(
        select(register_items.c.id, register_items.c.unit).where(register_items.c.tag == what)
    ).one_or_none()
    if item is not None and (scope is None or (item.unit is not None and covers(scope, item.unit))):
        return item.id, None
    raise NotFoundError(f"{what}: no device has this id and no register item this tag")


def _rows(connection: Connection, scope: Scope) -> list[Row[Any]]:
    hidden = set(connection.scalars(select(sites.c.id).where(sites.c.restricted.is_(True))))
    query = (
        select(
            exceptions,
            register_items.c.tag,
            register_items.c.unit.label("item_unit"),
            register_items.c.site.label("item_site"),
            devices.c.device_id,
            devices.c.unit.label("device_unit"),
            devices.c.site.label("device_site"),
        )
        .select_from(exceptions)
        .outerjoin(register_items, register_items.c.id == exceptions.c.item)
        .outerjoin(devices, devices.c.id == exceptions.c.device)
        .order_by(exceptions.c.id)
    )
    found = []
    for row in connection.execute(query):
        unit = row.device_unit if row.item is None else row.item_unit
        mine = scope is None or (unit is not None and covers(scope, unit))
        if mine and row.item_site not in hidden and row.device_site not in hidden:
            found.append(row)
    return found


def _entry(row: Any) -> ExceptionEntry:
    return ExceptionEntry(
        entry_id=str(row.id),
        item=f"device {row.device}" if row.item is None else f"item {row.item}",
        rules=None if row.rules is None else frozenset(row.rules),
        reason=row.reason,
        owner=row.owner,
        approver=row.approver,
        starts=dt.date.fromisoformat(row.begins),
        expires=dt.date.fromisoformat(row.expires),
        withdrawn=None if row.withdrawn is None else dt.date.fromisoformat(row.withdrawn),
    )
