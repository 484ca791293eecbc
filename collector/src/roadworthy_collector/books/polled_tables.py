"""Polled devices as an exported table: what each says of itself, beside the register item that it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from roadworthy_collector.books.polled import FACTS, FLAGS, register_facts
from roadworthy_collector.books.table_rows import Made, Source, when
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.schema import device_now, devices, sites, units
from roadworthy_inventory.device_class import ASKED

_AT_ONCE = 500
_TOLD = (*FACTS, *FLAGS, "page_count", "supplies")
COLUMNS = (
    "register_tag",
    "register_kind",
    "name",
    "device_id",
    "device_class",
    "site",
    "unit",
    "told_at",
    *_TOLD,
)


def facts(source: Source) -> Made:
    """Return polled devices in service with make, model, serial number, firmware, dates, flags, pages and supplies."""
    conditions = _conditions(source)
    open_sites = select(func.count()).select_from(devices).join(sites).where(*conditions)
    shown, linked = (
        source.connection.scalar(query) or 0
        for query in (
            open_sites,
            open_sites.join(register_devices, _is_now(register_devices.c.device == devices.c.id)),
        )
    )
    hidden = source.connection.scalar(
        select(func.count())
        .select_from(devices)
        .join(sites)
        .where(*_of_scope(source), sites.c.restricted.is_(True))
    )
    left_out = f"; {hidden} at restricted sites left out" if hidden else ""
    return Made(
        COLUMNS, _rows(source), f"{shown} polled devices, {linked} of them linked to the register{left_out}"
    )


def _of_scope(source: Source) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [devices.c.device_class.in_(ASKED), devices.c.retired_at.is_(None)]
    return found if source.scope is None else [*found, devices.c.unit.in_(sorted(source.scope))]


def _conditions(source: Source) -> list[ColumnElement[bool]]:
    return [*_of_scope(source), sites.c.restricted.is_(False)]


def _is_now(joined: ColumnElement[bool]) -> ColumnElement[bool]:
    return joined & register_devices.c.valid_to.is_(None)


def _query(source: Source) -> Select[Any]:
    return (
        select(
            *(devices.c.id, devices.c.device_id, devices.c.hostname, devices.c.device_class),
            *(sites.c.name.label("site"), units.c.name.label("unit"), device_now.c.at, device_now.c.now),
            devices.c.facts["hardware"].label("hardware"),
            *(register_items.c.tag, register_items.c.kind),
        )
        .join(sites, sites.c.id == devices.c.site)
        .join(units, units.c.id == devices.c.unit)
        .outerjoin(device_now, device_now.c.device == devices.c.id)
        .outerjoin(register_devices, _is_now(register_devices.c.device == devices.c.id))
        .outerjoin(register_items, register_items.c.id == register_devices.c.item)
        .where(*_conditions(source))
        .order_by(devices.c.id)
        .limit(_AT_ONCE)
    )


def _rows(source: Source) -> Iterator[Mapping[str, Any]]:
    query, after = _query(source), 0
    while rows := source.connection.execute(query.where(devices.c.id > after)).all():
        for row in rows:
            yield {
                "register_tag": row.tag,
                "register_kind": row.kind,
                "name": row.hostname,
                "device_id": row.device_id,
                "device_class": row.device_class,
                "site": row.site,
                "unit": row.unit,
                "told_at": when(row.at),
                **register_facts(row.hardware or {}, row.now or {}),
            }
        after = rows[-1].id
