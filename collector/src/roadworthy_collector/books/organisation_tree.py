"""The dated tree of units as the store holds it: read as inventory's UnitTree, and written back.

A unit with rows in `unit_places` stands where they say. One without, which an enrolment key or an import made, stands
where `units.parent` puts it, from `units.valid_from` on. `units.name` and `units.parent` are those of today: lists,
scopes and metrics go by them, and `sync` brings them up to date when a day comes.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import unit_places
from roadworthy_collector.store.engine import UNASSIGNED as UNASSIGNED_NAME
from roadworthy_collector.store.schema import units
from roadworthy_collector.store.statements import BulkUpdate
from roadworthy_inventory.calendar import local_day, utc_date
from roadworthy_inventory.units import SEPARATOR, TreeOfDay, Unit, UnitError, UnitTree, path_key

NAME_LENGTH = 128
_PIECE = 500
_SLASH = "\u2215"  # in the tree for a slash that is part of a name: there a slash parts a path


class OrganisationError(RoadworthyError):
    """A change of the organisation that cannot be made, or a tree that is none; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """All units at all times. Ids of `tree` are row ids as text; `unassigned` is the row id of the unit of that name."""

    tree: UnitTree
    names: Mapping[int, str]
    unassigned: int | None

    def at(self, day: dt.date) -> TreeOfDay:
        """Return the tree of a day."""
        return self.tree.at(day)

    def path(self, tree: TreeOfDay, unit: str) -> str:
        """Return a unit's path as people write it."""
        return tree.path(unit).replace(_SLASH, "/")

    def find(self, tree: TreeOfDay, said: str) -> str:
        """Return the unit of a path, or of a name only one unit of that day has; NotFoundError for none or several."""
        found = tree.find(said)
        if found is not None:
            return found
        wanted = path_key(said.replace("/", _SLASH))
        named = [unit.id for unit in tree.units.values() if path_key(unit.name) == wanted]
        if len(named) == 1:
            return named[0]
        many = (
            f"{len(named)} units are called that; say its path, A / B" if named else "there is no such unit"
        )
        raise NotFoundError(f"{said} on {tree.day.isoformat()}: {many}")

    def answering(self, unit: int | None, day: dt.date) -> str | None:
        """Return the unit of the tree that answers on a day for a row's unit; None: nobody does, it is unassigned."""
        if unit is None or unit == self.unassigned:
            return None
        return self.tree.answering(str(unit), day)


def checked_name(name: str) -> str:
    """Return a unit's name as the tree holds it; OrganisationError for one no unit can have."""
    tidy = " ".join(name.split())
    if not tidy or not tidy.isprintable() or len(tidy) > NAME_LENGTH:
        raise OrganisationError(
            f"a unit's name is 1 to {NAME_LENGTH} printable characters, not {name[:80]!r}"
        )
    if "/" in tidy:
        raise OrganisationError(f"{tidy}: a slash parts the steps of a path and is in no name")
    if path_key(tidy) == UNASSIGNED_NAME:
        raise OrganisationError(f"{tidy}: is what belongs to no unit, and no unit can be called so")
    return tidy


def read(connection: Connection) -> Organisation:
    """Return the units with their versions; OrganisationError where what the store holds is no tree on some day."""
    held = connection.execute(select(units).order_by(units.c.id)).all()
    placed: defaultdict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(select(unit_places).order_by(unit_places.c.valid_from)):
        placed[row.unit].append(row)
    names = {row.id: row.name for row in held}
    unassigned = next((row.id for row in held if row.name == UNASSIGNED_NAME), None)
    versions: list[Unit] = []
    implied: list[Unit] = []
    for row in held:
        if row.id == unassigned:
            continue
        rows = placed.get(row.id)
        if rows is None:
            implied.append(_implied(row, unassigned))
        else:
            versions += [_version(one, row.name, unassigned) for one in rows]
    versions += _fitted(implied, versions)
    try:
        return Organisation(UnitTree(tuple(_told_apart(versions))), names, unassigned)
    except UnitError as error:
        raise OrganisationError(f"the organisation as it is held cannot be: {error}") from None


