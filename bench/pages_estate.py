"""What bench/pages.py adds to an estate of load/estate.py: people, and devices whose history is opened.

An audit, keys, tokens and users of some years; a few devices with all they told of the last 30 days. Each is added once, so that an estate that is kept may be used again.
"""

from __future__ import annotations

import math
from pathlib import Path

from load.estate import device_id
from sqlalchemy import URL, Connection, func, insert, select

from roadworthy_collector.security import audit as openings
from roadworthy_collector.store import half_hours, schema
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.half_hours import Battery, Energy, HalfHour, Use
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.statements import upsert

OFTEN_OPENED = 1  # number of the device whose history pages are asked for
TOLD = 20  # devices with half-hours
AUDIT_ROWS, KEYS, USERS, TOKENS = 50_000, 1000, 100, 200
_HALF_HOURS = 30 * 48


def add_records(database: URL | Path, now: int) -> None:
    """Add what is not there yet."""
    engine = open_engine(database)
    with write_transaction(engine) as connection:
        if (connection.scalar(select(func.count()).select_from(schema.audit)) or 0) < AUDIT_ROWS:
            _write_audit(connection, now)
            _write_people(connection, now)
    for number in range(1, TOLD + 1):
        with write_transaction(engine) as connection:
            _tell(connection, number, now // 1800 * 1800)
    engine.dispose()


def open_history(database: URL | Path, user: str, now: int) -> None:
    """Say why `user` opens the device, so that its page is shown."""
    engine = open_engine(database)
    reason = {"reason": "bench/pages.py"}
    openings.record_alone(engine, now, user, openings.OPEN_DEVICE, device_id(OFTEN_OPENED), reason)
    engine.dispose()


def _write_audit(connection: Connection, now: int) -> None:
    """Write rows as `audit.record` does, many at once."""
    head = select(schema.audit_chain.c.hash).where(schema.audit_chain.c.name == "head")
    newest = select(func.max(schema.audit.c.at))
    before, first = connection.scalar(head) or "", connection.scalar(newest) or now - 3600
    rows = []
    for number in range(AUDIT_ROWS):
        row = {
            "at": first + number // 100,
            "actor": f"user-{number % USERS:03d}",
            "action": openings.OPEN_DEVICE,
            "subject": device_id(number % 5000 + 1),
            "detail": {"reason": f"incident {number:06d}"},
        }
        before = audit.chained(before, row)
        rows.append(row | {"hash": before})
    connection.execute(insert(schema.audit), rows)
    last = connection.scalar(select(func.max(schema.audit.c.id)))
    connection.execute(upsert(schema.audit_chain), {"name": "head", "row_id": last, "hash": before})


def _write_people(connection: Connection, now: int) -> None:
    """Add keys of every unit, users, and tokens of theirs."""
    place = {"site": 100, "secret_sha256": "0" * 64, "created_at": now, "uses": 1}
    keys = [
        {"id": f"{n:016x}", "unit": 100 + n % 300, "note": "a batch of devices", **place} for n in range(KEYS)
    ]
    connection.execute(insert(schema.enrol_keys), keys)
    user = {"password_argon2": "none", "role": "viewer", "created_at": now, "scoped": False}
    connection.execute(insert(schema.users), [{"name": f"user-{n:03d}", **user} for n in range(USERS)])
    token = {"secret_sha256": "0" * 64, "created_at": now, "expires_at": now + 86_400}
    tokens = [{"id": f"{n:016x}", "user": f"user-{n % USERS:03d}", **token} for n in range(TOKENS)]
    connection.execute(insert(schema.user_tokens), tokens)
    scrape = {"secret_sha256": "0" * 64, "created_at": now, "scoped": False}
    connection.execute(insert(schema.scrape_tokens), [{"id": f"{n:016x}", **scrape} for n in range(50)])


def _tell(connection: Connection, device: int, until: int) -> None:
    """Add the half-hours of the last 30 days that are not held."""
    starts = range(until - _HALF_HOURS * 1800, until, 1800)
    held = half_hours.held(connection, ((device, start) for start in starts))
    half_hours.append(
        connection, [_half_hour(device, start) for start in starts if (device, start) not in held]
    )


def _half_hour(device: int, start: int) -> HalfHour:
    """Return one of an always-on laptop: busy by day."""
    busy = round(0.1 + 0.1 * math.sin(start / 13_751), 4)
    use = Use(busy, 2 * busy, "sensor", "psutil.cpu_times")
    energy = [
        Energy(scope, 21_600, 9_300_000_000 + start % 86_400, 1800, "sensor", "rapl:package-0", None)
        for scope in ("cpu", "machine")
    ]
    battery = Battery(9000, 600, 4000, "sysfs")
    return HalfHour(
        device, start, 1800, 180, use, use, b"12345678", (900, 600, 300, 0, 0, 0), energy, battery
    )
