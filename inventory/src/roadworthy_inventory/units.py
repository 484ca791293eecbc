"""The organisation: units in a tree of any depth that changes over time, and figures rolled up it by day.

Every unit has an id that never changes and one or more dated versions (name, parent). A version holds from
`valid_from` up to but not including `valid_to` (None: until further notice). Moving, renaming and merging end a
version and begin another, so that a figure of last year still rolls up the tree of last year.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType

from roadworthy_inventory.register import SITE_KINDS

SEPARATOR = " / "
UNASSIGNED = ""  # the key of figures that no unit of that day answers for: counted, never dropped


class UnitError(ValueError):
    """A tree that cannot be: a cycle, a missing parent, two units of one name; the text names the day."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One version of a unit: what it was called and where it stood from `valid_from` until before `valid_to`.

    `restricted` units are counted in totals only. `merged_into` is the unit that answers for this one from
    `valid_to` on; it is set on a last version only.
    """

    id: str
    name: str
    parent: str | None
    valid_from: dt.date
    valid_to: dt.date | None = None
    restricted: bool = False
    merged_into: str | None = None

    def holds(self, day: dt.date) -> bool:
        """Whether this version is the one of `day`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class Site:
    """A place; `kind` is one of SITE_KINDS. Restricted sites are counted in totals only."""

    id: str
    name: str
    kind: str
    restricted: bool = False

    def __post_init__(self) -> None:
        if self.kind not in SITE_KINDS:
            raise UnitError(f"site {self.id}: {self.kind!r} is none of {', '.join(SITE_KINDS)}")


@dataclass(frozen=True, slots=True)
class TreeOfDay:
    """The tree as it was on one day. No cycles, every parent is there, paths are unique."""

    day: dt.date
    units: Mapping[str, Unit]
    paths: Mapping[str, str] = field(repr=False)

    def path(self, unit_id: str) -> str:
        """Return the names from the root down, `Operations / Custody`; UnitError where there is no such unit."""
        if unit_id not in self.units:
            raise UnitError(f"there is no unit {unit_id} on {self.day.isoformat()}")
        return SEPARATOR.join(self.units[one].name for one in reversed(self.line(unit_id)))

    def find(self, path: str) -> str | None:
        """Return the id of the unit of that path (spaces and case beside the point), None where there is none."""
        return self.paths.get(path_key(path))

    def line(self, unit_id: str) -> tuple[str, ...]:
        """Return the ids from the unit up to its root, itself first; empty where there is no such unit."""
        found: list[str] = []
        at: str | None = unit_id if unit_id in self.units else None
        while at is not None:
            found.append(at)
            at = self.units[at].parent
        return tuple(found)

    def children(self, unit_id: str | None) -> tuple[str, ...]:
        """Return the ids right below the unit (None: the roots), by name."""
        below = [unit for unit in self.units.values() if unit.parent == unit_id]
        return tuple(unit.id for unit in sorted(below, key=lambda unit: (unit.name.casefold(), unit.id)))

    def below(self, unit_id: str) -> frozenset[str]:
        """Return the ids of the unit and everything under it."""
        return frozenset(one for one in self.units if unit_id in self.line(one))

    def restricted(self, unit_id: str) -> bool:
        """Whether the unit or any above it is restricted."""
        return any(self.units[one].restricted for one in self.line(unit_id))


def path_key(path: str) -> str:
    """Return the path for comparing: lower case, no spaces around the separators."""
    return "/".join(" ".join(part.split()).casefold() for part in path.split("/"))


