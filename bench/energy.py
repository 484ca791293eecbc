"""The energy ledger: CPU to make a month of it, and a year's figures for 100,000 devices read in one process.

    python bench/energy.py [--devices 100000] [--make-devices 5000] [--sites 150] [--units 60] [--models 80]

Builds two SQLite databases in a temporary folder. The first has `--make-devices` devices with 30 whole days of daily
totals of May 2026 and measures `carbon.energy.make` of that month. The second has `--devices` devices, 12 months of
the ledger of 2025/26 (one made from daily totals of a day, its rows repeated for the others), and measures in a fresh
process, so that its memory is its own: totals, rows of every dimension and emissions of the year for the whole IT
estate, the same for half of the units, and the first page of devices behind a site. Targets: 5 s and 1 GB for a
year's figures, 200 ms for those of the console.
"""

# ruff: noqa: S311 - draws devices, hides nothing
from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import emitted, energy, energy_due, estate
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.carbon_schema import energy_devices, energy_groups
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.upgrade import upgrade
from roadworthy_inventory.calendar import local_day

ZONE = "Europe/London"
KWH = 3_600_000
DAY = {
    "in_use_seconds": 25_000,
    "idle_seconds": 6_000,
    "locked_seconds": 4_000,
    "asleep_seconds": 20_000,
    "off_seconds": 30_000,
    "unobserved_seconds": 1_400,
}


def fill(engine: Engine, args: argparse.Namespace, devices: int, days: list[dt.date]) -> None:
    """Put sites, units, devices and their daily totals of `days`."""
    draw = random.Random(args.seed)
    with write_transaction(engine) as connection:
        places = [{"name": f"site {n}", "kind": "force", "restricted": False} for n in range(args.sites)]
        connection.execute(insert(schema.sites), places)
        connection.execute(
            insert(schema.units), [{"name": f"unit {n}", "valid_from": 0} for n in range(args.units)]
        )
        site_ids = list(connection.scalars(select(schema.sites.c.id)))
        unit_ids = list(connection.scalars(select(schema.units.c.id)))
        rows = [
            {
                "id": number,
                "device_id": f"rwd_{number:032x}",
                "site": draw.choice(site_ids),
                "unit": draw.choice(unit_ids),
                "enrolled_at": 1_700_000_000,
                "device_class": "laptop" if number % 3 else "desktop",
                "model": f"Model {draw.randrange(args.models)}",
            }
            for number in range(1, devices + 1)
        ]
        connection.execute(insert(schema.devices), rows)
    for day in days:
        with write_transaction(engine) as connection:
            connection.execute(insert(schema.local_days), [_total(draw, row, day) for row in rows])


def _total(draw: random.Random, device: dict[str, Any], day: dt.date) -> dict[str, Any]:
    span = local_day(day, ZONE)
    joules = draw.randrange(50_000, 400_000)
    return DAY | {
        "date": day.isoformat(),
        "start": span.start,
        "half_hours": span.periods,
        "device": device["id"],
        "site": device["site"],
        "unit": device["unit"],
        "observed_seconds": 35_000,
        "periods": 20,
        "startups": 1,
        "cpu_mean_ratio": 0.1,
        "joules": {"cpu": {"sensor": joules}} if device["id"] % 2 else None,
    }


def database(folder: Path) -> Settings:
    """Return the settings of a new database."""
    settings = Settings(data=folder, rollups_at="serve")
    upgrade(settings.database)
    return settings


