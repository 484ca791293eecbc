"""Meter files come in as batches: good days written, bad rows told, overlaps decided, and all of it can be undone.

A day that is held is filled where it has no figure, an estimate gives way to an actual figure and an unstated one to
a stated one. An actual figure that would change is an overlap: it stays unless the import is told to replace. What a
row was before is kept beside the batch (`book_figures`), so that undoing puts it back.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Literal, NamedTuple

from sqlalchemy import Connection, Engine, select, tuple_, update

from roadworthy_collector.books import batches, figures
from roadworthy_collector.books.file_scan import scanned
from roadworthy_collector.books.set_aside import correction_text
from roadworthy_collector.carbon import meter_days, supplies
from roadworthy_collector.carbon.meter_undo import BEFORE, KIND, Before, put_back
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import batches as batches_table
from roadworthy_collector.store.carbon_schema import meter_days as table
from roadworthy_collector.store.columns import pack_date
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.statements import BulkUpsert
from roadworthy_inventory.carbon.meters import MOST_ROWS, How, MeterDay, MeterFile, MeterImport
from roadworthy_inventory.carbon.registers import Reading
from roadworthy_inventory.importing.problems import BadRow, ImportRefusedError, Problem, Report
from roadworthy_inventory.importing.reading import open_table

PIECE = 300  # days a transaction: some ten milliseconds
TOLD = 200
_OF_A_ROW = 2  # a row of negative half-hours has 48 faults of one cause, and others have theirs
_STRENGTH = {"-": 0, meter_days.UNSTATED: 1, meter_days.ESTIMATED: 1, meter_days.ACTUAL: 2}


class MetersError(RoadworthyError):
    """A meter file that cannot be imported; nothing of it was kept."""

    def __init__(self, error: ImportRefusedError) -> None:
        self.line = error.line
        self.column = error.column
        super().__init__(str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How a file is imported. `overlap`: what becomes of actual figures that would change. `dry_run`: only say."""

    how: How = How()  # noqa: RUF009 - frozen, and the same for all
    sheet: str | None = None
    overlap: Literal["keep", "replace"] = "keep"
    dry_run: bool = False


class Overlap(NamedTuple):
    """A day held already with another actual figure; `half_hour` the first that differs, from 1."""

    number: str
    day: dt.date
    channel: str
    batch: int
    half_hour: int


@dataclass(slots=True)
class Outcome:
    """How an import went. `batch` None where nothing was written; `already` the batch the same file is in as.

    `new` + `changed` + `unchanged` + `overlapping` are the days (and readings) of the file. `overlaps` has the first
    TOLD of those that were left as they are. `missing` {number and channel: half-hours missing between its first and last}.
    """

    batch: int | None = None
    already: int | None = None
    report: Report | None = None
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    overlapping: int = 0
    overlaps: list[Overlap] = field(default_factory=list)
    supplies_made: list[str] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    kwh_thousandths: int = 0
    first: str | None = None
    last: str | None = None
    corrections: str | None = None


class _Row(NamedTuple):
    """A row of `meter_days` but for its supply and batch."""

    number: str
    day: dt.date
    channel: str
    half_hours: bytes
    statuses: str
    kwh_thousandths: int


def import_file(
    engine: Engine, stream: BinaryIO, name: str, choices: Choices, *, actor: str, now: int, on: dt.date
) -> Outcome:
    """Import an open, seekable binary file; the same file read the same way, while it counts, changes nothing.

    `on`: today. Raises MetersError for a file that cannot be taken, BatchRunningError while another is written.
    """
    # Read another way it is another import.
    after = f"\0{choices.how!r}\0{choices.sheet}\0{choices.overlap}".encode()
    try:
        digest = scanned(stream, name, after=after, most_rows=MOST_ROWS)
    except ImportRefusedError as error:
        raise MetersError(error) from None
    with engine.connect() as connection:
        same = batches.same_file(connection, digest)
        own = {one.number for one in supplies.read(connection, restricted=True) if one.fuel == "onsite"}
    if same is not None:
        return Outcome(already=same)
    found, corrections = _read(stream, name, choices, on, own)
    rows = [_of_day(one) for one in found.days] + [_of_reading(*one) for one in found.readings]
    outcome = Outcome(
        report=found.report,
        corrections=corrections,
        missing={f"{number} {channel}": count for (number, channel), count in found.missing.items()},
        kwh_thousandths=sum(one.kwh_thousandths for one in rows if one.channel == "import"),
        first=min((str(one.day) for one in rows), default=None),
        last=max((str(one.day) for one in rows), default=None),
    )
    with engine.connect() as connection:
        ids = {one.number: one.id for one in supplies.read(connection, restricted=True)}
        told = _compare(connection, rows, ids, choices, outcome)
    outcome.supplies_made = sorted(set(found.fuels) - set(ids))
    if not choices.dry_run and told:
        source = batches.Source(KIND, "meters", actor, name[:256], digest)
        outcome.batch = _Writing(engine, source, found, outcome, now).write(told)
    return outcome


