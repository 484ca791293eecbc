"""From bytes to a report: decompressed within a bound, then read in one go or, if that fails, item by item.

Envelope faults raise EnvelopeError and cost the whole report; a bad item costs only itself.
"""

from __future__ import annotations

import re
import zlib
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest import wire, wire_facts, wire_parts

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
# What is kept of a refused item for a person to look at; more would let one bad agent fill the database.
MAX_QUARANTINED_BYTES = 4096
# U+0000 as JSON writes it, after an even number of backslashes: after an odd one it is six characters of text.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

T = TypeVar("T", bound=Struct)


class Refused(NamedTuple):
    """An item that is not taken, and its content for the quarantine (None where it is too large to keep)."""

    answer: wire.Rejected
    content: Any


class Decoded(NamedTuple):
    """A report and the items of it that could not be read; `report` holds only the readable ones."""

    report: wire.Report
    refused: list[Refused]


class _Version(Struct):
    """All that can be asked of a report of another major version."""

    schema_version: str


def gunzip(body: bytes, limit: int) -> bytes:
    """Return the one gzip member `body` is, decompressed; nothing past `limit` bytes is ever produced.

    Raises EnvelopeError: decompressed_too_large, or bad_gzip as `gunzip_within`.
    """
    if (plain := gunzip_within(body, limit)) is None:
        message = f"the report is larger than {limit} bytes; send it in parts"
        raise EnvelopeError(413, "decompressed_too_large", message, field="body")
    return plain


def gunzip_within(body: bytes, limit: int) -> bytes | None:
    """Return the same, None where it is larger than `limit` bytes: no more than that is unpacked to find out.

    Raises EnvelopeError bad_gzip where the stream is broken, cut short or followed by anything (a second member, too).
    """
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise EnvelopeError(400, "bad_gzip", f"the body is not gzip: {error}", field="body") from error
    if len(plain) > limit:
        return None
    if not stream.eof:
        raise EnvelopeError(400, "bad_gzip", "the gzip stream ends early", field="body")
    if stream.unused_data:
        message = f"{len(stream.unused_data)} bytes follow the gzip stream"
        raise EnvelopeError(400, "bad_gzip", message, field="body")
    return plain


def without_nul(body: bytes) -> bytes:
    """Return JSON with U+FFFD, the mark of an unreadable character, in place of every U+0000.

    PostgreSQL keeps no text with U+0000 in it; SQLite does, and cuts it short in some functions. Firmware pads with
    it, so it must cost neither the report nor the item, and both stores are to hold the same.
    """
    return _NUL.sub(rb"\1\\ufffd", body) if b"\\u0000" in body else body


