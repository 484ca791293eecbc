"""Writes what a relay keeps to signed files, and lets go of what an acknowledgement says is held.

1. A number is taken and the rows are marked with it, in one transaction.
2. The file is written beside its place, synced and moved there.
3. That it is written is noted. Killed in between, the next run writes the same file again under the same number.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Raw
from sqlalchemy import Connection, Engine, and_, delete, func, insert, or_, select, update

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.relay import content, outbox, state, trust
from roadworthy_collector.relay.dropfile import (
    ACKNOWLEDGEMENT,
    FORMAT,
    MAX_FILE_BYTES,
    REPORTS,
    SUFFIX,
    AckLine,
    Body,
    DeviceLine,
    Header,
    ReportLine,
    build,
    open_signed,
)
from roadworthy_collector.relay.errors import DropError, RelayError
from roadworthy_collector.relay.signing import read_key
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.lock import file_lock
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import devices, relay_devices, relay_files, relay_outbox, sites

FILE_BYTES = 33_554_432
_BODY_BYTES = 268_435_456  # decompressed; half of what is read
_ROWS_PER_QUERY = 500
_MARKED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written."""

    file: str
    sequence: int
    reports: int
    bytes: int


class Exporter:
    """Writes the files of one run; see the module."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        folder: Path,
        *,
        file_bytes: int = FILE_BYTES,
        clock: Callable[[], float] = time.time,
        actor: str = trust.ACTOR,
        keep: Callable[[Path, bytes], None] | None = None,
    ) -> None:
        """Write to `folder`; with `keep` that gets each file's path and bytes instead, and no other run is waited for."""
        self._engine = engine
        self._settings = settings
        self._folder = folder
        self._file_bytes = file_bytes
        self._clock = clock
        self._actor = actor
        self._keep = keep or write_file
        self.after = 0  # where a run with `since` goes on behind the file it yielded last
        self.stayed = 0  # reports of restricted sites, which are in no file

    def run(self, since: int | None = None, *, after: int = 0) -> Generator[Written, None, None]:
        """Write what no file holds yet and yield each file; with `since` (epoch seconds) also what came from then on.

        With `after`, as another Exporter told it, a run goes on where that one was left. Raises RelayError if this
        collector writes no files, has no key, or cannot write to the folder.
        """
        if not self._settings.relay_file_drop:
            raise RelayError(
                "this collector keeps nothing for files; set relay_file_drop = true and restart it"
            )
        key = read_key(self._settings.data)
        self.after = after
        with self._alone():
            with write_transaction(self._engine) as connection:
                relay = state.own_id(connection)
            self._leave_restricted()
            self._say_gaps()
            for sequence in self._unfinished():
                yield self._write(key, relay, sequence)
            last = self._last_id()
            while (number := self._take(since, self.after, last)) is not None:
                if since is not None:
                    self.after = self._highest(number)
                yield self._write(key, relay, number)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of exports; raise RelayError where another run holds it and is not waited for."""
        with ExitStack() as held:
            try:
                lock = file_lock(self._settings.data / "relay-export.lock", wait=self._keep is write_file)
                held.enter_context(lock)
            except OSError as error:
                raise RelayError(
                    f"another export runs just now, or its lock cannot be had: {error.strerror}; try again later"
                ) from None
            yield

    def _leave_restricted(self) -> None:
        """Let go of what is of restricted sites: a file leaves the premises, and they are in no export."""
        work = Work(self._engine, self._settings, self._clock)
        restricted = (
            select(devices.c.id).join(sites, sites.c.id == devices.c.site).where(sites.c.restricted.is_(True))
        )

        def step(connection: Connection, limit: int) -> int:
            query = select(relay_outbox.c.id).where(relay_outbox.c.device.in_(restricted)).limit(limit)
            ids = list(connection.scalars(query))
            outbox.let_go(connection, ids)
            return len(ids)

        self.stayed = work.batches(step)

    def _say_gaps(self) -> None:
        """Queue the gaps of devices that have something to go with them."""
        with write_transaction(self._engine) as connection:
            query = select(relay_devices.c.device, relay_devices.c.gaps).where(
                relay_devices.c.gaps.is_not(None)
            )
            held = connection.execute(query).all()
            outbox.lock_devices(connection, [row.device for row in held])
            for row in held:
                if not (first := outbox.first_rows(connection, row.device, 1)):
                    continue
                empty = content.rebuilt(content.unpack(first[0].body), ())
                report = content.with_gaps(empty, row.gaps)
                if report is None:
                    continue
                body = content.pack(report)
                new = {"device": row.device, "received_at": int(self._clock()), "bytes": len(body)}
                connection.execute(insert(relay_outbox).values(**new, passing=False, body=body))
                mine = relay_devices.c.device == row.device
                connection.execute(update(relay_devices).where(mine).values(gaps=None))

    def _unfinished(self) -> list[int]:
        """Return the numbers of files that were begun and never noted as written."""
        with self._engine.connect() as connection:
            query = select(relay_files.c.sequence).where(relay_files.c.written_at.is_(None))
            return list(connection.scalars(query.order_by(relay_files.c.sequence)))

    def _last_id(self) -> int:
        """Return the newest row: what comes while files are written is for the next run, or there may be no end."""
        with self._engine.connect() as connection:
            return connection.scalar(select(func.max(relay_outbox.c.id))) or 0

    def _highest(self, sequence: int) -> int:
        with self._engine.connect() as connection:
            query = select(func.max(relay_outbox.c.id)).where(relay_outbox.c.file == sequence)
            return connection.scalar(query) or 0

    def _take(self, since: int | None, after: int, last: int) -> int | None:
        """Mark the rows of the next file and return its number; None if there are none."""
        columns = relay_outbox.c
        unheld = columns.file.is_(None)
        wanted = unheld if since is None else or_(unheld, columns.received_at >= since)
        size = 0
        ids: list[int] = []
        with self._engine.connect() as connection:
            query = select(columns.id, columns.bytes).where(
                and_(wanted, columns.id > after, columns.id <= last)
            )
            for row in connection.execute(query.order_by(columns.id)):
                size += row.bytes
                if ids and size > self._file_bytes:
                    break
                ids.append(row.id)
        if not ids:
            return None
        with write_transaction(self._engine) as connection:
            sequence: int = (connection.scalar(select(func.max(relay_files.c.sequence))) or 0) + 1
            new = {"sequence": sequence, "made_at": int(self._clock()), "reports": len(ids)}
            connection.execute(insert(relay_files).values(new))
            for begin in range(0, len(ids), _MARKED_AT_ONCE):
                mine = columns.id.in_(ids[begin : begin + _MARKED_AT_ONCE])
                connection.execute(update(relay_outbox).where(mine).values(file=sequence, passing=False))
        return sequence

    def _write(self, key: Ed25519PrivateKey, relay: str, sequence: int) -> Written:
        """Write the file of a number and note that it is written."""
        body = Body()
        reports, times, known = 0, [], set()
        for row in self._rows(sequence):
            if row.device_id not in known:
                known.add(row.device_id)
                body.add(_device_line(row))
            text = content.encode(content.unpack(row.body))
            body.add(ReportLine(row.device_id, row.received_at, Raw(text)))
            reports += 1
            times.append(row.received_at)
            if body.bytes > _BODY_BYTES:
                raise RelayError(f"file {sequence} would be larger than {_BODY_BYTES} bytes when read")
        compressed, sha256 = body.finish()
        header = Header(
            FORMAT,
            REPORTS,
            relay,
            sequence,
            int(self._clock()),
            reports,
            body.bytes,
            sha256,
            min(times, default=None),
            max(times, default=None),
        )
        whole = build(key, header, compressed)
        path = self._folder / f"roadworthy-{relay}-{sequence:08d}{SUFFIX}"
        self._keep(path, whole)
        with write_transaction(self._engine) as connection:
            mine = relay_files.c.sequence == sequence
            digest = hashlib.sha256(whole).hexdigest()
            values = {"written_at": int(self._clock()), "sha256": digest, "reports": reports}
            connection.execute(update(relay_files).where(mine).values(values))
            detail = {"sequence": sequence, "reports": reports, "sha256": digest}
            record(connection, int(self._clock()), self._actor, "relay.export", path.name, detail)
        return Written(str(path), sequence, reports, len(whole))

    def _rows(self, sequence: int) -> Iterator[Any]:
        """Yield the rows of a file with what is told of their devices, in order."""
        after = 0
        query = (
            select(
                relay_outbox.c.id,
                relay_outbox.c.received_at,
                relay_outbox.c.body,
                *(devices.c[name] for name in ("device_id", "platform", "agent_version", "hostname")),
                devices.c.relayed_by,
                devices.c.fingerprint,
            )
            .join(devices, devices.c.id == relay_outbox.c.device)
            .where(relay_outbox.c.file == sequence)
            .order_by(relay_outbox.c.id)
            .limit(_ROWS_PER_QUERY)
        )
        while True:
            with self._engine.connect() as connection:
                rows = connection.execute(query.where(relay_outbox.c.id > after)).all()
            if not rows:
                return
            yield from rows
            after = rows[-1].id


def acknowledge(
    engine: Engine, settings: Settings, paths: Iterable[Path], *, now: int
) -> list[dict[str, Any]]:
    """Let go of what acknowledgements say is held; return a dict a file: its number and how many reports went.

    Raises DropError for one that is not signed by a trusted key, is for another relay, or is none.
    """
    found = []
    for path in paths:
        found += acknowledge_one(engine, settings, read_file(path), str(path), now=now)
    return found


def acknowledge_one(
    engine: Engine, settings: Settings, content: bytes, name: str, *, now: int, actor: str = trust.ACTOR
) -> list[dict[str, Any]]:
    """Let go of what one acknowledgement, given as its bytes, says is held; see `acknowledge`."""
    with engine.connect() as connection:
        opened = open_signed(content, trust.relay_of(connection))
        own = state.known_id(connection)
    if opened.header.kind != ACKNOWLEDGEMENT or opened.header.to != own:
        raise DropError(f"{name}: it is no acknowledgement for this relay")
    opened.check()
    lines = [line for line in opened.lines() if isinstance(line, AckLine)]
    return [done for line in lines if (done := _let_go(engine, settings, line, now, actor)) is not None]


def _let_go(engine: Engine, settings: Settings, line: AckLine, now: int, actor: str) -> dict[str, Any] | None:
    """Let go of one file's reports; None if it is no file of ours, or is acknowledged already."""
    with write_transaction(engine) as connection:
        query = (
            update(relay_files)
            .where(
                relay_files.c.sequence == line.sequence,
                relay_files.c.sha256 == line.sha256,
                relay_files.c.acknowledged_at.is_(None),
            )
            .values(acknowledged_at=now)
        )
        if connection.execute(query).rowcount == 0:
            return None
        detail = {"sha256": line.sha256}
        record(connection, now, actor, "relay.acknowledge", str(line.sequence), detail)

    def step(connection: Connection, limit: int) -> int:
        ids = select(relay_outbox.c.id).where(relay_outbox.c.file == line.sequence).limit(limit)
        return connection.execute(delete(relay_outbox).where(relay_outbox.c.id.in_(ids))).rowcount

    gone = Work(engine, settings).batches(step)
    return {"sequence": line.sequence, "reports": gone}


def write_file(path: Path, whole: bytes) -> None:
    """Write a file (0600) that is there whole or not at all; raise RelayError saying what to do."""
    partial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(whole)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise RelayError(
            f"{path}: cannot write the file: {error.strerror}; name a folder with --to"
        ) from None


def read_file(path: Path) -> bytes:
    """Return a carried file, no more of it than one may be large; raise DropError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DropError(f"{path}: cannot be read: {error.strerror}") from None


def _device_line(row: Any) -> DeviceLine:
    return DeviceLine(
        row.device_id, row.platform, row.agent_version, row.hostname, row.relayed_by, row.fingerprint
    )
