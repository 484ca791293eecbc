r"""Replacing names by their stand-ins in any bytes, in every spelling, without changing a length.

A name is found whatever its case, as UTF-8, as UTF-16 of either order, as hexadecimal digits of these (how JSON files
carry binary tables), and with its punctuation escaped (`\x2d` of systemd and udev, JSON, URLs, XML). A network address
and a UUID are also found with other or no separators, and as raw bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from roadworthy_agent.recording.stand_ins import StandIns, as_long_as, lower

SHORTEST = 2  # letters; one letter cannot be told from any other letter
FREE_STANDING = 4  # letters; a shorter name is replaced only where no letter stands beside it
HEX_RUN = re.compile(rb"[0-9a-fA-F]{8,}")
XML_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
SEPARATORS = (":", "-", ".", "_", " ")


class Kind(StrEnum):
    """What a name is, and so how it may be spelt."""

    WORD = "name"
    MAC = "network address"
    UUID = "identifier"
    ADDRESS = "IP address"


@dataclass(frozen=True, slots=True)
class Secret:
    """One name to replace; `text` without surrounding blanks."""

    text: str
    kind: Kind = Kind.WORD

    @property
    def letters(self) -> str:
        """The letters and digits, in lower case."""
        return "".join(letter for letter in lower(self.text) if letter.isalnum())


ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")


class Replacer:
    """Puts stand-ins in the place of secrets."""

    def __init__(self, secrets: Iterable[Secret], stand_ins: StandIns) -> None:
        """Prepare; longer names go first, so that a name within another does not break it."""
        self.stand_ins = stand_ins
        kept = {each for each in secrets if len(each.letters) >= SHORTEST}
        self.secrets = sorted(kept, key=lambda each: (-len(each.letters), each.text, each.kind))
        self._rules = [
            _Rule(each, self.stand_in(each), encoding) for each in self.secrets for encoding in ENCODINGS
        ]
        self._raw = [pair for each in self.secrets for pair in self._raw_forms(each)]

    def data(self, data: bytes) -> bytes:
        """Return bytes with every name replaced."""
        return HEX_RUN.sub(lambda found: self._digits(found[0]), self._bytes(data))

    def _bytes(self, data: bytes) -> bytes:
        for raw, other in self._raw:
            data = data.replace(raw, other)
        lowered = data.lower()
        for rule in self._rules:
            if rule.may_be_in(lowered):
                data = rule.apply(data)
        return data

    def _digits(self, digits: bytes) -> bytes:
        """Return hexadecimal digits with the names in the bytes they stand for replaced, from either first digit on."""
        for first in (0, 1):
            last = first + (len(digits) - first) // 2 * 2
            data = bytes.fromhex(digits[first:last].decode())
            changed = self._bytes(data)
            if changed != data:
                written = changed.hex().encode()
                capitals = digits != digits.lower()
                digits = digits[:first] + (written.upper() if capitals else written) + digits[last:]
        return digits

    def text(self, text: str) -> str:
        """Return a text, such as a path, with every name replaced."""
        return self.data(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def stand_in(self, secret: Secret) -> str:
        """Return what takes the place of a secret's letters, in lower case and without punctuation."""
        if secret.kind is Kind.MAC:
            return self.stand_ins.mac(secret.letters)
        if secret.kind is Kind.ADDRESS:
            found = self.stand_ins.address(secret.text)
        else:
            found = self.stand_ins.word(secret.letters if secret.kind is Kind.UUID else secret.text)
        return "".join(letter for letter in found if letter.isalnum())

    def _raw_forms(self, secret: Secret) -> Iterator[tuple[bytes, bytes]]:
        """Yield how a network address or identifier stands in binary tables."""
        if secret.kind is Kind.MAC:
            before, after = bytes.fromhex(secret.letters), bytes.fromhex(self.stand_in(secret))
            yield before, after
            yield before[::-1], after[::-1]
        elif secret.kind is Kind.UUID and len(secret.letters) == 32:
            was, is_now = UUID(secret.letters), UUID(self.stand_in(secret))
            yield was.bytes, is_now.bytes
            yield was.bytes_le, is_now.bytes_le  # SMBIOS from 2.6 on, and Windows


