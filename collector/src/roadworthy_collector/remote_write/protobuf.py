"""Remote write 1.0's protobuf message, written by hand.

    WriteRequest {repeated TimeSeries timeseries = 1}    TimeSeries {repeated Label labels = 1; repeated Sample samples = 2}
    Label {string name = 1; string value = 2}            Sample {double value = 1; int64 timestamp = 2}

Three messages of two fields: a protobuf library would be a dependency with a compiler for 60 lines, and slower
(bench/remote_write.py). https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

# When (milliseconds since 1970) and what; None is the stale marker.
Sample = tuple[int, float | None]

_pack = struct.Struct("<d").pack
# Prometheus' stale marker is one certain NaN. As bytes, because a processor may make another NaN of it on its way
# through a register.
STALE = struct.pack("<Q", 0x7FF0000000000002)


def varint(value: int) -> bytes:
    """Return a protobuf varint; a negative int64 takes ten bytes."""
    if value < 0:
        value += 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_LENGTHS = tuple(varint(length) for length in range(4096))


def length(size: int) -> bytes:
    """Return the varint of a size; most are small and made once."""
    return _LENGTHS[size] if size < len(_LENGTHS) else varint(size)


def label(name: str, value: str) -> bytes:
    """Return one label as a field of its series."""
    key, text = name.encode(), value.encode()
    body = b"\n" + length(len(key)) + key + b"\x12" + length(len(text)) + text
    return b"\n" + length(len(body)) + body


def labels(pairs: Mapping[str, str]) -> bytes:
    """Return the labels of a series, sorted by name and without empty ones, as the specification asks."""
    return b"".join(label(name, pairs[name]) for name in sorted(pairs) if pairs[name])


@lru_cache(maxsize=4096)
def _around(milliseconds: int) -> tuple[bytes, bytes]:
    """Return what stands before and after a sample's value; thousands of samples share few instants."""
    stamp = b"\x10" + varint(milliseconds)
    return b"\x12" + length(9 + len(stamp)) + b"\t", stamp


def write_request(series: Iterable[tuple[bytes, Sequence[Sample]]]) -> bytes:
    """Return a WriteRequest of (encoded labels, samples in order of time)."""
    parts: list[bytes] = []
    for named, samples in series:
        body = named
        for milliseconds, value in samples:
            before, after = _around(milliseconds)
            body += before + (STALE if value is None else _pack(value)) + after
        parts += (b"\n", length(len(body)), body)
    return b"".join(parts)
