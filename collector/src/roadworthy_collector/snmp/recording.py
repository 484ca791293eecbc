"""Recordings of devices as text: `.snmprec`, a line `OID|tag|value` for each value, as snmpsim reads it too.

Tags are ASN.1's numbers: 2 INTEGER, 4 OCTET STRING, 5 NULL, 6 OBJECT IDENTIFIER, 64 IpAddress, 65 Counter32,
66 Gauge32, 67 TimeTicks, 68 Opaque, 70 Counter64; an `x` behind one says that the value is hexadecimal. Lines that
are blank or begin with `#` say nothing. Everything else is refused with its line. Source of the form: snmpsim's
documentation, "Simulation data file format".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.snmp.port import Oid, Value, oid_text, parse_oid

_BITS_31, _BITS_32, _BITS_64 = 1 << 31, 1 << 32, 1 << 64
# What each whole-number tag can hold, ends included.
_RANGES = {
    "2": (-_BITS_31, _BITS_31 - 1),
    "65": (0, _BITS_32 - 1),
    "66": (0, _BITS_32 - 1),
    "67": (0, _BITS_32 - 1),
    "70": (0, _BITS_64 - 1),
}
_BYTES = frozenset({"4", "68"})
_NULL, _OBJECT_ID, _ADDRESS = "5", "6", "64"


class RecordingError(RoadworthyError):
    """A recording cannot be read; the text names the file, the line and what is wrong."""


def read_recording(path: Path) -> dict[Oid, Value]:
    """Return what a `.snmprec` file holds, in order of OID; RecordingError where it cannot be read or is wrong."""
    try:
        # Latin-1 maps each byte to one character and back, so octets beyond ASCII survive as they are.
        text = path.read_bytes().decode("latin-1")
    except OSError as error:
        raise RecordingError(
            f"{path}: {error.strerror or error}; name a .snmprec file that can be read"
        ) from error
    return parse_recording(text, name=str(path))


def parse_recording(text: str, *, name: str = "recording") -> dict[Oid, Value]:
    """Return what the text holds, in order of OID. NULL values are left out: the device has none there.

    RecordingError for a line that is none, an unknown tag, a value that is not of its tag, an OID given twice.
    """
    values: dict[Oid, Value] = {}
    seen: set[Oid] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.removesuffix("\r")
        if not bare.strip() or bare.startswith("#"):
            continue
        try:
            oid, value = _parsed_line(bare)
        except ValueError as error:
            raise RecordingError(f"{name}, line {number}: {error}") from None
        if oid in seen:
            raise RecordingError(f"{name}, line {number}: {oid_text(oid)} is given a second time")
        seen.add(oid)
        if value is not None:
            values[oid] = value
    return dict(sorted(values.items()))


def recording_text(values: Mapping[Oid, Value]) -> str:
    """Return values as a recording, in order of OID.

    A port gives whole numbers without their ASN.1 type: they are written as INTEGER where they fit, else as Gauge32
    or Counter64. Reading the text again gives the same values.
    """
    return "".join(f"{oid_text(oid)}|{_written(value)}\n" for oid, value in sorted(values.items()))


def _parsed_line(line: str) -> tuple[Oid, Value | None]:
    parts = line.split("|", 2)
    if len(parts) != 3:
        raise ValueError("a line is OID|tag|value")
    oid_part, tag, text = parts
    return parse_oid(oid_part), _parsed(tag, text)


def _parsed(tag: str, text: str) -> Value | None:
    plain = tag.removesuffix("x")
    is_hex = plain != tag
    if plain in _RANGES:
        return _number(plain, text, is_hex=is_hex)
    if plain in _BYTES:
        return _octets(tag, text) if is_hex else text.encode("latin-1")
    if plain == _ADDRESS:
        return _four(_octets(tag, text) if is_hex else _dotted(text), text)
    if tag == _OBJECT_ID:
        return parse_oid(text)
    if tag == _NULL:
        return None
    raise ValueError(
        f"tag {tag!r} is not known; known are 2, 4, 4x, 5, 6, 64, 64x, 65, 66, 67, 68, 68x, 70, 2x"
    )


def _number(tag: str, text: str, *, is_hex: bool) -> int:
    digits = text.removeprefix("-")
    if is_hex:
        if not digits or not all(character in "0123456789abcdefABCDEF" for character in digits):
            raise ValueError(f"{text!r} is no hexadecimal number")
        value = int(text, 16)
    else:
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError(f"{text!r} is no whole number")
        value = int(text)
    least, most = _RANGES[tag]
    if not least <= value <= most:
        raise ValueError(f"{value} does not fit tag {tag} ({least} to {most})")
    return value


def _octets(tag: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{text!r} is no hexadecimal text, as tag {tag} wants") from None


def _dotted(text: str) -> bytes:
    parts = text.split(".")
    if not all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts):
        raise ValueError(f"{text!r} is no IP address of version 4")
    return bytes(int(part) for part in parts)


def _four(octets: bytes, text: str) -> bytes:
    if len(octets) != 4:
        raise ValueError(f"{text!r} is no IP address of version 4")
    return octets


def _written(value: Value) -> str:
    if isinstance(value, bytes):
        # Only plain ASCII is written as it is; the rest in hexadecimal, so that a line stays one line.
        plain = value.isascii() and value == value.strip() and value.decode("ascii").isprintable()
        return f"4|{value.decode('ascii')}" if plain else f"4x|{value.hex().upper()}"
    if isinstance(value, tuple):
        return f"6|{oid_text(value)}"
    for tag in ("2", "66", "70"):
        least, most = _RANGES[tag]
        if least <= value <= most:
            return f"{tag}|{value}"
    raise ValueError(f"{value} fits no whole number of SNMP")
