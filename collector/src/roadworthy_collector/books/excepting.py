"""The exceptions register: what somebody agreed to leave as it is. Kept by device or register item; never hidden.

An exception is asked for by one person and holds once a signed-in approver agreed to it, who never is the one who
asked (`approving`). At the command line an approver may be named who agreed on paper; the register says so.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, or_, select, update

from roadworthy_collector.books import figures
from roadworthy_collector.books.imported import Entries
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import book_figures, exceptions, register_items
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, covers
from roadworthy_collector.store.schema import devices, sites
from roadworthy_inventory.exceptions import ExceptionEntry, ExceptionEntryError, check_entry

# No approver yet: it waits, and takes nothing out of anything.
WAITS = ""
WAITING = exceptions.c.approver == WAITS
EXPIRING_DAYS = 30
_NOBODY_YET = "nobody yet"
_ALL = "all"  # what people say for every rule, as lists show it
_ORDER = ("waiting", "in force", "to come", "expired", "ended", "refused", "lapsed")
# What a page counts, and the states of the exceptions behind it.
SHOWN = {
    "in force": ("in force",),
    "waiting": ("waiting",),
    "to come": ("to come",),
    "over": ("expired", "ended", "refused", "lapsed"),
}
_ABOUT = "exception."  # who asked for one and how it was agreed to; the table has the name of who agreed


class Asked(NamedTuple):
    """An exception somebody asks for; `what` is a device id or a register item's tag, `rules` None for all.

    `approver` None: it waits for somebody to approve it; else who agreed to it on paper.
    """

    what: str
    rules: Sequence[str] | None
    reason: str
    owner: str
    approver: str | None
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
    if asked.rules is not None and [one.strip().lower() for one in asked.rules] == [_ALL]:
        asked = asked._replace(rules=None)
    entry = ExceptionEntry(
        entry_id="new",
        item=asked.what,
        rules=None if asked.rules is None else frozenset(asked.rules),
        reason=asked.reason,
        owner=asked.owner,
        approver=_NOBODY_YET if asked.approver is None else asked.approver,
        starts=asked.begins,
        expires=asked.expires,
    )
    check(entry, asked.what, known_rules)
    values = {
        "item": item,
        "device": device,
        "rules": None if asked.rules is None else sorted(asked.rules),
        "reason": asked.reason.strip(),
        "owner": asked.owner.strip()[:128],
        "approver": WAITS if asked.approver is None else asked.approver.strip()[:128],
        "begins": asked.begins.isoformat(),
        "expires": asked.expires.isoformat(),
        "made_at": now,
    }
    number = int(
        connection.execute(insert(exceptions).values(**values).returning(exceptions.c.id)).scalar_one()
    )
    write_about(connection, number, {"asked_by": actor, "paper": asked.approver is not None}, now)
    told = {name: values[name] for name in ("rules", "reason", "owner", "approver", "begins", "expires")}
    action = "exception.ask" if asked.approver is None else "exception.add"
    audit.record(connection, now, actor, action, asked.what, {"number": number, **told})
    return number


def check(entry: ExceptionEntry, what: str, known_rules: Collection[str] | None = None) -> None:
    """Raise RoadworthyError with all that is wrong with an entry."""
    try:
        check_entry(entry, known_rules=known_rules)
    except ExceptionEntryError as error:
        raise RoadworthyError(f"exception of {what}: {'; '.join(error.problems)}") from None


def write_about(connection: Connection, number: int, told: dict[str, Any], now: float) -> None:
    """Keep who asked for an exception, and what became of the asking."""
    figures.write(connection, f"{_ABOUT}{number}", told, now, 0.0)


def read_about(connection: Connection) -> dict[int, dict[str, Any]]:
    """Return what is kept of each exception's asking, by number."""
    query = select(book_figures.c.name, book_figures.c.content).where(
        book_figures.c.name.startswith(_ABOUT, autoescape=True)
    )
    return {int(row.name.removeprefix(_ABOUT)): row.content for row in connection.execute(query)}


