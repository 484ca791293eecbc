"""What takes the place of a name: as long, of the same kind of letters, the same wherever the name stands.

Same length and kind keep binary tables valid and let the probes' own rules (what looks like a serial number, an
identifier, a placeholder) answer as they did. The key is drawn for each recording, so that nobody can try serial
numbers until one gives the stand-in.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterator

from roadworthy_agent.placeholders import meaningful

HEXADECIMAL = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*", re.IGNORECASE)
# Of letters that are no ASCII: one that takes as many bytes in UTF-8 and in UTF-16
TWO_BYTES = "àáâãäåæçèéêëìíîïðñòóôõö"
THREE_BYTES = "".join(map(chr, range(0x4E00, 0x4E40)))
FOUR_BYTES = "".join(map(chr, range(0x20000, 0x20040)))
LIKE = {2: TWO_BYTES, 3: THREE_BYTES, 4: FOUR_BYTES}
# A disk by its kernel's name: a stand-in that looks like one would be told where its name is not.
DISK = re.compile(r"(?:[shv]d|xvd)[a-z]+\d*|(?:nvme|mmcblk|md|zram|sr)\d.*")
MAC_MAKER_DIGITS = 6  # the maker's half of a network address says no more than "a network card"


def lower(text: str) -> str:
    """Return a text in lower case, letter by letter: as many letters as before, whatever the language."""
    return "".join(_small(letter) for letter in text)


def _small(letter: str) -> str:
    small = letter.lower()
    return (
        small
        if len(small) == 1
        and len(small.encode("utf-8", "surrogatepass")) == len(letter.encode("utf-8", "surrogatepass"))
        else letter
    )


def as_long_as(letter: str, drawn: int) -> str:
    """Return a letter that takes as many bytes in UTF-8 as `letter`."""
    like = LIKE.get(len(letter.encode("utf-8", "surrogatepass")), string.ascii_lowercase)
    return like[drawn % len(like)]


class StandIns:
    """Stand-ins under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=32).digest()

    def word(self, text: str) -> str:
        """Return the stand-in of a word in lower case; what is no letter and no digit stays where it is."""
        plain = lower(text)
        bare = "".join(letter for letter in plain if letter.isalnum())
        hexadecimal = HEXADECIMAL.fullmatch(bare) is not None and len(bare) > 1
        for attempt in range(64):
            found = "".join(self._letters(plain, attempt, hexadecimal=hexadecimal))
            alike = (meaningful(found) is None) <= (meaningful(text) is None)
            if found != plain and alike and (DISK.fullmatch(found) is None or DISK.fullmatch(plain)):
                return found
        return found

    def mac(self, digits: str) -> str:
        """Return the stand-in of the twelve digits of a network address, its maker kept."""
        maker, own = digits[:MAC_MAKER_DIGITS].casefold(), digits[MAC_MAKER_DIGITS:].casefold()
        for attempt in range(64):
            found = "".join(self._letters(own, attempt, hexadecimal=True, salt=maker))
            if found != own:
                break
        return maker + found

    def address(self, text: str) -> str:
        """Return the stand-in of an IP address: as long, and an address."""
        if ":" in text:
            return "".join(self._letters(text.casefold(), 0, hexadecimal=True))
        parts = text.split(".")
        noise = self._noise(text, 0)
        return ".".join(
            {1: str(next(noise) % 9 + 1), 2: str(next(noise) % 90 + 10)}.get(
                len(part), str(next(noise) % 100 + 100)
            )
            for part in parts
        )

    def number(self, value: int, size: int) -> int:
        """Return the stand-in of a number of `size` bytes."""
        digest = hashlib.blake2b(f"number {value}".encode(), key=self._key, digest_size=size).digest()
        found = int.from_bytes(digest, "little")
        return found if found != value else found ^ 1

    def _letters(self, text: str, attempt: int, *, hexadecimal: bool, salt: str = "") -> Iterator[str]:
        noise = self._noise(f"{salt}/{text}", attempt)
        for letter in text:
            drawn = next(noise)
            if letter in string.digits:
                yield string.digits[drawn % 10]
            elif letter in string.ascii_lowercase:
                letters = "abcdef" if hexadecimal else string.ascii_lowercase
                yield letters[drawn % len(letters)]
            elif letter.isalnum():
                yield as_long_as(letter, drawn)
            else:
                yield letter

    def _noise(self, text: str, attempt: int) -> Iterator[int]:
        """Yield numbers below 2**16 that depend on the key and the text."""
        block = 0
        while True:
            data = f"{attempt}/{block}/{text}".encode("utf-8", "surrogatepass")
            digest = hashlib.blake2b(data, key=self._key).digest()
            yield from (int.from_bytes(digest[at : at + 2], "big") for at in range(0, len(digest), 2))
            block += 1
