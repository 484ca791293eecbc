"""The job that keeps what metrics tell of start-ups ready: phases, recent lengths against a baseline, factors.

One pass over the devices in short reads, each start-up read once. Members past the catalogue's limit are folded here, because medians of members do not add up to one of them together.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from roadworthy_collector.books import figures
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.catalogue import OTHER, UNKNOWN
from roadworthy_collector.metrics.fleet import fold
from roadworthy_collector.store.queries import startup_parts as queries
from roadworthy_collector.store.queries.states import SMALLEST_GROUP

FIGURE = "startup_parts"
EVERY_SECONDS = 60.0
DAYS, RECENT_DAYS = 28, 7
# Ours: up to a minute from start to usable is good (the rules of the rating). What takes longer has factors to blame.
SLOW_SECONDS = 60.0
# As the rules of the rating: fewer start-ups than this tell nothing of a group.
EVIDENCE = 5
# Phases that are how long a person waited for their own work, as agents on Windows name them.
SIGN_IN = frozenset({"user_profile", "explorer_init", "other_sign_in"})
MAX_FACTORS = 50
DEVICES_AT_ONCE = 200
_AGAIN_SECONDS = 900
_DAY = 86_400


class _Phase(msgspec.Struct):
    name: str
    seconds: float
    counted: bool = True


class _Factor(msgspec.Struct):
    name: str
    seconds: float | None = None
    degradation_seconds: float | None = None


_PHASES = msgspec.json.Decoder(tuple[_Phase, ...])
_FACTORS = msgspec.json.Decoder(tuple[_Factor, ...])


class Member:
    """What is counted of one site or model.

    Start-ups whose phases tell how long somebody waited at sign-in are counted apart: those of fewer than five devices
    are in no mean, whole, so that the phases told still add up to one.
    """

    def __init__(self) -> None:
        # Of machines alone, and with sign-ins.
        self.phases: tuple[defaultdict[str, float], ...] = (defaultdict(float), defaultdict(float))
        self.with_phases = [0, 0]
        self._signing_in: set[int] = set()  # devices, no more than need to be known
        self.lengths: tuple[Counter[float], Counter[float]] = (Counter(), Counter())  # before, recent

    def add_phases(self, device: int, counted: Sequence[_Phase]) -> None:
        """Count the phases of a start-up."""
        of_people = any(one.name in SIGN_IN for one in counted)
        if of_people and len(self._signing_in) < SMALLEST_GROUP:
            self._signing_in.add(device)
        self.with_phases[of_people] += bool(counted)
        for one in counted:
            self.phases[of_people][one.name] += one.seconds

    def told(self) -> dict[str, Any]:
        """Return mean seconds by phase and the two medians, as far as known."""
        kinds = 1 + (len(self._signing_in) >= SMALLEST_GROUP)
        starts = sum(self.with_phases[:kinds])
        names = sorted({name for one in self.phases[:kinds] for name in one})
        means = {name: sum(one.get(name, 0.0) for one in self.phases[:kinds]) / starts for name in names}
        baseline, recent = (_median(one) for one in self.lengths)
        return {"phases": means, "recent": recent, "baseline": baseline}


class _Factors:
    """Which devices name which factor; numbers in place of names and devices, because there are millions of pairs."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._devices, self._named = array("q"), array("L")
        self._pairs: set[tuple[int, int]] = set()  # of the devices at hand
        self._count: Counter[int] = Counter()
        self._seconds: defaultdict[int, float] = defaultdict(float)
        self._told: Counter[int] = Counter()

    def add(self, device: int, factors: Iterable[_Factor]) -> None:
        """Count what a start-up of a device names: its own seconds, else by how much it was slower than usual."""
        for one in factors:
            number = self._numbers.setdefault(one.name, len(self._numbers))
            if (device, number) not in self._pairs:
                self._pairs.add((device, number))
                self._count[number] += 1
            seconds = one.degradation_seconds if one.seconds is None else one.seconds
            if seconds is not None:
                self._seconds[number] += seconds
                self._told[number] += 1

    def next_devices(self) -> None:
        """Put the pairs at hand away: no later start-up is of these devices."""
        for device, number in self._pairs:
            self._devices.append(device)
            self._named.append(number)
        self._pairs.clear()

    def told(self) -> list[list[Any]]:
        """Return (factor, devices, mean seconds or None), those on most devices first, the rest as `other`."""
        names = {number: name for name, number in self._numbers.items()}
        ranked = sorted(self._count, key=lambda number: (-self._count[number], names[number]))
        rows = [[names[one], self._count[one], self._mean([one])] for one in ranked[:MAX_FACTORS]]
        if rest := frozenset(ranked[MAX_FACTORS:]):
            pairs = zip(self._devices, self._named, strict=True)
            rows.append(
                [OTHER, len({device for device, number in pairs if number in rest}), self._mean(rest)]
            )
        return rows

    def _mean(self, numbers: Iterable[int]) -> float | None:
        known = sum(self._told[one] for one in numbers)
        return sum(self._seconds[one] for one in numbers) / known if known else None


