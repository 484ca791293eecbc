"""Cost centres, systems and sites: which there are, what they are called, and the unit each belongs to from a day on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Table, func, insert, select, update

from roadworthy_collector.books import organisation_moves
from roadworthy_collector.books.organisation import checked_day
from roadworthy_collector.books.organisation_tree import Organisation, OrganisationError, read
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.books_schema import cost_centres, register_items, systems
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.calendar import local_date
from roadworthy_inventory.register import SITE_KINDS

Kind = Literal["cost_centres", "systems"]
SYSTEM_KINDS = ("application", "infrastructure", "unknown")
NO_UNIT = "none"
_TABLES: dict[str, Table] = {"cost_centres": cost_centres, "systems": systems}
_KEYS = {"cost_centres": "code", "systems": "name"}
_WORDS = {"cost_centres": "cost centre", "systems": "system"}
_LENGTHS = {"code": 64, "name": 128, "kind": 32}


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a cost centre (`key` is its code) or a system (its name): None leaves a thing as it is.

    `name` is a cost centre's, `kind` a system's. `unit` is a path; `none` takes it from its unit.
    """

    key: str
    name: str | None = None
    kind: str | None = None
    unit: str | None = None
    day: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row before and after: {key, name or kind, unit}; `before` is None for a new one."""

    before: dict[str, Any] | None
    after: dict[str, Any]
    dry_run: bool

    @property
    def changed(self) -> bool:
        """Whether anything is, or would be, another."""
        return self.before != self.after


def listed(connection: Connection, kind: Kind, *, scope: Scope = EVERYTHING) -> list[dict[str, Any]]:
    """Return the cost centres or systems in order, each with its unit's path and its register items, within `scope`."""
    organisation = read(connection)
    paths = unit_paths(connection, organisation)
    table, key = _TABLES[kind], _KEYS[kind]
    column = register_items.c.cost_centre if kind == "cost_centres" else register_items.c.system
    counts: dict[int, int] = {
        row[0]: row[1]
        for row in connection.execute(
            select(column, func.count()).where(column.is_not(None)).group_by(column)
        )
    }
    query = select(table).order_by(table.c[key])
    if scope is not None:
        query = query.where(table.c.unit.in_(sorted(scope)))
    return [
        _row(kind, row, paths) | {"items": counts.get(row.id, 0) if scope is None else None}
        for row in connection.execute(query)
    ]


def unit_paths(connection: Connection, organisation: Organisation) -> dict[int | None, str | None]:
    """Return {row id: path today}, of a unit that is gone its last name; of no unit and the unassigned one None."""
    from roadworthy_collector.books.places import Places

    places = Places(connection)
    found: dict[int | None, str | None] = {id_: places.unit_path(id_) for id_ in organisation.names}
    return found | {None: None, organisation.unassigned: None}


def _row(kind: Kind, row: Any, paths: dict[int | None, str | None]) -> dict[str, Any]:
    if kind == "cost_centres":
        return {"code": row.code, "name": row.name, "unit": paths.get(row.unit)}
    return {"name": row.name, "kind": row.kind, "unit": paths.get(row.unit)}


