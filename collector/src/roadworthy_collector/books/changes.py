"""Many items changed at once by hand, from a list of tags: enrolled, moved, put into another state or profile.

One batch and one audit entry a change, whatever the number of items; `batches.undo` takes it back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Engine

from roadworthy_collector.books import batches, items, retiring
from roadworthy_collector.books.batches import Change, Counts, Source
from roadworthy_collector.books.importing import Progress, silent
from roadworthy_collector.books.item_writing import ItemWriter
from roadworthy_collector.books.matching import Keys
from roadworthy_collector.books.places import Places, Wanted
from roadworthy_collector.books.telling import SHOWN_CHANGES, ItemChange, item_change
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_inventory.register import (
    ITEM_KINDS,
    LIFECYCLE_STATES,
    UNKNOWN,
    USAGE_PROFILES,
    RegisterItem,
    transition_warning,
)

MOST_TAGS = 100_000
# States in which a device is gone for good; in any other it may report again tomorrow.
RETIRING = ("awaiting_disposal", "disposed", "lost_or_stolen")
_TAG_LENGTH = 64
_PLACE_LENGTH = 128
_PARTED = re.compile(r"[\r\n\t,;]+")


class ChangeRefusedError(RoadworthyError):
    """A change that cannot be made as asked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to become of the items: None leaves a thing as it is.

    `unit` is a path, made if new, as a site is. `enrol` makes items of tags the register does not have, of `kind`.
    `retire_devices`: the devices the items are go out of service with them, which takes a state of RETIRING.
    """

    unit: str | None = None
    site: str | None = None
    state: str | None = None
    profile: str | None = None
    kind: str | None = None
    enrol: bool = False
    retire_devices: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did, or would do: items `new`, `changed` and `unchanged`, tags `not_found` and given again.

    `retired`: devices put out of service. `warnings` are (tag, why its new state is unusual). `changes` and `warnings`
    hold the first SHOWN_CHANGES. `made`: {kind: names} of places that were or would be made.
    """

    dry_run: bool
    batch: int | None
    new: int
    changed: int
    unchanged: int
    not_found: list[str]
    warning_count: int
    warnings: list[tuple[str, str]] = field(default_factory=list)
    changes: list[ItemChange] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    retired: int = 0
    made: Mapping[str, list[str]] = field(default_factory=dict)


class Pasted(NamedTuple):
    """The tags of a pasted text, each once, and those that stood in it more than once."""

    tags: list[str]
    duplicates: list[str]


def parse_tags(text: str) -> list[str]:
    """Return the tags of a pasted text, each once; see `parse_pasted`."""
    return parse_pasted(text).tags


def parse_pasted(text: str) -> Pasted:
    """Return the tags of a pasted text: parted by line ends, tabs, commas or semicolons.

    ChangeRefusedError naming the line where one is no tag.
    """
    found: dict[str, str] = {}
    again: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        for part in _PARTED.split(line):
            tag = part.strip()
            if len(tag) > _TAG_LENGTH or not tag.isprintable():
                raise ChangeRefusedError(
                    f"line {number}: a tag is at most {_TAG_LENGTH} printable characters; give one tag a line"
                )
            if tag and found.setdefault(tag.casefold(), tag) is not tag:
                again[tag.casefold()] = tag
    if not found:
        raise ChangeRefusedError("there is no tag in what was given; give one tag a line")
    if len(found) > MOST_TAGS:
        raise ChangeRefusedError(f"{len(found)} tags are more than {MOST_TAGS}; give them in parts")
    return Pasted(list(found.values()), list(again.values()))


def checked(asked: Asked) -> Asked:
    """Return what is asked with its texts tidied; ChangeRefusedError for a word that is none, or nothing at all."""
    for name, value, allowed in (
        ("state", asked.state, LIFECYCLE_STATES),
        ("profile", asked.profile, USAGE_PROFILES),
        ("kind", asked.kind, ITEM_KINDS),
    ):
        if value is not None and value not in allowed:
            raise ChangeRefusedError(f"{value!r} is no {name}; use one of {', '.join(allowed)}")
    unit = None if asked.unit is None else _place("unit", " / ".join(_parts(asked.unit)))
    site = None if asked.site is None else _place("site", " ".join(asked.site.split()))
    if asked.retire_devices and asked.state not in RETIRING:
        raise ChangeRefusedError(f"devices are retired with a state of {', '.join(RETIRING)}; name one")
    if not asked.enrol and (unit, site, asked.state, asked.profile, asked.kind) == (None,) * 5:
        raise ChangeRefusedError("say what is to change: unit, site, state, profile or kind, or enrol them")
    return replace(asked, unit=unit, site=site)


def _parts(path: str) -> list[str]:
    return [" ".join(part.split()) for part in path.split("/")]


def _place(kind: str, name: str) -> str:
    if not name or "" in (_parts(name) if kind == "unit" else [name]) or not name.isprintable():
        raise ChangeRefusedError(f"{kind}: give a name on one line" + (", A / B" if kind == "unit" else ""))
    if len(name) > _PLACE_LENGTH:
        raise ChangeRefusedError(f"{kind}: a name is at most {_PLACE_LENGTH} characters")
    return name


