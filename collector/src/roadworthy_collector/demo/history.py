"""The months before the half-hours: daily facts, as half-hours of that time would have been rolled up."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.generate import Timeline, startup_seconds, watts
from roadworthy_collector.demo.patterns import (
    DAY,
    HOUR,
    Pattern,
    Session,
    draw_day,
    in_hours,
    is_working_day,
    shares,
)
from roadworthy_inventory.calendar import PERIOD_SECONDS, utc_date


def working_days(first: int, last: int) -> list[tuple[int, bool]]:
    """Return (midnight UTC, whether offices are open) of each UTC day in [first, last)."""
    return [(day, is_working_day(utc_date(day))) for day in range(first, last, DAY)]


class DayFacts(NamedTuple):
    """Totals of one UTC day of one device, as rolled up from half-hours; `state` adds up to 1800 x periods."""

    day: int
    periods: int
    observed: int
    cpu: float
    memory: float
    state: tuple[int, int, int, int, int, int]
    startups: int
    startup_sum: float | None
    startup_max: float | None
    joules: Mapping[str, int]
    asleep_half_hours: int = 0  # whole ones between two times it was on


def history(device: Device, days: list[tuple[int, bool]], timeline: Timeline) -> Iterator[DayFacts]:
    """Yield the daily facts of the time before the half-hours, in order; days without any fact have none.

    The first day is the day after the enrolment: the day of it would be a part of a day.
    """
    end = min(timeline.half_hours_from, device.silent_from or timeline.half_hours_from)
    rng = device.rng("history")
    pattern, left_on, habit, away = device.pattern, device.left_on, device.habit, bool(device.absences)
    first, last = device.enrolled_at - 1, end - DAY
    for day, working in days:
        if day < first or day > last or (away and device.away(day)):
            continue
        drawn = draw_day(rng, pattern, working=working, left_on=left_on, habit=habit)
        if drawn:
            yield _day(device, rng, day, drawn, working=working, timeline=timeline)


def _day(
    device: Device,
    rng: random.Random,
    day: int,
    drawn: list[Session],
    *,
    working: bool,
    timeline: Timeline,
) -> DayFacts:
    pattern = device.pattern
    awake, asleep, periods, slept = _time_on(drawn)
    took = [
        startup_seconds(rng, device, day + session.begin, session.cause, timeline)
        for session in drawn
        if session.cause != "kept"
    ]
    use_share, lock_share = _shares_of_day(pattern, working, awake > 20 * HOUR)
    jitter = 0.85 + 0.3 * rng.random()
    used = int(awake * use_share * jitter)
    locked = min(awake - used, int(awake * lock_share))
    off = periods * PERIOD_SECONDS - awake - asleep
    if device.watches_state:
        state = (used, awake - used - locked, locked, asleep, off, 0)
    else:
        state = (0, 0, 0, asleep, off, awake)
    load = used / awake if pattern.use_in_hours else 0.8
    cpu = min(1.0, device.base_ratio + pattern.busy_ratio * load * jitter)
    joules = {
        meter.scope: int(watts(device, meter.scope, cpu) * int(awake * meter.coverage))
        for meter in device.meters
    }
    memory = min(1.0, device.memory_ratio * (0.97 + 0.06 * rng.random()))
    total, longest = (sum(took), max(took)) if took else (None, None)
    return DayFacts(day, periods, awake, cpu, memory, state, len(took), total, longest, joules, slept)


def _time_on(drawn: list[Session]) -> tuple[int, int, int, int]:
    """Return the seconds on, those asleep within half-hours it was on in, how many these are, and how many it slept."""
    awake = asleep = periods = slept = 0
    last_counted = -1
    previous_end = 0
    for begin, end, cause in drawn:
        awake += end - begin
        final = (end - 1) // PERIOD_SECONDS
        first = begin // PERIOD_SECONDS
        periods += final - max(first, last_counted + 1) + 1
        if cause == "resume":
            asleep += begin - previous_end
            slept += max(first - last_counted - 1, 0)
        last_counted = final
        previous_end = end
    return awake, min(asleep, periods * PERIOD_SECONDS - awake), periods, slept


@cache
def _shares_of_day(pattern: Pattern, working: bool, all_day: bool) -> tuple[float, float]:  # noqa: FBT001 - a key
    """Return (used, locked) as shares of the time on of a whole day."""
    inside, outside = shares(pattern, inside=True), shares(pattern, inside=False)
    open_share = _open_share(pattern, working=working, all_day=all_day)
    used, locked = (
        one * open_share + other * (1 - open_share) for one, other in zip(inside, outside, strict=True)
    )
    return used, locked


def _open_share(pattern: Pattern, *, working: bool, all_day: bool) -> float:
    """Return which share of the time on lies in the pattern's hours."""
    if not in_hours(pattern, pattern.begin * HOUR, working=working):
        return 0.0
    return (pattern.end - pattern.begin) / 24 if all_day else 1.0
