"""Reads what the sink sends out of the facts: the only place of it that knows how facts are laid out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.store import slots
from roadworthy_collector.store.half_hours import day_rows
from roadworthy_collector.store.schema import (
    energy_days,
    energy_slots,
    state_days,
    state_slots,
    use_slots,
)
from roadworthy_collector.store.slots import DAY_SECONDS, PERIOD_SECONDS
from roadworthy_inventory.calendar import Span

_KEYS_PER_QUERY = 500
# {midnight UTC: {device: {slot: seq}}}
_Wanted = Mapping[int, Mapping[int, Mapping[int, int]]]


@dataclass(slots=True)
class Facts:
    """What is held of one closed half-hour or day."""

    # Whether the device tells its half-hours openly: energy or device state stand beside its utilisation.
    told: bool = False
    cpu_mean_ratio: float | None = None
    memory_mean_ratio: float | None = None
    # (scope, quality, the agent's counter at the end in joules)
    counters: list[tuple[str, str, int]] = field(default_factory=list)


def read_facts(connection: Connection, waiting: Sequence[Any]) -> dict[int, Facts]:
    """Return {seq: facts} of rows of the queue (`queue.read`); one whose facts are gone is left out."""
    found: dict[int, Facts] = {}
    _half_hours(connection, [row for row in waiting if row.length_seconds == PERIOD_SECONDS], found)
    _days(connection, [row for row in waiting if row.length_seconds == DAY_SECONDS], found)
    return found


def _half_hours(connection: Connection, waiting: Iterable[Any], found: dict[int, Facts]) -> None:
    wanted: dict[int, dict[int, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in waiting:
        day, slot = slots.slot_of(row.start)
        wanted[day][row.device][slot] = row.seq
    for seqs, packed in _records(connection, use_slots.c.slots, slots.USE_BYTES, wanted):
        for use in slots.unpack_use(packed):
            found[seqs[use.slot]] = Facts(
                cpu_mean_ratio=None if use.cpu is None else use.cpu.mean_ratio,
                memory_mean_ratio=None if use.memory is None else use.memory.mean_ratio,
            )
    for seqs, packed in _records(connection, energy_slots.c.slots, slots.ENERGY_BYTES, wanted):
        for slot, energy in slots.unpack_energy(packed):
            if (facts := found.get(seqs[slot])) is not None:
                facts.told = True
                facts.counters.append((energy.scope, energy.quality, energy.counter_end_joules))
    for seqs, packed in _records(connection, state_slots.c.slots, slots.STATE_BYTES, wanted):
        for slot, seconds in slots.unpack_state(packed):
            if (facts := found.get(seqs[slot])) is not None:
                facts.told |= seconds[slots.STATES.index("unobserved")] < PERIOD_SECONDS


def _records(
    connection: Connection, column: Any, length: int, wanted: _Wanted
) -> Iterator[tuple[Mapping[int, int], bytes]]:
    """Yield, of each day and device that is wanted, {slot: seq} and the records of those slots alone."""
    for day, devices in wanted.items():
        for device, _, packed in day_rows(connection, column, list(devices), Span(day, day + DAY_SECONDS)):
            yield devices[device], slots.only(packed, length, devices[device])


def _days(connection: Connection, waiting: Sequence[Any], found: dict[int, Facts]) -> None:
    seqs = {(row.device, row.start): row.seq for row in waiting}
    for begin in range(0, len(waiting), _KEYS_PER_QUERY):
        some = waiting[begin : begin + _KEYS_PER_QUERY]
        devices, midnights = {row.device for row in some}, {row.start for row in some}
        held = select(state_days.c.device, state_days.c.day)
        for row in connection.execute(
            held.where(state_days.c.device.in_(devices), state_days.c.day.in_(midnights))
        ):
            if (seq := seqs.get((row.device, row.day))) is not None:
                found[seq] = Facts()
        energy = energy_days.c
        counters = select(
            energy.device, energy.day, energy.scope, energy.quality, energy.counter_end_joules
        ).where(energy.device.in_(devices), energy.scope.in_(slots.SCOPES), energy.day.in_(midnights))
        for device, day, scope, quality, counter in connection.execute(counters):
            if (facts := found.get(seqs.get((device, day), -1))) is not None:
                facts.counters.append((scope, quality, counter))
