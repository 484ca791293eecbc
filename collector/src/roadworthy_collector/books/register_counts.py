"""How many register items there are by state, by age and by the month their warranty ends: ready-made for metrics."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from typing import Any

from sqlalchemy import select

from roadworthy_collector.books import figures
from roadworthy_collector.books.identities import AT_ONCE, GONE_STATES
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import register_items
from roadworthy_inventory.planned_life import AGE_BANDS, age_band
from roadworthy_inventory.register import LIFECYCLE_STATES

FIGURE = "register"
MONTHS = 24


def count_register(work: Work) -> dict[str, Any]:
    """Count all items, read in pieces, and keep the figures; return them."""
    began, now = time.perf_counter(), work.clock()
    on = local_day(now, work.settings.reporting_timezone)
    months = coming_months(on)
    states = Counter(dict.fromkeys((*LIFECYCLE_STATES, "unknown"), 0))
    ages = Counter(dict.fromkeys(AGE_BANDS, 0))
    ends = Counter(dict.fromkeys(("ended", *months, "later", "unknown"), 0))
    columns = ("id", "lifecycle_state", "purchased", "warranty_start", "warranty_end")
    query = select(*(register_items.c[name] for name in columns)).order_by(register_items.c.id).limit(AT_ONCE)
    after = 0
    while not work.stop.is_set():
        with work.reading() as connection:
            rows = connection.execute(query.where(register_items.c.id > after)).all()
        if not rows:
            break
        after = rows[-1].id
        for row in rows:
            states[row.lifecycle_state if row.lifecycle_state in states else "unknown"] += 1
            if row.lifecycle_state in GONE_STATES:
                continue
            since = row.purchased or row.warranty_start
            ages[age_band(None if since is None else dt.date.fromisoformat(since), on)] += 1
            ends[_month(row.warranty_end, months)] += 1
    content = {"states": dict(states), "ages": dict(ages), "warranty_ends": dict(ends)}
    if not work.stop.is_set():
        with work.write() as connection:
            figures.write(connection, FIGURE, content, now, time.perf_counter() - began)
    return content


def coming_months(on: dt.date) -> list[str]:
    """Return this month and those after it, MONTHS together, as 2026-10."""
    first = on.year * 12 + on.month - 1
    return [f"{month // 12}-{month % 12 + 1:02d}" for month in range(first, first + MONTHS)]


def _month(end: str | None, months: list[str]) -> str:
    if end is None:
        return "unknown"
    month = end[:7]
    return "ended" if month < months[0] else "later" if month > months[-1] else month
