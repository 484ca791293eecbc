"""SMART of an ATA disk: the attribute table and the device statistics log, whatever system hands over the bytes.

Layout: ATA/ATAPI Command Set - 4 (ACS-4), 9.5 (device statistics) and 7.48 (SMART RETURN STATUS). The attribute
table was taken out of the standard with ATA-4 and lives on in every disk: SFF-8035i revision 2, and what
smartmontools' drivedb (https://www.smartmontools.org/browser/trunk/smartmontools/drivedb.h) takes for granted.

Attributes mean what their maker says. The device statistics are standard, so they win where the disk keeps them;
of the attributes only those are read whose meaning does not depend on the maker, and wear only of makers that
have published theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from roadworthy_agent.probes.storage.health import Health, HealthError, count, hours

SECTOR_BYTES = 512
FIRST_ATTRIBUTE, ATTRIBUTE_BYTES, MOST_ATTRIBUTES = 2, 12, 30
REALLOCATED, POWER_ON, UNCORRECTABLE = 5, 9, 198

# LBA mid and high after SMART RETURN STATUS (ACS-4, 7.48.7)
STATUS_GOOD, STATUS_FAILING = (0x4F, 0xC2), (0xF4, 0x2C)

# Pages of the device statistics log (ACS-4, 9.5) and where in them a statistic stands
GENERAL, ROTATING, ERRORS, SOLID_STATE = 1, 3, 4, 7
PAGES = (GENERAL, ROTATING, ERRORS, SOLID_STATE)
POWER_ON_AT, REALLOCATED_AT, UNCORRECTABLE_AT, ENDURANCE_AT = (
    (GENERAL, 16),
    (ROTATING, 32),
    (ERRORS, 8),
    (SOLID_STATE, 8),
)
SUPPORTED_AND_VALID = 0xC0

# Model -> attribute whose normalised value counts the life left down from 100, as its maker has published: Intel
# (datasheets of the SSD 320, DC S3500 and later: E9h, Media Wearout Indicator), Samsung (application note
# "Communicating with your SSD": 177, Wear Leveling Count), Crucial and Micron (TN-FD-22, Client SATA SSD SMART
# Attribute Reference: 202). The same numbers count other things on other disks: SanDisk keeps writes in 233.
WEAR_ATTRIBUTES = (
    (re.compile(r"INTEL SSD"), 233, "Intel"),
    (re.compile(r"Samsung SSD|SAMSUNG MZ"), 177, "Samsung"),
    (re.compile(r"(Crucial_)?CT\d{3,4}[A-Z]"), 202, "Crucial"),
    (re.compile(r"Micron_|MTFDDA"), 202, "Micron"),
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row of the attribute table: the normalised value (100 or 200 when new), and six raw bytes."""

    id: int
    flags: int
    value: int
    worst: int
    raw: bytes

    @property
    def number(self) -> int:
        """The raw bytes as one number."""
        return int.from_bytes(self.raw, "little")


@dataclass(frozen=True, slots=True)
class AtaAnswers:
    """What an ATA disk answered: its attribute table, the registers of its status, its statistics by page."""

    attributes: bytes | None = None
    status: tuple[int, int] | None = None
    statistics: Mapping[int, bytes] = field(default_factory=dict)


def parse_attributes(sector: bytes) -> dict[int, Attribute]:
    """Return the attributes by their numbers; a row numbered 0 is empty, and of two with one number the first counts.

    Raises HealthError where the sector is short, blank or its checksum (all 512 bytes add up to 0) is wrong.
    """
    if len(sector) < SECTOR_BYTES:
        raise HealthError(f"SMART data has {SECTOR_BYTES} bytes, this has {len(sector)}")
    block = sector[:SECTOR_BYTES]
    if sum(block) % 256:
        raise HealthError("the checksum of the SMART data is wrong")
    if not any(block):
        raise HealthError("the SMART data is blank")
    found: dict[int, Attribute] = {}
    for row in range(MOST_ATTRIBUTES):
        start = FIRST_ATTRIBUTE + row * ATTRIBUTE_BYTES
        raw = block[start : start + ATTRIBUTE_BYTES]
        if raw[0]:
            each = Attribute(raw[0], int.from_bytes(raw[1:3], "little"), raw[3], raw[4], raw[5:11])
            found.setdefault(each.id, each)
    return found


def statistic(pages: Mapping[int, bytes], place: tuple[int, int], size: int) -> int | None:
    """Return a device statistic of `size` bytes, None where the disk does not keep it or holds it for not valid.

    Each takes eight bytes: the value, and in the last byte the flags "supported" and "valid".
    """
    number, offset = place
    page = pages.get(number, b"")
    if len(page) < SECTOR_BYTES or page[2] != number or page[:2] == b"\0\0":
        return None
    entry = page[offset : offset + 8]
    if entry[7] & SUPPORTED_AND_VALID != SUPPORTED_AND_VALID:
        return None
    return int.from_bytes(entry[:size], "little")


