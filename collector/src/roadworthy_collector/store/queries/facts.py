"""Half-hours of a device as rows, each kind of fact by itself: who may read one may not read them all.

Nothing but these and roll-ups (`totals`) reads half-hours; how they lie in the tables is `store.half_hours`' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from roadworthy_collector.store import half_hours, slots
from roadworthy_collector.store.schema import energy_slots, state_slots, use_slots
from roadworthy_collector.store.slots import DAY_SECONDS, PERIOD_SECONDS
from roadworthy_inventory.calendar import Span


class Period(NamedTuple):
    """How much of a device was used in a half-hour, ratios of 0-1."""

    device: int
    start: int
    observed_seconds: int
    samples: int
    cpu_mean_ratio: float | None
    cpu_p95_ratio: float | None
    cpu_quality: str | None
    cpu_source: str | None
    memory_mean_ratio: float | None
    memory_p95_ratio: float | None
    memory_quality: str | None
    memory_source: str | None
    content_hash: bytes
    incomplete: bool


class State(NamedTuple):
    """The seconds of the six states in a half-hour: 1,800 together."""

    device: int
    start: int
    in_use_seconds: int
    idle_seconds: int
    locked_seconds: int
    asleep_seconds: int
    off_seconds: int
    unobserved_seconds: int


class Energy(NamedTuple):
    """Energy of one scope in a half-hour."""

    device: int
    scope: str
    start: int
    joules: int
    counter_end_joules: int
    covered_seconds: int | None
    quality: str
    source: str
    relative_error: float | None


class BatteryUse(NamedTuple):
    """What was drawn from the batteries in a half-hour; `cpu_joules` by the processor over the same seconds."""

    device: int
    start: int
    discharge_joules: int
    discharge_seconds: int
    cpu_joules: int | None
    source: str


def periods(connection: Connection, device: int, since: int = 0) -> list[Period]:
    """Return the utilisation of a device's half-hours from `since` on, oldest first."""
    names = half_hours.Names(connection)
    return sorted(
        Period(
            *(device, start, told.observed_seconds, told.samples),
            *_use(told.cpu, names),
            *_use(told.memory, names),
            *(told.content_hash, told.incomplete),
        )
        for day, packed in _days(connection, use_slots.c.slots, device, since)
        for told in slots.unpack_use(packed)
        if (start := day + told.slot * PERIOD_SECONDS) >= since
    )


def states(connection: Connection, device: int, since: int = 0) -> list[State]:
    """Return the state of a device in its half-hours from `since` on, oldest first."""
    return sorted(
        State(device, start, *seconds)
        for day, packed in _days(connection, state_slots.c.slots, device, since)
        for slot, seconds in slots.unpack_state(packed)
        if (start := day + slot * PERIOD_SECONDS) >= since
    )


def energy(connection: Connection, device: int, since: int = 0) -> list[Energy]:
    """Return the energy of a device in its half-hours from `since` on, by scope, oldest first."""
    names = half_hours.Names(connection)
    return sorted(
        Energy(device, one.scope, start, *one[1:5], names.of(one.source), one.relative_error)
        for day, packed in _days(connection, energy_slots.c.slots, device, since)
        for slot, one in slots.unpack_energy(packed)
        if (start := day + slot * PERIOD_SECONDS) >= since
    )


def battery_use(connection: Connection, device: int, since: int = 0) -> list[BatteryUse]:
    """Return what was drawn from a device's batteries in its half-hours from `since` on, oldest first."""
    names = half_hours.Names(connection)
    return sorted(
        BatteryUse(device, start, *use[:3], names.of(use.source))
        for day, packed in _days(connection, energy_slots.c.battery, device, since)
        for slot, use in slots.unpack_battery(packed)
        if (start := day + slot * PERIOD_SECONDS) >= since
    )


def _use(
    use: slots.Use | None, names: half_hours.Names
) -> tuple[float | None, float | None, str | None, str | None]:
    return (None, None, None, None) if use is None else (*use[:3], names.of(use.source))


def _days(connection: Connection, column: Any, device: int, since: int) -> Sequence[tuple[int, bytes]]:
    """Return (midnight UTC, bytes) of a device's days from that of `since` on."""
    day = column.table.c.day
    first, last = connection.execute(select(func.min(day), func.max(day))).one()
    if first is None:
        return []
    span = Span(max(first, since // DAY_SECONDS * DAY_SECONDS), last + DAY_SECONDS)
    return [row[1:] for row in half_hours.day_rows(connection, column, [device], span)]
