"""The register's own file: what is exported imports again unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roadworthy_inventory.importing import values
from roadworthy_inventory.importing.fields import Column, Format, Kind
from roadworthy_inventory.importing.problems import neutralised
from roadworthy_inventory.importing.register_rows import check_items, make_item
from roadworthy_inventory.register import RegisterItem

# (field, header, how it is read again). Headers are for people and for ever: files of years ago must import.
COLUMNS: tuple[tuple[str, str, Kind], ...] = (
    ("tag", "Asset tag", "text"),
    ("serial", "Serial number", "text"),
    ("uuid", "UUID", "text"),
    ("macs", "MAC addresses", "macs"),
    ("kind", "Kind", "kind"),
    ("manufacturer", "Manufacturer", "text"),
    ("model", "Model", "text"),
    ("model_number", "Model number", "text"),
    ("lifecycle_state", "Lifecycle state", "lifecycle_state"),
    ("usage_profile", "Usage profile", "usage_profile"),
    ("unit", "Unit", "unit"),
    ("cost_centre", "Cost centre", "text"),
    ("command", "Command", "text"),
    ("site", "Site", "text"),
    ("legal_owner", "Legal owner", "text"),
    ("supplier", "Supplier", "text"),
    ("order_number", "Order number", "text"),
    ("system", "System", "text"),
    ("purchased", "Purchased", "iso_date"),
    ("purchase_cost_pence", "Purchase cost (GBP)", "money"),
    ("lease_end", "Lease end", "iso_date"),
    ("warranty_start", "Warranty start", "iso_date"),
    ("warranty_end", "Warranty end", "iso_date"),
    ("warranty_level", "Warranty level", "text"),
    ("planned_end", "Planned end", "iso_date"),
    ("os_name", "Operating system", "text"),
    ("os_version", "Operating system version", "text"),
    ("last_seen", "Last seen", "iso_date"),
    ("notes", "Notes", "notes"),
    ("bios_date", "Firmware date", "iso_date"),
    ("disposed_on", "Disposed on", "iso_date"),
)


def _words(value: Any) -> str:
    return "" if value is None else neutralised(str(value))


def _day(value: Any) -> str:
    return "" if value is None else str(value.isoformat())


def _pounds(value: Any) -> str:
    return "" if value is None else values.pounds(value)


_WRITERS: dict[str, Callable[[Any], str]] = {"iso_date": _day, "money": _pounds, "macs": " ".join}
_PLAN = tuple((name, _WRITERS.get(kind, _words)) for name, _title, kind in COLUMNS)


def export_header() -> tuple[str, ...]:
    """Return the headers of the register's file."""
    return tuple(title for _name, title, _kind in COLUMNS)


def export_row(item: RegisterItem) -> tuple[str, ...]:
    """Return the item's cells: nothing where it is missing, money in pounds, dates as YYYY-MM-DD.

    What begins like a formula has an apostrophe before it, which the import takes off again.
    """
    return tuple(write(getattr(item, name)) for name, write in _PLAN)


REGISTER = Format(
    name="register",
    title="a register exported by Roadworthy",
    yields="item",
    columns=tuple(Column(name, kind, (title,)) for name, title, kind in COLUMNS),
    required=(("Asset tag",), ("Lifecycle state",), ("Usage profile",), ("Purchase cost (GBP)",)),
    make=make_item,
    check_many=check_items,
    unique="tag",
    safe_cells=True,
)
FORMATS = (REGISTER,)
