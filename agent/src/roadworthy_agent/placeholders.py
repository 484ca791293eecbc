"""Texts that firmware carries because nobody filled them in.

A serial "Default string" on ten thousand machines is no serial: it has merged different devices in other
inventories (https://github.com/fusioninventory/fusioninventory-for-glpi/issues/3281). The list was drawn from
the dumps of https://github.com/linuxhw/DMI (CC BY 4.0) and from the lists of other inventories: GLPI's
src/Blacklist.php, osquery's osquery/core/system.cpp, FOG's class of hosts. roadworthy-inventory has the same facts
as a table, and a test holds the two together.
"""

from __future__ import annotations

import re

WORDS = frozenset(
    {
        "(null string)", "all series", "asset tag", "asset-1234567890", "base board asset tag",
        "base board serial number", "base board version", "blank", "board asset tag", "board serial number",
        "board version", "bss-0123456789", "chassis asset tag", "chassis manufacture",
        "chassis manufacturer", "chassis serial number", "chassis version", "default", "default string",
        "empty", "eval", "family", "fill by oem", "filled by oem", "iatpass", "invalid", "lenovo invalid",
        "mb-1234567890", "n/a", "na", "nil", "no asset information", "no asset tag", "no enclosure",
        "no serial number", "none", "not applicable", "not available", "not defined", "not present",
        "not provided", "not set", "not specified", "null", "o.e.m.", "oem", "oem default string",
        "oem string", "oem-specific", "oem_serial", "product name", "reserved", "serial", "serial number",
        "sku", "sku number", "standard", "system manufacturer", "system name", "system product name",
        "system serial number", "system sku", "system sku number", "system version", "systemserialnumb",
        "tbd", "tbd by oem", "test", "to be defined", "tulip computers", "type1family",
        "type1productconfigid", "type1sku", "type2 - board asset tag", "type2 - board serial number",
        "type3 - chassis serial number", "undefined", "unknow", "unknown", "unspecified",
    }
)  # fmt: skip

PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"to be filled( by)? .*",
        r"\[?(fill|filled) by .*",
        r"(.)\1+|[0x?*]",  # one letter again and again: 00000000, ........, xxxxxxx, FFFFFFFF
        r"0*123456789?0?[0-9a-f]*|0*12345(67?)?",  # counting
        r"(manufacturer|partnum|sernum|serialnum|assettagnum|modulepartnumber)\d*",
        r"(array|[a-z])\d+_(partnumber|manufacturer|sernum|serialnumber|serialnum|assettag|assettagnum)\d+",
        r"asus-[a-z]+sku",
        r"sku=notprovided(;.*)?",
        r"0x0+",
        r"(sys|sn|mb|bss|asset)-?(0?12345(6(7(89?0?)?)?)?|9876543210)",
        r"serial number x+",
    )
)
SEPARATORS = re.compile(r"[\s._/-]+")

# UUIDs baked into a vendor's sample firmware, on many boards at once
BOGUS_UUIDS = frozenset(
    {
        "00020003-0004-0005-0006-000700080009",  # the next one with the byte order of SMBIOS before 2.6
        "03000200-0400-0500-0006-000700080009",
        "00010203-0405-0607-0809-0a0b0c0d0e0f",  # the next one likewise
        "03020100-0504-0706-0809-0a0b0c0d0e0f",
        "10000000-0000-8000-0040-000000000000",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "6ab5b300-538d-1014-9fb5-b0684d007b53",
        "ffffff00-ffff-ffff-ffff-ffffffffffff",
    }
)


def meaningful(text: str | None) -> str | None:
    """Return the text without surrounding blanks, or None for a blank or a placeholder."""
    if text is None:
        return None
    clean = " ".join(text.split())
    plain = clean.casefold()
    joined = SEPARATORS.sub("", plain)
    if not joined or plain in WORDS:
        return None
    if any(pattern.fullmatch(candidate) for pattern in PATTERNS for candidate in (plain, joined)):
        return None
    return clean


def why_missing(text: str | None) -> str:
    """Say in words why `meaningful` gave nothing for `text`."""
    if text is None:
        return "the firmware leaves it out"
    clean = " ".join(text.split())
    return f"{clean!r} is a placeholder" if clean else "the firmware leaves it blank"


def meaningful_uuid(text: str | None) -> str | None:
    """Return a UUID in lower case, or None for one that is not set or known to be on many machines."""
    plain = (text or "").strip().casefold()
    if plain in BOGUS_UUIDS or not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", plain):
        return None
    digits = plain.replace("-", "")
    # One byte again and again: zeros, Fs, 01010101-..., fefefefe-...
    return None if digits == digits[:2] * 16 else plain
