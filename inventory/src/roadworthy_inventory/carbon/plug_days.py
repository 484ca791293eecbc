"""Readings of a smart plug or plug-in meter become joules of whole local days.

A reading stands for a stretch of time: a register for what was used since the reading before, an interval for its own
length, watts for the time until the next reading. A day counts only where such stretches cover all of it, 46, 48 or 50
half-hours: what nobody read is not known and never nought. A stretch across midnight is parted by time where it is an
hour at most; a longer one says nothing of either day.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from roadworthy_inventory.calendar import local_date, local_day

JOULES_PER_WATT_HOUR = 3600
LONGEST_SECONDS = 3600  # between two readings of watts, or over midnight
MOST_WATTS = 20_000  # more than a plug can carry: 32 A at 230 V is 7.4 kW, three phases of it 22 kW


class Stretch(NamedTuple):
    """Joules from `start` until before `end`, epoch seconds."""

    start: int
    end: int
    joules: int


@dataclass(frozen=True, slots=True)
class PlugDay:
    """A local day a plug covered whole."""

    date: dt.date
    joules: int


@dataclass(frozen=True, slots=True)
class Covered:
    """The days of one device: those covered whole, and those a part of which nobody read."""

    whole: tuple[PlugDay, ...]
    partly: tuple[dt.date, ...]


def days(stretches: Iterable[Stretch], zone: str) -> Covered:
    """Return the local days of stretches that do not overlap."""
    joules: dict[dt.date, int] = defaultdict(int)
    seconds: dict[dt.date, int] = defaultdict(int)
    for one in stretches:
        parts = list(_parts(one, zone))
        known = len(parts) == 1 or one.end - one.start <= LONGEST_SECONDS
        for date, part in parts:
            seconds[date] += part.end - part.start if known else 0
            joules[date] += part.joules if known else 0
    whole = [date for date in sorted(seconds) if seconds[date] == local_day(date, zone).seconds]
    partly = [date for date in sorted(seconds) if seconds[date] and date not in set(whole)]
    return Covered(tuple(PlugDay(date, joules[date]) for date in whole), tuple(partly))


def _parts(one: Stretch, zone: str) -> Iterable[tuple[dt.date, Stretch]]:
    """Yield the parts of a stretch by day; their joules add up to its own."""
    begin, spent = one.start, 0
    while begin < one.end:
        date = local_date(begin, zone)
        until = min(local_day(date, zone).end, one.end)
        so_far = one.joules * (until - one.start) // (one.end - one.start)
        yield date, Stretch(begin, until, so_far - spent)
        begin, spent = until, so_far


def shortest_gap(starts: Sequence[int]) -> int | None:
    """Return the least seconds between two readings that follow each other; None for fewer than two."""
    ordered = sorted(set(starts))
    return min((after - before for before, after in pairwise(ordered)), default=None)
