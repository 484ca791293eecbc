"""The ledger: years and period 13, prepaid to the penny, capital or depreciation, recharges with both sides."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.ledger import (
    KINDS,
    LedgerError,
    LedgerLine,
    accounting_period_of,
    left_out_by_reason,
    on_basis,
    parse_financial_year,
    parse_period,
    period_dates,
    spread_prepaid,
)
from roadworthy_inventory.money import pounds, round_pence, spread, total


def line(pence: int, **told: Any) -> LedgerLine:
    return LedgerLine(**{"amount_pence": pence, "financial_year": 2025, "accounting_period": 1, **told})


@given(st.integers(-(10**13), 10**13), st.lists(st.integers(0, 10**6), min_size=1, max_size=60).filter(sum))
def test_spreading_conserves_pence_and_mirrors_credits(pence: int, weights: list[int]) -> None:
    parts = spread(pence, weights)
    assert sum(parts) == pence
    assert parts == [-part for part in spread(-pence, weights)]
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - pence * weight) < sum(weights)


@pytest.mark.parametrize("weights", [[], [0, 0], [2, -1]])
def test_weights_that_spread_nothing_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        spread(100, weights)


def test_pence_are_written_and_rounded_as_invoices_do() -> None:
    assert pounds(-123450) == "-£1,234.50"
    assert pounds(7) == "£0.07"
    assert [round_pence(value) for value in map(Fraction, ("5/2", "-5/2", "7/3"))] == [
        3,
        -3,
        2,
    ]
    assert total([]) is None
    assert total([5, -5]) == 0


@given(
    st.integers(-(10**11), 10**11),
    st.dates(date(2000, 1, 1), date(2090, 1, 1)),
    st.integers(0, 2000),
)
def test_prepaid_parts_sum_to_the_line_and_lie_in_their_months(pence: int, first: date, days: int) -> None:
    prepaid = line(pence, spread_from=first, spread_to=first + timedelta(days=days))
    parts = spread_prepaid(prepaid)
    assert sum(part.amount_pence for part in parts) == pence
    assert parts[0].spread_from == first
    assert parts[-1].spread_to == first + timedelta(days=days)
    covered = 0
    for part in parts:
        assert part.spread_from is not None
        assert part.spread_to is not None
        assert part.accounting_period == accounting_period_of(part.spread_from)
        start, end = period_dates(part.financial_year, part.accounting_period)
        assert start <= part.spread_from <= part.spread_to <= end
        covered += (part.spread_to - part.spread_from).days + 1
        assert spread_prepaid(part) == (part,)
        assert part.key == prepaid.key
    assert covered == days + 1


def test_a_three_year_prepayment_lands_in_four_financial_years() -> None:
    prepaid = line(109600, spread_from=date(2025, 10, 1), spread_to=date(2028, 9, 30))
    by_year: dict[int, int] = {}
    for part in spread_prepaid(prepaid):
        by_year[part.financial_year] = by_year.get(part.financial_year, 0) + part.amount_pence
    assert by_year == {2025: 18200, 2026: 36500, 2027: 36600, 2028: 18300}


def test_the_last_day_of_the_calendar_can_be_spread_to() -> None:
    assert len(spread_prepaid(line(31, spread_from=date.max.replace(day=1), spread_to=date.max))) == 1


@pytest.mark.parametrize(
    "told",
    [
        {"accounting_period": 0},
        {"accounting_period": 14},
        {"measure": "actuals"},
        {"kind": "unknown"},
        {"capital_revenue": ""},
        {"spread_from": date(2025, 4, 1)},
        {"spread_from": date(2025, 4, 2), "spread_to": date(2025, 4, 1)},
        {"spread_from": date(1925, 4, 2), "spread_to": date(2925, 4, 1)},
    ],
)
def test_lines_that_cannot_be_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(LedgerError):
        line(1, **told)


def test_periods_are_months_from_april_and_the_thirteenth_has_no_days() -> None:
    assert period_dates(2023, 11) == (date(2024, 2, 1), date(2024, 2, 29))
    assert accounting_period_of(date(2026, 3, 31)) == 12
    assert accounting_period_of(date(2026, 4, 1)) == 1
    with pytest.raises(LedgerError, match="no days of its own"):
        period_dates(2025, 13)


@pytest.mark.parametrize(
    "text", ["2025/26", "2025-26", "2025-2026", "FY25/26", "fy 2025/26", " 25/26 ", "2025\u201326"]
)
def test_financial_years_are_read(text: str) -> None:
    assert parse_financial_year(text) == 2025


def test_a_single_year_is_only_read_when_told_which_end_it_names() -> None:
    assert parse_financial_year("1999/00") == 1999
    assert parse_financial_year("FY26", bare="ends") == 2025
    assert parse_financial_year("2026", bare="starts") == 2026
    with pytest.raises(LedgerError, match="starts in or ends in"):
        parse_financial_year("2026")
    for text in ("2025/27", "2025/25", "next", "", "2025/026", "٢٠٢٥"):
        with pytest.raises(LedgerError):
            parse_financial_year(text)


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("7", 7),
        ("P07", 7),
        ("Period 13", 13),
        ("AP1", 1),
        ("Oct", 7),
        ("march 2026", 12),
        ("Sept-25", 6),
        ("12", 12),
    ],
)
def test_periods_are_read(text: str, period: int) -> None:
    assert parse_period(text) == period


@pytest.mark.parametrize("text", ["0", "14", "P", "", "marble", "202501", "-1", "1.5"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(LedgerError):
        parse_period(text)


LEDGER = [
    line(1000, capital_revenue="capital", cost_centre="IT1"),
    line(250, kind="depreciation", capital_revenue="revenue", cost_centre="IT1"),
    line(40, kind="accrual", capital_revenue="revenue", cost_centre="IT1"),
    line(500, capital_revenue="revenue", cost_centre="IT1"),
    line(-20, kind="credit", capital_revenue="revenue", cost_centre="IT1"),
    line(300, kind="payroll", cost_centre="IT1"),
]


def test_capital_and_depreciation_are_never_both_in() -> None:
    cash, accruals = on_basis(LEDGER, "cash"), on_basis(LEDGER, "accruals")
    assert sum(entry.amount_pence for entry in cash.counted) == 1000 + 500 - 20 + 300
    assert sum(entry.amount_pence for entry in accruals.counted) == 250 + 40 + 500 - 20 + 300
    assert left_out_by_reason(cash) == {
        "depreciation on the cash basis": (1, 250),
        "accrual on the cash basis": (1, 40),
    }
    assert left_out_by_reason(accruals) == {"capital on the accruals basis": (1, 1000)}
    assert accruals.unknown_capital == (LEDGER[-1],)
    with pytest.raises(LedgerError, match="basis"):
        on_basis(LEDGER, "both")  # type: ignore[arg-type]  # what a caller could pass


LINES = st.lists(
    st.builds(
        LedgerLine,
        amount_pence=st.integers(-(10**6), 10**6),
        financial_year=st.integers(2024, 2025),
        accounting_period=st.one_of(st.none(), st.integers(1, 13)),
        cost_centre=st.sampled_from(["A", "B", None]),
        kind=st.sampled_from(KINDS),
        capital_revenue=st.sampled_from(["capital", "revenue", "unknown"]),
        recharge_reference=st.sampled_from([None, "R1", "R2"]),
    ),
    max_size=30,
)


@given(LINES, st.sampled_from(["cash", "accruals"]), st.sampled_from(["neither", "both"]), st.randoms())
def test_a_basis_conserves_lines_and_order_does_not_matter(
    lines: list[LedgerLine], basis: Any, recharges: Any, chance: random.Random
) -> None:
    result = on_basis(lines, basis, recharges=recharges)
    assert len(result.kept) + len(result.left_out) == len(lines)
    assert sum(entry.amount_pence for entry in result.counted) == sum(e.amount_pence for e in result.kept)
    kinds = {entry.kind for entry in result.counted}
    capital = any(
        entry.capital_revenue == "capital" and entry.kind != "depreciation" for entry in result.counted
    )
    assert not (capital and "depreciation" in kinds)
    shuffled = list(lines)
    chance.shuffle(shuffled)
    again = on_basis(shuffled, basis, recharges=recharges)
    assert sorted(map(repr, again.counted)) == sorted(map(repr, result.counted))


@given(LINES)
def test_recharges_are_in_with_both_sides_or_not_at_all(lines: list[LedgerLine]) -> None:
    both = on_basis(lines, "cash", recharges="both").kept
    sides = [entry for entry in both if entry.kind in ("recharge_in", "recharge_out")]
    assert sum(entry.amount_pence for entry in sides) == 0
    neither = on_basis(lines, "cash").kept
    assert not any(entry.kind in ("recharge_in", "recharge_out") for entry in neither)
    assert sum(e.amount_pence for e in both) == sum(e.amount_pence for e in neither)


def test_a_recharge_with_one_side_only_is_left_out() -> None:
    charge = line(700, kind="recharge_in", cost_centre="IT1")
    income = line(-700, kind="recharge_out", cost_centre="FLEET")
    lone = line(90, kind="recharge_in", recharge_reference="J9")
    result = on_basis([charge, income, lone], "accruals", recharges="both")
    assert set(result.kept) == {charge, income}
    assert left_out_by_reason(result) == {"recharge with one side only": (1, 90)}


def test_a_line_is_known_by_its_content_not_by_its_file() -> None:
    one = line(5, description="Support", source="a.csv", source_line=2)
    assert one.key == replace(one, source="b.csv", source_line=77).key
    assert one.key != replace(one, amount_pence=6).key
