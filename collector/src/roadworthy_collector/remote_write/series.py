"""Which series a closed half-hour or day of a device becomes, and the labels they carry.

The only label that identifies a device is its random id. Device state is never sent. Utilisation is sent only of
half-hours that a device tells openly, with its energy or state: under the collection policy `daily` a half-hour of
processor use would be a working hour kept for as long as the receiver keeps things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.remote_write import protobuf
from roadworthy_collector.remote_write.facts import Facts

ENERGY = metric("roadworthy_device_energy_joules_total")
CPU = metric("roadworthy_device_half_hour_cpu_ratio")
MEMORY = metric("roadworthy_device_half_hour_memory_ratio")
# Not the job a scrape has: the same series from both ways would stand in each other's order of time.
CONSTANT = {"job": "roadworthy-remote-write", "instance": "roadworthy"}
RESERVED = frozenset({"__name__", "device_id", "scope", "quality", "simulated", *CONSTANT})
_DEVICE = "device_id"

# A device's series: `cpu`, `memory`, or `energy:<scope>:<quality>`. Also how it is kept in the database.
Key = str
# {series: [end of its newest sample, length of the half-hour or day it was of]}, in seconds
Live = dict[Key, list[int]]


@dataclass(slots=True)
class Row:
    """What one half-hour or day in the queue becomes: samples at its end, and the series that end with it."""

    seq: int
    device_id: str
    start: int
    length_seconds: int
    samples: list[tuple[Key, float]]
    ended: list[Key] = field(default_factory=list)
    late: bool = False  # older than what was sent of its device before

    @property
    def end(self) -> int:
        """When it closed, seconds since 1970."""
        return self.start + self.length_seconds

    @property
    def count(self) -> int:
        """How many samples it is, stale markers included."""
        return len(self.samples) + len(self.ended)


def samples_of(facts: Facts) -> list[tuple[Key, float]]:
    """Return (series, value) of what is known; what is not known makes no sample."""
    found: list[tuple[Key, float]] = []
    if facts.told:
        found += [
            (key, value)
            for key, value in (("cpu", facts.cpu_mean_ratio), ("memory", facts.memory_mean_ratio))
            if value is not None
        ]
    return found + [(f"energy:{scope}:{quality}", float(joules)) for scope, quality, joules in facts.counters]


def end_others(row: Row, live: Live) -> None:
    """Note in `row` which live series end with it: energy of a scope that is now known in another way.

    Prometheus would end them itself if it scraped; both at once would count the same joules twice.
    """
    for key, _ in row.samples:
        if key.startswith("energy:"):
            scope = key[: key.rindex(":") + 1]
            row.ended += [other for other in live if other.startswith(scope) and other != key]


def apply(row: Row, live: Live) -> None:
    """Bring `live` to what it is after `row`; one that came late makes nothing live that has ended since."""
    if row.late:
        return
    for key in row.ended:
        live.pop(key, None)
    for key, _ in row.samples:
        live[key] = [row.end, row.length_seconds]


class Labels:
    """Encoded labels: all but the device's id is made once for each kind of series."""

    def __init__(self, extra: Mapping[str, str]) -> None:
        self._extra = dict(extra)
        self._around: dict[Key, tuple[bytes, bytes]] = {}

    def of(self, device_id: str, key: Key) -> bytes:
        """Return the labels of a device's series."""
        held = self._around.get(key)
        if held is None:
            held = self._around[key] = self._make(key)
        before, after = held
        return before + protobuf.label(_DEVICE, device_id) + after

    def _make(self, key: Key) -> tuple[bytes, bytes]:
        pairs = self.pairs(key)
        before = {name: value for name, value in pairs.items() if name < _DEVICE}
        after = {name: value for name, value in pairs.items() if name > _DEVICE}
        return protobuf.labels(before), protobuf.labels(after)

    def pairs(self, key: Key) -> dict[str, str]:
        """Return the labels of a series but the device's."""
        kind, _, rest = key.partition(":")
        own = {"__name__": {"cpu": CPU.name, "memory": MEMORY.name, "energy": ENERGY.name}[kind]}
        if kind == "energy":
            own["scope"], _, own["quality"] = rest.partition(":")
        return {**self._extra, **CONSTANT, **own}


def encode(rows: Iterable[Row], labels: Labels) -> bytes:
    """Return the WriteRequest of rows in order of time: each series once, its samples in that order."""
    found: dict[tuple[str, Key], list[protobuf.Sample]] = {}
    for row in rows:
        at = row.end * 1000
        device = row.device_id
        for key, value in row.samples:
            held = found.get((device, key))
            if held is None:
                found[device, key] = [(at, value)]
            else:
                held.append((at, value))
        for key in row.ended:
            found.setdefault((device, key), []).append((at, None))
    return protobuf.write_request((labels.of(*pair), samples) for pair, samples in found.items())
