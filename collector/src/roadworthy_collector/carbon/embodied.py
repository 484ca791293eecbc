"""Embodied carbon of the register: when it was bought, what falls on a year of life, and the items behind each figure.

Makers' published ranges by class, everything but use; their use phase is at other countries' electricity and never
taken. What has no class with a figure, or no date of purchase, is counted as unknown. Restricted sites are in totals
and in one row of their own.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Select, case, func, or_, select

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.queries.states import RUNS_AGENT
from roadworthy_collector.store.schema import devices, sites, units
from roadworthy_inventory.calendar import financial_year_label, financial_year_of
from roadworthy_inventory.carbon.embodied import Embodied, Item, of_class, per_year_of_life, together
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.years import parse_year

By = Literal["class", "unit", "site"]
GROUPS: tuple[By, ...] = ("class", "unit", "site")
VIEWS = ("purchase", "life")
# Restricted sites have no row of their own: they are in this one, with the smallest two that have a name.
OTHERS: Mapping[By, str] = {"site": "other sites", "unit": "other units"}
_RESTRICTED = "\0restricted"
_BESIDE_RESTRICTED = 2
_NOT_STATED = "not stated"
BASIS = (
    "makers' product sheets by class (10th percentile, median, 90th percentile), everything but use; "
    "https://github.com/Boavizta/environmental-footprint-data"
)
_NOT_BOUGHT_YET = "ordered"


class Cell(NamedTuple):
    """So many items alike."""

    item_class: str
    purchased: dt.date | None
    unit: str | None
    site: str | None
    restricted: bool
    items: int


@dataclass(frozen=True, slots=True)
class Row:
    """A group with what making its items emitted; `key` names it in links."""

    key: str
    title: str
    embodied: Embodied


def _class_of() -> Any:
    """Return what an item is: what the register says, else what its device's agent told."""
    told = (
        select(func.max(devices.c.device_class))
        .join(register_devices, register_devices.c.device == devices.c.id)
        .where(register_devices.c.item == register_items.c.id)
        .scalar_subquery()
    )
    return case(
        (register_items.c.kind != "unknown", register_items.c.kind), else_=func.coalesce(told, "unknown")
    )


def _items(scope: Scope, *columns: Any) -> Select[Any]:
    joined = register_items.outerjoin(sites, sites.c.id == register_items.c.site).outerjoin(
        units, units.c.id == register_items.c.unit
    )
    query = select(*columns).select_from(joined).where(register_items.c.lifecycle_state != _NOT_BOUGHT_YET)
    return query if scope is None else query.where(register_items.c.unit.in_(sorted(scope)))


def read(connection: Connection, scope: Scope = EVERYTHING) -> list[Cell]:
    """Return the register's items, those gone included for they were made, added up where they are alike."""
    keys = (
        _class_of().label("item_class"),
        register_items.c.purchased,
        units.c.name.label("unit"),
        sites.c.name.label("site"),
        func.coalesce(sites.c.restricted, False).label("restricted"),
    )
    query = _items(scope, *keys, func.count().label("items")).group_by(*keys)
    return [
        Cell(row.item_class, _day(row.purchased), row.unit, row.site, bool(row.restricted), row.items)
        for row in connection.execute(query)
    ]


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def without_item(connection: Connection, scope: Scope = EVERYTHING) -> int:
    """Return how many devices with an agent are no register item: nothing is known of their purchase."""
    linked = select(register_devices.c.device).where(register_devices.c.valid_to.is_(None))
    query = (
        select(func.count())
        .select_from(devices)
        .where(devices.c.retired_at.is_(None), RUNS_AGENT, devices.c.id.not_in(linked))
    )
    if scope is not None:
        query = query.where(devices.c.unit.in_(sorted(scope)))
    return int(connection.scalar(query) or 0)


def year_of(said: str) -> int:
    """Return the year a financial year begins in; RoadworthyError where it is none."""
    try:
        return parse_year(said)
    except CarbonError as error:
        raise RoadworthyError(str(error)) from None


def by_purchase(cells: Iterable[Cell]) -> list[Row]:
    """Return a row for each financial year of purchase, the newest first, unknown last."""
    held: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        held[
            "" if cell.purchased is None else financial_year_label(financial_year_of(cell.purchased))
        ].append(cell)
    rows = [Row(year, year or "not known when", _bought(some)) for year, some in held.items()]
    return sorted(rows, key=lambda row: row.key, reverse=True)


def of_purchase(cells: Iterable[Cell], began: int) -> Embodied:
    """Return what was bought in the financial year that begins in `began`, booked whole in it."""
    return _bought([cell for cell in cells if _in_year(cell, began)])


def of_life(cells: Iterable[Cell], began: int) -> Embodied:
    """Return what falls on the year when each item is spread evenly over the planned life of its class."""
    return _added(cells, lambda cell: _share(cell.item_class, cell.purchased, began))


def grouped(cells: Iterable[Cell], began: int, view: str, by: By) -> list[Row]:
    """Return the rows of a year by class, unit or site; they sum to the year's items. Most first."""
    held: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if view == "life" or _in_year(cell, began):
            held[_key(cell, by)].append(cell)
    if hidden := held.pop(_RESTRICTED, None):
        smallest = sorted(held, key=lambda key: (sum(cell.items for cell in held[key]), key))
        for key in smallest[:_BESIDE_RESTRICTED]:
            hidden += held.pop(key)
        held[OTHERS[by]] += hidden
    make: Callable[[list[Cell]], Embodied] = (
        _bought if view == "purchase" else lambda some: of_life(some, began)
    )
    rows = [
        Row(key, key.replace("_", " ") if by == "class" else key, make(some)) for key, some in held.items()
    ]
    return sorted(rows, key=lambda row: (-row.embodied.kgco2e.likely, row.key))


