"""A list of disposals comes in as one batch: records written, items set to disposed, all taken back by one undo.

The whole file is read and checked against the register before the first row is written. An item that has a record
already is a bad row: `roadworthy disposal set` puts single ones right.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from sqlalchemy import Connection, Engine, insert, select

from roadworthy_collector.books import batches as batch_rows
from roadworthy_collector.books import items
from roadworthy_collector.books.batches import Change, Counts, Source
from roadworthy_collector.books.disposal import DisposalError, values_of
from roadworthy_collector.books.file_scan import scanned
from roadworthy_collector.books.item_writing import ItemWriter
from roadworthy_collector.books.matching import Keys
from roadworthy_collector.books.set_aside import correction_text
from roadworthy_collector.store.books_schema import disposals, register_items
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.statements import Lookup
from roadworthy_inventory.disposal import DisposalRecord, too_heavy
from roadworthy_inventory.importing.disposals import read_disposals
from roadworthy_inventory.importing.fields import Context
from roadworthy_inventory.importing.finance import NO_MAPPING, FinanceMapping, flat
from roadworthy_inventory.importing.problems import BadRow, ImportRefusedError, Report
from roadworthy_inventory.importing.reading import open_table

KIND = "disposals"
_ROOM = {"tag": 64, "certificate": 128, "contractor": 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a file is imported; `scope` and `restricted`: whose items may be changed.

    `corrections`: the rows that are bad are asked for, also of a file that is in already.
    """

    mapping: FinanceMapping = NO_MAPPING
    strict: bool = False
    dry_run: bool = False
    corrections: bool = False
    sheet: str | None = None
    scope: Scope = EVERYTHING
    restricted: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an import went. `batch` None where nothing was written; `same_as` the batch this very file is already.

    `disposed` items left, `awaiting` have not. `corrections`: a correction file with the rows set aside, None of none.
    """

    batch: int | None
    same_as: int | None
    report: Report | None
    disposed: int = 0
    awaiting: int = 0
    corrections: str | None = None


def import_file(
    engine: Engine, stream: BinaryIO, name: str, wishes: Wishes, *, actor: str, now: float, on: dt.date
) -> Outcome:
    """Import the open, seekable file `stream`; DisposalError for what cannot be imported at all."""
    try:
        digest = scanned(stream, name, before=b"disposals\0")
    except ImportRefusedError as error:
        raise DisposalError(str(error)) from None
    with engine.connect() as connection:
        same = batch_rows.same_file(connection, digest)
        if same is not None and not wishes.corrections:
            return Outcome(None, same, None)
        register = _Register(connection, wishes, without=same)
    try:
        report, records, corrections = _parse(stream, name, wishes, on, register)
    except ImportRefusedError as error:
        raise DisposalError(str(error)) from None
    if same is not None:  # the rows it left out are asked for again
        return Outcome(None, same, None, corrections=corrections)
    disposed = sum(one.left is not None for one in records)
    batch = None
    if records and not wishes.dry_run:
        counts = Counts(report.rows_read, report.good, report.quarantined, dict(report.by_code))
        source = Source(KIND, KIND, actor, name[:256], digest)
        batch = _write(engine, records, register, source, counts, now)
    return Outcome(batch, None, report, disposed, len(records) - disposed, corrections)


class _Register:
    """What the register knows of tags, and which items have a record; those of the batch `without` aside."""

    def __init__(self, connection: Connection, wishes: Wishes, *, without: int | None = None) -> None:
        self._keys = Keys(connection, scope=wishes.scope, restricted=wishes.restricted)
        recorded = select(disposals.c.item)
        if without is not None:
            recorded = recorded.where(disposals.c.batch.is_distinct_from(without))
        self._recorded = set(connection.scalars(recorded))
        columns = register_items.c
        self._kinds: dict[int, str] = dict(connection.execute(select(columns.id, columns.kind)).all())

    def item(self, tag: str) -> int | None:
        """Return the item of a tag, None where there is none the reader may change."""
        found = self._keys.tags.get(tag.casefold())
        return None if found in self._keys.hidden else found

    def check(self, record: DisposalRecord, context: Context) -> None:
        """Refuse a record of an item that is not there, has one already, or cannot weigh so much."""
        for name, most in _ROOM.items():
            if len(getattr(record, name) or "") > most:
                context.refuse(name, "too_long", f"is longer than {most} characters")
        found = self.item(record.tag)
        if found is None:
            context.refuse("tag", "unknown_tag", "is no item of the register", record.tag)
        elif found in self._recorded:
            context.refuse(
                "tag",
                "recorded",
                "has a disposal already; `roadworthy disposal set` puts it right",
                record.tag,
            )
        elif why := too_heavy(self._kinds[found], record.weight_grams):
            context.refuse("weight_kg", "not_a_weight", why)


def _parse(
    stream: BinaryIO, name: str, wishes: Wishes, on: dt.date, register: _Register
) -> tuple[Report, list[DisposalRecord], str | None]:
    bad: list[BadRow] = []
    table = open_table(stream, name, sheet=wishes.sheet)
    under_way = read_disposals(
        table,
        on=on,
        mapping=wishes.mapping,
        strict=wishes.strict,
        quarantine=bad.append,
        accept=register.check,
    )
    records = list(flat(under_way))
    return under_way.report(), records, correction_text(under_way, bad)


def _write(
    engine: Engine,
    records: Sequence[DisposalRecord],
    register: _Register,
    source: Source,
    counts: Counts,
    now: float,
) -> int:
    detail: dict[str, Any] = {"rows": counts.read, "bad": counts.bad, "items": len(records)}
    with batch_rows.writing(engine, source, counts, now, "disposal.import", detail) as batch:
        writer, held = ItemWriter(engine, batch, now), items.held_by_id()
        for piece in batch_rows.pieces(records, 500):
            writer.write(_changes(engine, held, piece, register))
            rows = [{"item": register.item(one.tag), "batch": batch, **values_of(one)} for one in piece]
            with write_transaction(engine) as connection:
                connection.execute(insert(disposals), rows)
    return batch


def _changes(
    engine: Engine, held: Lookup, piece: Sequence[DisposalRecord], register: _Register
) -> list[Change]:
    """Return what becomes of the items: disposed on the day they left, else awaiting disposal."""
    records = {register.item(one.tag): one for one in piece}
    with engine.connect() as connection:
        rows = {row[0]: items.values_of_row(row) for row in held.rows(connection, list(records))}
    found = []
    for item, record in records.items():
        if item is None or item not in rows:
            continue
        told: dict[str, Any] = {"lifecycle_state": "awaiting_disposal"}
        if record.left is not None:
            told = {"lifecycle_state": "disposed", "disposed_on": record.left.isoformat()}
        after = items.with_told(rows[item], told)
        if after != rows[item]:
            found.append(Change(item, rows[item], after))
    return found
