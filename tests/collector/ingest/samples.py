"""Reports, devices and databases the ingest tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import URL, Engine, Table, insert, select
from support.databases import make_sqlite
from support.facts import held

from roadworthy_collector.ingest.batch import Incoming, Outcome, write_reports
from roadworthy_collector.ingest.decode import ReportDecoder
from roadworthy_collector.security import tokens
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import devices

START = 1789002000  # a multiple of 1800: 2026-09-10, 01:00 UTC
NOW = START + 1900.0
RECORDED = Path(__file__).parents[2] / "contract" / "reports"
DECODER = ReportDecoder()


class Device(NamedTuple):
    """A device in the database and how it authenticates."""

    row: int
    device_id: str
    token: str


@contextmanager
def fresh_database(folder: Path) -> Iterator[Engine]:
    """Yield an engine on a new database made by the migrations."""
    database = folder / "roadworthy.db"
    make_sqlite(database, at=NOW)
    engine = open_engine(database)
    try:
        yield engine
    finally:
        engine.dispose()


def database_of(engine: Engine, folder: Path) -> Path | URL:
    """Return the database of an engine: the file in `folder`, or the server's."""
    return engine.url if engine.dialect.name == "postgresql" else folder / "roadworthy.db"


def add_device(engine: Engine, digits: str = "a") -> Device:
    """Add a device whose id is `digits` repeated to 32 hex digits, with a token."""
    device_id = f"rwd_{(digits * 32)[:32]}"
    with write_transaction(engine) as connection:
        row = {"device_id": device_id, "site": 1, "unit": 1, "enrolled_at": int(NOW) - 86400}
        number = connection.execute(insert(devices).values(row).returning(devices.c.id)).scalar_one()
        token = tokens.create_device_token(connection, number, now=int(NOW) - 86400)
    return Device(number, device_id, token.text)


def recorded(name: str) -> dict[str, Any]:
    """Return a recorded report as JSON values."""
    found: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    return found


def report(device: Device, **parts: Any) -> dict[str, Any]:
    """Return a report of `device` as JSON values; `parts` add or replace fields."""
    return {
        "schema_version": "1.0",
        "device_id": device.device_id,
        "instance": "0" * 16,
        "seq": 1,
        "boot_id": "boot-1",
        "sent_at": NOW,
        "agent": {"version": "1.0.0", "platform": "linux"},
        **parts,
    }


def period(start: int = START, **parts: Any) -> dict[str, Any]:
    """Return a good settlement period."""
    state = dict.fromkeys(("in_use", "idle", "locked", "asleep", "off"), 0) | {"unobserved": 1800}
    use = {"mean_ratio": 0.25, "p95_ratio": 0.5, "quality": "sensor", "source": "psutil"}
    return {
        "start": start,
        "observed_seconds": 1800,
        "samples": 30,
        "state_seconds": state,
        "cpu": use,
        "memory": use,
        **parts,
    }


def startup(start_id: str = "boot-1:0", **parts: Any) -> dict[str, Any]:
    """Return a good, final start-up."""
    return {
        "start_id": start_id,
        "boot_id": "boot-1",
        "revision": 1,
        "final": True,
        "kind": "cold",
        "started_at": START - 600.5,
        "quality": "measured",
        "total_seconds": 33.0,
        "phases": [{"name": "kernel", "seconds": 8.0}, {"name": "userspace", "seconds": 25.0}],
        **parts,
    }


def write(engine: Engine, device: Device, *reports: dict[str, Any], now: float = NOW) -> list[Outcome]:
    """Decode and write reports as one group; return what became of them."""
    incoming = []
    for each in reports:
        decoded = DECODER.decode(json.dumps(each).encode())
        incoming.append(Incoming(device.row, decoded.report, decoded.refused))
    with write_transaction(engine) as connection:
        return write_reports(connection, incoming, now)


def answers(outcome: Outcome) -> list[tuple[Any, ...]]:
    """Return item, key, code and field of what was refused."""
    return [(each.item, each.key, each.code, each.field) for each in outcome.rejected]


def rows(
    engine: Engine, table: Table | str, *, without: frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """Return all rows of a table in the order of their keys, or of a kind of half-hours (`support.facts.KINDS`)."""
    if isinstance(table, str):
        return held(engine, table)
    with engine.connect() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
        return [{name: value for name, value in row.items() if name not in without} for row in found]


def encoded(value: Any) -> bytes:
    """Return compact JSON."""
    return msgspec.json.encode(value)
