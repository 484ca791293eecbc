"""What joined or left, coverage and method between two years: never more than there was, and turned round only its sign."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.boundary import (
    BoundaryChange,
    Coverage,
    ModelYear,
    boundary_shift,
    coverage_kwh,
    method_change,
)
from roadworthy_inventory.carbon.change import Shift, YearOfEnergy, explain

AMOUNT = st.fractions(0, 10**6, max_denominator=100)
SITES = st.builds(Shift, AMOUNT, AMOUNT)
DAYS = st.integers(-800, 800).map(lambda n: date(2025, 4, 1) + timedelta(days=n))
CHANGES = st.builds(BoundaryChange, st.just(("Northgate",)), st.booleans(), DAYS, st.just("a reason"))
COVERAGES = st.builds(Coverage, st.integers(0, 10**5), st.integers(0, 10**9), st.integers(0, 10**9))
MODELS = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(ModelYear, st.integers(0, 1000), AMOUNT, st.sampled_from(["sensor", "modelled", "assumed"])),
)


def change(*, joined: bool, on: date) -> BoundaryChange:
    return BoundaryChange(("Northgate",), joined, on, "taken over")


@given(one=CHANGES, old=SITES, new=SITES)
def test_a_boundary_change_is_bounded_and_the_other_way_round_its_opposite(
    one: BoundaryChange, old: Shift, new: Shift
) -> None:
    found = boundary_shift(one, 2025, old, new)
    assert -old.kwh <= found.kwh <= new.kwh
    assert -old.devices <= found.devices <= new.devices
    opposite = dataclasses.replace(one, joined=not one.joined)
    shares = [each.share(began) for each in (one, opposite) for began in (2024, 2025)]
    assert shares[0] + shares[2] == shares[1] + shares[3] == 1


def test_what_joined_is_taken_as_this_year_counts_it_and_what_left_as_the_year_before_did() -> None:
    old, new = Shift(10, Fraction(365)), Shift(12, Fraction(730))
    assert boundary_shift(change(joined=True, on=date(2025, 4, 1)), 2025, Shift(), new) == new
    assert boundary_shift(change(joined=False, on=date(2025, 4, 1)), 2025, old, Shift()) == Shift(
        -10, -old.kwh
    )
    # Half a year of it was counted before: half of this year's is new.
    on = date(2024, 4, 1) + timedelta(days=73)
    assert boundary_shift(change(joined=True, on=on), 2025, old, new).kwh == 730 * Fraction(73, 365)
    # Joined before both, or after both: nothing changed between them.
    for day in (date(2020, 1, 1), date(2027, 1, 1)):
        assert boundary_shift(change(joined=True, on=day), 2025, old, new) == Shift()


@given(old=AMOUNT, new=AMOUNT, before=COVERAGES, after=COVERAGES)
def test_coverage_takes_no_more_than_there_was_and_turns_its_sign(
    old: Fraction, new: Fraction, before: Coverage, after: Coverage
) -> None:
    found = coverage_kwh(old, new, before, after)
    assert -old <= found <= new
    assert coverage_kwh(new, old, after, before) == -found
    assert coverage_kwh(old, new, before, before) == 0


def test_half_the_time_known_is_half_the_energy() -> None:
    half, whole = Coverage(100, 0, 100 * 86_400), Coverage(200, 0, 0)
    assert (half.ratio, half.expected_days) == (Fraction(1, 2), 200)
    assert coverage_kwh(Fraction(50), Fraction(100), half, whole) == 50
    assert Coverage(0, 0, 0).ratio is None


@given(before=MODELS, after=MODELS)
def test_a_method_never_makes_energy_negative(
    before: dict[str, ModelYear], after: dict[str, ModelYear]
) -> None:
    found = method_change(before, after)
    assert found.ratio >= 0
    assert method_change(before, before).ratio == 1
    if not found.estimated:
        assert (found.ratio, bool(found.switched)) == (1, True)


def test_a_switched_models_move_beyond_the_others_is_the_method() -> None:
    before = {
        "old": ModelYear(100, Fraction(100), "modelled"),
        "kept": ModelYear(100, Fraction(100), "sensor"),
    }
    after = {"old": ModelYear(50, Fraction(75), "sensor"), "kept": ModelYear(100, Fraction(50), "sensor")}
    # The kept one fell to a half, the other rose to 1.5: three times as much by the new way, on half of the energy.
    found = method_change(before, after)
    assert (found.ratio, found.switched, found.estimated) == (2, ("old",), True)
    alone = method_change({"old": before["old"]}, {"old": after["old"]})
    assert (alone.ratio, alone.estimated) == (1, False)


@given(
    old=AMOUNT,
    new=AMOUNT,
    one=CHANGES,
    site=SITES,
    covered=st.tuples(COVERAGES, COVERAGES),
    models=st.tuples(MODELS, MODELS),
)
def test_all_parts_together_are_the_difference(
    old: Fraction,
    new: Fraction,
    one: BoundaryChange,
    site: Shift,
    covered: tuple[Coverage, Coverage],
    models: tuple[dict[str, ModelYear], dict[str, ModelYear]],
) -> None:
    """The sites are a part of both years, as in a report."""
    before = YearOfEnergy("2024/25", site.devices + 1, old + site.kwh, Fraction("0.20705"), "2024")
    after = YearOfEnergy("2025/26", site.devices + 2, new + site.kwh, Fraction("0.177"), "2025")
    shift = boundary_shift(one, 2025, site, site)
    seen = coverage_kwh(
        before.kwh + min(shift.kwh, Fraction(0)), after.kwh - max(shift.kwh, Fraction(0)), *covered
    )
    base = before.kwh + min(shift.kwh, Fraction(0)) + min(seen, Fraction(0))
    method = base * (method_change(*models).ratio - 1)
    found = explain(before, after, boundary=shift, coverage=Shift(0, seen), method_kwh=method)
    assert sum(found.parts.values()) == found.tonnes == after.tonnes - before.tonnes
