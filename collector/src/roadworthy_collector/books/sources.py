"""Rows of MDM exports, Endpoint Analytics and warranties, as their tables hold them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec
from sqlalchemy import Table

from roadworthy_collector.books.items import day_number
from roadworthy_collector.books.matching import refuse_long
from roadworthy_collector.store.books_schema import mdm_devices, warranties
from roadworthy_inventory.importing.fields import Context, Format
from roadworthy_inventory.importing.rows import Experience, ManagedDevice, UpgradeEligibility, Warranty

# What a format yields: the kind of its batch. Kinds are apart, for each export of a kind replaces the one before.
KINDS = {
    "item": "items",
    "device": "mdm",
    "upgrade": "upgrade",
    "experience": "experience",
    "warranty": "warranties",
}
_ROOM = {
    "device_id": 64, "name": 128, "serial": 128, "manufacturer": 128, "model": 128, "os_name": 128,
    "os_version": 128, "sku_family": 64, "level": 128,
}  # fmt: skip
_NO_SCORES = frozenset({"device_id", "name", "serial", "manufacturer", "model"})

Row = tuple[Any, ...]


def checked(form: Format) -> Format:
    """Return the format with its rows checked against the room of the tables, and warned of where a device comes twice."""
    make = form.make
    lines: dict[str, int] = {}

    def fitting(found: dict[str, Any], context: Context) -> object:
        row = make(found, context)
        refuse_long({name: (getattr(row, name, None), most) for name, most in _ROOM.items()}, context)
        if (device := _device_key(row)) is not None:
            first = lines.setdefault(device, context.line)
            if first != context.line:
                context.warn(
                    "device_id",
                    "device_twice",
                    f"is on line {first} already; of the two the later check-in is kept",
                    row.device_id,  # type: ignore[attr-defined]  # it has a key
                )
        return row

    return replace(form, make=fitting)


def _device_key(row: object) -> str | None:
    said = getattr(row, "device_id", None)
    return said.casefold() if isinstance(said, str) else None


def latest(rows: Sequence[Any]) -> list[Any]:
    """Return the rows with each device once, in their order: that of its later check-in, of the later line if none says."""
    kept: dict[object, Any] = {}
    for number, row in enumerate(rows):
        key = _device_key(row) or number
        held = kept.get(key)
        if held is None or _used(row) >= _used(held):
            kept[key] = row
    return list(kept.values())


def _used(row: object) -> dt.date:
    return (row.last_used() if isinstance(row, ManagedDevice) else None) or dt.date.min


def table_of(yields: str) -> tuple[Table, Callable[[Any], Row]]:
    """Return the table of what a format yields, and what makes a row of it without `id` and `batch`."""
    tables: dict[str, tuple[Table, Callable[[Any], Row]]] = {
        "device": (mdm_devices, _device),
        "upgrade": (mdm_devices, _upgrade),
        "experience": (mdm_devices, _experience),
        "warranty": (warranties, _warranty),
    }
    return tables[yields]


def _json(value: object) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _device(row: ManagedDevice) -> Row:
    return (
        row.device_id, row.name, row.serial, None, None, _json(row.macs), row.manufacturer, row.model, row.os_name,
        row.os_version, row.sku_family, day_number(row.last_used()), None, None,
    )  # fmt: skip


def _upgrade(row: UpgradeEligibility) -> Row:
    checks = {"failed": list(row.failed), "checked": row.checked}
    return (
        row.device_id, row.name, row.serial, None, None, None, row.manufacturer, row.model, None, row.os_version,
        None, None, row.eligibility, _json(checks),
    )  # fmt: skip


def _experience(row: Experience) -> Row:
    scores = {
        name: value for name, value in asdict(row).items() if value is not None and name not in _NO_SCORES
    }
    return (
        row.device_id, row.name, row.serial, None, None, None, row.manufacturer, row.model, None, None, None, None,
        None, _json(scores),
    )  # fmt: skip


def _warranty(row: Warranty) -> Row:
    return (row.serial, day_number(row.start), day_number(row.end), row.level)
