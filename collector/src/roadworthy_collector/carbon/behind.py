"""The devices behind a figure: their kWh over its months, the most first, without those of restricted sites."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, case, func, select, true

from roadworthy_collector.carbon.estate import VIRTUAL, Dimension, Period
from roadworthy_collector.carbon.sums import kwh_number
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.carbon_schema import energy_devices
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import devices, sites, units
from roadworthy_inventory.carbon.ledger import QUALITIES

LIMIT = 100


class Behind(NamedTuple):
    """Some devices of a group, the most kWh first; how many there are, and their kWh, restricted sites left out."""

    rows: Sequence[dict[str, Any]]
    devices: int
    kwh: float


def devices_behind(
    connection: Connection,
    period: Period,
    by: Dimension | None,
    key: str,
    *,
    scope: Scope = EVERYTHING,
    limit: int = LIMIT,
    offset: int = 0,
) -> Behind:
    """Return the devices of the group `key` of a dimension, of all without one; at most `limit` from `offset` on.

    RoadworthyError for a key that cannot be. What erased devices drew is in sums alone.
    """
    wanted = [
        energy_devices.c.month.in_([f"{month}-01" for month in period.months]),
        sites.c.restricted.is_(False),
        true() if scope is None else energy_devices.c.unit.in_(sorted(scope)),
        true() if by is None else _among(by, key),
    ]
    whole = func.sum(sum(energy_devices.c[f"{name}_joules"] for name in QUALITIES))
    source = energy_devices.join(devices, devices.c.id == energy_devices.c.device).join(
        sites, sites.c.id == energy_devices.c.site
    )
    grouped = select(energy_devices.c.device, whole.label("joules")).select_from(source).where(*wanted)
    grouped = grouped.group_by(energy_devices.c.device)
    held = grouped.subquery()
    count, joules = connection.execute(select(func.count(), func.sum(held.c.joules)).select_from(held)).one()
    some = grouped.order_by(whole.desc(), energy_devices.c.device).limit(limit).offset(offset)
    order = {row.device: place for place, row in enumerate(connection.execute(some))}
    rows = sorted(_told(connection, list(order), wanted[0]), key=lambda row: order[row.pop("id")])
    return Behind(rows, count, kwh_number(int(joules or 0)))


def _told(connection: Connection, some: Sequence[int], months: ColumnElement[bool]) -> list[dict[str, Any]]:
    sums = [func.sum(energy_devices.c[f"{name}_joules"]).label(name) for name in QUALITIES]
    names = ("device_id", "hostname", "device_class", "model")
    query = (
        select(
            devices.c.id,
            *(devices.c[name] for name in names),
            sites.c.name.label("site"),
            units.c.name.label("unit"),
            *sums,
            func.sum(energy_devices.c.days).label("days"),
            func.sum(energy_devices.c.unknown_seconds).label("unknown_seconds"),
            func.sum(case((energy_devices.c.days > 0, 1), else_=0)).label("months"),
        )
        .join(energy_devices, energy_devices.c.device == devices.c.id)
        .join(sites, sites.c.id == devices.c.site)
        .join(units, units.c.id == devices.c.unit)
        .where(devices.c.id.in_(some), months)
        .group_by(devices.c.id, *(devices.c[name] for name in names), sites.c.name, units.c.name)
    )
    return [
        {"id": row.id}
        | {name: getattr(row, name) for name in (*names, "site", "unit")}
        | {
            "kwh": _known(row, sum(int(getattr(row, name)) for name in QUALITIES)),
            "by_quality": {name: _known(row, int(getattr(row, name))) for name in QUALITIES},
            "device_days": int(row.days),
            "unknown_hours": round(int(row.unknown_seconds) / 3600, 1),
        }
        for row in connection.execute(query)
    ]


def _known(row: Any, joules: int) -> float | None:
    """Return kWh; None where nothing is known of a device that draws something of its own."""
    whole = any(getattr(row, name) for name in QUALITIES)
    return kwh_number(joules) if whole or row.device_class == VIRTUAL else None


def _among(by: Dimension, key: str) -> ColumnElement[bool]:
    if by in {"unit", "site"}:
        if re.fullmatch(r"[0-9]{1,9}", key) is None:
            raise RoadworthyError(f"{key!r}: a {by} is named by the key its row shows, a number")
        return energy_devices.c[by] == int(key)
    if by == "month":
        if re.fullmatch(r"[12][0-9]{3}-(0[1-9]|1[0-2])(-[0-9]{2})?", key) is None:
            raise RoadworthyError(f"{key!r}: a month is named like 2026-04")
        return energy_devices.c.month == f"{key[:7]}-01"
    if by == "place":
        return sites.c.kind == key
    if by == "quality":
        if key not in QUALITIES:
            raise RoadworthyError(f"{key!r}: a quality is one of {', '.join(QUALITIES)}")
        return energy_devices.c[f"{key}_joules"] > 0
    # A group has a model's first 128 characters.
    return (
        devices.c.device_class == key
        if by == "class"
        else func.coalesce(func.substr(devices.c.model, 1, 128), "") == key
    )
