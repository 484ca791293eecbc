"""Records a device so that others can see what it answers, without telling who owns it.

Walked is what describes power units, printers and switches; never the address tables, connections or the lists of
programs and packages. Texts stay only where a profile reads make, model or firmware from them, and in sysDescr; all
others, MAC and IP addresses among them, become stand-ins of the same kind, and wherever a replaced text stands within
another it is covered there too (`hiding.py`). Numbers stay, but serial numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.snmp.dictionary_port import DictionaryPort, recording_text
from roadworthy_collector.snmp.hiding import BLANK as _BLANK
from roadworthy_collector.snmp.hiding import Hidden, hidden_of, is_word
from roadworthy_collector.snmp.matching import SYS_DESCR, SYS_NAME
from roadworthy_collector.snmp.port import BadAnswerError, Community, Oid, Session, Target, Value
from roadworthy_collector.snmp.profile import IdentitySpec, Profile, ReadingSpec
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
# Below these Net-SNMP tells how itself is set up: its users' groups, the programs and disks it watches.
_LEFT_OUT: tuple[Oid, ...] = ((1, 3, 6, 1, 4, 1, 8072, 1), (1, 3, 6, 1, 4, 1, 2021))
_MOST_ROWS = 20_000
_MAC, _IP = 6, 4
_MOST_BITS = 2
_NUMBER = re.compile(r"[-+]?\d{1,12}(?:\.\d{1,6})?")
_DATE = re.compile(rb"\d{14}(?![\d])|\d{1,2}/\d{1,2}/\d{2,4}(?!\d)|\d{4}-\d{1,2}-\d{1,2}(?!\d)")
_EXPECTED = ("name", "index", "place", "value", "unit", "quality", "label")  # of a reading in expected.json
_KEPT_FIELDS = frozenset({"vendor", "model", "part_number", "firmware"})


async def walk_device(session: Session) -> dict[Oid, Value]:
    """Return what the device answers of all that is recorded; a subtree that cannot be walked is left out."""
    found: dict[Oid, Value] = {}
    for prefix in _WALKED:
        try:
            found |= await session.walk(prefix, most_rows=_MOST_ROWS)
        except BadAnswerError:
            continue
    return {
        oid: value for oid, value in found.items() if not any(oid[: len(one)] == one for one in _LEFT_OUT)
    }


def sanitised(values: Mapping[Oid, Value], profiles: Sequence[Profile]) -> dict[Oid, Value]:
    """Return the values with everything that could tell whose device it is replaced or left out.

    Texts become stand-ins, but those of make, model and firmware, numbers sent as text that a profile reads, and names
    that a profile asks for word by word. A row whose OID spells a replaced text or address is left out.
    """
    kept = _Kept.of(profiles)
    stand_ins: dict[bytes, bytes] = {}
    for oid, value in sorted(values.items()):
        if isinstance(value, bytes) and value.strip(_BLANK) and not kept.keeps(oid, value):
            stand_ins.setdefault(value, _stand_in(value, len(stand_ins) + 1))
    names = _host_names(values.get(SYS_NAME))
    hidden = hidden_of([*stand_ins, *names], words=names)
    return {
        oid: replaced
        for oid, value in values.items()
        if not hidden.is_spelt(oid)
        and (replaced := _replaced(oid, value, stand_ins, hidden, kept)) is not None
    }


def _replaced(
    oid: Oid, value: Value, stand_ins: Mapping[bytes, bytes], hidden: Hidden, kept: _Kept
) -> Value | None:
    """Return what stands in the recording, None where nothing may."""
    date = kept.date(oid, value)
    if date is not None:
        return date
    if isinstance(value, bytes):
        if value not in stand_ins:
            return hidden.covered(value)
        # So short a text may be bits, which stay; the host's name it is not.
        return hidden.covered(value) if len(value) <= _MOST_BITS else stand_ins[value]
    if isinstance(value, tuple):
        return None if hidden.is_spelt(value) else value
    return 0 if kept.tells_owner(oid) or hidden.is_number(value) else value


async def expected_of(values: Mapping[Oid, Value], profiles: Sequence[Profile]) -> dict[str, Any]:
    """Return what this version reads from a recording: what `expected.json` beside it holds (docs/snmp/adding.md)."""
    port = DictionaryPort(values)
    session = port.begin(Target("recording", "recording", Community("2c", "recording")))
    told = as_json(await read_device(session, profiles))
    return {
        "profiles": told["profiles"],
        "identity": {name: value for name, value in told["identity"].items() if value is not None},
        # A profile's file says the kind and the source; what is left is what the device makes of them.
        "readings": [
            {key: one[key] for key in _EXPECTED if key != "label" or one[key] is not None}
            for one in told["readings"]
        ],
        "refusals": [{key: one[key] for key in ("name", "index", "code")} for one in told["refusals"]],
        "flags": told["flags"],
    }


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
        "refusals": [
            {
                "name": one.name,
                "index": one.index,
                "code": one.code,
                "reason": one.reason,
                "source": one.source,
            }
            for one in answer.refusals
        ],
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


@dataclass(frozen=True, slots=True)
class _Kept:
    """Which texts stay, by the OIDs they stand at or below."""

    texts: frozenset[Oid]  # of makes and models
    numbers: frozenset[Oid]  # that are sent as text
    dates: frozenset[Oid]  # from which registers count
    names: Mapping[Oid, tuple[re.Pattern[str], ...]]  # that pick rows
    owners: frozenset[Oid]  # serial numbers and the like, which may be numbers

    @classmethod
    def of(cls, profiles: Sequence[Profile]) -> _Kept:
        fields = [one for profile in profiles for one in profile.identity]
        readings = [one for profile in profiles for one in profile.readings]
        names: dict[Oid, tuple[re.Pattern[str], ...]] = {}
        for where in (where for reading in readings for where in reading.where):
            if where.matches is not None:
                names[where.column] = (*names.get(where.column, ()), where.matches)
        kept = [one for one in fields if one.field in _KEPT_FIELDS]
        others = [one for one in fields if one.field not in _KEPT_FIELDS]
        return cls(
            texts=frozenset({SYS_DESCR, *_places(kept)}),
            numbers=frozenset(_places(one for one in readings if one.numeric_text)),
            dates=frozenset(_places(one for one in readings if one.form is not None)),
            names=names,
            owners=frozenset(_places(others)),
        )

    def keeps(self, oid: Oid, value: bytes) -> bool:
        """Return whether the text stays, but for what it holds of others."""
        text = value.strip(_BLANK).decode("latin-1")
        if _below(oid, self.texts) is not None:
            return True
        if _below(oid, self.numbers) is not None and _NUMBER.fullmatch(text):
            return True
        named = _below(oid, self.names.keys())
        return named is not None and any(one.fullmatch(text) for one in self.names[named])

    def date(self, oid: Oid, value: Value) -> bytes | None:
        """Return the date a text there begins with: it stays, what follows does not."""
        if not isinstance(value, bytes) or _below(oid, self.dates) is None:
            return None
        found = _DATE.match(value)
        return None if found is None else found[0]

    def tells_owner(self, oid: Oid) -> bool:
        """Return whether a number there is a serial number or the like."""
        return _below(oid, self.owners) is not None


def _places(specs: Iterable[IdentitySpec | ReadingSpec]) -> Iterator[Oid]:
    yield from (place for one in specs for place in (one.oid, one.column) if place is not None)


def _below(oid: Oid, places: AbstractSet[Oid]) -> Oid | None:
    return next((oid[:length] for length in range(len(oid), 6, -1) if oid[:length] in places), None)


def _host_names(name: Value | None) -> list[bytes]:
    """Return a name such as pdu-7.example.org and the host's own part of it, which stands alone in other texts."""
    bare = name.strip(_BLANK) if isinstance(name, bytes) else b""
    return [bare, bare.split(b".")[0]]


def _stand_in(value: bytes, number: int) -> bytes:
    """Return what stands for a text: an address of a range kept for examples, or letters of the same length."""
    if is_word(value):
        return f"text {number} ".ljust(len(value), "x").encode()[: len(value)]
    if len(value) == _MAC:
        return bytes([2, 0, 0, 0, number >> 8 & 255, number & 255])
    if len(value) == _IP:
        return bytes([192, 0, 2, number & 255])
    # Bits and dates tell nothing of an owner; whatever else is not plain text might.
    return value if len(value) <= _MOST_BITS or _is_date(value) else b"\0" * len(value)


def _is_date(value: bytes) -> bool:
    """Return whether the octets are a DateAndTime (RFC 2579)."""
    year, month = int.from_bytes(value[:2]), value[2]
    return len(value) in {8, 11} and 1970 <= year < 2100 and 1 <= month <= 12
