"""Batches: one import or one change of many items at once, written in short pieces, undone as a whole.

While its pieces go in a batch is `unfinished`, and no other batch of the register begins. One that was stopped half way
is taken back by its writer; after a power cut `undo` does it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, text, update

from roadworthy_collector.books import items, retiring
from roadworthy_collector.books.items import Values
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import (
    batches,
    disposals,
    exceptions,
    ledger_lines,
    mdm_devices,
    register_changes,
    register_items,
    warranties,
)
from roadworthy_collector.store.books_schema import contracts as contracts_table
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.statements import BulkDelete, BulkUpsert, Lookup

PIECE_ROWS = 1000  # some 30 ms of the write lock
# An unfinished batch older than this belongs to nobody: a million rows take less.
RUNNING_SECONDS = 300
REGISTER_KINDS = ("items", "by_hand")
LEFT_TOLD = 1000


class BatchRunningError(RoadworthyError):
    """Another batch is being written."""


class BatchError(RoadworthyError):
    """What is asked for cannot be done to this batch."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a batch comes from; `file_sha256` of the file (and its mapping), by which it is known again."""

    kind: str
    format: str
    made_by: str
    file_name: str | None = None
    file_sha256: str | None = None


class Counts(NamedTuple):
    """How many rows were read, good and bad, and the problems by code."""

    read: int
    good: int
    bad: int
    problems: dict[str, int]


class Change(NamedTuple):
    """One item as it will be: `item` None for a new one, `before` None too then."""

    item: int | None
    before: Values | None
    after: Values


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing a batch did: items `restored` to their state before, new ones `removed`, and those `left`.

    `left` names (item, why) of the first LEFT_TOLD, `left_count` counts all. `rows`: of tables that hold no items.
    """

    batch: int
    restored: int
    removed: int
    rows: int
    left_count: int
    left: list[tuple[str, str]] = field(default_factory=list)


def begin(engine: Engine, source: Source, counts: Counts, now: float) -> int:
    """Return the row id of a new, unfinished batch; BatchRunningError while another of the register is."""
    row = {
        "kind": source.kind,
        "format": source.format,
        "file_name": source.file_name,
        "file_sha256": source.file_sha256,
        "made_at": int(now),
        "made_by": source.made_by,
        "rows_read": counts.read,
        "rows_good": counts.good,
        "rows_bad": counts.bad,
        "problems": counts.problems or None,
        "unfinished": True,
    }
    with write_transaction(engine) as connection:
        if connection.dialect.name == "postgresql":  # SQLite has locked everything already
            connection.execute(text("LOCK TABLE batches IN SHARE ROW EXCLUSIVE MODE"))
        running = connection.scalar(
            select(batches.c.id).where(batches.c.unfinished, batches.c.made_at > int(now) - RUNNING_SECONDS)
        )
        if running is not None:
            raise BatchRunningError(
                f"batch {running} is being written; wait until it is done (one that was cut off by a fault is "
                f"taken back by `roadworthy register undo {running}` {RUNNING_SECONDS // 60} minutes after it began)"
            )
        return int(connection.execute(insert(batches).values(row).returning(batches.c.id)).scalar_one())


@contextmanager
def writing(
    engine: Engine, source: Source, counts: Counts, now: float, action: str, detail: dict[str, Any]
) -> Iterator[int]:
    """Yield a batch to write pieces of; at the end it is finished and in the audit, once.

    Whatever goes wrong within takes the batch back before the error goes on.
    """
    batch = begin(engine, source, counts, now)
    done = False
    try:
        yield batch
        done = True
    finally:
        if not done:
            _take_back(engine, batch, source.made_by, now)
    with write_transaction(engine) as connection:
        connection.execute(update(batches).where(batches.c.id == batch).values(unfinished=False))
        subject = f"batch {batch}" + (f": {source.file_name}" if source.file_name else "")
        record(connection, int(now), source.made_by, action, subject, detail)


def reserve(connection: Connection, table: Table, count: int) -> list[int]:
    """Return `count` row ids of `table` nobody has or had, in a writing transaction."""
    if not count:
        return []
    if connection.dialect.name == "postgresql":
        query = text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :count)")
        return [int(one) for one in connection.scalars(query, {"name": table.name, "count": count})]
    last = connection.scalar(select(func.max(table.c.id))) or 0
    if table is register_items:  # an item that was taken back keeps its number in the history
        last = max(last, connection.scalar(select(func.max(register_changes.c.item))) or 0)
    return list(range(last + 1, last + count + 1))


def pieces(rows: Sequence[Any], size: int = PIECE_ROWS) -> Iterator[Sequence[Any]]:
    """Yield `rows`, `size` at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def same_file(connection: Connection, sha256: str) -> int | None:
    """Return the batch a file of these bytes is, None where it never came in or was undone."""
    return connection.scalar(
        select(batches.c.id)
        .where(
            batches.c.file_sha256 == sha256, batches.c.undone_at.is_(None), batches.c.unfinished.is_(False)
        )
        .order_by(batches.c.id.desc())
        .limit(1)
    )


def require(connection: Connection, batch: int, *, made_by: str | None = None) -> Any:
    """Return the row of a batch (of one maker); NotFoundError where there is none."""
    row = connection.execute(select(batches).where(batches.c.id == batch)).one_or_none()
    if row is None or made_by not in (None, row.made_by):
        raise NotFoundError(f"{batch}: there is no batch of that number; see `roadworthy register batches`")
    return row


