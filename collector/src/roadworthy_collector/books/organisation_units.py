"""Units from a file: paths, or names with what each is under; the tree grows row by row, and is checked at every step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from roadworthy_collector.books.organisation import said
from roadworthy_collector.books.organisation_rows_told import Faults, Imported, Job, Row
from roadworthy_collector.books.organisation_tree import (
    Organisation,
    OrganisationError,
    checked_name,
    insert_units,
    read,
    write,
)
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.units import SEPARATOR, Unit, UnitError, UnitTree, path_key


class _Growing:
    """The units of a day that rows are put into one by one; new ones have passing ids until their rows are there.

    The tree itself, which checks every day of its history, is built once, of all of them.
    """

    def __init__(self, organisation: Organisation, on: dt.date) -> None:
        self._tree = organisation.tree
        self._on = on
        self._units = {unit.id: (unit.name, unit.parent) for unit in organisation.at(on).units.values()}
        self.new: list[str] = []
        self.moved: dict[str, str | None] = {}
        self.names: dict[str, list[str]] = {}
        self._paths: dict[str, str] = {}
        for id_, (name, _) in self._units.items():
            self.names.setdefault(path_key(name), []).append(id_)
        self._find_paths()

    def _find_paths(self) -> None:
        self._paths = {path_key(self.path(id_)): id_ for id_ in self._units}

    def path(self, unit: str) -> str:
        """Return a unit's path."""
        parts: list[str] = []
        at: str | None = unit
        while at is not None:
            name, at = self._units[at]
            parts.append(name)
        return SEPARATOR.join(reversed(parts))

    def find(self, path: str) -> str | None:
        """Return the unit of a path, new ones too."""
        return self._paths.get(path_key(path))

    def child(self, parent: str | None, name: str) -> str | None:
        """Return the unit of a name right below another, new ones too."""
        return self.find(name if parent is None else f"{self.path(parent)}{SEPARATOR}{name}")

    def add(self, name: str, parent: str | None) -> str:
        """Add a unit and return its passing id."""
        id_ = f"new{len(self.new)}"
        self.new.append(id_)
        self._units[id_] = (name, parent)
        self._paths[path_key(self.path(id_))] = id_
        self.names.setdefault(path_key(name), []).append(id_)
        return id_

    def move(self, unit: str, parent: str | None) -> None:
        """Move a unit; OrganisationError where it would be under itself, or changes on a later day."""
        at = parent
        while at is not None:
            if at == unit:
                raise OrganisationError(f"{self._units[unit][0]}: would be under itself")
            at = self._units[at][1]
        last = self._tree.last(unit)
        if last.valid_to is not None or self._on < last.valid_from:
            changed = last.valid_to or last.valid_from
            raise OrganisationError(f"{last.name}: changes on {changed.isoformat()}; give a later day")
        self._units[unit] = (last.name, parent)
        self.moved[unit] = parent
        self._find_paths()

    def grown(self) -> UnitTree:
        """Return the tree with everything; UnitError where it is none."""
        added = (Unit(id_, *self._units[id_], self._on) for id_ in self.new)
        tree = UnitTree((*self._tree.versions, *added))
        for unit, parent in self.moved.items():
            tree = tree.move(unit, parent, self._on)
        return tree


def take_units(job: Job, rows: Sequence[Row]) -> Imported:
    """Put the rows into the tree, and what is new or moved into the store unless it is a dry run."""
    header, on, faults = job.header, job.on, job.faults
    organisation = read(job.connection)
    growing = _Growing(organisation, on)
    take = _take_named if "parent" in header else _take_path
    unchanged = 0
    if "parent" in header:
        rows = _parents_first(rows, header, faults)
    for row in rows:
        try:
            unchanged += not take(growing, row)
        except (UnitError, RoadworthyError) as error:
            faults.add(row.line, header["unit"], said(organisation, str(error)))
    faults.raise_any()
    try:
        tree = growing.grown()
    except UnitError as error:
        raise OrganisationError(said(organisation, str(error))) from None
    new = [growing.path(one) for one in growing.new]
    changed = [growing.path(one) for one in growing.moved]
    if not job.dry_run:
        names = [path.rpartition(SEPARATOR)[2] for path in new]
        rows_of = insert_units(job.connection, names, on, job.zone)
        ids = {one: str(id_) for one, id_ in zip(growing.new, rows_of, strict=True)}
        write(job.connection, organisation.tree, _with_ids(tree, ids))
    return Imported("units", on, job.dry_run, new, changed, unchanged)


def _with_ids(tree: UnitTree, ids: dict[str, str]) -> UnitTree:
    return UnitTree(
        tuple(
            replace(unit, id=ids.get(unit.id, unit.id), parent=ids.get(unit.parent or "", unit.parent))
            for unit in tree.versions
        )
    )


def _take_path(growing: _Growing, row: Row) -> bool:
    """Take a row with a path, every step of which is made where it is not there; return whether it changed anything."""
    parent: str | None = None
    new = False
    for part in row.texts["unit"].split("/"):
        name = checked_name(part)
        found = growing.child(parent, name)
        if found is None:
            found, new = growing.add(name, parent), True
        parent = found
    return new


def _take_named(growing: _Growing, row: Row) -> bool:
    """Take a row with a name and the name of what it is under; a unit that stands elsewhere is moved."""
    name = checked_name(row.texts["unit"])
    above = row.texts.get("parent")
    parent = None if above is None else _one(growing, above)
    if growing.child(parent, name) is not None:
        return False
    held = growing.names.get(path_key(name), [])
    if not held:
        growing.add(name, parent)
    elif len(held) == 1:
        growing.move(held[0], parent)
    else:
        raise OrganisationError(f"{name}: {len(held)} units are called that; give a file with paths, A / B")
    return True


def _one(growing: _Growing, named: str) -> str:
    found = growing.find(named)
    if found is not None:
        return found
    held = growing.names.get(path_key(named), [])
    if len(held) != 1:
        raise OrganisationError(
            f"parent {named}: " + ("no unit is called that" if not held else "several units are called that")
        )
    return held[0]


def _parents_first(rows: Sequence[Row], header: dict[str, str], faults: Faults) -> list[Row]:
    """Return the rows in an order in which every parent of the file comes before what is under it."""
    by_name = {path_key(row.texts["unit"]): row for row in rows}
    done: dict[int, None] = {}
    ordered: list[Row] = []
    for row in rows:
        line: list[Row] = []
        at: Row | None = row
        while at is not None and at.line not in done and at not in line:
            line.append(at)
            above = at.texts.get("parent")
            at = None if above is None else by_name.get(path_key(above))
        if at is not None and at in line:
            faults.add(row.line, header["parent"], f"{row.texts['unit']} would be under itself")
            continue
        for one in reversed(line):
            done[one.line] = None
            ordered.append(one)
    faults.raise_any()
    return ordered
