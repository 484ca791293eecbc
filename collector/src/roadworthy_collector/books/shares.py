"""Cost shares from the lines in the store: worked out once, kept as a figure, and worked out again when anything moves.

The figure `costs.shares` carries the key it was made for: batches in force, rules, method, corrections. A page shows
what is kept and says so where the key is no longer that of the store.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine

from roadworthy_collector.books import cost_ready, cost_texts, figures
from roadworthy_collector.books.cost_keys import FORMAT, keys
from roadworthy_collector.books.cost_lines import (
    LEDGER,
    NO_YEAR,
    PAYMENTS,
    count_lines,
    read_corrections,
    read_ledger,
    read_payments,
    year_of,
)
from roadworthy_collector.books.cost_texts import Counting
from roadworthy_collector.books.share_rows import (
    Booked,
    Parted,
    all_said,
    benchmark_row,
    booked_periods,
    bridge_row,
    bridges_by_year,
    centre_rows,
    committed,
    parted,
    period_rows,
    planned,
    said,
    variance_rows,
)
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.cost_benchmarks import benchmarks
from roadworthy_inventory.cost_reconciliation import reconcile
from roadworthy_inventory.cost_rules import Correction, CostRules
from roadworthy_inventory.cost_trends import (
    Target,
    YearShare,
    against_target,
    periods_in_words,
    target_line,
    unfinished,
    year_on_year,
)
from roadworthy_inventory.costs import (
    DEFINITIONS,
    CostBook,
    CostError,
    Method,
    conflicts,
    cost_book,
    shares,
)
from roadworthy_inventory.ledger import MEASURES, LedgerLine, left_out_by_reason
from roadworthy_inventory.payments import PaymentLine, PaymentShare, payment_shares

FIGURE, METRICS, PLANNED = "costs.shares", "costs.metrics", "costs.planned"
METRIC_YEARS = 6  # the last, so that series stay few
_CONFLICTS = 50
Content = dict[str, Any]


class Inputs(NamedTuple):
    """All that shares are made from."""

    ledger: Sequence[LedgerLine]
    payments: Sequence[PaymentLine]
    rules: CostRules
    counting: Counting
    corrections: Sequence[Correction]


def read_inputs(connection: Connection) -> Inputs:
    """Return the lines that count with rules, method and corrections in force."""
    return Inputs(
        read_ledger(connection),
        read_payments(connection),
        cost_texts.rules_of(cost_texts.current(connection, "cost_rules").content),
        cost_texts.counting_of(cost_texts.current(connection, "cost_method").content),
        read_corrections(connection),
    )


def book_of(inputs: Inputs) -> CostBook:
    """Return the ledger as counted and classified."""
    method = inputs.counting.method
    return cost_book(
        inputs.ledger,
        inputs.rules,
        basis=method.basis,
        recharges=method.recharges,
        spread_prepaid=method.spread_prepaid,
        minimum_confidence=method.minimum_confidence,
        corrections=inputs.corrections,
    )


def kept(connection: Connection) -> tuple[Content, int] | None:
    """Return what is kept and when it was made (UTC epoch seconds), of whatever key; None where nothing is."""
    found = figures.read(connection, FIGURE)
    return None if found is None or found[0].get("format") != FORMAT else found


def refresh(engine: Engine, now: float, *, most_lines: int | None = None) -> bool:
    """Work the shares out where what is kept is not of the store's key; return whether that was done.

    `most_lines`: leave it to the jobs process where there are more.
    """
    began = time.perf_counter()
    found = made(engine, most_lines=most_lines)
    if found is None:
        return False
    with write_transaction(engine) as connection:
        keep(connection, found, now, time.perf_counter() - began)
    return True


class Worked(NamedTuple):
    """The figure worked out anew, and {figure: lines behind it kept ready}."""

    content: Content
    lines: Mapping[str, Content]


def made(engine: Engine, *, most_lines: int | None = None) -> Worked | None:
    """Return the figure worked out anew, None where what is kept holds or there are more than `most_lines`."""
    with engine.connect() as connection:
        wanted = keys(connection)
        found = kept(connection)
        if found is not None and found[0]["key"] == wanted.whole:
            return None
        held = 0 if most_lines is None else sum(count_lines(connection, kind) for kind in (LEDGER, PAYMENTS))
        if most_lines is not None and held > most_lines:
            return None
        inputs = read_inputs(connection)
    book = book_of(inputs)
    lines = cost_ready.contents(book, inputs.payments, inputs.rules, wanted.base, wanted.corrected)
    return Worked(compute(inputs, book) | {"key": wanted.whole}, lines)


def keep(connection: Connection, found: Worked, now: float, seconds: float) -> None:
    """Leave the figure for pages, and the little of it that metrics show.

    Where years are counted by another method than before, what was shown until then stays beside it, marked.
    """
    content = found.content
    content["restated"] = _restated(kept(connection), content)
    for name, lines in found.lines.items():
        figures.write(connection, name, lines, now, seconds)
    figures.write(connection, FIGURE, content, now, seconds)
    last = list(content["years"].values())[-METRIC_YEARS:]
    shown = {year["name"]: year["measures"]["outturn"] for year in last if "outturn" in year["measures"]}
    figures.write(connection, METRICS, shown, now, seconds)
    figures.write(connection, PLANNED, planned(last, content["target"]), now, seconds)


def _restated(before: tuple[Content, int] | None, content: Content) -> Content | None:
    """Return what the years said by the method before this one, and what of it changed; None where none did."""
    if before is None or not before[0]["years"]:
        return None
    held, until = before
    changes = Method(**_fields(content["method"])).changes(Method(**_fields(held["method"])))
    if not changes:
        restated: Content | None = held.get("restated")
        return restated
    return {
        "until": until,
        "changes": list(changes),
        "years": {
            year["name"]: year["measures"]["outturn"]
            for year in held["years"].values()
            if "outturn" in year["measures"]
        },
    }


def _fields(method: Mapping[str, Any]) -> dict[str, Any]:
    return {("rules_digest" if name == "rules" else name): value for name, value in method.items()}


def compute(inputs: Inputs, book: CostBook) -> Content:
    """Return the figure without its key: plain values that JSON can say; years are texts, amounts pence."""
    booked = booked_periods(book)
    years = sorted({entry.line.financial_year for entry in book.lines})
    cut = parted(book, booked)
    by_year = {str(year): _year(book, cut, year, booked) for year in years}
    bridges = reconcile(book.on_basis, inputs.counting.controls)
    return {
        "format": FORMAT,
        "lines": len(inputs.ledger),
        "counted": len(book.lines),
        "unknown_capital": len(book.on_basis.unknown_capital),
        "corrections": len(inputs.corrections),
        "method": _method(book),
        "definitions": {
            letter: {"name": one.name, "numerator": one.numerator, "denominator": one.denominator}
            for letter, one in DEFINITIONS.items()
        },
        "left_out": {
            reason: {"lines": lines, "pence": pence}
            for reason, (lines, pence) in left_out_by_reason(book.on_basis).items()
        },
        "years": by_year,
        "trend": {letter: _trend(cut.book, booked, letter) for letter in DEFINITIONS},
        "target": _target(inputs.counting, cut.book, booked),
        "bridge": bridges_by_year(bridges),
        "controls": [bridge_row(one) for one in bridges if one.control_pence is not None],
        "variances": variance_rows(cut.book, booked),
        "benchmarks": [benchmark_row(one) for one in benchmarks()],
        "payments": _payments(inputs) if inputs.payments else None,
    }


def year_name(year: int) -> str:
    """Return `2025/26` for the financial year that begins in 2025."""
    return f"{year}/{(year + 1) % 100:02d}"


def _method(book: CostBook) -> Content:
    method = book.method
    return {
        "basis": method.basis,
        "recharges": method.recharges,
        "spread_prepaid": method.spread_prepaid,
        "minimum_confidence": method.minimum_confidence,
        "rules": method.rules_digest,
        "definition_version": method.definition_version,
    }


def _year(whole: CostBook, cut: Parted, year: int, booked: Booked) -> Content:
    """Return one year: shares by measure, and of the outturn by cost centre and by accounting period.

    They are of the periods booked. What prepaid spreads into others, or into a measure of which nothing is booked, is
    `committed` and no more, because whatever else they will cost is not in yet.
    """
    told = [measure for measure in MEASURES if (year, measure) in booked]
    book = cut.book
    outturn = book.select(year) if "outturn" in told else ()
    return {
        "name": year_name(year),
        "periods": {measure: periods_in_words(booked[year, measure]) for measure in told},
        "committed": committed(cut.committed, year),
        "measures": {measure: all_said(shares(book, book.select(year, measure))) for measure in told},
        "by_cost_centre": centre_rows(book, year) if outturn else [],
        "by_accounting_period": period_rows(whole, year, booked[year, "outturn"]) if outturn else [],
        "conflicts": [
            {"decided": one.decided, "against": list(one.against), "lines": one.lines, "pence": one.pence}
            for one in conflicts(outturn)[:_CONFLICTS]
        ],
    }


def _of_years(book: CostBook, booked: Booked, letter: Any) -> list[YearShare]:
    """Return the share of each year with an outturn booked."""
    return [
        YearShare(year, shares(book, book.select(year))[letter], book.method, periods)
        for (year, measure), periods in sorted(booked.items())
        if measure == "outturn"
    ]


def _trend(book: CostBook, booked: Booked, letter: Any) -> list[Content]:
    return [
        {
            "year": step.year.financial_year,
            "since": step.since,
            "method_changed": list(step.method_changed),
            "numerator_change_pence": step.numerator_change_pence,
            "value_change": step.value_change,
            "periods": periods_in_words(step.year.periods or ()),
            "periods_differ": step.periods_differ,
        }
        for step in year_on_year(_of_years(book, booked, letter))
    ]


def _target(counting: Counting, book: CostBook, booked: Booked) -> Content | None:
    """Return the target's line with each year against it; why there is none where it cannot be drawn."""
    aim = counting.target
    if aim is None:
        return None
    head: Content = {
        "definition": aim.definition,
        "base_year": aim.base_year,
        "target_year": aim.target_year,
        "cut_ratio": float(aim.cut_ratio),
        "terms": aim.terms,
        "deflator": counting.deflator.source if counting.deflator and aim.terms == "real" else None,
    }
    found = {one.financial_year: one for one in _of_years(book, booked, aim.definition)}
    if aim.base_year not in found:
        return head | {"reason": f"the ledger has no outturn for {year_name(aim.base_year)}", "points": []}
    if (partly := unfinished(found[aim.base_year])) is not None:
        reason = f"no target without the whole of its base year: {year_name(aim.base_year)} has {partly}"
        return head | {"reason": reason, "points": []}
    try:
        target = Target(
            base=found[aim.base_year].share,
            base_year=aim.base_year,
            target_year=aim.target_year,
            cut_ratio=aim.cut_ratio,
            terms=aim.terms,
            deflator=counting.deflator if aim.terms == "real" else None,
        )
        points = target_line(target)
        gaps = {one.point.financial_year: one for one in against_target(target, book.method, found.values())}
    except CostError as error:
        return head | {"reason": str(error), "points": []}
    return head | {
        "reason": None,
        "points": [
            {
                "year": point.financial_year,
                "ongoing_pence": point.ongoing_pence,
                "total_pence": point.total_pence,
                "share": point.share,
                "gap_pence": gap.ongoing_gap_pence if gap else None,
                "share_gap": gap.share_gap if gap else None,
                "no_gap": gap.reason if gap else "nothing is booked yet",
            }
            for point in points
            for gap in (gaps.get(point.financial_year),)
        ],
    }