def parse_health(answers: AtaAnswers, *, model: str | None, rotates: bool) -> Health:
    """Return what the answers say. Raises HealthError where none of them can be used."""
    attributes, fault = _attributes(answers)
    pages = answers.statistics
    if not attributes and not _kept(pages):
        raise fault or HealthError("the disk gives neither SMART attributes nor device statistics")
    reasons: dict[str, str] = {}
    wear, wear_source = (None, None) if rotates else _wear(attributes, pages, model, reasons)
    on_hours = _hours(attributes, pages, reasons)
    sources = ["ATA device statistics"] if _kept(pages) else []
    sources += ["SMART attributes"] if attributes else []
    return Health(
        source=", ".join(sources) + (f" ({wear_source})" if wear_source else ""),
        wear_ratio=wear,
        power_on_hours=on_hours,
        media_errors=_errors(attributes, pages),
        reallocated_sectors=_reallocated(attributes, pages, reasons),
        failing=_failing(answers.status, reasons),
        reasons=reasons,
    )


def _kept(pages: Mapping[int, bytes]) -> bool:
    """Tell whether any statistic of those read is kept."""
    places = (POWER_ON_AT, REALLOCATED_AT, UNCORRECTABLE_AT, ENDURANCE_AT)
    return any(statistic(pages, place, 4) is not None for place in places)


def _attributes(answers: AtaAnswers) -> tuple[dict[int, Attribute], HealthError | None]:
    if answers.attributes is None:
        return {}, None
    try:
        return parse_attributes(answers.attributes), None
    except HealthError as error:
        return {}, error  # the statistics may be sound all the same


def _wear(
    attributes: Mapping[int, Attribute],
    pages: Mapping[int, bytes],
    model: str | None,
    reasons: dict[str, str],
) -> tuple[float | None, str | None]:
    """Return the share of the rated life used, and which attribute says so if one does."""
    used = statistic(pages, ENDURANCE_AT, 1)
    if used is not None:
        return used / 100, None
    for models, number, maker in WEAR_ATTRIBUTES:
        attribute = attributes.get(number)
        if attribute is not None and models.match(model or "") and attribute.value <= 100:
            # The value ends at 1 or 0: from there on it says "at least".
            return (100 - attribute.value) / 100, f"wear: attribute {number} as {maker} defines it"
    reasons["wear_ratio"] = (
        "the disk keeps no endurance indicator in its device statistics, and its maker has not published which "
        "attribute counts its wear"
    )
    return None, None


def _hours(
    attributes: Mapping[int, Attribute], pages: Mapping[int, bytes], reasons: dict[str, str]
) -> int | None:
    """Return the hours the disk has been on.

    Makers keep other things in the upper bytes of attribute 9 (minutes, milliseconds): the lower three are hours.
    Some old disks count minutes or half-minutes: what is longer than any disk has run is not believed.
    """
    found = statistic(pages, POWER_ON_AT, 4)
    if found is None and (attribute := attributes.get(POWER_ON)) is not None:
        found = int.from_bytes(attribute.raw[:3], "little")
    if found is None:
        reasons["power_on_hours"] = "the disk does not count them"
    elif hours(found) is None:
        reasons["power_on_hours"] = f"{found} hours is longer than any disk has run: it counts something else"
    return None if found is None else hours(found)


def _errors(attributes: Mapping[int, Attribute], pages: Mapping[int, bytes]) -> int | None:
    found = statistic(pages, UNCORRECTABLE_AT, 4)
    if found is None and (attribute := attributes.get(UNCORRECTABLE)) is not None:
        found = attribute.number
    return None if found is None else count(found)


def _reallocated(
    attributes: Mapping[int, Attribute], pages: Mapping[int, bytes], reasons: dict[str, str]
) -> int | None:
    """Return the sectors replaced; attribute 5 may hold two more numbers in its upper bytes, and then is not told."""
    found = statistic(pages, REALLOCATED_AT, 4)
    if found is not None:
        return found
    attribute = attributes.get(REALLOCATED)
    if attribute is None:
        return None
    if any(attribute.raw[2:]):
        reasons["reallocated_sectors"] = (
            "attribute 5 holds several numbers, and which one counts is the maker's"
        )
        return None
    return attribute.number


def _failing(status: tuple[int, int] | None, reasons: dict[str, str]) -> bool | None:
    if status in {STATUS_GOOD, STATUS_FAILING}:
        return status == STATUS_FAILING
    reasons["failing"] = "the disk's controller does not pass its verdict on"
    return None