@dataclass(frozen=True, slots=True)
class UnitTree:
    """All versions of all units. Building one checks every day on which anything changes; UnitError if one is off."""

    versions: tuple[Unit, ...] = ()

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.versions, key=lambda unit: (unit.id, unit.valid_from)))
        object.__setattr__(self, "versions", ordered)
        for unit in ordered:
            _check_version(unit)
        for earlier, later in pairwise(ordered):
            if earlier.id == later.id and (earlier.valid_to is None or earlier.valid_to > later.valid_from):
                raise UnitError(
                    f"unit {earlier.id}: two versions hold on {later.valid_from.isoformat()}; end the first "
                    "before the second begins"
                )
        for day in self.days_of_change():
            self.at(day)
        for unit in ordered:
            if unit.merged_into is not None:
                self._check_merger(unit)

    def _check_merger(self, unit: Unit) -> None:
        """Refuse a merger that is not the end of the unit's life, or into a unit not there that day."""
        if unit.valid_to is None or self.last(unit.id) is not unit:
            raise UnitError(f"unit {unit.id}: only a version that ended, and the last one, can be merged")
        if not any(one.id == unit.merged_into and one.holds(unit.valid_to) for one in self.versions):
            raise UnitError(
                f"unit {unit.id}: there is no unit {unit.merged_into} on {unit.valid_to.isoformat()} to merge into"
            )

    def days_of_change(self) -> tuple[dt.date, ...]:
        """Return the days on which the tree differs from the day before, oldest first."""
        begins = {unit.valid_from for unit in self.versions}
        ends = {unit.valid_to for unit in self.versions if unit.valid_to is not None}
        return tuple(sorted(begins | ends))

    def at(self, day: dt.date) -> TreeOfDay:
        """Return the tree of that day; UnitError where it is no tree (building has checked every day)."""
        units = {unit.id: unit for unit in self.versions if unit.holds(day)}
        paths: dict[str, str] = {}
        for one in units.values():
            seen: list[str] = []
            at: str | None = one.id
            while at is not None:
                if at in seen:
                    raise UnitError(
                        f"on {day.isoformat()} {' is under '.join([*seen, at])}: a unit cannot be under itself"
                    )
                seen.append(at)
                if at not in units:
                    raise UnitError(
                        f"on {day.isoformat()} unit {seen[-2]} is under {at}, which is not there that day; move "
                        "or close it first"
                    )
                at = units[at].parent
            key = "/".join(path_key(units[step].name) for step in reversed(seen))
            if key in paths:
                raise UnitError(
                    f"on {day.isoformat()} two units are called {key!r}; name paths must be unique"
                )
            paths[key] = one.id
        return TreeOfDay(day, MappingProxyType(units), MappingProxyType(paths))

    def last(self, unit_id: str) -> Unit:
        """Return the newest version of the unit; UnitError where there never was one."""
        found = [unit for unit in self.versions if unit.id == unit_id]
        if not found:
            raise UnitError(f"there is no unit {unit_id}")
        return found[-1]

    def answering(self, unit_id: str, day: dt.date) -> str | None:
        """Return the unit that answers for `unit_id` on `day`: itself, or what it was merged into; else None.

        A ledger goes on naming a unit for months after it is gone.
        """
        at: str | None = unit_id
        for _ in range(len(self.versions) + 1):
            mine = [unit for unit in self.versions if unit.id == at]
            if any(unit.holds(day) for unit in mine):
                return at
            if not mine or mine[-1].valid_to is None or day < mine[-1].valid_to:
                return None
            at = mine[-1].merged_into
        return None

    def add(
        self, unit_id: str, name: str, parent: str | None, on: dt.date, *, restricted: bool = False
    ) -> UnitTree:
        """Return the tree with a new unit from `on`."""
        if any(unit.id == unit_id for unit in self.versions):
            raise UnitError(f"there is a unit {unit_id} already; ids are never used again")
        return UnitTree((*self.versions, Unit(unit_id, name, parent, on, restricted=restricted)))

    def rename(self, unit_id: str, name: str, on: dt.date) -> UnitTree:
        """Return the tree with the unit called `name` from `on`."""
        return self._changed(replace(self._open(unit_id, on), name=name, valid_from=on))

    def move(self, unit_id: str, parent: str | None, on: dt.date) -> UnitTree:
        """Return the tree with the unit, and all below it, under `parent` from `on`. A cycle is a UnitError."""
        return self._changed(replace(self._open(unit_id, on), parent=parent, valid_from=on))

    def close(self, unit_id: str, on: dt.date) -> UnitTree:
        """Return the tree without the unit from `on`; UnitError while units are under it."""
        return UnitTree(self._ended(self._open(unit_id, on), on, None))

    def merge(self, unit_id: str, into: str, on: dt.date) -> UnitTree:
        """Return the tree with the unit gone from `on`, its children under `into`, which answers for it then."""
        if unit_id == into:
            raise UnitError(f"unit {unit_id} cannot be merged into itself")
        tree = self.at(on)
        if into in tree.below(unit_id):
            raise UnitError(f"unit {into} is under {unit_id}; move it out before merging")
        going = self._open(unit_id, on)
        versions = list(self._ended(going, on, into))
        for child in tree.children(unit_id):
            opened = self._open(child, on)
            versions = [unit for unit in versions if unit is not opened]
            if opened.valid_from < on:
                versions.append(replace(opened, valid_to=on))
            versions.append(replace(opened, parent=into, valid_from=on))
        return UnitTree(tuple(versions))

    def _open(self, unit_id: str, on: dt.date) -> Unit:
        """Return the unit's last version, which must hold on `on` and have no end: history is not rewritten."""
        unit = self.last(unit_id)
        if unit.valid_to is not None:
            raise UnitError(f"unit {unit_id} ended on {unit.valid_to.isoformat()}")
        if on < unit.valid_from:
            raise UnitError(
                f"unit {unit_id} last changed on {unit.valid_from.isoformat()}; {on.isoformat()} is before that"
            )
        return unit

    def _ended(self, unit: Unit, on: dt.date, merged_into: str | None) -> tuple[Unit, ...]:
        if unit.valid_from == on:
            raise UnitError(f"unit {unit.id} last changed on {on.isoformat()}; end it on a later day")
        others = tuple(one for one in self.versions if one is not unit)
        return (*others, replace(unit, valid_to=on, merged_into=merged_into))

    def _changed(self, new: Unit) -> UnitTree:
        """Put `new` after the open version; on the very day that began, in its place (a correction)."""
        old = self.last(new.id)
        others = tuple(one for one in self.versions if one is not old)
        kept = () if old.valid_from == new.valid_from else (replace(old, valid_to=new.valid_from),)
        return UnitTree((*others, *kept, new))


