"""What roll-ups read: the facts of some devices over some days, added up by device, and by site and half-hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

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
        self._startups = _startups(connection, some, span)
        first, last = span.start // DAY_SECONDS * DAY_SECONDS, span.end
        self._told_states = {
            (row.device, row.day): {name: getattr(row, f"{name}_seconds") for name in STATES}
            for row in _told(connection, state_days, some, first, last)
        }
        self._told_joules: dict[tuple[int, int], JoulesByScope] = {}
        for row in _told(connection, energy_days, some, first, last):
            found = self._told_joules.setdefault((row.device, row.day), {})
            found[row.scope] = {row.quality: row.joules}

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

    def lacks_states(self, device: int, span: Span) -> bool:
        """Return whether half-hours of a device in `span` are here whose states are not: those were pruned."""
        wanted, told = (
            {
                (day, slot)
                for day, packed in held.get(device, ())
                for slot, _ in read(packed)
                if span.start <= day + slot * PERIOD_SECONDS < span.end
            }
            for held, read in ((self._use, slots.observed), (self._states, slots.unpack_state))
        )
        return not wanted <= told

    def joules(self, device: int, span: Span) -> JoulesByScope | None:
        """Return {scope: {quality: joules}} of a device over `span`, None if it told none."""
        added: dict[int, int] = {}
        for told, first, last in _parts(self._energy, device, span):
            slots.sum_joules(told, first, last, added)
        return by_words(added) if added else None

    def startups(self, device: int, span: Span) -> list[float]:
        """Return how long the final start-ups of a device within `span` took, where that is known."""
        return [total for at, total in self._startups.get(device, ()) if span.start <= at < span.end]

    def told_states(self, device: int, day: int) -> dict[str, int] | None:
        """Return {state: seconds} told for a whole UTC day, where the policy is daily."""
        return self._told_states.get((device, day))

    def told_joules(self, device: int, day: int) -> JoulesByScope | None:
        """Return {scope: {quality: joules}} told for a whole UTC day, where the policy is daily."""
        return self._told_joules.get((device, day))


@dataclass
class SiteHalfHour:
    """What the devices of one site did in one half-hour."""

    devices: int = 0
    observed_seconds: int = 0
    told: int = 0  # of the devices, those whose states are here
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
            row = into[day + slot * PERIOD_SECONDS, sites[device]]
            row.told += 1
            for place, one in enumerate(seconds):
                row.states[place] += one
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


def _startups(
    connection: Connection, some: Sequence[int], span: Span
) -> dict[int, list[tuple[float, float]]]:
    """Return {device: [(when, seconds)]} of final start-ups whose total is known."""
    query = select(startups.c.device, startups.c.started_at, startups.c.total_seconds).where(
        startups.c.device.in_(some),
        startups.c.started_at >= span.start,
        startups.c.started_at < span.end,
        startups.c.final.is_(True),
        startups.c.total_seconds.is_not(None),
    )
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for device, at, total in connection.execute(query.order_by(startups.c.started_at)):
        found[device].append((at, total))
    return found


def _told(connection: Connection, table: Any, some: Sequence[int], first: int, last: int) -> Any:
    mine = (table.c.device.in_(some), table.c.day >= first, table.c.day < last)
    return connection.execute(select(table).where(*mine))


def _parts(held: _Held, device: int, span: Span) -> Iterator[tuple[bytes, int, int]]:
    """Yield the bytes of each UTC day with the first and last slot (exclusive) of it that `span` covers."""
    for day, told in held.get(device, ()):
        first = max(0, (span.start - day) // PERIOD_SECONDS)
        last = min(DAY_SECONDS // PERIOD_SECONDS, (span.end - day) // PERIOD_SECONDS)
        if first < last:
            yield told, first, last


def _mean(weighted: int, seconds: int) -> float | None:
    return weighted / seconds / _RATIO_DIGITS if seconds else None
