"""GLPI: the CSV export of a search over computers, with English names, any delimiter, any choice of columns.

Header names: https://github.com/glpi-project/glpi (`src/Computer.php`, `src/Infocom.php`,
`src/Glpi/Search/Output/Csv.php`); a name is prefixed `Group - ` where its option has a group.
"""

from __future__ import annotations

from roadworthy_inventory.importing.fields import Column, Format
from roadworthy_inventory.importing.register_rows import check_items, make_item

COMPUTERS = Format(
    name="glpi_csv",
    title="GLPI search export (CSV)",
    yields="item",
    columns=(
        Column("tag", "key", ("Inventory number", "Inventory/Asset number")),
        Column("serial", "key", ("Serial number",)),
        Column("uuid", "text", ("UUID",)),
        Column("kind", "kind", ("Type",)),
        Column("manufacturer", "text", ("Manufacturer",)),
        Column("model", "text", ("Model",)),
        Column("lifecycle_state", "lifecycle_state", ("Status",)),
        Column("unit", "unit", ("Entity", "Group")),
        Column("site", "text", ("Location", "Complete name of location")),
        Column("supplier", "text", ("Supplier",)),
        Column("order_number", "text", ("Order number",)),
        Column("purchased", "date", ("Date of purchase", "Purchase date")),
        Column("purchase_cost_pence", "money", ("Value",)),
        Column("warranty_start", "date", ("Start date of warranty",)),
        Column("warranty_months", "months", ("Warranty duration",)),
        Column("warranty_level", "text", ("Warranty information",)),
        Column("warranty_end", "date", ("Warranty expiration date",)),
        Column("disposed_on", "date", ("Decommission date",)),
        Column("macs", "macs", ("Network - MAC address", "MAC address", "Network - MAC")),
        Column("os_name", "text", ("Operating system - Name", "Operating system")),
        Column("os_version", "text", ("Operating system - Version", "Version of the operating system")),
        Column("last_seen", "date", ("Last inventory date", "Last contact", "Last boot date")),
        Column("notes", "notes", ("Comments", "Comment")),
    ),
    required=(("Serial number", "Inventory number", "Inventory/Asset number", "UUID"),),
    telling=(
        *("Last inventory date", "Alternate username", "Technician in charge", "Group in charge", "Entity"),
        *(
            "Startup date",
            "Immobilization number",
            "Start date of warranty",
            "Last update",
            "Date of purchase",
        ),
        *("Warranty expiration date", "Decommission date", "Amortization duration", "Inventory number"),
    ),
    make=make_item,
    check_many=check_items,
    unique="tag",
    unit_separator=">",
)
FORMATS = (COMPUTERS,)
