"""The record of who did what: rows are added, never changed, each chained to the one before by a hash.

Writing takes the chain's end until the transaction is over, so it comes last in a transaction: whoever holds it
waits for nobody. The hash shows what was changed, left out or put in later; against somebody who may write to the
database and computes the whole chain anew helps a hash noted elsewhere (`roadworthy audit verify --known`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, RowMapping, delete, insert, select

from roadworthy_collector.store.schema import audit, audit_chain
from roadworthy_collector.store.statements import upsert

ACTOR_LENGTH, SUBJECT_LENGTH = 64, 128
_PAGE = 1000


class Verified(NamedTuple):
    """What a walk along the chain found.

    `rows` were looked at, the newest has id `head_id` and `head_hash`; `broken` says in words what does not fit,
    None if all does. `unchained` rows carry no hash: a program from before the chain wrote them.
    """

    rows: int
    head_id: int
    head_hash: str
    unchained: int
    broken: str | None


def record(
    connection: Connection,
    now: int,
    actor: str,
    action: str,
    subject: str | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Write a row of the audit; the last thing a transaction does, because it holds the chain's end."""
    row = {
        "at": int(now),
        "actor": actor[:ACTOR_LENGTH],
        "action": action,
        # PostgreSQL takes no NUL, and a name typed into a form may hold anything.
        "subject": subject.replace("\0", "")[:SUBJECT_LENGTH] if subject else subject,
        "detail": detail,
    }
    query = select(audit_chain.c.hash).where(audit_chain.c.name == "head").with_for_update()
    row["hash"] = chained(connection.scalar(query) or "", row)
    id_ = connection.execute(insert(audit).values(row).returning(audit.c.id)).scalar_one()
    connection.execute(upsert(audit_chain), {"name": "head", "row_id": id_, "hash": row["hash"]})


def chained(before: str, row: Mapping[str, Any] | RowMapping) -> str:
    """Return the hash of a row that follows the row of hash `before`: 64 hex digits."""
    parts = [before, row["at"], row["actor"], row["action"], row["subject"], row["detail"]]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read(
    connection: Connection,
    *,
    since: int | None = None,
    until: int | None = None,
    after_id: int = 0,
    limit: int | None = None,
    newest_first: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield rows as dicts, oldest first unless said: `since` <= at < `until`, in UTC epoch seconds."""
    conditions = [audit.c.id > after_id]
    if since is not None:
        conditions.append(audit.c.at >= since)
    if until is not None:
        conditions.append(audit.c.at < until)
    order = audit.c.id.desc() if newest_first else audit.c.id
    query = select(audit).where(*conditions).order_by(order).limit(limit)
    result = connection.execution_options(yield_per=_PAGE).execute(query)
    for row in result.mappings():
        yield dict(row)


def verify(connection: Connection, known: Mapping[int, str] | None = None) -> Verified:
    """Walk the whole chain; `known` are {id: hash} noted elsewhere earlier, which must still be there."""
    ends = {row.name: row for row in connection.execute(select(audit_chain))}
    floor, head = ends.get("floor"), ends.get("head")
    before, newest, rows, unchained = floor.hash if floor else "", floor.row_id if floor else 0, 0, 0
    wanted = dict(known or {})
    for row in _every(connection, newest):
        rows += 1
        if not row.hash:
            unchained += 1
            continue
        if row.hash != chained(before, row._mapping):  # noqa: SLF001 - SQLAlchemy's public name
            said = f"row {row.id} does not follow from the row before it: one of the two was changed, or rows are missing"
            return Verified(rows, row.id, row.hash, unchained, said)
        if row.id in wanted and wanted.pop(row.id) != row.hash:
            said = f"row {row.id} is not the row whose hash was noted: the chain was written anew"
            return Verified(rows, row.id, row.hash, unchained, said)
        before, newest = row.hash, row.id
    broken = None
    if (head.hash if head else "") != before:
        broken = f"rows are missing after row {newest}: the chain ended at row {head.row_id if head else 0}"
    elif wanted and (gone := sorted(id_ for id_ in wanted if floor is None or id_ > floor.row_id)):
        broken = f"row {gone[0]} is missing, though its hash was noted"
    return Verified(rows, newest, before, unchained, broken)


def _every(connection: Connection, after: int) -> Iterator[Row[Any]]:
    """Yield the rows after id `after`, page by page."""
    while page := connection.execute(
        select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(_PAGE)
    ).all():
        yield from page
        after = page[-1].id


def prune(connection: Connection, before: int, limit: int, *, now: int, actor: str = "jobs") -> int:
    """Delete up to `limit` rows written before `before` (UTC epoch seconds), oldest first; return how many.

    The one way rows leave. The chain then begins after the last of them, and that they went is a row itself.
    """
    old = connection.execute(
        select(audit.c.id, audit.c.at, audit.c.hash).order_by(audit.c.id).limit(limit)
    ).all()
    count = next((number for number, row in enumerate(old) if row.at >= before), len(old))
    if count == 0:
        return 0
    last = old[count - 1]
    floor = next((row.hash for row in reversed(old[:count]) if row.hash), None)
    if floor is None:  # none of them is chained: the chain begins where it began
        floor = connection.scalar(select(audit_chain.c.hash).where(audit_chain.c.name == "floor")) or ""
    # The chain's end is taken first, as by `record`, and the row about the pruning keeps the table from being empty.
    detail = {"rows": count, "last_id": last.id, "last_at": last.at}
    record(connection, now, actor, "audit.prune", None, detail)
    connection.execute(upsert(audit_chain), {"name": "pruning", "row_id": last.id, "hash": floor})
    connection.execute(delete(audit).where(audit.c.id <= last.id))
    connection.execute(delete(audit_chain).where(audit_chain.c.name == "pruning"))
    connection.execute(upsert(audit_chain), {"name": "floor", "row_id": last.id, "hash": floor})
    return count
