"""Is this the machine it says it is? Serials, UUIDs and hardware fingerprints, and what they are worth.

Many machines carry no serial of their own but a text their maker forgot to fill in, shared by thousands. Such
placeholders are no identity: they become None here, never a key. Known ones are data (`data/placeholders.csv`);
texts of one repeated character are recognised by shape.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from roadworthy_inventory import tables

_FILE = "placeholders.csv"
_COLUMNS = ("kind", "value", "source", "as_of")
KINDS = ("serial", "uuid")
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
