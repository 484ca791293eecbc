"""Avoidable electricity of the last 28 whole local days, worked out daily by the jobs process and kept ready.

On and unused outside the shifts of a site, sleep that fails, power out of family, idle servers. Devices whose profile
must be on never appear; of devices that tell no half-hours nothing is said, and they are counted. What is kept names
devices by row id and the group (site and unit) they stand in; readers see their part of it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import shifts
from roadworthy_collector.carbon.energy_facts import read_machines
from roadworthy_collector.carbon.power import Machine, measured_by
from roadworthy_collector.carbon.shifts import Shifts
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import half_hours, slots
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.queries import local_totals
from roadworthy_collector.store.schema import devices, sites, state_slots, units
from roadworthy_collector.store.slots import PERIOD_SECONDS, STATES
from roadworthy_inventory.calendar import Span, local_date, local_day
from roadworthy_inventory.carbon.avoidable import (
    FAMILY_SIZE,
    SLEEP_NIGHTS,
    HalfHour,
    ShiftCalendar,
    against_family,
    idle_server,
    may_be_off,
    out_of_family,
    saved_joules,
    unused_on,
)
from roadworthy_inventory.replacement_inputs import Range

FIGURE = "avoidable"
EVERY_SECONDS = 600.0
DAYS = 28
# Of these the others are sums; the rest of a device out of family may be in its unused time too, so it is not added.
KINDS = ("unused_on", "sleep_fails", "out_of_family", "idle_server")
ADDED = ("unused_on", "idle_server")
PEOPLE = frozenset({"unused_on", "sleep_fails"})  # how a device is used, which may be about one person
MOST_DEVICES = 2000
_AGAIN_SECONDS = 20 * 3600
_UNUSED_CLASSES = frozenset({"desktop", "laptop", "all_in_one", "tablet"})
_IDLE, _LOCKED = (STATES.index(name) for name in ("idle", "locked"))
_COLUMNS = ("cpu_mean_ratio", "observed_seconds", "joules")
_NO_PROFILE = {None, "", "unknown"}
FAMILY = "power_family"
_STALE_SECONDS = 7 * 86_400
_LEAST_ON_SECONDS = 8 * 3600  # before a device's mean watts say anything


class Found(NamedTuple):
    """One device and what is avoidable of it, joules as (low, likely, high); `detail` in words' numbers."""

    device: int
    site: int
    unit: int
    kind: str
    joules: Range
    seconds: int
    detail: Mapping[str, float]


