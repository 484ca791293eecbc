"""A file comes into the register: detected, read, checked, compared with what is held, then written as one batch.

Everything is parsed before the first row is written, so that a file that turns out broken leaves nothing behind. A dry
run goes the same way up to there, on a connection that only reads.
"""

from __future__ import annotations

import csv
import datetime as dt
import gc
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from sqlalchemy import Engine

from roadworthy_collector.books import batches, items, sources
from roadworthy_collector.books.batches import Change, Counts, Source
from roadworthy_collector.books.file_scan import scanned
from roadworthy_collector.books.item_writing import ItemWriter
from roadworthy_collector.books.matching import Keys, Matched, Matcher, matching
from roadworthy_collector.books.places import Places, Wanted
from roadworthy_collector.books.telling import SHOWN_CHANGES, ItemChange, item_change
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.statements import BulkUpsert
from roadworthy_inventory.importing import formats, generic, plain, reading
from roadworthy_inventory.importing.fields import Format
from roadworthy_inventory.importing.items import Import, read_items
from roadworthy_inventory.importing.problems import BadRow, ImportRefusedError, Report, UnknownFormatError
from roadworthy_inventory.importing.values import DateOrder

Progress = Callable[[str, int, int | None], None]
_REPORT_EVERY = 2_000


class FileRefusedError(RoadworthyError):
    """The file cannot be imported; nothing of it was kept. `line` and `column` say where, if one place is meant.

    `wants_mapping`: a mapping file would help (see `starter_mapping`).
    """

    def __init__(self, error: ImportRefusedError) -> None:
        self.wants_mapping = isinstance(error, UnknownFormatError)
        self.line = error.line
        self.column = error.column
        super().__init__(str(error))


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a file is to be imported. `mapping` is the text of a mapping file called `mapping_name`.

    `scope` and `restricted`: whose items may be changed (see `store.queries.scope`); `again`: also the same file again.
    `sheet` of a workbook beats the one its mapping names; the first where neither says.
    """

    format: str | None = None
    mapping: str | None = None
    mapping_name: str = "mapping"
    date_order: DateOrder | None = None
    strict: bool = False
    dry_run: bool = False
    again: bool = False
    scope: Scope = EVERYTHING
    restricted: bool = True
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an import went. `batch` is None where nothing was written: `dry_run`, nothing to write, or `same_as`.

    `same_as` is the batch this very file already is. `new` + `changed` + `unchanged` = `report.good`. `made`: {kind:
    names} of places that were or would be made. `changes` holds the first SHOWN_CHANGES. `corrections` is a
    correction file with the rows set aside, as text; None where none was.
    """

    file: str
    kind: str
    format: str
    title: str
    dry_run: bool
    report: Report | None
    batch: int | None = None
    same_as: int | None = None
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    made: Mapping[str, list[str]] = field(default_factory=dict)
    changes: list[ItemChange] = field(default_factory=list)
    corrections: io.StringIO | None = None


def silent(_stage: str, _done: int, _total: int | None) -> None:
    """Take progress and say nothing."""


def import_file(
    engine: Engine,
    stream: BinaryIO,
    name: str,
    wishes: Wishes,
    *,
    actor: str,
    now: float,
    progress: Progress = silent,
) -> Outcome:
    """Import the open, seekable binary file `stream` called `name`; `now` in UTC epoch seconds.

    `progress` is given (stage, done, total or None): bytes while reading, rows while writing. Raises FileRefusedError
    for what cannot be imported at all, or with `strict` not wholly; BatchRunningError while another import is written.
    """
    # A file is another import where it is read by another mapping.
    after = b"" if wishes.mapping is None else b"\0mapping\0" + wishes.mapping.encode()
    after += b"" if wishes.sheet is None else b"\0sheet\0" + wishes.sheet.casefold().encode()
    try:
        sha256 = scanned(stream, name, after=after)
    except ImportRefusedError as error:
        raise FileRefusedError(error) from None
    with engine.connect() as connection:
        same = None if wishes.again else batches.same_file(connection, sha256)
        if same is not None:
            held = batches.require(connection, same)
            return Outcome(name, held.kind, held.format, held.format, wishes.dry_run, None, same_as=same)
    # Once, and until no row is held any more: the collector would look through all of them.
    with _collector_paused():
        return _imported(engine, stream, Source("", "", actor, name, sha256), wishes, now, progress)


