"""The tables beside the shares in plain values: the bridge from the ledger, budget beside outturn, published figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from roadworthy_inventory.cost_benchmarks import Benchmark
from roadworthy_inventory.cost_reconciliation import Bridge, variances
from roadworthy_inventory.cost_trends import periods_in_words
from roadworthy_inventory.costs import CostBook
from roadworthy_inventory.ledger import MEASURES

Content = dict[str, Any]
Booked = Mapping[tuple[int, str], frozenset[int]]


def bridge_row(one: Bridge) -> Content:
    """Return one cell of the bridge in plain values."""
    cell = one.cell
    return {
        "year": cell.financial_year,
        "measure": cell.measure,
        "cost_centre": cell.cost_centre,
        "accounting_period": cell.accounting_period,
        "ledger_pence": one.ledger_pence,
        "left_out_pence": sum(one.left_out_pence.values()),
        "moved_pence": one.moved_by_spreading_pence,
        "counted_pence": one.counted_pence,
        "control_pence": one.control_pence,
        "difference_pence": one.difference_pence,
    }


def bridges_by_year(bridges: Iterable[Bridge]) -> list[Content]:
    """Return the bridges added up to years and measures; the cells are exported whole."""
    sums: dict[tuple[int, str], Content] = {}
    names = ("ledger_pence", "left_out_pence", "moved_pence", "counted_pence")
    for one in bridges:
        plain = bridge_row(one)
        at = (plain["year"], plain["measure"])
        row = sums.setdefault(at, {"year": at[0], "measure": at[1], **dict.fromkeys(names, 0)})
        for name in names:
            row[name] += plain[name]
    return [sums[at] for at in sorted(sums)]


def booked_periods(book: CostBook) -> Booked:
    """Return {(financial year, measure): accounting periods} of what is booked and counted, before any spreading."""
    found: dict[tuple[int, str], set[int]] = defaultdict(set)
    for line in book.on_basis.kept:
        told = set() if line.accounting_period is None else {line.accounting_period}
        found[line.financial_year, line.measure] |= told
    return {at: frozenset(periods) for at, periods in found.items()}


def committed(book: CostBook, year: int, booked: Booked) -> dict[str, int]:
    """Return {measure: pence} that prepaid of other years spreads into a year of which nothing is booked."""
    sums: dict[str, int] = {}
    for entry in book.lines:
        line = entry.line
        if line.financial_year == year and (year, line.measure) not in booked:
            sums[line.measure] = sums.get(line.measure, 0) + line.amount_pence
    return sums


def planned(years: Sequence[Content], target: Content | None) -> Content:
    """Return {measures: {year: {measure: pence}}, target}: all IT cost as counted, and the target's line by year."""
    points = {} if target is None else {one["year"]: one for one in target["points"]}
    return {
        "measures": {
            year["name"]: {name: one["A"]["denominator_pence"] for name, one in year["measures"].items()}
            for year in years
            if year["measures"]
        },
        "target": target
        and {
            "definition": target["definition"],
            "points": {
                f"{year}/{(year + 1) % 100:02d}": [one["ongoing_pence"], one["share"]]
                for year, one in points.items()
            },
        },
    }


def variance_rows(book: CostBook, booked: Booked) -> list[Content]:
    """Return budget beside forecast beside outturn by year and cost centre, as counted; None where nobody told.

    `periods`: {measure: the accounting periods booked}, because a budget of twelve stands beside an outturn of seven.
    """
    names = ("budget_pence", "forecast_pence", "outturn_pence")
    sums: dict[tuple[int, str | None], dict[str, int | None]] = defaultdict(lambda: dict.fromkeys(names))
    lines = (entry.line for entry in book.lines)
    for one in variances(line for line in lines if (line.financial_year, line.measure) in booked):
        row = sums[one.financial_year, one.cost_centre]
        for name in names:
            pence = getattr(one, name)
            if pence is not None:
                row[name] = (row[name] or 0) + pence
    return [
        {"year": year, "cost_centre": centre, **row, "periods": _periods(booked, year)}
        for (year, centre), row in sorted(sums.items(), key=lambda item: (item[0][0], item[0][1] or "~"))
    ]


def _periods(booked: Booked, year: int) -> dict[str, str]:
    return {
        measure: periods_in_words(booked[year, measure]) for measure in MEASURES if (year, measure) in booked
    }


def benchmark_row(one: Benchmark) -> Content:
    """Return a published figure in plain values."""
    return {
        name: getattr(one, name) for name in ("name", "body", "period", "low_percent", "high_percent")
    } | {name: getattr(one, name) for name in ("definition", "measures", "source")}
