"""The rows behind a figure of a unit at a day, page by page: devices, register items, systems, contracts, lines.

What stands at a restricted site is counted, and listed for nobody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import ColumnElement, func, or_, select

from roadworthy_collector.books.organisation_figures import (
    Context,
    connection_rows,
    ledger,
    stood,
    table_of,
    there,
    unit_of,
)
from roadworthy_collector.books.organisation_tree import OrganisationError
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.books_schema import contracts, cost_centres, register_items, systems
from roadworthy_collector.store.schema import days, devices, sites
from roadworthy_inventory.calendar import utc_day

Kind = Literal["devices", "items", "half_hours", "systems", "cost_centres", "contracts", "ledger"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_MONEY = ("contracts", "ledger")
PAGE = 100
_READ = 1000
UNASSIGNED = "unassigned"


class Page(NamedTuple):
    """Some rows, the number the next page begins after (None: the last), and how many are at restricted sites."""

    rows: list[dict[str, Any]]
    next: int | None
    restricted: int


class Wanted(NamedTuple):
    """Rows of which kind; `unit` is the row id of a unit of the day, None what is unassigned; `state` of items."""

    kind: Kind
    unit: int | None
    state: str | None = None


def rows(context: Context, wanted: Wanted, *, after: int = 0, limit: int = PAGE) -> Page:
    """Return the rows behind a figure. NotFoundError for a unit that is not there that day, or not the reader's."""
    members = _members(context, wanted.unit)
    if wanted.kind in _MONEY and context.scope is not None:
        raise OrganisationError("money is of the whole IT estate; a role for some units has no part of it")
    if wanted.kind == "ledger":
        return _page(_ledger(context, wanted.unit), after, limit)
    if wanted.kind == "half_hours":
        return _half_hours(context, wanted.unit, after, limit)
    found = list(_walk(context, wanted, members, after, limit + 1))
    shown = [_told(context, row) for row in found[:limit]]
    next_ = found[limit - 1]["id"] if len(found) > limit else None
    return Page(shown, next_, _restricted(context, wanted, members))


def _page(found: list[dict[str, Any]], after: int, limit: int) -> Page:
    """Return a part of a list that is whole; `after` counts its rows."""
    part = found[after : after + limit]
    return Page(part, after + limit if len(found) > after + limit else None, 0)


def _members(context: Context, unit: int | None) -> set[int | None]:
    """Return the units whose rows count to `unit` on the day: those under it, and merged ones they answer for."""
    organisation, day = context.organisation, context.asked.day
    if unit is None:
        if context.scope is not None:
            raise NotFoundError("what is unassigned is shown to whoever sees the whole IT estate")
        gone = {id_ for id_ in organisation.names if organisation.answering(id_, day) is None}
        return {None, *gone}
    tree = organisation.at(day)
    if str(unit) not in tree.units or not context.seen(unit):
        raise NotFoundError(f"{unit}: there is no unit of that number on {day.isoformat()}")
    below = tree.below(str(unit))
    return {
        id_ for id_ in organisation.names if organisation.answering(id_, day) in below and context.seen(id_)
    }


def _among(column: ColumnElement[Any], members: set[int | None]) -> ColumnElement[bool]:
    inside = column.in_(sorted(one for one in members if one is not None))
    return or_(column.is_(None), inside) if None in members else inside


def _query(context: Context, kind: str) -> Any:
    """Return what is shown of each row there is at the day, with `unit` and, where it has one, `restricted`."""
    unit = unit_of(kind).label("unit")
    query: Any
    if kind == "devices":
        columns = (devices.c.device_id, devices.c.hostname, devices.c.asset_tag, devices.c.device_class)
        query = select(devices.c.id, *columns, sites.c.name.label("site"), sites.c.restricted, unit)
        query = query.join(sites, sites.c.id == devices.c.site)
    elif kind == "items":
        names = ("tag", "serial", "kind", "model", "lifecycle_state")
        columns_ = [register_items.c[name] for name in names]
        query = select(register_items.c.id, *columns_, sites.c.name.label("site"), sites.c.restricted, unit)
        query = query.outerjoin(sites, sites.c.id == register_items.c.site)
    elif kind == "systems":
        query = select(systems.c.id, systems.c.name, systems.c.kind, unit)
    elif kind == "cost_centres":
        query = select(cost_centres.c.id, cost_centres.c.code, cost_centres.c.name, unit)
    else:
        names = ("reference", "name", "supplier", "ends", "value_pence_per_year")
        query = select(contracts.c.id, *(contracts.c[name] for name in names), unit)
    return query.where(there(context, kind))


def _walk(
    context: Context, wanted: Wanted, members: set[int | None], after: int, most: int
) -> Iterator[dict[str, Any]]:
    """Yield the rows that count, by id, `most` of them: those there today, less those that were not there then."""
    table = table_of(wanted.kind)
    moved = stood(context, wanted.kind)
    before = context.before if wanted.kind == "items" else None
    states: Mapping[int, str] = {} if before is None else before.states
    absent = set() if before is None else before.absent
    candidates = members | _units_now(context, wanted.kind, moved, members)
    query = _query(context, wanted.kind).where(_among(unit_of(wanted.kind), candidates)).order_by(table.c.id)
    while True:
        some = connection_rows(context, query.where(table.c.id > after).limit(_READ))
        for row in some:
            told = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
            told["unit"] = moved.get(row.id, row.unit)
            if row.id in states:
                told["lifecycle_state"] = states[row.id]
            wrong = wanted.state is not None and told.get("lifecycle_state") != wanted.state
            if row.id in absent or wrong or told["unit"] not in members or told.pop("restricted", False):
                continue
            yield told
            most -= 1
            if not most:
                return
        if len(some) < _READ:
            return
        after = some[-1].id


