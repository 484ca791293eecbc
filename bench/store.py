"""How fast facts get into the store and out of a report, without HTTP, beside the limit of the database.

    python bench/store.py [--devices 200]

Settlement periods a second through `write_reports`, a fortnight of each device in transactions of AT_ONCE devices:
the way the demo and a backlog come in. Beside it stand decoding alone, and what plain sqlite3 does with the very rows
that were left in the tables, in one transaction on the same disk: the limit nothing here can pass. Whole requests are
measured by bench/ingest.py.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
from load.bodies import Bodies
from load.fleet import enrol_in_store
from load.measure import Wanted, make_plan
from load.plan import Plan
from sqlalchemy import select

from roadworthy_collector.ingest import wire
from roadworthy_collector.ingest.batch import Incoming, write_reports
from roadworthy_collector.ingest.decode import ReportDecoder
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import devices
from roadworthy_collector.store.upgrade import upgrade

PERIODS = 672  # of a fortnight
AT_ONCE = 20  # devices per transaction
# Tables an enrolled device leaves rows in before it has reported anything.
SET_UP = frozenset({"alembic_version", "devices", "estate", "sites", "tokens", "units"})
Rows = dict[str, list[tuple[object, ...]]]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=200, help="of a fortnight each")
    count: int = parser.parse_args().devices
    plan = make_plan(Wanted(mixture=(("period", 1),)))
    with tempfile.TemporaryDirectory(prefix="bench-store-") as name:
        folder = Path(name)
        bodies = [body(plan, device) for device in range(count)]
        decoder = ReportDecoder()
        reports: list[wire.Report] = []
        reading = timed(lambda: reports.extend(decoder.decode(one).report for one in bodies))
        writing = write(folder / "store.db", plan, reports)
        rows = read_rows(folder / "store.db")
        plain = timed(lambda: insert_plainly(folder / "plain.db", rows))
        kept = (folder / "store.db").stat().st_size
    total = count * PERIODS
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")
    print(
        f"{total:,} settlement periods of {count} devices, {sum(map(len, rows.values())):,} rows, {kept / total:.0f} bytes each"
    )
    line("decoding alone (msgspec, whole reports)", total / reading, total / plain)
    line("write_reports, durable", total / writing, total / plain)
    line("limit: sqlite3.executemany of the same rows", total / plain, total / plain)


def body(plan: Plan, device: int) -> bytes:
    """Return a fortnight of a device in one report, not compressed."""
    bodies = Bodies(plan)
    report = bodies.report(device, f"rwd_{plan.name(device, 0)}", 0, time.time())
    # Each is encoded at once: the generator fills one template again and again.
    periods = [
        msgspec.Raw(msgspec.json.encode(bodies.report(device, "", number, time.time())["periods"][0]))
        for number in range(PERIODS)
    ]
    return msgspec.json.encode(report | {"periods": periods})


def write(path: Path, plan: Plan, reports: list[wire.Report]) -> float:
    """Write reports into a new database; return how long it took, in seconds."""
    upgrade(path)
    enrol_in_store(path, len(reports), plan, now=int(time.time()))
    engine = open_engine(path)
    try:
        with engine.connect() as connection:
            held = connection.execute(select(devices.c.device_id, devices.c.id))
            rows = {str(device_id): int(row) for device_id, row in held}
        incoming = [Incoming(rows[report.device_id], report) for report in reports]

        def work() -> None:
            for begin in range(0, len(incoming), AT_ONCE):
                with write_transaction(engine) as connection:
                    write_reports(connection, incoming[begin : begin + AT_ONCE], time.time())

        return timed(work)
    finally:
        engine.dispose()


def timed(work: Callable[[], object]) -> float:
    """Return how long some work takes, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def line(what: str, rate: float, limit: float) -> None:
    print(f"    {what:<46}{rate:>12,.0f} periods/s{rate / limit:>8.1%} of the limit")


def read_rows(path: Path) -> Rows:
    """Return all rows the reports left."""
    with closing(sqlite3.connect(path)) as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if name not in SET_UP and not name.startswith("sqlite_")
        ]
        found = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}  # noqa: S608 - its own tables
    return {name: rows for name, rows in found.items() if rows}


def insert_plainly(path: Path, rows: Rows) -> None:
    """Insert rows into the same tables of another database, in one durable transaction."""
    upgrade(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        for name, some in rows.items():
            marks = ",".join("?" * len(some[0]))
            connection.executemany(f'INSERT OR REPLACE INTO "{name}" VALUES ({marks})', some)  # noqa: S608 - its own tables
        connection.execute("COMMIT")


if __name__ == "__main__":
    main()
