"""Figures by command, cost centre and site: register items by state, devices and half-hours, and the rows behind them.

Items and devices are as of today: what moved between sites or commands is told by the register's history only.
Half-hours are by the site of each day. Restricted sites count, all together, and are listed nowhere.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, case, func, select, true

from roadworthy_collector.books.organisation_figures import Context, by_cost_centre, connection_rows
from roadworthy_collector.books.organisation_rows import PAGE, Page
from roadworthy_collector.books.register_wanted import told, visible
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.books_schema import cost_centres, register_items
from roadworthy_collector.store.schema import days, devices, sites
from roadworthy_inventory.calendar import utc_day

By = Literal["command", "cost_centre", "site"]
BYS: tuple[By, ...] = get_args(By)
BY_WORDS: dict[By, str] = {"command": "command", "cost_centre": "cost centre", "site": "site"}
SiteKind = Literal["devices", "half_hours"]


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of one command, cost centre or site; `name` None where none is told, or of all restricted sites together.

    `figures`: items, linked (items that are a device today), items_<state>; of sites devices (in service), half_hours and
    device_days; of cost centres ledger_pence, for whoever sees the whole IT estate.
    """

    name: str | None
    kind: str | None
    restricted: bool
    figures: dict[str, int]


Key = tuple[str | None, bool]  # its name, and whether it stands for the restricted sites


def groups(context: Context, by: By) -> list[Group]:
    """Return the groups in order of name; what has none, and what is at restricted sites, comes last."""
    kinds: dict[Key, str | None] = {}
    names: dict[int | str | None, Key] = {None: (None, False)}
    if by == "site":
        for row in connection_rows(context, select(sites)):
            names[row.id] = (None, True) if row.restricted else (row.name, False)
            kinds[names[row.id]] = None if row.restricted else row.kind
    elif by == "cost_centre":
        names |= {row.id: (row.code, False) for row in connection_rows(context, select(cost_centres))}
    found: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for key, figure, amount in _amounts(context, by):
        found[names.get(key, (str(key), False))][figure] += amount
    if context.scope is None:
        for one in names.values():
            if one[0] is not None:
                found[one] += Counter()
    if by == "cost_centre" and context.scope is None:
        _add_ledger(context, found)
    return [
        Group(name, kinds.get((name, hidden)), hidden, {"items": 0, "linked": 0} | dict(figures))
        for (name, hidden), figures in sorted(
            found.items(), key=lambda one: (one[0][1], one[0][0] is None, one[0][0] or "")
        )
    ]


def _amounts(context: Context, by: By) -> Iterator[tuple[Any, str, int]]:
    """Yield (command, cost centre's or site's row id, figure, amount)."""
    column, state = register_items.c[by], register_items.c.lifecycle_state
    linked = func.sum(case((told("device"), 1), else_=0))
    mine = visible(context.scope, restricted=True)
    query = select(column, state, func.count(), linked).where(mine).group_by(column, state)
    for key, word, items, devices_ in connection_rows(context, query):
        yield key, "items", items
        yield key, f"items_{word}", items
        yield key, "linked", int(devices_)
    if by != "site":
        return
    in_service = select(devices.c.site, func.count()).where(_in_service(context)).group_by(devices.c.site)
    for key, count in connection_rows(context, in_service):
        yield key, "devices", count
    query = select(days.c.site, func.sum(days.c.periods), func.count()).where(_in_days(context))
    for key, half_hours, count in connection_rows(context, query.group_by(days.c.site)):
        yield key, "half_hours", int(half_hours)
        yield key, "device_days", count


def _in_service(context: Context) -> ColumnElement[bool]:
    return devices.c.retired_at.is_(None) & _mine(context, devices.c.unit)


def _in_days(context: Context) -> ColumnElement[bool]:
    first, last = utc_day(context.asked.first).start, utc_day(context.asked.day).start
    return days.c.day.between(first, last) & _mine(context, days.c.unit)


def _mine(context: Context, unit: ColumnElement[Any]) -> ColumnElement[bool]:
    return true() if context.scope is None else unit.in_(sorted(context.scope))


def _add_ledger(context: Context, found: defaultdict[Key, Counter[str]]) -> None:
    """Add the outturn of the year to the cost centre it is booked to, in whatever letter case."""
    known = {name.casefold(): (name, hidden) for name, hidden in found if name is not None}
    for code, pence in by_cost_centre(context).items():
        found[known.get((code or "").casefold(), (code, False))]["ledger_pence"] += pence


def states_of(found: Iterable[Group]) -> list[str]:
    """Return the lifecycle states any group has items in, in order."""
    return sorted(
        {name.removeprefix("items_") for one in found for name in one.figures if name.startswith("items_")}
    )


def site_rows(context: Context, kind: SiteKind, name: str, *, after: int = 0, limit: int = PAGE) -> Page:
    """Return devices in service at a site, or those with half-hours there; NotFoundError for none that may be listed."""
    site = context.connection.scalar(
        select(sites.c.id).where(sites.c.name == name, sites.c.restricted.is_(False))
    )
    if site is None:
        raise NotFoundError(f"{name}: there is no site of that name")
    query: Any
    if kind == "devices":
        columns = (devices.c.device_id, devices.c.hostname, devices.c.asset_tag, devices.c.device_class)
        query = select(devices.c.id, *columns, devices.c.unit).where(
            devices.c.site == site, _in_service(context), devices.c.id > after
        )
        query = query.order_by(devices.c.id)
    else:
        summed = func.sum(days.c.periods).label("half_hours")
        told_of = (devices.c.id, devices.c.device_id, devices.c.hostname)
        query = select(*told_of, func.count().label("days"), summed)
        query = query.join_from(days, devices, devices.c.id == days.c.device)
        query = query.where(days.c.site == site, _in_days(context), devices.c.id > after)
        query = query.group_by(*told_of).order_by(devices.c.id)
    found = [dict(row) for row in context.connection.execute(query.limit(limit + 1)).mappings()]
    shown = [_shown(context, row) | {"site": name} for row in found[:limit]]
    return Page(shown, found[limit - 1]["id"] if len(found) > limit else None, 0)


def _shown(context: Context, row: dict[str, Any]) -> dict[str, Any]:
    if "unit" not in row:
        return row | {"half_hours": int(row["half_hours"])}
    organisation = context.organisation
    answering = organisation.answering(row["unit"], context.today)
    tree = organisation.at(context.today)
    return row | {"unit": "unassigned" if answering is None else organisation.path(tree, answering)}