def _key(cell: Cell, by: By) -> str:
    if by == "class":
        return cell.item_class
    if cell.restricted:
        return _RESTRICTED
    return (cell.unit if by == "unit" else cell.site) or _NOT_STATED


def _in_year(cell: Cell, began: int) -> bool:
    return cell.purchased is not None and financial_year_of(cell.purchased) == began


def _bought(cells: Iterable[Cell]) -> Embodied:
    return _added(cells, lambda _: 1.0)


def _added(cells: Iterable[Cell], share: Callable[[Cell], float | None]) -> Embodied:
    """Return the sum of a share of each cell's items: items of a class are off alike, so they add up before classes do."""
    shares: dict[str, float] = defaultdict(float)
    items = unknown = 0
    for cell in cells:
        items += cell.items
        part = share(cell)
        if part is None or of_class(cell.item_class) is None:
            unknown += cell.items
        else:
            shares[cell.item_class] += part * cell.items
    found = together((Item(name, None), part) for name, part in shares.items())
    return replace(found, items=items, unknown=unknown)


@lru_cache(maxsize=65_536)
def _share(item_class: str, purchased: dt.date | None, began: int) -> float | None:
    """Return the part of one item that falls on a year; None where nobody can say."""
    figure = of_class(item_class)
    found = per_year_of_life([Item(item_class, purchased)], began)
    return None if figure is None or found.unknown else found.kgco2e.likely / figure.likely


class Wanted(NamedTuple):
    """Which items stand behind a figure. `bought`: financial year it begins in; `undated`: only those without a date."""

    bought: int | None = None
    undated: bool = False
    item_class: str = ""
    unit: str = ""
    site: str = ""


class Page(NamedTuple):
    """Items by row id, and the id the next page begins after; None on the last one."""

    rows: list[dict[str, Any]]
    next: int | None
    restricted: int


def list_items(
    connection: Connection, wanted: Wanted, *, after: int = 0, limit: int = 100, scope: Scope = EVERYTHING
) -> Page:
    """Return the register items behind a figure, each with its class's range; those of restricted sites are counted only."""
    names = ("id", "tag", "model", "manufacturer", "purchased", "lifecycle_state")
    columns = (
        *(register_items.c[name] for name in names),
        _class_of().label("item_class"),
        units.c.name.label("unit"),
        sites.c.name.label("site"),
    )
    shown = _narrowed(_items(scope, *columns), wanted)
    query = (
        shown.where(or_(sites.c.restricted.is_(None), sites.c.restricted.is_(False)))
        .where(register_items.c.id > after)
        .order_by(register_items.c.id)
        .limit(limit + 1)
    )
    found = connection.execute(query).all()
    hidden = _narrowed(_items(scope, func.count()), wanted).where(sites.c.restricted.is_(True))
    rows = [_shown(row) for row in found[:limit]]
    return Page(rows, rows[-1]["item"] if len(found) > limit else None, int(connection.scalar(hidden) or 0))


def _narrowed(query: Select[Any], wanted: Wanted) -> Select[Any]:
    bought = register_items.c.purchased
    if wanted.undated:
        query = query.where(bought.is_(None))
    if wanted.bought is not None:
        first, after = f"{wanted.bought}-04-01", f"{wanted.bought + 1}-04-01"
        query = query.where(bought >= first, bought < after)
    if wanted.item_class:
        query = query.where(_class_of() == wanted.item_class)
    for name, column in ((wanted.unit, units.c.name), (wanted.site, sites.c.name)):
        if name:
            query = query.where(column.is_(None) if name == _NOT_STATED else column == name)
    return query


def _shown(row: Any) -> dict[str, Any]:
    figure = of_class(row.item_class)
    return {
        "item": row.id,
        "tag": row.tag,
        "class": row.item_class,
        "model": " ".join(part for part in (row.manufacturer, row.model) if part) or None,
        "purchased": row.purchased,
        "state": row.lifecycle_state,
        "unit": row.unit,
        "site": row.site,
        "kgco2e": None if figure is None else list(figure),
    }


def told(found: Embodied) -> Mapping[str, Any]:
    """Return a sum as JSON says it: kgCO2e (low, likely, high), how many items, of how many nothing is known."""
    return {"kgco2e": list(found.kgco2e), "items": found.items, "unknown": found.unknown}


def overview(connection: Connection, began: int, scope: Scope = EVERYTHING) -> dict[str, Any]:
    """Return a year both ways with its groups, and every year of purchase, as JSON says it."""
    cells = read(connection, scope)
    return {
        "year": financial_year_label(began),
        "basis": BASIS,
        "purchase": told(of_purchase(cells, began)),
        "life": told(of_life(cells, began)),
        "years": [{"year": row.title, **told(row.embodied)} for row in by_purchase(cells)],
        "groups": {
            view: {
                by: [
                    {"name": row.key, "title": row.title, **told(row.embodied)}
                    for row in grouped(cells, began, view, by)
                ]
                for by in GROUPS
            }
            for view in VIEWS
        },
        "devices_without_item": without_item(connection, scope),
    }
