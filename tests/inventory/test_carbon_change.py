"""Why a year differs from the one before, exactly; and where energy is used."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.change import PARTS, Shift, YearOfEnergy, explain
from roadworthy_inventory.carbon.factors import SET_NOTES
from roadworthy_inventory.carbon.places import PLACES
from roadworthy_inventory.carbon.quantities import CarbonError

ENERGY = st.fractions(0, 10**9, max_denominator=1000)
FACTOR = st.fractions(0, 1, max_denominator=10**5)
YEARS = st.builds(
    YearOfEnergy,
    st.just("2025/26"),
    st.integers(1, 10**5),
    ENERGY,
    FACTOR,
    st.sampled_from(["2025 v1", "2026"]),
)
SHIFTS = st.builds(Shift, st.integers(0, 10**4), ENERGY)
BEFORE = YearOfEnergy("2025/26", 1000, Fraction(57_000), Fraction("0.17700"), "2025 v1")


def after(devices: int = 1000, kwh: int = 57_000, factor: str = "0.13096") -> YearOfEnergy:
    return YearOfEnergy("2026/27", devices, Fraction(kwh), Fraction(factor), "2026 revised")


@given(old=YEARS, new=YEARS, boundary=SHIFTS, coverage=SHIFTS, method=ENERGY)
def test_the_parts_sum_to_the_difference(
    old: YearOfEnergy, new: YearOfEnergy, boundary: Shift, coverage: Shift, method: Fraction
) -> None:
    found = explain(old, new, boundary=boundary, coverage=coverage, method_kwh=method)
    assert tuple(found.parts) == PARTS
    assert sum(found.parts.values()) == found.tonnes == new.tonnes - old.tonnes


@given(old=YEARS, new=YEARS)
def test_looked_at_backwards_every_part_changes_its_sign(old: YearOfEnergy, new: YearOfEnergy) -> None:
    forth, back = explain(old, new), explain(new, old)
    assert {name: -part for name, part in back.parts.items()} == forth.parts


@given(year=YEARS)
def test_nothing_changed_is_nothing(year: YearOfEnergy) -> None:
    assert set(explain(year, year).parts.values()) == {Fraction(0)}


def test_a_part_is_alone_where_only_it_changed() -> None:
    cases: list[tuple[YearOfEnergy, dict[str, Any], str]] = [
        (after(), {}, "factor"),
        (after(devices=500, kwh=28_500, factor="0.177"), {}, "devices"),
        (after(kwh=30_000, factor="0.177"), {}, "energy_each"),
        (
            after(devices=1100, kwh=60_000, factor="0.177"),
            {"boundary": Shift(100, Fraction(3000))},
            "boundary",
        ),
        (
            after(devices=900, kwh=50_000, factor="0.177"),
            {"boundary": Shift(-100, Fraction(-7000))},
            "boundary",
        ),
        (
            after(devices=1100, kwh=60_000, factor="0.177"),
            {"coverage": Shift(100, Fraction(3000))},
            "coverage",
        ),
        (after(kwh=60_000, factor="0.177"), {"method_kwh": Fraction(3000)}, "method"),
    ]
    for new, given_, name in cases:
        found = explain(BEFORE, new, **given_)
        assert {key for key, part in found.parts.items() if part} == {name}


def test_the_factors_part_is_a_sentence_nobody_can_take_credit_for() -> None:
    found = explain(BEFORE, after(devices=900, kwh=67_000), note=SET_NOTES[2026])
    assert found.sentence == (
        "Emissions fell by 1.3 t from 2025/26 to 2026/27. The electricity factor alone fell 26.0 %, from 0.17700 to "
        "0.13096 kgCO2e/kWh (factor sets 2025 v1 and 2026 revised): that takes away 2.9 t, and is nothing this "
        "organisation did. All other changes together add 1.6 t. A part of the factor's fall is a change of the set's "
        "own method: its data are one year old and no longer two."
    )
    same = explain(BEFORE, after(kwh=67_000, factor="0.177"))
    assert same.sentence.endswith("The electricity factor did not change (2025 v1 and 2026 revised).")
    assert "come to nothing" in explain(BEFORE, after()).sentence


def test_a_year_without_devices_has_no_energy_each() -> None:
    none = YearOfEnergy("2024/25", 0, Fraction(0), Fraction("0.2"), "2024")
    found = explain(none, BEFORE)
    assert found.parts["energy_each"] == 0
    assert sum(found.parts.values()) == BEFORE.tonnes
    with pytest.raises(CarbonError, match="no devices"):
        YearOfEnergy("2024/25", 0, Fraction(1), Fraction(1), "x")
    with pytest.raises(CarbonError, match="nought or more"):
        YearOfEnergy("2024/25", 1, Fraction(-1), Fraction(1), "x")


def test_no_more_can_be_taken_away_than_there_was() -> None:
    with pytest.raises(CarbonError, match="more was taken away than there was"):
        explain(BEFORE, after(), boundary=Shift(-2000, Fraction(0)))
    with pytest.raises(CarbonError, match="more was taken away than there was"):
        explain(BEFORE, after(), method_kwh=Fraction(-60_000))


def test_only_own_sites_and_data_centres_enter_the_site_meter() -> None:
    assert {one.name for one in PLACES if one.in_site_meter} == {"force", "data_centre"}
    assert {one.name for one in PLACES if one.scope == 2} == {"force", "data_centre"}
