"""Microsoft Configuration Manager: it has no export of its own, so sites write a query.

Read without a mapping where the columns keep the names of the SQL views (`v_R_System.Netbios_Name0`,
`v_GS_OPERATING_SYSTEM.Caption0`, `v_GS_WORKSTATION_STATUS.LastHWScan`); any other query by a mapping file. Names:
https://learn.microsoft.com/en-us/mem/configmgr/develop/core/understand/sqlviews/sample-queries-hardware-inventory-configuration-manager
"""

from __future__ import annotations

from roadworthy_inventory.importing.fields import Column, Format
from roadworthy_inventory.importing.register_rows import check_items, make_item

QUERY = Format(
    name="configmgr",
    title="Configuration Manager query",
    yields="item",
    columns=(
        Column("serial", "key", ("SerialNumber0", "SerialNumber00")),
        Column("tag", "key", ("SMBIOSAssetTag0", "AssetTag0")),
        Column("uuid", "text", ("SMBIOS_GUID0", "UUID0")),
        Column("macs", "macs", ("MACAddress0", "MAC_Addresses0")),
        Column("manufacturer", "text", ("Manufacturer0", "Manufacturer00")),
        Column("model", "text", ("Model0", "Model00")),
        Column("os_name", "text", ("Caption0", "Operating_System_Name_and0")),
        Column("os_version", "text", ("Version0", "BuildExt", "Build01")),
        Column("bios_date", "bios_date", ("ReleaseDate0",)),
        Column("last_seen", "date", ("LastHWScan", "LastActiveTime", "Last_Logon_Timestamp0")),
    ),
    required=(
        ("SerialNumber0", "SerialNumber00", "SMBIOS_GUID0"),
        ("Netbios_Name0", "Name0", "ResourceID", "LastHWScan"),
    ),
    make=make_item,
    check_many=check_items,
    fixed={"lifecycle_state": "deployed"},
)
FORMATS = (QUERY,)
