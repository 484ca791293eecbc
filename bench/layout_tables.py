"""The layouts `layout.py` measures beside one another, on SQLite and PostgreSQL."""

# ruff: noqa: S608, ISC004 - every name in these statements stands in this file; tables read best as lines
from __future__ import annotations

import sqlite3
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

DAY = 86400
HALF = 1800
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
        return statement.replace(" WITHOUT ROWID", "").replace("%", "%%").replace("?", "%s")

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
            return sum(
                self.run("SELECT pg_total_relation_size(CAST(? AS regclass))", (t,))[0][0] for t in tables
            )
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
        use = ", ".join(
            f"{n}_mean {ratio}, {n}_p95 {ratio}, {n}_quality {word}, {n}_source {word}" for n in ("c", "m")
        )
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

    def values(
        self, device: int, start: int
    ) -> tuple[tuple[Any, ...], tuple[Any, ...], list[Any], list[Any]]:
        """Return the rows of the four tables for one half-hour."""
        key = (start, device) if self.compact else (device, start)
        if self.compact:
            use: tuple[Any, ...] = (1234, 4567, 1, 1, 5512, 5603, 1, 2)
            words: tuple[Any, ...] = (1, 3)
        else:
            use = (
                0.1234,
                0.4567,
                "sensor",
                "psutil.cpu_times",
                0.5512,
                0.5603,
                "sensor",
                "psutil.virtual_memory",
            )
            words = ("sensor", "rapl:package-0")
        energy = [
            (
                *key,
                one if self.compact else ("cpu", "", "", "machine")[one],
                21_600,
                9_300_000_000 + start % DAY,
                1800,
                *words,
                None,
            )
            for one in scopes(device)
        ]
        battery = (
            [] if device % 5 else [(*key, 18_000, 1200, 9000, 4 if self.compact else "power_supply:BAT0")]
        )
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
        for device in (1,):
            use, state, energy, _ = self.values(device, starts[0])
            for table, row, some in (
                ("periods", use, "1=1"),
                ("state_periods", state, "1=1"),
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
        joined = (
            "{0} = {1}.{0} || excluded.{0}"
            if database.postgresql
            else "{0} = CAST({1}.{0} || excluded.{0} AS BLOB)"
        )
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
                ENERGY.pack(number, one, 21_600, 9_300_000_000 + number, 1800, 3, float("nan"))
                for one in scopes(device)
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
            held = dict(
                self.database.run(
                    f"SELECT device, held FROM use_slots WHERE day = {day} AND device IN ({some})"
                )
            )
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
            parts = [
                b"".join(p) for p in zip(*(self.slot(5, start % DAY // HALF) for start in chunk), strict=True)
            ]
            one = b"".join(self.slot(4, start % DAY // HALF)[2] for start in chunk)
            mask = sum(1 << (start % DAY // HALF) for start in chunk)
            if not index:
                db.run(
                    f"INSERT INTO use_slots SELECT {day}, d.n, CAST({mask} AS BIGINT), {blob} FROM {counted}",
                    (parts[0],),
                )
                db.run(f"INSERT INTO state_slots SELECT {day}, d.n, {blob} FROM {counted}", (parts[1],))
                choice = f"CASE WHEN d.n % 2 = 1 THEN {blob} ELSE {blob} END, CASE WHEN d.n % 5 = 0 THEN {blob} ELSE {blob} END"
                db.run(
                    f"INSERT INTO energy_slots SELECT {day}, d.n, {choice} FROM {counted}",
                    (parts[2], one, parts[3], b""),
                )
                continue
            db.run(
                f"UPDATE use_slots SET held = held | {mask}, slots = CAST(slots || {blob} AS BLOB) WHERE day = {day}",
                (parts[0],),
            )
            db.run(
                f"UPDATE state_slots SET slots = CAST(slots || {blob} AS BLOB) WHERE day = {day}", (parts[1],)
            )
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
            for (slots,) in self.database.run(
                f"SELECT slots FROM {table} WHERE device = {device} AND day IN ({days})"
            ):
                list(record.iter_unpack(slots))

    def prune(self, day: int, limit: int) -> int:
        """Delete up to `limit` half-hours of `day`; return how many."""
        found = self.database.run(
            f"SELECT device FROM use_slots WHERE day = {day // DAY} ORDER BY device LIMIT {max(1, limit // 48)}"
        )
        for table in self.tables:
            self.database.many(f"DELETE FROM {table} WHERE day = {day // DAY} AND device = ?", found)
        return len(found) * 48
