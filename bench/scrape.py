"""What it costs to render all shards of the device detail, beside prometheus_client and beside plain joining.

    python bench/scrape.py [--devices 100000] [--shards N] [--url postgresql://user@host/database]

A database is filled with devices of twelve series each, and the very process `serve` keeps for it is asked for all
shards, compressed, as Prometheus asks. Seconds are of processor time unless it says wall:
  first   a process that has just been started, so everything is read (wall: the longest a scrape waits)
  all     every device has reported since the last look: seven of its twelve series are other ones
  usual   those have reported that do so within a minute, a fifteenth
  render  of `all` what is neither reading the database nor compressing: values in memory to text
  join    the same lines, made beforehand, only put together: nothing in Python can be faster
  peer    prometheus_client with the same series and values, at a capped number of them and scaled up: the cheaper of
          a registry of gauges and of a collector that makes its families from rows in memory. Once rendering alone,
          which goes with `render`; once answering a scrape as it does, compressed, which goes with `all`: it has
          nothing to read from a database
Best of two where it can be repeated. With --url (a new, empty database) the store is PostgreSQL, whose own processor
time is not counted. Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine, Table, bindparam, insert, update

from roadworthy_collector.metrics import lines
from roadworthy_collector.metrics.detail import DetailProcess
from roadworthy_collector.metrics.detail_process import LOOK_SECONDS, Wanted
from roadworthy_collector.metrics.shards import Shards, advised_shards
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries import detail as queries
from roadworthy_collector.store.upgrade import upgrade

NOW = 1_790_000_000
INTERVAL_SECONDS = 900
PEER_SERIES = 240_000
ROUNDS = 2
_ROWS = 5000
# Some 2 kB, as a workstation with 16 memory modules and all its hashes sends them: read past, but in the way.
FACTS = {
    "fingerprint": {f"fact{n}": "0123456789abcdef" * 4 for n in range(12)},
    "hardware": {
        "memory": {"modules": [{"slot": f"DIMM {n}", "part_number": "M471A1K43DB1"} for n in range(16)]}
    },
}


@dataclass
class Round:
    """All shards asked for once."""

    cpu_seconds: float  # of the process that renders
    relay_seconds: float  # processor time of this process, which does what `serve` does
    longest_seconds: float  # wall, of one shard
    bodies: list[bytes]


class Renderer:
    """The process, asked as `serve` asks it."""

    def __init__(self, settings: Settings, shards: int) -> None:
        self.process = DetailProcess(settings)
        self.shards = shards

    def all(self, now: float) -> Round:
        """Ask for every shard, one after the other."""
        before = self.process.stats.cpu_seconds
        relay, longest, bodies = time.process_time(), 0.0, []
        for shard in range(self.shards):
            began = time.perf_counter()
            wanted = Wanted(shard, self.shards, now, gzip=True)
            bodies.append(asyncio.run(self.process.render(wanted)))
            longest = max(longest, time.perf_counter() - began)
        used = self.process.stats.cpu_seconds - before
        return Round(used, time.process_time() - relay, longest, bodies)


def main() -> None:
    """Measure, print a table, and one JSON object on the last line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--devices", type=int, default=100_000)
    arguments.add_argument("--shards", type=int, help="as /sd/devices lists unless said")
    arguments.add_argument("--url", help="a new PostgreSQL database, without a password")
    chosen = arguments.parse_args()
    shards = chosen.shards or advised_shards(chosen.devices)
    with tempfile.TemporaryDirectory(prefix="roadworthy-bench-") as folder:
        settings = Settings(data=Path(folder), database_url=chosen.url)
        upgrade(settings.database)
        engine = open_engine(settings.database)
        began = time.perf_counter()
        fill(engine, chosen.devices)
        print(f"{chosen.devices} devices put in within {time.perf_counter() - began:.0f} s", flush=True)
        result = measure(engine, settings, chosen.devices, shards)
        engine.dispose()
    print(json.dumps({"store": "sqlite" if chosen.url is None else "postgresql"} | result))