def change_items(  # noqa: PLR0913 - all but four by name
    engine: Engine,
    tags: list[str] | Pasted,
    asked: Asked,
    *,
    actor: str,
    now: float,
    dry_run: bool = False,
    scope: Scope = EVERYTHING,
    restricted: bool = True,
    progress: Progress = silent,
) -> Changed:
    """Change the items of these tags, those within `scope`; `now` in UTC epoch seconds.

    Tags of others' items count as not found. Raises ChangeRefusedError, BatchRunningError.
    """
    asked = checked(asked)
    pasted = tags if isinstance(tags, Pasted) else Pasted(tags, [])
    wanted = Wanted({asked.unit}, {asked.site})
    with engine.connect() as connection:
        keys = Keys(connection, scope=scope, restricted=restricted)
        places = Places(connection)
    if scope is not None and (asked.unit is not None or asked.enrol) and places.unit(asked.unit) not in scope:
        raise ChangeRefusedError(
            f"unit {asked.unit or 'none'}: is no unit of yours; your role holds for some only"
        )
    planned = _Plan(engine, keys, pasted.tags, asked)
    named = {"unit": asked.unit, "site": asked.site}
    made = places.missing(wanted) if planned.touches else {}
    if not dry_run and made:
        with write_transaction(engine) as connection:
            places.make(connection, wanted, now)
    planned.compare(places)
    gone = planned.devices() if asked.retire_devices else []
    batch = None
    if (planned.changes or gone) and not dry_run:
        batch = _write(engine, planned, asked, gone, actor=actor, now=now, progress=progress)
    new = sum(change.before is None for change in planned.changes)
    return Changed(
        dry_run, batch, new, len(planned.changes) - new, planned.unchanged, planned.not_found,
        len(planned.warnings), planned.warnings[:SHOWN_CHANGES],
        [item_change(change, places, named) for change in planned.changes[:SHOWN_CHANGES]], pasted.duplicates,
        len(gone), made,
    )  # fmt: skip


class _Plan:
    """Which items a list of tags names, and what becomes of each."""

    def __init__(self, engine: Engine, keys: Keys, tags: list[str], asked: Asked) -> None:
        self._engine = engine
        self._asked = asked
        self.changes: list[Change] = []
        self.unchanged = 0
        self.warnings: list[tuple[str, str]] = []
        self._targets: list[int] = []
        self._new: list[str] = []
        self.not_found: list[str] = []
        for tag in tags:
            found = keys.tags.get(tag.casefold())
            if found is not None and found not in keys.hidden:
                self._targets.append(found)
            elif found is None and asked.enrol:
                self._new.append(tag)
            else:
                self.not_found.append(tag)

    @property
    def touches(self) -> int:
        """How many items are meant."""
        return len(self._targets) + len(self._new)

    def devices(self) -> list[int]:
        """Return the devices in service that are the items meant."""
        with self._engine.connect() as connection:
            return retiring.linked_devices(connection, self._targets)

    def compare(self, places: Places) -> None:
        """Work out the changes against what is held."""
        lookup = items.held_by_id()
        for piece in batches.pieces(self._targets):
            with self._engine.connect() as connection:
                rows = {row[0]: items.values_of_row(row) for row in lookup.rows(connection, piece)}
            for target in piece:
                if target in rows:
                    self._compare(target, rows[target], places)
        for tag in self._new:
            item = RegisterItem(tag=tag, lifecycle_state=self._asked.state or "stores")
            self.changes.append(Change(None, None, self._after(items.values_of(item, places), places)))

    def _compare(self, target: int, before: items.Values, places: Places) -> None:
        after = self._after(before, places)
        if after == before:
            self.unchanged += 1
            return
        self.changes.append(Change(target, before, after))
        state = items.NAMES.index("lifecycle_state")
        if self._asked.state is not None and (
            why := transition_warning(before[state] or UNKNOWN, self._asked.state)
        ):
            self.warnings.append((before[0], why))

    def _after(self, before: items.Values, places: Places) -> items.Values:
        asked = self._asked
        told: dict[str, Any] = {
            "unit": places.unit(asked.unit),
            "site": places.site(asked.site),
            "lifecycle_state": asked.state,
            "usage_profile": asked.profile,
            "kind": asked.kind,
        }
        return items.with_told(before, {name: value for name, value in told.items() if value is not None})


def _write(
    engine: Engine,
    planned: _Plan,
    asked: Asked,
    gone: list[int],
    *,
    actor: str,
    now: float,
    progress: Progress,
) -> int:
    what = {
        "unit": asked.unit, "site": asked.site, "state": asked.state, "profile": asked.profile, "kind": asked.kind,
    }  # fmt: skip
    new = sum(change.before is None for change in planned.changes)
    detail = {name: value for name, value in what.items() if value is not None}
    detail_all: dict[str, Any] = {**detail, "new": new, "changed": len(planned.changes) - new}
    if asked.retire_devices:
        detail_all["devices_retired"] = len(gone)
    good = len(planned.changes) + planned.unchanged
    counts = Counts(good + len(planned.not_found), good, len(planned.not_found), {})
    source = Source("by_hand", "enrol" if asked.enrol else "change", actor)
    with batches.writing(engine, source, counts, now, "register.change", detail_all) as batch:
        writer = ItemWriter(engine, batch, now)
        done = 0
        for piece in batches.pieces(planned.changes):
            writer.write(piece)
            done += len(piece)
            progress("written", done, len(planned.changes))
        if gone:
            retiring.retire(engine, batch, gone, int(now))
    return batch