def _units_now(
    context: Context, kind: str, moved: Mapping[int, int | None], members: set[int | None]
) -> set[int | None]:
    """Return the units in which rows stand today that stood in one of `members` on the day."""
    ids = sorted(id_ for id_, unit in moved.items() if unit in members)
    found: set[int | None] = set()
    unit, table = unit_of(kind), table_of(kind)
    for begin in range(0, len(ids), _READ):
        query = select(unit).select_from(table).where(table.c.id.in_(ids[begin : begin + _READ])).distinct()
        found.update(row[0] for row in connection_rows(context, query))
    return found


def _restricted(context: Context, wanted: Wanted, members: set[int | None]) -> int:
    """Return how many of the rows stand at restricted sites."""
    if wanted.kind not in {"devices", "items"}:
        return 0
    table = table_of(wanted.kind)
    hidden = select(sites.c.id).where(sites.c.restricted.is_(True))
    query = select(table.c.id, table.c.unit).where(there(context, wanted.kind), table.c.site.in_(hidden))
    moved = stood(context, wanted.kind)
    before = context.before if wanted.kind == "items" else None
    if wanted.state is not None:
        query = query.add_columns(register_items.c.lifecycle_state)
    found = 0
    for row in connection_rows(context, query):
        absent = before is not None and row.id in before.absent
        if absent or moved.get(row.id, row.unit) not in members:
            continue
        if wanted.state is not None:
            states: Mapping[int, str] = {} if before is None else before.states
            found += states.get(row.id, row.lifecycle_state) == wanted.state
        else:
            found += 1
    return found


def _half_hours(context: Context, unit: int | None, after: int, limit: int) -> Page:
    """Return the devices with days among those added up, each with its days and half-hours by the unit of each day."""
    hidden = list(context.connection.scalars(select(sites.c.id).where(sites.c.restricted.is_(True))))
    kept_apart = or_(devices.c.site.in_(hidden), days.c.site.in_(hidden))
    summed: dict[int, dict[str, Any]] = {}
    unseen: set[int] = set()
    for first, last, members in _stretches(context, unit):
        query = (
            select(
                devices.c.id,
                devices.c.device_id,
                devices.c.hostname,
                kept_apart.label("hidden"),
                func.count().label("days"),
                func.sum(days.c.periods).label("half_hours"),
            )
            .select_from(days)
            .join(devices, devices.c.id == days.c.device)
            .where(days.c.day >= first, days.c.day <= last, days.c.unit.in_(sorted(members)))
            .group_by(devices.c.id, devices.c.device_id, devices.c.hostname, kept_apart)
        )
        for row in connection_rows(context, query):
            if row.hidden:
                unseen.add(row.id)
                continue
            empty = {
                "id": row.id,
                "device_id": row.device_id,
                "hostname": row.hostname,
                "days": 0,
                "half_hours": 0,
            }
            told = summed.setdefault(row.id, empty)
            told["days"] += row.days
            told["half_hours"] += int(row.half_hours)
    page = _page([summed[id_] for id_ in sorted(summed)], after, limit)
    return page._replace(restricted=len(unseen))


def _stretches(context: Context, unit: int | None) -> list[tuple[int, int, set[int]]]:
    """Return (first, last midnight UTC, units whose rows count) for stretches of days of one tree."""
    organisation = context.organisation
    found: list[tuple[int, int, set[int]]] = []
    day = context.asked.first
    while day <= context.asked.day:
        below = organisation.at(day).below(str(unit))
        mine = set()
        for id_ in organisation.names:
            answering = organisation.answering(id_, day)
            inside = answering is None if unit is None else answering in below
            if inside and context.seen(id_):
                mine.add(id_)
        at = utc_day(day).start
        if found and found[-1][2] == mine:
            found[-1] = (found[-1][0], at, mine)
        else:
            found.append((at, at, mine))
        day += dt.timedelta(days=1)
    return found


def _told(context: Context, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it is shown: its unit by path."""
    answering = context.organisation.answering(row.pop("unit"), context.asked.day)
    tree = context.organisation.at(context.asked.day)
    row["unit"] = UNASSIGNED if answering is None else context.organisation.path(tree, answering)
    if "ends" in row and row["ends"] is not None:
        row["ends"] = str(row["ends"])
    return row


def _ledger(context: Context, unit: int | None) -> list[dict[str, Any]]:
    """Return what each cost centre was charged in each period, as it counts to a unit by the tree of that period."""
    organisation = context.organisation
    found = []
    for one in sorted(ledger(context), key=lambda one: (one.cost_centre or "", one.period or 0)):
        answering = organisation.answering(one.unit, one.day)
        tree = organisation.at(one.day)
        inside = answering is None if unit is None else answering in tree.below(str(unit))
        if inside:
            path = UNASSIGNED if answering is None else organisation.path(tree, answering)
            told = {"unit": path, "cost_centre": one.cost_centre, "period": one.period}
            found.append(told | {"from": one.day.isoformat(), "lines": one.lines, "pence": one.pence})
    return found
