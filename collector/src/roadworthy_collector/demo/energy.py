"""What the jobs make of the simulated estate's energy: site half-hours, the ledger, avoidable electricity, the meters' share.

The months the reports of this financial year and the one before are about are made here, so that every page has its
figures at once; the ledger's job makes those before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, select, update

from roadworthy_collector.carbon import (
    avoidable,
    energy,
    meter_figures,
    meter_share,
    settings_edition,
    shifts,
)
from roadworthy_collector.demo import carbon
from roadworthy_collector.jobs.site_half_hours import roll_up_sites
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import site_half_hours
from roadworthy_collector.store.statements import insert_or_ignore
from roadworthy_inventory.calendar import DAY_SECONDS, local_date, months, utc_date, utc_day

if TYPE_CHECKING:
    from roadworthy_collector.demo.build import Plan

_WEEK = 7
# Terminals of custody and vehicles that nobody entered in the register have no profile that says so.
SHIFTS = (
    shifts.EXAMPLE
    + '\n[must_be_on]\nsites = ["Patrol Vehicles"]\nunits = ["Custody"]      # the cells of every site\n'
)


def fill(engine: Engine, settings: Settings, planned: Plan) -> Iterator[tuple[int, int]]:
    """Work the figures out as the jobs would; yields (steps done, steps there are)."""
    times = planned.timeline
    work = Work(engine, settings, clock=lambda: float(times.now), rests=False)
    today = local_date(times.now, times.zone)
    began = today.year if today >= date(today.year, 4, 1) else today.year - 1
    first = max(date(began - 1, 4, 1), utc_date(times.first_day))
    total = len(list(months(first, today))) + 2
    roll_up_sites(work)
    with write_transaction(engine) as connection:
        _before(connection, meter_share.last_closed(today), times.half_hours_from, times.zone)
    yield 1, total
    for done in range(2, total):
        energy.refresh(work)  # the newest that is to be made
        yield done, total
    with write_transaction(engine) as connection:
        shifts.save(connection, SHIFTS, now=times.now, actor="simulated")
        said = carbon.settings(planned.devices, today)
        settings_edition.save(connection, said, actor="simulated", now=times.now)
    avoidable.refresh(work)
    meter_figures.refresh(work)
    with write_transaction(engine) as connection:
        # How long this machine took says nothing of the estate, and differs from build to build.
        connection.execute(update(book_figures).values(seconds=0.0))
    yield total, total


def _before(connection: Connection, first: date, half_hours_from: int, zone: str) -> None:
    """Give the days from `first` until the half-hours begin site half-hours: those of the same weekday soon after.

    Devices have daily totals alone of that time, and the devices' share of a whole month needs its half-hours.
    """
    table = site_half_hours
    held: dict[date, list[Any]] = defaultdict(list)
    for row in connection.execute(select(table).order_by(table.c.start, table.c.site)).mappings():
        held[utc_date(row["start"])].append(row)
    begin = utc_date(half_hours_from)
    day = first - timedelta(days=1)  # a local day may begin in the UTC day before
    rows: list[dict[str, Any]] = []
    while day < begin:
        like = day + timedelta(days=-(-(begin - day).days // _WEEK) * _WEEK)
        rows += _moved(held.get(like, []), like, day, zone)
        day += timedelta(days=1)
    if rows:
        connection.execute(insert_or_ignore(table), rows)


def _moved(rows: Sequence[Any], like: date, day: date, zone: str) -> list[dict[str, Any]]:
    """Return a day's site half-hours as another day's: at the same time by the clock."""
    off = (like - day).days * DAY_SECONDS + _offset(day, zone) - _offset(like, zone)
    return [{**row, "start": row["start"] - off} for row in rows]


def _offset(day: date, zone: str) -> int:
    noon = datetime.fromtimestamp(utc_day(day).start + DAY_SECONDS // 2, UTC).astimezone(ZoneInfo(zone))
    found = noon.utcoffset()
    return 0 if found is None else int(found.total_seconds())
