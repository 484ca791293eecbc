"""What emissions cost at the organisation's own carbon price, with the day it holds from and the paper that decided it.

The carbon settings hold it as a dated series (`[[internal_price]]`). It is for decisions: beside tonnes and never in
them, no allowance price, and nothing anybody pays. Before its first day there is none, which is not nought.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.report_model import Column, Table, number
from roadworthy_inventory.carbon.carbon_price import InternalPrice, InternalPriceSeries
from roadworthy_inventory.carbon.quantities import Co2e, MissingFactorError, half_up
from roadworthy_inventory.carbon.years import year_days

_TONNE_KG = 1000
NOTE = (
    "The organisation's own price, of the carbon settings: for decisions, paid to nobody and in no tonnes. Tonnes of the "
    "year are spread over its days alike; those before the first price have none."
)


def on(prices: InternalPriceSeries, day: dt.date) -> InternalPrice | None:
    """Return the price in force on a day, None before the first or where there is no series."""
    try:
        return prices.on(day)
    except MissingFactorError:
        return None


def told(price: InternalPrice | None) -> dict[str, Any] | None:
    """Return a price as JSON says it."""
    if price is None:
        return None
    return {
        "gbp_per_tco2e": float(price.gbp_per_tco2e),
        "since": price.since.isoformat(),
        "source": price.source,
    }


def pounds(kgco2e: float | None, price: InternalPrice | None) -> float | None:
    """Return what so many kilograms cost, None where either is not known."""
    if kgco2e is None or price is None:
        return None
    return float(half_up(Fraction(str(kgco2e)) / _TONNE_KG * Fraction(price.gbp_per_tco2e), 2))


def table_of(prices: InternalPriceSeries, began: int, tonnes: Fraction | None) -> Table | None:
    """Return a year's tonnes at the price of each of its days, a row a price; None where nobody set one by its end."""
    first, last = year_days(began)
    if tonnes is None or on(prices, last) is None:
        return None
    every = (last - first).days + 1
    since = [first, *(one.since for one in prices.prices if first < one.since <= last)]
    ends = [*(one - dt.timedelta(days=1) for one in since[1:]), last]
    rows = []
    for begin, end in zip(since, ends, strict=True):
        price, days = on(prices, begin), (end - begin).days + 1
        part = half_up(tonnes * days / every, 3)
        rows.append(
            {
                "title": f"{begin.day} {begin:%B %Y} to {end.day} {end:%B %Y}",
                "days": days,
                "tonnes": float(part),
                "price": None if price is None else float(price.gbp_per_tco2e),
                "cost": None
                if price is None
                else float(prices.cost(Co2e(Fraction(part) * _TONNE_KG), begin)),
                "source": "no price yet"
                if price is None
                else f"since {price.since.isoformat()}: {price.source}",
                "works": {"cost": "ROUND([tonnes]*[price],2)"},
            }
        )
    costs = [Fraction(str(row["cost"])) for row in rows if row["cost"] is not None]
    columns = (
        Column("title", "Days", "text"),
        Column("days", "number of days"),
        Column("tonnes", "tCO2e", places=3),
        Column("price", "£ a tCO2e", places=2),
        Column("cost", "£", places=2),
        Column("source", "Price, and who decided it", "text"),
    )
    total = {"title": "All", "days": every, "tonnes": number(tonnes), "cost": float(sum(costs, Fraction(0)))}
    return Table("internal_price", "At the internal carbon price", columns, rows, NOTE, total)
