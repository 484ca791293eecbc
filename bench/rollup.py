"""What daily totals take: bytes a device-year, and what rolling days up costs.

    python bench/rollup.py [--devices 300] [--url postgresql://user@host/empty-database]

A year is written day by day over all devices, as the jobs do: UTC and local days, two of three with a start-up, half
the devices with two scopes of energy. `before` is the layout until schema 0009 in tables of its own. With --again each
day is written so many times, as a day that goes on is, and PostgreSQL keeps room for what it replaces.
Then one day of half-hours of always-on machines is rolled up by the jobs' own code, devices a second of one core, the
database waiting for its disk. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert, make_url, text

from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.site_half_hours import roll_up_sites
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import half_hours, schema
from roadworthy_collector.store.columns import pack_joules, pack_ratio
from roadworthy_collector.store.engine import Database, open_engine, write_transaction
from roadworthy_collector.store.half_hours import Energy, HalfHour, Use
from roadworthy_collector.store.queries.jobs import mark_dirty, write_days
from roadworthy_collector.store.queries.local_totals import is_utc_day
from roadworthy_collector.store.upgrade import upgrade
from roadworthy_inventory.calendar import local_day, utc_date

DAY = 86_400
FIRST = 1_767_225_600  # 2026-01-01
ZONE = "Europe/London"
STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")
# As both tables were until schema 0009, on PostgreSQL and on SQLite; every local day was kept beside its UTC day.
BEFORE = (
    "CREATE TABLE {table} ({key}, device BIGINT, {more} site INTEGER, unit INTEGER, periods SMALLINT, startups SMALLINT,"
    " cpu SMALLINT, memory SMALLINT, observed INTEGER, a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER, f INTEGER,"
    " total {float}, longest {float}, joules {bytes}, PRIMARY KEY ({name}, device)){end}"
)
TYPES = {
    "sqlite": {"float": "FLOAT", "bytes": "BLOB", "end": " WITHOUT ROWID"},
    "postgresql": {"float": "DOUBLE PRECISION", "bytes": "BYTEA", "end": ""},
}
AT_ONCE = 20  # devices a transaction where days are rolled up again and again


def totals(device: int, day: int) -> dict[str, Any]:
    """Return one device's totals of a day."""
    on = 20_000 + (device * 7919 + day // DAY * 104_729) % 40_000
    joules = {"cpu": {"sensor": on * 12}} | ({"machine": {"sensor": on * 31}} if device % 2 else {})
    startups = (device + day // DAY) % 3
    took = 41.25 + device % 17 if startups else None
    seconds = (on // 2, on - on // 2 - 900, 900, DAY // 2 - on // 2, DAY // 2 - (on - on // 2), 0)
    return {
        "site": device % 200 + 1,
        "unit": device % 40 + 1,
        "periods": 48,
        "observed_seconds": on,
        "cpu_mean_ratio": 0.0712,
        "memory_mean_ratio": 0.4831,
        "startups": startups,
        **{f"{name}_seconds": value for name, value in zip(STATES, seconds, strict=True)},
        "startup_seconds_sum": took,
        "startup_seconds_max": took,
        "joules": joules,
    }


def write_day(connection: Connection, some: range, day: int) -> None:
    """Write the totals of a day as the jobs do."""
    rows = [{"device": device, **totals(device, day)} for device in some]
    write_days(connection, schema.days, [{"day": day, **row} for row in rows], keep_place=True)
    date = utc_date(day)
    if not is_utc_day(date, ZONE):
        local = local_day(date, ZONE)
        own = {"date": date.isoformat(), "start": local.start, "half_hours": local.periods}
        write_days(connection, schema.local_days, [own | row for row in rows], keep_place=True)


def make_before(connection: Connection) -> None:
    """Make the tables of the layout before."""
    types = TYPES[connection.dialect.name]
    for table, key, more in (
        ("before_days", "day BIGINT", ""),
        ("before_local", "date INTEGER", "half SMALLINT, start BIGINT,"),
    ):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
        connection.exec_driver_sql(
            BEFORE.format(table=table, key=key, more=more, name=key.split()[0], **types)
        )


def write_before(connection: Connection, some: range, day: int) -> None:
    """Write the same as it was laid out until schema 0009."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    date = utc_date(day)
    for table, key, more in (
        ("before_days", "day", (day,)),
        ("before_local", "date", (day // DAY, 48, local_day(date, ZONE).start)),
    ):
        rows = [(more[0], device, *more[1:], *before_row(device, day)) for device in some]
        marks = ", ".join([mark] * len(rows[0]))
        held = f"ON CONFLICT ({key}, device) DO UPDATE SET a = excluded.a, observed = excluded.observed"
        connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks}) {held}", rows)  # noqa: S608 - names above


def before_row(device: int, day: int) -> Iterator[Any]:
    """Yield the columns after the key."""
    row = totals(device, day)
    yield from (row[name] for name in ("site", "unit", "periods", "startups"))
    yield from (pack_ratio(row[f"{name}_mean_ratio"]) for name in ("cpu", "memory"))
    yield row["observed_seconds"]
    yield from (row[f"{name}_seconds"] for name in STATES)
    yield from (row["startup_seconds_sum"], row["startup_seconds_max"], pack_joules(row["joules"]))


def write_year(
    engine: Engine, write: Callable[[Connection, range, int], None], devices: int, days: int, again: int
) -> None:
    """Write the totals of `days` days, each `again` times in pieces, as a day that goes on is rolled up."""
    everybody = range(1, devices + 1)
    for number in range(days):
        day = FIRST + number * DAY
        if again == 1:
            with write_transaction(engine) as connection:
                write(connection, everybody, day)
            continue
        for _ in range(again):
            for begin in everybody[::AT_ONCE]:
                with write_transaction(engine) as connection:
                    write(connection, range(begin, min(begin + AT_ONCE, devices + 1)), day)
        if engine.dialect.name == "postgresql" and number % 3 == 2:  # about as often as autovacuum would
            with engine.connect() as plain:
                plain.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM")


def size(engine: Engine, *tables: str) -> int:
    """Return the bytes of the database (SQLite) or of tables with their indexes (PostgreSQL)."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            query = text("SELECT pg_total_relation_size(CAST(:table AS regclass))")
            return sum(connection.scalar(query, {"table": table}) or 0 for table in tables)
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        return int(pages or 0) * 4096


def half_hour(device: int, start: int) -> HalfHour:
    """Return one half-hour of an always-on machine."""
    use = Use(0.1234, 0.4567, "sensor", "psutil.cpu_times")
    energy = [
        Energy(scope, 21_600, 9_300_000_000 + start % DAY, 1800, "sensor", "rapl:package-0", None)
        for scope in ("cpu", "machine")[: 1 + device % 2]
    ]
    return HalfHour(device, start, 1800, 180, use, use, b"12345678", (900, 600, 300, 0, 0, 0), energy)


def fill_day(engine: Engine, devices: int) -> None:
    """Put one day of half-hours in and mark it; a summer's day, whose local days begin in others."""
    day = FIRST + 190 * DAY
    with write_transaction(engine) as connection:
        site = {"kind": "force", "restricted": False}
        connection.execute(
            insert(schema.sites), [{"id": n, "name": f"site {n}", **site} for n in range(2, 201)]
        )
        device = {"site": 2, "unit": 1, "enrolled_at": 0}
        connection.execute(
            insert(schema.devices),
            [{"id": n, "device_id": f"rwd_{n:032x}", **device} for n in range(1, devices + 1)],
        )
    for begin in range(1, devices + 1, 200):
        some = range(begin, min(begin + 200, devices + 1))
        with write_transaction(engine) as connection:
            starts = range(day, day + DAY, 1800)
            half_hours.append(connection, [half_hour(device, start) for device in some for start in starts])
            for number in some:
                mark_dirty(connection, number, day, 0)


def main() -> None:
    """Print a table and a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=300)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument(
        "--again", type=int, default=1, help="times each day is rolled up while it goes on; 25 in life"
    )
    parser.add_argument("--rolled", type=int, default=4000, help="devices of the day that is rolled up")
    parser.add_argument("--url")
    chosen = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        database: Database = make_url(chosen.url) if chosen.url else Path(folder) / "totals.db"
        upgrade(database)
        engine = open_engine(database)
        figures |= sizes(engine, chosen)
        fill_day(engine, chosen.rolled)
        figures |= rolled(engine, Path(folder), chosen.rolled)
        engine.dispose()
    for name, value in figures.items():
        print(f"{name:<32}{value:12.2f}")
    print(json.dumps(figures))


def sizes(engine: Engine, chosen: argparse.Namespace) -> dict[str, float]:
    """Return the kB a device-year of both layouts."""
    with write_transaction(engine) as connection:
        make_before(connection)
    found = {}
    for name, write, tables in (
        ("kb_device_year", write_day, ("days", "local_days")),
        ("kb_device_year_before", write_before, ("before_days", "before_local")),
    ):
        empty = size(engine, *tables)
        write_year(engine, write, chosen.devices, chosen.days, chosen.again)
        found[name] = (size(engine, *tables) - empty) / chosen.devices / 1000 * 365 / chosen.days
    return found


def rolled(engine: Engine, folder: Path, devices: int) -> dict[str, float]:
    """Roll the day up and return what it cost; the rests `Work` takes between transactions are not in it."""
    work = Work(engine, Settings(data=folder), clock=lambda: FIRST + 300.0 * DAY)
    work.stop.wait = lambda *_: False  # type: ignore[method-assign] # measured without its rests
    cpu, began = time.process_time(), time.perf_counter()
    assert roll_up(work) == devices
    took, used = time.perf_counter() - began, time.process_time() - cpu
    sites_began = time.process_time()
    roll_up_sites(work)
    sites = time.process_time() - sites_began
    return {
        "rollup_ms_per_device_day": took / devices * 1000,
        "rollup_cpu_ms_per_device_day": used / devices * 1000,
        "rollup_longest_ms": (work.longest_transaction_seconds or 0.0) * 1000,
        "sites_cpu_ms_per_device_day": sites / devices * 1000,
        # Every device of 100,000 once an hour, yesterday once more, and each site day twice.
        "core_share_at_100000": 100_000 * (25 * used + 2 * sites) / devices / DAY,
    }


if __name__ == "__main__":
    main()