def undo(
    engine: Engine,
    batch: int,
    *,
    actor: str,
    now: float,
    progress: Callable[[str, int, int | None], None] = lambda _stage, _done, _total: None,
) -> Undone:
    """Put every item of a batch back as it was before, unless a later batch changed it: that one is named.

    New items go, unless something was said of them since. Undoing again does what became possible meanwhile.
    """
    with engine.connect() as connection:
        row = require(connection, batch)
    if row.kind == "meters":  # what its days were before is known there
        raise BatchError(f"batch {batch} is of meters: take it back by `roadworthy meters undo {batch}`")
    if row.kind == "plugs":
        raise BatchError(
            f"batch {batch} is of plugs: take it back by `roadworthy carbon calibration undo {batch}`"
        )
    if row.unfinished and row.made_at > int(now) - RUNNING_SECONDS:
        raise BatchRunningError(f"batch {batch} is still being written; wait until it is done")
    found = _put_back(engine, batch, now, progress)
    back = retiring.bring_back(engine, batch)
    with write_transaction(engine) as connection:
        connection.execute(
            update(batches)
            .where(batches.c.id == batch)
            .values(undone_at=int(now), undone_by=actor, unfinished=False)
        )
        detail = {
            "restored": found.restored,
            "removed": found.removed,
            "rows": found.rows,
            "left": found.left_count,
        } | ({"devices_back": back} if back else {})
        record(connection, int(now), actor, "register.undo", f"batch {batch}", detail)
    return found


def _take_back(engine: Engine, batch: int, actor: str, now: float) -> None:
    _put_back(engine, batch, now, lambda _stage, _done, _total: None)
    retiring.bring_back(engine, batch)
    with write_transaction(engine) as connection:
        values = {"undone_at": int(now), "undone_by": actor, "unfinished": False}
        connection.execute(update(batches).where(batches.c.id == batch).values(values))
        record(connection, int(now), actor, "register.cut_off", f"batch {batch}", {"taken_back": True})


def _put_back(
    engine: Engine, batch: int, now: float, progress: Callable[[str, int, int | None], None]
) -> Undone:
    undoing = _Undoing(engine, batch, now)
    with engine.connect() as connection:
        total = connection.scalar(
            select(func.count()).select_from(register_changes).where(register_changes.c.batch == batch)
        )
    after = done = 0
    while True:
        with engine.connect() as connection:
            query = select(register_changes).where(
                register_changes.c.batch == batch, register_changes.c.id > after
            )
            rows = connection.execute(query.order_by(register_changes.c.id).limit(PIECE_ROWS)).all()
        if not rows:
            break
        undoing.piece(rows)
        after, done = rows[-1].id, done + len(rows)
        progress("undone", done, total)
    for table in (mdm_devices, warranties, ledger_lines, contracts_table, disposals):
        undoing.rows += _delete_rows(engine, table, batch)
    return Undone(batch, undoing.restored, undoing.removed, undoing.rows, undoing.left_count, undoing.left)


def _delete_rows(engine: Engine, table: Table, batch: int) -> int:
    """Delete what a batch put into a table that holds no items, piece by piece; return how many rows."""
    total = 0
    while True:
        with write_transaction(engine) as connection:
            (key,) = table.primary_key.columns
            some = select(key).where(table.c.batch == batch).limit(PIECE_ROWS)
            gone = connection.execute(delete(table).where(key.in_(some))).rowcount
        total += gone
        if gone == 0:
            return total


class _Undoing:
    """Takes the changes of one batch back, a piece a transaction."""

    def __init__(self, engine: Engine, batch: int, now: float) -> None:
        self._engine = engine
        self._batch = batch
        self._now = int(now)
        self._held = items.held_by_id()
        later = (
            select(register_changes.c.item, register_changes.c.batch)
            .join(batches, batches.c.id == register_changes.c.batch)
            .where(register_changes.c.batch > batch, batches.c.undone_at.is_(None))
        )
        self._later = Lookup(later, register_changes.c.item)
        self._said = (
            (Lookup(select(exceptions.c.item), exceptions.c.item), "has an exception"),
            (Lookup(select(disposals.c.item), disposals.c.item), "has a disposal"),
        )
        self._write = BulkUpsert(register_items)
        self._delete = BulkDelete(register_items, "id")
        self.restored = self.removed = self.rows = self.left_count = 0
        self.left: list[tuple[str, str]] = []

    def piece(self, changes: Sequence[Any]) -> None:
        """Take some changes back."""
        with write_transaction(self._engine) as connection:
            ids = [change.item for change in changes]
            held = {row[0]: row for row in self._held.rows(connection, ids)}
            why = self._why_not(connection, ids)
            back: list[tuple[Any, ...]] = []
            gone: list[tuple[int]] = []
            for change in changes:
                row = held.get(change.item)
                if row is None:
                    continue
                values = items.values_of_row(row)
                if change.item in why["changed"] or (change.before is None and change.item in why["said"]):
                    reason = why["changed"].get(change.item) or why["said"][change.item]
                    self._leave(values, change.item, reason)
                elif change.before is None:
                    gone.append((change.item,))
                elif items.agree(values, change.after):
                    back.append((change.item, *items.with_told(values, change.before), row[-2], self._now))
            self._write.write(connection, back)
            self._delete.write(connection, gone)
        self.restored += len(back)
        self.removed += len(gone)

    def _leave(self, values: Values, item: int, reason: str) -> None:
        self.left_count += 1
        if len(self.left) < LEFT_TOLD:
            self.left.append((values[0] or values[1] or f"item {item}", reason))

    def _why_not(self, connection: Connection, ids: Sequence[int]) -> dict[str, dict[int, str]]:
        """Return {"changed": {item: which batch}, "said": {item: what keeps a new one}}."""
        changed = {
            item: f"changed by batch {batch}"
            for item, batch in sorted(self._later.rows(connection, ids), reverse=True)
        }
        said = {
            item: what
            for lookup, what in self._said
            for item in itertools.chain.from_iterable(lookup.rows(connection, ids))
        }
        return {"changed": changed, "said": said}
