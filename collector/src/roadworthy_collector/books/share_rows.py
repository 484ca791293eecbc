"""The tables beside the shares in plain values: the bridge from the ledger, budget beside outturn, published figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from roadworthy_inventory.cost_benchmarks import Benchmark
from roadworthy_inventory.cost_reconciliation import Bridge, variances
from roadworthy_inventory.costs import CostBook

Content = dict[str, Any]


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


def variance_rows(book: CostBook) -> list[Content]:
    """Return budget beside forecast beside outturn by year and cost centre, as counted; None where nobody told."""
    names = ("budget_pence", "forecast_pence", "outturn_pence")
    sums: dict[tuple[int, str | None], dict[str, int | None]] = defaultdict(lambda: dict.fromkeys(names))
    for one in variances(entry.line for entry in book.lines):
        row = sums[one.financial_year, one.cost_centre]
        for name in names:
            pence = getattr(one, name)
            if pence is not None:
                row[name] = (row[name] or 0) + pence
    return [
        {"year": year, "cost_centre": centre, **row}
        for (year, centre), row in sorted(sums.items(), key=lambda item: (item[0][0], item[0][1] or "~"))
    ]


def benchmark_row(one: Benchmark) -> Content:
    """Return a published figure in plain values."""
    return {
        name: getattr(one, name) for name in ("name", "body", "period", "low_percent", "high_percent")
    } | {name: getattr(one, name) for name in ("definition", "measures", "source")}
