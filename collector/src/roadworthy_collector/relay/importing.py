"""Reads a relay's files: the same checks, the same writing and the same retention as for reports that are sent.

1. The signature is verified, then the whole file is read through once: what is not whole is refused whole.
2. Reports are written in groups through `write_reports`; each device gets an id of its own here, once and for ever.
3. That the file is held is noted last. Killed before that, reading it again changes nothing.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest.batch import Incoming, write_reports
from roadworthy_collector.ingest.decode import ReportDecoder
from roadworthy_collector.ingest.vocabulary import Vocabulary
from roadworthy_collector.relay import outbox, state, trust
from roadworthy_collector.relay.admission import MOST_RELAYS, path, relays_of
from roadworthy_collector.relay.dropfile import (
    ACK_SUFFIX,
    ACKNOWLEDGEMENT,
    FORMAT,
    REPORTS,
    AckLine,
    Body,
    DeviceLine,
    Header,
    Opened,
    ReportLine,
    build,
    open_signed,
)
from roadworthy_collector.relay.errors import DropError, NothingReadError
from roadworthy_collector.relay.exporting import read_file, write_file
from roadworthy_collector.relay.signing import read_key
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import devices, relay_imports, relay_members, relay_trust
from roadworthy_collector.store.statements import upsert

GROUP_REPORTS = 200
GROUP_ITEMS = 2000
DAY_SECONDS = 86_400
_MOST_ACKNOWLEDGED = 5000  # files told of in one acknowledgement, the newest


@dataclass(slots=True)
class Imported:
    """What became of a file; `rejected` counts items by code."""

    file: str
    relay: str
    sequence: int
    sha256: str
    already: bool = False
    reports: int = 0
    devices_new: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


class Importer:
    """Reads files into one database."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        token_hex: Callable[[int], str] = secrets.token_hex,
        actor: str = trust.ACTOR,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._token_hex = token_hex
        self._actor = actor
        self._decoder = ReportDecoder()

    def read(self, file: Path, progress: Callable[[int, int], None] = lambda _done, _all: None) -> Imported:
        """Read one file and return what became of it; `progress` gets reports written and reports in all.

        Raises DropError, naming the file, before anything of it is written.
        """
        return self.take(read_file(file), str(file), progress)

    def take(
        self, content: bytes, name: str, progress: Callable[[int, int], None] = lambda _done, _all: None
    ) -> Imported:
        """Read one file given as its bytes, called `name`; see `read`."""
        try:
            opened, place, already = self._opened(content)
            header = opened.header
            result = Imported(name, header.relay, header.sequence, opened.sha256, already=already)
            if already:
                return result
            known = opened.check()
            self._refuse_loops(known, header.relay)
        except DropError as error:
            raise DropError(f"{name}: {error}") from None
        for group in _groups(opened):
            self._write(group, known, place, result)
            progress(result.reports, header.reports)
        self._note(result)
        return result

    def _opened(self, content: bytes) -> tuple[Opened, Any, bool]:
        """Return a file whose signature holds, where its devices stand, and whether it was read before."""
        with self._engine.connect() as connection:
            opened = open_signed(content, trust.relay_of(connection))
            header = opened.header
            if header.kind != REPORTS:
                raise DropError("it holds no reports; an acknowledgement is for `roadworthy relay ack`")
            if header.relay == state.known_id(connection):
                raise DropError("this collector wrote it itself")
            place = connection.execute(select(relay_trust).where(relay_trust.c.relay == header.relay)).first()
            query = select(relay_imports.c.sha256).where(
                relay_imports.c.relay == header.relay, relay_imports.c.sequence == header.sequence
            )
            return opened, place, connection.scalar(query) == opened.sha256

    def _refuse_loops(self, known: Mapping[str, DeviceLine], relay: str) -> None:
        """Raise DropError where a device of a file came through this collector before."""
        with self._engine.connect() as connection:
            own = state.known_id(connection)
        for told in known.values():
            relays = (*relays_of(told.relayed_by), relay)
            if own in relays or len(relays) > MOST_RELAYS:
                raise DropError(
                    "a device of it came through this collector before: two forward to each other"
                )

    def _write(
        self, group: list[ReportLine], known: Mapping[str, DeviceLine], place: Any, result: Imported
    ) -> None:
        """Write a group of reports in one transaction."""
        now = self._clock()
        heard: dict[int, int] = {}
        incoming = []
        with write_transaction(self._engine) as connection:
            # Two who read files of one relay at once would both make its new devices.
            mine = select(relay_trust.c.name).where(relay_trust.c.relay == result.relay)
            connection.execute(mine.with_for_update()).all()
            ids = self._devices(connection, group, known, place, result)
            for line in group:
                try:
                    decoded = self._decoder.decode(bytes(line.report))
                except EnvelopeError as error:  # of a relay that is newer than this collector
                    result.rejected[error.code] += 1
                    continue
                device = ids[line.device]
                heard[device] = max(line.at, heard.get(device, 0))
                incoming.append(Incoming(device, decoded.report, decoded.refused))
            before = _last_heard(connection, list(heard))
            outcomes = write_reports(
                connection,
                incoming,
                now,
                retention_days=self._settings.half_hour_retention_days,
                interval_seconds=self._settings.report_interval_seconds,
                relay=self._settings.is_relay,
            )
            # A device was last heard of when its relay heard of it, not when somebody carried the file here.
            for device, at in sorted(heard.items()):
                values = {
                    "last_report_at": max(before.get(device) or 0, min(at, int(now))),
                    "next_call_seconds": place.every_days * DAY_SECONDS,
                }
                connection.execute(update(devices).where(devices.c.id == device).values(values))
        result.reports += len(group)
        for outcome in outcomes:
            result.accepted += outcome.accepted
            result.rejected.update(rejected.code for rejected in outcome.rejected)

    def _devices(
        self,
        connection: Connection,
        group: list[ReportLine],
        known: Mapping[str, DeviceLine],
        place: Any,
        result: Imported,
    ) -> dict[str, int]:
        """Return the row id of each local device id, made where it is new; their rows are locked."""
        wanted = sorted({line.device for line in group})
        mine = relay_members.c.relay == result.relay
        query = select(relay_members.c.local_device_id, relay_members.c.device)
        query = query.where(mine, relay_members.c.local_device_id.in_(wanted))
        found = {row[0]: row[1] for row in connection.execute(query)}
        for local in wanted:
            if local not in found:
                found[local] = self._make(connection, known[local], place, result.relay)
                row = {"relay": result.relay, "local_device_id": local, "device": found[local]}
                connection.execute(insert(relay_members).values(row))
                result.devices_new += 1
        outbox.lock_devices(connection, found.values())
        return found

    def _make(self, connection: Connection, told: DeviceLine, place: Any, relay: str) -> int:
        """Make a device and return its row id."""
        row = {
            "device_id": f"rwd_{self._token_hex(16)}",
            "site": place.site,
            "unit": place.unit,
            "enrolled_at": int(self._clock()),
            "platform": Vocabulary().read("agent.platform", told.platform or "other"),
            "agent_version": told.agent_version,
            "hostname": told.hostname,
            "fingerprint": told.fingerprint,
            "relayed_by": path((*relays_of(told.relayed_by), relay)),
        }
        made: int = connection.execute(insert(devices).values(row).returning(devices.c.id)).scalar_one()
        return made

    def _note(self, result: Imported) -> None:
        """Note that a file is held."""
        now = int(self._clock())
        row = {
            "relay": result.relay,
            "sequence": result.sequence,
            "sha256": result.sha256,
            "imported_at": now,
            "reports": result.reports,
            "accepted": result.accepted,
            "rejected": result.rejected.total(),
        }
        with write_transaction(self._engine) as connection:
            connection.execute(upsert(relay_imports), row)
            detail = {name: row[name] for name in ("sequence", "sha256", "reports", "accepted", "rejected")}
            record(connection, now, self._actor, "relay.import", result.relay, detail)