@dataclass(slots=True)
class _Read:
    """What a pass over the devices gathers."""

    found: list[Found] = field(default_factory=list)
    watts: dict[tuple[str, str], dict[str, tuple[float, Machine, float]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    told: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    # {(site, unit): {kind: devices that told enough of themselves to say whether they are of it}}
    looked: dict[tuple[int, int], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    days: set[int] = field(default_factory=set)  # UTC midnights half-hours were told of
    untold: int = 0
    must_be_on: int = 0
    no_profile: int = 0
    no_watts: int = 0


def refresh(work: Work) -> int:
    """Work it out where a day has passed or the calendars are others; return whether it was."""
    now, zone = work.clock(), work.settings.reporting_timezone
    today = local_date(now, zone)
    with work.engine.connect() as connection:
        said, _ = shifts.current(connection)
        held = figures.read(connection, FIGURE)
    until = (today - dt.timedelta(days=1)).isoformat()
    if held is not None and held[0]["calendar"] == said.digest:
        fresh = held[0]["last"] == until or 0 <= now - held[1] < _AGAIN_SECONDS
        if fresh:
            return 0
    began = work.monotonic()
    content = compute(work, said, today, zone)
    if content is None:
        return 0
    with work.write() as connection:
        figures.write(connection, FIGURE, content, now, work.monotonic() - began)
    return 1


def compute(work: Work, said: Shifts, today: dt.date, zone: str) -> dict[str, Any] | None:
    """Return what is avoidable of the 28 local days before `today`; None where the collector stops meanwhile."""
    first, last = today - dt.timedelta(days=DAYS), today - dt.timedelta(days=1)
    span = Span(local_day(first, zone).start, local_day(last, zone).end)
    with work.engine.connect() as connection:
        names = {row.id: row.name for row in connection.execute(select(sites.c.id, sites.c.name))}
        must_units = _below(connection, said.must_be_on_units)
    must_sites = {site for site, name in names.items() if name in said.must_be_on_sites}
    calendars = {site: _Known(said.of(name), ZoneInfo(zone)) for site, name in names.items()}
    read = _Read()
    for machines in _pieces(work, zone):
        with work.reading() as connection:
            profiles = _profiles(connection, machines)
            wanted = [
                one
                for one in machines
                if all(may_be_off(name) for name in profiles[one.id])
                and one.site not in must_sites
                and one.unit not in must_units
            ]
            read.must_be_on += len(machines) - len(wanted)
            read.no_profile += sum(profiles[one.id] <= _NO_PROFILE for one in wanted)
            states = _states(connection, wanted, span, read.days)
            between = machines[0].id, machines[-1].id
            days = _days(connection, first, last, zone, between)
        for one in wanted:
            _look(
                read, one, states.get(one.id, []), days.get(one.id, []), calendars[one.site], ZoneInfo(zone)
            )
    if work.stop.is_set():
        return None
    read.found += _out_of_family(read)
    _keep_family(work, read)
    return _content(read, said, first, last)


def _look(
    read: _Read,
    machine: Machine,
    told: Sequence[HalfHour],
    days: Sequence[Any],
    calendar: ShiftCalendar,
    zone: ZoneInfo,
) -> None:
    if machine.item_class == "server":
        idle = idle_server([row.cpu_mean_ratio for row in days])
        if idle is not None:
            read.looked[machine.site, machine.unit]["idle_server"] += 1
        if idle:
            on = sum(row.observed_seconds for row in days)
            _add(read, machine, "idle_server", on, {})
    elif machine.item_class in _UNUSED_CLASSES:
        if told:
            read.told[machine.site, machine.unit] += 1
            _unused(read, machine, told, calendar, zone)
        else:
            read.untold += 1
    _watts(read, machine, days)


def _unused(
    read: _Read, machine: Machine, told: Sequence[HalfHour], calendar: ShiftCalendar, zone: ZoneInfo
) -> None:
    unused = unused_on(told, calendar, zone)
    detail = {"nights": unused.nights, "nights_slept": unused.nights_slept}
    looked = read.looked[machine.site, machine.unit]
    looked["unused_on"] += 1
    looked["sleep_fails"] += unused.nights >= SLEEP_NIGHTS
    if unused.seconds > 0:
        _add(read, machine, "unused_on", unused.seconds, detail)
        if unused.sleep_fails:
            _add(read, machine, "sleep_fails", unused.seconds, detail)


def _add(read: _Read, machine: Machine, kind: str, seconds: float, detail: Mapping[str, float]) -> None:
    joules = saved_joules(machine.item_class, machine.made, seconds)
    if joules is None:
        read.no_watts += 1
        return
    read.found.append(Found(machine.id, machine.site, machine.unit, kind, joules, int(seconds), detail))


def _watts(read: _Read, machine: Machine, days: Sequence[Any]) -> None:
    """Note the mean watts a device's best meter or sensor saw while it was on; those of a model are compared."""
    scopes = {measured_by(row.joules) for row in days} - {""}
    if not scopes or not machine.model:
        return
    scope = min(scopes, key=("wall", "machine", "cpu").index)
    some = [row for row in days if row.joules and row.joules.get(scope)]
    on = sum(row.observed_seconds for row in some)
    if on >= _LEAST_ON_SECONDS:
        joules = sum(sum(row.joules[scope].values()) for row in some)
        read.watts[machine.model, scope][str(machine.id)] = joules / on, machine, on


def _keep_family(work: Work, read: _Read) -> None:
    """Leave for the rating how much of its model's median each device draws; a processor alone is no whole machine."""
    told = {
        name: round(ratio, 3)
        for (_, scope), some in read.watts.items()
        if scope != "cpu"
        for name, ratio in against_family({key: one[0] for key, one in some.items()}).items()
    }
    with work.write() as connection:
        figures.write(connection, FAMILY, told, work.clock(), 0.0)


def family_ratios(connection: Connection, now: float) -> dict[int, float]:
    """Return {device: its power over the median of its model}, as last worked out; nothing once that is a week old."""
    held = figures.read(connection, FAMILY)
    if held is None or now - held[1] > _STALE_SECONDS:
        return {}
    return {int(device): ratio for device, ratio in held[0].items()}


def _out_of_family(read: _Read) -> Iterator[Found]:
    for (_, scope), some in read.watts.items():
        if len(some) >= FAMILY_SIZE:
            for _, machine, _ in some.values():
                read.looked[machine.site, machine.unit]["out_of_family"] += 1
        for name, odd in out_of_family({key: one[0] for key, one in some.items()}).items():
            _, machine, on = some[name]
            more = (odd.watts - odd.median_watts) * on
            detail = {"watts": odd.watts, "median_watts": odd.median_watts, "siblings": odd.siblings}
            yield Found(
                machine.id, machine.site, machine.unit, "out_of_family", Range(more, more, more), int(on),
                detail | {"at_the_processor": float(scope == "cpu")},
            )  # fmt: skip


def _content(read: _Read, said: Shifts, first: dt.date, last: dt.date) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {}
    for place, told in read.told.items():
        groups.setdefault(f"{place[0]}.{place[1]}", {})["told"] = [told]
    for place, looked in read.looked.items():
        groups.setdefault(f"{place[0]}.{place[1]}", {})["looked"] = dict(looked)
    for one in read.found:
        sums = groups.setdefault(f"{one.site}.{one.unit}", {}).setdefault(one.kind, [0, 0, 0, 0, 0])
        for at, value in enumerate((1, one.seconds, *map(round, one.joules))):
            sums[at] += value
    most = sorted(read.found, key=lambda one: (-one.joules.likely, one.device))
    kept = [one for kind in KINDS for one in [each for each in most if each.kind == kind][:MOST_DEVICES]]
    return {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "calendar": said.digest,
        # Local days are at most one more than the UTC days half-hours stand in.
        "told_days": min(len(read.days), DAYS),
        "untold": read.untold,
        "must_be_on": read.must_be_on,
        "no_profile": read.no_profile,
        "no_watts": read.no_watts,
        "groups": groups,
        "devices": [
            [one.device, one.site, one.unit, one.kind, *map(round, one.joules), one.seconds, one.detail]
            for one in kept
        ],
    }


def looked_at(groups: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the kinds that a device of some groups told enough for; of the others nothing is known, which is not nought."""
    return frozenset(
        kind for sums in groups for kind in KINDS if kind in sums or sums.get("looked", {}).get(kind)
    )


class _Known(ShiftCalendar):
    """A calendar that remembers which half-hours are worked: every device of a site asks for the same ones."""

    def __init__(self, calendar: ShiftCalendar, zone: ZoneInfo) -> None:
        super().__init__(calendar.shifts, calendar.closed)
        object.__setattr__(self, "_worked", {})
        object.__setattr__(self, "_zone", zone)

    def works(self, start: int, zone: ZoneInfo) -> bool:
        """Whether any of the half-hour that begins at epoch second `start` lies in a shift."""
        worked: dict[int, bool] = self._worked  # type: ignore[attr-defined] # set above, past the frozen dataclass
        known = worked.get(start)
        if known is None:
            known = worked[start] = super().works(start, zone)
        return known


def _below(connection: Connection, names: frozenset[str]) -> set[int]:
    """Return the units of these names and all below them."""
    below: dict[int | None, list[int]] = defaultdict(list)
    waiting = []
    for row in connection.execute(select(units.c.id, units.c.parent, units.c.name)):
        below[row.parent].append(row.id)
        if row.name in names:
            waiting.append(row.id)
    found: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += below[one]
    return found


def _pieces(work: Work, zone: str) -> Iterator[list[Machine]]:
    after = 0
    while not work.stop.is_set():
        with work.reading() as connection:
            machines = read_machines(connection, after, zone)
        if not machines:
            return
        after = machines[-1].id
        if some := [one for one in machines if one.retired is None]:
            yield some


def _profiles(connection: Connection, machines: Sequence[Machine]) -> dict[int, set[str]]:
    """Return {device: its profiles, its own and its register item's}."""
    ids = [one.id for one in machines]
    query = select(devices.c.id, devices.c.usage_profile).where(devices.c.id.in_(ids))
    found = {row.id: {row.usage_profile} for row in connection.execute(query)}
    linked = (
        select(register_devices.c.device, register_items.c.usage_profile)
        .join(register_items, register_items.c.id == register_devices.c.item)
        .where(register_devices.c.device.in_(ids), register_devices.c.valid_to.is_(None))
    )
    for row in connection.execute(linked):
        found[row.device].add(row.usage_profile)
    return found


def _states(
    connection: Connection, machines: Sequence[Machine], span: Span, days: set[int]
) -> dict[int, list[HalfHour]]:
    """Return {device: its half-hours in `span`} of those whose states are told; their UTC days go into `days`."""
    some = [one.id for one in machines if one.item_class in _UNUSED_CLASSES]
    found: dict[int, list[HalfHour]] = defaultdict(list)
    for device, day, told in half_hours.day_rows(connection, state_slots.c.slots, some, span):
        for slot, seconds in slots.unpack_state(told):
            start = day + slot * PERIOD_SECONDS
            known = sum(seconds[:-1])
            if start in span and known:
                days.add(day)
                found[device].append(HalfHour(start, seconds[_IDLE] + seconds[_LOCKED], known))
    return found


def _days(
    connection: Connection, first: dt.date, last: dt.date, zone: str, between: tuple[int, int]
) -> Mapping[int, list[Any]]:
    found: dict[int, list[tuple[dt.date, Any]]] = defaultdict(list)
    for one in local_totals.read(connection, first, last, zone, _COLUMNS, between):
        found[one.device].append((one.date, one.values))
    return {
        device: [row for _, row in sorted(some, key=lambda one: one[0])] for device, some in found.items()
    }
