"""The form of a carried file, and its bounds. Pure functions over bytes; nothing is parsed before the signature holds.

8 bytes    RWDROP1 and a line end
32 bytes   the signer's Ed25519 public key
64 bytes   the signature, over all that follows, prefixed by the words in _CONTEXT
4 bytes    length of the header, big-endian
header     JSON: see Header
body       gzip: one JSON object a line
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta, Raw, Struct

from roadworthy_collector.ingest.wire_parts import Count, DeviceId, Hash, Text, Word
from roadworthy_collector.relay.errors import DropError
from roadworthy_collector.relay.signing import PUBLIC_BYTES, SIGNATURE_BYTES, public_hex, verifies

MAGIC = b"RWDROP1\n"
FORMAT = 1
SUFFIX = ".rwdrop"
ACK_SUFFIX = ".rwack"
REPORTS, ACKNOWLEDGEMENT = "reports", "acknowledgement"
MAX_FILE_BYTES = 67_108_864
MAX_BODY_BYTES = 536_870_912  # decompressed
MAX_LINE_BYTES = 16_777_216
_CONTEXT = b"roadworthy carried file 1\n"
_CHUNK_BYTES = 1_048_576
_FIXED = len(MAGIC) + PUBLIC_BYTES + SIGNATURE_BYTES
_LENGTH = struct.Struct(">I")
_GZIP_LEVEL = 6


class Header(Struct):
    """What a file says about itself.

    `relay` is the signer's id, `to` whom an acknowledgement is for; `sequence` counts a relay's files from one;
    `first_at` and `last_at` are when the reports were received there (epoch seconds); `body_sha256` and
    `body_bytes` are of the decompressed body.
    """

    format: int
    kind: str
    relay: str
    sequence: int
    made_at: int
    reports: int
    body_bytes: int
    body_sha256: str
    first_at: int | None = None
    last_at: int | None = None
    to: str | None = None


class DeviceLine(Struct, tag="device", tag_field="kind"):
    """A device, before its first report in a file."""

    device: DeviceId
    platform: Word | None = None
    agent_version: Word | None = None
    hostname: Text | None = None
    relayed_by: Annotated[str, Meta(max_length=128)] | None = None
    fingerprint: Annotated[dict[Word, Hash], Meta(max_length=16)] | None = None


class ReportLine(Struct, tag="report", tag_field="kind"):
    """A report as accepted at the epoch second `at`."""

    device: DeviceId
    at: Count
    report: Raw


class AckLine(Struct, tag="ack", tag_field="kind"):
    """A file of the relay that is held, by its number and the SHA-256 of the whole file."""

    sequence: int
    sha256: str


Line = DeviceLine | ReportLine | AckLine
_LINES = msgspec.json.Decoder(Line)
_HEADERS = msgspec.json.Decoder(Header)


class Body:
    """Collects lines and compresses them as they come."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
        self._parts: list[bytes] = []
        self._sha256 = hashlib.sha256()
        self.bytes = 0
        self.compressed_bytes = 0

    def add(self, line: Line) -> None:
        """Add one line."""
        text = msgspec.json.encode(line) + b"\n"
        self._sha256.update(text)
        self.bytes += len(text)
        self._keep(self._compressor.compress(text))

    def finish(self) -> tuple[bytes, str]:
        """Return the compressed body and the SHA-256 of its text."""
        self._keep(self._compressor.flush())
        return b"".join(self._parts), self._sha256.hexdigest()

    def _keep(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self.compressed_bytes += len(part)


class Opened(NamedTuple):
    """A file whose signature holds: what it says, and its body, still compressed."""

    header: Header
    body: bytes
    sha256: str  # of the whole file

    def lines(self) -> Iterator[Line]:
        """Yield its lines; raises DropError as `check` does."""
        for text in _split(_decompressed(self.body, self.header.body_bytes)):
            try:
                yield _LINES.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise DropError(f"a line of it cannot be read: {error}") from None

    def check(self) -> dict[str, DeviceLine]:
        """Read it through once, so that nothing of a file that is not whole is written; return its devices.

        Raises DropError.
        """
        digest, size = hashlib.sha256(), 0
        for part in _decompressed(self.body, self.header.body_bytes):
            digest.update(part)
            size += len(part)
        if size != self.header.body_bytes or digest.hexdigest() != self.header.body_sha256:
            raise DropError("its body is not the one its header tells of")
        devices: dict[str, DeviceLine] = {}
        reports = 0
        for line in self.lines():
            if isinstance(line, DeviceLine):
                devices[line.device] = line
            elif isinstance(line, ReportLine):
                reports += 1
                if line.device not in devices:
                    raise DropError("it holds a report of a device it does not tell of")
        if reports != self.header.reports:
            raise DropError("it does not hold as many reports as its header says")
        return devices


def build(key: Ed25519PrivateKey, header: Header, body: bytes) -> bytes:
    """Return a whole signed file."""
    text = msgspec.json.encode(header)
    signed = _LENGTH.pack(len(text)) + text + body
    return MAGIC + bytes.fromhex(public_hex(key)) + key.sign(_CONTEXT + signed) + signed


def signer(content: bytes) -> str:
    """Return the public key (hex) a file says it is signed with; raise DropError if it is no carried file."""
    if len(content) > MAX_FILE_BYTES:
        raise DropError(f"it is larger than {MAX_FILE_BYTES} bytes, which no relay writes")
    if not content.startswith(MAGIC) or len(content) < _FIXED + _LENGTH.size:
        raise DropError("it is no file of a relay, or it is cut short")
    return content[len(MAGIC) : len(MAGIC) + PUBLIC_BYTES].hex()


def open_signed(content: bytes, relay_of: Callable[[str], str | None]) -> Opened:
    """Return a file after its signature was verified; raise DropError before anything else of it is read.

    `relay_of` returns the relay a public key may speak for, None for a key that is not trusted.
    """
    key = signer(content)
    relay = relay_of(key)
    if relay is None:
        raise DropError(
            f"it is signed with a key that is not trusted here: {key}; see `roadworthy relay trust list`"
        )
    signed = content[_FIXED:]
    if not verifies(key, content[len(MAGIC) + PUBLIC_BYTES : _FIXED], _CONTEXT + signed):
        raise DropError("its signature does not hold: it was altered or cut short on its way; carry it again")
    (length,) = _LENGTH.unpack_from(signed)
    try:
        header = _HEADERS.decode(signed[_LENGTH.size : _LENGTH.size + length])
    except msgspec.DecodeError as error:
        raise DropError(f"its header cannot be read: {error}") from None
    if header.format != FORMAT:
        raise DropError(f"it is of format {header.format}; this program reads {FORMAT}: install a newer one")
    if header.relay != relay:
        raise DropError(f"its key may speak for relay {relay}, not for {header.relay}")
    if header.body_bytes > MAX_BODY_BYTES:
        raise DropError(f"it would decompress to more than {MAX_BODY_BYTES} bytes")
    return Opened(header, signed[_LENGTH.size + length :], hashlib.sha256(content).hexdigest())


def _decompressed(body: bytes, limit: int) -> Iterator[bytes]:
    """Yield the body's text in pieces; nothing past `limit` bytes is ever produced."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    left, rest = limit, body
    try:
        while rest and not stream.eof:
            part = stream.decompress(rest, min(_CHUNK_BYTES, left + 1))
            rest = stream.unconsumed_tail
            left -= len(part)
            if left < 0:
                raise DropError("it decompresses to more than its header says")
            if not part and not rest:
                break
            yield part
    except zlib.error as error:
        raise DropError(f"its body is not gzip: {error}") from None
    if not stream.eof or stream.unused_data:
        raise DropError("its body ends early or is followed by something else")


def _split(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines, none longer than MAX_LINE_BYTES."""
    held = b""
    for part in parts:
        *lines, held = (held + part).split(b"\n")
        yield from lines
        if len(held) > MAX_LINE_BYTES:
            raise DropError(f"a line of it is longer than {MAX_LINE_BYTES} bytes")
    if held:
        raise DropError("its last line is cut short")