class _Rule:
    """One secret in one encoding: a group for each letter, with what each way of writing it becomes."""

    def __init__(self, secret: Secret, stand_in: str, encoding: str) -> None:
        self._secret, self._stand_in, self._encoding = secret, stand_in, encoding
        # What must be in lower-cased bytes for a search to be worth while: a run nothing can be put into.
        run = max(re.findall(r"[0-9a-z]+", _spelt(secret)), key=len, default="")
        if secret.kind is Kind.UUID:
            run = run[-4:]
        self._needle = b"" if secret.kind is Kind.MAC else run.encode(encoding)

    @cached_property
    def _tables(self) -> list[dict[bytes, bytes]]:
        pairs = zip(self._secret.letters, self._stand_in, strict=True)
        return [_variants(letter, other, self._encoding) for letter, other in pairs]

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        return re.compile(self._written(self._secret, self._encoding), re.DOTALL)

    def may_be_in(self, lowered: bytes) -> bool:
        """Tell whether a search can find anything."""
        return self._needle in lowered

    def apply(self, data: bytes) -> bytes:
        """Return bytes with this secret replaced."""
        return self._pattern.sub(self._replaced, data)

    def _replaced(self, found: re.Match[bytes]) -> bytes:
        """Return what was found with each letter changed, and all between the letters kept."""
        start, whole, at = found.start(), found[0], 0
        out: list[bytes] = []
        for number, table in enumerate(self._tables, 1):
            begin, end = found.start(number) - start, found.end(number) - start
            out += [whole[at:begin], table[found[number]]]
            at = end
        return b"".join([*out, whole[at:]])

    def _written(self, secret: Secret, encoding: str) -> bytes:
        tables = iter(self._tables)
        pieces = [
            _one_of(next(tables), capture=True) if letter.isalnum() else _one_of(_escapes(letter, encoding))
            for letter in _spelt(secret)
        ]
        if secret.kind in {Kind.MAC, Kind.UUID}:
            size = 2 if secret.kind is Kind.MAC else 4
            between = _one_of([each for mark in SEPARATORS for each in _escapes(mark, encoding)]) + b"?"
            pieces = [
                piece + (between if at % size == 0 and at < len(pieces) else b"")
                for at, piece in enumerate(pieces, 1)
            ]
        pattern = b"".join(pieces)
        if len(secret.letters) < FREE_STANDING:
            beside = _one_of(
                [
                    letter.encode(encoding)
                    for letter in "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                ]
            )
            pattern = b"(?<!%s)%s(?!%s)" % (beside, pattern, beside)
        return pattern


def _spelt(secret: Secret) -> str:
    """Return the letters of a secret with the marks between them that count."""
    return secret.letters if secret.kind in {Kind.MAC, Kind.UUID} else lower(secret.text)


def _variants(letter: str, other: str, encoding: str) -> dict[bytes, bytes]:
    """Return each way to write a letter, and as long a way to write its stand-in."""

    def written(text: str) -> bytes:
        return text.encode(encoding, "surrogatepass")

    table: dict[bytes, bytes] = {}
    for before in {letter, letter.lower(), letter.upper(), letter.title()}:
        if len(before) != 1:
            continue
        after = other.upper() if before != letter and len(other.upper()) == 1 else other
        if len(written(after)) != len(written(before)):
            after = as_long_as(before, ord(other))
        table[written(before)] = written(after)
        if not letter.isascii() and ord(before) < 0x10000:
            table[written(f"\\u{ord(before):04x}")] = written(f"\\u{ord(after):04x}")
    return table


def _escapes(mark: str, encoding: str) -> list[bytes]:
    """Return the ways to write a punctuation mark."""
    code = "".join(f"\\x{byte:02x}" for byte in mark.encode("utf-8", "surrogatepass"))
    ways = [
        mark,
        code,
        code.replace("\\", "\\\\"),
        code.replace("\\x", "%"),
        code.upper().replace("\\X", "%"),
        "_",
    ]
    if mark in XML_ESCAPES:
        ways.append(XML_ESCAPES[mark])
    if mark in {'"', "\\", "/"}:
        ways.append(f"\\{mark}")
    return [way.encode(encoding, "surrogatepass") for way in ways]


def _one_of(ways: Iterable[bytes], *, capture: bool = False) -> bytes:
    """Return a pattern for one of several byte strings, the longest first."""
    alternatives = b"|".join(re.escape(way) for way in sorted(set(ways), key=lambda way: (-len(way), way)))
    return b"(%s)" % alternatives if capture else b"(?:%s)" % alternatives