def _check_version(unit: Unit) -> None:
    if not unit.id or not unit.name.strip() or "/" in unit.name:
        raise UnitError(
            f"unit {unit.id!r}: the name {unit.name!r} is empty or has a slash, which parts paths"
        )
    if unit.valid_to is not None and unit.valid_to <= unit.valid_from:
        raise UnitError(
            f"unit {unit.id}: it would end on {unit.valid_to.isoformat()}, not after its start on "
            f"{unit.valid_from.isoformat()}"
        )


def roll_up(tree: UnitTree, figures: Iterable[tuple[str | None, dt.date, int]]) -> dict[str, int]:
    """Return {unit id: sum of its own figures and of all below it}, each figure by the tree of its day.

    A figure is (unit id, day, whole amount of any one unit of measure). One of a merged unit counts to what it was
    merged into; one that no unit of its day answers for counts under UNASSIGNED. So the roots of any day and
    UNASSIGNED sum to all figures.
    """
    lines: dict[tuple[str | None, dt.date], tuple[str, ...]] = {}
    trees: dict[dt.date, TreeOfDay] = {}
    sums: dict[str, int] = {}
    for unit_id, day, amount in figures:
        key = (unit_id, day)
        if key not in lines:
            if day not in trees:
                trees[day] = tree.at(day)
            answering = None if unit_id is None else tree.answering(unit_id, day)
            lines[key] = (UNASSIGNED,) if answering is None else trees[day].line(answering)
        for one in lines[key]:
            sums[one] = sums.get(one, 0) + amount
    return sums
