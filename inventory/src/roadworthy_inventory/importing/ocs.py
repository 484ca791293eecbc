"""OCS Inventory: the CSV of its lists of computers (`ms_csv.php`), by default parted by semicolons.

Header names: https://github.com/OCSInventory-NG/OCSInventory-ocsreports (`plugins/language/en_GB/en_GB.txt`). The
date of the firmware is the best hint of age where no purchase is known: the item is at least that old.
"""

from __future__ import annotations

from roadworthy_inventory.importing.fields import Column, Format
from roadworthy_inventory.importing.register_rows import check_items, make_item

COMPUTERS = Format(
    name="ocs",
    title="OCS Inventory computers",
    yields="item",
    columns=(
        Column("serial", "key", ("BIOS Serial number", "Serial number")),
        Column("uuid", "text", ("UUID",)),
        Column("tag", "key", ("Asset tag", "BIOS Asset tag")),
        Column("macs", "macs", ("MAC address", "MAC Address")),
        Column("kind", "kind", ("BIOS Type", "Type")),
        Column("manufacturer", "text", ("Manufacturer",)),
        Column("model", "text", ("Model",)),
        Column("os_name", "text", ("Operating system",)),
        Column("os_version", "text", ("OS Version",)),
        Column("bios_date", "bios_date", ("BIOS Date",)),
        Column("last_seen", "date", ("Last inventory", "Last contact")),
    ),
    required=(("BIOS Serial number",), ("Computer", "Computer Id", "Last inventory", "Connected user")),
    make=make_item,
    check_many=check_items,
    fixed={"lifecycle_state": "deployed"},
)
FORMATS = (COMPUTERS,)
