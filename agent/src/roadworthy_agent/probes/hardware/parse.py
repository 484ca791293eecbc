"""From firmware texts to facts about the machine; pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from roadworthy_agent.facts import HardwareFacts, MemoryModule
from roadworthy_agent.placeholders import meaningful, meaningful_uuid, why_missing
from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.hardware import smbios

MOST_MODULES = 256  # what the wire takes
EARLIEST_BIOS_YEAR = 1980
BOARD_INSTEAD = "; the board's name stands in for it"


@dataclass(frozen=True, slots=True)
class Firmware:
    """The texts firmware gives, as written; None where it gives none.

    `denied` names the fields that may be there but could not be read, with the reason.
    """

    texts: Mapping[str, str | None]
    chassis_type: int | None = None
    uuid: str | None = None
    modules: tuple[MemoryModule, ...] = ()
    cpu_max_mhz: int | None = None
    cpu_signature: tuple[int, int, int] | None = None  # family, model, stepping
    tpm_version: str | None = None
    denied: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def text(self, name: str) -> str | None:
        """Return a text that means something, or None."""
        return meaningful(self.texts.get(name))


# fact on the wire -> text in Firmware
FACT_TEXTS = {
    "vendor": "sys_vendor",
    "model": "product_name",
    "family": "product_family",
    "sku": "product_sku",
    "serial": "product_serial",
    "asset_tag": "chassis_asset_tag",
    "bios_vendor": "bios_vendor",
    "bios_version": "bios_version",
}
# Its absence is worth a word; family, SKU and asset tag are optional even in good firmware.
EXPECTED = ("vendor", "model", "serial", "bios_vendor", "bios_version")


def firmware_from_tables(tables: smbios.Tables) -> Firmware:
    """Return what the SMBIOS tables say, by the names sysfs gives the same texts."""
    bios, system = tables.first(smbios.BIOS), tables.first(smbios.SYSTEM)
    board, chassis = tables.first(smbios.BOARD), tables.first(smbios.CHASSIS)
    places = {
        "bios_vendor": (bios, 4), "bios_version": (bios, 5), "bios_date": (bios, 8),
        "sys_vendor": (system, 4), "product_name": (system, 5), "product_version": (system, 6),
        "product_serial": (system, 7), "product_sku": (system, 0x19), "product_family": (system, 0x1A),
        "board_vendor": (board, 4), "board_name": (board, 5), "board_serial": (board, 7),
        "chassis_serial": (chassis, 7), "chassis_asset_tag": (chassis, 8),
    }  # fmt: skip
    uuid = smbios.system_uuid(system, tables.version) if system else None
    processors = [each for each in tables.all(smbios.PROCESSOR) if smbios.populated(each)]
    speeds = [mhz for processor in processors if (mhz := smbios.max_mhz(processor))]
    signatures = (smbios.cpu_signature(processor) for processor in processors)
    tpm = tables.first(smbios.TPM)
    return Firmware(
        texts={name: where.string(offset) if where else None for name, (where, offset) in places.items()},
        chassis_type=smbios.chassis_type(chassis) if chassis else None,
        uuid=str(uuid) if uuid else None,
        modules=tuple(map(_module, smbios.system_modules(tables)[:MOST_MODULES])),
        cpu_max_mhz=max(speeds, default=None),
        cpu_signature=next((each for each in signatures if each), None),
        tpm_version=smbios.tpm_version(tpm) if tpm else None,
        source=f"smbios {tables.version.major}.{tables.version.minor}",
    )


def hardware_facts(firmware: Firmware) -> tuple[HardwareFacts, tuple[Missing, ...]]:
    """Return the firmware's part of the facts, and what is missing from it and why.

    A self-built machine has placeholders where maker and model belong: the board's names stand in for them, as
    they are what tells such machines apart, and the `Missing` says so.
    """
    values: dict[str, str | None] = {fact: firmware.text(name) for fact, name in FACT_TEXTS.items()}
    missing = [_missing_text(firmware, fact) for fact in EXPECTED if values[fact] is None]
    board = {"vendor": firmware.text("board_vendor"), "model": firmware.text("board_name")}
    if values["model"] is None and board["model"] is not None:
        values |= board
        missing = [
            Missing(each.field, each.status, each.reason + BOARD_INSTEAD)
            if each.field in {"hardware.vendor", "hardware.model"}
            else each
            for each in missing
        ]
    bios_date, date_missing = parse_bios_date(firmware.texts.get("bios_date"))
    if date_missing is not None:
        missing.append(date_missing)
    if firmware.chassis_type is None:
        missing.append(
            Missing("hardware.chassis_type", Status.NOT_SUPPORTED, "the firmware names no chassis type")
        )
    facts = HardwareFacts(
        vendor=values["vendor"],
        model=values["model"],
        family=values["family"],
        sku=values["sku"],
        serial=values["serial"],
        asset_tag=values["asset_tag"],
        chassis_type=firmware.chassis_type,
        bios_vendor=values["bios_vendor"],
        bios_version=values["bios_version"],
        bios_date=bios_date,
        source=firmware.source,
    )
    return facts, tuple(missing)


def identifiers(firmware: Firmware) -> dict[str, str]:
    """Return the raw hardware identifiers that mean something; only their SHA-256 leaves the device."""
    found = {
        "system_uuid": meaningful_uuid(firmware.uuid),
        "system_serial": firmware.text("product_serial"),
        "board_serial": firmware.text("board_serial"),
        "chassis_serial": firmware.text("chassis_serial"),
    }
    return {name: value for name, value in found.items() if value}


def parse_bios_date(text: str | None) -> tuple[str | None, Missing | None]:
    """Return a firmware date as YYYY-MM-DD, or why there is none.

    The specification asks for MM/DD/YYYY; about one machine in a hundred writes MM/DD/YY, and some leave the
    leading zeros out. Two-digit years are read as Linux reads them: 96 to 99 are the last century.
    """
    field_name = "hardware.bios_date"
    clean = meaningful(text)
    if clean is None:
        return None, Missing(field_name, Status.NOT_SUPPORTED, why_missing(text))
    wrong = Missing(field_name, Status.ERROR, f"{clean[:40]!r} is no date of the form MM/DD/YYYY")
    if iso := re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", clean):
        year, month, day = map(int, iso.groups())
    elif american := re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})", clean):
        month, day, year = map(int, american.groups())
        if len(american[3]) == 2:
            year += 1900 if year >= 96 else 2000
    else:
        return None, wrong
    try:
        date = dt.date(year, month, day)
    except ValueError:
        return None, wrong
    return (date.isoformat(), None) if date.year >= EARLIEST_BIOS_YEAR else (None, wrong)


def _module(device: smbios.Structure) -> MemoryModule:
    kind = device.byte(0x12)
    return MemoryModule(
        slot=meaningful(device.string(0x10)),
        size_bytes=smbios.module_bytes(device),
        type=smbios.MEMORY_TYPES.get(kind) if kind is not None else None,
        speed_mts=smbios.module_speed(device),
        manufacturer=meaningful(device.string(0x17)),
        part_number=meaningful(device.string(0x1A)),
    )


def _missing_text(firmware: Firmware, fact: str) -> Missing:
    name = FACT_TEXTS[fact]
    if name in firmware.denied:
        return Missing(f"hardware.{fact}", Status.NO_PERMISSION, firmware.denied[name])
    return Missing(f"hardware.{fact}", Status.NOT_SUPPORTED, why_missing(firmware.texts.get(name)))
