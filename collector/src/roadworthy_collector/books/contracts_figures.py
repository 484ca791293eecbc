"""Figures of contracts, benefits and disposal for metrics, kept by the job of the books; sums without names."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import benefits, contracts, disposal, figures
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.warranties import coming_months
from roadworthy_collector.jobs.work import Work
from roadworthy_inventory.benefits import STATES
from roadworthy_inventory.disposal import ROUTES, category_of, total

CONTRACTS, BENEFITS, DISPOSAL = "contracts", "benefits", "disposal"
_YEARS_AROUND = 5


def refresh(work: Work) -> None:
    """Work the figures out and keep them."""
    now, on = work.clock(), local_day(work.clock(), work.settings.reporting_timezone)
    for name, make in ((CONTRACTS, _contracts), (BENEFITS, _benefits), (DISPOSAL, _disposal)):
        began = time.perf_counter()
        with work.reading() as connection:
            content = make(connection, on)
        if work.stop.is_set():
            return
        with work.write() as connection:
            figures.write(connection, name, content, now, time.perf_counter() - began)


def _contracts(connection: Connection, on: Any) -> dict[str, Any]:
    found = contracts.overview(connection, on)
    at = found["cliffs"]
    ends = dict.fromkeys(("ended", *coming_months(on), "later", "unknown"), 0)
    pence = dict.fromkeys(coming_months(on), 0)
    for month in at["months"]:
        name = f"{month['year']}-{month['month']:02d}"
        ends[name], pence[name] = month["ends"], month["value_pence_per_year"]
    ends |= {name: at[name] for name in ("ended", "later", "unknown")}
    return {
        "ends": ends,
        "pence": pence,
        "notice_due": len(found["notice_due"]),
        "running_pence": found["running_pence"],
        "running_unknown": found["running_unknown"],
    }


def _benefits(connection: Connection, on: Any) -> dict[str, Any]:
    counts = Counter(dict.fromkeys(STATES, 0))
    net: defaultdict[str, list[Any]] = defaultdict(list)
    for _, one in benefits.read(connection):
        counts[one.state] += 1
        for year in one.years:
            if year.net_pence is not None and abs(year.financial_year - on.year) <= _YEARS_AROUND:
                net[f"{one.state}|{'yes' if one.cashable else 'no'}|{year.financial_year}"].append(
                    year.net_pence
                )
    return {"counts": dict(counts), "net_pence": {key: sum(pence) for key, pence in sorted(net.items())}}


def _disposal(connection: Connection, on: Any) -> dict[str, Any]:
    held = disposal.read(connection, restricted=True)
    records = [one.record for one in held]
    routes = Counter(dict.fromkeys(ROUTES, 0))
    grams: Counter[str] = Counter()
    for record in records:
        routes[record.route if record.route in ROUTES else "unknown"] += 1
        grams[str(category_of(record) or "unknown")] += record.weight_grams or 0
    whole = total(records, on)
    return {
        "routes": dict(routes),
        "grams": dict(sorted(grams.items())),
        "weight_unknown": whole.weight_unknown,
        "certificates_missing": whole.certificates_missing,
    }
