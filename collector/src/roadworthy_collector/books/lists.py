"""The rows behind the figures of reconciliation and ratings, page by page, within a reader's units.

Restricted sites are never listed. A page begins after the row of a given id; `next` is None on the last one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from roadworthy_collector.books import figures, rating_reasons
from roadworthy_collector.books.places import Places
from roadworthy_collector.books.reconciled_at import standing_at
from roadworthy_collector.books.reconciling import FIGURE as RECONCILED
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.books_schema import (
    import_ratings,
    mdm_devices,
    ratings,
    reconciled,
    register_items,
)
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.schema import devices, sites, units

PAGE = 50
_MANY = 1 << 40
_SIGN_INS = "its sign-ins are slower than the rule allows; how slow is not shown to this role"
_SIGN_INS_LEFT = "too little is known of its sign-ins"


class Page(NamedTuple):
    """Rows of a page, and the id the next one begins after."""

    rows: list[dict[str, Any]]
    next: int | None


def counts(connection: Connection, scope: Scope = EVERYTHING) -> dict[tuple[str, str], int]:
    """Return {(place, state): rows} of the newest reconciliation: ready-made, or counted within `scope`."""
    held = figures.read(connection, RECONCILED)
    if held is None:
        return {}
    if scope is None:
        return {(place, state): count for place, state, count in held[0]["counts"]}
    query = (
        select(reconciled.c.place, reconciled.c.state, func.count())
        .where(reconciled.c.run == held[0]["run"], reconciled.c.unit.in_(sorted(scope)))
        .group_by(reconciled.c.place, reconciled.c.state)
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def gap(
    connection: Connection,
    place: str,
    *,
    state: str = "",
    after: int = 0,
    limit: int = PAGE,
    scope: Scope = EVERYTHING,
) -> Page:
    """Return records that stand at `place` (see `reconciled_at`), of one `state` if said."""
    held = figures.read(connection, RECONCILED)
    if held is None:
        return Page([], None)
    conditions = [
        reconciled.c.run == held[0]["run"],
        standing_at(place, held[1]),
        reconciled.c.id > after,
    ]
    if state:
        conditions.append(reconciled.c.state == state)
    if scope is not None:
        conditions.append(reconciled.c.unit.in_(sorted(scope)))
    query = _placed().where(*conditions, *_shown(connection)).order_by(reconciled.c.id).limit(limit + 1)
    found = [_record(row) for row in connection.execute(query)]
    if place == "review":
        _tell_sides(connection, found)
    return Page(found[:limit], found[limit - 1]["id"] if len(found) > limit else None)


def _placed() -> Select[Any]:
    return (
        select(
            reconciled.c.id,
            reconciled.c.state,
            reconciled.c.detail,
            reconciled.c.item,
            register_items.c.tag,
            register_items.c.serial,
            register_items.c.kind,
            register_items.c.model,
            register_items.c.lifecycle_state,
            register_items.c.last_seen,
            devices.c.device_id,
            devices.c.hostname,
            devices.c.serial.label("device_serial"),
            devices.c.model.label("device_model"),
            devices.c.last_report_at,
            mdm_devices.c.id.label("mdm"),
            mdm_devices.c.name.label("mdm_name"),
            mdm_devices.c.serial.label("mdm_serial"),
            mdm_devices.c.model.label("mdm_model"),
            mdm_devices.c.last_check_in,
            units.c.name.label("unit"),
            sites.c.name.label("site"),
        )
        .select_from(reconciled)
        .outerjoin(register_items, register_items.c.id == reconciled.c.item)
        .outerjoin(devices, devices.c.id == reconciled.c.device)
        .outerjoin(mdm_devices, mdm_devices.c.id == reconciled.c.mdm)
        .outerjoin(units, units.c.id == reconciled.c.unit)
        .outerjoin(sites, sites.c.id == func.coalesce(register_items.c.site, devices.c.site))
    )


def _shown(connection: Connection) -> list[ColumnElement[bool]]:
    """Return the conditions that leave out what stands at a restricted site, by the register or by its device."""
    hidden = connection.scalars(select(sites.c.id).where(sites.c.restricted.is_(True))).all()
    return [
        or_(column.is_(None), column.not_in(hidden))
        for column in (register_items.c.site, devices.c.site)
        if hidden
    ]


def _record(row: Any) -> dict[str, Any]:
    told = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    detail = told.pop("detail")
    return told | {"detail": json.loads(detail) if detail else {}}


def _tell_sides(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Put into each pair of the review what its two sides are called, as far as they may be shown."""
    ends = [[row["detail"]["left"], row["detail"]["right"]] for row in rows]
    items = {int(end[0]) for pair in ends for end in pair if end[0] is not None}
    agents = {end[2] for pair in ends for end in pair if end[2] is not None}
    open_sites = or_(sites.c.restricted.is_(None), sites.c.restricted.is_(False))
    item_query = (
        select(register_items.c.id, register_items.c.tag, register_items.c.serial, register_items.c.model)
        .outerjoin(sites, sites.c.id == register_items.c.site)
        .where(register_items.c.id.in_(items), open_sites)
    )
    agent_query = (
        select(
            devices.c.device_id, devices.c.hostname, devices.c.asset_tag, devices.c.serial, devices.c.model
        )
        .join(sites, sites.c.id == devices.c.site)
        .where(devices.c.device_id.in_(agents), open_sites)
    )
    item_of = {row.id: row for row in connection.execute(item_query)}
    agent_of = {row.device_id: row for row in connection.execute(agent_query)}
    for row, pair in zip(rows, ends, strict=True):
        row["ends"] = [_ends(end, item_of, agent_of) for end in pair]


