"""Staff time, benefits, contracts, warranties and disposal as the rows of exported tables."""

from __future__ import annotations

import datetime as dt
from typing import Any

from roadworthy_collector.books import (
    benefits,
    contracts,
    disposal,
    disposal_lists,
    staff_time_show,
    warranties,
)
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.sheets import pounds_of
from roadworthy_collector.books.table_rows import Made, Source, number_of, one_of
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.benefits import STATES
from roadworthy_inventory.disposal import ROUTES

_CONTRACT = (
    "reference", "title", "supplier", "state", "starts", "ends", "notice", "days_to_notice", "notice_due",
    "pounds_per_year", "system", "unit", "cost_centre", "replaced_by", "source",
)  # fmt: skip
_COVER = ("tag", "serial", "kind", "model", "unit", "site", "ends", "level", "source")
_BENEFIT = (
    "reference", "system", "cashable", "state", "financial_year", "saving", "double_running", "net", "cost_centre",
    "decommissioned",
)  # fmt: skip
_DISPOSAL = (
    "tag", "serial", "kind", "model", "lifecycle_state", "route", "left", "year", "weight_kg", "weee_category",
    "stores_data", "certificate", "certificate_date", "proceeds", "cost", "contractor",
)  # fmt: skip
_GRAMS_PER_KG = 1000


def _today(source: Source) -> dt.date:
    return local_day(source.now, source.settings.reporting_timezone)


def staff_time(source: Source) -> Made:
    """Return lost hours by month and financial year, or by group of the filters `period` and `by`."""
    period, by = source.filters.get("period"), source.filters.get("by", "unit")
    found = staff_time_show.overview(source.connection, source.scope)
    if period:
        rows = staff_time_show.flat(
            staff_time_show.groups(source.connection, period, by, source.scope), "group"
        )
    else:
        rows = staff_time_show.flat(found["periods"], "period")
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["period"]
    told = f"attended waits as devices report; {staff_time_show.NON_CASHABLE}"
    made = [one["made_at"] for one in found["periods"]]
    return Made(columns, rows, told, max(made) if made else None)


def contract_rows(source: Source) -> Made:
    """Return the contracts that count, by end, those behind a figure of the page if said."""
    asked = source.filters
    wanted = contracts.Wanted(
        asked.get("ends", ""),
        one_of(asked, "stands", contracts.STANDS),
        one_of(asked, "lacks", contracts.LACKS),
    )
    found = contracts.overview(source.connection, _today(source))
    one_of(asked, "ends", contracts.endings(found))
    chosen = contracts.choose(found, wanted)
    rows = [row | {"pounds_per_year": pounds_of(row["value_pence_per_year"])} for row in chosen]
    cliffs = found["cliffs"]
    return Made(
        _CONTRACT,
        rows,
        f"{len(rows)} of {cliffs['total']} contracts; of all, {cliffs['unknown']} without an end, "
        f"{found['running_unknown']} running ones without a value",
    )


def warranty_rows(source: Source) -> Made:
    """Return the items whose warranty ends in the filter's `month`, in the coming 90 days without one."""
    words = ("ended", *warranties.coming_months(_today(source)), "later", "unknown")
    month = one_of(source.filters, "month", words) or None
    found = warranties.ends(source.connection, _today(source), month=month, scope=source.scope, limit=None)
    total = sum(found.months.values())
    return Made(_COVER, found.rows, f"{total} items, of {found.months['unknown']} no warranty is known")


def benefit_rows(source: Source) -> Made:
    """Return benefits a row a financial year, those behind a sum of the page if said; without the people of their steps."""
    asked = source.filters
    wanted = benefits.Wanted(
        one_of(asked, "state", STATES),
        asked.get("year", ""),
        one_of(asked, "cashable", ("yes", "no")),
        one_of(asked, "net", ("unknown",)),
    )
    every = [benefits.row_of(0, one) for _, one in benefits.read(source.connection)]
    chosen = benefits.choose(every, wanted)
    found = [row for one in chosen for row in _benefit(one, wanted)]
    unknown = sum(row["net"] is None for row in found)
    said = f"{len(found)} years of {len(chosen)} of {len(every)} benefits, of {unknown} double running is not known"
    return Made(_BENEFIT, found, said)


def _benefit(row: dict[str, Any], wanted: benefits.Wanted) -> list[dict[str, Any]]:
    return [
        row
        | {
            "financial_year": year["financial_year"],
            "saving": pounds_of(year["saving_pence"]),
            "double_running": pounds_of(year["double_running_pence"]),
            "net": pounds_of(year["net_pence"]),
        }
        for year in row["years"]
        if benefits.is_of(year, wanted)
    ]


def disposal_rows(source: Source) -> Made:
    """Return the items that are gone or on their way out, those behind a figure of the page if said."""
    asked, held = source.filters, disposal.read(source.connection, source.scope)
    category = number_of(asked.get("category"))
    if category is None and "category" in asked:
        raise RoadworthyError("category: is a WEEE category by its number, 0 where none is known")
    wanted = disposal_lists.Wanted(
        one_of(asked, "route", ROUTES) or None,
        asked.get("year"),
        category,
        one_of(asked, "which", disposal_lists.WHICH) or None,  # type: ignore[arg-type]  # one of WHICH
    )
    found = disposal_lists.choose(held, wanted, _today(source))
    untold = sum(not one.told for one in held)
    coverage = (
        f"{len(found.rows)} of {len(held)} items; of all, of {untold} nothing but their state is recorded"
    )
    return Made(_DISPOSAL, [_disposal(row) for row in found.rows], coverage)


def missing_rows(source: Source) -> Made:
    """Return the items that left without a complete certificate."""
    held = disposal.read(source.connection, source.scope)
    rows = disposal.missing(held, _today(source))
    columns = (*_DISPOSAL, "days_since_left", "why")
    undated = sum(one.lifecycle_state == "disposed" and one.record.left is None for one in held)
    coverage = f"{len(rows)} of {len(held)} items; of {undated} disposed ones the day they left is not known"
    return Made(columns, [_disposal(row) for row in rows], coverage)


def _disposal(row: dict[str, Any]) -> dict[str, Any]:
    grams = row["weight_grams"]
    return row | {
        "weight_kg": None if grams is None else grams / _GRAMS_PER_KG,
        "proceeds": pounds_of(row["proceeds_pence"]),
        "cost": pounds_of(row["cost_pence"]),
    }
