"""A large IT estate put straight into the tables, for benches of pages and roll-ups: nothing of it was ever reported.

Rows are those ingest leaves, in the usual numbers a device: facts of some 2.5 kB, eleven probes, disks, batteries, a
word of now, start-ups of 30 days, sign-ins and daily totals. Start-ups and days are thinner than in life (see
`Density`), because building them would take longer than measuring; what is asked by indexes does not notice.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, Table, func, select, update

from roadworthy_collector.store import schema
from roadworthy_collector.store.columns import pack_midnight
from roadworthy_collector.store.engine import Database, write_transaction
from roadworthy_collector.store.slots import STATES

SITES, UNITS, MODELS = 200, 300, 400
STARTUP_DAYS = 30
DAY_SECONDS = 86_400
_AT_ONCE = 20_000
_SYSTEMS = tuple(("Windows", f"10.0.{19041 + n}") for n in range(8)) + tuple(
    ("Debian GNU/Linux", str(n)) for n in range(9, 13)
)
_PROBES = ("hardware", "storage", "os", "startup", "signin", "utilisation", "state", "power", "battery", "network",
           "displays")  # fmt: skip
_CLASSES = ("desktop", "laptop", "server", "unknown")
_WORDS = {"status": "not_supported", "reason": "no RAPL, no battery and no meter on this device"}


@dataclass(frozen=True)
class Density:
    """How much there is of what life has more of: start-ups a device and day, whole days of daily totals."""

    startups_a_day: float = 0.5
    days: int = 3
    signin_days: int = 2


def build(database: Database, devices: int, *, now: int, density: Density) -> None:
    """Fill a database that is at head and empty with `devices` devices that reported within a quarter of an hour of `now`."""
    for table, columns, rows in _tables(devices, now, density):
        _put(database, table, columns, rows)
    if isinstance(database, URL):
        with _server(database, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")


def set_forward(engine: Engine, now: int) -> None:
    """Set the clock of an estate that was built a while ago forward: its devices have reported until `now`."""
    devices, heard = schema.devices, schema.device_now
    with write_transaction(engine) as connection:
        newest = connection.scalar(select(func.max(devices.c.last_report_at)))
        later = now - 1 - int(newest or now)
        connection.execute(update(devices).values(last_report_at=devices.c.last_report_at + later))
        connection.execute(update(heard).values(at=heard.c.at + later))


def _tables(count: int, now: int, density: Density) -> Iterator[tuple[Table, Sequence[str], Iterable[Any]]]:
    """Yield what goes into each table; every device is made of its own number, so tables agree."""
    numbers = range(1, count + 1)
    yield schema.sites, ("id", "name", "kind", "restricted"), (
        (100 + n, f"Station {n:03d}", "force", n % 100 == 99) for n in range(SITES)
    )  # fmt: skip
    yield schema.units, ("id", "name", "valid_from"), ((100 + n, f"Unit {n:03d}", 0) for n in range(UNITS))
    columns = ("id", *DEVICE_COLUMNS)
    yield schema.devices, columns, (_device(n, now) for n in numbers)
    names = tuple(schema.device_now.columns.keys())
    yield schema.device_now, names, (_now(n, now) for n in numbers)
    names = ("device", "probe", "status", "reason", "source", "since", "updated_at")
    yield schema.probe_status, names, (row for n in numbers for row in _probes(n, now))
    yield schema.disks, tuple(schema.disks.columns.keys()), (
        (n, "sda", "ssd" if n % 3 else "hdd", True, 0.01 * (n % 90), False) for n in numbers
    )  # fmt: skip
    yield schema.batteries, tuple(schema.batteries.columns.keys()), (
        (n, "BAT0", 0.5 + 0.005 * (n % 100), n % 900) for n in numbers if n % 2
    )  # fmt: skip
    names = tuple(
        name for name in map(str, schema.startups.columns.keys()) if name not in {"reason", "source"}
    )
    yield schema.startups, names, (row for n in numbers for row in _startups(n, now, density))
    midnight = now // DAY_SECONDS * DAY_SECONDS
    yield schema.signins, tuple(schema.signins.columns.keys()), (
        row for n in numbers for row in _signins(n, midnight, density)
    )  # fmt: skip
    names = (
        "day", "device", "site", "unit", "periods", "startups", "cpu_mean_ratio", "memory_mean_ratio",
        "observed_seconds", *(f"{state}_seconds" for state in STATES), "startup_seconds_sum", "startup_seconds_max",
        "joules",
    )  # fmt: skip
    some = [midnight - ago * DAY_SECONDS for ago in range(density.days, 0, -1)]
    yield schema.days, names, (_day(n, day) for day in some for n in numbers)
    names = tuple(schema.histograms.columns.keys())
    yield schema.histograms, names, _histograms()


DEVICE_COLUMNS = (
    "device_id", "site", "unit", "enrolled_at", "last_report_at", "next_call_seconds", "retired_at", "hostname",
    "serial", "asset_tag", "vendor", "model", "device_class", "environment", "os_name", "os_version",
    "system_medium", "facts", "facts_at", "latest_sent_at", "facts_sent_at", "probes_sent_at", "agent_version",
    "platform", "instance", "seq", "usage_profile",
)  # fmt: skip


def device_id(number: int) -> str:
    """Return the id of a device: spread as random ones are, always the same for a number."""
    return f"rwd_{random.Random(number).getrandbits(128):032x}"  # noqa: S311 - a name, not a secret


def _device(n: int, now: int) -> tuple[Any, ...]:
    silent = 40 * DAY_SECONDS if n % 20 == 7 else 1200 if n % 50 == 9 else (n * 7919) % 880
    system = _SYSTEMS[n % len(_SYSTEMS)]
    model = f"Model {n * 31 % MODELS:03d}"
    kind = _CLASSES[0 if n % 10 < 5 else 1 if n % 10 < 9 else 2 if n % 20 < 10 else 3]
    return (
        n, device_id(n), 100 + n * 13 % SITES, 100 + n * 17 % UNITS, now - 90 * DAY_SECONDS, now - silent, 900,
        now - 5 * DAY_SECONDS if n % 40 == 3 else None, f"PC-{n * 97 % 1_000_003:07d}", f"SN{n * 7 % 10_000_019:08d}",
        None if n % 9 == 1 else f"MP{n:06d}", "Dell Inc.", None if n % 100 == 50 else model, kind, "physical", *system,
        "ssd" if n % 3 else "hdd", _FACTS, now - 3600, float(now - silent), float(now - 3600), float(now - 3600),
        "0.1.0", "windows" if system[0] == "Windows" else "linux", f"{n:016x}", 1, "personal",
    )  # fmt: skip


_FACTS = json.dumps(
    {
        "fingerprint": {f"fact{n}": "0123456789abcdef" * 4 for n in range(12)},
        "hardware": {"memory": {"modules": [{"slot": f"DIMM {n}", "part_number": "M471A1K43DB1"} for n in range(16)]}},
        "software": "x" * 480,
    }
)  # fmt: skip
_USE = {"mean_ratio": 0.21, "p95_ratio": 0.4, "quality": "sensor", "source": "psutil"}


def _now(n: int, now: int) -> tuple[Any, ...]:
    half = now // 1800 * 1800
    cpu, memory = (n * 37 % 1000) / 1000, (n * 53 % 1000) / 1000
    said = {"at": now, "start": half, "observed_seconds": 600, "uptime_seconds": 5000.0 + n, "cpu": _USE, "memory": _USE,
            "disks": [{"name": "sda", "busy_ratio": 0.02, "read_bytes": 5_000_000, "written_bytes": 9_000_000}]}  # fmt: skip
    return (n, now - 60, half, 600, 5000.0 + n, cpu, memory if n % 30 else None, json.dumps(said))


def _probes(n: int, now: int) -> Iterator[tuple[Any, ...]]:
    for place, probe in enumerate(_PROBES):
        fine = place < 6 or (n + place) % 3 == 0
        reason = None if fine else f"{_WORDS['reason']} ({place % 4})"
        yield (
            n,
            probe,
            "ok" if fine else _WORDS["status"],
            reason,
            "smbios",
            now - 9 * DAY_SECONDS,
            now - 3600,
        )


def _startups(n: int, now: int, density: Density) -> Iterator[tuple[Any, ...]]:
    """Yield a device's start-ups: log-normal around half a minute, slower on some models, some wakes from sleep."""
    chance = random.Random(n)  # noqa: S311 - figures, not secrets
    for number in range(round(STARTUP_DAYS * density.startups_a_day)):
        at = now - (number + chance.random()) / density.startups_a_day * DAY_SECONDS
        kind = "resume" if chance.random() < 0.2 else "cold"
        total = round(
            (4.0 if kind == "resume" else 25.0 + n * 31 % MODELS / 8) * chance.lognormvariate(0, 0.5), 3
        )
        phases = [{"name": name, "seconds": round(total * part, 3)} for name, part in _PHASES]
        factors = [
            {"kind": "unit", "name": f"service-{n % 150:03d}.service", "seconds": round(total / 5, 3)},
            {"kind": "driver", "name": f"driver{number % 7}", "degradation_seconds": round(total / 9, 3)},
        ]
        yield (n, f"{n:08x}{number:08x}:1", 1, True, kind, "physical", at, total, total * 0.8, None, True, "measured",
               json.dumps(phases), json.dumps(factors), b"12345678")  # fmt: skip


