"""When simulated devices are on and used: local clock time, weekdays, weekends, bank holidays, shifts.

Everything is drawn from the random generator passed in, so the same seed gives the same estate. Times within a day
are seconds since local midnight (0 to 86,400 nominal); `half_hours` turns them into true time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import NamedTuple

DAY = 86400
HOUR = 3600
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Pattern:
    """How devices of one kind of use spend a day.

    `chance_*`: how likely the device is on at all. `begin`, `end`: when it is switched on and off, hours local
    time, with a spread in hours; `all_day` devices are never switched off, only restarted (`restart_chance` a
    day, at `begin`). `left_on_share`: this part of the devices is never switched off by its users, and restarts
    like an `all_day` one. `use` and `lock`: shares of the time on that somebody uses it or it is locked, in and
    out of its hours. `sleeps`: how likely it sleeps over lunch (laptops).
    """

    chance_weekday: float
    chance_weekend: float
    begin: float
    end: float
    spread: float
    all_day: bool = False
    restart_chance: float = 0.0
    left_on_share: float = 0.0
    use_in_hours: float = 0.62
    use_out_of_hours: float = 0.0
    lock_in_hours: float = 0.2
    lock_out_of_hours: float = 0.7
    sleeps: float = 0.0
    busy_ratio: float = 0.14  # mean CPU while used


PATTERNS: dict[str, Pattern] = {
    "office": Pattern(0.92, 0.02, 8.35, 17.3, 0.45, restart_chance=0.14, left_on_share=0.16),
    "hybrid": Pattern(0.87, 0.05, 8.6, 17.7, 0.7, sleeps=0.55, use_in_hours=0.7, lock_in_hours=0.12),
    "shift": Pattern(
        1, 1, 7.0, 23.0, 0.15, all_day=True, restart_chance=0.62, use_in_hours=0.55, use_out_of_hours=0.34,
        lock_out_of_hours=0.3,
    ),
    "custody": Pattern(
        1, 1, 6.0, 23.0, 0.3, all_day=True, restart_chance=0.3, use_in_hours=0.74, use_out_of_hours=0.6,
        lock_in_hours=0.05, lock_out_of_hours=0.05, busy_ratio=0.22,
    ),
    "server": Pattern(
        1, 1, 3.0, 24.0, 0.2, all_day=True, restart_chance=0.03, use_in_hours=0, lock_in_hours=0, lock_out_of_hours=0,
        busy_ratio=0.27,
    ),
    "kiosk": Pattern(1, 0.9, 7.5, 20.0, 0.1, use_in_hours=0.3, lock_in_hours=0, busy_ratio=0.08),
    "vehicle": Pattern(0.93, 0.93, 6.8, 23.4, 0.3, sleeps=0.9, use_in_hours=0.45, lock_in_hours=0.1),
}  # fmt: skip


# A server nobody needs any more and nobody switched off.
FORGOTTEN = replace(PATTERNS["server"], busy_ratio=0.004)


class Session(NamedTuple):
    """A stretch of a day in which the device is on. `cause`: how it came on (`kept` = it simply stayed on)."""

    begin: int
    end: int
    cause: str


def easter(year: int) -> date:
    """Return Easter Sunday (Gregorian; the anonymous algorithm, Meeus, Astronomical Algorithms, ch. 8)."""
    century, rest = divmod(year, 100)
    moon = (19 * (year % 19) + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    shift = (year % 19 + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * shift + 114, 31)
    return date(year, month, day + 1)


@cache
def bank_holidays(year: int) -> frozenset[date]:
    """Return the usual bank holidays of England and Wales (proclaimed one-off days are not simulated).

    Source: Banking and Financial Dealings Act 1971, schedule 1, with the usual substitute days.
    """
    sunday = easter(year)

    def monday(month: int, day: int) -> date:
        """Return the first Monday on or after the date."""
        start = date(year, month, day)
        return start + timedelta(days=-start.weekday() % 7)

    days = {
        sunday - timedelta(days=2),
        sunday + timedelta(days=1),
        monday(5, 1),
        monday(5, 25),
        monday(8, 25),
    }
    for fixed in (date(year, 1, 1), date(year, 12, 25), date(year, 12, 26)):
        substitute = fixed
        while substitute.weekday() >= SATURDAY or substitute in days:
            substitute += timedelta(days=1)
        days.add(substitute)
    return frozenset(days)


def is_working_day(day: date) -> bool:
    """Whether offices are open: Monday to Friday and no bank holiday."""
    return day.weekday() < SATURDAY and day not in bank_holidays(day.year)


def draw_day(
    rng: random.Random, pattern: Pattern, *, working: bool, left_on: bool, habit: float
) -> list[Session]:
    """Return the sessions of one local day, in order; empty where the device stays off.

    `habit` is the device's own offset in hours from the pattern's times.
    """
    if pattern.all_day or left_on:
        if rng.random() >= (pattern.restart_chance if working or pattern.all_day else 0.0):
            return [Session(0, DAY, "kept")]
        at = int((pattern.begin + habit * 0.2 + rng.random() * pattern.spread) * HOUR)
        return [Session(0, at, "kept"), Session(at + rng.randrange(45, 600), DAY, "restart")]
    if rng.random() >= (pattern.chance_weekday if working else pattern.chance_weekend):
        return []
    begin = int((pattern.begin + habit + rng.gauss(0, pattern.spread)) * HOUR)
    end = int((pattern.end + habit + rng.gauss(0, pattern.spread)) * HOUR)
    begin = min(max(begin, 5 * HOUR), 20 * HOUR)
    end = min(max(end, begin + HOUR), DAY - 1)
    if rng.random() >= pattern.sleeps:
        return [Session(begin, end, "cold")]
    pause = begin + int((end - begin) * (0.35 + 0.3 * rng.random()))
    wake = min(pause + rng.randrange(600, 5400), end - 900)
    if wake <= pause:
        return [Session(begin, end, "cold")]
    return [Session(begin, pause, "cold"), Session(wake, end, "resume")]


def in_hours(pattern: Pattern, second: float, *, working: bool) -> bool:
    """Whether a second of the local day lies in the pattern's hours."""
    return (working or pattern.chance_weekend > 0.5) and pattern.begin * HOUR <= second < pattern.end * HOUR


def shares(pattern: Pattern, *, inside: bool) -> tuple[float, float]:
    """Return (used, locked) as shares of the time on; the rest is idle."""
    if inside:
        return pattern.use_in_hours, pattern.lock_in_hours
    return pattern.use_out_of_hours, pattern.lock_out_of_hours
