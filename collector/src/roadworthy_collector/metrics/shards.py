"""The device detail: what `/metrics/devices?shard=i&shards=n` answers, as text kept ready per device.

A device belongs to the shard that the first eight bytes of the BLAKE2b of its id name, so it keeps its shard while
the number of shards stays, and a new number makes no new series because no label depends on it. A silent device
leaves after three of its intervals: Prometheus then marks its series as stale by itself.

`Shards` looks at a few columns of every device, compares them with what it saw before, and reads the rest only of
those in which something differs, and only when a shard they are in is asked for. It compares and does not ask for
what is newer than the last look, because clocks step and each of several collectors has its own. What changes
without a report (a half-hour pruned by age) shows after the device's next report. docs/decisions/0021.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, Engine

from roadworthy_collector.metrics import lines as text
from roadworthy_collector.metrics.lines import Lines
from roadworthy_collector.store.queries import detail as queries
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.queries.states import MISSING_INTERVALS

MAX_SHARDS = 256
# A device has between 12 samples and, the richest recorded, 31 of 3.3 kB together: a shard of this many of those stays
# within 60,000 samples, 5 MB and two seconds (docs/performance.md), also where more than its share fall into one.
DEVICES_PER_SHARD = 1024
# Two reports within one second may leave every column looked at as it was, so a device heard this lately is read
# again at the next look.
UNSETTLED_SECONDS = 5
# How many numbers of shards are remembered: two, for a while, when the number is changed.
_SPLITS = 4
_CHUNK = 5000
_AT_ONCE = 100_000


# What of a device has to be read again, as bits. Plain numbers: an enumeration's arithmetic takes ten times as long.
_NOW = 1  # what any report may bring: now-values, power, energy, a start-up
_PROBES = 2
_FACTS = 4  # description, batteries, disks
_ALL = _NOW | _PROBES | _FACTS


class _Device:
    """A device as last looked at, and its text."""

    __slots__ = (
        "device_id",
        "last_report_at",
        "lines",
        "number",
        "row",
        "site",
        "stale",
        "startup",
        "unit",
        "until",
    )

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self.number = _number(device_id)
        self.row: tuple[Any, ...] | None = None
        self.site = self.unit = 0
        self.last_report_at = 0  # UTC epoch seconds
        self.until = 0  # counts as heard until then
        self.stale = _ALL
        self.startup: float | None = None  # when the start-up shown began
        self.lines = text.no_lines()

    def see(self, row: tuple[Any, ...], now: float, interval_seconds: int) -> bool:
        """Take a row of `list_standing` that is not the one seen before; return whether its text was up to date."""
        known = not self.stale
        held = self.row
        _, _, self.site, self.unit, self.last_report_at, next_call_seconds, *_ = row
        self.until = self.last_report_at + MISSING_INTERVALS * (next_call_seconds or interval_seconds)
        self.row = None if abs(now - self.last_report_at) <= UNSETTLED_SECONDS else row
        if held is None:
            self.stale = _ALL
            return known
        self.stale |= _NOW
        if held[2:4] != row[2:4] or held[6:8] != row[6:8]:
            self.stale |= _FACTS
        if held[9] != row[9]:
            self.stale |= _PROBES
        return known


class Shards:
    """The detail of every device, kept up to date from the database of `engine`."""

    def __init__(self, engine: Engine, *, interval_seconds: int) -> None:
        self._engine = engine
        self._interval_seconds = interval_seconds
        self._devices: dict[int, _Device] = {}
        self._names: tuple[dict[int, str], dict[int, str]] = ({}, {})
        self._splits: dict[int, list[list[tuple[int, _Device]]]] = {}

    def look(self, now: float) -> int:
        """See which devices stand and which have changed; return how many have. `now`: UTC epoch seconds.

        Those held already are read at once, in the order they are stored in, which takes half the time of reading
        them shard by shard; but not so many that the scrape that looks has to wait for long. The others, and new
        ones, wait for their shard to be asked for: after a start these are all.
        """
        held, seen = self._devices, dict[int, _Device]()
        changed = added = 0
        stale: dict[int, _Device] = {}
        with self._engine.connect() as connection:
            names = queries.read_places(connection)
            for row in queries.list_standing(connection):
                key, device_id, *_ = row
                device = held.get(key)
                if device is None or device.device_id != device_id:
                    device = _Device(device_id)
                    added += 1
                if device.row != row:
                    changed += 1
                    if device.see(row, now, self._interval_seconds):
                        stale[key] = device
                seen[key] = device
            if added or len(seen) != len(held):
                self._splits.clear()
            self._devices = seen
            if names != self._names:
                self._rename(names)
            self._read(connection, {key: stale[key] for key in sorted(stale)[:_AT_ONCE]})
        return changed

    def held(self) -> Mapping[int, _Device]:
        """Return what is held of each device by its row id."""
        return self._devices

    def render(self, shard: int, shards: int, *, now: float, scope: Scope = EVERYTHING) -> list[bytes]:
        """Return the text of one shard as of the last look, in pieces; reads what has changed in it since.

        Only of devices heard, and of units in `scope`.
        """
        heard = int(now)
        shown = [
            (key, device)
            for key, device in self._split(shards)[shard]
            if device.until >= heard and (scope is None or device.unit in scope)
        ]
        if stale := {key: device for key, device in shown if device.stale}:
            with self._engine.connect() as connection:
                self._read(connection, stale)
        columns = list(zip(*[device.lines for _, device in shown], strict=True))
        pieces = []
        # No device, no columns.
        for family, column in zip(text.FAMILIES, columns, strict=bool(columns)):
            if lines := "".join(column):
                pieces += [family.header.encode(), lines.encode()]
        return pieces

    def _split(self, shards: int) -> list[list[tuple[int, _Device]]]:
        """Return the devices of each shard in the order of their row ids."""
        if shards not in self._splits:
            split: list[list[tuple[int, _Device]]] = [[] for _ in range(shards)]
            for key, device in sorted(self._devices.items()):
                split[device.number % shards].append((key, device))
            while len(self._splits) >= _SPLITS:
                del self._splits[next(iter(self._splits))]
            self._splits[shards] = split
        return self._splits[shards]

    def _rename(self, names: tuple[dict[int, str], dict[int, str]]) -> None:
        """Take the names of sites and units, and describe anew the devices of those that have another one."""
        sites, units = (
            {key for key, name in new.items() if old.get(key) != name}
            for new, old in zip(names, self._names, strict=True)
        )
        for device in self._devices.values():
            if device.site in sites or device.unit in units:
                device.stale |= _FACTS
        self._names = names

    def _read(self, connection: Connection, stale: dict[int, _Device]) -> None:
        """Read of some devices what is stale."""
        keys = sorted(stale)
        for begin in range(0, len(keys), _CHUNK):
            some = {key: stale[key] for key in keys[begin : begin + _CHUNK]}
            _read_now(connection, _some(some, _NOW))
            _read_lists(connection, _some(some, _PROBES), queries.read_probe_states, text.set_probes)
            self._read_facts(connection, _some(some, _FACTS))
            for device in some.values():  # only now: a read may fail half way
                device.stale = 0

    def _read_facts(self, connection: Connection, devices: dict[int, _Device]) -> None:
        """Read what devices are and what they are made of."""
        if not devices:
            return
        sites, units = self._names
        for key, *described in queries.read_descriptions(connection, list(devices)):
            device = devices[key]
            places = (sites.get(device.site), units.get(device.unit))
            text.set_description(device.lines, device.device_id, (*places, *described))
        _read_lists(connection, devices, queries.read_batteries, text.set_batteries)
        _read_lists(connection, devices, queries.read_disks, text.set_disks)


def _number(device_id: str) -> int:
    """Return the number whose remainder is the device's shard."""
    return int.from_bytes(blake2b(device_id.encode()).digest()[:8], "big")


