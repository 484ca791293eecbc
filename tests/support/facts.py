"""Half-hours for tests: put some in past ingest, and read all that are held, of every device."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select

from roadworthy_collector.store import half_hours, schema
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.half_hours import Battery, Energy, HalfHour, Use
from roadworthy_collector.store.queries import facts
from roadworthy_collector.store.slots import STATES

KINDS: dict[str, Callable[[Connection, int], Sequence[Any]]] = {
    "periods": facts.periods,
    "states": facts.states,
    "energy": facts.energy,
    "battery_use": facts.battery_use,
}
# The same as tables for questions in SQL; their names are no words of any other table.
TABLES = {"half_hour_use": "periods", "half_hour_states": "states", "half_hour_energy": "energy"}


def half_hour(device: int, start: int, **parts: Any) -> HalfHour:
    """Return a half-hour spent idle; `parts` replace fields, `energy` and `battery` given as dicts of theirs.

    Of the states those named are told, the rest of 1,800 s is unobserved.
    """
    states = (
        {name: parts.pop(f"{name}_seconds", 0) for name in STATES[:-1]} if _tells(parts) else {"idle": 1800}
    )
    seconds = tuple(states.get(name, 0) for name in STATES[:-1])
    use = {
        name: None
        if (mean := parts.pop(f"{name}_mean_ratio", None)) is None
        else Use(mean, parts.pop(f"{name}_p95_ratio", None), "sensor", "psutil")
        for name in ("cpu", "memory")
    }
    made = {"observed_seconds": 1800, "samples": 30, "content_hash": b"12345678", **use, **parts}
    made["energy"] = [
        Energy(**{"covered_seconds": None, "relative_error": None, **one}) for one in parts.get("energy", ())
    ]
    if (battery := parts.get("battery")) is not None:
        made["battery"] = Battery(**battery)
    return HalfHour(device=device, start=start, states=(*seconds, 1800 - sum(seconds)), **made)


def put(engine: Engine, some: Iterable[HalfHour]) -> None:
    """Add half-hours none of which is held."""
    with write_transaction(engine) as connection:
        half_hours.append(connection, list(some))


def held(engine: Engine, kind: str) -> list[dict[str, Any]]:
    """Return everything of one of KINDS as dicts, by device, scope and time."""
    with engine.connect() as connection:
        devices = connection.scalars(select(schema.devices.c.id).order_by(schema.devices.c.id)).all()
        return [row._asdict() for device in devices for row in KINDS[kind](connection, device)]


def query(database: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Return what a query finds in a SQLite file, in which half-hours stand as rows of the tables of TABLES."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        engine = open_engine(database, read_only=True)
        for table, kind in TABLES.items():
            if table in statement and (rows := held(engine, kind)):
                connection.execute(f"CREATE TEMP TABLE {table} ({', '.join(rows[0])})")
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(
                    f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608 - names above
                    [tuple(row.values()) for row in rows],
                )
        engine.dispose()
        return connection.execute(statement, values).fetchall()


def _tells(parts: dict[str, Any]) -> bool:
    return any(f"{name}_seconds" in parts for name in STATES)