def _imported(
    engine: Engine, stream: BinaryIO, source: Source, wishes: Wishes, now: float, progress: Progress
) -> Outcome:
    name = source.file_name or ""
    try:
        form, table = _opened(_Watched(stream, progress), name, wishes)
        parsing = _Parsing(form, wishes, now)
        parsing.read(engine, table)
    except ImportRefusedError as error:
        raise FileRefusedError(error) from None
    source = replace(source, kind=sources.KINDS[form.yields], format=form.name, file_name=name[:256])
    if form.yields == "item":
        return _Items(engine, parsing, source, now, progress).outcome()
    return _rows(engine, parsing, source, now, progress)


def starter_mapping(stream: BinaryIO, name: str, sheet: str | None = None) -> str:
    """Return a mapping file (TOML) to be edited, for the headers of a file; FileRefusedError where it has none."""
    try:
        return plain.starter(reading.open_table(stream, name, sheet=sheet))
    except ImportRefusedError as error:
        raise FileRefusedError(error) from None


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from looking through a growing heap of rows: a third of an import's time.

    Nothing made meanwhile refers to itself, so that nothing is kept for longer than it is used.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Watched:
    """A stream that tells how much of it was read."""

    def __init__(self, stream: BinaryIO, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress
        self._total = stream.seek(0, os.SEEK_END)
        self._done = 0
        stream.seek(0)

    def read(self, size: int, /) -> bytes | None:
        piece = self._stream.read(size)
        self._done += len(piece)
        self._progress("read", self._done, self._total)
        return piece


def _opened(stream: _Watched, name: str, wishes: Wishes) -> tuple[Format, reading.Table]:
    """Return the format a file is read in, and its table."""
    mapping = None
    if wishes.mapping is not None:
        mapping = generic.parse_mapping(wishes.mapping, wishes.mapping_name)
    named = None if wishes.format is None else formats.by_name(wishes.format)
    sheet = mapping.form.sheet if mapping is not None else None if named is None else named.sheet
    table = reading.open_table(stream, name, sheet=wishes.sheet or sheet)
    if named is plain.PLAIN and mapping is None:
        named = formats.plain_of(table)
    form = generic.check(mapping, table) if mapping is not None else named or formats.format_of(table)
    if form.yields not in sources.KINDS:
        kinds = "items, MDM devices, Endpoint Analytics and warranties"
        raise FileRefusedError(
            ImportRefusedError(
                name, f"is {form.title}, which the register does not hold", f"it takes {kinds}"
            )
        )
    return form, table


class _Parsing:
    """Reads a file to its end: good rows in memory, bad rows into the correction file."""

    def __init__(self, form: Format, wishes: Wishes, now: float) -> None:
        self.form = form
        self.wishes = wishes
        self.wanted = Wanted()
        self.rows: list[Any] = []
        self.report: Report
        self.corrections: io.StringIO | None = None
        self._under_way: Import
        self._on = dt.datetime.fromtimestamp(now, dt.UTC).date()

    def read(self, engine: Engine, table: reading.Table) -> None:
        """Read every row; ImportRefusedError where the file turns out broken, or bad and `strict`."""
        form = self._matching(engine) if self.form.yields == "item" else sources.checked(self.form)
        self._under_way = read_items(
            table,
            form,
            on=self._on,
            strict=self.wishes.strict,
            date_order=self.wishes.date_order,
            quarantine=self._set_aside,
        )
        self.rows = [row for _line, row in self._under_way]
        self.report = self._under_way.report()
        del self._under_way  # which knows `_set_aside`: all rows would stay until they are collected

    def _set_aside(self, bad: BadRow) -> None:
        if self.corrections is None:
            self.corrections = io.StringIO(newline="")
            csv.writer(self.corrections).writerow(self._under_way.correction_header)
        csv.writer(self.corrections).writerow(self._under_way.correction_row(bad))

    def _matching(self, engine: Engine) -> Format:
        wishes = self.wishes
        with engine.connect() as connection:
            keys = Keys(connection, scope=wishes.scope, restricted=wishes.restricted)
            places = Places(connection)
        scope = wishes.scope
        allowed = None if scope is None else lambda path: places.unit(path) in scope
        return matching(self.form, Matcher(keys), allowed)


def _counts(report: Report) -> Counts:
    return Counts(report.rows_read, report.good, report.quarantined, dict(report.by_code))


class _Items:
    """Compares the rows of a file with the register, and writes what differs."""

    def __init__(
        self, engine: Engine, parsing: _Parsing, source: Source, now: float, progress: Progress
    ) -> None:
        self._engine = engine
        self._parsing = parsing
        self._source = source
        self._now = now
        self._progress = progress
        self._defaults = frozenset(parsing.form.fixed)
        self._held = items.held_by_id()
        self._changes: list[Change] = []
        self._unchanged = 0

    def outcome(self) -> Outcome:
        """Compare, write unless it is a dry run, and say what happened."""
        wanted = self._wanted()
        with self._engine.connect() as connection:
            places = Places(connection)
            made = places.missing(wanted)
            dry_run = self._parsing.wishes.dry_run
            if dry_run or not made:
                self._compare(places)
        batch = None
        if not dry_run and (self._changes or made):
            batch = self._write(places, wanted, made)
        # After writing: only then do new places have names to be shown.
        new = sum(change.before is None for change in self._changes)
        return Outcome(
            self._source.file_name or "", self._source.kind, self._source.format, self._parsing.form.title,
            dry_run, self._parsing.report, batch, None, new, len(self._changes) - new, self._unchanged, made,
            self._shown(places), self._parsing.corrections,
        )  # fmt: skip

    def _wanted(self) -> Wanted:
        rows: list[Matched] = self._parsing.rows
        return items.wanted_places([row.said for row in rows])

    def _compare(self, places: Places) -> None:
        for piece in batches.pieces(self._parsing.rows, _REPORT_EVERY):
            targets = [row.target for row in piece if row.target is not None]
            with self._engine.connect() as connection:
                held = {row[0]: items.values_of_row(row) for row in self._held.rows(connection, targets)}
            said = items.placed([row.said for row in piece], places)
            for (_said, target), values in zip(piece, said, strict=True):
                before = None if target is None else held.get(target)
                if before is None:
                    self._changes.append(Change(None, None, values))
                    continue
                after = items.merged(before, values, self._defaults)
                if after == before:
                    self._unchanged += 1
                else:
                    self._changes.append(Change(target, before, after))

    def _write(self, places: Places, wanted: Wanted, made: Mapping[str, list[str]]) -> int:
        report = self._parsing.report
        detail: dict[str, Any] = {"rows": report.rows_read, "bad": report.quarantined}
        counts = _counts(report)
        action = "register.import"
        with batches.writing(self._engine, self._source, counts, self._now, action, detail) as batch:
            if made:
                with write_transaction(self._engine) as connection:
                    places.make(connection, wanted, self._now)
                self._compare(places)
            writer = ItemWriter(self._engine, batch, self._now)
            done = 0
            # A new row takes a third of the time under the lock that one held does, and the larger a piece is, the
            # less often the same pages of an index are written.
            known = any(change.item is not None for change in self._changes)
            for piece in batches.pieces(self._changes, batches.PIECE_ROWS * (1 if known else 4)):
                writer.write(piece)
                done += len(piece)
                self._progress("written", done, len(self._changes))
            new = sum(change.before is None for change in self._changes)
            detail.update(new=new, changed=len(self._changes) - new, unchanged=self._unchanged)
        return batch

    def _shown(self, places: Places) -> list[ItemChange]:
        return [item_change(change, places) for change in self._changes[:SHOWN_CHANGES]]


def _rows(engine: Engine, parsing: _Parsing, source: Source, now: float, progress: Progress) -> Outcome:
    """Write the rows of an export that is no register: each is new, and stands for its day."""
    table, make = sources.table_of(parsing.form.yields)
    rows, report = sources.latest(parsing.rows), parsing.report
    batch = None
    if rows and not parsing.wishes.dry_run:
        detail = {"rows": report.rows_read, "bad": report.quarantined, "new": len(rows)}
        bulk = BulkUpsert(table)
        with batches.writing(engine, source, _counts(report), now, "register.import", detail) as batch:
            done = 0
            for piece in batches.pieces(rows):
                made = [make(row) for row in piece]
                with write_transaction(engine) as connection:
                    numbers = batches.reserve(connection, table, len(made))
                    bulk.write(
                        connection,
                        [(number, batch, *row) for number, row in zip(numbers, made, strict=True)],
                    )
                done += len(made)
                progress("written", done, len(rows))
    return Outcome(
        source.file_name or "", source.kind, source.format, parsing.form.title, parsing.wishes.dry_run, report, batch,
        new=len(rows), unchanged=len(parsing.rows) - len(rows), corrections=parsing.corrections,
    )  # fmt: skip
