"""Finds, in what a device tells, every trace of texts and addresses that were taken out of a recording elsewhere.

A name or a serial number stands in many places: within another text, in another case, in UTF-16, as a number, and
spelt out in the OIDs of rows that are keyed by it; an address also as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from roadworthy_collector.snmp.port import Oid

BLANK = b"\0 \t\r\n"
_SHORTEST = 3  # octets of a text that is looked for within others: a shorter one is everywhere
_LEAST_DIGITS = 5
_MAC, _IP = 6, 4
_MOST_OCTET = 255
# What tells an owner though it stands nowhere else: a serial number that is called one, a MAC address, and (`_DOTTED`) an
# IPv4 address.
_CALLED = re.compile(
    rb"\b(?:s/?n|serial(?:[ _]?(?:number|no|nr|#))?)[ \t]*[:=#.]?[ \t]*([A-Z0-9-]{5,})"
    rb"|\b((?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2})\b",
    re.IGNORECASE,
)
# Four numbers with dots may be a version too: one that is called so, or begins below ten, is taken for one.
_DOTTED = re.compile(rb"(?<![\w.-])[1-9]\d{1,2}(?:\.(?:0|[1-9]\d{0,2})){3}(?![\w-]|\.\d)")
_VERSION = re.compile(
    rb"(?:ver|version|rev|revision|fw|firmware|release|build)\b[ \t]*[:=#.]?[ \t]*\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Hidden:
    """What must not be found: `within` in octets, `spelt` in OIDs, `numbers` as numbers."""

    within: re.Pattern[bytes]
    spelt: re.Pattern[bytes]
    numbers: frozenset[int]

    def covered(self, value: bytes) -> bytes:
        """Return the octets with every trace covered."""
        uncalled = _DOTTED.sub(_unaddressed, _CALLED.sub(_uncalled, value))
        return self.within.sub(lambda found: b"x" * len(found[0]), uncalled)

    def is_spelt(self, oid: Oid) -> bool:
        """Return whether an OID spells something hidden, an octet for each number."""
        return self.spelt.search(bytes(arc if arc <= _MOST_OCTET else 0 for arc in oid[6:])) is not None

    def is_number(self, value: int) -> bool:
        """Return whether a number is a hidden text of figures."""
        return value in self.numbers


def hidden_of(values: Iterable[bytes], *, words: Iterable[bytes] = ()) -> Hidden:
    """Return what hides the values in all their forms; `words` too where they stand as words, however short."""
    within: set[bytes] = set()
    spelt: set[bytes] = set()
    numbers: set[int] = set()
    for value in values:
        bare = value.strip(BLANK)
        within.update(one for one in _forms(value, bare) if len(one) >= _SHORTEST)
        if is_word(value) or len(value) == _MAC or (len(value) == _IP and _is_host(value)):
            spelt.add(bare if is_word(value) else value)
        if bare.isdigit() and len(bare) >= _LEAST_DIGITS:
            numbers.add(int(bare))
    alone = [rb"(?<![\w-])%b(?![\w-])" % re.escape(word) for word in words if word]
    return Hidden(_any_of(within, alone), _any_of(spelt), frozenset(numbers))


def _uncalled(found: re.Match[bytes]) -> bytes:
    told = found[1] or found[2]
    return found[0].replace(told, b"x" * len(told))


def _unaddressed(found: re.Match[bytes]) -> bytes:
    """Return what stands for four numbers with dots between them: as they are where they are no address."""
    numbers = [int(one) for one in found[0].split(b".")]
    if max(numbers) > _MOST_OCTET or _VERSION.search(found.string, 0, found.start()):
        return found[0]
    return b"x" * len(found[0])


def is_word(value: bytes) -> bool:
    """Return whether the octets are plain text that is long enough to be looked for."""
    bare = value.strip(BLANK)
    return len(bare) >= _SHORTEST and all(32 <= byte < 127 for byte in bare)


def _forms(value: bytes, bare: bytes) -> Iterator[bytes]:
    """Yield how a value may stand within others."""
    if is_word(value):
        yield from _texts(bare.decode("ascii"))
        return
    if len(value) == _MAC:
        pairs = [f"{byte:02x}" for byte in value]
        fours = [pairs[place] + pairs[place + 1] for place in (0, 2, 4)]
        for text in (*(mark.join(pairs) for mark in (":", "-", " ", "")), ".".join(fours)):
            yield from _texts(text)
    if len(value) == _IP:
        yield from _texts(".".join(str(byte) for byte in value))
    yield from (value, bare)
    for coding in ("utf-8", "utf-16-le", "utf-16-be"):
        try:
            text = value.decode(coding).strip("\0 \t\r\n")
        except UnicodeDecodeError:
            continue
        if len(text) >= _SHORTEST and text.isprintable():
            yield from _texts(text)


def _texts(text: str) -> Iterator[bytes]:
    for coding in ("utf-8", "utf-16-le", "utf-16-be"):
        yield text.encode(coding)


def _is_host(address: bytes) -> bool:
    """Return whether four octets may be the address of a host; masks and "none" are no secret, and stand in OIDs."""
    return address[0] not in {0, 127, _MOST_OCTET} and len(set(address)) > 1


def _any_of(some: Iterable[bytes], patterns: Iterable[bytes] = ()) -> re.Pattern[bytes]:
    longest_first = sorted(some, key=lambda one: (-len(one), one))
    return re.compile(b"|".join([*map(re.escape, longest_first), *patterns]) or rb"(?!)", re.IGNORECASE)
