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

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

DAY = 86400
HALF = 1800
FIRST = 1_789_948_800  # a midnight UTC
GROUP = 256
SIZED = 400  # devices whose 30 days are filled in for the sizes
HASH = b"\x5a\x31\x9c\x07\xee\x42\xd1\x88"
USE = struct.Struct("<B8H8s")
STATE = struct.Struct("<B5H")
ENERGY = struct.Struct("<BBIQHHf")
BATTERY = struct.Struct("<BIHIH")
Key = tuple[int, int]


class Database:
    """SQLite and PostgreSQL behind the same four calls, question marks for values."""

    def __init__(self, store: str, folder: Path, url: str) -> None:
        self.postgresql = store == "postgresql"
        self.path = folder / "layout.db"
        self.connection: Any
        if self.postgresql:
            import psycopg

            self.connection = psycopg.connect(url, autocommit=True)
        else:
            self.connection = sqlite3.connect(self.path, isolation_level=None)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-16384"):
                self.connection.execute(f"PRAGMA {pragma}").close()

    def text(self, statement: str) -> str:
        """Return the statement in the database's own words."""
        if not self.postgresql:
            return statement
        statement = statement.replace("BLOB", "BYTEA").replace("REAL", "DOUBLE PRECISION")
        statement = statement.replace(" WITHOUT ROWID", "").replace("%", "%%").replace("?", "%s")
        return statement

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run one statement and return its rows."""
        cursor = self.connection.execute(self.text(statement), values)
        return list(cursor.fetchall()) if cursor.description else []

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row."""
        if rows:
            self.connection.cursor().executemany(self.text(statement), rows)

    def transaction(self, work: Callable[[], None]) -> float:
        """Run `work` in one transaction and return the seconds from holding the lock to being on disk."""
        self.run("BEGIN" if self.postgresql else "BEGIN IMMEDIATE")
        began = time.perf_counter()
        work()
        self.run("COMMIT")
        return time.perf_counter() - began

    def lazily(self, *, lazy: bool) -> None:
        """Do not wait for the disk while tables are filled in."""
        if self.postgresql:
            self.run(f"SET synchronous_commit = {'off' if lazy else 'on'}")
        else:
            self.run(f"PRAGMA synchronous = {'OFF' if lazy else 'FULL'}")
            if not lazy:
                self.run("PRAGMA wal_checkpoint(TRUNCATE)")

    def size(self, tables: Iterable[str]) -> int:
        """Return the bytes of tables and their indexes, after what a nightly clean-up does."""
        if self.postgresql:
            return sum(self.run("SELECT pg_total_relation_size(CAST(? AS regclass))", (t,))[0][0] for t in tables)
        self.run("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, free = self.run("PRAGMA page_count")[0][0], self.run("PRAGMA freelist_count")[0][0]
        return int((pages - free) * self.run("PRAGMA page_size")[0][0])

    def counting(self, name: str, first: int, last: int) -> str:
        """Return a FROM item of the whole numbers first..last, in column `n`."""
        if self.postgresql:
            return f"generate_series({first}, {last}) AS {name}(n)"
        tail = f"SELECT {first} UNION ALL SELECT n + 1 FROM counted WHERE n < {last}"
        return f"(WITH RECURSIVE counted(n) AS ({tail}) SELECT n FROM counted) AS {name}"


def scopes(device: int) -> tuple[int, ...]:
    """Return the scopes of energy a device tells."""
    return (0, 3) if device % 2 else (0,)


class Rows:
    """A row per device and half-hour; `compact` chooses the second of the two."""

    def __init__(self, database: Database, *, compact: bool) -> None:
        self.database, self.compact = database, compact
        self.tables = ("periods", "state_periods", "energy_periods", "battery_use")
        key = "start BIGINT, device BIGINT" if compact else "device BIGINT, start BIGINT"
        columns = key.replace(" BIGINT", "")
        ratio, word = ("SMALLINT", "SMALLINT") if compact else ("REAL", "TEXT")
        use = ", ".join(f"{n}_mean {ratio}, {n}_p95 {ratio}, {n}_quality {word}, {n}_source {word}" for n in ("c", "m"))
        self.create = [
            f"CREATE TABLE periods ({key}, observed INTEGER, samples INTEGER, {use}, hash BLOB, incomplete SMALLINT,"
            f" PRIMARY KEY ({columns})) WITHOUT ROWID",
            f"CREATE TABLE state_periods ({key}, a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER, f INTEGER,"
            f" PRIMARY KEY ({columns})) WITHOUT ROWID",
            f"CREATE TABLE energy_periods ({key}, scope {word}, joules BIGINT, ends BIGINT, covered INTEGER,"
            f" quality {word}, source {word}, error REAL,"
            f" PRIMARY KEY ({columns if compact else 'device, scope, start'}{', scope' if compact else ''})) WITHOUT ROWID",
            f"CREATE TABLE battery_use ({key}, joules BIGINT, seconds INTEGER, cpu BIGINT, source {word},"
            f" PRIMARY KEY ({columns})) WITHOUT ROWID",
        ]
        if not compact:
            self.create += [
                f"CREATE INDEX {t}_start ON {t} (start)" for t in ("periods", "energy_periods", "battery_use")
            ]

    def values(self, device: int, start: int) -> tuple[tuple[Any, ...], tuple[Any, ...], list[Any], list[Any]]:
        """Return the rows of the four tables for one half-hour."""
        key = (start, device) if self.compact else (device, start)
        if self.compact:
            use: tuple[Any, ...] = (1234, 4567, 1, 1, 5512, 5603, 1, 2)
            words: tuple[Any, ...] = (1, 3)
        else:
            use = (0.1234, 0.4567, "sensor", "psutil.cpu_times", 0.5512, 0.5603, "sensor", "psutil.virtual_memory")
            words = ("sensor", "rapl:package-0")
        energy = [
            (*key, one if self.compact else ("cpu", "", "", "machine")[one], 21_600, 9_300_000_000 + start % DAY, 1800,
             *words, None)
            for one in scopes(device)
        ]
        battery = [] if device % 5 else [(*key, 18_000, 1200, 9000, 4 if self.compact else "power_supply:BAT0")]
        return (*key, 1800, 180, *use, HASH, 0), (*key, 900, 600, 300, 0, 0, 0), energy, battery

    def write(self, items: Sequence[Key]) -> None:
        """Insert the half-hours (device, start) of one commit, as ingest does."""
        use, state, energy, battery = [], [], [], []
        for device, start in items:
            row = self.values(device, start)
            use.append(row[0])
            state.append(row[1])
            energy += row[2]
            battery += row[3]
        for table, rows in zip(self.tables, (use, state, energy, battery), strict=True):
            if rows:
                marks = ",".join("?" * len(rows[0]))
                self.database.many(f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO NOTHING", rows)

    def fill(self, devices: int, starts: Sequence[int]) -> None:
        """Put the same half-hours into all devices, in order of the key, without a loop here."""
        first, last = starts[0] // HALF, starts[-1] // HALF
        counted = self.database.counting("d", 1, devices)
        times = self.database.counting("s", first, last)
        key = "s.n * 1800, d.n" if self.compact else "d.n, s.n * 1800"
        order = key.replace(" * 1800", "")
        for device, where in ((1, "1=1"),):
            use, state, energy, battery = self.values(device, starts[0])
            for table, row, some in (
                ("periods", use, where),
                ("state_periods", state, where),
                *(("energy_periods", row, f"d.n % 2 >= {index}") for index, row in enumerate(energy)),
                ("battery_use", self.values(5, starts[0])[3][0], "d.n % 5 = 0"),
            ):
                marks = ",".join("CAST(? AS DOUBLE PRECISION)" if v is None else "?" for v in row[2:])
                if not self.database.postgresql:
                    marks = ",".join("?" * len(row[2:]))
                self.database.run(
                    f"INSERT INTO {table} SELECT {key},{marks} FROM {counted}, {times} WHERE {some} ORDER BY {order}",
                    row[2:],
                )

    def device_days(self, devices: Sequence[int], day: int) -> None:
        """Read what a roll-up of these devices' day reads: sums by device, in SQL."""
        some = ",".join(map(str, devices))
        within = f"WHERE device IN ({some}) AND start >= {day} AND start < {day + DAY}"
        if self.compact and not self.database.postgresql:
            starts = ",".join(str(day + slot * HALF) for slot in range(48))
            within = f"WHERE start IN ({starts}) AND device IN ({some})"
        for columns, table, group in (
            ("count(*), sum(observed), sum(c_mean * observed), sum(m_mean * observed)", "periods", ""),
            ("sum(a), sum(b), sum(c), sum(d), sum(e), sum(f)", "state_periods", ""),
            ("scope, quality, sum(joules)", "energy_periods", ", scope, quality"),
        ):
            self.database.run(f"SELECT device, {columns} FROM {table} {within} GROUP BY device{group}")

    def history(self, device: int, first: int, last: int) -> None:
        """Read one device's half-hours."""
        for table in self.tables:
            starts = ",".join(map(str, range(first, last, HALF)))
            within = f"start IN ({starts})" if self.compact else f"start >= {first} AND start < {last}"
            self.database.run(f"SELECT * FROM {table} WHERE device = {device} AND {within}")

    def prune(self, day: int, limit: int) -> int:
        """Delete up to `limit` half-hours of `day`; return how many."""
        found = self.database.run(
            f"SELECT device, start FROM periods WHERE start < {day + DAY} ORDER BY start LIMIT {limit}"
        )
        for table in self.tables:
            self.database.many(f"DELETE FROM {table} WHERE device = ? AND start = ?", found)
        return len(found)

    def order(self) -> str:
        """Say the order of the key."""
        return "start, device" if self.compact else "device, start"


class Slots:
    """A row per UTC day and device; a half-hour is appended to its bytes."""

    def __init__(self, database: Database, *, own: bool = False, by_device: bool = False) -> None:
        self.database = database
        self.tables = ("use_slots", "state_slots", "energy_slots")
        key = "(device, day)" if by_device else "(day, device)"
        tail = " WITHOUT ROWID" if own or by_device else ""
        # Rows grow in place; PostgreSQL keeps old and new on one page only if there is room.
        tail += " WITH (fillfactor = 70)" if database.postgresql else ""
        self.create = [
            f"CREATE TABLE use_slots (day INTEGER, device BIGINT, held BIGINT, slots BLOB, PRIMARY KEY {key}){tail}",
            f"CREATE TABLE state_slots (day INTEGER, device BIGINT, slots BLOB, PRIMARY KEY {key}){tail}",
            "CREATE TABLE energy_slots (day INTEGER, device BIGINT, slots BLOB, battery BLOB,"
            f" PRIMARY KEY {key}){tail}",
        ]
        joined = "{0} = {1}.{0} || excluded.{0}" if database.postgresql else "{0} = CAST({1}.{0} || excluded.{0} AS BLOB)"
        self.statements = []
        for table, columns in (
            ("use_slots", ("slots",)),
            ("state_slots", ("slots",)),
            ("energy_slots", ("slots", "battery")),
        ):
            changes = [joined.format(name, table) for name in columns]
            if table == "use_slots":
                changes.append("held = use_slots.held | excluded.held")
            marks = ",".join("?" * (4 if table != "state_slots" else 3))
            self.statements.append(
                f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT (day, device) DO UPDATE SET {', '.join(changes)}"
            )

    def slot(self, device: int, number: int) -> tuple[bytes, bytes, bytes, bytes]:
        """Return the bytes of one half-hour."""
        return (
            USE.pack(number, 1800, 180, 1234, 4567, 5512, 5603, 1, 2, HASH),
            STATE.pack(number, 900, 600, 300, 0, 0),
            b"".join(
                ENERGY.pack(number, one, 21_600, 9_300_000_000 + number, 1800, 3, float("nan")) for one in scopes(device)
            ),
            b"" if device % 5 else BATTERY.pack(number, 18_000, 1200, 9000, 4),
        )

    def write(self, items: Sequence[Key]) -> None:
        """Read which half-hours are held, and append the others, as ingest does."""
        rows: dict[Key, list[Any]] = {}
        for device, start in items:
            number = start % DAY // HALF
            use, state, energy, battery = self.slot(device, number)
            row = rows.setdefault((start // DAY, device), [0, b"", b"", b"", b""])
            row[0] |= 1 << number
            row[1] += use
            row[2] += state
            row[3] += energy
            row[4] += battery
        for day in {day for day, _ in rows}:
            some = ",".join(str(device) for other, device in rows if other == day)
            held = dict(self.database.run(f"SELECT device, held FROM use_slots WHERE day = {day} AND device IN ({some})"))
            assert not any(bits & rows[day, device][0] for device, bits in held.items())
        keyed = sorted(rows.items())
        self.database.many(self.statements[0], [(*key, row[0], row[1]) for key, row in keyed])
        self.database.many(self.statements[1], [(*key, row[2]) for key, row in keyed])
        self.database.many(self.statements[2], [(*key, row[3], row[4]) for key, row in keyed])

    def fill(self, devices: int, starts: Sequence[int]) -> None:
        """Put the same half-hours of one day into all devices: at once if it is a whole day, else in turn."""
        day, db = starts[0] // DAY, self.database
        counted = db.counting("d", 1, devices)
        chunks = [starts] if len(starts) == 48 else [[start] for start in starts]
        blob = "CAST(? AS BLOB)"
        for index, chunk in enumerate(chunks):
            parts = [b"".join(p) for p in zip(*(self.slot(5, start % DAY // HALF) for start in chunk), strict=True)]
            one = b"".join(self.slot(4, start % DAY // HALF)[2] for start in chunk)
            mask = sum(1 << (start % DAY // HALF) for start in chunk)
            if not index:
                db.run(f"INSERT INTO use_slots SELECT {day}, d.n, CAST({mask} AS BIGINT), {blob} FROM {counted}", (parts[0],))
                db.run(f"INSERT INTO state_slots SELECT {day}, d.n, {blob} FROM {counted}", (parts[1],))
                choice = f"CASE WHEN d.n % 2 = 1 THEN {blob} ELSE {blob} END, CASE WHEN d.n % 5 = 0 THEN {blob} ELSE {blob} END"
                db.run(f"INSERT INTO energy_slots SELECT {day}, d.n, {choice} FROM {counted}", (parts[2], one, parts[3], b""))
                continue
            db.run(
                f"UPDATE use_slots SET held = held | {mask}, slots = CAST(slots || {blob} AS BLOB) WHERE day = {day}",
                (parts[0],),
            )
            db.run(f"UPDATE state_slots SET slots = CAST(slots || {blob} AS BLOB) WHERE day = {day}", (parts[1],))
            for odd, joules in ((1, parts[2]), (0, one)):
                db.run(
                    f"UPDATE energy_slots SET slots = CAST(slots || {blob} AS BLOB), battery = CAST(battery || CASE WHEN"
                    f" device % 5 = 0 THEN {blob} ELSE {blob} END AS BLOB) WHERE day = {day} AND device % 2 = {odd}",
                    (joules, parts[3], b""),
                )
            if db.postgresql:
                for table in self.tables:
                    db.run(f"VACUUM {table}")

    def device_days(self, devices: Sequence[int], day: int) -> None:
        """Read what a roll-up of these devices' day reads, and add it up here."""
        some = ",".join(map(str, devices))
        for table, record in zip(self.tables, (USE, STATE, ENERGY), strict=True):
            query = f"SELECT device, slots FROM {table} WHERE day = {day // DAY} AND device IN ({some})"
            for _device, slots in self.database.run(query):
                columns = list(zip(*record.iter_unpack(slots), strict=True))
                for column in columns[1:6]:
                    sum(column)

    def history(self, device: int, first: int, last: int) -> None:
        """Read one device's half-hours."""
        days = ",".join(map(str, range(first // DAY, last // DAY)))
        for table, record in zip(self.tables, (USE, STATE, ENERGY), strict=True):
            for (slots,) in self.database.run(f"SELECT slots FROM {table} WHERE device = {device} AND day IN ({days})"):
                list(record.iter_unpack(slots))

    def prune(self, day: int, limit: int) -> int:
        """Delete up to `limit` half-hours of `day`; return how many."""
        found = self.database.run(
            f"SELECT device FROM use_slots WHERE day = {day // DAY} ORDER BY device LIMIT {max(1, limit // 48)}"
        )
        for table in self.tables:
            self.database.many(f"DELETE FROM {table} WHERE day = {day // DAY} AND device = ?", found)
        return len(found) * 48


LAYOUTS: dict[str, Callable[[Database], Rows | Slots]] = {
    "rows": lambda database: Rows(database, compact=False),
    "compact": lambda database: Rows(database, compact=True),
    "slots": lambda database: Slots(database),
    "own": lambda database: Slots(database, own=True),
    "bydevice": lambda database: Slots(database, by_device=True),
}


def make(database: Database, layout: Rows | Slots) -> None:
    """Make the layout's tables anew."""
    for table in ("periods", "state_periods", "energy_periods", "battery_use", "use_slots", "state_slots", "energy_slots"):
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
                database.transaction(lambda some=some: layout.write(some))  # type: ignore[misc] # bound now
    return (database.size(layout.tables) - before) / SIZED / 1000


def reads(database: Database, layout: Rows | Slots) -> dict[str, float]:
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
        database, layout, ([(device, start) for start in weeks] for device in random.Random(2).sample(range(1, devices), 40)), seconds / 2
    )
    began, limit, longest, pruned = time.perf_counter(), 256, 0.0, 0
    while time.perf_counter() - began < seconds:
        found: list[int] = []
        took = database.transaction(lambda limit=limit: found.append(layout.prune(FIRST, limit)))  # type: ignore[misc] # bound now
        longest = max(longest, took)
        pruned += found[0]
        if not found[0]:
            break
        limit = max(48, min(limit * 2, int(limit * 0.025 / took)))
    return {
        "herd_per_s": pushed, "backlog_per_s": backlog,
        "prune_per_s": pruned / (time.perf_counter() - began), "prune_longest_ms": longest * 1000,
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
        spent += database.transaction(lambda group=group: layout.write(group))  # type: ignore[misc] # bound now
        done += len(group)
        if spent >= seconds:
            break
    return done / spent


def main() -> None:
    """Print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
                figures |= reads(database, layout)
            database.connection.close()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        database = Database(chosen.store, Path(folder), chosen.url)
        figures |= herd(database, LAYOUTS[name](database), chosen.devices, chosen.seconds)
        database.connection.close()
    return figures


if __name__ == "__main__":
    main()
