"""Closed half-hours: the one way they get into the tables and out again (docs/decisions/0020).

A row holds a UTC day of a device as bytes (`store.slots`); this module makes half-hours of them and back. Functions
take a connection inside a transaction of the caller's and never commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select

from roadworthy_collector.store import slots
from roadworthy_collector.store.merge import Merge
from roadworthy_collector.store.schema import (
    away_months,
    days,
    energy_counters,
    energy_slots,
    local_days,
    sources,
    state_slots,
    use_slots,
)
from roadworthy_collector.store.slots import DAY_SECONDS, PERIOD_SECONDS
from roadworthy_collector.store.statements import Lookup, insert_or_ignore
from roadworthy_inventory.calendar import Span, utc_date

MORE = "(more)"  # the source of what comes after the last one there is a number for
_MORE_NUMBER = slots.MAX_SOURCE
_IDS_PER_QUERY = 500
_USE = Merge(use_slots, {"held": "{held} | {new}", "slots": Merge.JOINED})
_STATES = Merge(state_slots, {"slots": Merge.JOINED})
_ENERGY = Merge(energy_slots, {"slots": Merge.JOINED, "battery": Merge.JOINED})
_COUNTERS = Merge(
    energy_counters,
    dict.fromkeys(("until", "quality", "counter_end_joules"), "{new}"),
    where="energy_counters.until < excluded.until",
)
_DAY_KEY = (use_slots.c.day, use_slots.c.device)
_BITS = Lookup(select(*_DAY_KEY, use_slots.c.held), *_DAY_KEY)
_TOLD = Lookup(select(*_DAY_KEY, use_slots.c.slots), *_DAY_KEY)
_SOURCES = Lookup(select(sources.c.source, sources.c.id), sources.c.source)
Key = tuple[int, int]  # device and start; or, where it says so, day and device


class Use(NamedTuple):
    """A utilisation, ratios of 0-1."""

    mean_ratio: float
    p95_ratio: float | None
    quality: str
    source: str


class Energy(NamedTuple):
    """Energy of one scope in one half-hour."""

    scope: str
    joules: int
    counter_end_joules: int
    covered_seconds: int | None
    quality: str
    source: str
    relative_error: float | None


class Battery(NamedTuple):
    """What was drawn from the batteries, and by the processor over the same seconds."""

    discharge_joules: int
    discharge_seconds: int
    cpu_joules: int | None
    source: str


class HalfHour(NamedTuple):
    """One closed settlement period of one device; `states` are seconds in the order of STATES, 1,800 together."""

    device: int
    start: int
    observed_seconds: int
    samples: int
    cpu: Use | None
    memory: Use | None
    content_hash: bytes
    states: tuple[int, ...]
    energy: Sequence[Energy] = ()
    battery: Battery | None = None
    incomplete: bool = False  # booked by the sweeper, never closed by the agent


def held(connection: Connection, keys: Iterable[Key]) -> dict[Key, bytes]:
    """Return {(device, start): content hash} of those of `keys` that are held."""
    wanted: dict[Key, int] = defaultdict(int)  # day and device: bits
    for device, start in keys:
        day, slot = slots.slot_of(start)
        wanted[day, device] |= 1 << slot
    found: dict[Key, bytes] = {}
    bits = _BITS.rows(connection, list(wanted))
    again = [(day, device) for day, device, held_bits in bits if held_bits & wanted[day, device]]
    # Their bytes only where something came again, which is rare.
    for day, device, told in _TOLD.rows(connection, again):
        for slot, content_hash in slots.hashes(told).items():
            if wanted[day, device] >> slot & 1:
                found[device, day + slot * PERIOD_SECONDS] = content_hash
    return found


def append(connection: Connection, found: Sequence[HalfHour]) -> None:
    """Add half-hours, each of them once, none of which is held (see `held`), and move the counters on.

    The devices' rows are locked by the caller, or two could both find a half-hour missing and add it.
    """
    numbers = source_numbers(connection, (source for one in found for source in _sources(one)))
    # Of each day and device: its bits, and the bytes of use, states, energy and battery use.
    rows: dict[Key, list[Any]] = {}
    for one in found:
        day, slot = slots.slot_of(one.start)
        row = rows.setdefault((day, one.device), [0, bytearray(), bytearray(), bytearray(), bytearray()])
        row[0] |= 1 << slot
        row[1] += slots.pack_use(_told(one, slot, numbers))
        row[2] += slots.pack_state(slot, one.states)
        for energy in one.energy:
            row[3] += slots.pack_energy(slot, slots.Energy(*energy[:5], numbers[energy.source], energy[6]))
        if one.battery is not None:
            row[4] += slots.pack_battery(slot, slots.Battery(*one.battery[:3], numbers[one.battery.source]))
    keyed = sorted(rows.items())
    _USE.write(connection, [(*key, row[0], bytes(row[1])) for key, row in keyed])
    _STATES.write(connection, [(*key, bytes(row[2])) for key, row in keyed])
    # No row where nothing is told: most virtual machines have no meter.
    _ENERGY.write(
        connection, [(*key, bytes(row[3]), bytes(row[4])) for key, row in keyed if row[3] or row[4]]
    )
    write_counters(
        connection,
        (
            (one.device, energy.scope, one.start + PERIOD_SECONDS, energy.quality, energy.counter_end_joules)
            for one in found
            for energy in one.energy
        ),
    )


def write_counters(connection: Connection, told: Iterable[tuple[int, str, int, str, int]]) -> None:
    """Keep the newest of counters given as (device, scope, until, quality, counter_end_joules)."""
    newest: dict[tuple[int, str], tuple[int, str, int, str, int]] = {}
    for row in told:
        if (known := newest.get(row[:2])) is None or known[2] < row[2]:
            newest[row[:2]] = row
    _COUNTERS.write(connection, [newest[key] for key in sorted(newest)])


def source_numbers(connection: Connection, found: Iterable[str]) -> dict[str, int]:
    """Return {source: number}, giving numbers to new ones.

    Agents choose the words and numbers have two bytes, so there is an end: past it every new source is `(more)`.
    """
    wanted = sorted(set(found))
    numbers = {row[0]: row[1] for row in _SOURCES.rows(connection, wanted)}
    while missing := [source for source in wanted if source not in numbers]:
        last = connection.scalar(select(func.max(sources.c.id))) or 0
        new = [{"id": last + 1 + n, "source": source} for n, source in enumerate(missing)]
        if not (room := new[: _MORE_NUMBER - 1 - last]):
            return dict.fromkeys(wanted, _MORE_NUMBER) | numbers
        # Another collector may have given the same number to another source just now: then we look again.
        connection.execute(insert_or_ignore(sources), room)
        numbers = {row[0]: row[1] for row in _SOURCES.rows(connection, wanted)}
    return numbers


def day_rows(
    connection: Connection, column: Any, some: Sequence[int], span: Span
) -> Iterator[tuple[int, int, Any]]:
    """Yield (device, midnight UTC, value of `column`) of these devices and the UTC days that `span` touches."""
    table = column.table
    query = select(table.c.device, table.c.day, column)
    midnights = range(span.start // DAY_SECONDS * DAY_SECONDS, span.end, DAY_SECONDS)
    for part in _pieces(midnights):
        for devices in _pieces(some):
            found = query.where(table.c.day.in_(part), table.c.device.in_(devices))
            # Not `yield from`: mypy takes a row for one value.
            for device, day, value in connection.execute(found):  # noqa: UP028 - as said above
                yield device, day, value


def forget(connection: Connection, device: int, midnights: Sequence[int]) -> None:
    """Delete the half-hours and daily totals of a device of these UTC days, local days of the same dates, months from them on.

    For its erasure, before its row in `devices` goes.
    """
    for some in _pieces(midnights):
        for table in (use_slots, state_slots, energy_slots, days):
            connection.execute(delete(table).where(table.c.day.in_(some), table.c.device == device))
        dates = [utc_date(day).isoformat() for day in some]
        for day in (local_days.c.date, away_months.c.month):
            connection.execute(delete(day.table).where(day.in_(dates), day.table.c.device == device))


class Names:
    """The sources by number, as they are when this is made."""

    def __init__(self, connection: Connection) -> None:
        self._names: dict[int, str] = {row.id: row.source for row in connection.execute(select(sources))}

    def of(self, number: int) -> str:
        """Return the source of a number."""
        return self._names.get(number, MORE)


def _pieces(values: Sequence[int]) -> Iterator[list[int]]:
    for begin in range(0, len(values), _IDS_PER_QUERY):
        yield list(values[begin : begin + _IDS_PER_QUERY])


def _told(one: HalfHour, slot: int, numbers: dict[str, int]) -> slots.Told:
    return slots.Told(
        *(slot, one.observed_seconds, one.samples),
        None if one.cpu is None else slots.Use(*one.cpu[:3], numbers[one.cpu.source]),
        None if one.memory is None else slots.Use(*one.memory[:3], numbers[one.memory.source]),
        *(one.content_hash, one.incomplete),
    )


def _sources(one: HalfHour) -> Iterator[str]:
    for use in (one.cpu, one.memory, one.battery, *one.energy):
        if use is not None:
            yield use.source