def find_row(connection: Connection, number: int, scope: Scope = EVERYTHING) -> Row[Any] | None:
    """Return the entry of a number with what it is of, None where there is none within `scope`."""
    return next((one for one in _rows(connection, scope) if one.id == number), None)


def in_force(on: dt.date) -> ColumnElement[bool]:
    """Return the condition over `exceptions` that keeps those that hold on the day `on`."""
    columns, day = exceptions.c, on.isoformat()
    ended = or_(columns.withdrawn.is_(None), columns.withdrawn > day)
    return and_(~WAITING, columns.begins <= day, columns.expires >= day, ended)


def end(
    connection: Connection, number: int, *, today: dt.date, now: int, actor: str, scope: Scope = EVERYTHING
) -> None:
    """End an exception from `today` on; it stays on the register. NotFoundError where there is none to end."""
    row = find_row(connection, number, scope)
    if row is None or row.withdrawn is not None or row.expires < today.isoformat():
        raise NotFoundError(f"no exception {number} is in force or waits; see `roadworthy exceptions list`")
    ended = update(exceptions).where(exceptions.c.id == number).values(withdrawn=today.isoformat())
    connection.execute(ended)
    audit.record(connection, now, actor, "exception.end", row.tag or row.device_id, {"number": number})


def list_entries(connection: Connection, today: dt.date, scope: Scope = EVERYTHING) -> list[dict[str, Any]]:
    """Return all entries, those in force first, with what each is of and how it stands on `today`.

    Those of devices and items at restricted sites are left out.
    """
    found = []
    about = read_about(connection)
    for row in _rows(connection, scope):
        told = about.get(row.id, {})
        found.append(
            {
                "number": row.id,
                "what": row.tag or row.device_id or f"item {row.item}",
                "device_id": row.device_id,
                "name": row.tag or " ".join(filter(None, (row.hostname, row.asset_tag))) or None,
                "state": _state(_entry(row), told, today),
                "rules": row.rules,
                "reason": row.reason,
                "owner": row.owner,
                "approver": row.approver or None,
                "on_paper": bool(row.approver) and bool(told.get("paper", True)),
                "asked_by": told.get("asked_by"),
                "begins": row.begins,
                "expires": row.expires,
                "ended": row.withdrawn,
            }
        )
    return sorted(found, key=lambda one: (_ORDER.index(one["state"]), one["expires"], one["number"]))


def _state(entry: ExceptionEntry, about: dict[str, Any], today: dt.date) -> str:
    if about.get("refused_by"):
        return "refused"
    if entry.withdrawn is not None and entry.withdrawn <= today:
        return "ended"
    if entry.expires < today:
        return "expired" if entry.approver else "lapsed"  # nobody approved it in its time
    if not entry.approver:
        return "waiting"
    return "in force" if entry.holds(today) else "to come"


def count(connection: Connection, today: dt.date, scope: Scope = EVERYTHING) -> dict[str, int]:
    """Return how many entries stand how on `today`, those at restricted sites left out, and `expiring` of those in force."""
    rows = list_entries(connection, today, scope)
    soon = (today + dt.timedelta(days=EXPIRING_DAYS)).isoformat()
    told = {state: sum(one["state"] == state for one in rows) for state in _ORDER}
    return told | {"expiring": sum(one["state"] == "in force" and one["expires"] <= soon for one in rows)}


def read_entries(connection: Connection) -> Entries:
    """Return every entry somebody approved, by what it is of."""
    items: defaultdict[int, list[ExceptionEntry]] = defaultdict(list)
    of_devices: defaultdict[int, list[ExceptionEntry]] = defaultdict(list)
    for row in connection.execute(select(exceptions).where(~WAITING)):
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
            devices.c.hostname,
            devices.c.asset_tag,
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
