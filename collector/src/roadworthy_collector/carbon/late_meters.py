"""What was said of meters after a moment: files imported and undone that touch some days, supplies said anew."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from sqlalchemy import Connection, func, select

from roadworthy_collector.carbon import meter_days, supplies
from roadworthy_collector.carbon.meter_undo import BEFORE, KIND
from roadworthy_collector.store.books_schema import batches, book_figures
from roadworthy_collector.store.carbon_schema import meter_days as table
from roadworthy_collector.store.schema import audit

_SAID = {
    "meters.supply": "a supply was said anew",
    "meters.place": "where a supply goes was said anew",
    "meters.unplace": "where a supply goes was taken back",
    "meters.remove": "a supply was taken away",
}
_MOST = 400


def since(connection: Connection, at: int, first: dt.date, last: dt.date) -> list[dict[str, Any]]:
    """Return [{what, day, at}] of changes after `at` that touch days from `first` to `last`, newest first.

    `day` is the first day a file touches, empty for what is not about days. A register read at any time speaks of the
    days around it, so every file of registers counts.
    """
    found = [
        *_imports(connection, at, first, last),
        *_undone(connection, at, first, last),
        *_told(connection, at),
    ]
    return sorted(found, key=lambda one: -one["at"])[:_MOST]


def _imports(connection: Connection, at: int, first: dt.date, last: dt.date) -> list[dict[str, Any]]:
    inside = table.c.day.between(first.isoformat(), last.isoformat())
    query = (
        select(
            batches.c.id,
            batches.c.file_name,
            batches.c.made_at,
            func.min(table.c.day).label("day"),
            func.count().label("days"),
        )
        .join(table, table.c.batch == batches.c.id)
        .where(
            batches.c.kind == KIND,
            batches.c.made_at > at,
            batches.c.undone_at.is_(None),
            inside | (table.c.channel == meter_days.REGISTER),
        )
        .group_by(batches.c.id, batches.c.file_name, batches.c.made_at)
    )
    return [
        {
            "what": f"import {row.id} of meters, {row.file_name or 'without a name'}: {row.days:,} days or readings",
            "day": row.day,
            "at": row.made_at,
        }
        for row in connection.execute(query)
    ]


def _undone(connection: Connection, at: int, first: dt.date, last: dt.date) -> list[dict[str, Any]]:
    """Return the imports undone since that were made before: their days are gone, so all of them are told."""
    query = select(batches).where(batches.c.kind == KIND, batches.c.undone_at > at, batches.c.made_at <= at)
    return [
        {
            "what": f"import {row.id} of meters, {row.file_name or 'without a name'}, was undone by {row.undone_by}",
            "day": _first_day(connection, row.id, first, last),
            "at": row.undone_at,
        }
        for row in connection.execute(query).all()
    ]


def _first_day(connection: Connection, batch: int, first: dt.date, last: dt.date) -> str:
    """Return the first day from `first` to `last` that a batch had changed, empty where it only brought new ones."""
    query = select(book_figures.c.name, book_figures.c.content).where(
        book_figures.c.name.startswith(f"{BEFORE}{batch}.", autoescape=True)
    )
    days = [
        str(said[1])
        for name, content in connection.execute(query)
        if not name.endswith(".made") and isinstance(content, list)
        for said in content
    ]
    return min((day for day in days if first.isoformat() <= day <= last.isoformat()), default="")


def _told(connection: Connection, at: int) -> list[dict[str, Any]]:
    query = select(audit).where(audit.c.at > at, audit.c.action.in_(_SAID))
    hidden = {one.number for one in supplies.read(connection, restricted=True) if one.restricted}
    found = []
    for row in connection.execute(query.order_by(audit.c.at.desc()).limit(_MOST)):
        said = "one of a restricted site" if row.subject in hidden else f"{row.subject}{_detail(row.detail)}"
        found.append({"what": f"{_SAID[row.action]}: {said}", "day": "", "at": row.at})
    return found


def _detail(detail: Any) -> str:
    told = json.loads(detail) if isinstance(detail, str) else detail or {}
    said = [f"{name} {told[name]}" for name in ("site", "from", "valid_from", "valid_to") if told.get(name)]
    return f" ({', '.join(said)})" if said else ""
