"""How fast reports are taken in, beside the limit of the database alone.

    python bench/ingest.py [--seconds 10] [--devices 200]

1. In process: settlement periods a second through `write_reports`, the way the demo and a backlog come in.
2. Over HTTP on loopback: reports a second through the whole collector, one half-hour each, every one durable before
   it is answered, on kept connections.
Beside each stands what plain sqlite3 does with the very same rows on the same disk: the limit nothing here can pass.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Engine, insert

from roadworthy_collector.ingest import wire
from roadworthy_collector.ingest.batch import Incoming, write_reports
from roadworthy_collector.ingest.decode import ReportDecoder
from roadworthy_collector.security import tokens
from roadworthy_collector.store.engine import open_engine, upgrade, write_transaction
from roadworthy_collector.store.schema import devices

PERIODS = 672  # of a fortnight
AT_ONCE = 20  # devices per transaction
CONNECTIONS = 64
TABLES = ("periods", "state_periods", "energy_periods", "dirty")
NEWEST = (int(time.time()) - 3600) // 1800 * 1800


def main() -> None:
    """Run both and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to send over HTTP")
    parser.add_argument("--devices", type=int, default=200, help="devices of a fortnight each, in process")
    asked = parser.parse_args()
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}\n")
    with tempfile.TemporaryDirectory() as folder:
        in_process(Path(folder), asked.devices)
    with tempfile.TemporaryDirectory() as folder:
        over_http(Path(folder), asked.seconds)


def in_process(folder: Path, count: int) -> None:
    """Measure settlement periods a second without HTTP."""
    with database(folder / "ingest.db") as engine:
        fleet = enrol(engine, count)
        reports = [report(device_id, n, PERIODS) for n, (_, device_id, _) in enumerate(fleet)]
        bodies = [msgspec.json.encode(each) for each in reports]
        total = count * PERIODS
        incoming = [Incoming(row, each) for (row, _, _), each in zip(fleet, reports, strict=True)]
        written = timed(lambda: write_all(engine, incoming))
        rows = read_rows(folder / "ingest.db")
    decoder = ReportDecoder()
    read = timed(lambda: [decoder.decode(body) for body in bodies])
    plain = timed(lambda: insert_plainly(folder / "plain.db", rows))
    print(f"in process, {total:,} periods of {count} devices, each with state and energy")
    line("decoding alone (msgspec, whole reports)", total / read, "periods/s", total / plain)
    line("write_reports, durable", total / written, "periods/s", total / plain)
    line("limit: sqlite3.executemany of the same rows", total / plain, "periods/s", total / plain)


def over_http(folder: Path, seconds: float) -> None:
    """Measure reports a second through a real server."""
    with database(folder / "roadworthy.db") as engine:
        fleet = enrol(engine, 4000)
    port = free_port()
    server = Path(__file__).parents[1] / "tests" / "collector" / "ingest" / "server.py"
    process = subprocess.Popen([sys.executable, str(server), str(folder / "roadworthy.db"), str(port)])
    try:
        wait_for(port, process)
        before = cpu_seconds(process.pid)
        answered, took = asyncio.run(load(port, fleet, seconds))
        cpu = cpu_seconds(process.pid) - before
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    rows = read_rows(folder / "roadworthy.db")
    held = len(rows["periods"])
    one_by_one = commits_a_second(folder / "single.db", rows)
    together = timed(lambda: insert_plainly(folder / "plain.db", rows))
    print(f"\nover HTTP, {CONNECTIONS} kept connections, one half-hour a report, gzip, for {took:.1f} s")
    line("ReportsApp, durable before each answer", answered / took, "reports/s", held / together)
    print(f"    {cpu / answered * 1e3:.2f} ms of the server's processor time a report; {held:,} held")
    line("limit: sqlite3, one commit a report", one_by_one, "reports/s", held / together)
    line("limit: sqlite3.executemany, one commit", held / together, "reports/s", held / together)
    if held != answered:
        sys.exit(f"{answered:,} reports were acknowledged and {held:,} are held")


