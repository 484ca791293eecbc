"""Half-hours as bytes: how a row per device and UTC day holds up to 48 of them (docs/decisions/0020).

A half-hour is a record of fixed length that begins with its slot, 0 to 47; records stand in the order they came. Each
kind of fact has bytes of its own: utilisation 26 a half-hour, device state 11, energy 22 a scope, battery use 13.
Ratios are whole ten-thousandths, as on the wire; a source is a number of table `sources`. Pure functions.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Container, Iterator
from operator import mul
from typing import NamedTuple

DAY_SECONDS = 86400
PERIOD_SECONDS = 1800
STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")
# Numbers of these words are stored: only ever add at the end.
QUALITIES = ("metered", "sensor", "modelled", "assumed", "other")
SCOPES = ("cpu", "memory", "gpu", "machine", "wall", "other")
MAX_SOURCE = 0xFFFF

_NOTHING = 0xFFFF
_NO_QUALITY = 0xF
_NO_JOULES = 0xFFFF_FFFF
_TEN_THOUSANDTHS = 10_000
_INCOMPLETE = 0x80
_ERROR_DIGITS = 6  # what four bytes hold of a fraction
# slot and flag, qualities, observed and samples, four ratios, two sources, hash
_USE = struct.Struct("<BBHHHHHHHH8s")
_STATE = struct.Struct("<B5H")  # slot and all states but unobserved, which is the rest
_ENERGY = struct.Struct("<BBIQHHf")  # slot, scope and quality, joules, counter, covered, source, error
_BATTERY = struct.Struct("<BIHIH")  # slot, joules, seconds, joules of the processor, source
USE_BYTES, STATE_BYTES, ENERGY_BYTES = _USE.size, _STATE.size, _ENERGY.size  # of one record
_NO_USE = (0, 0, 0, 0, 0, 0)
_QUALITY_NUMBERS = {word: number for number, word in enumerate(QUALITIES)}
_SCOPE_NUMBERS = {word: number for number, word in enumerate(SCOPES)}


class Use(NamedTuple):
    """How much of something was used; `source` is a number of table `sources`."""

    mean_ratio: float
    p95_ratio: float | None
    quality: str
    source: int


class Energy(NamedTuple):
    """Energy of one scope."""

    scope: str
    joules: int
    counter_end_joules: int
    covered_seconds: int | None
    quality: str
    source: int
    relative_error: float | None


class Battery(NamedTuple):
    """What was drawn from the batteries; `cpu_joules` by the processor over the same seconds."""

    discharge_joules: int
    discharge_seconds: int
    cpu_joules: int | None
    source: int


class Told(NamedTuple):
    """The part of a half-hour that stands with its key: utilisation, and what tells a replay from a conflict."""

    slot: int
    observed_seconds: int
    samples: int
    cpu: Use | None
    memory: Use | None
    content_hash: bytes
    incomplete: bool


def slot_of(start: int) -> tuple[int, int]:
    """Return the midnight UTC and the slot of the half-hour that starts at `start`."""
    slot = start % DAY_SECONDS // PERIOD_SECONDS
    return start - slot * PERIOD_SECONDS, slot


def pack_use(told: Told) -> bytes:
    """Return utilisation as bytes."""
    qualities = cpu_mean = cpu_p95 = memory_mean = memory_p95 = _NOTHING
    cpu_source = memory_source = 0
    qualities = _NO_QUALITY | _NO_QUALITY << 4
    if (use := told.cpu) is not None:
        cpu_mean, cpu_p95, cpu_source = _ratio(use.mean_ratio), _ratio(use.p95_ratio), use.source
        qualities = qualities & 0xF0 | _QUALITY_NUMBERS[use.quality]
    if (use := told.memory) is not None:
        memory_mean, memory_p95, memory_source = _ratio(use.mean_ratio), _ratio(use.p95_ratio), use.source
        qualities = qualities & 0x0F | _QUALITY_NUMBERS[use.quality] << 4
    return _USE.pack(
        told.slot | (_INCOMPLETE if told.incomplete else 0),
        *(qualities, told.observed_seconds, told.samples, cpu_mean, cpu_p95, memory_mean, memory_p95),
        *(cpu_source, memory_source, told.content_hash),
    )


def unpack_use(slots: bytes) -> Iterator[Told]:
    """Yield the half-hours of a day, as they came."""
    for flagged, qualities, observed, samples, *ratios, cpu, memory, told_hash in _USE.iter_unpack(slots):
        yield Told(
            *(flagged & ~_INCOMPLETE, observed, samples),
            _use(ratios[0], ratios[1], qualities & 0xF, cpu),
            _use(ratios[2], ratios[3], qualities >> 4, memory),
            *(told_hash, bool(flagged & _INCOMPLETE)),
        )


def only(slots: bytes, length: int, wanted: Container[int]) -> bytes:
    """Return the records of some slots of a day alone, of a kind with records of `length` bytes.

    To find them is cheaper than to read all: who follows the newest half-hour wants one record of many.
    """
    return b"".join(
        slots[at : at + length] for at in range(0, len(slots), length) if slots[at] & ~_INCOMPLETE in wanted
    )


def hashes(slots: bytes) -> dict[int, bytes]:
    """Return {slot: content hash} of a day's half-hours."""
    return {fields[0] & ~_INCOMPLETE: fields[-1] for fields in _USE.iter_unpack(slots)}


