"""Readings of smart plugs come in as batches: good rows kept as whole days of devices, bad ones told, all undone again.

A day held with another figure gives way to the later file; undoing that file brings it back. The energy ledger makes the
months from the first day on anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from sqlalchemy import Connection, Engine, select, update

from roadworthy_collector.books import batches
from roadworthy_collector.books.file_scan import scanned
from roadworthy_collector.books.set_aside import correction_text
from roadworthy_collector.carbon import asked, plug_store
from roadworthy_collector.carbon.meter_undo import ensure_counts
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import batches as batches_table
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.schema import devices
from roadworthy_inventory.calendar import utc_date
from roadworthy_inventory.carbon.plug_file import MOST_ROWS, How, PlugFile, PlugImport
from roadworthy_inventory.importing.problems import BadRow, ImportRefusedError, Report
from roadworthy_inventory.importing.reading import open_table

KIND = "plugs"
TOLD = 200


class PlugsError(RoadworthyError):
    """A file of plugs that cannot be imported; nothing of it was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How a file is imported. `dry_run`: only say what it would do."""

    how: How = How()  # noqa: RUF009 - frozen, and the same for all
    sheet: str | None = None
    dry_run: bool = False


@dataclass(slots=True)
class Outcome:
    """How an import went: days `new`, `changed`, as held, and those `partly` covered, which are left out.

    `batch` None where nothing was written; `already` the batch the same file is in as.
    """

    batch: int | None = None
    already: int | None = None
    report: Report | None = None
    devices: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    partly: int = 0
    joules: int = 0
    first: dt.date | None = None
    last: dt.date | None = None
    corrections: str | None = None
    gaps: list[tuple[str, dt.date]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Undone:
    """How many days of how many devices an undone batch had said."""

    batch: int
    devices: int
    days: int


def import_file(
    engine: Engine, stream: BinaryIO, name: str, choices: Choices, *, actor: str, now: int, on: dt.date
) -> Outcome:
    """Import an open, seekable binary file; the same file read the same way, while it counts, changes nothing.

    `on`: today. Raises PlugsError for a file that cannot be taken, BatchRunningError while another is written.
    """
    after = f"\0{KIND}\0{choices.how!r}\0{choices.sheet}".encode()
    with engine.connect() as connection:
        names = _Names(connection)
        try:
            digest = scanned(stream, name, after=after, most_rows=MOST_ROWS)
            if (same := batches.same_file(connection, digest)) is not None:
                return Outcome(already=same)
            found, corrections = _read(stream, name, choices, on, names)
        except ImportRefusedError as error:
            raise PlugsError(str(error)) from None
        outcome = Outcome(report=found.report, corrections=corrections)
        told = _compare(plug_store.read(connection), found, outcome, names)
    if told and not choices.dry_run:
        source = batches.Source(KIND, KIND, actor, name[:256], digest)
        outcome.batch = _write(engine, source, told, outcome, now)
    return outcome


def undo(engine: Engine, batch: int, *, actor: str, now: int) -> Undone:
    """Take an import back. NotFoundError where there is none, BatchError where it does not count."""
    ensure_counts(engine, batch, KIND, "plugs", "roadworthy carbon calibration show", now)
    return _take_back(engine, batch, actor=actor, now=now, action="plugs.undo")


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON can say it, without the correction file."""
    report = outcome.report
    names = ("batch", "already", "devices", "new", "changed", "unchanged", "partly")
    said: dict[str, Any] = {name: getattr(outcome, name) for name in names}
    said |= {name: str(day) if (day := getattr(outcome, name)) else None for name in ("first", "last")}
    problems, warnings = ((), ()) if report is None else (report.problems, report.warnings)
    said |= {
        "kwh": float(round(outcome.joules / 3_600_000, 3)),
        "gaps": [{"device": device, "day": str(day)} for device, day in outcome.gaps],
        "rows_read": 0 if report is None else report.rows_read,
        "rows_bad": 0 if report is None else report.quarantined,
        "problems": {} if report is None else dict(report.by_code),
        "warnings": {} if report is None else dict(report.warnings_by_code),
        "notes": [] if report is None else list(report.notes),
    }
    about = ("line", "column", "code", "message", "value")
    for key, some in (("first_problems", problems), ("first_warnings", warnings)):
        said[key] = [{name: getattr(one, name) for name in about} for one in some[:TOLD]]
    return said


def in_zone(choices: Choices, zone: str) -> Choices:
    """Return the choices with clocks of the reporting time zone."""
    return replace(choices, how=replace(choices.how, zone=zone))