def measure(engine: Engine, settings: Settings, devices: int, shards: int) -> dict[str, Any]:
    """Return all figures, after printing them."""
    renderer = Renderer(settings, shards)
    try:
        first = renderer.all(NOW)
        every = [changed(engine, renderer, 1, devices, turn) for turn in range(1, ROUNDS + 1)]
        usual = [changed(engine, renderer, 15, devices, turn + ROUNDS) for turn in range(1, ROUNDS + 1)]
        resident = renderer.process.stats.resident_bytes or 0
    finally:
        renderer.process.close()
    worst, minute = (min(rounds, key=lambda one: one.cpu_seconds) for rounds in (every, usual))
    texts = [gzip.decompress(body) for body in worst.bodies]
    series = sum(map(samples_in, texts))
    render = rendering(engine, shards)
    peer_render, peer, peer_series = peer_seconds(texts)
    scale = series / peer_series
    figures: dict[str, Any] = {
        "devices": devices,
        "shards": shards,
        "series": series,
        "seconds": worst.cpu_seconds,
        "usual_seconds": minute.cpu_seconds,
        "render_seconds": render,
        "join_seconds": joined(texts),
        "prometheus_client_seconds": peer * scale,
        "prometheus_client_render_seconds": peer_render * scale,
        "prometheus_client_series": peer_series,
        "ratio": peer * scale / worst.cpu_seconds,
        "render_ratio": peer_render * scale / render,
        "relay_seconds": worst.relay_seconds,
        "shard_bytes_max": max(map(len, texts)),
        "shard_series_max": max(map(samples_in, texts)),
        "shard_seconds_max": max(one.longest_seconds for one in usual),
        "worst_shard_seconds_max": max(one.longest_seconds for one in every),
        "first_cpu_seconds": first.cpu_seconds,
        "first_seconds": first.longest_seconds,
        "bytes": sum(map(len, texts)),
        "gzip_bytes": sum(map(len, worst.bodies)),
        "child_rss_mb": resident / 1e6,
    }
    rounded = {
        name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()
    }
    for name, value in rounded.items():
        print(f"{name:>36} {value:>14}", flush=True)
    return rounded


def changed(engine: Engine, renderer: Renderer, part: int, devices: int, turn: int) -> Round:
    """Let one of `part` devices report, wait until the process looks again, and ask for all shards."""
    now = NOW + 60 * turn
    keys = range(turn % part + 1, devices + 1, part)
    with write_transaction(engine) as connection:
        report(connection, keys, turn)
    time.sleep(LOOK_SECONDS)
    gc.collect()
    return renderer.all(now)


def device_id(number: int) -> str:
    return f"rwd_{number * 0x9E3779B97F4A7C15 % 2**128:032x}"


def now_text(number: int, turn: int) -> dict[str, Any]:
    """Return the open half-hour of a device, as long as a real one."""
    use = {"mean_ratio": 0.125, "p95_ratio": 0.25, "quality": "sensor", "source": "/proc/stat"}
    state = dict.fromkeys(("in_use", "idle", "locked", "asleep", "off", "unobserved"), 100)
    energy = {"scope": "cpu", "quality": "sensor", "source": "powercap: package-0", "covered_seconds": 600}
    told = {
        "joules": 14012,
        "counter_end_joules": 9912345 + number,
        "latest_watts": (number + turn) % 90 + 0.5,
    }
    return {
        "at": NOW, "start": NOW, "state_seconds": state, "cpu": use, "memory": use, "energy": [energy | told]
    }  # fmt: skip


