"""Settlement periods from samples: pure arithmetic, no clock and no storage.

A settlement period is a half-hour that starts at a multiple of 1,800 UTC epoch seconds, so the two clock changes
a year do not exist here and each UTC day has 48. What comes in is already placed on the wall clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from roadworthy_agent.report import PERIOD_SECONDS, Period, StateSeconds, Use

WATCHED = ("in_use", "idle", "locked")
LONGEST_MEAN_SECONDS = 60.0  # a longer mean says less than the 95th percentile claims to be of


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
    state: str | None = None  # in_use, idle or locked; None: nobody watched
    whole_seconds: float | None = None  # of the sample this is a part of; None: it is the whole


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
    absent: dict[str, list[float]] = field(default_factory=dict)


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
                into.absent.setdefault(absence.kind, []).append(seconds)
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
                whole_seconds=_whole(stretch),
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
    return Period(
        start=start,
        observed_seconds=min(math.floor(observed), PERIOD_SECONDS),
        samples=min(len(pieces), PERIOD_SECONDS),
        state_seconds=state_seconds(
            {
                **{state: _seconds(p for p in pieces if p.state == state) for state in WATCHED},
                **{kind: math.fsum(content.absent.get(kind, ())) for kind in ("asleep", "off")},
            }
        ),
        cpu=_use([(p, p.cpu, p.cpu_source) for p in pieces]),
        memory=_use([(p, p.memory, p.memory_source) for p in pieces]),
    )


def _seconds(pieces: Iterable[Stretch]) -> float:
    return math.fsum(piece.end - piece.begin for piece in pieces)


def state_seconds(known: Mapping[str, float], whole: int = PERIOD_SECONDS) -> StateSeconds:
    """Return whole seconds of each state that add up to `whole`; what is not known of is unobserved.

    The running sum is rounded, not each part: parts that fill the period leave no second over for `unobserved`.
    """
    told: dict[str, int] = {}
    total, before = 0.0, 0
    for state in (*WATCHED, "asleep", "off"):
        total += max(0.0, known.get(state, 0.0))
        upto = min(round(total), whole)
        told[state] = upto - before
        before = upto
    return StateSeconds(**told, unobserved=whole - before)


def _use(readings: list[tuple[Stretch, float | None, str]]) -> Use | None:
    """Return the mean weighted by seconds, and the 95th percentile of the means of at most a minute."""
    known = [(piece, ratio, source) for piece, ratio, source in readings if ratio is not None]
    weight = _seconds(piece for piece, _ratio, _source in known)
    if weight <= 0:
        return None
    mean = math.fsum((piece.end - piece.begin) * ratio for piece, ratio, _source in known) / weight
    short = (ratio for piece, ratio, _source in known if _whole(piece) <= LONGEST_MEAN_SECONDS)
    p95 = nearest_rank(short, 0.95)
    last, _ratio, source = known[-1]
    return Use(
        mean_ratio=rounded(mean),
        p95_ratio=None if p95 is None else rounded(p95),
        quality=last.quality,
        source=source,
    )


def _whole(piece: Stretch) -> float:
    return piece.end - piece.begin if piece.whole_seconds is None else piece.whole_seconds


def rounded(ratio: float) -> float:
    """Return a ratio as the wire has it: 0-1, four decimals."""
    return round(min(max(ratio, 0.0), 1.0), 4)
