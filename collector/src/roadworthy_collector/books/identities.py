"""Who the records of the three sides say they are, read in SQL in pieces: register items, MDM records, devices.

Agents send hardware facts as SHA-256 only. What the other sides tell in clear is hashed as agents do, and where the two
are equal the agent's record gets the clear value; a hash nobody's value has stays one, so that it contradicts.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from roadworthy_collector.store.books_schema import batches, mdm_devices, register_items
from roadworthy_collector.store.schema import devices
from roadworthy_inventory.identity import normalise_serial, normalise_tag
from roadworthy_inventory.reconcile import Identity, identity

# Items of other kinds never report by themselves; a disposed item is nobody's machine any more.
DEVICE_KINDS = ("desktop", "laptop", "tablet", "server", "thin_client", "phone", "unknown")
# Of these only what is polled reports: they are looked at where any device of the kind is polled at all.
POLLED_KINDS = MappingProxyType({"printer": "printer", "ups": "ups", "pdu": "pdu", "switch": "network"})
GONE_STATES = ("disposed",)
AT_ONCE = 5000
# A machine that was set up anew: its former device is silent from then on; a report may have been under way.
_OVERLAP_SECONDS = 3600


class Reads(Protocol):
    """What gives connections for short reads (`jobs.work.Work`)."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Return a connection for one read."""


class Agent(NamedTuple):
    """A device in service, as reconciliation needs it."""

    id: int
    device_id: str
    unit: int
    enrolled_at: int
    last_report_at: int | None


class Former(NamedTuple):
    """A device that is the former self of another: the same hardware, set up anew. `until` in UTC epoch seconds."""

    id: int
    unit: int
    now: str
    enrolled_at: int
    until: int


class Sides(NamedTuple):
    """The identities of all sides, and what their keys stand for.

    Keys: of the register the item's row id; of the MDM the record's own id where it has one; of agents the device id.
    """

    register: list[Identity]
    mdm: list[Identity]
    agents: list[Identity]
    item_units: dict[str, int | None]
    mdm_rows: dict[str, int]
    devices: dict[str, Agent]
    formers: list[Former]
    left_out: int  # register items of kinds that never report, or disposed of
    polled: frozenset[str] = frozenset()  # register items of kinds that are polled: no MDM knows such


def latest(connection: Connection, kind: str) -> int | None:
    """Return the newest batch of a kind that is all in and was not undone, None where there is none."""
    whole = (batches.c.undone_at.is_(None), batches.c.unfinished.is_(False))
    found: int | None = connection.scalar(
        select(func.max(batches.c.id)).where(batches.c.kind == kind, *whole)
    )
    return found


def latest_mdm(connection: Connection) -> int | None:
    """Return the newest MDM export that holds; where none does, the newest of Endpoint Analytics: the same devices."""
    return latest(connection, "mdm") or latest(connection, "experience")


def read_sides(reads: Reads, mdm_batch: int | None) -> Sides:
    """Read the three sides, `AT_ONCE` records at a time."""
    register, item_units, polled, left_out = _register(reads, _polled_kinds(reads))
    mdm, mdm_rows = _mdm(reads, mdm_batch)
    agents, held, formers = _agents(reads, _hashes((*register, *mdm)))
    return Sides(register, mdm, agents, item_units, mdm_rows, held, formers, left_out, polled)


def takes_part(items: Any) -> ColumnElement[bool]:
    """Return whether an item of `items`, register items or their columns, takes part in matching."""
    polled = [
        and_(items.kind == kind, exists().where(devices.c.device_class == of, devices.c.retired_at.is_(None)))
        for of, kind in POLLED_KINDS.items()
    ]
    return and_(or_(items.kind.in_(DEVICE_KINDS), *polled), items.lifecycle_state.not_in(GONE_STATES))


def _polled_kinds(reads: Reads) -> frozenset[str]:
    """Return the kinds of register items devices of which are polled."""
    column = devices.c.device_class
    query = select(column).where(column.in_(tuple(POLLED_KINDS)), devices.c.retired_at.is_(None)).distinct()
    with reads.reading() as connection:
        return frozenset(POLLED_KINDS[device_class] for device_class in connection.scalars(query))


def _pieces(reads: Reads, query: Select[Any], key: Any) -> Iterator[Sequence[Any]]:
    """Yield the rows of `query` by its key, in pieces, each read by itself."""
    after = 0
    while True:
        with reads.reading() as connection:
            rows = connection.execute(query.where(key > after).order_by(key).limit(AT_ONCE)).all()
        if not rows:
            return
        yield rows
        after = rows[-1].id


