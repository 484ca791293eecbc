"""Writes what happened once and is never replaced: settlement periods and gaps.

The first content of a key stays. The same content again is a replay and changes nothing; other content is a
conflict, which is counted, and none of it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from roadworthy_collector.ingest import late_gaps
from roadworthy_collector.ingest.tally import Tally
from roadworthy_collector.ingest.validate import DAY_SECONDS
from roadworthy_collector.ingest.vocabulary import OTHER
from roadworthy_collector.ingest.wire import BatteryUse, Day, Energy, Gap, Period, Use
from roadworthy_collector.remote_write import queue
from roadworthy_collector.store import half_hours
from roadworthy_collector.store.half_hours import HalfHour
from roadworthy_collector.store.schema import battery_days, energy_days, gaps, state_days
from roadworthy_collector.store.snmp_schema import outlet_half_hours
from roadworthy_collector.store.statements import Bulk, Lookup

_GAPS = Bulk(gaps)
_STATE_DAYS = Bulk(state_days)
_ENERGY_DAYS = Bulk(energy_days)
_BATTERY_DAYS = Bulk(battery_days)
_OUTLETS = Bulk(outlet_half_hours)
_GAP_KEY = (gaps.c.device, gaps.c.begin)
_HELD_GAPS = Lookup(select(*_GAP_KEY, gaps.c.content_hash), *_GAP_KEY)
_DAY_KEY = (state_days.c.device, state_days.c.day)
_HELD_DAYS = Lookup(select(*_DAY_KEY, state_days.c.content_hash), *_DAY_KEY)


def content_hash(item: Struct) -> bytes:
    """Return 8 bytes that tell one content from another, taken over the known fields as sent."""
    return blake2b(msgspec.json.encode(item), digest_size=8).digest()


def write_periods(connection: Connection, found: Sequence[tuple[int, Period]], tally: Tally) -> None:
    """Write settlement periods, given as (device row id, period), with their state and energy."""
    new = _newly_held(connection, found, tally)
    if not new:
        return
    half_hours.append(connection, [_half_hour(*one, tally) for one in new])
    queue.enqueue(connection, [(device, period.start) for device, period, _ in new])
    _OUTLETS.insert(
        connection, [row for device, period, _ in new for row in _outlet_rows(device, period, tally)]
    )
    for device, period, _ in new:
        tally.mark_dirty(device, period.start)


def _outlet_rows(device: int, period: Period, tally: Tally) -> list[tuple[Any, ...]]:
    read = tally.vocabulary.read
    return [
        (
            device,
            one.outlet,
            period.start,
            one.joules,
            one.covered_seconds,
            read("outlet.quality", one.quality),
        )
        for one in period.outlets
    ]


def _newly_held(
    connection: Connection, found: Sequence[tuple[int, Period]], tally: Tally
) -> list[tuple[int, Period, bytes]]:
    """Return those that are not held yet, each key once; count those whose key is held with other content."""
    held = half_hours.held(connection, ((device, period.start) for device, period in found))
    new = []
    for device, period in found:
        key, hashed = (device, period.start), content_hash(period)
        if (first := held.setdefault(key, hashed)) is hashed:
            new.append((device, period, hashed))
        elif first != hashed:
            tally.conflict("period")
    return new


def write_days(connection: Connection, found: Sequence[tuple[int, Day]], tally: Tally) -> None:
    """Write days of device state and energy, given as (device row id, day)."""
    rows = [
        (
            *(device, day.day, day.observed_seconds),
            *(getattr(day.state_seconds, name) for name in day.state_seconds.__struct_fields__),
            content_hash(day),
        )
        for device, day in found
    ]
    queue.enqueue_days(connection, [(device, day.day) for device, day in found])
    if _STATE_DAYS.insert(connection, rows) < len(rows):
        held = _HELD_DAYS.rows(connection, [row[:2] for row in rows])
        found = _without_conflicts("day", found, rows, held, tally)
    energies, batteries = [], []
    for device, day in found:
        energies += _energy_rows(device, day.day, day.energy, tally)
        if day.battery is not None:
            batteries.append(_battery_row(device, day.day, day.battery))
        tally.mark_dirty(device, day.day)
    _ENERGY_DAYS.insert(connection, energies)
    _BATTERY_DAYS.insert(connection, batteries)
    half_hours.write_counters(
        connection,
        (
            (device, scope, start + DAY_SECONDS, quality, counter)
            for device, scope, start, _joules, counter, _covered, quality, *_rest in energies
        ),
    )


def write_gaps(connection: Connection, found: Sequence[tuple[int, Gap]], tally: Tally) -> None:
    """Write gaps, given as (device row id, gap).

    Nothing is written of one that ended so long ago that gaps of its time are gone, nor of days with counted ones:
    nobody could tell whether it is one of those (`late_gaps`).
    """
    found = late_gaps.still_taken(connection, found, tally)
    _reach_back(connection, found, tally)
    read = tally.vocabulary
    rows = [
        (
            *(device, gap.begin, gap.end, read.read("gap.kind", gap.kind)),
            *(read.read_optional("gap.basis", gap.basis), content_hash(gap)),
        )
        for device, gap in found
    ]
    if _GAPS.insert(connection, rows) < len(rows):
        held = _HELD_GAPS.rows(connection, [row[:2] for row in rows])
        found = _without_conflicts("gap", found, rows, held, tally)
    for device, gap in found:
        tally.mark_dirty(device, gap.begin, gap.end)


def _reach_back(connection: Connection, found: Sequence[tuple[int, Gap]], tally: Tally) -> None:
    """Have months made anew that gaps not held yet reach back to, past the days that are rolled up again."""
    old = [(device, gap.begin) for device, gap in found if gap.begin < tally.oldest_day]
    held = {(row[0], row[1]) for row in _HELD_GAPS.rows(connection, old)}
    if new := [begin for device, begin in old if (device, begin) not in held]:
        tally.reach_back(min(new))


def _without_conflicts(
    item: str,
    found: Sequence[tuple[int, Any]],
    rows: Sequence[tuple[Any, ...]],
    held: Sequence[Any],
    tally: Tally,
) -> list[tuple[int, Any]]:
    """Return those of `found` whose content is the one held; count the others.

    `rows` are theirs, which begin with the key and end with the content hash, as those `held` do.
    """
    hashes = {row[:2]: row[2] for row in map(tuple, held)}
    same = []
    for pair, row in zip(found, rows, strict=True):
        if hashes[row[:2]] == row[-1]:
            same.append(pair)
        else:
            tally.conflict(item)
    return same


def _half_hour(device: int, period: Period, hashed: bytes, tally: Tally) -> HalfHour:
    """Return a settlement period as it is held."""
    state, battery = period.state_seconds, period.battery
    return HalfHour(
        *(device, period.start, period.observed_seconds, period.samples),
        None if period.cpu is None else _use("cpu.quality", period.cpu, tally),
        None if period.memory is None else _use("memory.quality", period.memory, tally),
        hashed,
        (state.in_use, state.idle, state.locked, state.asleep, state.off, state.unobserved),
        _energy(period.energy, tally) if period.energy else (),
        None if battery is None else half_hours.Battery(*_battery(battery)),
    )


def _use(field: str, use: Use, tally: Tally) -> half_hours.Use:
    """Return a utilisation as it is held."""
    return half_hours.Use(
        use.mean_ratio, use.p95_ratio, tally.vocabulary.read(field, use.quality), use.source
    )


def _energy(energy: Iterable[Energy], tally: Tally) -> list[half_hours.Energy]:
    """Return the energy of a settlement period or day as it is held, a scope once.

    Of several scopes this version does not know only the first is kept, as `other`: scopes are never added up.
    """
    held: dict[str, half_hours.Energy] = {}
    for one in energy:
        scope = tally.vocabulary.read("energy.scope", one.scope)
        if scope == OTHER and OTHER in held:
            continue
        quality = tally.vocabulary.read("energy.quality", one.quality)
        held[scope] = half_hours.Energy(
            *(scope, one.joules, one.counter_end_joules, one.covered_seconds),
            *(quality, one.source, one.relative_error),
        )
    return list(held.values())


def _energy_rows(device: int, day: int, energy: Iterable[Energy], tally: Tally) -> list[tuple[Any, ...]]:
    """Return a row of `energy_days` per scope."""
    return [(device, one.scope, day, *one[1:]) for one in _energy(energy, tally)]


def _battery(use: BatteryUse) -> tuple[int, int, int | None, str]:
    """Return battery use as it is held."""
    return use.discharge_joules, use.discharge_seconds, use.cpu_joules, use.source


def _battery_row(device: int, day: int, use: BatteryUse) -> tuple[Any, ...]:
    """Return the row of `battery_days`."""
    return (device, day, *_battery(use))