_PHASES = (("firmware", 0.2), ("loader", 0.1), ("kernel", 0.1), ("initrd", 0.1), ("userspace", 0.5))


def _signins(n: int, midnight: int, density: Density) -> Iterator[tuple[Any, ...]]:
    record = json.dumps(
        {"signin_id": f"{n:x}", "revision": 1, "final": True, "quality": "measured", "source": "logind"}
    )
    for ago in range(1, density.signin_days + 1):
        yield (
            n,
            f"{n:08x}{ago:04x}",
            1,
            True,
            midnight - ago * DAY_SECONDS,
            24.5,
            41.0,
            "measured",
            record,
            b"12345678",
        )


def _day(n: int, day: int) -> tuple[Any, ...]:
    states = (n % 30_000, 3600, 1800, 3600, 30_000, 86_400 - 39_000 - n % 30_000)
    seconds = n % 90 + 20.0
    return (
        pack_midnight(day),
        n,
        100 + n * 13 % SITES,
        100 + n * 17 % UNITS,
        20,
        1,
        1500,
        4200,
        36_000,
        *states,
        seconds,
        seconds,
        None,
    )


def _histograms() -> Iterator[tuple[Any, ...]]:
    bounds = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1800.0, float("inf"))
    groups = {"site": ("Station", SITES), "unit": ("Unit", UNITS), "model": ("Model", MODELS)}
    for metric in ("startup_seconds", "signin_seconds"):
        for group, (word, size) in groups.items():
            for member in range(size):
                for bound in bounds:
                    yield (metric, group, f"{word} {member:03d}", bound, member + 7, float(member))


def _put(database: Database, table: Table, columns: Sequence[str], rows: Iterable[Any]) -> None:
    """Insert rows of `columns`, values as the driver takes them, in large transactions."""
    names = ", ".join(f'"{name}"' for name in columns)
    if isinstance(database, URL):
        said = f'COPY "{table.name}" ({names}) FROM STDIN'.encode()
        with _server(database) as server, server.cursor() as cursor, cursor.copy(said) as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    waiting = iter(rows)
    with closing(_file(database)) as connection:
        while some := list(islice(waiting, _AT_ONCE)):
            with connection:
                connection.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', some)  # noqa: S608 - its own tables


def _file(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    # A bench's file: if the machine stops now, it is made again.
    for pragma in ("synchronous = OFF", "cache_size = -400000", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _server(url: URL, *, autocommit: bool = False) -> psycopg.Connection[Any]:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=autocommit)