def _ends(
    end: Sequence[str | None], item_of: Mapping[int, Any], agent_of: Mapping[str, Any]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    register, mdm, agent = end
    if register is not None:
        item = item_of.get(int(register))
        said = "not shown" if item is None else _words(item.tag, item.serial, item.model)
        found.append(
            {"side": "register", "said": said, "device_id": None, "item": None if item is None else item.id}
        )
    if mdm is not None:
        found.append({"side": "mdm", "said": mdm, "device_id": None})
    if agent is not None:
        device = agent_of.get(agent)
        if device is None:
            found.append({"side": "agent", "said": "not shown", "device_id": None})
        else:
            said = _words(device.hostname, device.asset_tag, device.serial, device.model) or agent
            found.append({"side": "agent", "said": said, "device_id": agent})
    return found


def _words(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part) or "no tag, serial or model"


# --- ratings ------------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """Which ratings a list shows; empty text means any. `unit`: a path or a name, with everything under it.

    `imported`: those from imports alone, of whatever model.
    """

    verdict: str = ""
    site: str = ""
    unit: str = ""
    rule: str = ""
    imported: bool = False
    model: str = ""
    not_judged: str = ""  # a rule too little was known for
    excepted: str = ""  # yes: an exception takes the rule's reason out, or any; no: it counts
    asks: str = ""  # what the rule's reason that counts asks for: a rating


def rating_counts(connection: Connection, wanted: Wanted, scope: Scope = EVERYTHING) -> dict[str, int]:
    """Return {verdict: devices} within `scope`, narrowed but for the verdict; restricted sites count.

    Of a whole site they are ready-made where the newest rating knew it.
    """
    if scope is None and wanted._replace(verdict="", site="") == Wanted() and wanted.site:
        held = figures.read(connection, "ratings.site")
        if held is not None and wanted.site in held[0]:
            return dict(held[0][wanted.site]["counts"])
    table = import_ratings if wanted.imported else ratings
    query = select(table.c.verdict, func.count()).group_by(table.c.verdict)
    if wanted.imported:
        query = query.where(*_imported_conditions(connection, wanted._replace(verdict=""), scope, hide=False))
    elif scope is not None or wanted._replace(verdict="") != Wanted():  # else the index of verdicts says it
        query = query.join(devices, devices.c.id == ratings.c.device)
        query = query.where(*_device_conditions(connection, wanted._replace(verdict=""), scope, hide=False))
    return {row[0]: row[1] for row in connection.execute(query)}


def count_excepted(connection: Connection, wanted: Wanted, scope: Scope = EVERYTHING) -> int:
    """Return how many of the devices a list is of have a reason that an exception takes out; restricted sites count."""
    table = import_ratings if wanted.imported else ratings
    query = select(func.count()).select_from(table).where(table.c.excepted > 0)
    if wanted.imported:
        query = query.where(*_imported_conditions(connection, wanted, scope, hide=False))
    elif scope is not None or wanted._replace(verdict="") != Wanted():
        query = query.join(devices, devices.c.id == ratings.c.device)
        query = query.where(*_device_conditions(connection, wanted, scope, hide=False))
    elif wanted.verdict:
        query = query.where(ratings.c.verdict == wanted.verdict)
    return connection.scalar(query) or 0


def list_ratings(
    connection: Connection,
    wanted: Wanted,
    *,
    after: int = 0,
    limit: int = PAGE,
    scope: Scope = EVERYTHING,
    people: bool = True,
) -> Page:
    """Return rated devices with their reasons, by row id; without `people` no figure of one device's sign-ins."""
    if wanted.imported:
        page = _list_imported(connection, wanted, after=after, limit=limit, scope=scope)
    else:
        page = _list_devices(connection, wanted, after=after, limit=limit, scope=scope)
    return page if people else Page([without_people(row) for row in page.rows], page.next)


def without_people(row: dict[str, Any]) -> dict[str, Any]:
    """Return a rating without figures of sign-ins: of one device they are one person's, a group of fewer than five."""
    kept = [
        one | {"sentence": _SIGN_INS, "value": None} if one["looks_at"].startswith("signin_") else one
        for one in row["reasons"]
    ]
    left = {
        rule: _SIGN_INS_LEFT if "sign-in" in why or "signin" in why else why
        for rule, why in (row["not_judged"] or {}).items()
    }
    return row | {"reasons": kept, "not_judged": left}


def _list_devices(connection: Connection, wanted: Wanted, *, after: int, limit: int, scope: Scope) -> Page:
    query = (
        select(
            ratings,
            devices.c.device_id,
            devices.c.hostname,
            devices.c.asset_tag,
            devices.c.model,
            devices.c.device_class,
            sites.c.name.label("site"),
            units.c.name.label("unit"),
        )
        .join_from(ratings, devices, devices.c.id == ratings.c.device)
        .join(sites, sites.c.id == devices.c.site)
        .join(units, units.c.id == devices.c.unit)
        .where(ratings.c.device > after, *_device_conditions(connection, wanted, scope, hide=True))
        .order_by(ratings.c.device)
        .limit(limit + 1)
    )
    found = [dict(row) | {"id": row["device"]} for row in connection.execute(query).mappings()]
    return Page(found[:limit], found[limit - 1]["id"] if len(found) > limit else None)


def why(connection: Connection, device_id: str, scope: Scope = EVERYTHING) -> dict[str, Any]:
    """Return the rating of one device; raises NotFoundError where there is none, or not within `scope`."""
    query = (
        select(ratings, devices.c.device_id)
        .join_from(ratings, devices, devices.c.id == ratings.c.device)
        .join(sites, sites.c.id == devices.c.site)
        .where(devices.c.device_id == device_id, sites.c.restricted.is_(False), within(scope))
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"{device_id}: no device in service has this id and a rating")
    return dict(row)


def _device_conditions(
    connection: Connection, wanted: Wanted, scope: Scope, *, hide: bool
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [within(scope)]
    if hide or wanted.site:
        hidden = connection.scalars(select(sites.c.id).where(sites.c.restricted.is_(True))).all()
        found += [devices.c.site.not_in(hidden)] if hidden else []
    if wanted.verdict:
        found.append(ratings.c.verdict == wanted.verdict)
    if wanted.site:
        found.append(devices.c.site == _id_of(connection, sites, wanted.site))
    if wanted.unit:
        found.append(devices.c.unit.in_(_units_below(connection, wanted.unit)))
    if wanted.model:
        unknown = wanted.model == "unknown"
        found.append(devices.c.model.is_(None) if unknown else devices.c.model == wanted.model)
    found += _by_rule(ratings, wanted)
    return found


def _imported_conditions(
    connection: Connection, wanted: Wanted, scope: Scope, *, hide: bool
) -> list[ColumnElement[bool]]:
    table = import_ratings
    found: list[ColumnElement[bool]] = []
    if scope is not None:
        found.append(table.c.unit.in_(sorted(scope)))
    if hide or wanted.site:
        hidden = connection.scalars(select(sites.c.id).where(sites.c.restricted.is_(True))).all()
        found += [or_(table.c.site.is_(None), table.c.site.not_in(hidden))] if hidden else []
    if wanted.verdict:
        found.append(table.c.verdict == wanted.verdict)
    if wanted.site:
        found.append(table.c.site == _id_of(connection, sites, wanted.site))
    if wanted.unit:
        found.append(table.c.unit.in_(_units_below(connection, wanted.unit)))
    found += _by_rule(table, wanted)
    return found


def _by_rule(table: Any, wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    return rating_reasons.by_rule(
        table,
        rule=wanted.rule,
        not_judged=wanted.not_judged,
        excepted=wanted.excepted,
        asks=wanted.asks,
    )


def _list_imported(connection: Connection, wanted: Wanted, *, after: int, limit: int, scope: Scope) -> Page:
    """Return ratings from imports alone: register items by id, then MDM records, whose numbers begin at `_MANY`."""
    conditions = _imported_conditions(connection, wanted, scope, hide=True)
    mine = import_ratings.c.side == "register"
    order = import_ratings.c.record + case((mine, 0), else_=_MANY)
    query = (
        select(
            import_ratings,
            order.label("id"),
            register_items.c.tag,
            func.coalesce(register_items.c.serial, mdm_devices.c.serial).label("serial"),
            func.coalesce(register_items.c.model, mdm_devices.c.model).label("model"),
            mdm_devices.c.name,
            sites.c.name.label("site_name"),
            units.c.name.label("unit_name"),
        )
        .select_from(import_ratings)
        .outerjoin(
            register_items,
            and_(import_ratings.c.side == "register", register_items.c.id == import_ratings.c.record),
        )
        .outerjoin(
            mdm_devices, and_(import_ratings.c.side == "mdm", mdm_devices.c.id == import_ratings.c.record)
        )
        .outerjoin(sites, sites.c.id == import_ratings.c.site)
        .outerjoin(units, units.c.id == import_ratings.c.unit)
        .where(order > after, *conditions)
        .order_by(order)
        .limit(limit + 1)
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    return Page(found[:limit], found[limit - 1]["id"] if len(found) > limit else None)


def _units_below(connection: Connection, unit: str) -> list[int]:
    """Return the unit of a path or a name, and all below it; none where there is no such unit."""
    places = Places(connection)
    return places.units_below(places.unit(unit))


def _id_of(connection: Connection, table: Any, name: str) -> int:
    return connection.scalar(select(table.c.id).where(table.c.name == name)) or 0