def say(
    engine: Engine,
    kind: Kind,
    said: Said,
    *,
    actor: str,
    now: float,
    zone: str,
    new: bool,
    dry_run: bool = False,
) -> Outcome:
    """Add (`new`) or change one; OrganisationError or NotFoundError say why not."""
    with engine.connect() as connection:
        found = _plan(connection, kind, said, now=now, zone=zone, new=new)
    if dry_run or (found.before == found.after):
        return Outcome(found.before, found.after, dry_run)
    with write_transaction(engine) as connection:
        found = _plan(connection, kind, said, now=now, zone=zone, new=new)
        put(connection, kind, found, now=now)
        action = f"{_WORDS[kind].replace(' ', '_')}.{'add' if new else 'set'}"
        record(connection, int(now), actor, action, said.key, found.after | {"day": found.day.isoformat()})
    return Outcome(found.before, found.after, dry_run=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """A change of one row: `values` are its columns afterwards."""

    id: int | None
    values: dict[str, Any]
    unit_before: int | None
    day: dt.date
    before: dict[str, Any] | None
    after: dict[str, Any]


def _plan(connection: Connection, kind: Kind, said: Said, *, now: float, zone: str, new: bool) -> Plan:
    table, key = _TABLES[kind], _KEYS[kind]
    name = _text(said.key, key)
    held = connection.execute(select(table).where(func.lower(table.c[key]) == name.lower())).first()
    if new and held is not None:
        raise OrganisationError(f"{name}: there is a {_WORDS[kind]} of that {key} already; set it instead")
    if not new and held is None:
        raise NotFoundError(f"{name}: there is no {_WORDS[kind]} of that {key}")
    organisation = read(connection)
    paths = unit_paths(connection, organisation)
    return plan(connection, organisation, kind, said, held, paths=paths, today=local_date(now, zone))


def plan(
    connection: Connection,
    organisation: Organisation,
    kind: Kind,
    said: Said,
    held: Any,
    *,
    paths: dict[int | None, str | None],
    today: dt.date,
) -> Plan:
    """Return the change of a row that is `held`, or of a new one."""
    key = _KEYS[kind]
    day = checked_day(said.day or today)
    if day > today:
        raise OrganisationError(f"{day.isoformat()}: a {_WORDS[kind]} changes its unit today or earlier")
    values: dict[str, Any] = {key: _text(said.key, key) if held is None else getattr(held, key)}
    if kind == "cost_centres":
        kept = None if held is None else held.name
        values["name"] = (
            kept if said.name is None else (_text(said.name, "name") if said.name.strip() else None)
        )
    else:
        kept = "unknown" if held is None else held.kind
        values["kind"] = kept if said.kind is None else said.kind.strip().casefold()
        if values["kind"] not in SYSTEM_KINDS:
            raise OrganisationError(
                f"{said.kind!r} is no kind of system; use one of {', '.join(SYSTEM_KINDS)}"
            )
    before = None if held is None else held.unit
    values["unit"] = before if said.unit is None else _unit(organisation, said.unit, today)
    if held is not None and values["unit"] != before:
        moved = organisation_moves.last_move(connection, kind, held.id)
        if moved is not None and day < moved:
            raise OrganisationError(
                f"{said.key}: came to its unit on {moved.isoformat()}; {day.isoformat()} is before that"
            )

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        return row | {"unit": paths.get(row["unit"])}

    then = None if held is None else shown({name: getattr(held, name) for name in values})
    return Plan(None if held is None else held.id, values, before, day, then, shown(values))


def put(connection: Connection, kind: Kind, found: Plan, *, now: float) -> None:
    """Write a change, in a writing transaction."""
    table = _TABLES[kind]
    if found.id is None:
        connection.execute(insert(table).values(found.values))
        return
    connection.execute(update(table).where(table.c.id == found.id).values(found.values))
    if found.values["unit"] != found.unit_before:
        organisation_moves.note(connection, kind, [found.id], before=found.unit_before, on=found.day, now=now)


def _unit(organisation: Organisation, said: str, today: dt.date) -> int | None:
    if said.strip().casefold() in {"", NO_UNIT, "unassigned"}:
        return None
    return int(organisation.find(organisation.at(today), said))


def _text(said: str, name: str) -> str:
    tidy = " ".join(said.split())
    if not tidy or not tidy.isprintable() or len(tidy) > _LENGTHS[name]:
        raise OrganisationError(f"a {name} is 1 to {_LENGTHS[name]} printable characters, not {said[:80]!r}")
    return tidy


def set_site(
    engine: Engine, name: str, kind: str, *, actor: str, now: float, new: bool = False, dry_run: bool = False
) -> Outcome:
    """Say what kind of place a site is; with `new` it is made where it is not there. Whether it is restricted stays."""
    name, kind = _text(name, "name"), checked_kind(kind)
    with engine.connect() as connection:
        held = connection.execute(select(sites).where(sites.c.name == name)).first()
    if held is None and not new:
        raise NotFoundError(f"{name}: there is no site of that name")
    before = None if held is None else {"name": name, "kind": held.kind}
    after = {"name": name, "kind": kind}
    if dry_run or before == after:
        return Outcome(before, after, dry_run)
    with write_transaction(engine) as connection:
        put_site(connection, name, kind)
        record(connection, int(now), actor, "site.kind", name, {"kind": kind})
    return Outcome(before, after, dry_run=False)


def checked_kind(said: str) -> str:
    """Return a kind of site; OrganisationError for a word that is none."""
    kind = said.strip().casefold().replace(" ", "_")
    if kind not in SITE_KINDS:
        raise OrganisationError(f"{said!r} is no kind of site; use one of {', '.join(SITE_KINDS)}")
    return kind


def put_site(connection: Connection, name: str, kind: str) -> None:
    """Write a site's kind, in a writing transaction; a site that is not there is made."""
    done = connection.execute(update(sites).where(sites.c.name == name).values(kind=kind))
    if not done.rowcount:
        connection.execute(insert(sites).values(name=name, kind=kind, restricted=False))
