"""The tables of meters as files: supplies and sites, days of meters, gaps, tariffs, the devices' share, the bill.

Supplies of restricted sites are left out, or one row without a number where a sum would not close.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.table_rows import Made, Source
from roadworthy_collector.carbon import (
    bill,
    meter_coverage,
    meter_days,
    meter_figures,
    meter_share,
    supplies,
    supplies_shown,
    tariff_store,
)
from roadworthy_inventory.carbon.tariffs import COLUMNS as TARIFF_COLUMNS
from roadworthy_inventory.carbon.years import year_days

_DAY_COLUMNS = (
    "supply",
    "day",
    "channel",
    "kwh",
    "half_hours",
    "actual",
    "estimated",
    "not_stated",
    "missing",
)


def _today(of: Source) -> dt.date:
    return local_day(of.now, of.settings.reporting_timezone)


def _began(of: Source) -> int:
    return meter_figures.year_of(of.filters.get("year") or None, _today(of))


def supply_rows(of: Source) -> Made:
    """Return which supply feeds which site, from when until when."""
    found = supplies.read(of.connection)
    placed = supplies_shown.site_rows(found)
    names = {row["supply"]: row for row in supplies_shown.supply_rows(found)}
    bare = [
        {
            "supply": one.number,
            "fuel": one.fuel,
            **dict.fromkeys(("site", "kind", "from", "to", "tenure", "share")),
        }
        for one in found
        if not one.places
    ]
    rows = [
        {
            **row,
            "name": names[row["supply"]]["name"],
            "settled_half_hourly": names[row["supply"]]["settled_half_hourly"],
        }
        for row in [*placed, *bare]
    ]
    columns = [
        "supply",
        "fuel",
        "name",
        "settled_half_hourly",
        "site",
        "kind",
        "from",
        "to",
        "tenure",
        "share",
    ]
    return Made(columns, rows, f"{len(found):,} supplies; those of restricted sites left out")


def day_rows(of: Source) -> Made:
    """Return the days of the meters of a year, or of one supply, a row a day and channel."""
    first, last = year_days(_began(of))
    known = {one.id: one.number for one in supplies.read(of.connection)}
    wanted = of.filters.get("supply")
    ids = [key for key, number in known.items() if wanted in {None, "", number}]
    said = f"{first} to {last}, local days; {len(ids):,} supplies; those of restricted sites left out"
    return Made(_DAY_COLUMNS, _days(of, first, last, ids, known), said)


def _days(
    of: Source, first: dt.date, last: dt.date, ids: list[int], known: Mapping[int, str]
) -> Iterator[Mapping[str, Any]]:
    for row in meter_days.days(of.connection, first, last, supply=ids) if ids else ():
        count = row.statuses.count
        yield {
            "supply": known[row.supply],
            "day": row.day,
            "channel": row.channel,
            "kwh": row.kwh_thousandths / 1000,
            "half_hours": len(row.statuses),
            "actual": count(meter_days.ACTUAL),
            "estimated": count(meter_days.ESTIMATED),
            "not_stated": count(meter_days.UNSTATED),
            "missing": count(meter_days.NONE),
        }


def gap_rows(of: Source) -> Made:
    """Return the days to ask for, of a year."""
    found = meter_coverage.year(
        of.connection, _began(of), zone=of.settings.reporting_timezone, today=_today(of)
    )
    rows = [
        {"supply": one.number, "name": one.name, "sites": ", ".join(one.sites), "from": gap.first, "to": gap.last,
         "half_hours": gap.half_hours}
        for one in found
        for gap in one.gaps
    ]  # fmt: skip
    missing = sum(one.missing for one in found if not one.by_register)
    said = (
        f"{meter_figures.label(_began(of))}, up to yesterday; {len(found):,} supplies, {missing:,} half-hours missing; "
        f"the first {meter_coverage.RANGES} gaps of each supply; restricted sites left out"
    )
    return Made(["supply", "name", "sites", "from", "to", "half_hours"], rows, said)


def tariff_rows(of: Source) -> Made:
    """Return the tariffs with the source of their prices."""
    rows = tariff_store.listed(of.connection)
    return Made(TARIFF_COLUMNS, rows, f"{len(rows):,} tariffs, in pence; those of restricted sites left out")


def share_rows(of: Source) -> Made:
    """Return the devices' share of the meters of a month, by site."""
    wanted = of.filters.get("month")
    first = meter_share.parse_month(wanted) if wanted else meter_share.last_closed(_today(of))
    zone = of.settings.reporting_timezone
    found = meter_share.of_month(of.connection, first, zone_name=zone, today=_today(of))
    columns = [
        "site", "month", "supplies", "metered_kwh", "missing_half_hours", "claimed_kwh", "low_ratio", "ratio", "high_ratio",
        "above_half_hours", "why",
    ]  # fmt: skip
    rows = []
    for one in found:
        low, likely, high = one.get("ratio") or (None, None, None)
        row = {name: one.get(name) for name in columns} | {
            "low_ratio": low,
            "ratio": likely,
            "high_ratio": high,
        }
        rows.append(row)
    return Made(columns, rows, f"{meter_share.WORDS} Restricted sites left out.")


def bill_rows(of: Source) -> Made:
    """Return what each supply cost in a year, by its tariffs."""
    found = bill.year(of.connection, _began(of), zone_name=of.settings.reporting_timezone, today=_today(of))
    columns = [
        "supply", "name", "fuel", "kwh", "unpriced_kwh", "missing_half_hours", "energy_pounds", "standing_pounds",
        "levies_pounds", "pounds", "sources",
    ]  # fmt: skip
    rows = [
        {
            **{name: row[name] for name in columns if name in row},
            **{f"{name}_pounds": row[f"{name}_pence"] / 100 for name in ("energy", "standing", "levies")},
            "pounds": row["pence"] / 100,
            "sources": "; ".join(row["sources"]),
        }
        for row in bill.shown(found)["rows"]
    ]
    said = f"{found.first} to {found.last}; {found.pence / 100:,.2f} pounds in all, without VAT unless a source says otherwise"
    return Made(columns, rows, said)
