"""The simulated devices: enrolled straight into a store, or over the API of a collector of one's own.

A fleet is a text file, a line a device: `rwd_... rw1_...`. It holds tokens, so it is written 0600.
"""

from __future__ import annotations

import json
import os
import secrets
import ssl
import time
from collections.abc import Iterable, Sequence
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from load.bodies import VERSION
from load.plan import Plan
from roadworthy_collector.security import tokens
from roadworthy_collector.store.engine import Database, open_engine, write_transaction
from roadworthy_collector.store.schema import devices, sites, units
from roadworthy_collector.store.schema import tokens as tokens_table

PLACES = 20  # sites, and units, the devices are spread over
AT_ONCE = 10_000


class Member(NamedTuple):
    """One simulated device."""

    device_id: str
    token: str


def enrol_in_store(database: Database, count: int, plan: Plan, *, now: int) -> list[Member]:
    """Enrol `count` devices straight into a database that is at head, and return them.

    The rows are those enrolment leaves; only the way there is shorter, or 100,000 devices would take minutes.
    """
    engine = open_engine(database)
    try:
        with write_transaction(engine) as connection:
            places = _make_places(connection, now)
        fleet: list[Member] = []
        while len(fleet) < count:
            numbers = range(len(fleet), min(count, len(fleet) + AT_ONCE))
            with write_transaction(engine) as connection:
                fleet += _enrol_some(connection, numbers, plan, places, now)
        return fleet
    finally:
        engine.dispose()


def _make_places(connection: Connection, now: int) -> tuple[list[int], list[int]]:
    """Make sites and units for the devices; return their row ids."""
    names = [f"load {n:02d}" for n in range(PLACES)]
    connection.execute(
        insert(sites), [{"name": name, "kind": "force", "restricted": False} for name in names]
    )
    connection.execute(insert(units), [{"name": name, "valid_from": now} for name in names])
    ids = [select(table.c.id).where(table.c.name.in_(names)).order_by(table.c.id) for table in (sites, units)]
    return list(connection.scalars(ids[0])), list(connection.scalars(ids[1]))


def _enrol_some(
    connection: Connection, numbers: Sequence[int], plan: Plan, places: tuple[list[int], list[int]], now: int
) -> list[Member]:
    """Insert some devices, each with a token it has used before."""
    rows = [
        {
            "device_id": f"rwd_{plan.name(n, 0)}",
            "site": places[0][n % PLACES],
            "unit": places[1][n // 7 % PLACES],
            "enrolled_at": now,
        }
        for n in numbers
    ]
    connection.execute(insert(devices), rows)
    newest = select(devices.c.device_id, devices.c.id).order_by(devices.c.id.desc()).limit(len(rows))
    held = {str(row.device_id): row.id for row in connection.execute(newest)}
    issued = {device_id: tokens.issue(tokens.Kind.DEVICE) for device_id in held}
    used = {"created_at": now, "first_used_at": now}
    connection.execute(
        insert(tokens_table),
        [
            {"id": token.id, "device": held[device_id], "secret_sha256": token.sha256, **used}
            for device_id, token in issued.items()
        ],
    )
    return [Member(str(row["device_id"]), issued[str(row["device_id"])].text) for row in rows]


def enrol_over_api(
    host: str, port: int, key: str, count: int, *, context: ssl.SSLContext | None, prefix: str = ""
) -> list[Member]:
    """Enrol `count` devices with an enrolment key, one request each, and return them.

    A collector that says wait is waited for. Raises SystemExit with its words if it refuses or cannot be reached.
    """
    if context is None:
        connection = HTTPConnection(host, port, timeout=60)
    else:
        connection = HTTPSConnection(host, port, timeout=60, context=context)
    fleet: list[Member] = []
    while len(fleet) < count:
        try:
            answer = _ask(connection, f"{prefix}/api/v1/enrol", key, len(fleet))
        except (OSError, HTTPException) as error:
            raise SystemExit(f"{host}:{port} cannot be reached: {error or type(error).__name__}") from None
        if answer.status in {429, 503}:
            time.sleep(int(answer.headers.get("Retry-After", "5")))
            continue
        if answer.status != 200:
            words = answer.body.decode(errors="replace")
            raise SystemExit(f"{host}:{port} refused to enrol a device: {answer.status} {words}")
        said = json.loads(answer.body)
        fleet.append(Member(said["device_id"], said["token"]))
    connection.close()
    return fleet


class _Answer(NamedTuple):
    """What an enrolment is answered."""

    status: int
    headers: Message
    body: bytes


def _ask(connection: HTTPConnection, path: str, key: str, number: int) -> _Answer:
    """Ask for one device to be enrolled."""
    asked = {
        "schema_version": "1.0",
        "enrolment_key": key,
        "platform": "linux",
        "agent_version": VERSION,
        "hostname": f"load-{number:06d}",
    }
    connection.request("POST", path, json.dumps(asked), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return _Answer(answer.status, answer.headers, answer.read())


def write_fleet(path: Path, fleet: Iterable[Member]) -> None:
    """Write a fleet for the generator's processes."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.writelines(f"{member.device_id} {member.token}\n" for member in fleet)


def read_fleet(path: Path, first: int, last: int) -> Sequence[Member]:
    """Return the devices from number `first` to `last`, exclusive."""
    with path.open(encoding="ascii") as file:
        return [Member(*line.split()) for line in islice(file, first, last)]


def new_run() -> str:
    """Return 8 random hex digits that tell this run's devices from another's."""
    return secrets.token_hex(4)
