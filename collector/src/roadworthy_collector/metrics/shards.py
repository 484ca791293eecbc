"""The device detail: what `/metrics/devices?shard=i&shards=n` answers.

A device belongs to the shard that the first eight bytes of the BLAKE2b of its id name, so it keeps its shard while
the number of shards stays, and a new number makes no new series because no label depends on it. A silent device
leaves after three of its intervals: Prometheus then marks its series as stale by itself.

prometheus_client would need longer than a scrape may last (bench/shards.py), hence lines joined by hand around one
label text per device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec
from sqlalchemy import Engine

from roadworthy_collector.ingest.vocabulary import OTHER, WORDS
from roadworthy_collector.metrics.catalogue import CATALOGUE, UNKNOWN, Endpoint, metric
from roadworthy_collector.metrics.text import escaped, joined, known, number
from roadworthy_collector.store.queries import condition
from roadworthy_collector.store.queries import metrics as queries

MAX_SHARDS = 256
# In the order of the columns `read_details` ends with.
_NOW = (
    "roadworthy_device_last_report_timestamp_seconds",
    "roadworthy_device_uptime_seconds",
    "roadworthy_device_cpu_ratio",
    "roadworthy_device_memory_ratio",
)


class _Energy(msgspec.Struct):
    """Of one scope of the open half-hour what is shown."""

    scope: str
    quality: str
    latest_watts: float | None = None


class _Now(msgspec.Struct):
    """Of the open half-hour what is shown; the rest is passed over unread."""

    energy: tuple[_Energy, ...] = ()


_ENERGY = msgspec.json.Decoder(_Now)


@dataclass(frozen=True)
class Details:
    """Rows of some devices, as `store.queries.metrics` returns them."""

    devices: Sequence[Any] = ()
    startups: Sequence[Any] = ()
    probes: Sequence[Any] = ()
    energy: Sequence[Any] = ()
    power: Sequence[Any] = ()
    batteries: Sequence[Any] = ()
    disks: Sequence[Any] = ()


@dataclass
class Families:
    """Sample lines by family; the format wants all lines of one family together."""

    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def adder(self, name: str) -> Callable[[str], None]:
        """Return what appends a line to the family `name`, which the catalogue must have."""
        return self.lines[metric(name).name].append

    def body(self) -> bytes:
        """Return all families in the catalogue's order, those without samples left out."""
        order = (row for row in CATALOGUE if row.endpoint is Endpoint.DEVICES and self.lines.get(row.name))
        return joined(part for row in order for part in (row.header, *self.lines[row.name]))


def shard_of(device_id: str, shards: int) -> int:
    """Return which of `shards` shows the device."""
    return int.from_bytes(blake2b(device_id.encode()).digest()[:8], "big") % shards


def render_shard(engine: Engine, shard: int, shards: int, *, now: float, interval_seconds: int) -> bytes:
    """Return the detail of one shard in the text format, read in one transaction."""
    families = Families()
    with engine.connect() as connection:
        heard = queries.list_heard(connection, now=now, interval_seconds=interval_seconds)
        ids = [row.id for row in heard if shards == 1 or shard_of(row.device_id, shards) == shard]
        for some in queries.chunks(ids):
            render_details(
                families,
                Details(
                    devices=queries.read_details(connection, some),
                    startups=queries.read_last_startups(connection, some),
                    probes=queries.read_probe_states(connection, some),
                    energy=queries.read_energy_counters(connection, some),
                    power=condition.read_power(connection, some),
                    batteries=condition.read_batteries(connection, some),
                    disks=condition.read_disks(connection, some),
                ),
            )
    return families.body()


def render_details(families: Families, details: Details) -> None:
    """Add the samples of some devices; what is not known adds none."""
    _now(families, details.devices)
    _startups(families, details.startups)
    probe_up = families.adder("roadworthy_device_probe_up")
    for row in details.probes:
        up = "1" if row.status == "ok" else "0"
        probe_up(
            f'roadworthy_device_probe_up{{device_id="{row.device_id}",probe="{_escaped(row.probe)}"}} {up}\n'
        )
    energy = families.adder("roadworthy_device_energy_joules_total")
    for row in details.energy:
        energy(
            f'roadworthy_device_energy_joules_total{{device_id="{row.device_id}",scope="{_escaped(row.scope)}",'
            f'quality="{_escaped(row.quality)}"}} {row.counter_end_joules}\n'
        )
    _power(families, details.power)
    _parts(families, "battery", details.batteries, ("health_ratio", "cycles"))
    _parts(families, "disk", details.disks, ("wear_ratio", "failing"))


