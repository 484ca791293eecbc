"""The job that keeps the console's figures about start-ups ready, for every scope large enough to need it.

One pass over the devices in short reads, whatever the number of scopes: a device's start-ups are read once, from an
index that holds all that is needed, and counted for each scope the device is within. Values are those
`console.figures.live` would compute at `now`.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from roadworthy_collector.console import figures
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import console_startups as queries
from roadworthy_collector.store.queries import ready
from roadworthy_collector.store.queries.scope import Scope

DEVICES_AT_ONCE = 500
_FACTORS_AT_ONCE = 500
_DAYS = sorted(figures.DAYS)
_KINDS = ("boot", "resume")
# A cell is a kind and how old: cell = kind * len(_DAYS) + the first of _DAYS it is within. Every combination a page
# can ask for is a sum of cells.
_CELLS = len(_KINDS) * len(_DAYS)
_COMBINATIONS: dict[tuple[str, int], tuple[int, ...]] = {
    (kind, days): tuple(
        _KINDS.index(one) * len(_DAYS) + age
        for one in _KINDS
        if kind in {one, "all"}
        for age in range(place + 1)
    )
    for kind in figures.KINDS
    for place, days in enumerate(_DAYS)
}


class Lengths(NamedTuple):
    """A device's finished start-ups of one combination."""

    number: int
    median: float
    longest: float
    median_at: float  # when the start-up began that is the median


class Group:
    """A model, a site, or what stands at restricted sites: how many start-ups took how long, cell by cell."""

    def __init__(self) -> None:
        self.held = 0
        self.lengths: list[Counter[float]] = [Counter() for _ in range(_CELLS)]
        self.longest = [0.0] * _CELLS
        self.devices: Counter[tuple[str, int]] = Counter()

    def add(self, startups: Iterable[tuple[int, float, float]]) -> None:
        """Count start-ups: (cell, length as shown, length)."""
        for cell, value, seconds in startups:
            self.lengths[cell][value] += 1
            self.longest[cell] = max(self.longest[cell], seconds)


