"""How long one shard of the device detail takes to render, beside prometheus_client and beside plain joining.

    python bench/shards.py [--devices 10000 100000] [--peer-up-to 10000]

Four figures for each size, best of three, one core:
  database  what a scrape costs: rows read from SQLite and rendered (metrics.shards.render_shard)
  render    the rendering alone, from rows in memory
  join      the same lines, made beforehand, only put together: nothing in Python can be faster
  peer      prometheus_client: gauges with labels set and generate_latest called, the same series and values
The peer needs a second and 130 MB for 100,000 samples, so past --peer-up-to it is left out.

The devices: all have a disk that tells its wear, half are laptops with a battery, the other half tell power in two
scopes by the half-hour. Facts and the open half-hour are as long as real ones, because they are read or passed over.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.shards import Details, Families, render_details, render_shard
from roadworthy_collector.store.engine import open_engine, upgrade, write_transaction

NOW = 1_790_000_000
PROBES = ("hardware", "os", "startup", "storage", "utilisation")
PHASES = [{"name": "kernel", "seconds": 3.25}, {"name": "userspace", "seconds": 27.5}]
REPEATS = 3
SCOPES = ("cpu", "machine")
# Some 2 kB, as a workstation with 16 memory modules and all its hashes sends them.
FACTS = {
    "fingerprint": {f"fact{n}": "0123456789abcdef" * 4 for n in range(12)},
    "hardware": {
        "memory": {"modules": [{"slot": f"DIMM {n}", "part_number": "M471A1K43DB1"} for n in range(16)]}
    },
    "storage": [
        {"name": "nvme0n1", "model": "SAMSUNG MZVL2512HCJQ-00BL7", "medium": "nvme", "holds_system": True}
    ],
}


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--devices", type=int, nargs="+", default=[10_000, 100_000])
    arguments.add_argument("--peer-up-to", type=int, default=10_000)
    chosen = arguments.parse_args()
    print(
        f"{'devices':>8} {'samples':>9} {'MB':>6} {'database':>9} {'render':>8} {'join':>8} {'peer':>8}  ratios"
    )
    for count in chosen.devices:
        measure(count, with_peer=count <= chosen.peer_up_to)


def measure(count: int, *, with_peer: bool) -> None:
    """Measure and print one size."""
    details = make(count)
    body = render(details)
    lines = [f"{line}\n" for line in body.decode().splitlines()]
    samples = sum(not line.startswith("#") for line in lines)
    database = from_database(count)
    rendering = best(lambda: render(details))
    joining = best(lambda: "".join(lines).encode())
    peer = best(lambda: generate_latest(peer_registry(details))) if with_peer else None
    if with_peer:
        assert same(generate_latest(peer_registry(details)), body), "the peer was given other series"
    shown = f"{peer:8.2f}" if peer is not None else f"{'-':>8}"
    ratios = f"render = {rendering / joining:.1f} x join"
    if peer is not None:
        ratios += f", peer = {peer / rendering:.1f} x render, {peer / database:.1f} x database"
    print(
        f"{count:8} {samples:9} {len(body) / 1e6:6.1f} {database:9.2f} {rendering:8.2f} {joining:8.3f} {shown}  {ratios}",
        flush=True,
    )


def best(run: Callable[[], object]) -> float:
    """Return the seconds of the fastest of three runs."""
    found = []
    for _ in range(REPEATS):
        gc.collect()
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def device_id(number: int) -> str:
    return f"rwd_{number:032x}"


def make(count: int) -> Details:
    """Return rows like those of an IT estate: 40 sites, 60 units, 50 models, 6 operating systems."""
    return Details(
        devices=[
            (
                *(device_id(number), f"Site {number % 40}", f"Unit {number % 60}", f"Model {number % 50}"),
                *(f"System {number % 6}", "desktop", "physical", NOW - number % 900),
                *(number + 0.5, number % 1000 / 1000, number % 777 / 777),
            )
            for number in range(count)
        ],
        startups=[
            SimpleNamespace(
                device_id=device_id(number),
                kind="cold",
                quality="measured",
                total_seconds=30.75 + number % 100,
                usable_seconds=28.5 + number % 100,
                phases=PHASES,
            )
            for number in range(count)
        ],
        probes=[
            SimpleNamespace(device_id=device_id(number), probe=probe, status="ok")
            for number in range(count)
            for probe in PROBES
        ],
        power=[
            SimpleNamespace(device_id=device_id(number), now=now_text(number))
            for number in range(1, count, 2)
        ],
        batteries=[(device_id(number), "BAT0", 0.87, number % 900) for number in range(0, count, 2)],
        disks=[(device_id(number), "nvme0n1", number % 100 / 100, False) for number in range(count)],
    )


def now_text(number: int) -> str:
    """Return the open half-hour of a device as kept: those of odd numbers tell their power."""
    use = {"mean_ratio": 0.125, "p95_ratio": 0.25, "quality": "sensor", "source": "/proc/stat"}
    state = dict.fromkeys(("in_use", "idle", "locked", "asleep", "off", "unobserved"), 100)
    whole: dict[str, Any] = {"at": NOW, "start": NOW, "state_seconds": state, "cpu": use, "memory": use}
    if number % 2:
        known = {"quality": "sensor", "source": "powercap: package-0", "covered_seconds": 600}
        told = {"joules": 14012, "counter_end_joules": 9912345 + number, "latest_watts": number % 90 + 0.5}
        whole["energy"] = [{"scope": scope, **known, **told} for scope in SCOPES]
    return json.dumps(whole, separators=(",", ":"))


def render(details: Details) -> bytes:
    families = Families()
    render_details(families, details)
    return families.body()


def peer_registry(details: Details) -> CollectorRegistry:
    """Return prometheus_client's registry with the same series."""
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}

    def put(name: str, labels: Sequence[str | None], value: float) -> None:
        full = f"roadworthy_device_{name}"
        if full not in gauges:
            gauges[full] = Gauge(full, metric(full).help, metric(full).labels, registry=registry)
        gauges[full].labels(*labels).set(value)

    for device, *described, heard, uptime, cpu, memory in details.devices:
        put("info", (device, *described), 1)
        put("last_report_timestamp_seconds", (device,), heard)
        put("uptime_seconds", (device,), uptime)
        put("cpu_ratio", (device,), cpu)
        put("memory_ratio", (device,), memory)
    for row in details.startups:
        put("startup_info", (row.device_id, row.kind, row.quality), 1)
        put("startup_seconds", (row.device_id,), row.total_seconds)
        put("startup_usable_seconds", (row.device_id,), row.usable_seconds)
        for phase in row.phases:
            put("startup_phase_seconds", (row.device_id, phase["name"]), phase["seconds"])
    for row in details.probes:
        put("probe_up", (row.device_id, row.probe), 1)
    put_parts(put, details)
    return registry