def missing(connection: Connection, relay: str) -> list[int]:
    """Return the numbers of a relay's files that were never read although later ones were."""
    query = select(relay_imports.c.sequence).where(relay_imports.c.relay == relay)
    held = set(connection.scalars(query))
    return [number for number in range(1, max(held, default=0)) if number not in held]


def write_acknowledgement(engine: Engine, settings: Settings, relay: str, folder: Path, *, now: int) -> Path:
    """Write a signed file that tells a relay which of its files are held here, and return where it is."""
    name, whole = acknowledgement(engine, settings, relay, now=now)
    write_file(folder / name, whole)
    return folder / name


def acknowledgement(engine: Engine, settings: Settings, relay: str, *, now: int) -> tuple[str, bytes]:
    """Return the name and bytes of a signed file that tells a relay which of its files are held here.

    Raises NothingReadError if none is, SecretError without a key.
    """
    key = read_key(settings.data)
    with write_transaction(engine) as connection:
        own = state.own_id(connection)
        query = select(relay_imports.c.sequence, relay_imports.c.sha256).where(relay_imports.c.relay == relay)
        newest = query.order_by(relay_imports.c.sequence.desc()).limit(_MOST_ACKNOWLEDGED)
        held = connection.execute(newest).all()
    if not held:
        raise NothingReadError(f"no file of relay {relay} was read here")
    body = Body()
    for row in reversed(held):
        body.add(AckLine(row.sequence, row.sha256))
    compressed, sha256 = body.finish()
    last = held[0].sequence
    header = Header(FORMAT, ACKNOWLEDGEMENT, own, last, now, 0, body.bytes, sha256, to=relay)
    return f"roadworthy-{relay}-{last:08d}{ACK_SUFFIX}", build(key, header, compressed)


def _groups(opened: Opened) -> Iterator[list[ReportLine]]:
    """Yield reports in groups small enough for one transaction."""
    group: list[ReportLine] = []
    size = 0
    for line in opened.lines():
        if isinstance(line, ReportLine):
            group.append(line)
            size += 1 + len(bytes(line.report)) // 500  # about the bytes of an item
            if len(group) >= GROUP_REPORTS or size >= GROUP_ITEMS:
                yield group
                group, size = [], 0
    if group:
        yield group


def _last_heard(connection: Connection, ids: list[int]) -> dict[int, int | None]:
    query = select(devices.c.id, devices.c.last_report_at).where(devices.c.id.in_(ids))
    return {row[0]: row[1] for row in connection.execute(query)}
