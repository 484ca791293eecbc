"""What roll-ups read: the facts of some devices over some days, added up by device, and by site and half-hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, select

from roadworthy_collector.store import half_hours, slots
from roadworthy_collector.store.schema import (
    days,
    energy_days,
    energy_slots,
    startups,
    state_days,
    state_slots,
    use_slots,
)
from roadworthy_collector.store.slots import DAY_SECONDS, PERIOD_SECONDS, STATES
from roadworthy_inventory.calendar import Span

JoulesByScope = dict[str, dict[str, int]]
_RATIO_DIGITS = 10_000


class Use(NamedTuple):
    """What half-hours add up to: means weighted by observed seconds, None where never known."""

    periods: int
    observed_seconds: int
    cpu_mean_ratio: float | None
    memory_mean_ratio: float | None


class Facts:
    """The half-hours of some devices over the UTC days that `span` touches, read once and added up as asked."""

    def __init__(self, connection: Connection, some: Sequence[int], span: Span) -> None:
        self._use = _by_device(connection, use_slots.c.slots, some, span)
        self._states = _by_device(connection, state_slots.c.slots, some, span)
        self._energy = _by_device(connection, energy_slots.c.slots, some, span)

    def use(self, device: int, span: Span) -> Use | None:
        """Return the utilisation of a device over `span`, None if it has no half-hour in it."""
        added = [0] * 6
        for told, first, last in _parts(self._use, device, span):
            added = [one + more for one, more in zip(added, slots.sum_use(told, first, last), strict=True)]
        periods, observed, cpu, cpu_seconds, memory, memory_seconds = added
        if not periods:
            return None
        return Use(periods, observed, _mean(cpu, cpu_seconds), _mean(memory, memory_seconds))

    def states(self, device: int, span: Span) -> dict[str, int] | None:
        """Return {state: seconds} of a device over `span`, None if it told none."""
        found = [slots.sum_states(told, *part) for told, *part in _parts(self._states, device, span)]
        if not any(found):
            return None
        return dict(zip(STATES, map(sum, zip(*filter(None, found), strict=True)), strict=True))

    def joules(self, device: int, span: Span) -> JoulesByScope | None:
        """Return {scope: {quality: joules}} of a device over `span`, None if it told none."""
        added: dict[int, int] = {}
        for told, first, last in _parts(self._energy, device, span):
            slots.sum_joules(told, first, last, added)
        return by_words(added) if added else None


def told_states(connection: Connection, day: int, some: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return {device: {state: seconds}} told for a whole UTC day, where the policy is daily."""
    query = select(state_days).where(state_days.c.device.in_(some), state_days.c.day == day)
    return {
        row.device: {name: getattr(row, f"{name}_seconds") for name in STATES}
        for row in connection.execute(query)
    }


def told_joules(connection: Connection, day: int, some: Sequence[int]) -> dict[int, JoulesByScope]:
    """Return {device: {scope: {quality: joules}}} told for a whole UTC day, where the policy is daily."""
    query = select(energy_days).where(energy_days.c.device.in_(some), energy_days.c.day == day)
    found: dict[int, JoulesByScope] = {}
    for row in connection.execute(query):
        found.setdefault(row.device, {})[row.scope] = {row.quality: row.joules}
    return found


def sum_startups(connection: Connection, span: Span, some: Sequence[int]) -> dict[int, Any]:
    """Return {device: row} of one day's final start-ups whose total is known: startups, their sum and the longest."""
    total = startups.c.total_seconds
    columns = [
        startups.c.device,
        func.count().label("startups"),
        func.sum(total).label("startup_seconds_sum"),
        func.max(total).label("startup_seconds_max"),
    ]
    condition = and_(
        startups.c.device.in_(some),
        startups.c.started_at >= span.start,
        startups.c.started_at < span.end,
        startups.c.final.is_(True),
        total.is_not(None),
    )
    query = select(*columns).where(condition).group_by(startups.c.device)
    return {row.device: row for row in connection.execute(query)}


@dataclass
class SiteHalfHour:
    """What the devices of one site did in one half-hour."""

    devices: int = 0
    observed_seconds: int = 0
    states: list[int] = field(default_factory=lambda: [0] * len(STATES))
    joules: dict[int, int] = field(default_factory=dict)  # by number of scope and quality


def devices_of(connection: Connection, day: int) -> dict[int, int]:
    """Return {device: site} of the devices that have daily totals for a UTC day: where they stood then."""
    query = select(days.c.device, days.c.site).where(days.c.day == day)
    return {row.device: row.site for row in connection.execute(query)}


def add_by_site(
    connection: Connection, day: int, sites: dict[int, int], into: dict[tuple[int, int], SiteHalfHour]
) -> None:
    """Add the half-hours of one UTC day of these devices to `into`, by start and site."""
    span, some = Span(day, day + DAY_SECONDS), list(sites)
    for device, _, told in half_hours.day_rows(connection, use_slots.c.slots, some, span):
        for slot, observed in slots.observed(told):
            row = into[day + slot * PERIOD_SECONDS, sites[device]]
            row.devices += 1
            row.observed_seconds += observed
    for device, _, told in half_hours.day_rows(connection, state_slots.c.slots, some, span):
        for slot, seconds in slots.unpack_state(told):
            states = into[day + slot * PERIOD_SECONDS, sites[device]].states
            for place, one in enumerate(seconds):
                states[place] += one
    for device, _, told in half_hours.day_rows(connection, energy_slots.c.slots, some, span):
        for slot, words, joules in slots.joules(told):
            added = into[day + slot * PERIOD_SECONDS, sites[device]].joules
            added[words] = added.get(words, 0) + joules


def by_words(added: dict[int, int]) -> JoulesByScope:
    """Return {scope: {quality: joules}} of joules by number of scope and quality."""
    found: JoulesByScope = {}
    for number, joules in sorted(added.items()):
        scope, quality = slots.scope_and_quality(number)
        found.setdefault(scope, {})[quality] = joules
    return found


_Held = dict[int, list[tuple[int, bytes]]]


def _by_device(connection: Connection, column: Any, some: Sequence[int], span: Span) -> _Held:
    found: _Held = defaultdict(list)
    for device, day, told in half_hours.day_rows(connection, column, some, span):
        found[device].append((day, told))
    return found


def _parts(held: _Held, device: int, span: Span) -> Iterator[tuple[bytes, int, int]]:
    """Yield the bytes of each UTC day with the first and last slot (exclusive) of it that `span` covers."""
    for day, told in held.get(device, ()):
        first = max(0, (span.start - day) // PERIOD_SECONDS)
        last = min(DAY_SECONDS // PERIOD_SECONDS, (span.end - day) // PERIOD_SECONDS)
        if first < last:
            yield told, first, last


def _mean(weighted: int, seconds: int) -> float | None:
    return weighted / seconds / _RATIO_DIGITS if seconds else None