def sum_use(slots: bytes, first: int, last: int) -> tuple[int, ...]:
    """Return what the half-hours of a day in [first, last) add up to.

    Half-hours, observed seconds, and of the processor and of memory the ten-thousandths times observed seconds and the
    seconds they are over.
    """
    found = [fields for fields in _USE.iter_unpack(slots) if first <= fields[0] & ~_INCOMPLETE < last]
    if not found:
        return _NO_USE
    _, _, observed, _, cpu, _, memory, *_ = zip(*found, strict=True)
    return (len(found), sum(observed), *_weighted(cpu, observed), *_weighted(memory, observed))


def observed(slots: bytes) -> Iterator[tuple[int, int]]:
    """Yield (slot, observed seconds) of a day."""
    for fields in _USE.iter_unpack(slots):
        yield fields[0] & ~_INCOMPLETE, fields[2]


def processor(slots: bytes) -> Iterator[tuple[int, int, float | None]]:
    """Yield (slot, observed seconds, mean ratio of the processor, None where unknown) of a day."""
    for fields in _USE.iter_unpack(slots):
        ratio = None if fields[4] == _NOTHING else fields[4] / _TEN_THOUSANDTHS
        yield fields[0] & ~_INCOMPLETE, fields[2], ratio


def _weighted(ratios: tuple[int, ...], observed: tuple[int, ...]) -> tuple[int, int]:
    if _NOTHING not in ratios:
        return sum(map(mul, ratios, observed)), sum(observed)
    known = [(ratio * over, over) for ratio, over in zip(ratios, observed, strict=True) if ratio != _NOTHING]
    return sum(one[0] for one in known), sum(one[1] for one in known)


def pack_state(slot: int, seconds: tuple[int, ...]) -> bytes:
    """Return the seconds of the six states, which add up to 1,800, as bytes."""
    return _STATE.pack(slot, *seconds[:5])


def unpack_state(slots: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield (slot, seconds of the six states) of a day."""
    for slot, *seconds in _STATE.iter_unpack(slots):
        yield slot, (*seconds, PERIOD_SECONDS - sum(seconds))


def sum_states(slots: bytes, first: int, last: int) -> tuple[int, ...]:
    """Return the seconds of the six states over the half-hours of a day in [first, last); empty if there is none."""
    found = [fields for fields in _STATE.iter_unpack(slots) if first <= fields[0] < last]
    if not found:
        return ()
    seconds = [sum(column) for column in zip(*found, strict=True)][1:]
    return (*seconds, PERIOD_SECONDS * len(found) - sum(seconds))


def pack_energy(slot: int, energy: Energy) -> bytes:
    """Return one scope's energy as bytes."""
    return _ENERGY.pack(
        slot,
        _SCOPE_NUMBERS[energy.scope] | _QUALITY_NUMBERS[energy.quality] << 4,
        energy.joules,
        energy.counter_end_joules,
        _NOTHING if energy.covered_seconds is None else energy.covered_seconds,
        energy.source,
        math.nan if energy.relative_error is None else energy.relative_error,
    )


def unpack_energy(slots: bytes) -> Iterator[tuple[int, Energy]]:
    """Yield (slot, energy of one scope) of a day."""
    for slot, words, joules, counter, covered, source, error in _ENERGY.iter_unpack(slots):
        yield (
            slot,
            Energy(
                *(SCOPES[words & 0xF], joules, counter, None if covered == _NOTHING else covered),
                *(QUALITIES[words >> 4], source, None if math.isnan(error) else round(error, _ERROR_DIGITS)),
            ),
        )


def sum_joules(slots: bytes, first: int, last: int, into: dict[int, int]) -> None:
    """Add the joules of the half-hours of a day in [first, last) by scope and quality (see `scope_and_quality`)."""
    for slot, words, some in joules(slots):
        if first <= slot < last:
            into[words] = into.get(words, 0) + some


def joules(slots: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (slot, number of scope and quality, joules) of a day."""
    for slot, words, some, _counter, _covered, _source, _error in _ENERGY.iter_unpack(slots):
        yield slot, words, some


def scope_and_quality(words: int) -> tuple[str, str]:
    """Return what a number of `sum_joules` stands for."""
    return SCOPES[words & 0xF], QUALITIES[words >> 4]


def pack_battery(slot: int, battery: Battery) -> bytes:
    """Return battery use as bytes."""
    cpu = _NO_JOULES if battery.cpu_joules is None else battery.cpu_joules
    return _BATTERY.pack(slot, battery.discharge_joules, battery.discharge_seconds, cpu, battery.source)


def unpack_battery(slots: bytes) -> Iterator[tuple[int, Battery]]:
    """Yield (slot, battery use) of a day."""
    for slot, joules, seconds, cpu, source in _BATTERY.iter_unpack(slots):
        yield slot, Battery(joules, seconds, None if cpu == _NO_JOULES else cpu, source)


def _ratio(value: float | None) -> int:
    return _NOTHING if value is None else round(value * _TEN_THOUSANDTHS)


def _use(mean: int, p95: int, quality: int, source: int) -> Use | None:
    if mean == _NOTHING:
        return None
    p95_ratio = None if p95 == _NOTHING else p95 / _TEN_THOUSANDTHS
    return Use(mean / _TEN_THOUSANDTHS, p95_ratio, QUALITIES[quality], source)
