"""Market-based electricity: every kWh under one instrument or at the residual mix, and base-year adjustments."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.market import Covered, market_of
from roadworthy_inventory.carbon.quantities import Co2e
from roadworthy_inventory.carbon.secr import ContractFactor
from roadworthy_inventory.carbon.secr_baseline import CAUSES, Adjustment, BaseYear

FACTOR = st.builds(ContractFactor, st.fractions(0, 4, max_denominator=1000), st.sampled_from(["one", "two"]))
COVERED = st.builds(
    Covered,
    st.sampled_from(["REGO", "supply contract"]),
    st.just("1200012345679"),
    st.just(date(2025, 4, 1)),
    st.just(date(2026, 3, 31)),
    st.fractions(0, 10**6, max_denominator=1000),
    FACTOR,
)


@given(some=st.lists(COVERED, max_size=4), more=st.fractions(0, 10**6), residual=FACTOR)
def test_every_kwh_is_covered_once_and_the_mean_factor_gives_the_tonnes(
    some: list[Covered], more: Fraction, residual: ContractFactor
) -> None:
    whole = sum((one.kwh for one in some), more)
    found = market_of(whole, some, residual)
    if found is None:
        assert not any(one.kwh for one in some)
        return
    assert found.kwh == whole
    assert found.rest_kwh == more
    assert found.factor().kgco2e_per_kwh * whole == found.emissions.kilograms
    assert ("under no contract" in found.factor().source) == bool(more)


def test_what_an_adjustment_took_off_leaves_nothing_for_the_residual_mix() -> None:
    day = date(2025, 4, 1)
    one = Covered("REGO", "1", day, day, Fraction(100), ContractFactor(Fraction(0), "certificates"))
    found = market_of(Fraction(60), [one], ContractFactor(Fraction(1), "residual"))
    assert found is not None
    assert (found.rest_kwh, found.emissions) == (Fraction(0), Co2e(Fraction(0)))


@given(
    tonnes=st.lists(st.fractions(-500, 500, max_denominator=100), max_size=5),
    threshold=st.fractions(Fraction(1, 100), Fraction(1, 2), max_denominator=100),
)
def test_a_base_year_is_recalculated_only_above_its_threshold_and_by_the_signed_sum(
    tonnes: list[Fraction], threshold: Fraction
) -> None:
    base = BaseYear(2019, Co2e(Fraction(10_000_000)), "all sites", threshold)
    journal = tuple(
        Adjustment(CAUSES[at % len(CAUSES)], Co2e(one * 1000), "a reason", date(2025, 1, 1))
        for at, one in enumerate(tonnes)
    )
    size = sum((abs(one) for one in tonnes), Fraction(0))
    assert base.must_recalculate(journal) == (size > 10_000 * threshold)
    assert base.recalculated(journal).emissions.tonnes == 10_000 + sum(tonnes)
