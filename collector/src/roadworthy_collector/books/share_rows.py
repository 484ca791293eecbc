"""The tables beside the shares in plain values: the bridge from the ledger, budget beside outturn, published figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from roadworthy_inventory.cost_benchmarks import Benchmark
from roadworthy_inventory.cost_reconciliation import Bridge, variances
from roadworthy_inventory.cost_trends import periods_in_words, span
from roadworthy_inventory.costs import CostBook, CostLine, Share, shares_by
from roadworthy_inventory.ledger import MEASURES

Content = dict[str, Any]
Booked = Mapping[tuple[int, str], frozenset[int]]
_LAST_MONTH = 12  # year end's period 13 belongs to it


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


class Parted(NamedTuple):
    """A book cut to what is booked, and apart from it the lines that are committed: prepaid, and no more."""

    book: CostBook
    committed: tuple[CostLine, ...]


def parted(book: CostBook, booked: Booked) -> Parted:
    """Return the book without what prepaid spreads to before the first or past the last period booked of a year.

    Whatever else those periods will cost is not in yet, so they belong to no share. A month between two booked ones is
    over: what is prepaid for it is all it cost.
    """
    reaches = {at: span(periods) for at, periods in booked.items()}
    kept, apart = list[CostLine](), list[CostLine]()
    for entry in book.lines:
        line = entry.line
        at = (line.financial_year, line.measure)
        within = at in reaches
        if within and (reach := reaches[at]) is not None and (month := line.accounting_period) is not None:
            within = reach[0] <= min(month, _LAST_MONTH) <= reach[1]
        (kept if within else apart).append(entry)
    return Parted(replace(book, lines=tuple(kept)), tuple(apart))


def committed(apart: Iterable[CostLine], year: int) -> dict[str, Content]:
    """Return {measure: pence, and the accounting periods} that are committed in a year, prepaid only."""
    sums: dict[str, int] = {}
    periods: dict[str, set[int]] = defaultdict(set)
    for entry in apart:
        line = entry.line
        if line.financial_year == year:
            sums[line.measure] = sums.get(line.measure, 0) + line.amount_pence
            periods[line.measure] |= set() if line.accounting_period is None else {line.accounting_period}
    return {
        measure: {"pence": pence, "periods": periods_in_words(periods[measure])}
        for measure, pence in sums.items()
    }


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


def said(one: Share) -> Content:
    """Return a share in plain values."""
    return {
        "numerator_pence": one.numerator_pence,
        "denominator_pence": one.denominator_pence,
        "unclassified_pence": one.unclassified_pence,
        "open_credits_pence": one.open_credits_pence,
        "open_charges_pence": one.open_charges_pence,
        "low": one.low,
        "high": one.high,
        "value": one.value,
        "reason": one.reason,
        "lines": one.lines,
    }


def all_said(found: Mapping[Any, Share]) -> Content:
    """Return {A, B, C: share} in plain values."""
    return {letter: said(one) for letter, one in found.items()}


def centre_rows(book: CostBook, year: int) -> list[Content]:
    """Return the shares of a year by cost centre."""
    found = shares_by(book, year, "cost_centre")
    return [{"place": place[0], "shares": all_said(letters)} for place, letters in found.items()]


def period_rows(book: CostBook, year: int, told: Collection[int]) -> list[Content]:
    """Return the year by period; one of which nothing is booked has `prepaid_pence` and no shares."""
    return [
        {"place": place[0], "shares": all_said(found), "prepaid_pence": None}
        if place[0] is None or place[0] in told
        else {"place": place[0], "shares": {}, "prepaid_pence": found["A"].denominator_pence}
        for place, found in shares_by(book, year, "accounting_period").items()
    ]


def variance_rows(book: CostBook, booked: Booked) -> list[Content]:
    """Return budget beside forecast beside outturn by year and cost centre of what is booked; None where nobody told.

    `periods`: {measure: the accounting periods booked}, because a budget of twelve stands beside an outturn of seven.
    """
    names = ("budget_pence", "forecast_pence", "outturn_pence")
    sums: dict[tuple[int, str | None], dict[str, int | None]] = defaultdict(lambda: dict.fromkeys(names))
    for one in variances(entry.line for entry in book.lines):
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
