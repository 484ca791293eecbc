"""Layouts of half-hours and of daily totals beside one another: bytes, commits, roll-up, reading, pruning.

    python bench/layout.py [--store sqlite|postgresql] [--devices 100000] [--only rows,compact,slots]

Decision 0020 rests on it. The tables are made here, by hand, because all but one of the layouts are not the
product's; the content is an always-on machine's: utilisation, device state, one or two scopes of energy, a fifth of
them on battery. Layouts of half-hours:
  rows     a row per device and half-hour in three tables, keyed (device, start), an index on start, texts
  compact  the same keyed (start, device), whole numbers, no index, no texts
  slots    a row per UTC day and device, a half-hour appended to bytes; keyed (day, device)
  own      the same in tables clustered by (day, device); SQLite alone can
  bydevice the same clustered by (device, day)
Columns: kB a device for 30 days that arrived half-hour by half-hour (48 a day, and 20 as of an office machine);
half-hours a second in commits of 256 random devices while `--devices` hold half a day and the day before; three
weeks of one device a commit; one device day read to roll it up; one device's 30 days read; the longest of the
transactions that prune a day.
With --store postgresql give --url, a database whose tables may be dropped. Prints a table and one JSON line.
"""

# ruff: noqa: S311 - spreads devices, hides nothing
from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from layout_tables import DAY, HALF, Database, Key, Rows, Slots

FIRST = 1_789_948_800  # a midnight UTC
GROUP = 256
SIZED = 400  # devices whose 30 days are filled in for the sizes


LAYOUTS: dict[str, Callable[[Database], Rows | Slots]] = {
    "rows": lambda database: Rows(database, compact=False),
    "compact": lambda database: Rows(database, compact=True),
    "slots": Slots,
    "own": lambda database: Slots(database, own=True),
    "bydevice": lambda database: Slots(database, by_device=True),
}


def make(database: Database, layout: Rows | Slots) -> None:
    """Make the layout's tables anew."""
    for table in (
        "periods",
        "state_periods",
        "energy_periods",
        "battery_use",
        "use_slots",
        "state_slots",
        "energy_slots",
    ):
        database.run(f"DROP TABLE IF EXISTS {table}")
    for statement in layout.create:
        database.run(statement)


def sizes(database: Database, layout: Rows | Slots, slots: Sequence[int]) -> float:
    """Return kB a device of 30 days, arrived half-hour by half-hour over all devices."""
    make(database, layout)
    before = database.size(layout.tables)
    everybody = list(range(1, SIZED + 1))
    for day in range(30):
        for slot in slots:
            start = FIRST + day * DAY + slot * HALF
            random.Random(start).shuffle(everybody)
            for begin in range(0, SIZED, GROUP):
                some = [(device, start) for device in everybody[begin : begin + GROUP]]
                database.transaction(lambda some=some: layout.write(some))
    return (database.size(layout.tables) - before) / SIZED / 1000


def reads(layout: Rows | Slots) -> dict[str, float]:
    """Return milliseconds of reading from the tables `sizes` filled."""
    began = time.perf_counter()
    for device in range(1, 51):
        layout.history(device, FIRST, FIRST + 30 * DAY)
    history = (time.perf_counter() - began) / 50
    began = time.perf_counter()
    for day in range(5):
        layout.device_days(range(1, 201), FIRST + day * DAY)
    return {"history_ms": history * 1000, "rollup_ms": (time.perf_counter() - began) / 1000 * 1000}


def herd(database: Database, layout: Rows | Slots, devices: int, seconds: float) -> dict[str, float]:
    """Fill yesterday and half of today, then write one half-hour of random devices, then backlogs; then prune."""
    make(database, layout)
    database.lazily(lazy=True)
    layout.fill(devices, range(FIRST, FIRST + DAY, HALF))
    for slot in range(24):
        if isinstance(layout, Rows):
            layout.fill(devices, [FIRST + DAY + slot * HALF])
    if isinstance(layout, Slots):
        layout.fill(devices, [FIRST + DAY + slot * HALF for slot in range(24)])
    if database.postgresql:
        for table in layout.tables:
            database.run(f"VACUUM ANALYZE {table}")
        database.run("CHECKPOINT")
    database.lazily(lazy=False)
    pushed = written(database, layout, arrivals(devices), seconds)
    weeks = [(FIRST - 22 * DAY) + n * HALF for n in range(21 * 48)]
    backlog = written(
        database,
        layout,
        ([(device, start) for start in weeks] for device in random.Random(2).sample(range(1, devices), 40)),
        seconds / 2,
    )
    began, limit, longest, pruned = time.perf_counter(), 256, 0.0, 0
    while time.perf_counter() - began < seconds:
        found: list[int] = []
        took = database.transaction(lambda limit=limit, found=found: found.append(layout.prune(FIRST, limit)))
        longest = max(longest, took)
        pruned += found[0]
        if not found[0]:
            break
        limit = max(48, min(limit * 2, int(limit * 0.025 / took)))
    return {
        "herd_per_s": pushed,
        "backlog_per_s": backlog,
        "prune_per_s": pruned / (time.perf_counter() - began),
        "prune_longest_ms": longest * 1000,
    }


def arrivals(devices: int) -> Iterator[list[Key]]:
    """Yield groups of random devices, each with its newest half-hour."""
    start = FIRST + DAY + 24 * HALF
    while True:
        order = random.Random(start).sample(range(1, devices + 1), devices)
        for begin in range(0, devices, GROUP):
            yield [(device, start) for device in order[begin : begin + GROUP]]
        start += HALF


def written(database: Database, layout: Rows | Slots, groups: Iterable[list[Key]], seconds: float) -> float:
    """Return half-hours a second of durable commits."""
    done, spent = 0, 0.0
    for group in groups:
        spent += database.transaction(lambda group=group: layout.write(group))
        done += len(group)
        if spent >= seconds:
            break
    return done / spent


def main() -> None:
    """Print a table and a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--url", default="", help="of PostgreSQL, as psycopg takes it")
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default=",".join(LAYOUTS))
    chosen = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    for name in chosen.only.split(","):
        results[name] = measure(name, chosen)
        if len(results) == 1:
            print(f"{'layout':<9}" + "".join(f"{column:>17}" for column in results[name]))
        print(f"{name:<9}" + "".join(f"{value:17.2f}" for value in results[name].values()), flush=True)
    print(json.dumps({"store": chosen.store, "devices": chosen.devices, "layouts": results}))


def measure(name: str, chosen: argparse.Namespace) -> dict[str, float]:
    """Return the figures of one layout."""
    figures = {}
    for label, slots in (("kb_30_days", range(48)), ("kb_30_office", range(16, 36))):
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            database = Database(chosen.store, Path(folder), chosen.url)
            layout = LAYOUTS[name](database)
            database.lazily(lazy=True)
            figures[label] = sizes(database, layout, slots)
            if label == "kb_30_days":
                figures |= reads(layout)
            database.connection.close()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        database = Database(chosen.store, Path(folder), chosen.url)
        figures |= herd(database, LAYOUTS[name](database), chosen.devices, chosen.seconds)
        database.connection.close()
    return figures


if __name__ == "__main__":
    main()
