"""Carbon reports as they are read: which there are, their content, frozen or live, late data, and what stands around them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, Row, func, select

from roadworthy_collector.carbon import late_meters, report_make
from roadworthy_collector.carbon.report_compare import changes
from roadworthy_collector.carbon.report_crc_tables import Choice
from roadworthy_collector.carbon.report_gathered import Gathered
from roadworthy_collector.carbon.report_model import JOURNAL_SCALE, Kind
from roadworthy_collector.carbon.report_shown import Frame
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.carbon_schema import carbon_journals, carbon_reports
from roadworthy_collector.store.schema import site_dirty
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.calendar import local_day as local_span
from roadworthy_inventory.carbon.years import year_days

OPEN, PROVISIONAL, CLOSED, APPROVED, PUBLISHED, RESTATED = (
    "open",
    "provisional",
    "closed",
    "approved",
    "published",
    "restated",
)
STATES = (OPEN, PROVISIONAL, CLOSED, APPROVED, PUBLISHED, RESTATED)
# What a step of people does: the state it needs and the one it leads to.
STEPS: Mapping[str, tuple[str, str]] = {
    "review": (OPEN, PROVISIONAL),
    "close": (PROVISIONAL, CLOSED),
    "approve": (CLOSED, APPROVED),
    "publish": (APPROVED, PUBLISHED),
}
_LATE_ROWS = 400


def find(connection: Connection, number: int, *, lock: bool = False) -> Row[Any]:
    """Return a report's row; NotFoundError where there is none of that number."""
    query = select(carbon_reports).where(carbon_reports.c.id == number)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError(f"{number}: there is no report of this number; see `roadworthy report list`")
    return row


def newest(connection: Connection, kind: Kind, began: int) -> Row[Any] | None:
    """Return the newest report of a kind and year, None where nobody prepared one."""
    query = select(carbon_reports).where(carbon_reports.c.kind == kind, carbon_reports.c.year == began)
    return connection.execute(query.order_by(carbon_reports.c.id.desc()).limit(1)).one_or_none()


def journals(connection: Connection, number: int) -> list[dict[str, Any]]:
    """Return a report's adjustments, oldest first."""
    names = ("line", "kwh_thousandths", "reason", "made_at", "made_by")
    query = select(*(carbon_journals.c[name] for name in names)).where(carbon_journals.c.report == number)
    return [dict(row) for row in connection.execute(query.order_by(carbon_journals.c.id)).mappings()]


def live_content(connection: Connection, row: Any, *, zone: str, now: float) -> dict[str, Any]:
    """Return a report's content as things stand, with its journals and those of the year before's last issue."""
    return report_make.worked_out(gathered(connection, row, zone=zone, now=now)).as_json()


def gathered(connection: Connection, row: Any, *, zone: str, now: float) -> Gathered:
    """Return what a report is made of as things stand, with its journals."""
    own = journals(connection, row.id)
    return _standing(connection, row.kind, row.year, zone=zone, now=now, journals=own)


def standing(
    connection: Connection,
    kind: Kind,
    began: int,
    *,
    zone: str,
    now: float,
    journals_of_it: Sequence[Mapping[str, Any]] = (),
    choice: Choice = Choice(),  # noqa: B008 - a tuple, and the same for all
) -> dict[str, Any]:
    """Return a year's content as things stand, beside the year before as it was issued, with its journals."""
    return report_make.worked_out(
        _standing(connection, kind, began, zone=zone, now=now, journals=journals_of_it, choice=choice)
    ).as_json()


def _standing(connection: Connection, kind: Kind, began: int, **how: Any) -> Gathered:
    before = issued(connection, kind, began - 1)
    taken: dict[str, Fraction] = {}
    for one in journals(connection, before.id) if before is not None else ():
        taken[one["line"]] = taken.get(one["line"], Fraction(0)) + Fraction(
            one["kwh_thousandths"], JOURNAL_SCALE
        )
    content = None if before is None else before.content
    return report_make.gather(connection, kind, began, journals_before=taken, issued_before=content, **how)