def repeat(engine: Engine, made: energy_due.Calendar) -> None:
    """Put the month's rows and figures in place of every other month of its year."""
    with engine.connect() as connection:
        groups = [dict(row) for row in connection.execute(select(energy_groups)).mappings()]
        rows = [dict(row) for row in connection.execute(select(energy_devices)).mappings()]
        kept, _ = figures.read(connection, f"{estate.FIGURE}.{made.name}") or ({}, 0)
        units = list(connection.scalars(select(schema.units.c.id)))
        of_units = {
            unit: figures.read(connection, f"{estate.UNIT_FIGURE}.{made.name}.{unit}") for unit in units
        }
        sums, _ = figures.read(connection, f"{estate.SUMS_FIGURE}.{made.name}") or ({}, 0)
    held = {f"{estate.FIGURE}.{made.name}": kept, f"{estate.SUMS_FIGURE}.{made.name}": sums}
    held |= {f"{estate.UNIT_FIGURE}.{made.name}.{unit}": one[0] for unit, one in of_units.items() if one}
    text = json.dumps(held)
    for month in estate.financial_year(2025).months:
        if month == made.name:
            continue
        with write_transaction(engine) as connection:
            connection.execute(insert(energy_groups), [row | {"month": f"{month}-01"} for row in groups])
            connection.execute(insert(energy_devices), [row | {"month": f"{month}-01"} for row in rows])
            for name, content in json.loads(text.replace(made.name, month)).items():
                figures.write(connection, name, content, 0, 0)


def timed(what: str, call: Any) -> Any:
    """Print wall-clock and CPU seconds of a call, and return its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = call()
    print(f"{what}: {time.perf_counter() - wall:.3f} s, CPU {time.process_time() - cpu:.3f} s")
    return found


def read_all(folder: Path) -> None:
    """Print what reading a year takes in this process, and its memory."""
    from roadworthy_collector.carbon import behind

    engine = open_engine(Settings(data=folder, rollups_at="serve").database)
    year = estate.financial_year(2025)

    def figures_of(scope: Any) -> estate.Estate:
        with engine.connect() as connection:
            found = estate.read(connection, year, scope=scope)
        for by in estate.DIMENSIONS:
            found.rows(by)
        emitted.emissions(found).told()
        return found

    found = timed("a year's figures, first", lambda: figures_of(None))
    timed("a year's figures, again (the console's page)", lambda: figures_of(None))
    with engine.connect() as connection:
        half = frozenset(list(connection.scalars(select(schema.units.c.id)))[::2])
    timed("a year's figures of half the units", lambda: figures_of(half))
    site = found.rows("site")[0].key
    with engine.connect() as connection:
        timed("the devices behind a site", lambda: behind.devices_behind(connection, year, "site", site))
    print(f"devices {found.total.devices:,}, {float(found.total.kwh):,.0f} kWh")
    # Not getrusage: that remembers what the process that started this one had.
    (line,) = [
        one for one in Path("/proc/self/status").read_text("ascii").splitlines() if one.startswith("VmHWM")
    ]
    print(f"memory at most {int(line.split()[1]) / 1024:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--make-devices", type=int, default=5000)
    for name, count in (("sites", 150), ("units", 60), ("models", 80), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        read_all(args.read)
        return
    today = dt.date(2026, 6, 10)
    now = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
    with tempfile.TemporaryDirectory() as name:
        for part in ("make", "read"):
            (Path(name) / part).mkdir()
        settings = database(Path(name) / "make")
        engine = open_engine(settings.database)
        month = energy_due.month_of(dt.date(2026, 5, 1), today, ZONE)
        fill(engine, args, args.make_devices, [month.first + dt.timedelta(days=n) for n in range(31)])
        work = Work(engine, settings, clock=lambda: now, rests=False)
        timed(f"a month of {args.make_devices:,} devices, made", lambda: energy.make(work, month))
        print(f"longest transaction {work.longest_transaction_seconds or 0:.3f} s")
        engine.dispose()
        settings = database(Path(name) / "read")
        engine = open_engine(settings.database)
        month = energy_due.month_of(dt.date(2025, 9, 1), today, ZONE)
        fill(engine, args, args.devices, [month.first])
        work = Work(engine, settings, clock=lambda: now, rests=False)
        timed(f"a month of {args.devices:,} devices of one day, made", lambda: energy.make(work, month))
        print(f"longest transaction {work.longest_transaction_seconds or 0:.3f} s")
        repeat(engine, month)
        engine.dispose()
        subprocess.run([sys.executable, __file__, "--read", str(Path(name) / "read")], check=True)


if __name__ == "__main__":
    main()