def shard_of(device_id: str, shards: int) -> int:
    """Return which of `shards` shows the device."""
    return _number(device_id) % shards


def advised_shards(devices: int) -> int:
    """Return into how many shards so many devices belong: a power of two, so that it seldom changes."""
    count = 1
    while count < MAX_SHARDS and count * DEVICES_PER_SHARD < devices:
        count *= 2
    return count


def render_shard(engine: Engine, shard: int, shards: int, *, now: float, interval_seconds: int) -> bytes:
    """Return the detail of one shard, everything read from scratch."""
    detail = Shards(engine, interval_seconds=interval_seconds)
    detail.look(now)
    return b"".join(detail.render(shard, shards, now=now))


def _some(stale: dict[int, _Device], what: int) -> dict[int, _Device]:
    return {key: device for key, device in stale.items() if device.stale & what}


def _read_now(connection: Connection, devices: dict[int, _Device]) -> None:
    """Read what any report may bring."""
    if not devices:
        return
    begun: dict[int, _Device] = {}
    for key, uptime, cpu, memory, now, newest, second in queries.read_now(connection, list(devices)):
        device = devices[key]
        text.set_now(device.lines, device.device_id, device.last_report_at, uptime, cpu, memory)
        text.set_power(device.lines, device.device_id, now)
        # A final start-up never changes, so there is nothing to read while the newest is the one shown; unless
        # there are two of that instant.
        if newest != device.startup or (newest is not None and newest == second):
            begun[key] = device
    _read_startups(connection, begun)
    _read_lists(connection, devices, queries.read_energy_counters, text.set_energy)


def _read_startups(connection: Connection, devices: dict[int, _Device]) -> None:
    """Read the newest final start-up of each; of two that began at the same instant the first counts."""
    if not devices:
        return
    newest: dict[int, tuple[Any, ...]] = {}
    for key, *startup in queries.read_last_startups(connection, list(devices)):
        newest.setdefault(key, tuple(startup))
    for key, device in devices.items():
        found = newest.get(key)
        device.startup = None if found is None else found[0]
        text.set_startup(device.lines, device.device_id, None if found is None else found[1:])


def _read_lists(
    connection: Connection,
    devices: dict[int, _Device],
    read: Callable[[Connection, Sequence[int]], Iterable[tuple[Any, ...]]],
    write: Callable[[Lines, str, Iterable[Any]], None],
) -> None:
    """Read of what a device may have several: rows that begin with its row id."""
    if not devices:
        return
    found: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for key, *values in read(connection, list(devices)):
        found[key].append(values)
    for key, device in devices.items():
        write(device.lines, device.device_id, found.get(key, ()))
