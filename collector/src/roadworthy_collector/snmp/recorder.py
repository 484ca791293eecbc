"""Records a device so that others can see what it answers, without telling who owns it.

Walked is what describes power units, printers and switches; never the address tables, connections or the lists of
programs and packages. Texts stay only where a profile reads make, model or firmware from them, and in sysDescr; all
others, MAC and IP addresses among them, become stand-ins of the same kind, and wherever a replaced text stands within
another it is replaced there too. Numbers stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.snmp.dictionary_port import DictionaryPort, recording_text
from roadworthy_collector.snmp.matching import SYS_DESCR
from roadworthy_collector.snmp.port import BadAnswerError, Community, Oid, Session, Target, Value
from roadworthy_collector.snmp.profile import Profile
from roadworthy_collector.snmp.reading import read_device
from roadworthy_collector.snmp.readings import DeviceAnswer

# system, host resources but for its programs and packages, UPS, printer, entity, its sensors, PoE, energy objects.
_WALKED: tuple[Oid, ...] = (
    (1, 3, 6, 1, 2, 1, 1),
    (1, 3, 6, 1, 2, 1, 25, 1),
    (1, 3, 6, 1, 2, 1, 25, 2),
    (1, 3, 6, 1, 2, 1, 25, 3),
    (1, 3, 6, 1, 2, 1, 33),
    (1, 3, 6, 1, 2, 1, 43),
    (1, 3, 6, 1, 2, 1, 47, 1, 1),
    (1, 3, 6, 1, 2, 1, 99),
    (1, 3, 6, 1, 2, 1, 105),
    (1, 3, 6, 1, 2, 1, 229),
    (1, 3, 6, 1, 4, 1),
)
_MOST_ROWS = 20_000
_SHORTEST = 3  # characters of a text that is looked for within others: a shorter one is everywhere
_MAC, _IP = 6, 4
_MOST_BITS = 2
_KEPT_FIELDS = frozenset({"vendor", "model", "part_number", "firmware"})


async def walk_device(session: Session) -> dict[Oid, Value]:
    """Return what the device answers of all that is recorded; a subtree that cannot be walked is left out."""
    found: dict[Oid, Value] = {}
    for prefix in _WALKED:
        try:
            found |= await session.walk(prefix, most_rows=_MOST_ROWS)
        except BadAnswerError:
            continue
    return found


def sanitised(values: Mapping[Oid, Value], profiles: Sequence[Profile]) -> dict[Oid, Value]:
    """Return the values with every text that could tell whose device it is replaced by a stand-in."""
    kept = _kept(profiles)
    stand_ins: dict[bytes, bytes] = {}
    for oid, value in sorted(values.items()):
        if isinstance(value, bytes) and value.strip(b"\0 ") and not _is_kept(oid, kept):
            stand_ins.setdefault(value, _stand_in(value, len(stand_ins) + 1))
    hidden = sorted(
        ((text.strip(b"\0 "), b"x" * len(text.strip(b"\0 "))) for text in stand_ins if _is_word(text)),
        key=lambda pair: -len(pair[0]),
    )
    return {oid: _replaced(value, stand_ins, hidden) for oid, value in values.items()}


async def expected_of(values: Mapping[Oid, Value], profiles: Sequence[Profile]) -> dict[str, Any]:
    """Return what this version reads from a recording: what `expected.json` beside it holds."""
    port = DictionaryPort(values)
    session = port.begin(Target("recording", "recording", Community("2c", "recording")))
    return as_json(await read_device(session, profiles))


def as_json(answer: DeviceAnswer) -> dict[str, Any]:
    """Return an answer as JSON can keep it, without how long it took."""
    return {
        "profiles": list(answer.profiles),
        "identity": asdict(answer.identity),
        "readings": [
            {
                "name": one.name,
                "index": one.index,
                "kind": one.kind,
                "place": one.place,
                "value": one.value,
                "unit": one.unit,
                "quality": one.quality,
                "label": one.label,
                "source": one.source,
            }
            for one in answer.readings
        ],
        "refusals": [asdict(one) for one in answer.refusals],
        "flags": dict(answer.flags),
    }


def write_recording(folder: Path, values: Mapping[Oid, Value], expected: Mapping[str, Any]) -> None:
    """Write `walk.snmprec` and `expected.json` into a new or empty folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RoadworthyError(f"{folder}: is not empty; name a new folder")
        (folder / "walk.snmprec").write_bytes(recording_text(values).encode("latin-1"))
        (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise RoadworthyError(f"{folder}: cannot be written: {error}") from None


def _kept(profiles: Sequence[Profile]) -> frozenset[Oid]:
    fields = (one for profile in profiles for one in profile.identity if one.field in _KEPT_FIELDS)
    return frozenset({SYS_DESCR, *(place for one in fields for place in (one.oid, one.column) if place)})


def _is_kept(oid: Oid, kept: frozenset[Oid]) -> bool:
    return any(oid[:length] in kept for length in range(len(oid), 6, -1))


def _stand_in(value: bytes, number: int) -> bytes:
    """Return what stands for a text: an address of a range kept for examples, or letters of the same length."""
    if _is_word(value):
        return f"text {number} ".ljust(len(value), "x").encode()[: len(value)]
    if len(value) == _MAC:
        return bytes([2, 0, 0, 0, number >> 8 & 255, number & 255])
    if len(value) == _IP:
        return bytes([192, 0, 2, number & 255])
    # Bits and dates tell nothing of an owner; whatever else is not plain text might.
    return value if len(value) <= _MOST_BITS or _is_date(value) else b"\0" * len(value)


def _is_word(value: bytes) -> bool:
    bare = value.strip(b"\0 ")
    return len(bare) >= _SHORTEST and all(32 <= byte < 127 for byte in bare)


def _is_date(value: bytes) -> bool:
    """Return whether the octets are a DateAndTime (RFC 2579)."""
    year, month = int.from_bytes(value[:2]), value[2]
    return len(value) in {8, 11} and 1970 <= year < 2100 and 1 <= month <= 12


def _replaced(value: Value, stand_ins: Mapping[bytes, bytes], hidden: Sequence[tuple[bytes, bytes]]) -> Value:
    if not isinstance(value, bytes):
        return value
    if value in stand_ins:
        return stand_ins[value]
    for text, cover in hidden:
        value = value.replace(text, cover)
    return value