class _Names:
    """Finds a device by what people call it: its id, asset tag, tag in the register, serial number or host name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found: dict[str, int | str] = {}
        self.said: dict[int, str] = {}

    def __call__(self, said: str) -> int | str:
        if said not in self._found:
            self._found[said] = self._look(said)
        found = self._found[said]
        if isinstance(found, int):
            self.said.setdefault(found, said)
        return found

    def _look(self, said: str) -> int | str:
        forms = sorted({said, said.upper(), said.lower()})
        ids: set[int] = set()
        for column in (devices.c.device_id, devices.c.asset_tag, devices.c.serial, devices.c.hostname):
            ids |= set(self._connection.scalars(select(devices.c.id).where(column.in_(forms)).limit(2)))
        of_tag = (
            select(register_devices.c.device)
            .join(register_items, register_items.c.id == register_devices.c.item)
            .where(register_items.c.tag.in_(forms), register_devices.c.valid_to.is_(None))
        )
        ids |= set(self._connection.scalars(of_tag.limit(2)))
        if len(ids) == 1:
            return ids.pop()
        if ids:
            return "names more than one device; give the id (rwd_...) of the one that is meant"
        return "is no id, tag, serial number or host name of a device with an agent"


def _read(
    stream: BinaryIO, name: str, choices: Choices, on: dt.date, names: _Names
) -> tuple[PlugFile, str | None]:
    bad: list[BadRow] = []
    table = open_table(stream, name, sheet=choices.sheet)
    under_way = PlugImport(table, choices.how, on=on, device=names, quarantine=bad.append)
    found = under_way.read()
    return found, correction_text(under_way, bad)


def _compare(
    held: Mapping[int, plug_store.Days], found: PlugFile, outcome: Outcome, names: _Names
) -> dict[int, plug_store.Days]:
    """Return what is to be written, and count it."""
    told: dict[int, plug_store.Days] = {}
    for device, covered in sorted(found.devices.items()):
        outcome.devices += bool(covered.whole)
        outcome.partly += len(covered.partly)
        outcome.gaps += [(names.said[device], day) for day in covered.partly][: TOLD - len(outcome.gaps)]
        before = held.get(device, {})
        for one in covered.whole:
            outcome.joules += one.joules
            if before.get(one.date) == one.joules:
                outcome.unchanged += 1
                continue
            outcome.changed += one.date in before
            outcome.new += one.date not in before
            told.setdefault(device, {})[one.date] = one.joules
    days = [one.date for covered in found.devices.values() for one in covered.whole]
    outcome.first, outcome.last = min(days, default=None), max(days, default=None)
    return told


def _write(
    engine: Engine, source: batches.Source, told: Mapping[int, plug_store.Days], outcome: Outcome, now: int
) -> int:
    """Write the days, a device a transaction; whatever goes wrong takes them back."""
    report = outcome.report
    assert report is not None  # noqa: S101 - set by import_file before
    counts = batches.Counts(report.rows_read, report.good, report.quarantined, dict(report.by_code))
    batch = batches.begin(engine, source, counts, now)
    done = False
    try:
        for device, some in told.items():
            with write_transaction(engine) as connection:
                plug_store.add(connection, device, some, batch, now)
        done = True
    finally:
        if not done:
            _take_back(engine, batch, actor=source.made_by, now=now, action="plugs.cut_off")
    detail = {"devices": len(told), "new": outcome.new, "changed": outcome.changed, "partly": outcome.partly}
    with write_transaction(engine) as connection:
        connection.execute(update(batches_table).where(batches_table.c.id == batch).values(unfinished=False))
        audit.record(
            connection, now, source.made_by, "plugs.import", f"batch {batch}: {source.file_name}", detail
        )
        _ask(connection, (day for some in told.values() for day in some), now)
    return batch


def _take_back(engine: Engine, batch: int, *, actor: str, now: int, action: str) -> Undone:
    with engine.connect() as connection:
        mine = plug_store.of_batch(connection, batch)
    gone: list[dt.date] = []
    for device in mine:
        with write_transaction(engine) as connection:
            gone += plug_store.drop(connection, device, batch, now)
    with write_transaction(engine) as connection:
        values = {"undone_at": now, "undone_by": actor, "unfinished": False}
        connection.execute(update(batches_table).where(batches_table.c.id == batch).values(**values))
        detail = {"devices": len(mine), "days": len(gone)}
        audit.record(connection, now, actor, action, f"batch {batch}", detail)
        _ask(connection, gone, now)
    return Undone(batch, len(mine), len(gone))


def _ask(connection: Connection, days: Iterable[dt.date], now: int) -> None:
    """Have the months from the first of `days` on made anew: lines fitted to a day hold for months after it."""
    if (first := min(days, default=None)) is not None:
        asked.ask_between(connection, first, utc_date(now), now)