def _key(unit: int | None, unassigned: int | None) -> str | None:
    return None if unit is None or unit == unassigned else str(unit)


def _plain(name: str) -> str:
    """Return the last step of a name that was kept under its whole path, as the tree holds it."""
    return (name.rpartition(SEPARATOR)[2].strip() or name).replace("/", _SLASH)


def _version(row: Any, name: str, unassigned: int | None) -> Unit:
    return Unit(
        str(row.unit),
        _plain(row.name or name),
        _key(row.parent, unassigned),
        dt.date.fromisoformat(row.valid_from),
        None if row.valid_to is None else dt.date.fromisoformat(row.valid_to),
        merged_into=_key(row.merged_into, unassigned),
    )


def _implied(row: Any, unassigned: int | None) -> Unit:
    begins = utc_date(row.valid_from)
    ends = None if row.valid_to is None else max(utc_date(row.valid_to), begins + dt.timedelta(days=1))
    return Unit(str(row.id), _plain(row.name), _key(row.parent, unassigned), begins, ends)


def _fitted(implied: Sequence[Unit], versions: Sequence[Unit]) -> list[Unit]:
    """Return units without dated rows, each beginning no sooner than what it is said to be under."""
    begins: dict[str, dt.date] = {}
    for unit in versions:
        begins[unit.id] = min(unit.valid_from, begins.get(unit.id, unit.valid_from))
    waiting = {unit.id: unit for unit in implied}
    found: list[Unit] = []
    for unit in implied:
        above, start, seen = unit.parent, unit.valid_from, {unit.id}
        while above is not None and above not in seen:
            seen.add(above)
            parent = waiting.get(above)
            start = max(start, begins.get(above, start) if parent is None else parent.valid_from)
            above = None if parent is None else parent.parent
        late = unit.valid_to is not None and unit.valid_to <= start
        found.append(
            replace(unit, valid_from=unit.valid_from if late else start, parent=None if late else unit.parent)
        )
    return found


def _told_apart(versions: Iterable[Unit]) -> list[Unit]:
    """Return the versions with the number of the row behind a name that another unit in the same place has too.

    Names of rows differ in letter case alone where two enrolment keys were made so.
    """
    taken: defaultdict[tuple[str | None, str], list[Unit]] = defaultdict(list)
    found: list[Unit] = []
    for unit in versions:
        same = taken[unit.parent, path_key(unit.name)]
        if any(one.id != unit.id and _overlap(one, unit) for one in same):
            found.append(replace(unit, name=f"{unit.name} ({unit.id})"))
        else:
            same.append(unit)
            found.append(unit)
    return found


def _overlap(one: Unit, other: Unit) -> bool:
    first, second = sorted((one, other), key=lambda unit: unit.valid_from)
    return first.valid_to is None or second.valid_from < first.valid_to


def write(connection: Connection, old: UnitTree, new: UnitTree) -> None:
    """Write the versions of every unit that differs between the two; rows of new units are in `units` already."""
    before = _by_unit(old)
    changed = {unit: versions for unit, versions in _by_unit(new).items() if before.get(unit) != versions}
    ids = sorted(map(int, set(changed) & set(before)))
    for begin in range(0, len(ids), _PIECE):
        connection.execute(delete(unit_places).where(unit_places.c.unit.in_(ids[begin : begin + _PIECE])))
    rows = [
        {
            "unit": int(one.id),
            "valid_from": one.valid_from.isoformat(),
            "valid_to": None if one.valid_to is None else one.valid_to.isoformat(),
            "name": one.name.replace(_SLASH, "/"),
            "parent": None if one.parent is None else int(one.parent),
            "merged_into": None if one.merged_into is None else int(one.merged_into),
        }
        for versions in changed.values()
        for one in versions
    ]
    if rows:
        connection.execute(insert(unit_places), rows)


def _by_unit(tree: UnitTree) -> dict[str, list[Unit]]:
    found: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in tree.versions:
        found[unit.id].append(unit)
    return found


