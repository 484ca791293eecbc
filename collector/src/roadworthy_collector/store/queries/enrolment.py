"""Enrolment keys for whoever manages those of some units: page by page, and never beyond their scope."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select, true

from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, UnknownUnitError
from roadworthy_collector.store.schema import enrol_keys, sites, units


class KeyPage(NamedTuple):
    """Some keys, and the id the next page begins after; None on the last one."""

    rows: list[dict[str, Any]]
    next: str | None


def read_keys(
    connection: Connection, *, scope: Scope = EVERYTHING, after: str = "", limit: int = 100
) -> KeyPage:
    """Return the keys whose devices join units within `scope`, by id, without their secrets."""
    kept = [column for column in enrol_keys.c if column.name not in {"secret_sha256", "site", "unit"}]
    query = (
        select(*kept, sites.c.name.label("site"), units.c.name.label("unit"))
        .join_from(enrol_keys, sites, enrol_keys.c.site == sites.c.id)
        .join(units, enrol_keys.c.unit == units.c.id)
        .where(enrol_keys.c.id > after, _within(scope))
        .order_by(enrol_keys.c.id)
        .limit(limit + 1)
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    return KeyPage(found[:limit], found[limit - 1]["id"] if len(found) > limit else None)


def require_key(connection: Connection, key: str, scope: Scope) -> None:
    """Raise NotFoundError for a key that is not there or leads to a unit that is not within `scope`."""
    if connection.scalar(select(enrol_keys.c.id).where(enrol_keys.c.id == key, _within(scope))) is None:
        raise NotFoundError(f"{key}: there is no enrolment key of that id")


def ensure_place(connection: Connection, site: str, unit: str, scope: Scope) -> None:
    """Raise UnknownUnitError or NotFoundError where somebody of some units would make a place, or use another's."""
    if scope is None:
        return
    row = connection.scalar(select(units.c.id).where(units.c.name == unit))
    if row is None or row not in scope:
        raise UnknownUnitError(f"{unit}: there is no unit of that name within yours")
    if connection.scalar(select(sites.c.id).where(sites.c.name == site)) is None:
        raise NotFoundError(f"{site}: there is no site of that name; whoever manages sites makes new ones")


def _within(scope: Scope) -> ColumnElement[bool]:
    return true() if scope is None else enrol_keys.c.unit.in_(sorted(scope))
