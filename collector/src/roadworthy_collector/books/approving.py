"""Approval of exceptions: by a signed-in approver, never by whoever asked."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Connection, Row, update

from roadworthy_collector.books import excepting
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.roles import Reader, may_approve
from roadworthy_collector.store.books_schema import exceptions
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.exceptions import ExceptionEntry


class ApprovalError(RoadworthyError):
    """Somebody may not approve this, or it cannot be approved any more."""


def approve(connection: Connection, number: int, reader: Reader, *, today: dt.date, now: int) -> None:
    """Let an exception hold from today, or from its first day, until it expires.

    Raises NotFoundError where none of that number waits, ApprovalError where `reader` may not.
    """
    row, about = _waiting(connection, number, reader, today)
    begins = max(row.begins, today.isoformat())  # what was not agreed to did not hold
    entry = ExceptionEntry(
        entry_id=str(number),
        item=row.tag or row.device_id or str(number),
        rules=None if row.rules is None else frozenset(row.rules),
        reason=row.reason,
        owner=row.owner,
        approver=reader.name,
        starts=dt.date.fromisoformat(begins),
        expires=dt.date.fromisoformat(row.expires),
    )
    excepting.check(entry, entry.item)
    values = {"approver": reader.name, "begins": begins}
    _decide(connection, number, values)
    excepting.write_about(connection, number, about | {"approved_at": now}, now)
    detail = {"number": number, "asked_by": about["asked_by"], "begins": begins, "expires": row.expires}
    audit.record(connection, now, reader.name, "exception.approve", entry.item, detail)


def refuse(connection: Connection, number: int, reader: Reader, *, today: dt.date, now: int) -> None:
    """Refuse an exception that waits; it stays on the register and never held. Raises as `approve`."""
    row, about = _waiting(connection, number, reader, today)
    _decide(connection, number, {"withdrawn": today.isoformat()})
    excepting.write_about(connection, number, about | {"refused_by": reader.name}, now)
    detail = {"number": number, "asked_by": about["asked_by"]}
    audit.record(connection, now, reader.name, "exception.refuse", row.tag or row.device_id, detail)


def _waiting(
    connection: Connection, number: int, reader: Reader, today: dt.date
) -> tuple[Row[Any], dict[str, Any]]:
    row = excepting.find_row(connection, number, reader.scope)
    about = excepting.read_about(connection).get(number, {})
    lapsed = row is None or row.withdrawn is not None or row.expires < today.isoformat()
    if row is None or lapsed or row.approver != excepting.WAITS:
        raise NotFoundError(f"no exception {number} waits for approval; see `roadworthy exceptions list`")
    if not may_approve(reader, str(about.get("asked_by", ""))):
        raise ApprovalError(
            f"{number}: an exception is approved by an approver who did not ask for it; "
            f"{about.get('asked_by', 'nobody knows who')} asked for this one"
        )
    return row, about


def _decide(connection: Connection, number: int, values: dict[str, str]) -> None:
    """Write a decision, unless somebody else was faster."""
    mine = update(exceptions).where(
        exceptions.c.id == number, excepting.WAITING, exceptions.c.withdrawn.is_(None)
    )
    if connection.execute(mine.values(values)).rowcount != 1:
        raise NotFoundError(f"no exception {number} waits for approval any more")