def _read(
    stream: BinaryIO, name: str, choices: Choices, on: dt.date, own: set[str]
) -> tuple[MeterFile, str | None]:
    bad: list[BadRow] = []
    try:
        under_way = MeterImport(
            open_table(stream, name, sheet=choices.sheet), choices.how, on=on, quarantine=bad.append, own=own
        )
        found = under_way.read()
    except ImportRefusedError as error:
        raise MetersError(error) from None
    return found, correction_text(under_way, bad)


def _of_day(one: MeterDay) -> _Row:
    packed = meter_days.pack(one.values)
    return _Row(one.number, one.day, one.channel, packed, one.statuses, one.kwh_thousandths)


def _of_reading(number: str, one: Reading) -> _Row:
    status = meter_days.ACTUAL if one.actual else meter_days.ESTIMATED
    packed = meter_days.pack_reading(one)
    return _Row(number, one.day, meter_days.REGISTER, packed, status, one.thousandths)


def _compare(
    connection: Connection, rows: Sequence[_Row], ids: dict[str, int], choices: Choices, outcome: Outcome
) -> list[_Row]:
    """Return what is to be written: new days, and days as they will be."""
    told = []
    for piece in batches.pieces(rows, PIECE):
        keys = [(ids[one.number], str(one.day), one.channel) for one in piece if one.number in ids]
        held = {(row.supply, row.day, row.channel): row for row in _held(connection, keys)}
        for one in piece:
            before = held.get((ids.get(one.number, 0), str(one.day), one.channel))
            if before is None:
                outcome.new += 1
                told.append(one)
            elif (one.half_hours, one.statuses) == (before.half_hours, before.statuses):
                outcome.unchanged += 1
            else:
                told.extend(_changed(one, before, choices, outcome))
    return told


def _held(connection: Connection, keys: Sequence[tuple[int, str, str]]) -> Sequence[Any]:
    if not keys:
        return []
    place = tuple_(table.c.supply, table.c.day, table.c.channel)
    return connection.execute(meter_days.counting().where(place.in_(keys))).all()


def _changed(one: _Row, before: Any, choices: Choices, outcome: Outcome) -> list[_Row]:
    """Return the day as it will be, nothing where it stays."""
    after, differs = _merged(one, before, replace=choices.overlap == "replace")
    if differs is not None:
        outcome.overlapping += 1
        if len(outcome.overlaps) < TOLD:
            outcome.overlaps.append(Overlap(one.number, one.day, one.channel, before.batch, differs))
        return []
    if (after.half_hours, after.statuses) == (before.half_hours, before.statuses):
        outcome.unchanged += 1
        return []
    outcome.changed += 1
    return [after]


def _merged(one: _Row, before: Any, *, replace: bool) -> tuple[_Row, int | None]:
    """Return a day made of what is held and what came, and the first half-hour that may not change."""
    if one.channel == meter_days.REGISTER:
        alike = one.kwh_thousandths == before.kwh_thousandths
        stays = before.statuses == meter_days.ACTUAL and not alike and not replace
        return one, 1 if stays else None
    held, new = meter_days.unpack(before.half_hours), meter_days.unpack(one.half_hours)
    values, statuses = list(held), list(before.statuses)
    for at, value in enumerate(new):
        if value is None or (value, one.statuses[at]) == (held[at], statuses[at]):
            continue
        stronger = _STRENGTH[one.statuses[at]] > _STRENGTH[statuses[at]]
        if value == held[at]:
            statuses[at] = one.statuses[at] if stronger or replace else statuses[at]
            continue
        # An estimate may be estimated anew by a later file; what is actual, or whose status nobody knows, stays.
        again = statuses[at] == meter_days.ESTIMATED and one.statuses[at] == meter_days.ESTIMATED
        if not (replace or stronger or again):
            return one, at + 1
        values[at], statuses[at] = value, one.statuses[at]
    total = sum(value for value in values if value is not None)
    return one._replace(
        half_hours=meter_days.pack(values), statuses="".join(statuses), kwh_thousandths=total
    ), None