def spread(groups: Sequence[Group], combination: tuple[str, int]) -> dict[str, Any]:
    """Return the spread over some groups together, as `queries.spread` does."""
    cells = _COMBINATIONS[combination]
    counts: Counter[float] = Counter()
    for group in groups:
        for cell in cells:
            counts.update(group.lengths[cell])
    total = counts.total()
    return {
        "startups": total,
        "devices": sum(group.devices[combination] for group in groups),
        "p50": _rank(counts, (total * 50 + 99) // 100),
        "p90": _rank(counts, (total * 90 + 99) // 100),
        "longest": max((group.longest[cell] for group in groups for cell in cells), default=0.0) if total else None,
    }  # fmt: skip


def _rank(counts: Counter[float], rank: int) -> float | None:
    for value in sorted(counts):
        rank -= counts[value]
        if rank <= 0:
            return value
    return None


class Gathered:
    """What is counted for one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.hidden = Group()  # at restricted sites: in the totals only
        self.groups: dict[str, defaultdict[str | None, Group]] = {
            "model": defaultdict(Group),
            "site": defaultdict(Group),
        }
        self.bins = [[0] * (len(queries.BIN_SECONDS) + 1) for _ in range(_CELLS)]
        self.slowest: dict[tuple[str, int], list[tuple[float, int, Lengths]]] = defaultdict(list)
        self.latest: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.factors: dict[str, list[tuple[int, Any]]] = defaultdict(list)

    def add(self, device: Any, startups: Sequence[Any], lengths: Mapping[tuple[str, int], Lengths]) -> None:
        """Count a device in service and its start-ups: (cell, length as shown, length, bin, started at)."""
        groups = (
            [self.hidden]
            if device.restricted
            else [self.groups["model"][device.model], self.groups["site"][device.site]]
        )
        for group in groups:
            group.held += 1
            group.add(row[:3] for row in startups)
            group.devices.update(lengths.keys())
        for cell, _, _, bin_, _ in startups:
            self.bins[cell][bin_] += 1
        if device.restricted or not startups:
            return
        for combination, found in lengths.items():
            _keep(self.slowest[combination], (found.median, -device.id, found), figures.SLOWEST)
        for kind in figures.KINDS:
            cells = _COMBINATIONS[kind, _DAYS[-1]]
            if at := max((row[4] for row in startups if row[0] in cells), default=None):
                _keep(self.latest[kind], (at, device.id), queries.FACTOR_STARTUPS)

    def render(self, connection: Connection, now: float, kind: str, days: int) -> dict[str, Any]:
        """Return the figures of one combination."""
        combination = (kind, days)
        sites = self.groups["site"]
        everything = [*sites.values(), self.hidden]
        whole = spread(everything, combination)
        in_service = sum(group.held for group in everything)
        bins = [
            sum(self.bins[cell][n] for cell in _COMBINATIONS[combination]) for n in range(len(self.bins[0]))
        ]
        return {
            "in_service": in_service,
            "unmeasured": in_service - whole["devices"],
            "spread": whole,
            "bins": bins,
            "slowest": self._slow_rows(connection, combination),
            "models": self._rows("model", combination),
            "sites": self._rows("site", combination),
            "factors": figures.rank_factors(self._factors_since(kind, now - days * 86400))[: figures.FACTORS],
        }  # fmt: skip

    def _factors_since(self, kind: str, since: float) -> list[tuple[int, Any]]:
        """Return the factors of each device's latest start-up, of those not before `since`."""
        latest = {device: at for at, device in self.latest[kind]}
        return [(device, factors) for device, factors in self.factors[kind] if latest[device] >= since]

    def _rows(self, grouping: str, combination: tuple[str, int]) -> list[dict[str, Any]]:
        groups = self.groups[grouping]
        spreads = {member: spread([group], combination) for member, group in groups.items()}
        told = {member: found for member, found in spreads.items() if found["startups"]}
        return figures.group_rows(grouping, told, {member: group.held for member, group in groups.items()})

    def _slow_rows(self, connection: Connection, combination: tuple[str, int]) -> list[dict[str, Any]]:
        """Return the slowest devices; one that was deleted since is left out."""
        found = sorted(self.slowest[combination], key=lambda one: (-one[0], -one[1]))
        rows = queries.read_startups(
            connection, [(-device, lengths.median_at) for _, device, lengths in found]
        )
        return [
            figures.slow_row(row) | {"longest": lengths.longest, "startups": lengths.number}
            for _, device, lengths in found
            if (row := rows.get(-device)) is not None
        ]


def _keep(heap: list[Any], value: Any, most: int) -> None:
    """Keep the `most` largest values."""
    if len(heap) < most:
        heapq.heappush(heap, value)
    elif value > heap[0]:
        heapq.heapreplace(heap, value)


def compute(work: Work) -> int:
    """Compute the figures of every scope that needs them and leave them; return how many scopes there were."""
    now = work.clock()
    with work.engine.connect() as connection:
        gathered = [Gathered(scope) for scope in ready.scopes(connection, now)]
    if gathered:
        _gather(work, now, gathered)
    for one in gathered:
        _read_factors(work, one)
        for kind, days in _COMBINATIONS:
            if work.stop.is_set():
                return 0
            _leave(work, now, one, kind, days)
    with work.write() as connection:
        ready.forget(connection, f"{ready.STARTUPS}.", now)
    return len(gathered)


def _read_factors(work: Work, one: Gathered) -> None:
    """Read the contributing factors of each device's latest start-up, some at a time."""
    for kind in figures.KINDS:
        wanted = [(device, at) for at, device in one.latest[kind]]
        for begin in range(0, len(wanted), _FACTORS_AT_ONCE):
            if work.stop.is_set():
                return
            with work.reading() as connection:
                one.factors[kind] += queries.factors_of(connection, wanted[begin : begin + _FACTORS_AT_ONCE])


def _leave(work: Work, now: float, one: Gathered, kind: str, days: int) -> None:
    with work.reading() as connection:
        found = one.render(connection, now, kind, days)
    with work.write() as connection:
        ready.write(connection, f"{ready.STARTUPS}.{kind}.{days}", one.scope, now, found)


def _gather(work: Work, now: float, gathered: Sequence[Gathered]) -> None:
    """Read all devices in service, some at a time, each in a transaction of its own."""
    of_unit = scopes_of_units(gathered)
    after = 0
    while not work.stop.is_set():
        with work.reading() as connection:
            found = queries.some_in_service(connection, after, DEVICES_AT_ONCE)
            if not found:
                return
            after = found[-1].id
            startups = queries.lengths_of(connection, found[0].id, after, now - _DAYS[-1] * 86400)
        for device in found:
            mine = _celled(startups.get(device.id, ()), now)
            lengths = _by_combination(mine)
            for one in of_unit(device.unit):
                one.add(device, mine, lengths)


def scopes_of_units(gathered: Sequence[Any]) -> Callable[[int], Sequence[Any]]:
    """Return what finds those of `gathered` whose `scope` a unit is within."""
    held: dict[int, list[Any]] = {}

    def of_unit(unit: int) -> Sequence[Any]:
        if unit not in held:
            held[unit] = [one for one in gathered if one.scope is None or unit in one.scope]
        return held[unit]

    return of_unit


def _celled(startups: Iterable[Any], now: float) -> list[tuple[int, float, float, int, float]]:
    """Return a device's start-ups as (cell, length as shown, length, bin, started at)."""
    ends = [now - days * 86400 for days in _DAYS]
    found = []
    for started_at, resume, seconds in startups:
        age = next(place for place, end in enumerate(ends) if started_at >= end)
        cell = (len(_DAYS) if resume else 0) + age
        found.append(
            (cell, figures.shown(seconds), seconds, bisect_right(queries.BIN_SECONDS, seconds), started_at)
        )
    return found


def _by_combination(startups: Sequence[Any]) -> dict[tuple[str, int], Lengths]:
    """Return the median of each combination a device has start-ups of."""
    ordered = sorted(startups, key=lambda row: row[2])
    found = {}
    for combination, cells in _COMBINATIONS.items():
        if mine := [row for row in ordered if row[0] in cells]:
            median = mine[(len(mine) * 50 + 99) // 100 - 1]
            found[combination] = Lengths(len(mine), median[2], mine[-1][2], median[4])
    return found
