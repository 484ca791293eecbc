"""Microsoft Intune: the list of all devices with inventory, in both spellings, and eligibility for Windows 11.

Header names: https://learn.microsoft.com/en-us/mem/intune/fundamentals/reports-export-graph-available-reports
(`DevicesWithInventory`: `Serial number` from the console, `SerialNumber` from Graph) and
https://learn.microsoft.com/en-us/graph/api/resources/intune-devices-userexperienceanalyticsworkfromanywheredevice
for eligibility, whose values are those of operatingSystemUpgradeEligibility, by name or by number.
"""

from __future__ import annotations

from typing import Any

from roadworthy_inventory.importing.fields import Column, Context, Format
from roadworthy_inventory.importing.rows import IMPORT_ONLY, ManagedDevice, UpgradeEligibility
from roadworthy_inventory.importing.words import word_key

_IDENTITY = (
    Column("device_id", "text", ("Device ID", "DeviceId", "Intune Device ID", "id")),
    Column("name", "text", ("Device name", "DeviceName")),
    Column("serial", "key", ("Serial number", "SerialNumber")),
    Column("manufacturer", "text", ("Manufacturer", "DeviceManufacturer")),
    Column("model", "text", ("Model", "DeviceModel")),
    Column("os_version", "text", ("OS version", "OSVersion")),
    Column("owned_by", "text", ("Ownership", "OwnerType", "Owner type")),
)
_CHECKS = {
    "ram": "RamCheckFailed",
    "storage": "StorageCheckFailed",
    "cores": "ProcessorCoreCountCheckFailed",
    "speed": "ProcessorSpeedCheckFailed",
    "tpm": "TpmCheckFailed",
    "secure_boot": "SecureBootCheckFailed",
    "processor": "ProcessorFamilyCheckFailed",
    "64_bit": "Processor64BitCheckFailed",
    "os": "OsCheckFailed",
}
_ELIGIBILITY = {
    "upgraded": "upgraded",
    "unknown": "unknown",
    "notcapable": "not capable",
    "capable": "capable",
    "eligible": "capable",
    "noteligible": "not capable",
    "0": "upgraded",
    "1": "unknown",
    "2": "not capable",
    "3": "capable",
}


def _no_identity(found: dict[str, Any], context: Context) -> None:
    if not context.problems and not any(found.get(name) for name in ("device_id", "serial", "imei", "name")):
        context.refuse("serial", "no_identity", "the row has no device id, serial or name to know it by")


def _device(found: dict[str, Any], context: Context) -> object:
    _no_identity(found, context)
    macs = [*found.pop("wifi_mac", ()), *found.pop("ethernet_mac", ())]
    owned = found.get("owned_by")
    if owned is not None:
        found["owned_by"] = {"company": "corporate"}.get(owned.casefold(), owned.casefold())
    device = ManagedDevice(macs=tuple(dict.fromkeys(macs)), **found)
    for name in ("last_seen", "last_sync"):
        day = getattr(device, name)
        if day is not None and (day - context.on).days > 1:
            context.warn(name, "future_date", f"is after {context.on.isoformat()}", day)
    return device


def _upgrade(found: dict[str, Any], context: Context) -> object:
    _no_identity(found, context)
    said = found.pop("eligibility", None)
    word = "unknown" if said is None else _ELIGIBILITY.get(word_key(said))
    if word is None:
        context.warn(
            "eligibility", "unknown_word", "is no eligibility Intune documents; read as unknown", said
        )
    answers = {name: found.pop(f"check_{name}", None) for name in _CHECKS}
    return UpgradeEligibility(
        eligibility=word or "unknown",
        failed=tuple(name for name, failed in answers.items() if failed),
        checked=sum(failed is not None for failed in answers.values()),
        **found,
    )


DEVICES = Format(
    name="intune_devices",
    title="Intune devices with inventory",
    yields="device",
    columns=(
        *_IDENTITY,
        Column("imei", "key", ("IMEI",)),
        Column("wifi_mac", "macs", ("Wi-Fi MAC", "WifiMacAddress", "WiFi MAC address")),
        Column("ethernet_mac", "macs", ("EthernetMAC", "Ethernet MAC address")),
        Column("os_name", "text", ("OS", "Operating system")),
        Column("sku_family", "text", ("SkuFamily", "SKU family")),
        Column("enrolled", "date", ("Enrollment date", "CreatedDate", "Enrolled date")),
        Column("last_seen", "date", ("Last check-in", "LastContact", "Last contact", "Last sync date time")),
        Column("last_sync", "date", ("Last EAS sync time", "EasLastSyncTime", "LastEasSyncTime")),
        Column("category", "text", ("Category", "CategoryName", "Device category")),
        Column("compliance", "text", ("Compliance", "CompliantState", "ComplianceState")),
        Column("managed_by", "text", ("Managed by", "ManagedBy", "ManagementAgents")),
        Column("encrypted", "yes_or_no", ("Encrypted", "IsEncrypted", "EncryptionStatusString")),
    ),
    required=(("Device ID", "DeviceId"), ("Serial number", "SerialNumber"), ("Last check-in", "LastContact")),
    make=_device,
    note="what mobile device management knows; phones count as used by check-in or mail synchronisation",
)
UPGRADE = Format(
    name="intune_upgrade",
    title="Intune Work from anywhere, eligibility for Windows 11",
    yields="upgrade",
    columns=(
        *_IDENTITY,
        Column(
            "eligibility",
            "text",
            ("UpgradeEligibility", "Windows 11 readiness status", "Upgrade eligibility"),
        ),
        *(Column(f"check_{name}", "yes_or_no", (alias,)) for name, alias in _CHECKS.items()),
    ),
    required=(
        ("UpgradeEligibility", "Windows 11 readiness status", "Upgrade eligibility"),
        ("Device ID", "DeviceId", "id", "DeviceName", "Device name", "SerialNumber", "Serial number"),
    ),
    make=_upgrade,
    note=IMPORT_ONLY,
)
FORMATS = (DEVICES, UPGRADE)