class _Writing:
    """Writes one batch, a piece a transaction, with what was there before beside it."""

    def __init__(
        self, engine: Engine, source: batches.Source, found: MeterFile, outcome: Outcome, now: int
    ) -> None:
        self._engine = engine
        self._source = source
        self._found = found
        self._outcome = outcome
        self._now = now
        self._bulk = BulkUpsert(table)

    def write(self, told: Sequence[_Row]) -> int:
        """Write `told` and return the batch; whatever goes wrong takes it back."""
        report = self._found.report
        counts = batches.Counts(report.rows_read, report.good, report.quarantined, dict(report.by_code))
        batch = batches.begin(self._engine, self._source, counts, self._now)
        done = False
        try:
            with write_transaction(self._engine) as connection:
                for number in self._outcome.supplies_made:
                    supplies.save(
                        connection,
                        number,
                        self._found.fuels[number],
                        actor=self._source.made_by,
                        now=self._now,
                    )
                made = {"supplies": self._outcome.supplies_made}
                figures.write(connection, f"{BEFORE}{batch}.made", made, self._now, 0.0)
                ids = {one.number: one.id for one in supplies.read(connection, restricted=True)}
            for at, piece in enumerate(batches.pieces(told, PIECE)):
                self._piece(batch, at, piece, ids)
            done = True
        finally:
            if not done:
                put_back(
                    self._engine, batch, actor=self._source.made_by, now=self._now, action="meters.cut_off"
                )
        self._finish(batch)
        return batch

    def _piece(self, batch: int, at: int, piece: Sequence[_Row], ids: dict[str, int]) -> None:
        keys = [(ids[one.number], str(one.day), one.channel) for one in piece]
        rows = [
            (ids[one.number], pack_date(str(one.day)), one.channel, one.half_hours, one.statuses,
             one.kwh_thousandths, batch)
            for one in piece
        ]  # fmt: skip
        with write_transaction(self._engine) as connection:
            before = [Before.of(row) for row in _held(connection, keys)]
            if before:
                figures.write(connection, f"{BEFORE}{batch}.{at}", before, self._now, 0.0)
            self._bulk.write(connection, rows)

    def _finish(self, batch: int) -> None:
        outcome = self._outcome
        detail = {
            "new": outcome.new,
            "changed": outcome.changed,
            "unchanged": outcome.unchanged,
            "overlapping": outcome.overlapping,
            "supplies_made": len(outcome.supplies_made),
        }
        with write_transaction(self._engine) as connection:
            connection.execute(
                update(batches_table).where(batches_table.c.id == batch).values(unfinished=False)
            )
            subject = f"batch {batch}: {self._source.file_name}"
            audit.record(connection, self._now, self._source.made_by, "meters.import", subject, detail)


def held_batches(connection: Connection, kind: str = KIND) -> list[dict[str, Any]]:
    """Return the imports of meter files, or of another kind, newest first."""
    columns = (
        "id",
        "file_name",
        "made_at",
        "made_by",
        "rows_read",
        "rows_good",
        "rows_bad",
        "undone_at",
        "undone_by",
    )
    query = select(*(batches_table.c[name] for name in columns)).where(batches_table.c.kind == kind)
    return [dict(row) for row in connection.execute(query.order_by(batches_table.c.id.desc())).mappings()]


def _first_of_rows(problems: Sequence[Problem]) -> list[Problem]:
    """Return the first faults of each row, so that no row keeps those of another from being told."""
    of_row = Counter[int]()
    found = []
    for one in problems:
        of_row[one.line] += 1
        if of_row[one.line] <= _OF_A_ROW:
            found.append(one)
    return found


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON can say it, without the correction file."""
    report = outcome.report
    said = {
        name: getattr(outcome, name)
        for name in (
            "batch", "already", "new", "changed", "unchanged", "overlapping", "supplies_made", "missing",
            "kwh_thousandths", "first", "last",
        )
    }  # fmt: skip
    said["overlaps"] = [json.loads(json.dumps(one._asdict(), default=str)) for one in outcome.overlaps]
    problems = () if report is None else report.problems
    said |= {
        "rows_read": 0 if report is None else report.rows_read,
        "rows_bad": 0 if report is None else report.quarantined,
        "problems": {} if report is None else dict(report.by_code),
        "warnings": {} if report is None else dict(report.warnings_by_code),
        "notes": [] if report is None else list(report.notes),
        "first_problems": [
            {
                "line": one.line,
                "column": one.column,
                "code": one.code,
                "message": one.message,
                "value": one.value,
            }
            for one in _first_of_rows(problems)[:TOLD]
        ],
    }
    return said


def in_zone(choices: Choices, zone: str) -> Choices:
    """Return the choices with clocks of the reporting time zone."""
    return replace(choices, how=replace(choices.how, zone=zone))
