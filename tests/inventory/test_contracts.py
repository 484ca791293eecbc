"""Contracts, warranties and the cliffs where cover ends; benefits and who may call them money."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.benefits import (
    STATES,
    Benefit,
    BenefitError,
    BenefitYear,
    Step,
    advance,
    identify,
    sums,
)
from roadworthy_inventory.contracts import (
    Contract,
    ContractError,
    cliffs,
    contract_cliffs,
    duplicates,
    notice_due,
    running_value_pence,
    state,
)

TODAY = date(2026, 11, 22)
SUPPORT = Contract(
    reference="C1",
    start=date(2024, 4, 1),
    end=date(2027, 3, 31),
    notice=date(2026, 12, 31),
    value_pence_per_year=12_000_00,
)


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2024, 3, 31), "not started"),
        (date(2024, 4, 1), "running"),
        (date(2026, 12, 31), "running"),
        (date(2027, 1, 1), "notice passed"),
        (date(2027, 3, 31), "notice passed"),
        (date(2027, 4, 1), "ended"),
    ],
)
def test_a_contract_stands_to_the_day(on: date, expected: str) -> None:
    assert state(SUPPORT, on) == expected


def test_an_end_that_is_not_told_is_unknown_and_not_for_ever() -> None:
    assert state(Contract(reference="C2"), TODAY) == "unknown"


def test_notice_due_soonest_first() -> None:
    soon = replace(SUPPORT, reference="C0", notice=TODAY)
    gone = replace(SUPPORT, reference="C3", notice=date(2026, 11, 21))
    assert [one.reference for one in notice_due([SUPPORT, soon, gone], TODAY)] == ["C0", "C1"]
    assert notice_due([SUPPORT], TODAY, within_days=38) == ()


@pytest.mark.parametrize(
    "told",
    [
        {"reference": " "},
        {"kind": "promise"},
        {"end": date(2024, 3, 31)},
        {"notice": date(2027, 4, 1)},
    ],
)
def test_contracts_that_cannot_be_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        replace(SUPPORT, **told)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.dates(date(2020, 1, 1), date(2035, 1, 1))),
            st.one_of(st.none(), st.integers(0, 10**6)),
        ),
        max_size=40,
    ),
    st.dates(date(2024, 1, 1), date(2030, 1, 1)),
    st.integers(1, 60),
)
def test_cliffs_account_for_every_end(
    ends: list[tuple[date | None, int | None]], on: date, months: int
) -> None:
    found = cliffs(ends, on, months)
    in_months = sum(month.ends for month in found.months)
    assert found.ended + in_months + found.later + found.unknown == found.total == len(ends)
    assert len(found.months) == months
    assert (found.months[0].year, found.months[0].month) == (on.year, on.month)


def test_a_cliff_is_the_month_of_the_last_day() -> None:
    found = cliffs(
        [
            (date(2026, 11, 21), 1),
            (date(2026, 11, 22), 100),
            (date(2026, 11, 30), None),
            (date(2027, 1, 1), 5),
            (None, 7),
        ],
        TODAY,
        months=2,
    )
    november, december = found.months
    assert (november.ends, november.value_pence_per_year, november.value_unknown) == (2, 100, 1)
    assert (december.year, december.month, december.ends) == (2026, 12, 0)
    assert (found.ended, found.later, found.unknown) == (1, 1, 1)
    for months in (0, 10**6):
        with pytest.raises(ContractError):
            cliffs([], TODAY, months)


def test_warranties_apart_from_contracts_and_the_value_that_runs() -> None:
    warranty = Contract(reference="W1", kind="warranty", end=date(2026, 12, 1))
    assert contract_cliffs([SUPPORT, warranty], TODAY, kind="warranty").total == 1
    assert contract_cliffs([SUPPORT, warranty], TODAY).total == 2
    assert running_value_pence([SUPPORT, warranty], TODAY) == (12_000_00, 1)
    assert list(duplicates([SUPPORT, warranty, replace(SUPPORT, reference="c1 ")])) == ["C1"]


def benefit(*, cashable: bool = True) -> Benefit:
    years = [BenefitYear(2026, 1000, 300), BenefitYear(2027, 1000, None)]
    return identify("B1", "Crime recording (old)", "alex", years, cashable=cashable, on=date(2026, 1, 1))


def delivered(*, cashable: bool = True) -> Benefit:
    agreed = advance(benefit(cashable=cashable), "sam", "service", date(2026, 2, 1))
    return advance(agreed, "sam", "service", date(2026, 3, 1))


def test_a_benefit_goes_through_its_states_and_finance_has_the_last_word() -> None:
    last = advance(delivered(), "kim", "finance", date(2026, 4, 1))
    assert [step.state for step in last.steps] == list(STATES)
    assert last.state == "removed from budget"
    with pytest.raises(BenefitError, match="already"):
        advance(last, "kim", "finance", date(2026, 5, 1))


@pytest.mark.parametrize(
    ("person", "role", "on", "message"),
    [
        ("sam", "service", date(2026, 4, 1), "only finance"),
        ("alex", "finance", date(2026, 4, 1), "another person than the claimant"),
        (" ALEX", "finance", date(2026, 4, 1), "another person than the claimant"),
        ("", "finance", date(2026, 4, 1), "needs a person"),
        ("kim", "finance", date(2026, 2, 28), "before delivered"),
    ],
)
def test_who_may_not_take_it_out_of_the_budget(person: str, role: Any, on: date, message: str) -> None:
    with pytest.raises(BenefitError, match=message):
        advance(delivered(), person, role, on)


def test_hours_are_not_taken_out_of_a_budget() -> None:
    with pytest.raises(BenefitError, match="not cashable"):
        advance(delivered(cashable=False), "kim", "finance", date(2026, 4, 1))


def test_stored_steps_are_held_to_the_same_rules() -> None:
    steps = delivered().steps
    with pytest.raises(BenefitError, match="only finance"):
        replace(delivered(), steps=(*steps, Step("removed from budget", "kim", "service", date(2026, 4, 1))))
    with pytest.raises(BenefitError, match="in that order"):
        replace(delivered(), steps=steps[::2])
    with pytest.raises(BenefitError, match="in that order"):
        replace(delivered(), steps=())
    with pytest.raises(BenefitError, match="claimant who identifies"):
        replace(delivered(), claimant="kim")
    with pytest.raises(BenefitError, match="twice"):
        replace(delivered(), years=(BenefitYear(2026, 1, 0), BenefitYear(2026, 1, 0)))
    with pytest.raises(BenefitError, match="not below nought"):
        BenefitYear(2026, -1, 0)


def test_sums_are_net_of_double_running_and_unknown_double_running_is_counted() -> None:
    first, second = sums([benefit()])
    assert (first.financial_year, first.saving_pence, first.double_running_pence, first.net_pence) == (
        2026,
        1000,
        300,
        700,
    )
    assert (second.net_pence, second.net_unknown, second.saving_of_unknown_pence) == (0, 1, 1000)


YEARS = st.builds(
    BenefitYear, st.integers(2024, 2027), st.integers(0, 10**6), st.one_of(st.none(), st.integers(0, 10**6))
)


@given(st.lists(st.tuples(YEARS, st.booleans(), st.integers(0, 2)), max_size=15))
def test_each_benefit_is_in_one_state_and_sums_close(rows: list[tuple[BenefitYear, bool, int]]) -> None:
    made = []
    for at, (year, cashable, steps) in enumerate(rows):
        one = identify(f"B{at}", "s", "alex", [year], cashable=cashable, on=date(2026, 1, 1))
        for _ in range(steps):
            one = advance(one, "sam", "service", date(2026, 1, 2))
        made.append(one)
    found = sums(made)
    assert sum(entry.benefits for entry in found) == len(rows)
    assert sum(entry.saving_pence for entry in found) == sum(year.saving_pence for year, _, _ in rows)
    for entry in found:
        assert entry.saving_pence == (
            entry.net_pence + entry.double_running_pence + entry.saving_of_unknown_pence
        )
