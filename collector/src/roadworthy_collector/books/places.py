"""Names become rows: units by their path, sites, cost centres and systems; made where they are missing, many at once.

A unit's path is its name after those above it, `Operations / Custody`. Names of units are unique in the table, so a
second `Custody` is kept under its whole path as its name; its path is the same either way. A unit that was closed has
no path any more; the old path of one that was merged means the unit that answers for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table, insert, select

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import cost_centres, systems, unit_places
from roadworthy_collector.store.schema import sites, units
from roadworthy_inventory.units import SEPARATOR, path_key

MISSING = -1  # what a name has that is not there yet: equal to no row's id
NAME_LENGTH, CODE_LENGTH = 128, 64


class PlaceError(RoadworthyError):
    """A place that cannot be made as named."""


@dataclass(slots=True)
class Wanted:
    """Names somebody is about to use; `None` is no name and never wanted."""

    units: set[str | None] = field(default_factory=set)
    sites: set[str | None] = field(default_factory=set)
    cost_centres: set[str | None] = field(default_factory=set)
    systems: set[str | None] = field(default_factory=set)


class Places:
    """All places there are, read once; `make` adds those that are missing.

    The lookups give a row id, None for no name, MISSING for a name that is not there.
    """

    def __init__(self, connection: Connection) -> None:
        self._names: dict[int, str] = {}
        self._parents: dict[int, int | None] = {}
        self._by_path: dict[str, int] = {}
        self._by_name: dict[str, int] = {}
        self._asked: dict[str | None, int | None] = {None: None}
        gone: set[int] = set()
        columns = (units.c.id, units.c.name, units.c.parent, units.c.valid_to)
        for row in connection.execute(select(*columns).order_by(units.c.id)):
            self._names[row.id], self._parents[row.id] = row.name, row.parent
            if row.valid_to is not None:
                gone.add(row.id)
        self._taken = {path_key(name) for name in self._names.values()}
        for id_, name in self._names.items():
            if id_ not in gone:
                self._by_path.setdefault(path_key(self.unit_path(id_) or ""), id_)
                self._by_name.setdefault(path_key(name), id_)
        self._add_merged(connection, gone)
        self._sites = _Names(connection, sites, "name")
        self._cost_centres = _Names(connection, cost_centres, "code")
        self._systems = _Names(connection, systems, "name")

    def _add_merged(self, connection: Connection, gone: set[int]) -> None:
        """Let the last path of a unit that was merged mean the unit that answers for it, if no other has that path."""
        merged = {
            row.unit: row
            for row in connection.execute(select(unit_places).where(unit_places.c.merged_into.is_not(None)))
        }
        for id_ in sorted(gone & set(merged)):
            into: int | None = id_
            for _ in merged:
                if into in merged and into in gone:
                    into = merged[into].merged_into
            if into is None or into in gone:
                continue
            above = merged[id_].parent
            path = SEPARATOR.join(filter(None, (self.unit_path(above), merged[id_].name or self._names[id_])))
            self._by_path.setdefault(path_key(path), into)
            self._by_name.setdefault(path_key(merged[id_].name or self._names[id_]), into)

    def unit(self, path: str | None) -> int | None:
        """Return the unit of this path; a single name is also a unit's own name, wherever that stands."""
        if path not in self._asked:
            key = path_key(path or "")
            found = self._by_path.get(key)
            if found is None and "/" not in key:
                found = self._by_name.get(key)
            self._asked[path] = MISSING if found is None else found
        return self._asked[path]

    def site(self, name: str | None) -> int | None:
        """Return the site of this name, whatever its letter case."""
        return self._sites.find(name)

    def cost_centre(self, code: str | None) -> int | None:
        """Return the cost centre of this code."""
        return self._cost_centres.find(code)

    def system(self, name: str | None) -> int | None:
        """Return the system of this name."""
        return self._systems.find(name)

    def units_below(self, unit: int | None) -> list[int]:
        """Return the unit and all below it; none for MISSING and None."""
        return [one for one in self._names if unit in self._line(one)]

    def units_above(self, unit: int | None) -> list[int]:
        """Return the unit and those it is under, itself first."""
        return self._line(unit)

    def _line(self, unit: int | None) -> list[int]:
        """Return the unit and those above it, itself first; a loop in the tree ends it."""
        found: list[int] = []
        while unit is not None and unit in self._names and unit not in found:
            found.append(unit)
            unit = self._parents[unit]
        return found

    def unit_path(self, unit: int | None) -> str | None:
        """Return the names from the root down; None for no unit."""
        # One that is kept under its whole path is called as that ends.
        parts = [self._names[one].rpartition(SEPARATOR)[2] for one in self._line(unit)]
        return SEPARATOR.join(reversed(parts)) or None

    def site_name(self, site: int | None) -> str | None:
        """Return the name of a site."""
        return self._sites.names.get(site)

    def cost_centre_code(self, cost_centre: int | None) -> str | None:
        """Return the code of a cost centre."""
        return self._cost_centres.names.get(cost_centre)

    def system_name(self, system: int | None) -> str | None:
        """Return the name of a system."""
        return self._systems.names.get(system)

    def missing(self, wanted: Wanted) -> dict[str, list[str]]:
        """Return {kind: names that would be made}, in order; kinds of which none is missing are left out."""
        found = {
            "units": [path for path in wanted.units if self.unit(path) == MISSING],
            "sites": [name for name in wanted.sites if self.site(name) == MISSING],
            "cost centres": [code for code in wanted.cost_centres if self.cost_centre(code) == MISSING],
            "systems": [name for name in wanted.systems if self.system(name) == MISSING],
        }
        return {
            kind: sorted(name for name in names if name is not None) for kind, names in found.items() if names
        }

    def make(self, connection: Connection, wanted: Wanted, now: float) -> dict[str, list[str]]:
        """Make what is missing, in a writing transaction, and return it as `missing` does."""
        found = self.missing(wanted)
        for path in sorted(found.get("units", ()), key=lambda path: path.count("/")):
            self._make_unit(connection, path, now)
        self._sites.make(connection, found.get("sites", ()), {"kind": "unknown", "restricted": False})
        self._cost_centres.make(connection, found.get("cost centres", ()), {})
        self._systems.make(connection, found.get("systems", ()), {"kind": "unknown"})
        return found

    def _make_unit(self, connection: Connection, path: str, now: float) -> None:
        """Make every step of the path that is not there, from the outermost on."""
        parent: int | None = None
        parts = [" ".join(part.split()) for part in path.split("/")]
        for depth in range(1, len(parts) + 1):
            step = SEPARATOR.join(parts[:depth])
            found = self.unit(step) if depth == 1 else self._by_path.get(path_key(step), MISSING)
            if found is None or found == MISSING:
                found = self._insert_unit(connection, step, parts[depth - 1], parent, now)
            parent = found
        self._asked = {None: None}

    def _insert_unit(
        self, connection: Connection, path: str, name: str, parent: int | None, now: float
    ) -> int:
        said = path if path_key(name) in self._taken else name
        if not name or len(said) > NAME_LENGTH or path_key(said) in self._taken:
            raise PlaceError(
                f"unit {path}: a unit of that name cannot be made; give it a name of its own of at most "
                f"{NAME_LENGTH} characters"
            )
        row = {"name": said, "parent": parent, "valid_from": int(now), "valid_to": None}
        id_ = int(connection.execute(insert(units).values(row).returning(units.c.id)).scalar_one())
        day = dt.datetime.fromtimestamp(now, dt.UTC).date().isoformat()
        connection.execute(insert(unit_places).values(unit=id_, valid_from=day, parent=parent))
        self._names[id_], self._parents[id_] = said, parent
        self._by_path[path_key(path)] = self._by_name[path_key(said)] = id_
        self._taken.add(path_key(said))
        return id_


class _Names:
    """The rows of a table by a name that is unique in it, whatever the letter case."""

    def __init__(self, connection: Connection, table: Table, column: str) -> None:
        self._table = table
        self._column = column
        rows = connection.execute(select(table.c.id, table.c[column]).order_by(table.c.id)).all()
        self.names: dict[int | None, str] = {row[0]: row[1] for row in rows}
        self._exact: dict[str | None, int | None] = {None: None, **{row[1]: row[0] for row in rows}}
        self._folded: dict[str, int] = {}
        for row in rows:
            self._folded.setdefault(row[1].casefold(), row[0])

    def find(self, name: str | None) -> int | None:
        found = self._exact.get(name, MISSING)
        return self._folded.get((name or "").casefold(), MISSING) if found == MISSING else found

    def make(self, connection: Connection, names: Iterable[str], values: dict[str, object]) -> None:
        for name in names:
            if self.find(name) != MISSING:  # the same in other letters, made a moment ago
                continue
            statement = insert(self._table).values({self._column: name, **values})
            id_ = int(connection.execute(statement.returning(self._table.c.id)).scalar_one())
            self.names[id_] = name
            self._exact[name] = self._folded[name.casefold()] = id_
