"""Embodied carbon: the two views hold the same whole, break-even as published figures give it, nothing unknown is nought."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.embodied import (
    BreakEven,
    EmbodiedError,
    Item,
    appraise,
    break_even,
    by_year_of_purchase,
    of_class,
    per_year_of_life,
)
from roadworthy_inventory.replacement_inputs import Range, exactly

known = st.builds(
    Item,
    item_class=st.sampled_from(["laptop", "desktop", "monitor", "server", "tablet", "printer", "all_in_one"]),
    purchased=st.dates(dt.date(2010, 1, 1), dt.date(2026, 12, 31)),
    embodied_kgco2e=st.none() | st.floats(1, 2000).map(exactly),
)
any_item = known | st.builds(Item, st.sampled_from(["network", "unknown", "laptop"]), st.none())


@given(st.lists(any_item, max_size=30))
def test_both_views_hold_the_same_whole(items: list[Item]) -> None:
    bought = by_year_of_purchase(items)
    lived = [per_year_of_life([item for item in items if item.purchased], year) for year in range(2009, 2036)]
    dated = sum(found.kgco2e.likely for year, found in bought.items() if year is not None)
    assert sum(found.kgco2e.likely for found in lived) == pytest.approx(dated, abs=1e-6)
    assert sum(found.items for found in bought.values()) == len(items)
    for found in (*bought.values(), *lived):
        assert 0 <= found.kgco2e.low <= found.kgco2e.likely <= found.kgco2e.high
        assert found.unknown <= found.items


def test_a_class_is_off_as_one_and_classes_are_off_apart() -> None:
    day = dt.date(2024, 5, 1)
    laptop, desktop = of_class("laptop"), of_class("desktop")
    assert laptop is not None
    assert desktop is not None
    two = by_year_of_purchase([Item("laptop", day), Item("laptop", day)])[2024].kgco2e
    assert two == pytest.approx(tuple(2 * end for end in laptop))
    mixed = by_year_of_purchase([Item("laptop", day), Item("desktop", day)])[2024].kgco2e
    assert mixed.likely == pytest.approx(laptop.likely + desktop.likely)
    assert mixed.high < laptop.high + desktop.high
    assert mixed.low > laptop.low + desktop.low


def test_what_nobody_publishes_is_counted() -> None:
    found = by_year_of_purchase([Item("network", dt.date(2024, 5, 1)), Item("laptop", dt.date(2024, 5, 1))])[
        2024
    ]
    assert (found.items, found.unknown) == (2, 1)
    assert by_year_of_purchase([Item("laptop", None)])[None].items == 1


@pytest.mark.parametrize(
    ("bought", "year"),
    [(dt.date(2024, 3, 31), 2023), (dt.date(2024, 4, 1), 2024), (dt.date(2024, 2, 29), 2023)],
)
def test_the_financial_year_begins_on_the_first_of_april(bought: dt.date, year: int) -> None:
    assert list(by_year_of_purchase([Item("laptop", bought)])) == [year]


def test_a_laptop_for_a_desktop_takes_decades_at_the_factor_of_2026() -> None:
    found = break_even(Range(156, 241, 339), exactly(57 - 19), 0.13096)
    assert found.early_years == pytest.approx(31.3, abs=0.1)
    assert found.late_years == pytest.approx(68.1, abs=0.1)


def test_what_saves_nothing_never_breaks_even() -> None:
    assert break_even(Range(156, 241, 339), Range(-5, 0, 10), 0.2) == BreakEven(78.0, None, None)
    with pytest.raises(EmbodiedError, match="factor"):
        break_even(exactly(100), exactly(10), 0)


def test_appraisal_terms_are_worked_year_by_year() -> None:
    found = appraise(
        Range(150, 200, 250), Range(30, 40, 50), [2026, 2027], {2026: 0.2, 2027: 0.1}, {2026: 280, 2027: 290}
    )
    assert found.saved_kgco2e == pytest.approx((30 * 0.3 - 250, 40 * 0.3 - 200, 50 * 0.3 - 150))
    assert found.worth_gbp.likely == pytest.approx((40 * (0.2 * 280 + 0.1 * 290) - 200 * 280) / 1000)


@pytest.mark.parametrize(
    ("factors", "values", "says"),
    [
        ({2026: 0.2}, {2026: 1, 2027: 1}, "marginal factor"),
        ({2026: 0.2, 2027: 0.1}, {2026: 1}, "carbon value"),
    ],
)
def test_a_year_nobody_loaded_is_named(
    factors: dict[int, float], values: dict[int, float], says: str
) -> None:
    with pytest.raises(EmbodiedError, match=f"{says} is loaded for 2027"):
        appraise(exactly(200), exactly(40), [2026, 2027], factors, values)
    with pytest.raises(EmbodiedError, match="no years"):
        appraise(exactly(200), exactly(40), [], factors, values)