def cells(inputs: Inputs) -> list[Content]:
    """Return the bridge of every year, measure, cost centre and accounting period."""
    return [bridge_row(one) for one in reconcile(book_of(inputs).on_basis, inputs.counting.controls)]


def _payments(inputs: Inputs) -> Content:
    """Return the shares of published supplier payments, by year of payment; never a target."""
    years: dict[int, list[PaymentLine]] = defaultdict(list)
    for line in inputs.payments:
        years[year_of(line)].append(line)
    least = inputs.counting.method.minimum_confidence
    return {
        str(year): {"name": "no date" if year == NO_YEAR else year_name(year)}
        | _payment_year(payment_shares(years[year], inputs.rules, minimum_confidence=least))
        for year in sorted(years)
    }


def _payment_year(found: Mapping[Any, PaymentShare]) -> Content:
    first = found["A"]
    names = ("title", "lines", "out_of_scope_lines", "out_of_scope_pence", "redacted_lines", "redacted_pence")
    return {name: getattr(first, name) for name in names} | {
        "missing": list(first.missing),
        "lines_by_vat_basis": dict(first.lines_by_vat_basis),
        "mixed_vat": first.mixed_vat,
        "undated_lines": first.undated_lines,
        "shares": {letter: said(one.share) for letter, one in found.items()},
    }


def is_current(connection: Connection, content: Mapping[str, Any]) -> bool:
    """Whether what is kept is of the store as it is."""
    return bool(content["key"] == keys(connection).whole)
