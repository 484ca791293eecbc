"""Bytes of unknown encoding become lines of text, a piece at a time and never more than a row in memory.

UTF-8 with and without BOM, UTF-16 with BOM; else Windows-1252, which is what spreadsheets write in Britain. A file
is plain ASCII until the first byte that is not: only there it shows which of the two it is, be it after a gigabyte.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Protocol

from roadworthy_inventory.importing.problems import UnreadableFileError

PIECE_BYTES = 256 * 1024
ROW_LENGTH = 1_000_000  # characters; a row beyond this is a quote that never closes, or no table
BROKEN = "\ufffd"
_BOMS = (
    (codecs.BOM_UTF8, "UTF-8 with BOM"),
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16: it begins with the same two bytes
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16 little-endian"),
    (codecs.BOM_UTF16_BE, "UTF-16 big-endian"),
)


class ByteStream(Protocol):
    """What is read from: anything with `read(size) -> bytes`, seekable or not."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to `size` bytes, none at the end."""


class Decoder:
    """Turns pieces of bytes into text. `encoding` is what it holds the file for, as a person would say it."""

    __slots__ = ("_certain", "_left", "_utf16", "broken", "encoding", "file", "switched_at")

    def __init__(self, file: str, head: bytes) -> None:
        bom, name = next(((bom, name) for bom, name in _BOMS if head.startswith(bom)), (b"", "UTF-8"))
        if name == "UTF-32":
            raise UnreadableFileError(file, "is UTF-32 text", "save it as CSV UTF-8")
        self.file = file
        self.encoding = name
        self.broken = False
        self.switched_at: str | None = None
        self._left = b""
        self._certain = bool(bom)
        self._utf16 = {codecs.BOM_UTF16_LE: "little", codecs.BOM_UTF16_BE: "big"}.get(bom)

    def decode(self, data: bytes, *, final: bool) -> str:
        """Return the text of the next bytes; what is broken becomes U+FFFD and sets `broken`."""
        data = self._left + data
        if self._utf16 is not None:
            decode = codecs.utf_16_le_decode if self._utf16 == "little" else codecs.utf_16_be_decode
            text, used = decode(data, "replace", final)
            self._left = data[used:]
        elif self.encoding == "Windows-1252":
            text, self._left = data.decode("cp1252", "replace"), b""
        else:
            text = self._utf8(data, final=final)
        if BROKEN in text or "\0" in text:
            self.broken = True
        return text

    def _utf8(self, data: bytes, *, final: bool) -> str:
        parts: list[str] = []
        while True:
            try:
                text, used = codecs.utf_8_decode(data, "strict", final)
            except UnicodeDecodeError as error:
                good = data[: error.start].decode("utf-8")
                if not self._certain and good.isascii():
                    self.encoding, self._left = "Windows-1252", b""
                    return "".join(parts) + data.decode("cp1252", "replace")
                parts += [good, BROKEN]
                self._certain = True
                data = data[error.end :]
                continue
            self._left = data[used:]
            self._certain = self._certain or not text.isascii()
            return "".join(parts) + text


class Pieces:
    """The rest of a stream after its head, without the BOM, at most PIECE_BYTES at a time."""

    __slots__ = ("_head", "_stream")

    def __init__(self, head: bytes, stream: ByteStream) -> None:
        skipped = next((len(bom) for bom, _name in _BOMS if head.startswith(bom)), 0)
        self._head = head[skipped:]
        self._stream = stream

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        """Yield (bytes, whether these are the last)."""
        piece = self._head
        while True:
            following = self._stream.read(PIECE_BYTES) or b""
            yield piece, not following
            if not following:
                return
            piece = following


def read_head(stream: ByteStream) -> bytes:
    """Return the first PIECE_BYTES, fewer at the end of a short file; pipes give less than asked at a time."""
    parts: list[bytes] = []
    missing = PIECE_BYTES
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


class Lines:
    """The lines of a file with their ends (CR, LF or CRLF), decoded as they are asked for.

    `held` are those since the last `row_ended()`, `since_row` what they come to in characters: UnreadableFileError beyond
    ROW_LENGTH.
    """

    __slots__ = ("_decoder", "_lines", "held", "number", "row_started", "since_row")

    def __init__(self, decoder: Decoder, pieces: Pieces) -> None:
        self._decoder = decoder
        self._lines = self._counted(self._split(pieces))
        self.held: list[str] = []
        self.number = 0
        self.since_row = 0
        self.row_started = 1

    def row_ended(self) -> None:
        """Say that a row is complete: the next line begins another."""
        self.held.clear()
        self.since_row = 0
        self.row_started = self.number + 1

    def __iter__(self) -> Iterator[str]:
        """Go on with the next line."""
        return self._lines  # no call a line, which would take as long as parting its cells

    def __next__(self) -> str:
        return next(self._lines)

    def _counted(self, lines: Iterator[str]) -> Iterator[str]:
        hold = self.held.append
        for line in lines:
            hold(line)
            self.number += 1
            self.since_row += len(line)
            if self.since_row > ROW_LENGTH:
                raise self._endless()
            yield line

    def _endless(self) -> UnreadableFileError:
        return UnreadableFileError(
            self._decoder.file,
            f"a row of more than {ROW_LENGTH:,} characters begins here",
            "close the quote it opens, or export again with line ends",
            line=self.row_started,
        )

    def _split(self, pieces: Pieces) -> Iterator[str]:
        carry = ""
        for data, final in pieces:
            text = carry + self._decoder.decode(data, final=final)
            # A CR at the very end may be half of a CRLF: it waits for what follows.
            held = "" if final or not text.endswith("\r") else "\r"
            lines = list(io.StringIO(text[: len(text) - len(held)], newline=""))
            carry = held
            if lines and not final and (held or not lines[-1].endswith(("\n", "\r"))):
                carry = lines.pop() + held
            yield from lines
            if len(carry) > ROW_LENGTH:
                self.row_started = self.number + 1 if not self.since_row else self.row_started
                raise self._endless()
        if carry:
            yield carry
