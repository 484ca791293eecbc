"""What the simulated devices did: on-times, half-hours, gaps, start-ups, daily totals. Plain values, no I/O.

Half-hours are made the way an agent makes them: a device reports the half-hours it was on in, and on its next
start a gap for the time between; so a desktop that is off at night has no half-hours at night, and the last
half-hour before somebody switched it off is missing until it comes back.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from roadworthy_collector.demo.estate import MONTH, Device, Meter
from roadworthy_collector.demo.patterns import (
    DAY,
    HOUR,
    Session,
    draw_day,
    in_hours,
    is_working_day,
    shares,
)
from roadworthy_inventory.calendar import PERIOD_SECONDS, local_date, local_day, period_start

NOON = 12 * HOUR
_WORD = 2**64 - 1
_LONGEST_UPTIME_DAYS = 120


@dataclass(frozen=True)
class Timeline:
    """The demo's time: daily facts from `first_day`, half-hours from `half_hours_from` (both midnight UTC)."""

    first_day: int
    half_hours_from: int
    now: int
    zone: str = "Europe/London"


class HalfHour(NamedTuple):
    """One closed settlement period. `state`: in_use, idle, locked, asleep, off, unobserved, adding up to 1800.

    `energy`: per meter (scope, joules, counter end, covered seconds, source, relative error).
    """

    start: int
    observed: int
    state: tuple[int, int, int, int, int, int]
    cpu: float
    cpu_p95: float
    memory: float
    memory_p95: float
    energy: tuple[tuple[str, int, int, int, str, float | None], ...]


class Gap(NamedTuple):
    """A stretch without samples."""

    begin: int
    end: int
    kind: str
    basis: str


class StartUp(NamedTuple):
    """A start-up's outline; its phases are made from it when it is told."""

    begin: int
    cause: str
    boot: int  # when the boot began that this start-up belongs to
    ordinal: int
    seconds: float


@dataclass
class Clock:
    """Local time of each half-hour, worked out once for all devices."""

    zone: str
    _known: dict[int, tuple[int, bool]] = field(default_factory=dict)
    _days: dict[date, tuple[int, int, int]] = field(default_factory=dict)

    def local(self, start: int) -> tuple[int, bool]:
        """Return (second of the local day, whether offices are open) at the middle of the half-hour."""
        if (found := self._known.get(start)) is None:
            day = local_date(start, self.zone)
            begin, noon, _ = self.day(day)
            # From noon backwards and forwards the clock is plain; the hour that is lost or doubled is at night.
            second = start + PERIOD_SECONDS // 2 - (noon - NOON)
            found = self._known[start] = (max(second, start - begin), is_working_day(day))
        return found

    def day(self, day: date) -> tuple[int, int, int]:
        """Return (begin, noon, end) of the local day, epoch seconds."""
        if (found := self._days.get(day)) is None:
            span = local_day(day, self.zone)
            found = self._days[day] = (span.start, span.end - NOON, span.end)
        return found

    def true_time(self, day: date, second: int) -> int:
        """Return the epoch seconds of a nominal second of the local day; its edges are the day's real edges."""
        begin, noon, end = self.day(day)
        if second <= 0:
            return begin
        return end if second >= DAY else max(begin, noon - NOON + second)


def startup_seconds(rng: random.Random, device: Device, at: float, cause: str, timeline: Timeline) -> float:
    """Return how long a start-up took.

    Hard disks get slower with the months (fragmentation, more at start-up); a security product's scan made one
    model wait between six and three and a half months ago, until it was mended; a driver makes another wait since
    last week. A resume skips most of it.
    """
    typical = device.model.startup_seconds * device.slowness
    if device.model.medium == "hdd":
        typical *= 1 + 0.012 * (at - timeline.first_day) / MONTH
    if device.group.model == "small_2016" and 3.5 * MONTH < timeline.now - at < 6 * MONTH:
        typical += 55
    if device.group.model == "all_in_one_2018" and timeline.now - at < 6 * DAY:
        typical += 60
    if cause == "resume":
        typical = 1.5 + typical * 0.04
    return round(math.exp(math.log(typical) + rng.gauss(0, device.model.spread)), 3)