class Gathered:
    """What is counted in one pass; `shown` names each site and model as metrics do."""

    def __init__(self, sites: Mapping[str | None, str], models: Mapping[str | None, str]) -> None:
        self._shown = (sites, models)
        self.members: tuple[defaultdict[str, Member], defaultdict[str, Member]] = (
            defaultdict(Member),
            defaultdict(Member),
        )
        self.factors = _Factors()

    def add(self, rows: Iterable[Sequence[Any]], now: float) -> None:
        """Count the start-ups of some devices, as `queries.told` has them."""
        since, recent = now - DAYS * _DAY, now - RECENT_DAYS * _DAY
        sites, models = self._shown
        for device, site, model, started_at, seconds, phases, factors in rows:
            # One that came since the members were read is in nobody's place yet.
            both = (
                self.members[0][sites.get(site, OTHER)],
                self.members[1][models.get(model, OTHER)],
            )
            length = round(seconds, 1)
            counted = [one for one in _PHASES.decode(phases) if one.counted] if started_at >= since else []
            for member in both:
                member.lengths[started_at >= recent][length] += 1
                member.add_phases(device, counted)
            if seconds > SLOW_SECONDS and started_at >= since:
                self.factors.add(device, _FACTORS.decode(factors))
        self.factors.next_devices()

    def told(self) -> dict[str, Any]:
        """Return everything as JSON can say it."""
        sites, models = ({name: one.told() for name, one in found.items()} for found in self.members)
        return {"sites": sites, "models": models, "factors": self.factors.told()}


def compute(work: Work) -> int:
    """Work the figures out where they are old; return whether they were."""
    now = work.clock()
    with work.engine.connect() as connection:
        held = figures.read(connection, FIGURE)
        if held is not None and 0 <= now - held[1] < _AGAIN_SECONDS:
            return 0
        gathered = Gathered(*shown(queries.count_members(connection)))
    began = work.monotonic()
    after, since = 0, now - (DAYS + RECENT_DAYS) * _DAY
    while not work.stop.is_set():
        with work.reading() as connection:
            last = queries.last_of_next(connection, after, DEVICES_AT_ONCE)
            if last is None:
                break
            gathered.add(queries.told(connection, after + 1, last, since), now)
        after = last
    if work.stop.is_set():
        return 0
    with work.write() as connection:
        figures.write(connection, FIGURE, gathered.told(), now, work.monotonic() - began)
    return 1


def shown(rows: Sequence[Any]) -> tuple[dict[str | None, str], dict[str | None, str]]:
    """Return under which name each site and each model is shown: its own, `unknown` or `other`."""
    sites: dict[str | None, float] = defaultdict(int)
    models: dict[str | None, float] = defaultdict(int)
    for row in rows:
        sites[row.site] += row.devices
        if row.in_service:
            models[row.model] += row.devices
    return _names(sites), _names(models)


def _names(counts: Mapping[str | None, float]) -> dict[str | None, str]:
    kept = fold(counts)
    return {one: name if (name := one or UNKNOWN) in kept else OTHER for one in counts}


def _median(lengths: Counter[float]) -> float | None:
    """Return the median by nearest rank; None of too few."""
    total = lengths.total()
    if total < EVIDENCE:
        return None
    rank = (total + 1) // 2
    for value in sorted(lengths):
        rank -= lengths[value]
        if rank <= 0:
            return value
    return None