def put_parts(put: Callable[[str, Sequence[str | None], float], None], details: Details) -> None:
    """Put power, batteries and disks into the peer's gauges."""
    for row in details.power:
        for one in json.loads(row.now)["energy"]:
            put("power_watts", (row.device_id, one["scope"], one["quality"]), one["latest_watts"])
    for part, rows, names in (
        ("battery", details.batteries, ("health_ratio", "cycles")),
        ("disk", details.disks, ("wear_ratio", "failing")),
    ):
        for device, part_name, *values in rows:
            for name, value in zip(names, values, strict=True):
                put(f"{part}_{name}", (device, part_name), value)


def same(one: bytes, other: bytes) -> bool:
    """Whether two expositions say the same, read by the same parser."""

    def samples(body: bytes) -> set[Any]:
        return {
            (sample.name, tuple(sorted(sample.labels.items())), sample.value)
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    return samples(one) == samples(other)


def from_database(count: int) -> float:
    """Return the seconds one shard of a database of `count` such devices takes."""
    with tempfile.TemporaryDirectory(prefix="roadworthy-bench-") as folder:
        path = Path(folder) / "roadworthy.db"
        upgrade(path)
        engine = open_engine(path)
        with write_transaction(engine) as connection:
            fill(connection, count)
        seconds = best(lambda: render_shard(engine, 0, 1, now=NOW, interval_seconds=900))
        engine.dispose()
    return seconds


def fill(connection: Any, count: int) -> None:
    """Put the devices in by plain SQL."""
    numbers = range(1, count + 1)
    facts = json.dumps(FACTS)
    put = connection.exec_driver_sql
    put(
        "INSERT INTO sites (name, kind, restricted) VALUES (?, 'force', 0)",
        [(f"Site {n}",) for n in range(40)],
    )
    put("INSERT INTO units (name, valid_from) VALUES (?, 0)", [(f"Unit {n}",) for n in range(60)])
    put(
        "INSERT INTO devices (id, device_id, site, unit, enrolled_at, last_report_at, next_call_seconds, model,"
        " os_name, os_version, device_class, environment, system_medium, facts)"
        " VALUES (?, ?, ?, ?, 0, ?, 900, ?, 'System', ?, 'desktop', 'physical', 'ssd', ?)",
        [
            (n, device_id(n), n % 40 + 1, n % 60 + 1, NOW - n % 900, f"Model {n % 50}", str(n % 6), facts)
            for n in numbers
        ],
    )
    fill_parts(connection, numbers)
    put(
        "INSERT INTO device_now (device, at, start, observed_seconds, uptime_seconds, cpu_ratio, memory_ratio, now)"
        " VALUES (?, ?, 0, 600, ?, ?, ?, ?)",
        [(n, NOW, n + 0.5, n % 1000 / 1000, n % 777 / 777, now_text(n)) for n in numbers],
    )
    put(
        "INSERT INTO startups (device, start_id, revision, final, kind, environment, started_at, total_seconds,"
        " usable_seconds, quality, phases, factors, content_hash) VALUES (?, ?, 1, 1, 'cold', 'physical', ?, ?, ?,"
        ' \'measured\', \'[{"name": "kernel", "seconds": 3.25}, {"name": "userspace", "seconds": 27.5}]\','
        " '[]', x'00')",
        [
            (n, f"b{k}:1", NOW - 86400.0 * k, 30.75 + n % 100, 28.5 + n % 100)
            for n in numbers
            for k in range(5)
        ],
    )
    put(
        "INSERT INTO probe_status (device, probe, status, since, updated_at) VALUES (?, ?, 'ok', 0, 0)",
        [(n, probe) for n in numbers for probe in PROBES],
    )


def fill_parts(connection: Any, numbers: range) -> None:
    """Put batteries and disks in."""
    connection.exec_driver_sql(
        "INSERT INTO batteries (device, name, health_ratio, cycles) VALUES (?, 'BAT0', 0.87, ?)",
        [(n, n % 900) for n in numbers if n % 2 == 0],
    )
    connection.exec_driver_sql(
        "INSERT INTO disks (device, name, medium, holds_system, wear_ratio, failing)"
        " VALUES (?, 'nvme0n1', 'nvme', 1, ?, 0)",
        [(n, n % 100 / 100) for n in numbers],
    )


if __name__ == "__main__":
    main()