def sessions(device: Device, clock: Clock, begin: int, end: int) -> list[Session]:
    """Return when the device was on in [begin, end), true time, in order; touching stretches are one.

    What a local day looks like depends on the device and the day alone, so asking again for another stretch
    continues the same story.
    """
    last = min(end, device.silent_from) if device.silent_from is not None else end
    first = max(begin, device.enrolled_at)
    found: list[Session] = []
    day, until = local_date(first, clock.zone), local_date(max(first, last - 1), clock.zone)
    while day <= until:
        for session in _day_sessions(device, clock, day):
            on, off = max(session.begin, first), min(session.end, last)
            if on >= off or device.away(on):
                continue
            if found and found[-1].end == on:
                found[-1] = found[-1]._replace(end=off)
            elif session.cause == "kept" and (found or on > first):
                found.append(Session(on, off, "cold"))  # it cannot have stayed on through an absence
            else:
                found.append(Session(on, off, session.cause if on == session.begin else "kept"))
        day += timedelta(days=1)
    return found


def _day_sessions(device: Device, clock: Clock, day: date) -> Iterator[Session]:
    rng = device.rng(day.isoformat())
    drawn = draw_day(
        rng, device.pattern, working=is_working_day(day), left_on=device.left_on, habit=device.habit
    )
    for begin, end, cause in drawn:
        yield Session(clock.true_time(day, begin), clock.true_time(day, end), cause)


def booted_at(device: Device, clock: Clock, on: list[Session]) -> int:
    """Return when the boot began that the last of these sessions belongs to.

    Where the device simply stayed on through all of them, the days before are searched for its last restart, and
    after a season without one that will do.
    """
    for session in reversed(on):
        if session.cause not in {"kept", "resume"}:
            return session.begin
    first = on[0].begin
    day = local_date(first, clock.zone)
    for _ in range(_LONGEST_UPTIME_DAYS):
        day -= timedelta(days=1)
        if clock.day(day)[0] <= device.enrolled_at:
            break
        for session in reversed(list(_day_sessions(device, clock, day))):
            if session.cause not in {"kept", "resume"}:
                return session.begin
    return max(device.enrolled_at, clock.day(day)[0])


def gaps(on: Iterable[Session]) -> list[Gap]:
    """Return the gap before each session but the first."""
    found = []
    previous: Session | None = None
    for session in on:
        if previous is not None:
            asleep = session.cause == "resume"
            basis = "suspend_clock" if asleep else "boot_id_changed"
            found.append(Gap(previous.end, session.begin, "asleep" if asleep else "off", basis))
        previous = session
    return found


def half_hours(
    device: Device,
    on: list[Session],
    clock: Clock,
    *,
    begin: int,
    until: int,
    counters: dict[str, int],
) -> list[HalfHour]:
    """Return the half-hours from `begin` to before `until` (starts of periods); `counters` (joules) run on.

    What a half-hour holds follows from the device, its start and the seconds the device was on in it: told again,
    it is the same.
    """
    awake: dict[int, int] = {}
    for first, last, _ in on:
        for start in range(max(begin, period_start(first)), min(last, until), PERIOD_SECONDS):
            awake[start] = awake.get(start, 0) + min(last, start + PERIOD_SECONDS) - max(first, start)
    away = _edges(gaps(on), begin)
    return [
        _half_hour(device, start, seconds, away.get(start, (0, 0)), clock.local(start), counters)
        for start, seconds in sorted(awake.items())
    ]


def closed_until(device: Device, on: list[Session], now: int) -> int:
    """Return the start of the half-hour that is open at `now`: those before it are closed.

    The half-hour somebody switched the device off in stays open until it is back.
    """
    if is_on(device, on, now):
        return period_start(now)
    return period_start(on[-1].end) if on else period_start(device.enrolled_at)


def is_on(device: Device, on: list[Session], now: int) -> bool:
    """Whether the device is on and heard of at `now`; `on` are its sessions up to `now`."""
    return bool(on) and on[-1].end >= now and (device.silent_from is None or device.silent_from > now)


