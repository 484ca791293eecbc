"""What shift calendars mean, before somebody puts them in force: hours of work a week at each site."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.carbon.shifts import current, parse
from roadworthy_collector.store.schema import sites, units
from roadworthy_inventory.carbon.avoidable import ShiftCalendar


def try_text(connection: Connection, text: str) -> dict[str, Any]:
    """Return hours a week now and then of each site that is not restricted, and sites named that are not there."""
    wanted, (held, _) = parse(text), current(connection)
    query = select(sites.c.name).where(sites.c.restricted.is_(False)).order_by(sites.c.name)
    names = list(connection.scalars(query))
    known = set(connection.scalars(select(sites.c.name)))
    return {
        "digest": wanted.digest,
        "changes": wanted.digest != held.digest,
        "pence_per_kwh": None if wanted.pence_per_kwh is None else float(wanted.pence_per_kwh),
        "unknown_sites": sorted((wanted.sites.keys() | wanted.must_be_on_sites) - known),
        "unknown_units": sorted(wanted.must_be_on_units - set(connection.scalars(select(units.c.name)))),
        "sites": [
            {
                "site": name,
                "own_calendar": name in wanted.sites,
                "hours_a_week_now": _hours(held.of(name)),
                "hours_a_week_then": _hours(wanted.of(name)),
                "closed_days": len(wanted.of(name).closed),
            }
            for name in names
        ],
    }


def _hours(calendar: ShiftCalendar) -> float:
    """Return the hours of a week in any shift; shifts that overlap count once."""
    minutes = 0
    for spans in calendar.shifts.values():
        until = 0
        for begin, end in sorted(spans):
            minutes += max(end - max(begin, until), 0)
            until = max(until, end)
    return round(minutes / 60, 2)
