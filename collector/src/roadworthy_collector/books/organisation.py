"""The organisation changed from a day on: units added, moved, renamed, merged and closed.

History is not rewritten: a change begins on its day, which is not before the unit's last change, and figures of the
days before go by the tree of their day. A day to come is kept and takes effect by itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, func, select

from roadworthy_collector.books import organisation_moves
from roadworthy_collector.books.organisation_tree import (
    Organisation,
    OrganisationError,
    checked_name,
    insert_units,
    read,
    write,
)
from roadworthy_collector.store.books_schema import cost_centres, register_items, systems
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import devices, enrol_keys, scrape_token_units, user_units
from roadworthy_inventory.calendar import local_date
from roadworthy_inventory.units import TreeOfDay, UnitError, UnitTree

Action = Literal["add", "move", "rename", "merge", "close"]
ACTIONS: tuple[Action, ...] = get_args(Action)
_EARLIEST, _LATEST = dt.date(1970, 1, 2), dt.date(2200, 1, 1)
_NEW = "new"


@dataclass(frozen=True, slots=True)
class Asked:
    """A change of one unit from `day` on (None: today).

    `unit` is a path, or a name only one unit has. `to`: of a move the unit above (None: the top), of a renaming the
    name, of a merger the unit that goes on.
    """

    action: Action
    unit: str
    to: str | None = None
    day: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a change did, or would do.

    `before` and `after` are paths, None where the unit is not there. `below`: units under it that go along. `waits`:
    its day is to come. `belongings` {kind: rows} are what belongs to it; of a merger they go to the other unit.
    `holders` are the users and scrape tokens whose role holds for a unit that goes: they are to be given another.
    """

    action: Action
    day: dt.date
    before: str | None
    after: str | None
    below: int
    waits: bool
    dry_run: bool
    belongings: dict[str, int] = field(default_factory=dict)
    holders: list[str] = field(default_factory=list)


def change(engine: Engine, asked: Asked, *, actor: str, now: float, zone: str, dry_run: bool = False) -> Done:
    """Change one unit; OrganisationError or NotFoundError say why not, and nothing is changed then."""
    today = local_date(now, zone)
    day = checked_day(asked.day or today)
    with engine.connect() as connection:
        organisation = read(connection)
        done = _tried(connection, organisation, asked, day, today=today, dry_run=dry_run)
    if dry_run:
        return done
    with write_transaction(engine) as connection:
        organisation = read(connection)  # again: somebody may have been faster
        done = _tried(connection, organisation, asked, day, today=today, dry_run=False)
        new = _NEW
        if asked.action == "add":
            new = str(insert_units(connection, [checked_name(_parts(asked)[1])], day, zone)[0])
        write(connection, organisation.tree, _changed(organisation, asked, day, new))
        detail: dict[str, Any] = {"day": day.isoformat(), "after": done.after, **done.belongings}
        record(connection, int(now), actor, f"unit.{asked.action}", done.before or done.after, detail)
    organisation_moves.catch_up(engine, now=now, today=today, zone=zone, actor=actor)
    return done


def checked_day(day: dt.date) -> dt.date:
    """Return a day the tree can change on; OrganisationError for one that was mistyped."""
    if not _EARLIEST <= day <= _LATEST:
        raise OrganisationError(f"{day.isoformat()}: give a day from {_EARLIEST} to {_LATEST}")
    return day


def _parts(asked: Asked) -> tuple[str | None, str]:
    """Return (the path above, the name) of a unit to add."""
    above, slash, name = asked.unit.rpartition("/")
    return (above if slash else None), name


def _changed(organisation: Organisation, asked: Asked, day: dt.date, new: str) -> UnitTree:
    """Return the tree with the change; `new` is the id of a unit to add."""
    tree = organisation.at(day)

    def found(said: str | None) -> str | None:
        return None if said is None else organisation.find(tree, said)

    try:
        if asked.action == "add":
            above, name = _parts(asked)
            return organisation.tree.add(new, checked_name(name), found(above), day)
        unit = organisation.find(tree, asked.unit)
        steps: dict[str, Callable[[], UnitTree]] = {
            "move": lambda: organisation.tree.move(unit, found(asked.to), day),
            "rename": lambda: organisation.tree.rename(unit, checked_name(asked.to or ""), day),
            "merge": lambda: organisation.tree.merge(unit, organisation.find(tree, asked.to or ""), day),
            "close": lambda: organisation.tree.close(unit, day),
        }
        return steps[asked.action]()
    except UnitError as error:
        raise OrganisationError(said(organisation, str(error))) from None


_UNDER = ["is", "under"]


def said(organisation: Organisation, text: str) -> str:
    """Return what the tree says with units' names where it has their numbers."""
    words = text.split(" ")
    for place, word in enumerate(words):
        number = word.strip(",;:")
        named = (
            words[place - 1 : place] in (["unit"], ["under"], ["into"])
            or words[place + 1 : place + 3] == _UNDER
        )
        if named and number.isdigit():
            name = organisation.names.get(int(number))
            words[place] = word if name is None else word.replace(number, repr(name))
    return " ".join(words)


