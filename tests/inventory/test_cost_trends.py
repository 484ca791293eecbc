"""Years side by side, the target line, published figures, and the bridge from ledger to cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.cost_benchmarks import benchmarks, parse_benchmarks
from roadworthy_inventory.cost_reconciliation import Cell, ControlTotal, reconcile, variances
from roadworthy_inventory.cost_rules import Classification, Facts
from roadworthy_inventory.cost_trends import (
    Deflator,
    Target,
    YearShare,
    against_target,
    periods_in_words,
    target_line,
    year_on_year,
)
from roadworthy_inventory.costs import CostError, Method, Share, share
from roadworthy_inventory.ledger import KINDS, LedgerLine, on_basis
from roadworthy_inventory.tables import TableError

METHOD = Method(basis="accruals", rules_digest="r1")
NOTHING = Facts(None, None, None, None)


def made(maintenance: int, other: int, unknown: int = 0, letter: Any = "B") -> Share:
    yes = Classification("break_fix", "run", "yes", "no", 1.0)
    no = Classification("projects", "change", "no", "no", 1.0)
    rows = [(maintenance, NOTHING, yes), (other, NOTHING, no), (unknown, NOTHING, Classification())]
    return share(letter, rows, 0.5)


def test_thirty_per_cent_off_eighty_of_a_hundred_is_56_of_76_and_not_half() -> None:
    target = Target(base=made(80, 20), base_year=2025, target_year=2026, cut_ratio=Fraction(30, 100))
    first, last = target_line(target)
    assert (first.ongoing_pence, first.total_pence, first.share) == (80, 100, 0.8)
    assert (last.ongoing_pence, last.total_pence) == (56, 76)
    assert last.share is not None
    assert round(100 * last.share, 1) == 73.7


def test_the_line_is_cut_in_equal_steps() -> None:
    target = Target(base=made(8000, 2000), base_year=2025, target_year=2028, cut_ratio=Fraction(3, 10))
    assert [point.ongoing_pence for point in target_line(target)] == [8000, 7200, 6400, 5600]
    assert [point.financial_year for point in target_line(target)] == [2025, 2026, 2027, 2028]


def test_real_terms_are_in_the_years_own_money_and_name_their_deflator() -> None:
    deflator = Deflator(
        "my own index, finance intranet", date(2026, 4, 1), {2025: Fraction(100), 2026: Fraction(110)}
    )
    target = Target(
        base=made(8000, 2000),
        base_year=2025,
        target_year=2026,
        cut_ratio=Fraction(3, 10),
        terms="real",
        deflator=deflator,
    )
    last = target_line(target)[-1]
    assert (last.ongoing_pence, last.total_pence, last.base_price_ongoing_pence) == (6160, 8360, 5600)
    assert last.share == 5600 / 7600
    with pytest.raises(CostError, match="no level for the financial year 2027"):
        target_line(replace(target, target_year=2027))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"base": made(50, 20, 30)}, "no target without a figure for the base year: 30 %"),
        ({"base": share("B", [], 0.5)}, "no target without a figure"),
        ({"base": "53 %"}, "not on published payments"),
        ({"target_year": 2025}, "after the base year"),
        ({"cut_ratio": Fraction(31, 30)}, "not from 0 to 1"),
        ({"terms": "real"}, "need a deflator"),
        ({"terms": "money"}, "cash or real"),
        ({"deflator": Deflator("x", date(2026, 1, 1), {})}, "cash terms take none"),
    ],
)
def test_targets_that_cannot_be_are_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(CostError, match=message):
        Target(
            **{
                "base": made(80, 20),
                "base_year": 2025,
                "target_year": 2026,
                "cut_ratio": Fraction(1, 3),
                **told,
            }
        )


@pytest.mark.parametrize(("source", "level"), [(" ", 1), ("x", 0), ("x", -1)])
def test_a_deflator_needs_a_source_and_levels_above_nought(source: str, level: int) -> None:
    with pytest.raises(CostError):
        Deflator(source, date(2026, 1, 1), {2025: Fraction(level)})


def test_years_side_by_side_and_the_mark_where_the_method_changed() -> None:
    years = [
        YearShare(2026, made(70, 30), METHOD),
        YearShare(2024, made(80, 20), METHOD),
        YearShare(2027, made(60, 40), replace(METHOD, basis="cash", rules_digest="r2")),
        YearShare(2028, made(50, 20, 30), replace(METHOD, basis="cash", rules_digest="r2")),
    ]
    first, second, third, fourth = year_on_year(years)
    assert (first.since, first.method_changed, first.value_change) == (None, (), None)
    assert second.since == 2024
    assert second.numerator_change_pence == -10
    assert second.value_change == pytest.approx(-0.1)
    assert third.method_changed == ("basis", "rules")
    assert (third.numerator_change_pence, third.value_change) == (None, None)
    assert (fourth.method_changed, fourth.numerator_change_pence, fourth.value_change) == ((), None, None)


def test_every_choice_of_method_is_seen_to_change() -> None:
    others = {
        "basis": replace(METHOD, basis="cash"),
        "recharges": replace(METHOD, recharges="both"),
        "spreading of prepaid": replace(METHOD, spread_prepaid=False),
        "least confidence": replace(METHOD, minimum_confidence=0.6),
        "rules": replace(METHOD, rules_digest="r2"),
        "definition version": replace(METHOD, definition_version="0"),
    }
    assert {name: METHOD.changes(other) for name, other in others.items()} == {n: (n,) for n in others}


def test_years_that_do_not_belong_in_one_row_are_refused() -> None:
    one = YearShare(2025, made(80, 20), METHOD)
    with pytest.raises(CostError, match="twice"):
        year_on_year([one, one])
    with pytest.raises(CostError, match="different definitions"):
        year_on_year([one, YearShare(2026, made(80, 20, letter="A"), METHOD)])


def test_a_year_against_its_target() -> None:
    target = Target(base=made(8000, 2000), base_year=2025, target_year=2026, cut_ratio=Fraction(3, 10))
    years = [
        YearShare(2026, made(6000, 2000), METHOD),
        YearShare(2030, made(1, 1), METHOD),
    ]
    (gap,) = against_target(target, METHOD, years)
    assert gap.ongoing_gap_pence == 400
    assert gap.share_gap == pytest.approx(0.75 - 5600 / 7600)
    (marked,) = against_target(target, replace(METHOD, rules_digest="r0"), years)
    assert (marked.ongoing_gap_pence, marked.share_gap, marked.method_changed) == (None, None, ("rules",))


def test_published_figures_carry_definition_source_and_day() -> None:
    rows = benchmarks()
    assert {(row.low_percent, row.definition) for row in rows} >= {
        (97.0, "A"),
        (29.5, "C"),
        (48.9, "C"),
        (85.0, "B"),
    }
    for row in rows:
        assert row.source.startswith("https://")
        assert row.as_of <= date(2026, 11, 22)


@pytest.mark.parametrize(
    "row",
    ["n,b,2020,60,50,A,m,https://x.org,2026-01-01", "n,b,2020,x,50,A,m,https://x.org,2026-01-01",
     "n,b,2020,5,50,D,m,https://x.org,2026-01-01", "n,b,2020,5,50,A,,https://x.org,2026-01-01",
     "n,b,2020,5,50,A,m,http://x.org,2026-01-01", "n,b,2020,5,101,A,m,https://x.org,2026-01-01"],
)  # fmt: skip
def test_a_wrong_row_of_published_figures_is_refused(row: str) -> None:
    header = "name,body,period,low_percent,high_percent,definition,measures,source,as_of"
    with pytest.raises(TableError, match="line 2"):
        parse_benchmarks(f"{header}\n{row}\n")


LINES = st.lists(
    st.builds(
        LedgerLine,
        amount_pence=st.integers(-(10**6), 10**6),
        financial_year=st.just(2025),
        accounting_period=st.one_of(st.none(), st.integers(1, 13)),
        cost_centre=st.sampled_from(["A", "B", None]),
        measure=st.sampled_from(["budget", "forecast", "outturn"]),
        kind=st.sampled_from(KINDS),
        capital_revenue=st.sampled_from(["capital", "revenue"]),
        spread_from=st.just(date(2025, 12, 1)),
        spread_to=st.sampled_from([date(2025, 12, 31), date(2026, 11, 30)]),
    ),
    max_size=20,
)


@given(LINES, st.sampled_from(["cash", "accruals"]))
def test_every_bridge_closes_and_the_bridges_hold_all_money(lines: list[LedgerLine], basis: Any) -> None:
    result = on_basis(lines, basis)
    bridges = reconcile(result)
    for one in bridges:
        left_out = sum(one.left_out_pence.values())
        assert one.ledger_pence - left_out + one.moved_by_spreading_pence == one.counted_pence
        assert (one.control_pence, one.difference_pence) == (None, None)
    assert sum(one.ledger_pence for one in bridges) == sum(line.amount_pence for line in lines)
    assert sum(one.moved_by_spreading_pence for one in bridges) == 0
    assert sum(one.counted_pence for one in bridges) == sum(line.amount_pence for line in result.counted)


def test_control_totals_show_what_is_missing() -> None:
    line = LedgerLine(amount_pence=900, financial_year=2025, accounting_period=13, cost_centre="IT1")
    here, elsewhere = Cell(2025, "outturn", "IT1", 13), Cell(2025, "outturn", "IT9", 1)
    told = [ControlTotal(here, 1000, "outturn report"), ControlTotal(elsewhere, 50, "outturn report")]
    by_cell = {one.cell: one for one in reconcile(on_basis([line], "cash"), told)}
    assert by_cell[here].difference_pence == -100
    assert (by_cell[elsewhere].ledger_pence, by_cell[elsewhere].difference_pence) == (0, -50)
    with pytest.raises(ValueError, match="two control totals"):
        reconcile(on_basis([line], "cash"), [told[0], told[0]])


def test_budget_forecast_and_outturn_side_by_side() -> None:
    def line(pence: int, measure: Any, period: int | None) -> LedgerLine:
        return LedgerLine(
            amount_pence=pence,
            financial_year=2025,
            accounting_period=period,
            cost_centre="IT1",
            measure=measure,
        )

    first, last = variances([line(100, "budget", 1), line(130, "outturn", 1), line(5, "outturn", None)])
    assert (first.budget_pence, first.forecast_pence, first.outturn_pence) == (100, None, 130)
    assert (first.against_budget_pence, first.against_forecast_pence) == (30, None)
    assert (last.accounting_period, last.against_budget_pence) == (None, None)


@pytest.mark.parametrize(
    ("periods", "words", "same"),
    [
        (range(1, 14), "periods 1-13", True),
        ((1, 12), "periods 1, 12", True),
        (range(1, 8), "periods 1-7", False),
        ((7,), "period 7", False),
        ((), "periods not told", False),
    ],
)
def test_years_of_other_months_have_no_difference(periods: Any, words: str, *, same: bool) -> None:
    base = YearShare(2025, made(80, 20), METHOD, frozenset(range(1, 13)))
    other = YearShare(2026, made(60, 20), METHOD, frozenset(periods))
    step = year_on_year([base, other])[1]
    assert periods_in_words(periods) == words
    assert (step.periods_differ, step.numerator_change_pence) == (not same, -20 if same else None)
    target = Target(base=base.share, base_year=2025, target_year=2026, cut_ratio=Fraction(3, 10))
    (gap,) = against_target(target, METHOD, [other])
    assert (gap.ongoing_gap_pence, gap.reason is None) == (4 if same else None, same)