def fill(engine: Engine, devices: int) -> None:
    """Put the devices in: 40 sites, 60 units, 50 models, 6 operating systems, five start-ups each."""
    with write_transaction(engine) as connection:
        put(
            connection,
            schema.sites,
            [{"id": n, "name": f"Site {n}", "kind": "force", "restricted": False} for n in range(2, 42)],
        )
        put(connection, schema.units, [{"id": n, "name": f"Unit {n}", "valid_from": 0} for n in range(2, 62)])
        for begin in range(1, devices + 1, _ROWS):
            numbers = range(begin, min(begin + _ROWS, devices + 1))
            put(connection, schema.devices, [device(n) for n in numbers])
            put(
                connection,
                schema.device_now,
                [{"device": n, "start": 0, "observed_seconds": 600} | now_of(n, 0) for n in numbers],
            )
            put(connection, schema.startups, [startup(n, boot) for n in numbers for boot in range(5)])
            put(
                connection,
                schema.probe_status,
                [{"device": n, "probe": "os", "status": "ok", "since": 0, "updated_at": 0} for n in numbers],
            )
            put(
                connection,
                schema.energy_counters,
                [{"device": n, "scope": "cpu", "quality": "sensor"} | counter_of(n, 0) for n in numbers],
            )
            put(
                connection,
                schema.disks,
                [
                    {"device": n, "name": "nvme0n1", "medium": "ssd", "wear_ratio": n % 100 / 100}
                    for n in numbers
                ],
            )
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")


