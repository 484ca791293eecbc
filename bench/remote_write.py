"""What the remote-write sink costs: samples a second of one core, encoding alone and the whole way from the database.

    python bench/remote_write.py [--devices 5000]

Seconds are of this process's processor time. Each device has four series (processor, memory, two scopes of energy).
  fresh    one half-hour of every device: each sample is a series of its own, the usual case
  backlog  48 half-hours of a 48th of the devices: what an outage of the receiver leaves
Columns, in samples a second of one core:
  encode   rows in memory to the compressed message (labels, protobuf, snappy)
  peer     the same series by prometheus_client's OpenMetrics text, which is what a push of text would cost
  job      the whole job, from the queue in SQLite to acknowledged and forgotten, to a receiver in a process of its own
           that reads and throws away; with it the longest write transaction in milliseconds
Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import cramjam
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import Engine, insert

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.remote_write import job, queue
from roadworthy_collector.remote_write.batch import pieces
from roadworthy_collector.remote_write.series import Labels, Row, encode
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import half_hours
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.half_hours import Energy, HalfHour, Use
from roadworthy_collector.store.schema import devices
from roadworthy_collector.store.upgrade import upgrade

HALF_HOUR = 1800
SLOTS = 48
SERIES = 4
MAX_SAMPLES = 5000
NOON = int(time.time()) // 86400 * 86400 - 86400


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=5000)
    count = parser.parse_args().devices
    found = {}
    print(
        f"{'':8} {'samples':>8} {'bytes':>7} {'encode':>9} {'peer':>9} {'job':>9} {'longest':>8}  a second of one core"
    )
    for name, keys in (("fresh", fresh(count)), ("backlog", backlog(count))):
        samples = len(keys) * SERIES
        encoded, size = encoding(keys)
        peered = peer(keys)
        whole, longest = whole_job(keys)
        found[name] = {
            "samples": samples,
            "bytes_per_sample": round(size / samples, 1),
            "encode_samples_per_s": round(samples / encoded),
            "peer_samples_per_s": round(samples / peered),
            "job_samples_per_s": round(samples / whole),
            "longest_transaction_ms": round(longest * 1000, 1),
        }
        one = found[name]
        print(
            f"{name:8} {samples:8} {one['bytes_per_sample']:7} {one['encode_samples_per_s']:9} "
            f"{one['peer_samples_per_s']:9} {one['job_samples_per_s']:9} {one['longest_transaction_ms']:5} ms"
        )
    print(json.dumps(found))


def fresh(count: int) -> list[tuple[int, int]]:
    """Return (device, start) of one half-hour of every device."""
    return [(device, NOON) for device in range(1, count + 1)]


def backlog(count: int) -> list[tuple[int, int]]:
    """Return (device, start) of a day of some devices."""
    return [
        (device, NOON + slot * HALF_HOUR)
        for device in range(1, max(1, count // SLOTS) + 1)
        for slot in range(SLOTS)
    ]


def device_id(device: int) -> str:
    return f"rwd_{device:032x}"


def told(device: int, start: int) -> list[tuple[str, float]]:
    """Return (series, value) of one half-hour."""
    counter = float(device * 1_000_000 + start % 86400)
    ratio = device % 1000 / 1000
    return [
        ("cpu", ratio),
        ("memory", 1 - ratio),
        ("energy:cpu:sensor", counter),
        ("energy:machine:modelled", 3 * counter),
    ]


def encoding(keys: list[tuple[int, int]]) -> tuple[float, int]:
    """Return the seconds to encode rows in memory, as requests of the usual size, and the bytes that makes."""
    rows = [
        Row(number, device_id(device), start, HALF_HOUR, told(device, start))
        for number, (device, start) in enumerate(sorted(keys, key=lambda key: key[1]))
    ]

    def run() -> int:
        labels = Labels({})
        return sum(
            len(cramjam.snappy.compress_raw(encode(piece, labels))) for piece in pieces(rows, MAX_SAMPLES)
        )

    return best(run), run()


def peer(keys: list[tuple[int, int]]) -> float:
    """Return the seconds prometheus_client needs to render as many samples, their values set beforehand."""
    registry = CollectorRegistry()
    names = {
        key: Gauge(f"roadworthy_{key.replace(':', '_')}", "x", ("device_id", "start"), registry=registry)
        for key, _ in told(0, 0)
    }
    for device, start in keys:
        for key, value in told(device, start):
            names[key].labels(device_id(device), str(start)).set(value)
    return best(lambda: len(generate_latest(registry)), repeats=1)


def whole_job(keys: list[tuple[int, int]]) -> tuple[float, float]:
    """Return the seconds of the job that empties a queue of these half-hours, and its longest write transaction."""
    with tempfile.TemporaryDirectory() as folder, receiver() as port:
        path = Path(folder) / "roadworthy.db"
        upgrade(path)
        engine = open_engine(path)
        settings = Settings(
            data=Path(folder),
            remote_write_url=f"http://127.0.0.1:{port}/",
            remote_write_max_samples=MAX_SAMPLES,
        )
        job.send(Work(engine, settings))
        fill(engine, keys)
        work = Work(engine, settings)
        began = time.process_time()
        sent = 0
        while sent < len(keys):
            sent += job.send(work)
        took = time.process_time() - began
        engine.dispose()
    assert work.longest_transaction_seconds is not None
    return took, work.longest_transaction_seconds


def fill(engine: Engine, keys: list[tuple[int, int]]) -> None:
    """Book half-hours and queue them, as ingest does."""
    with write_transaction(engine) as connection:
        rows = [
            {"id": device, "device_id": device_id(device), "site": 1, "unit": 1, "enrolled_at": 0}
            | {"last_report_at": int(time.time())}
            for device in sorted({device for device, _ in keys})
        ]
        connection.execute(insert(devices), rows)
        for begin in range(0, len(keys), 500):
            some = keys[begin : begin + 500]
            half_hours.append(connection, [closed(*key) for key in some])
            queue.enqueue(connection, some)
    with engine.connect() as connection:  # or the job's first transaction would tidy up after this one
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()


def closed(device: int, start: int) -> HalfHour:
    (_, cpu), (_, memory), (_, counter), (_, machine) = told(device, start)
    return HalfHour(
        *(device, start, HALF_HOUR, 30),
        *(Use(cpu, None, "sensor", "psutil"), Use(memory, None, "sensor", "psutil")),
        content_hash=b"12345678",
        states=(0, HALF_HOUR, 0, 0, 0, 0),
        energy=(
            Energy("cpu", 5, int(counter), HALF_HOUR, "sensor", "rapl", 0.05),
            Energy("machine", 15, int(machine), HALF_HOUR, "modelled", "power model", 0.2),
        ),
    )


@contextmanager
def receiver() -> Iterator[int]:
    """Run what reads requests and takes them, in a process of its own; yield its port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        process = multiprocessing.get_context("fork").Process(target=take, args=(listening,), daemon=True)
        process.start()
        try:
            yield port
        finally:
            process.terminate()
            process.join()


def take(listening: socket.socket) -> None:
    """Answer 204 to everything."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(listening.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.serve_forever()


def best(run: Callable[[], int], repeats: int = 3) -> float:
    """Return the seconds of processor time of the fastest run."""
    took = []
    for _ in range(repeats):
        gc.collect()
        began = time.process_time()
        run()
        took.append(time.process_time() - began)
    return min(took)


if __name__ == "__main__":
    main()