def _now(families: Families, rows: Iterable[Any]) -> None:
    """Add labels and now-values."""
    info = families.adder("roadworthy_device_info")
    named = [(name, families.adder(name)) for name in _NOW]
    for device, *described, last_report_at, uptime_seconds, cpu_ratio, memory_ratio in rows:
        label = f'{{device_id="{device}"}}'
        info(f'roadworthy_device_info{{device_id="{device}",{_description(*described)}}} 1\n')
        values = (last_report_at, uptime_seconds, cpu_ratio, memory_ratio)
        for (name, add), value in zip(named, values, strict=True):
            if known(value):
                add(f"{name}{label} {number(value)}\n")


def _startups(families: Families, rows: Iterable[Any]) -> None:
    """Add each device's last final start-up; of two that began at the same instant the first counts."""
    names = [
        f"roadworthy_device_startup_{name}" for name in ("info", "seconds", "usable_seconds", "phase_seconds")
    ]
    info, total, usable, phase = (families.adder(name) for name in names)
    seen = None
    for row in rows:
        device = row.device_id
        if device == seen:
            continue
        seen = device
        own = f'device_id="{device}"'
        info(f'{names[0]}{{{own},kind="{_escaped(row.kind)}",quality="{_escaped(row.quality)}"}} 1\n')
        if known(row.total_seconds):
            total(f"{names[1]}{{{own}}} {number(row.total_seconds)}\n")
        if known(row.usable_seconds):
            usable(f"{names[2]}{{{own}}} {number(row.usable_seconds)}\n")
        for name, seconds in counted_phases(row.phases).items():
            phase(f'{names[3]}{{{own},phase="{_escaped(name)}"}} {number(seconds)}\n')


def _power(families: Families, rows: Iterable[Any]) -> None:
    """Add the latest watts of each scope; of several scopes this version does not know the first is `other`."""
    add = families.adder("roadworthy_device_power_watts")
    for row in rows:
        watts: dict[str, tuple[str, float]] = {}
        for one in _ENERGY.decode(row.now).energy:
            if one.latest_watts is not None:
                scope = _word("energy.scope", one.scope)
                watts.setdefault(scope, (_word("energy.quality", one.quality), one.latest_watts))
        for scope, (quality, value) in watts.items():
            add(
                f'roadworthy_device_power_watts{{device_id="{row.device_id}",scope="{scope}",quality="{quality}"}}'
                f" {number(value)}\n"
            )


def _parts(families: Families, part: str, rows: Iterable[Any], names: tuple[str, str]) -> None:
    """Add what batteries or disks tell: `names` are the columns after device_id and name."""
    full = [f"roadworthy_device_{part}_{name}" for name in names]
    adders = [families.adder(name) for name in full]
    for device, part_name, *values in rows:
        pair = f'{{device_id="{device}",{part}="{_escaped(part_name)}"}}'
        for name, add, value in zip(full, adders, values, strict=True):
            if known(value):
                add(f"{name}{pair} {number(value)}\n")


def counted_phases(phases: Iterable[Any]) -> dict[str, float]:
    """Return {phase: seconds} of the phases that make up the total; a phase that came in pieces is one."""
    counted: dict[str, float] = defaultdict(float)
    for phase in phases:
        if phase.get("counted", True):
            counted[phase["name"]] += phase["seconds"]
    return dict(counted)


@lru_cache(maxsize=65536)
def _description(*values: str | None) -> str:
    """Return the label text after device_id; thousands of devices share few descriptions, hence the cache."""
    names = metric("roadworthy_device_info").labels[1:]
    return ",".join(
        f'{name}="{escaped(value or UNKNOWN)}"' for name, value in zip(names, values, strict=True)
    )


def _word(field: str, word: str) -> str:
    """Return `word` if the wire knows it; ingest counts those it does not when the half-hour is booked."""
    return word if word in WORDS[field] else OTHER


_escaped = lru_cache(maxsize=65536)(escaped)