def put(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    connection.execute(insert(table), rows)


def device(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "device_id": device_id(number),
        "site": number % 40 + 2,
        "unit": number % 60 + 2,
        "enrolled_at": 0,
        "last_report_at": heard(number, 0),
        "next_call_seconds": INTERVAL_SECONDS,
        "model": f"OptiPlex {7000 + number % 50}",
        "os_name": "Windows 11 Enterprise",
        "os_version": f"10.0.26{number % 6}00",
        "device_class": "desktop",
        "environment": "physical",
        "system_medium": "ssd",
        "facts": FACTS,
        "facts_at": 0,
        "facts_sent_at": 0.5,
        "latest_sent_at": heard(number, 0) + 0.25,
        "probes_sent_at": 0.5,
    }


def startup(number: int, boot: int) -> dict[str, Any]:
    return {
        "device": number,
        "start_id": f"b{boot}:1",
        "revision": 1,
        "final": True,
        "kind": "cold",
        "environment": "physical",
        "started_at": NOW - 86400.0 * (boot + 1),
        "total_seconds": 30.75 + number % 100,
        "usable_seconds": 28.5 + number % 100,
        "quality": "measured",
        "phases": [{"name": "all", "seconds": 30.0, "counted": False}],
        "factors": [],
        "content_hash": b"12345678",
    }


def heard(number: int, turn: int) -> int:
    """Return when a device reported: spread over the quarter of an hour before, none in the seconds just gone."""
    return NOW + 60 * turn - 10 - number % 880


def now_of(number: int, turn: int) -> dict[str, Any]:
    return {
        "at": heard(number, turn),
        "uptime_seconds": 86400.5 + 60 * turn + number,
        "cpu_ratio": (number + 7 * turn) % 10000 / 10000,
        "memory_ratio": (3 * number + turn) % 10000 / 10000,
        "now": now_text(number, turn),
    }


def counter_of(number: int, turn: int) -> dict[str, Any]:
    return {"until": NOW + 60 * turn, "counter_end_joules": 10_000_000 + 1000 * turn + number}


def report(connection: Connection, numbers: Sequence[int], turn: int) -> None:
    """Write what a report of each device changes."""
    d, n, e = schema.devices, schema.device_now, schema.energy_counters
    for table, key, rows in (
        (
            d,
            d.c.id,
            ({"last_report_at": heard(k, turn), "latest_sent_at": heard(k, turn) + 0.25} for k in numbers),
        ),
        (n, n.c.device, (now_of(k, turn) for k in numbers)),
        (e, e.c.device, (counter_of(k, turn) for k in numbers)),
    ):
        keyed = [{"b_key": k, **row} for k, row in zip(numbers, rows, strict=True)]
        values: dict[str, Any] = {name: bindparam(name) for name in keyed[0] if name != "b_key"}
        connection.execute(update(table).where(key == bindparam("b_key")).values(values), keyed)


def rendering(engine: Engine, shards: int) -> float:
    """Return the processor time of putting what every report brings into text and of joining all shards.

    The rows are read beforehand, so the database has no part in it.
    """
    detail = Shards(engine, interval_seconds=INTERVAL_SECONDS)
    now = NOW + 60 * 2 * ROUNDS
    detail.look(now)
    for shard in range(shards):
        detail.render(shard, shards, now=now)
    with engine.connect() as connection:
        ids = [key for key, *_ in queries.list_standing(connection)]
        names: dict[int, str] = {row[0]: row[1] for row in queries.list_standing(connection)}
        rows = list(queries.read_now(connection, ids))
        energy = list(queries.read_energy_counters(connection, ids))
    own: dict[int, lines.Lines] = {key: device.lines for key, device in detail.held().items()}

    def run() -> None:
        for key, uptime, cpu, memory, text, *_ in rows:
            lines.set_now(own[key], names[key], now, uptime, cpu, memory)
            lines.set_power(own[key], names[key], text)
        for key, scope, quality, joules in energy:
            lines.set_energy(own[key], names[key], [(scope, quality, joules)])
        for shard in range(shards):
            detail.render(shard, shards, now=now)

    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        return best(run)
    finally:
        gc.enable()


def samples_in(text: bytes) -> int:
    return sum(not line.startswith(b"#") for line in text.splitlines())


def joined(texts: Sequence[bytes]) -> float:
    """Return the processor time of joining lines that are there already, shard by shard."""
    lines = [text.decode().splitlines(keepends=True) for text in texts]
    return best(lambda: [("".join(some)).encode() for some in lines])


def peer_seconds(texts: Sequence[bytes]) -> tuple[float, float, int]:
    """Return prometheus_client's seconds to render and to answer, for so many of the same series, and how many."""
    taken: list[bytes] = []
    while len(taken) < len(texts) and sum(map(samples_in, taken)) < PEER_SERIES:
        taken.append(texts[len(taken)])
    found: dict[str, tuple[str, list[Any]]] = {}
    for text in taken:
        for family in text_string_to_metric_families(text.decode()):
            for sample in family.samples:
                found.setdefault(sample.name, (family.documentation, []))[1].append(sample)
    wanted = {key(sample) for _, samples in found.values() for sample in samples}
    gc.collect()
    gc.freeze()  # what was made up to here is not the peer's, and its collector of cycles need not search it
    gauges, collector = CollectorRegistry(), CollectorRegistry()
    for name, (words, samples) in found.items():
        names = list(samples[0].labels)
        gauge = Gauge(name, words, names, registry=gauges)
        for sample in samples:
            gauge.labels(*sample.labels.values()).set(sample.value)
    collector.register(FromRows(found))
    told = {
        key(sample)
        for family in text_string_to_metric_families(generate_latest(collector).decode())
        for sample in family.samples
    }
    assert told == wanted, "the peer was given other series"
    assert set(generate_latest(gauges).splitlines()) == set(generate_latest(collector).splitlines())
    render = min(best(lambda: generate_latest(gauges)), best(lambda: generate_latest(collector)))
    answer = min(best(lambda: scraped(gauges)), best(lambda: scraped(collector)))
    return render, answer, len(wanted)


def scraped(registry: CollectorRegistry) -> list[bytes]:
    """Return what prometheus_client's own application answers Prometheus."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "HTTP_ACCEPT_ENCODING": "gzip"}
    return list(make_wsgi_app(registry)(environ, lambda *_: None))


def key(sample: Any) -> tuple[Any, ...]:
    return sample.name, tuple(sorted(sample.labels.items())), sample.value


class FromRows(Collector):
    """A collector as prometheus_client's documentation has it: families made anew for each scrape."""

    def __init__(self, rows: dict[str, tuple[str, list[Any]]]) -> None:
        self._rows = [
            (
                name,
                words,
                list(samples[0].labels),
                [(list(one.labels.values()), one.value) for one in samples],
            )
            for name, (words, samples) in rows.items()
        ]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every family."""
        for name, words, labels, rows in self._rows:
            family = GaugeMetricFamily(name, words, labels=labels)
            for values, value in rows:
                family.add_metric(values, value)
            yield family


def best(run: Callable[[], object]) -> float:
    """Return the processor seconds of the fastest of three runs."""
    found = []
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        run()
        found.append(time.process_time() - began)
    return min(found)


if __name__ == "__main__":
    main()
