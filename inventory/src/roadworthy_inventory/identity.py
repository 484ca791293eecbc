"""Is this the machine it says it is? Serials, UUIDs and hardware fingerprints, and what they are worth.

Many machines carry no serial of their own but a text their maker forgot to fill in, shared by thousands. Such
placeholders are no identity: they become None here, never a key. Known ones are data (`data/placeholders.csv`);
texts of one repeated character are recognised by shape. Network addresses that are made up, shared or moved with a
dock or a virtual machine name no machine either (`data/virtual_macs.csv`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

from roadworthy_inventory import tables

_FILE = "placeholders.csv"
_COLUMNS = ("kind", "value", "source", "as_of")
KINDS = ("serial", "uuid")
_MAC_FILE = "virtual_macs.csv"
_MAC_COLUMNS = ("prefix", "what", "source", "as_of")
_MULTICAST, _LOCALLY_ADMINISTERED = 0x01, 0x02  # the low bits of an address' first byte (IEEE 802)
_MAC_DIGITS = 12
# Placeholders seen on whiteboxes and evaluation boards besides the published list: they say so in words.
_SAYS_IT_IS_NONE = re.compile(
    r"default string|not (?:applicable|available|present|set)|to be filled.*|unknown|null|"
    r"(?:base ?board|board|chassis|system|product)?[ _-]?serial(?:[ _-]?number)?",
    re.IGNORECASE,
)
_FINGERPRINT_FACTS_THAT_MUST_DIFFER = 2  # one part can be replaced; two at once is another machine


def parse_placeholders(text: str) -> dict[str, frozenset[str]]:
    """Return {kind: placeholders in lower case} of the table's text; TableError where a row is wrong."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        kind = tables.one_of(_FILE, line, "kind", row["kind"], KINDS)
        found[kind].add(row["value"].casefold())
    return {kind: frozenset(values) for kind, values in found.items()}


@cache
def placeholders() -> MappingProxyType[str, frozenset[str]]:
    """Return {kind: placeholders in lower case}, read once."""
    return MappingProxyType(parse_placeholders(tables.read_text(_FILE)))


def normalise_serial(text: str | None) -> str | None:
    """Return the serial in upper case with single spaces, or None where it names no machine.

    None for nothing, for blanks, for known placeholders and for one character repeated ("0000000").
    """
    if text is None:
        return None
    # Upper case first: a few letters become others by it, and what is compared must be what is returned.
    tidy = " ".join("".join(letter if letter.isprintable() else " " for letter in text.upper()).split())
    if not tidy or tidy.casefold() in placeholders()["serial"] or _SAYS_IT_IS_NONE.fullmatch(tidy):
        return None
    signs = {letter for letter in tidy if letter.isalnum()}
    # A single sign ("7") is as little a serial as "0000": no maker numbers its machines so.
    return tidy if len(signs) > 1 else None


def serial_key(serial: str | None) -> str | None:
    """Return what `normalise_serial` does; in a fifth of the time for letters and digits, which most serials are."""
    if serial is not None and serial.isascii() and serial.isalnum() and not serial.isalpha():
        key = serial.upper()
        return None if key.lower() in placeholders()["serial"] or len(set(key)) == 1 else key
    return normalise_serial(serial)


def serial_keys(serials: Sequence[str]) -> list[str | None]:
    """Return the `serial_key` of each; in a fifth of the time where all are letters and digits."""
    said = "".join(serials)
    if said.isascii() and said.isalnum() and "" not in serials:
        found = [serial.upper() for serial in serials]
        plain = placeholders()["serial"].isdisjoint(map(str.lower, found)) and not any(
            map(str.isalpha, found)
        )
        if plain and not any(key[0] == key[-1] and len(set(key)) == 1 for key in found):
            return [*found]
    return [serial_key(serial) for serial in serials]


def normalise_uuid(text: str | None) -> str | None:
    """Return the UUID in lower case with dashes, or None where it is none or shared by many machines."""
    if text is None:
        return None
    try:
        value = uuid.UUID(text.strip())
    except ValueError:
        return None
    if str(value) in placeholders()["uuid"] or len(set(value.hex)) == 1:
        return None
    return str(value)


