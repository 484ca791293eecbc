"""SECR's shape, the year before and the base year, the ICT and the Scottish return, and the bridge from CRC."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.bridge import bridge
from roadworthy_inventory.carbon.crc import Supply, report
from roadworthy_inventory.carbon.factor_rules import RULES, Rule
from roadworthy_inventory.carbon.factors import factor_book
from roadworthy_inventory.carbon.quantities import (
    CarbonError,
    Co2e,
    MissingFactorError,
    QuantityError,
    YearError,
)
from roadworthy_inventory.carbon.returns import (
    ASSET_GROUPS,
    SUPPLIER_COULD_NOT_SAY,
    EWaste,
    GroupLine,
    ict_return,
    scottish_rows,
)
from roadworthy_inventory.carbon.secr import ContractFactor, SecrInputs, SecrTable, table
from roadworthy_inventory.carbon.secr_baseline import Adjustment, BaseYear, PriorYear, Target, progress

BOOK = factor_book()
TODAY = date(2026, 11, 22)
ENERGY = st.fractions(0, 10**9, max_denominator=1000)


def year(began: int, rule: Rule = "majority", **given_: Any) -> SecrTable:
    inputs = SecrInputs(electricity_kwh=Fraction(given_.pop("electricity_kwh", 1_000_000)), **given_)
    return table(BOOK, began, rule, inputs, today=TODAY)


def value(found: SecrTable, name: str) -> Fraction | None:
    return found.row(name).value


def test_scope_2_is_generation_only_and_losses_are_scope_3() -> None:
    found = year(2025)
    assert value(found, "scope2_location") == Fraction("177")
    assert value(found, "scope3_td") == Fraction("18.53")
    assert value(found, "scope3_wtt_generation") == Fraction("45.9")
    assert value(found, "scope3_wtt_td") == Fraction("3.97")
    assert value(found, "gross") == Fraction("177")
    assert (found.row("scope2_location").scope, found.row("scope3_td").scope) == (2, 3)
    assert (found.row("scope2_location").presence, found.row("scope3_td").presence) == (
        "mandatory",
        "optional",
    )
    assert (found.year, found.factor_set, found.may_be_issued) == ("2025/26", "2025 v1", True)


def test_what_was_not_counted_is_not_nought() -> None:
    found = year(2025)
    for name in ("scope1_gas", "scope1_transport", "intensity_fte", "intensity_device", "scope3_homeworking"):
        assert (value(found, name), found.row(name).reason) == (None, "not counted")
    assert found.row("scope2_market").reason == "no contract's factor was given"
    with pytest.raises(KeyError):
        found.row("scope4")


def test_everything_counted() -> None:
    found = year(
        2025,
        gas_kwh=Fraction(1000),
        home_kwh=Fraction(2000),
        transport_tco2e=Fraction(5),
        business_travel_tco2e=Fraction(2),
        contract=ContractFactor(Fraction(0), "supplier's fuel mix statement"),
        staff_fte=Fraction(100),
        devices=200,
        spend_gbp_m=Fraction(4),
    )
    gross = Fraction("177") + Fraction("0.18296") + 7
    assert value(found, "gross") == gross
    assert value(found, "energy") == 1_001_000
    assert [value(found, f"intensity_{by}") for by in ("fte", "device", "gbp_m")] == [
        gross / 100,
        gross / 200,
        gross / 4,
    ]
    assert value(found, "scope2_market") == 0
    assert value(found, "scope2_location") == 177  # the contract changes nothing here
    assert value(found, "scope3_homeworking") == 2 * (Fraction("0.177") + Fraction("0.01853"))


def test_an_optional_row_without_a_factor_says_why_and_a_mandatory_one_is_an_error() -> None:
    found = year(2024)
    assert value(found, "scope3_wtt_generation") is None
    assert "2024" in (found.row("scope3_wtt_generation").reason or "")
    with pytest.raises(MissingFactorError, match="factor set 2027"):
        year(2026, "blended")
    with pytest.raises(MissingFactorError, match="natural gas"):
        year(2026, gas_kwh=Fraction(1))


def test_a_provisional_factor_blocks_issuing_and_is_named() -> None:
    assert year(2026).provisional == ("2026 revised",)
    assert not year(2025, "blended").may_be_issued
    assert year(2025, "majority").may_be_issued


def test_a_year_not_begun_is_refused() -> None:
    with pytest.raises(YearError, match="2027/28 has not begun"):
        year(2027)
    with pytest.raises(YearError):
        table(BOOK, 2026, "majority", SecrInputs(electricity_kwh=Fraction(1)), today=date(2026, 3, 31))


@pytest.mark.parametrize(
    "wrong",
    [
        {"electricity_kwh": -1},
        {"gas_kwh": Fraction(-1)},
        {"devices": 0},
        {"staff_fte": Fraction(0)},
        {"transport_tco2e": Fraction(-1)},
    ],
)
def test_wrong_inputs_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(QuantityError):
        year(2025, **wrong)
    with pytest.raises(QuantityError):
        ContractFactor(Fraction(1), " ")


@given(first=ENERGY, second=ENERGY, rule=st.sampled_from(RULES), began=st.integers(2016, 2025))
def test_tonnes_of_a_sum_are_the_sum_of_tonnes(
    first: Fraction, second: Fraction, rule: Rule, began: int
) -> None:
    both, one, other = (year(began, rule, electricity_kwh=part) for part in (first + second, first, second))
    for name in ("scope2_location", "scope3_td", "scope3_wtt_generation", "gross"):
        parts = [value(found, name) for found in (both, one, other)]
        if None in parts:
            assert parts == [None] * 3
        else:
            assert parts[0] == parts[1] + parts[2]


# The year before, the base year, targets.


def test_the_year_before_is_as_reported_restated_or_marked() -> None:
    reported, restated = Co2e(Fraction(100)), Co2e(Fraction(90))
    plain = PriorYear(2024, reported, None, ())
    assert (plain.state, plain.comparable, plain.mark) == ("as_reported", reported, "")
    again = PriorYear(2024, reported, restated, ("two sites joined",))
    assert (again.state, again.comparable) == ("restated", restated)
    assert again.mark == "2024/25 restated: two sites joined"
    other = PriorYear(2024, reported, None, ("another method",))
    assert (other.state, other.comparable) == ("not_comparable", None)
    assert other.mark == "2024/25 not comparable with this year: another method"


def test_a_base_year_is_recalculated_beyond_its_threshold() -> None:
    base = BaseYear(2019, Co2e(Fraction(1000)), "all sites, without tenants", Fraction(5, 100))
    small = Adjustment("boundary", Co2e(Fraction(30)), "a site joined", TODAY)
    back = Adjustment("error", Co2e(Fraction(-25)), "a meter counted twice", TODAY)
    assert not base.must_recalculate((small,))
    assert base.must_recalculate((small, back))  # 55 of 1000: signs are not set off
    assert base.recalculated((small, back)).emissions == Co2e(Fraction(1005))
    assert not base.must_recalculate((Adjustment("error", Co2e(Fraction(50)), "x", TODAY),))
    with pytest.raises(CarbonError, match="boundary statement"):
        BaseYear(2019, Co2e(Fraction(1)), " ")
    with pytest.raises(CarbonError, match="threshold"):
        BaseYear(2019, Co2e(Fraction(1)), "all", Fraction(5))
    with pytest.raises(CarbonError, match="without emissions"):
        BaseYear(2019, Co2e(Fraction(0)), "all")


def test_a_target_is_a_straight_line_from_the_base_year() -> None:
    base = BaseYear(2020, Co2e(Fraction(1000)), "all")
    target = Target(2030, Fraction(1, 2), "board")
    half = progress(base, target, 2025, Co2e(Fraction(760)))
    assert (half.allowed, half.reduced_ratio, half.on_line) == (Co2e(Fraction(750)), Fraction(24, 100), False)
    assert progress(base, target, 2040, Co2e(Fraction(500))).on_line
    for wrong in ((2019, target), (2025, Target(2020, Fraction(1, 2), "board"))):
        with pytest.raises(CarbonError, match="do not follow the base year"):
            progress(base, wrong[1], wrong[0], Co2e(Fraction(1)))
    with pytest.raises(CarbonError):
        Target(2030, Fraction(2), "board")


# Returns.


def test_the_ict_return_has_a_line_for_every_group_and_says_what_nobody_knows() -> None:
    lines = [
        GroupLine("end_user", 1000, (Fraction(50_000), Fraction(57_000), Fraction(70_000)), "sampled"),
        GroupLine("hosting", None, None, "", SUPPLIER_COULD_NOT_SAY),
    ]
    waste = EWaste(Fraction(340), Fraction(630), Fraction(30), Fraction(0), Fraction(0))
    found = ict_return(year(2025), lines, waste)
    assert [one.line.group for one in found.groups] == list(ASSET_GROUPS)
    assert found.known_kwh == (50_000, 57_000, 70_000)
    assert found.known_emissions[1] == Co2e(57_000 * Fraction("0.177"))
    assert set(found.groups_unknown) == set(ASSET_GROUPS) - {"end_user"}
    by_group = {one.line.group: one.line for one in found.groups}
    assert by_group["hosting"].unknown == "supplier could not say"
    assert by_group["printing"].unknown == "not counted"
    ratios = waste.ratios()
    assert ratios is not None
    assert sum(ratios.values()) == 1
    assert ratios["reused"] == Fraction(34, 100)
    assert EWaste(*[Fraction(0)] * 5).ratios() is None
    with pytest.raises(QuantityError, match="twice"):
        ict_return(year(2025), [lines[0], lines[0]], None)
    with pytest.raises(QuantityError, match="say why"):
        GroupLine("network", None, None, "estimated")
    with pytest.raises(QuantityError, match="low, likely and high"):
        GroupLine("network", 1, (Fraction(2), Fraction(1), Fraction(3)), "estimated")


def test_scotlands_rows_give_consumption_factor_and_tonnes() -> None:
    rows = scottish_rows(year(2025, gas_kwh=Fraction(1000)))
    assert [(one.scope, one.consumption) for one in rows] == [(1, 1000), (2, 1_000_000), (3, 1_000_000)]
    for one in rows:
        assert one.consumption * one.factor / 1000 == one.tco2e
        assert one.comment == "factor set 2025 v1, majority rule"


# From CRC to SECR.


@given(
    actual=ENERGY,
    estimated=ENERGY,
    gas=ENERGY,
    rule=st.sampled_from(RULES),
    began=st.sampled_from([2016, 2017, 2018]),
)
def test_the_bridge_sums_exactly(
    actual: Fraction, estimated: Fraction, gas: Fraction, rule: Rule, began: int
) -> None:
    rows = [
        Supply(fuel="electricity_grid", kwh=actual),
        Supply(fuel="electricity_grid", kwh=estimated, estimated=True),
        Supply(fuel="gas", kwh=gas, estimated=True),
    ]
    found = bridge(report(began, rows), BOOK, rule)
    assert found.crc_tonnes + sum(one.tonnes for one in found.steps) == found.secr_scope2_tonnes
    secr = table(BOOK, began, rule, SecrInputs(electricity_kwh=actual + estimated), today=TODAY)
    assert found.secr_scope2_tonnes == value(secr, "scope2_location")
    assert found.secr_scope3_losses_tonnes == value(secr, "scope3_td")
    steps = {one.name: one.tonnes for one in found.steps}
    assert steps["set"] == 0  # from 2014/15 CRC's factor is that of the set of the year it begins in
    assert (steps["rule"] == 0) or rule == "blended"


def test_in_phase_one_the_fixed_factor_is_a_step_of_its_own() -> None:
    found = bridge(report(2012, [Supply(fuel="electricity_grid", kwh=Fraction(10**6))]), BOOK, "majority")
    steps = {one.name: one.tonnes for one in found.steps}
    assert steps["set"] == (Fraction("0.45706") + Fraction("0.03611") - Fraction("0.541")) * 1000
    assert found.crc_tonnes + sum(steps.values()) == found.secr_scope2_tonnes == Fraction("460.02")


def test_without_grid_electricity_there_is_no_bridge() -> None:
    with pytest.raises(CarbonError, match="no grid electricity"):
        bridge(report(2016, [Supply(fuel="gas", kwh=Fraction(1))]), BOOK, "majority")
