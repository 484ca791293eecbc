"""Which months of the energy ledger are to be made: those that are not there, are late, or that somebody asked for."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from roadworthy_collector.carbon import asked, energy_facts, power
from roadworthy_collector.carbon.estate import FIGURE
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.queries import audit, away
from roadworthy_collector.store.schema import site_dirty, sites
from roadworthy_collector.store.statements import json_text
from roadworthy_inventory.calendar import local_date, local_day, months, utc_day

AGAIN_SECONDS = 6 * 3600


class Calendar(NamedTuple):
    """A month in the reporting time zone: its days so far, and those that are over."""

    first: dt.date
    last: dt.date
    today: dt.date
    zone: str

    @property
    def name(self) -> str:
        """The month as `2026-04`."""
        return f"{self.first:%Y-%m}"

    @property
    def closed(self) -> bool:
        """Whether its last day is over."""
        return self.today > self.last

    def seconds(self) -> dict[dt.date, int]:
        """Return {day: its seconds} of the days that are over."""
        until = min(self.last, self.today - dt.timedelta(days=1))
        some = (self.first + dt.timedelta(days=n) for n in range((until - self.first).days + 1))
        return {day: local_day(day, self.zone).seconds for day in some}


def month_of(day: dt.date, today: dt.date, zone: str) -> Calendar:
    """Return the month of a day as it stands `today`."""
    last = day.replace(day=calendar.monthrange(day.year, day.month)[1])
    return Calendar(day.replace(day=1), last, today, zone)


def due(connection: Connection, work: Work) -> Calendar | None:
    """Return the newest month that has to be made, None where all are as they should be."""
    zone, now = work.settings.reporting_timezone, work.clock()
    today, first = local_date(now, zone), energy_facts.first_fact(connection)
    if first is None:
        return None
    kept_from = today - dt.timedelta(days=work.settings.daily_retention_days)
    # Nights and week-ends stand in the gaps alone, so a month is made of both or not again.
    if whole_from := away.whole_from(connection):
        kept_from = max(kept_from, local_date(whole_from, zone))
    asked_at, late_at = asked.read(connection), asked.read_late(connection)
    hidden = restricted(connection)
    held = _held(connection)
    for year, number in reversed(list(months(first, today))):
        month = month_of(dt.date(year, number, 1), today, zone)
        one = held.get(month.name)
        if one is None:
            return month
        # A month part of whose daily totals was pruned stays as it was made when it was whole.
        if month.first < kept_from:
            continue
        other = one.digest != power.digest() or one.restricted != json_text(hidden)
        late = any(one.made_at < at <= now for at in late_at.get(month.name, ()))
        if (
            other
            or late
            or one.made_at < asked_at.get(month.name, 0)
            or _is_late(connection, month, one, now)
        ):
            return month
    return None


def ask(connection: Connection, month: str | None, *, now: int, actor: str) -> list[str]:
    """Have a month, or all, made anew, on the record; return which."""
    wanted = [name for name in _held(connection) if month in {None, name}]
    asked.ask(connection, wanted, now)
    audit.record(connection, now, actor, "carbon.rebuild", month or "all", {"months": len(wanted)})
    return sorted(wanted)


class _HeldMonth(NamedTuple):
    made_at: int
    closed: bool
    digest: str
    restricted: str


def _held(connection: Connection) -> dict[str, _HeldMonth]:
    content = book_figures.c.content
    query = select(
        book_figures.c.name,
        book_figures.c.made_at,
        content["closed"].as_boolean().label("closed"),
        content["digest"].as_string().label("digest"),
        content["restricted"].as_string().label("restricted"),
    ).where(book_figures.c.name.startswith(f"{FIGURE}.", autoescape=True))
    return {
        row.name.removeprefix(f"{FIGURE}."): _HeldMonth(
            row.made_at, bool(row.closed), row.digest, row.restricted
        )
        for row in connection.execute(query)
    }


def _is_late(connection: Connection, month: Calendar, held: _HeldMonth, now: float) -> bool:
    """Return whether the month went on since it was made, or days of it were rolled up since."""
    if month.closed and not held.closed:
        return True
    if now - held.made_at < AGAIN_SECONDS:
        return False
    if not month.closed:
        return True
    table = site_dirty.c
    rolled = (table.marks > 0) | (table.rolled_at >= held.made_at)
    first, last = utc_day(month.first).start - 86_400, utc_day(month.last).end + 86_400
    query = select(func.count()).select_from(site_dirty).where(table.day >= first, table.day < last, rolled)
    return bool(connection.scalar(query))


def restricted(connection: Connection) -> list[int]:
    """Return the row ids of restricted sites, in order."""
    return sorted(connection.scalars(select(sites.c.id).where(sites.c.restricted.is_(True))))