def line(what: str, rate: float, unit: str, limit: float) -> None:
    print(f"    {what:<46}{rate:>12,.0f} {unit:<10}{rate / limit:>8.1%} of the limit")


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def database(path: Path) -> Iterator[Engine]:
    upgrade(path)
    engine = open_engine(path)
    try:
        yield engine
    finally:
        engine.dispose()


def enrol(engine: Engine, count: int) -> list[tuple[int, str, str]]:
    """Return (row id, device id, token) of new devices."""
    fleet = []
    with write_transaction(engine) as connection:
        for n in range(count):
            device_id = f"rwd_{n:032x}"
            row = {"device_id": device_id, "site": 1, "unit": 1, "enrolled_at": 0}
            number = connection.execute(insert(devices).values(row).returning(devices.c.id)).scalar_one()
            token = tokens.create_device_token(connection, number, now=0)
            tokens.first_use(connection, token.id, number, now=0)
            fleet.append((number, device_id, token.text))
    return fleet


def report(device_id: str, number: int, periods: int, first: int = 0) -> wire.Report:
    """Return a report with `periods` half-hours that differ from one another."""
    return wire.Report(
        "1.0",
        device_id,
        "0" * 16,
        first + 1,
        "boot-1",
        float(NEWEST),
        wire.Agent("1.0.0", "linux"),
        periods=tuple(period(first + n, number) for n in range(periods)),
    )


def period(slot: int, number: int) -> wire.Period:
    share = (slot * 37 + number * 11) % 1000 / 1000
    use = wire.Use(share, "sensor", "psutil.cpu_times", min(1.0, share + 0.2))
    energy = wire.Energy("cpu", 9000 + slot, 9000 * slot, "sensor", "rapl:package-0", 1800, 0.05)
    state = wire.StateSeconds(600, 300, 0, 0, 0, 900)
    return wire.Period(NEWEST - slot * 1800, 1800, 30, state, use, use, (energy,))


def write_all(engine: Engine, incoming: list[Incoming]) -> None:
    for begin in range(0, len(incoming), AT_ONCE):
        with write_transaction(engine) as connection:
            write_reports(connection, incoming[begin : begin + AT_ONCE], time.time())


def read_rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}  # noqa: S608 - names above


def bare(path: Path) -> sqlite3.Connection:
    """Return a plain connection to an empty database with the same tables and durability."""
    upgrade(path)
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def insert_plainly(path: Path, rows: dict[str, list[tuple[object, ...]]]) -> None:
    with closing(bare(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table, some in rows.items():
            marks = ",".join("?" * len(some[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", some)  # noqa: S608 - names above
        connection.execute("COMMIT")


def commits_a_second(path: Path, rows: dict[str, list[tuple[object, ...]]], seconds: float = 3.0) -> float:
    """Return how many one-row transactions a second the disk takes."""
    some = rows["periods"]
    marks = ",".join("?" * len(some[0]))
    done = 0
    with closing(bare(path)) as connection:
        began = time.perf_counter()
        while done < len(some) and time.perf_counter() - began < seconds:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"INSERT INTO periods VALUES ({marks})", some[done])  # noqa: S608 - only marks
            connection.execute("COMMIT")
            done += 1
        return done / (time.perf_counter() - began)


async def load(port: int, fleet: list[tuple[int, str, str]], seconds: float) -> tuple[int, float]:
    """Send reports on kept connections for `seconds`; return how many were acknowledged and how long it took."""
    requests = [
        request(port, token, gzip.compress(msgspec.json.encode(report(device_id, n, 1, slot)), 1))
        for slot in range(max(1, round(seconds)))
        for n, (_, device_id, token) in enumerate(fleet)
    ]
    waiting = iter(requests)
    began = time.perf_counter()
    counts = await asyncio.gather(*(agent(port, waiting, began + seconds) for _ in range(CONNECTIONS)))
    return sum(counts), time.perf_counter() - began


def request(port: int, token: str, body: bytes) -> bytes:
    head = (
        f"POST /api/v1/reports HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def agent(port: int, waiting: Iterator[bytes], end: float) -> int:
    """Send one request after another; return how many were acknowledged."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < end and (one := next(waiting, None)) is not None:
        writer.write(one)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"refused: {head.decode()}{body.decode()}")
        count += 1
    writer.close()
    await writer.wait_closed()
    return count


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit("the server did not start")


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
