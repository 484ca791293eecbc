"""Which units a reader or a token may see, as a condition every query about devices can carry.

The tree of units is dated: a unit that does not yet or no longer hold is no way down to those below it, so that a
reorganisation never shows a reader more than was meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, Table, delete, insert, or_, select, true

from roadworthy_collector.books.places import MISSING, Places
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.schema import devices, units
from roadworthy_inventory.units import SEPARATOR, path_key

# None is every unit; else the row ids of the units whose devices may be seen, those below them included.
Scope: TypeAlias = frozenset[int] | None
EVERYTHING: Scope = None


class UnknownUnitError(RoadworthyError):
    """A scope names a unit that is not there."""


def descend(connection: Connection, granted: Iterable[int], now: float) -> frozenset[int]:
    """Return `granted` units and all below them, as far as each holds at `now` (UTC epoch seconds)."""
    below: dict[int, list[int]] = defaultdict(list)
    held: set[int] = set()
    query = select(units.c.id, units.c.parent).where(
        units.c.valid_from <= int(now), or_(units.c.valid_to.is_(None), units.c.valid_to > int(now))
    )
    for row in connection.execute(query):
        held.add(row.id)
        if row.parent is not None:
            below[row.parent].append(row.id)
    found: set[int] = set()
    waiting = [unit for unit in granted if unit in held]
    while waiting:
        unit = waiting.pop()
        if unit not in found:  # a loop in the tree would else never end
            found.add(unit)
            waiting.extend(below[unit])
    return frozenset(found)


def within(scope: Scope) -> ColumnElement[bool]:
    """Return the condition over `devices` that keeps those `scope` may see; of no unit it keeps none."""
    return true() if scope is None else devices.c.unit.in_(sorted(scope))


def covers(scope: Scope, unit: int) -> bool:
    """Return whether devices of the unit of row id `unit` are within `scope`."""
    return scope is None or unit in scope


def grant(
    connection: Connection, table: Table, column: str, holder: str, names: Sequence[str] | None
) -> None:
    """Scope `holder` to the units of these paths or names in `table`; None takes every restriction away.

    Raises UnknownUnitError for what names no unit or several, and for no name at all: that would show nothing.
    """
    connection.execute(delete(table).where(table.c[column] == holder))
    if names is None:
        return
    if not names:
        raise UnknownUnitError("a scope names at least one unit")
    places = Places(connection)
    found = dict.fromkeys(_unit(connection, places, name) for name in names)
    connection.execute(insert(table), [{column: holder, "unit": unit} for unit in found])


def _unit(connection: Connection, places: Places, said: str) -> int:
    """Return the unit of a path, or of a name no other unit has: nobody is to see more than was meant."""
    rows = connection.execute(select(units.c.id, units.c.name, units.c.valid_to)).all()
    paths = {row.id: places.unit_path(row.id) or row.name for row in rows}
    key = path_key(said)
    open_ = [row.id for row in rows if row.valid_to is None]
    if at_path := [unit for unit in open_ if path_key(paths[unit]) == key]:
        return int(at_path[0])
    so_called = [unit for unit in open_ if path_key(paths[unit].rpartition(SEPARATOR)[2]) == key]
    if len(so_called) > 1:
        which = " and ".join(sorted(paths[unit] for unit in so_called))
        raise UnknownUnitError(f"{said}: several units are called so; name one by its path: {which}")
    found = next((row.id for row in rows if row.name == said), None) or places.unit(said)
    if found is None or found == MISSING:
        raise UnknownUnitError(f"{said}: there is no unit of that name")
    return int(found)


def granted(connection: Connection, table: Table, column: str, holder: str, now: float) -> frozenset[int]:
    """Return the units `holder` is scoped to in `table`, those below them included."""
    return descend(
        connection, connection.scalars(select(table.c.unit).where(table.c[column] == holder)).all(), now
    )


def granted_names(connection: Connection, table: Table, column: str) -> dict[str, list[str]]:
    """Return {holder: names of the units it is scoped to}, in order."""
    found: dict[str, list[str]] = {}
    query = select(table.c[column].label("holder"), units.c.name).join(units, units.c.id == table.c.unit)
    for row in connection.execute(query.order_by(units.c.name)):
        found.setdefault(row.holder, []).append(row.name)
    return found


def names_of(connection: Connection, scope: frozenset[int]) -> list[str]:
    """Return the names of the units of these row ids, in order."""
    query = select(units.c.name).where(units.c.id.in_(sorted(scope))).order_by(units.c.name)
    return list(connection.scalars(query))
