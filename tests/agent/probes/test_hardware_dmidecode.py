"""The tables of every recorded device, read by dmidecode and by us: both say the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from devices.replay import folders
from devices.smbios_builder import TABLES, dump

from roadworthy_agent.placeholders import meaningful
from roadworthy_agent.probes.hardware import smbios
from roadworthy_agent.probes.hardware.parse import Firmware, firmware_from_tables
from roadworthy_agent.probes.hardware.smbios import parse_entry_point, parse_tables

WITH_TABLES = [
    pytest.param(folder, id=folder.name) for folder in folders() if (folder / "smbios.json").exists()
]
# dmidecode's keyword -> our name of the text
KEYWORDS = {
    "bios-vendor": "bios_vendor", "bios-version": "bios_version", "bios-release-date": "bios_date",
    "system-manufacturer": "sys_vendor", "system-product-name": "product_name",
    "system-serial-number": "product_serial", "system-sku-number": "product_sku",
    "system-family": "product_family", "baseboard-manufacturer": "board_vendor",
    "baseboard-product-name": "board_name", "baseboard-serial-number": "board_serial",
    "chassis-serial-number": "chassis_serial", "chassis-asset-tag": "chassis_asset_tag",
}  # fmt: skip
CHASSIS = {
    "Other": 1, "Desktop": 3, "Low Profile Desktop": 4, "Notebook": 10, "All In One": 13,
    "Rack Mount Chassis": 23, "Detachable": 32,
}  # fmt: skip
UNITS = {"bytes": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}

pytestmark = pytest.mark.needs("dmidecode")


def read(folder: Path) -> tuple[smbios.Tables, Firmware]:
    place = folder / TABLES
    entry = parse_entry_point((place / "smbios_entry_point").read_bytes())
    tables = parse_tables((place / "DMI").read_bytes(), entry)
    return tables, firmware_from_tables(tables)


def dmidecode(folder: Path, tmp_path: Path, *arguments: str) -> str:
    place = folder / TABLES
    file = tmp_path / "dump.bin"
    file.write_bytes(dump((place / "smbios_entry_point").read_bytes(), (place / "DMI").read_bytes()))
    done = subprocess.run(
        ["dmidecode", "--from-dump", file, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def structures(text: str) -> list[dict[str, str]]:
    """Return dmidecode's structures as {key: value}, with `kind` and `handle`."""
    found = []
    for block in text.split("\n\n"):
        head = re.match(r"\s*Handle (0x[0-9A-F]+), DMI type (\d+)", block)
        if head:
            pairs = re.findall(r"^\t([^\t:]+): ?(.*)$", block, re.MULTILINE)
            found.append({"handle": head[1], "kind": head[2]} | dict(pairs))
    return found


def size(text: str) -> int | None:
    number, _, unit = text.partition(" ")
    return int(number) * UNITS[unit] if number.isdecimal() else None


@pytest.mark.parametrize("folder", WITH_TABLES)
def test_the_texts_agree(folder: Path, tmp_path: Path) -> None:
    _, firmware = read(folder)
    for keyword, name in KEYWORDS.items():
        printed = dmidecode(folder, tmp_path, "-s", keyword).strip()
        ours = " ".join((firmware.texts[name] or "Not Specified").split())
        assert ours == " ".join(printed.split()), keyword


@pytest.mark.parametrize("folder", WITH_TABLES)
def test_uuid_and_chassis_agree(folder: Path, tmp_path: Path) -> None:
    _, firmware = read(folder)
    assert firmware.uuid == dmidecode(folder, tmp_path, "-s", "system-uuid").strip()
    (chassis,) = structures(dmidecode(folder, tmp_path, "-t", "3"))
    assert firmware.chassis_type == CHASSIS[chassis["Type"]]


@pytest.mark.parametrize("folder", WITH_TABLES)
def test_the_memory_modules_agree(folder: Path, tmp_path: Path) -> None:
    _, firmware = read(folder)
    printed = [
        each for each in structures(dmidecode(folder, tmp_path, "-t", "17")) if size(each["Size"]) is not None
    ]
    assert [module.slot for module in firmware.modules] == [meaningful(each["Locator"]) for each in printed]
    for module, each in zip(firmware.modules, printed, strict=True):
        assert module.size_bytes == size(each["Size"])
        assert module.type == (None if each["Type"] in {"Other", "Unknown"} else each["Type"])
        speeds = [each.get("Configured Memory Speed", "Unknown"), each["Speed"]]
        known = [int(speed.removesuffix(" MT/s")) for speed in speeds if speed != "Unknown"]
        assert module.speed_mts == (known[0] if known else None)
        assert module.manufacturer == meaningful(each["Manufacturer"])
        assert module.part_number == meaningful(each["Part Number"])


@pytest.mark.parametrize("folder", WITH_TABLES)
def test_the_processors_agree(folder: Path, tmp_path: Path) -> None:
    tables, firmware = read(folder)
    printed = structures(dmidecode(folder, tmp_path, "-t", "4"))
    ours = tables.all(smbios.PROCESSOR)
    assert len(ours) == len(printed)
    for processor, each in zip(ours, printed, strict=True):
        assert smbios.populated(processor) == each["Status"].startswith("Populated")
        assert f"{smbios.max_mhz(processor)} MHz" == each["Max Speed"]
        if "Core Count" in each:
            assert smbios.core_count(processor) == int(each["Core Count"])
        if signature := each.get("Signature"):
            numbers = re.findall(r"(?:Family|Model|Stepping) (\d+)", signature)
            assert smbios.cpu_signature(processor) in (tuple(map(int, numbers)), None)
            assert smbios.cpu_signature(processor) is not None or each["ID"].startswith("00 00 00 00")
    tops = [int(each["Max Speed"].split()[0]) for each in printed if each["Status"].startswith("Populated")]
    assert firmware.cpu_max_mhz == max(tops, default=None)


@pytest.mark.parametrize("folder", WITH_TABLES)
def test_the_tpm_agrees(folder: Path, tmp_path: Path) -> None:
    _, firmware = read(folder)
    printed = structures(dmidecode(folder, tmp_path, "-t", "43"))
    assert firmware.tpm_version == (printed[0]["Specification Version"] if printed else None)


@pytest.mark.parametrize("folder", WITH_TABLES)
def test_a_table_without_identifiers_is_still_one_and_says_the_same_otherwise(
    folder: Path, tmp_path: Path
) -> None:
    place = folder / TABLES
    entry = (place / "smbios_entry_point").read_bytes()
    scrubbed = smbios.without_identifiers((place / "DMI").read_bytes())
    _, before = read(folder)
    after = firmware_from_tables(parse_tables(scrubbed, parse_entry_point(entry)))
    secret = {"product_serial", "board_serial", "chassis_serial", "chassis_asset_tag"}
    assert after.uuid is None
    assert (after.modules, after.cpu_signature, after.tpm_version) == (
        before.modules,
        before.cpu_signature,
        before.tpm_version,
    )
    for name, text in before.texts.items():
        value = after.texts[name]
        assert value == text if name not in secret else value is None or set(value) <= {"X"}, name
    assert b"TESTSN1" not in scrubbed
    file = tmp_path / "scrubbed.bin"
    file.write_bytes(dump(entry, scrubbed))
    done = subprocess.run(["dmidecode", "--from-dump", file], capture_output=True, text=True, check=True)
    assert "TRUNCATED" not in done.stdout
    assert "BROKEN" not in done.stdout