def _edges(between: Iterable[Gap], begin: int) -> dict[int, tuple[int, int]]:
    """Return {half-hour: (asleep, off) seconds} for the half-hours at both ends of each gap."""
    found: dict[int, tuple[int, int]] = {}
    for gap in between:
        for start in {period_start(gap.begin), period_start(gap.end)}:
            seconds = min(gap.end, start + PERIOD_SECONDS) - max(gap.begin, start)
            if start < begin or seconds <= 0:
                continue
            asleep, off = found.get(start, (0, 0))
            found[start] = (asleep + seconds, off) if gap.kind == "asleep" else (asleep, off + seconds)
    return found


def _noise(salt: int, start: int) -> tuple[float, float, float, float, float]:
    """Return five numbers in [0, 1) that depend on the arguments alone.

    SplitMix64's output function (Steele, Lea and Flood, 2014): a Random per half-hour would cost as much as
    writing the half-hour.
    """
    word = (salt + start // PERIOD_SECONDS * 0x9E3779B97F4A7C15) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    word ^= word >> 31
    low = word & 4095, (word >> 12) & 4095, (word >> 24) & 4095, (word >> 36) & 4095, (word >> 48) & 4095
    return low[0] / 4096, low[1] / 4096, low[2] / 4096, low[3] / 4096, low[4] / 4096


def _half_hour(
    device: Device,
    start: int,
    awake: int,
    away: tuple[int, int],
    local: tuple[int, bool],
    counters: dict[str, int],
) -> HalfHour:
    pattern = device.pattern
    by_use, by_lock, by_load, by_memory, by_peak = _noise(device.salt, start)
    used_share, locked_share = shares(pattern, inside=in_hours(pattern, local[0], working=local[1]))
    used_share = min(1.0, used_share * (0.6 + 0.8 * by_use))
    used = int(awake * used_share)
    locked = min(awake - used, int(awake * locked_share * (0.5 + by_lock)))
    asleep, off = away
    unobserved = PERIOD_SECONDS - awake - asleep - off
    if device.watches_state:
        state = (used, awake - used - locked, locked, asleep, off, unobserved)
    else:
        state = (0, 0, 0, asleep, off, unobserved + awake)
    load = used_share if pattern.use_in_hours else 0.4 + 0.8 * by_use
    cpu = min(1.0, device.base_ratio + pattern.busy_ratio * load * (0.5 + by_load))
    memory = min(1.0, device.memory_ratio * (0.94 + 0.12 * by_memory))
    return HalfHour(
        start,
        awake,
        state,
        round(cpu, 4),
        round(min(1.0, cpu * (1.2 + 1.6 * by_peak)), 4),
        round(memory, 4),
        round(min(1.0, memory * 1.03), 4),
        tuple(_energy(device, meter, cpu, awake, counters) for meter in device.meters),
    )


def _energy(
    device: Device, meter: Meter, cpu: float, awake: int, counters: dict[str, int]
) -> tuple[str, int, int, int, str, float | None]:
    """Return one meter's reading. A simulated counter rises by whole joules, so that sums close exactly."""
    covered = int(awake * meter.coverage)
    joules = int(watts(device, meter.scope, cpu) * covered)
    counters[meter.scope] = counters.get(meter.scope, 0) + joules
    return (meter.scope, joules, counters[meter.scope], covered, meter.source, meter.relative_error)


def watts(device: Device, scope: str, cpu: float) -> float:
    """Return what the scope draws at this load; the package is a part of the machine."""
    swing = (device.model.busy_watts - device.model.idle_watts) * cpu
    if scope == "cpu":
        return device.draws * (0.22 * device.model.idle_watts + 0.8 * swing)
    return device.draws * (device.model.idle_watts + swing)


def start_ups(device: Device, on: Iterable[Session], timeline: Timeline, now: int) -> list[StartUp]:
    """Return the start-ups that were over by `now`."""
    found = []
    boot, ordinal = 0, 0
    for session in on:
        if session.cause == "resume":
            ordinal += 1
        else:
            boot, ordinal = session.begin, 0
        if session.cause == "kept":
            continue
        rng = device.rng(f"start-up {session.begin}")
        seconds = startup_seconds(rng, device, session.begin, session.cause, timeline)
        # Somebody who switches off before it is up leaves no finished record.
        if session.begin + seconds <= min(now, session.end):
            found.append(StartUp(session.begin, session.cause, boot, ordinal, seconds))
    return found