def issued(connection: Connection, kind: Kind, began: int) -> Row[Any] | None:
    """Return the report of a year that is in force, None where none is published."""
    query = select(carbon_reports).where(
        carbon_reports.c.kind == kind, carbon_reports.c.year == began, carbon_reports.c.state == PUBLISHED
    )
    return connection.execute(query.order_by(carbon_reports.c.id.desc()).limit(1)).one_or_none()


def content_of(connection: Connection, row: Any, *, zone: str, now: float) -> dict[str, Any]:
    """Return what a report says: frozen from closing on, worked out as things stand before."""
    found: dict[str, Any] = row.content or live_content(connection, row, zone=zone, now=now)
    return found


def frame(connection: Connection, row: Any, marking: str, content: Mapping[str, Any] | None = None) -> Frame:
    """Return what stands around a report: its state, steps, and what it changed against the one it restates."""
    restates = None
    if row.restates is not None:
        old = find(connection, row.restates)
        new = content or row.content
        told = changes(old.content, new) if old.content and new else []
        restates = {
            "number": old.id,
            "because": row.restated_because,
            "pack": old.pack_name,
            "sha256": old.pack_sha256,
            "changes": told,
        }
    return Frame(marking, row.state, row.id, tuple(row.steps), restates)


def late(connection: Connection, row: Any, zone: str) -> list[dict[str, Any]]:
    """Return what came for the year after the report was closed, newest first: [{what, day, at}].

    Days of devices rolled up since; for reports that rest on meters also files of readings imported or undone, supplies
    and where they go said anew.
    """
    at = next((step["at"] for step in reversed(row.steps) if step["state"] == CLOSED), None)
    if at is None:
        return []
    first, last = year_days(row.year)
    begins, ends = local_span(first, zone).start, local_span(last, zone).end
    query = (
        select(site_dirty.c.day, site_dirty.c.rolled_at)
        .where(site_dirty.c.rolled_at > at, site_dirty.c.day >= begins - 86_400, site_dirty.c.day < ends)
        .order_by(site_dirty.c.day.desc())
        .limit(_LATE_ROWS)
    )
    days = [
        {
            "what": "a day of devices was rolled up",
            "day": dt.datetime.fromtimestamp(one.day, dt.UTC).date().isoformat(),
            "at": one.rolled_at,
        }
        for one in connection.execute(query)
    ]
    meters = [] if row.kind == "carbon" else late_meters.since(connection, at, first, last)
    return [*meters, *days]


def listed(connection: Connection, kinds: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return every report without its content, newest first."""
    query = select(carbon_journals.c.report, func.count().label("entries")).group_by(carbon_journals.c.report)
    counts = {row.report: row.entries for row in connection.execute(query)}
    names = (
        "id", "kind", "year", "state", "steps", "restates", "restated_because", "pack_name", "pack_sha256",
        "simulated", "made_at", "made_by",
    )  # fmt: skip
    query = select(*(carbon_reports.c[name] for name in names)).order_by(carbon_reports.c.id.desc())
    if kinds:
        query = query.where(carbon_reports.c.kind.in_(kinds))
    return [row_of(row) | {"journals": counts.get(row.id, 0)} for row in connection.execute(query)]


def row_of(row: Any) -> dict[str, Any]:
    """Return a report as JSON says it, without its content."""
    following = next((step for step, (needed, _) in STEPS.items() if needed == row.state), None)
    return {
        "number": row.id,
        "kind": row.kind,
        "year": financial_year_label(row.year),
        "state": row.state,
        "next": following,
        "steps": row.steps,
        "restates": row.restates,
        "restated_because": row.restated_because,
        "pack": row.pack_name,
        "pack_sha256": row.pack_sha256,
        "simulated": bool(row.simulated),
        "made_at": row.made_at,
        "made_by": row.made_by,
    }
