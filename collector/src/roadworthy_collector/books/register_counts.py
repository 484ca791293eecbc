"""How many register items there are by state, by age and by the month their warranty ends: ready-made for metrics."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from typing import Any

from sqlalchemy import select

from roadworthy_collector.books import figures, warranties
from roadworthy_collector.books.identities import AT_ONCE, GONE_STATES
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.warranties import coming_months, month_of
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import register_items
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.planned_life import AGE_BANDS, age_band
from roadworthy_inventory.register import LIFECYCLE_STATES

FIGURE = "register"


def count_register(work: Work) -> dict[str, Any]:
    """Count all items, read in pieces, and keep the figures; return them."""
    began, now = time.perf_counter(), work.clock()
    on = local_day(now, work.settings.reporting_timezone)
    months = coming_months(on)
    states = Counter(dict.fromkeys((*LIFECYCLE_STATES, "unknown"), 0))
    ages = Counter(dict.fromkeys(AGE_BANDS, 0))
    ends = Counter(dict.fromkeys(("ended", *months, "later", "unknown"), 0))
    columns = ("id", "serial", "lifecycle_state", "purchased", "warranty_start", "warranty_end")
    of_site = (sites.c.name.label("site"), sites.c.restricted)
    query = select(*(register_items.c[name] for name in columns), *of_site)
    query = query.outerjoin(sites, sites.c.id == register_items.c.site)
    query = query.order_by(register_items.c.id).limit(AT_ONCE)
    covers: Counter[tuple[str, str]] = Counter()
    after = 0
    while not work.stop.is_set():
        with work.reading() as connection:
            rows = connection.execute(query.where(register_items.c.id > after)).all()
            imported = warranties.latest(connection, (row.serial for row in rows))
        if not rows:
            break
        after = rows[-1].id
        for row in rows:
            states[row.lifecycle_state if row.lifecycle_state in states else "unknown"] += 1
            if row.lifecycle_state in GONE_STATES:
                continue
            since = row.purchased or row.warranty_start
            ages[age_band(_day(since), on)] += 1
            cover = warranties.later(_day(row.warranty_end), row.serial, imported)
            end = None if cover is None else cover.ends
            ends[month_of(end, on, months)] += 1
            if not row.restricted:
                covers[row.site or "", _band(end, on)] += 1
    content: dict[str, Any] = {"states": dict(states), "ages": dict(ages), "warranty_ends": dict(ends)}
    content["site_warranties"] = [[*key, count] for key, count in sorted(covers.items())]
    if not work.stop.is_set():
        with work.write() as connection:
            figures.write(connection, FIGURE, content, now, time.perf_counter() - began)
    return content


def _band(ends: dt.date | None, on: dt.date) -> str:
    """Return which band the last day of a warranty is in."""
    if ends is None:
        return "unknown"
    left = (ends - on).days
    if left < 0:
        return "ended"
    return "within_90_days" if left <= 90 else "within_a_year" if left <= 365 else "later"


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)