def _register(
    reads: Reads, polled_kinds: Collection[str]
) -> tuple[list[Identity], dict[str, int | None], frozenset[str], int]:
    columns = ("id", "serial", "uuid", "tag", "macs", "unit", "kind", "lifecycle_state")
    query = select(*(register_items.c[name] for name in columns))
    found: list[Identity] = []
    units: dict[str, int | None] = {}
    polled: set[str] = set()
    left_out = 0
    for rows in _pieces(reads, query, register_items.c.id):
        for row in rows:
            is_polled = row.kind in polled_kinds
            if not (is_polled or row.kind in DEVICE_KINDS) or row.lifecycle_state in GONE_STATES:
                left_out += 1
                continue
            key = str(row.id)
            if is_polled:
                polled.add(key)
            found.append(identity(key, serial=row.serial, uuid=row.uuid, tag=row.tag, macs=row.macs or ()))
            units[key] = row.unit
    return found, units, frozenset(polled), left_out


def _mdm(reads: Reads, batch: int | None) -> tuple[list[Identity], dict[str, int]]:
    """Return the MDM's records; one that comes twice under one id is told apart by its row."""
    columns = ("id", "mdm_id", "serial", "uuid", "tag", "macs")
    query = select(*(mdm_devices.c[name] for name in columns)).where(mdm_devices.c.batch == batch)
    found: list[Identity] = []
    rows_of: dict[str, int] = {}
    for rows in _pieces(reads, query, mdm_devices.c.id) if batch is not None else ():
        for row in rows:
            key = row.mdm_id or (f"serial {row.serial}" if row.serial else f"row {row.id}")
            if key in rows_of:
                key = f"{key} (row {row.id})"
            rows_of[key] = row.id
            found.append(identity(key, serial=row.serial, uuid=row.uuid, tag=row.tag, macs=row.macs or ()))
    return found, rows_of


def _agents(reads: Reads, clear: dict[str, str]) -> tuple[list[Identity], dict[str, Agent], list[Former]]:
    fingerprint = devices.c.fingerprint
    query = select(
        devices.c.id,
        devices.c.device_id,
        devices.c.unit,
        devices.c.enrolled_at,
        devices.c.last_report_at,
        devices.c.serial,
        devices.c.asset_tag,
        fingerprint["system_uuid"].as_string().label("uuid_hash"),
        fingerprint["mac"].as_string().label("mac_hash"),
    ).where(
        devices.c.retired_at.is_(None),
        devices.c.device_class != "controller",  # a part of its server, with that one's serial number
    )
    found: list[tuple[Agent, Identity]] = []
    for rows in _pieces(reads, query, devices.c.id):
        for row in rows:
            mac = clear.get(row.mac_hash or "")
            one = Identity(
                row.device_id,
                normalise_serial(row.serial),
                clear.get(row.uuid_hash or "", row.uuid_hash),
                normalise_tag(row.asset_tag),
                frozenset((mac,) if mac else ()),
            )
            agent = Agent(row.id, row.device_id, row.unit, row.enrolled_at, row.last_report_at)
            found.append((agent, one))
    formers = _formers(found)
    gone = {former.id for former in formers}
    kept = [(agent, one) for agent, one in found if agent.id not in gone]
    return [one for _, one in kept], {agent.device_id: agent for agent, _ in kept}, formers


def _formers(found: Iterable[tuple[Agent, Identity]]) -> list[Former]:
    """Return the devices that are former selves: serial and UUID of a newer one, and silent since that enrolled."""
    same: defaultdict[tuple[str, str], list[Agent]] = defaultdict(list)
    for agent, one in found:
        if one.serial and one.uuid:
            same[one.serial, one.uuid].append(agent)
    formers = []
    for of in same.values():
        if len(of) == 1:
            continue
        newest = max(of, key=lambda agent: (agent.enrolled_at, agent.id))
        others = [agent for agent in of if agent is not newest]
        if all((agent.last_report_at or 0) <= newest.enrolled_at + _OVERLAP_SECONDS for agent in others):
            formers += [
                Former(agent.id, agent.unit, newest.device_id, agent.enrolled_at, newest.enrolled_at)
                for agent in others
            ]
    return formers


def _hashes(records: Iterable[Identity]) -> dict[str, str]:
    """Return {SHA-256 as agents make it: the value in clear} of the UUIDs and addresses of `records`."""
    found: dict[str, str] = {}
    for record in records:
        if record.uuid is not None:
            other = uuid.UUID(bytes_le=uuid.UUID(record.uuid).bytes)  # agents may read the other byte order
            found[hashed("system_uuid", record.uuid)] = record.uuid
            found[hashed("system_uuid", str(other))] = record.uuid
        for mac in record.macs:
            found[hashed("mac", mac)] = mac
    return found


def hashed(name: str, value: str) -> str:
    """Return the SHA-256 an agent sends of a hardware fact: of its name and its letters and digits in lower case."""
    bare = "".join(letter for letter in value.lower() if letter.isascii() and letter.isalnum())
    return hashlib.sha256(f"{name}:{bare}".encode()).hexdigest()


def as_text(value: object) -> str:
    """Return `value` as JSON text in one order, for columns written many rows at a time."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