def uuid_spellings(text: str | None) -> frozenset[str]:
    """Return both byte orders of a UUID, normalised; empty where it names no machine.

    SMBIOS before 2.6 left the byte order of the first three groups open, so two tools read one machine's UUID
    differently (glpi-project/glpi-agent#839). Compare sets: any common spelling is the same UUID.
    """
    plain = normalise_uuid(text)
    if plain is None:
        return frozenset()
    return frozenset({plain, str(uuid.UUID(bytes_le=uuid.UUID(plain).bytes))})


def canonical_uuid(text: str | None) -> str | None:
    """Return one form for both byte orders of a UUID (the smaller text), None where it names no machine.

    A placeholder read in the other byte order is no identity either.
    """
    plain = normalise_uuid(text)
    if plain is None:
        return None
    # By hand, for a hundred thousand devices are read at a time: the first three groups' bytes the other way round.
    swapped = (
        f"{plain[6:8]}{plain[4:6]}{plain[2:4]}{plain[:2]}-{plain[11:13]}{plain[9:11]}"
        f"-{plain[16:18]}{plain[14:16]}{plain[18:]}"
    )
    return None if swapped in placeholders()["uuid"] else min(plain, swapped)


def normalise_tag(text: str | None) -> str | None:
    """Return the asset tag in upper case with single spaces, or None where it is none.

    Numbers are tags ("12345", "7"), though as a serial they would be none; nothing but noughts is not. What
    says in words that it is no tag ("No Asset Tag", "Default string") is None.
    """
    if text is None:
        return None
    tidy = " ".join("".join(letter if letter.isprintable() else " " for letter in text.upper()).split())
    if tidy.isascii() and tidy.isdigit():
        return tidy if tidy.strip("0") else None
    return normalise_serial(tidy)


def parse_virtual_macs(text: str) -> frozenset[str]:
    """Return the prefixes (2 to 12 hexadecimal digits, lower case) of the table; TableError where one is wrong."""
    found: set[str] = set()
    for line, row in tables.rows(_MAC_FILE, text, _MAC_COLUMNS):
        prefix = row["prefix"].lower()
        if not re.fullmatch(r"[0-9a-f]{2}(?::[0-9a-f]{2}){0,5}", prefix):
            raise tables.TableError(
                f"{_MAC_FILE}: line {line}: prefix: {row['prefix']!r} is none such as 00:50:56"
            )
        found.add(prefix.replace(":", ""))
    return frozenset(found)


@cache
def virtual_macs() -> tuple[str, ...]:
    """Return the prefixes of addresses that name no machine, read once."""
    return tuple(sorted(parse_virtual_macs(tables.read_text(_MAC_FILE))))


@cache
def _mac_is_nobodys(digits: str) -> bool:
    first = int(digits[:2], 16)
    return bool(first & (_MULTICAST | _LOCALLY_ADMINISTERED)) or digits.startswith(virtual_macs())


def normalise_mac(text: str | None) -> str | None:
    """Return a hardware address as `00:1a:2b:3c:4d:5e`, or None where it is none or names no machine.

    None for what is not six bytes, for multicast and locally administered addresses (randomised Wi-Fi, containers,
    most tunnels), for noughts, and for the prefixes of hypervisors and adapters shared by many.
    """
    digits = re.sub(r"[\s:.\-]", "", text or "").lower()
    if len(digits) != _MAC_DIGITS or not re.fullmatch(r"[0-9a-f]+", digits) or not digits.strip("0"):
        return None
    if _mac_is_nobodys(digits):
        return None
    return ":".join(digits[at : at + 2] for at in range(0, _MAC_DIGITS, 2))


def differs(enrolled: Mapping[str, str | None], reported: Mapping[str, str | None]) -> list[str]:
    """Return the names of the facts known on both sides that are not the same, sorted.

    A fact missing on either side is no difference: it says nothing. Comparing is exact, for fingerprints are
    hashes.
    """
    return sorted(
        name
        for name, value in enrolled.items()
        if value and (other := reported.get(name)) and value.casefold() != other.casefold()
    )


def another_machine(enrolled: Mapping[str, str | None], reported: Mapping[str, str | None]) -> bool:
    """Whether two or more known hardware facts differ, so that the reporter cannot be the machine enrolled.

    With fewer than two facts known on both sides the answer is False: there is nothing to tell by.
    """
    return len(differs(enrolled, reported)) >= _FINGERPRINT_FACTS_THAT_MUST_DIFFER
