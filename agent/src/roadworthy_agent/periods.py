"""Settlement periods from samples: pure arithmetic, no clock and no storage.

A settlement period is a half-hour that starts at a multiple of 1,800 UTC epoch seconds, so the two clock changes
a year do not exist here and each UTC day has 48. What comes in is already placed on the wall clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from roadworthy_agent.report import PERIOD_SECONDS, Period, StateSeconds, Use


@dataclass(frozen=True, slots=True)
class Stretch:
    """A sample on the wall clock: means over [begin, end), epoch seconds."""

    begin: float
    end: float
    cpu: float | None
    memory: float | None
    cpu_source: str = ""
    memory_source: str = ""
    quality: str = "sensor"


@dataclass(frozen=True, slots=True)
class Absence:
    """A stretch [begin, end) without samples; only `asleep` and `off` say how its seconds went."""

    begin: float
    end: float
    kind: str


@dataclass(slots=True)
class _Bin:
    """What falls into one settlement period."""

    pieces: list[Stretch] = field(default_factory=list)
    asleep: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)


def period_of(moment: float) -> int:
    """Return the start of the settlement period that holds `moment`."""
    return math.floor(moment / PERIOD_SECONDS) * PERIOD_SECONDS


def compute(stretches: Iterable[Stretch], absences: Iterable[Absence]) -> dict[int, Period]:
    """Return the periods that hold any sample, by start.

    The order of either input makes no difference. A period wholly without samples gives none: absence is told
    by gap records.
    """
    bins: dict[int, _Bin] = {}
    for stretch in stretches:
        for start, piece in split(stretch):
            bins.setdefault(start, _Bin()).pieces.append(piece)
    for absence in absences:
        for start in _starts(absence.begin, absence.end):
            if (into := bins.get(start)) is not None:
                seconds = min(absence.end, start + PERIOD_SECONDS) - max(absence.begin, start)
                into.asleep.append(seconds if absence.kind == "asleep" else 0.0)
                into.off.append(seconds if absence.kind == "off" else 0.0)
    return {start: _period(start, content) for start, content in sorted(bins.items())}


def split(stretch: Stretch) -> Iterator[tuple[int, Stretch]]:
    """Yield the parts of a sample by period; their lengths add up to the sample's, their means are its own."""
    for start in _starts(stretch.begin, stretch.end):
        yield (
            start,
            replace(
                stretch,
                begin=max(stretch.begin, float(start)),
                end=min(stretch.end, float(start + PERIOD_SECONDS)),
            ),
        )


def nearest_rank(values: Iterable[float], share: float) -> float | None:
    """Return the nearest-rank percentile: the smallest value at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def _starts(begin: float, end: float) -> range:
    """Return the starts of the periods that [begin, end) touches; none for an empty or backward stretch."""
    if not begin < end:
        return range(0)
    return range(period_of(begin), math.ceil(end / PERIOD_SECONDS) * PERIOD_SECONDS, PERIOD_SECONDS)


def _period(start: int, content: _Bin) -> Period:
    pieces = sorted(content.pieces, key=lambda piece: (piece.begin, piece.end))
    observed = math.fsum(piece.end - piece.begin for piece in pieces)
    asleep = min(math.floor(math.fsum(content.asleep)), PERIOD_SECONDS)
    off = min(math.floor(math.fsum(content.off)), PERIOD_SECONDS - asleep)
    return Period(
        start=start,
        observed_seconds=min(math.floor(observed), PERIOD_SECONDS),
        samples=min(len(pieces), PERIOD_SECONDS),
        # Nobody watches the device state yet, so all that is not known to be asleep or off is unobserved.
        state_seconds=StateSeconds(asleep=asleep, off=off, unobserved=PERIOD_SECONDS - asleep - off),
        cpu=_use([(p.end - p.begin, p.cpu, p.cpu_source, p.quality) for p in pieces]),
        memory=_use([(p.end - p.begin, p.memory, p.memory_source, p.quality) for p in pieces]),
    )


def _use(readings: list[tuple[float, float | None, str, str]]) -> Use | None:
    """Return the mean weighted by seconds and the 95th percentile of (seconds, ratio, source, quality)."""
    known = [
        (seconds, ratio, source, quality) for seconds, ratio, source, quality in readings if ratio is not None
    ]
    weight = math.fsum(seconds for seconds, _ratio, _source, _quality in known)
    if weight <= 0:
        return None
    mean = math.fsum(seconds * ratio for seconds, ratio, _source, _quality in known) / weight
    p95 = nearest_rank((ratio for _seconds, ratio, _source, _quality in known), 0.95)
    _, _, source, quality = known[-1]
    return Use(
        mean_ratio=rounded(mean),
        p95_ratio=None if p95 is None else rounded(p95),
        quality=quality,
        source=source,
    )


def rounded(ratio: float) -> float:
    """Return a ratio as the wire has it: 0-1, four decimals."""
    return round(min(max(ratio, 0.0), 1.0), 4)