class ReportDecoder:
    """Reads reports; made once, because msgspec compiles a decoder per type."""

    def __init__(self) -> None:
        self._report = msgspec.json.Decoder(wire.Report)
        self._envelope = msgspec.json.Decoder(wire.Envelope)
        self._anything = msgspec.json.Decoder()
        self._facts = msgspec.json.Decoder(wire_facts.Facts)
        self._now = msgspec.json.Decoder(wire.Now)
        self._probe = msgspec.json.Decoder(wire.Probe)
        self._period = msgspec.json.Decoder(wire.Period)
        self._day = msgspec.json.Decoder(wire.Day)
        self._startup = msgspec.json.Decoder(wire.Startup)
        self._signin = msgspec.json.Decoder(wire.Signin)
        self._gap = msgspec.json.Decoder(wire.Gap)

    def decode(self, body: bytes) -> Decoded:
        """Return the report in `body` (JSON, UTF-8).

        Raises EnvelopeError: malformed_json, upgrade_required, or schema naming the field.
        """
        body = without_nul(body)
        try:
            try:
                report = self._report.decode(body)
            except msgspec.ValidationError:
                return self._by_items(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise EnvelopeError(
                400, "malformed_json", f"the body is not JSON: {error}", field="body"
            ) from error
        except RecursionError as error:
            raise EnvelopeError(
                400, "malformed_json", "the JSON is nested too deeply", field="body"
            ) from error
        _require_major(report.schema_version)
        return Decoded(report, [])

    def _by_items(self, body: bytes) -> Decoded:
        """Find what is wrong: the envelope as a whole, or which items."""
        try:
            require_version(body)
            envelope = self._envelope.decode(body)
        except msgspec.ValidationError as error:
            field, message = explain(error)
            where = f"{field}: " if field else ""
            raise EnvelopeError(400, "schema", f"{where}{message}", field=field) from error
        refused: list[Refused] = []
        report = wire.Report(
            **{name: getattr(envelope, name) for name in wire.Head.__struct_fields__},
            probes=self._items("probe", "probe", self._probe, envelope.probes, refused),
            facts=self._one("facts", self._facts, envelope.facts, refused),
            now=self._one("now", self._now, envelope.now, refused),
            periods=self._items("period", "start", self._period, envelope.periods, refused),
            days=self._items("day", "day", self._day, envelope.days, refused),
            startups=self._items("startup", "start_id", self._startup, envelope.startups, refused),
            signins=self._items("signin", "signin_id", self._signin, envelope.signins, refused),
            gaps=self._items("gap", "from", self._gap, envelope.gaps, refused),
        )
        return Decoded(report, refused)

    def _items(
        self,
        item: str,
        key: str | None,
        decoder: msgspec.json.Decoder[T],
        raws: tuple[Raw, ...],
        refused: list[Refused],
    ) -> tuple[T, ...]:
        """Return the readable ones of `raws`; add the others to `refused`."""
        taken = []
        for raw in raws:
            try:
                taken.append(decoder.decode(raw))
            except msgspec.ValidationError as error:
                field, message = explain(error)
                content = self._content(raw)
                answer = wire.Rejected(item, _key(content, key), "schema", field, message)
                refused.append(Refused(answer, bounded(content)))
        return tuple(taken)

    def _content(self, raw: Raw) -> Any:
        """Return what a refused item holds, None where that is a number past what the databases count to."""
        try:
            content = self._anything.decode(raw)
        except msgspec.ValidationError:
            return None
        too_large = isinstance(content, int | float) and abs(content) > wire_parts.MAX_INTEGER
        return None if too_large else content

    def _one(self, item: str, decoder: msgspec.json.Decoder[T], raw: Raw, refused: list[Refused]) -> T | None:
        """Return the readable `raw`; otherwise None, and add it to `refused`."""
        if bytes(raw) == b"null":
            return None
        found = self._items(item, None, decoder, (raw,), refused)
        return found[0] if found else None


def explain(error: msgspec.ValidationError) -> tuple[str | None, str]:
    """Return the field msgspec names, such as `periods[3].start`, and what it says about it."""
    text = str(error)
    match = _AT.match(text)
    what, field = (match["what"], match["path"]) if match else (text, None)
    if (missing := _MISSING.search(what)) is not None:
        field = f"{field}.{missing['name']}" if field else missing["name"]
    return field or None, what


def bounded(content: Any) -> Any:
    """Return `content` if it is small enough to be kept in the quarantine, otherwise None."""
    return content if len(msgspec.json.encode(content)) <= MAX_QUARANTINED_BYTES else None


def _key(content: Any, name: str | None) -> int | str | None:
    """Return the key of an item that could not be read, if that much can be."""
    key = content.get(name) if isinstance(content, dict) else None
    if isinstance(key, str):
        return key[:128]
    return (
        key
        if isinstance(key, int) and not isinstance(key, bool) and abs(key) <= wire_parts.MAX_INTEGER
        else None
    )


def require_version(body: bytes) -> None:
    """Raise EnvelopeError upgrade_required if `body` is of another major version, whatever else is in it.

    Raises msgspec's errors if it has no version at all.
    """
    _require_major(msgspec.json.decode(body, type=_Version).schema_version)


def _require_major(version: str) -> None:
    """Refuse every major version but this one's."""
    major = version.partition(".")[0]
    if major != wire.MAJOR and major.isascii() and major.isdigit():
        raise EnvelopeError(
            426,
            "upgrade_required",
            f"this collector reads version {wire.MAJOR} of the contract, not {version[:20]}",
            field="schema_version",
        )
