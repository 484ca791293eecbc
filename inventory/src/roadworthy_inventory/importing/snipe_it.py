"""Snipe-IT: the shape its own importer reads, and three of its reports.

Header names: https://github.com/grokability/snipe-it (`sample_csvs/assets-sample.csv`, `app/Importer/Importer.php`,
`app/Livewire/Importer.php`, `app/Http/Controllers/ReportsController.php`, `resources/lang/en-US`). Its importer writes
dates month first or as ISO, so the order is found out; a warranty of `3 years` is 36 months here, not 3.
"""

from __future__ import annotations

from typing import Any

from roadworthy_inventory.importing.fields import Column, Columns, Context, Format
from roadworthy_inventory.importing.register_rows import check_items, make_item
from roadworthy_inventory.importing.rows import BookValue, Maintenance

_COMMON = (
    Column("tag", "key", ("Asset Tag", "Tag")),
    Column("serial", "key", ("Serial", "Serial Number", "Serial No.")),
    Column("kind", "kind", ("Category",)),
    Column("manufacturer", "text", ("Manufacturer",)),
    Column("model", "text", ("Model", "Model name", "Asset Model")),
    Column("model_number", "text", ("Model Number", "Model No.")),
    Column("supplier", "text", ("Supplier",)),
    Column("site", "text", ("Location", "Default Location")),
    Column("order_number", "text", ("Order Number", "Purchase Order")),
    Column("lifecycle_state", "lifecycle_state", ("Status", "Status Label")),
    Column("company", "unit", ("Company",)),
    Column("department", "unit", ("Department",)),
    Column("notes", "notes", ("Asset Notes", "Notes", "Item Notes")),
)


def _item(found: dict[str, Any], context: Context) -> object:
    """Return the item: company then department are its unit; checked out and nothing else said is deployed."""
    path = [part for part in (found.pop("company", None), found.pop("department", None)) if part]
    if path:
        found["unit"] = " / ".join(path)
    out = [name for name in ("checkout_type", "checkout_date") if found.pop(name, None) is not None]
    if out and found.get("lifecycle_state", "stores") in {"stores", "unknown"}:
        found["lifecycle_state"] = "deployed"
    return make_item(found, context)


def _check_items(columns: Columns, context: Context) -> bool:
    """Do for many rows what `_item` does for one."""
    above = [columns.pop(name) for name in ("company", "department") if name in columns]
    if above:
        paths = (" / ".join(filter(None, path)) for path in zip(*above, strict=True))
        columns["unit"] = [path or None for path in paths]
    for out in [columns.pop(name) for name in ("checkout_type", "checkout_date") if name in columns]:
        states = columns.get("lifecycle_state", [None] * len(out))
        columns["lifecycle_state"] = [
            "deployed" if told is not None and state in {None, "stores", "unknown"} else state
            for told, state in zip(out, states, strict=True)
        ]
    return check_items(columns, context)


def _maintenance(found: dict[str, Any], context: Context) -> object:
    done = Maintenance(**{"tag": "", **found})
    if not done.tag and not context.problems:
        context.refuse("tag", "no_identity", "the row has no asset tag")
    if done.started and done.completed and done.completed < done.started:
        context.refuse("completed", "ends_before_start", f"is before its start on {done.started.isoformat()}")
    return done


def _book_value(found: dict[str, Any], context: Context) -> object:
    value = BookValue(**{"tag": "", **found})
    if not value.tag and not context.problems:
        context.refuse("tag", "no_identity", "the row has no asset tag")
    if (value.purchase_cost_pence or 0) < 0:
        context.refuse("purchase_cost_pence", "negative_cost", "is negative")
    return value


IMPORT = Format(
    name="snipe_it_import",
    title="Snipe-IT assets, in the shape of its importer",
    yields="item",
    columns=(
        *_COMMON,
        Column("purchased", "date", ("Purchase Date",)),
        Column("purchase_cost_pence", "money", ("Purchase Cost",)),
        Column("warranty_months", "months", ("Warranty", "Warranty Months")),
        Column("planned_months", "date_or_months", ("Asset EOL Date", "EOL Date", "EOL")),
        Column("checkout_type", "text", ("Checkout Type",)),
    ),
    required=(
        ("Asset Tag",),
        ("Model", "Model name", "Asset Model"),
        ("Purchase Date", "Purchase Cost", "Warranty"),
    ),
    telling=(
        "Company",
        "Model Notes",
        "Asset Notes",
        "Checkout Type",
        "Item Name",
        "Asset Name",
        "Full Name",
    ),
    make=_item,
    check_many=_check_items,
    unique="tag",
)
ASSET_REPORT = Format(
    name="snipe_it_report",
    title="Snipe-IT custom asset report",
    yields="item",
    columns=(
        *_COMMON,
        Column("purchased", "date", ("Purchased", "Purchase Date")),
        Column("purchase_cost_pence", "money", ("Cost", "Purchase Cost")),
        Column("planned_months", "date_or_months", ("EOL", "EOL Date")),
        Column("warranty_months", "months", ("Warranty",)),
        Column("warranty_end", "date", ("Warranty Expires",)),
        Column("checkout_date", "date", ("Checkout Date",)),
    ),
    required=(("Asset Tag",), ("Purchased",), ("Model", "Category", "Manufacturer", "Status")),
    telling=(
        "Model No.",
        "Warranty Expires",
        "Fully Depreciated",
        "Created At",
        "Last Audit",
        "Checked Out",
        "Diff",
    ),
    make=_item,
    check_many=_check_items,
    unique="tag",
)
DEPRECIATION = Format(
    name="snipe_it_depreciation",
    title="Snipe-IT depreciation report",
    yields="book value",
    columns=(
        Column("tag", "key", ("Asset Tag",)),
        Column("serial", "key", ("Serial",)),
        Column("site", "text", ("Location",)),
        Column("purchased", "date", ("Purchased",)),
        Column("purchase_cost_pence", "money", ("Cost",)),
        Column("current_value_pence", "money", ("Current Value",)),
        Column("difference_pence", "money", ("Diff",)),
    ),
    required=(("Asset Tag",), ("Purchased",), ("Current Value",), ("Diff",), ("Asset ", "Asset")),
    make=_book_value,
    unique="tag",
)
MAINTENANCE = Format(
    name="snipe_it_maintenance",
    title="Snipe-IT maintenance report",
    yields="maintenance",
    columns=(
        Column("tag", "key", ("Asset Tag",)),
        Column("supplier", "text", ("Supplier",)),
        Column("kind", "text", ("Asset Maintenance Type", "Maintenance Type")),
        Column("started", "date", ("Start Date",)),
        Column("completed", "date", ("Completion Date",)),
        Column("days", "whole", ("Asset Maintenance Time (in days)", "Maintenance Time (in days)")),
        Column("cost_pence", "money", ("Cost",)),
    ),
    required=(("Asset Tag",), ("Asset Maintenance Type", "Maintenance Type"), ("Start Date", "Cost")),
    make=_maintenance,
)
FORMATS = (IMPORT, ASSET_REPORT, DEPRECIATION, MAINTENANCE)