def insert_units(connection: Connection, names: Sequence[str], on: dt.date, zone: str) -> list[int]:
    """Insert the rows of new units under passing names, which `sync` replaces; return their ids in order."""
    passing = [f"{name[: NAME_LENGTH - 24]} (new {secrets.token_hex(8)})" for name in names]
    begins = local_day(on, zone).start
    rows = [{"name": name, "parent": None, "valid_from": begins, "valid_to": None} for name in passing]
    found: dict[str, int] = {}
    for begin in range(0, len(rows), _PIECE):
        connection.execute(insert(units), rows[begin : begin + _PIECE])
        made = units.c.name.in_(passing[begin : begin + _PIECE])
        found.update((row.name, row.id) for row in connection.execute(select(units).where(made)))
    return [found[name] for name in passing]


def sync(connection: Connection, organisation: Organisation, today: dt.date, zone: str) -> int:
    """Make `units` say what the dated rows say of today; return how many rows differed. In a writing transaction."""
    tree = organisation.at(today)
    dated = set(connection.scalars(select(unit_places.c.unit).distinct()))
    held = {row.id: row for row in connection.execute(select(units))}
    wanted: dict[int, dict[str, Any]] = {}
    for id_ in sorted(dated):
        last = organisation.tree.last(str(id_))
        row = held[id_]
        if (unit := tree.units.get(str(id_))) is not None:
            parent = None if unit.parent is None else int(unit.parent)
            values = {"parent": parent, "valid_to": None}
        elif last.valid_to is not None and last.valid_to <= today:
            values = {"parent": row.parent, "valid_to": local_day(last.valid_to, zone).start}
        else:
            continue
        wanted[id_] = values
    told = _names(organisation, tree, held, wanted)
    changed = {
        id_: values | {"name": told[id_]}
        for id_, values in wanted.items()
        if (held[id_].parent, held[id_].valid_to, held[id_].name)
        != (values["parent"], values["valid_to"], told[id_])
    }
    # Names may change places, so each is put aside first.
    aside = [(f"\u00a0{id_}", id_) for id_, values in changed.items() if values["name"] != held[id_].name]
    BulkUpdate(units, "id", ("name",)).write(connection, aside)
    rows = [(one["name"], one["parent"], one["valid_to"], id_) for id_, one in changed.items()]
    BulkUpdate(units, "id", ("name", "parent", "valid_to")).write(connection, rows)
    return len(changed)


def _names(
    organisation: Organisation, tree: TreeOfDay, held: Mapping[int, Any], wanted: Mapping[int, Any]
) -> dict[int, str]:
    """Return what each row is to be called: its name, its path where another has that name, each once in the table."""
    taken = {path_key(row.name) for id_, row in held.items() if id_ not in wanted}
    found: dict[int, str] = {}
    # Those that are there keep the plain names; one that has its plain name already goes before one that takes it.
    for id_ in sorted(
        wanted, key=lambda id_: (str(id_) not in tree.units, not _has_plain(organisation, id_, held), id_)
    ):
        last = organisation.tree.last(str(id_))
        unit = tree.units.get(str(id_))
        name = (unit or last).name.replace(_SLASH, "/")
        if unit is None and last.valid_to is not None:
            name = f"{name[: NAME_LENGTH - 20]} (until {last.valid_to.isoformat()})"
            choices = [name, f"{name[: NAME_LENGTH - 16]} ({id_})"]
        else:
            choices = [name, organisation.path(tree, str(id_)), f"{name[: NAME_LENGTH - 16]} ({id_})"]
        fits = [one for one in choices if len(one) <= NAME_LENGTH and path_key(one) not in taken]
        found[id_] = fits[0] if fits else f"unit {id_}"
        taken.add(path_key(found[id_]))
    return found


def _has_plain(organisation: Organisation, id_: int, held: Mapping[int, Any]) -> bool:
    return bool(held[id_].name == organisation.tree.last(str(id_)).name)