def _tried(
    connection: Connection,
    organisation: Organisation,
    asked: Asked,
    day: dt.date,
    *,
    today: dt.date,
    dry_run: bool,
) -> Done:
    """Return what the change would do; raises as `change` does."""
    if asked.action in {"rename", "merge"} and not (asked.to or "").strip():
        raise OrganisationError(f"{asked.unit}: say what to {asked.action} it to")
    after = _changed(organisation, asked, day, _NEW)
    then = after.at(day)
    if asked.action == "add":
        return Done("add", day, None, _path(then, _NEW), 0, day > today, dry_run)
    tree = organisation.at(day)
    unit = organisation.find(tree, asked.unit)
    held: dict[str, int] = {}
    holders: list[str] = []
    if asked.action in {"merge", "close"}:
        held = organisation_moves.count(connection, int(unit))
        holders = _holders(connection, int(unit))
        if asked.action == "close":
            _require_empty(connection, int(unit), asked.unit)
    gone = unit not in then.units
    survivor = organisation.find(tree, asked.to or "") if asked.action == "merge" else unit
    return Done(
        asked.action,
        day,
        organisation.path(tree, unit),
        None if gone and asked.action != "merge" else _path(then, survivor),
        len(tree.below(unit)) - 1,
        day > today,
        dry_run,
        held,
        holders,
    )


def _path(tree: TreeOfDay, unit: str) -> str:
    return Organisation(UnitTree(), {}, None).path(tree, unit)


def _holders(connection: Connection, unit: int) -> list[str]:
    """Return who is scoped to a unit: a merger must not show them more than was meant, so it is for people to say."""
    users = connection.scalars(
        select(user_units.c.user).where(user_units.c.unit == unit).order_by(user_units.c.user)
    )
    tokens = connection.scalars(
        select(scrape_token_units.c.token)
        .where(scrape_token_units.c.unit == unit)
        .order_by(scrape_token_units.c.token)
    )
    return [f"user {name}" for name in users] + [f"scrape token {id_}" for id_ in tokens]


def _require_empty(connection: Connection, unit: int, named: str) -> None:
    """Refuse to close a unit something in use belongs to: it would be nobody's."""
    in_use = {
        "devices in service": (devices, devices.c.retired_at.is_(None)),
        "register items": (register_items, register_items.c.lifecycle_state != "disposed"),
        "enrolment keys": (enrol_keys, enrol_keys.c.revoked_at.is_(None)),
        "systems": (systems, systems.c.id > 0),
        "cost centres": (cost_centres, cost_centres.c.id > 0),
    }
    held = []
    for words, (table, condition) in in_use.items():
        count = connection.scalar(
            select(func.count()).select_from(table).where(table.c.unit == unit, condition)
        )
        if count:
            held.append(f"{count} {words}")
    if held:
        raise OrganisationError(
            f"{named}: {', '.join(held)} belong to it; merge it into the unit that takes them over, or move them first"
        )


def describe(done: Done) -> list[str]:
    """Return what a change did in sentences, for a terminal or a page."""
    from_ = f"from {done.day.isoformat()} on"
    verbs = {
        "add": f"{done.after} is there {from_}",
        "move": f"{done.before} is {done.after} {from_}",
        "rename": f"{done.before} is called {done.after} {from_}",
        "merge": f"{done.before} goes into {done.after} {from_}",
        "close": f"{done.before} is closed {from_}",
    }
    lines = [verbs[done.action]]
    if done.below:
        lines.append(f"units under it that go along: {done.below}")
    if done.belongings:
        parts = [f"{kind.replace('_', ' ')} {count}" for kind, count in done.belongings.items()]
        lines.append(f"belongs to it today: {', '.join(parts)}")
    if done.holders:
        lines.append(
            f"{', '.join(done.holders)}: may see nothing of it afterwards; give them another unit if that is meant"
        )
    if done.waits:
        lines.append("the day is to come: until then nothing changes")
    if done.dry_run:
        lines.append("dry run: nothing was changed")
    return lines


def changes_of(organisation: Organisation, unit: str) -> Sequence[dict[str, Any]]:
    """Return a unit's versions, oldest first: name, the name of what it was under, from, until, merged into."""
    return [
        {
            "name": one.name,
            "under": None if one.parent is None else organisation.names.get(int(one.parent)),
            "valid_from": one.valid_from.isoformat(),
            "valid_to": None if one.valid_to is None else one.valid_to.isoformat(),
            "merged_into": None if one.merged_into is None else organisation.names.get(int(one.merged_into)),
        }
        for one in organisation.tree.versions
        if one.id == unit
    ]
