"""Replacement plans: within every limit, never above the bound, as good as scipy's, and the same every time."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plans import ON, assert_within_limits, best_net, cases, device, offer, ssd, terms, whole_weeks

from roadworthy_inventory.replacement import Plan, make_plan
from roadworthy_inventory.replacement_inputs import (
    Freeze,
    Hold,
    Offer,
    PlanDevice,
    PlanInputError,
    Range,
    Terms,
    Weights,
    becomes,
    exactly,
    working_weeks,
)
from roadworthy_inventory.replacement_stability import stability
from roadworthy_inventory.replacement_totals import by_model, estate
from roadworthy_inventory.replacement_weeks import schedule

Case = tuple[list[PlanDevice], list[Offer], Terms]
LAPTOP = offer("laptop")


def plan_of(*devices: PlanDevice, **changes: object) -> Plan:
    return make_plan(devices, [LAPTOP, ssd()], terms(**changes), ON)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_a_plan_keeps_every_limit_and_never_beats_its_bound(case: Case) -> None:
    plan = make_plan(*case, ON)
    assert_within_limits(plan, whole_weeks(case[2], ON))
    assert 0 <= plan.net_pence <= plan.bound_pence
    taken = [d.figures["net_pence"] for d in plan.decisions() if d.offer]
    assert all(found is not None for found in taken)
    assert sum(found.likely for found in taken if found) == pytest.approx(plan.net_pence, abs=len(taken))
    assert sum(plan.counts.values()) == len(case[0])


@settings(max_examples=30, deadline=None)
@given(cases(most=25))
def test_scipy_finds_nothing_above_the_bound_and_little_above_the_plan(case: Case) -> None:
    plan = make_plan(*case, ON)
    best = best_net(plan, whole_weeks(case[2], ON))
    assert plan.net_pence <= best <= plan.bound_pence
    # Small problems have gaps of whole devices; the greedy repair may miss some of one, never half of everything.
    assert plan.net_pence >= best * 0.7


def forty(count: int = 40, **changes: object) -> Plan:
    """Return an estate of which about half is worth the money there is."""
    devices = [
        device(
            f"T{number:02d}",
            model=f"model {number % 3}",
            site=f"site {number % 4}",
            hours=exactly(5 + number * 37 % 60),
            kwh=exactly(30 + number * 13 % 80),
            offers=("laptop", "ssd") if number % 4 else ("laptop",),
        )
        for number in range(count)
    ]
    given = {"capital_pence": (count * 9_000, count * 6_000), "revenue_pence": (count * 1_500, count * 1_000)}
    return make_plan(devices, [LAPTOP, ssd()], terms(**{**given, **changes}), ON)


@pytest.mark.parametrize("lots", [False, True])
@pytest.mark.parametrize("weekly", [None, 1])
def test_forty_devices_are_planned_within_a_hundredth_of_the_best(*, lots: bool, weekly: int | None) -> None:
    plan = forty(lots=lots, installations_per_week=weekly)
    best = best_net(plan, whole_weeks(plan.book.terms, ON))
    assert 0.99 * best <= plan.net_pence <= best <= plan.bound_pence


def test_two_thousand_devices_are_planned_within_a_thousandth() -> None:
    plan = forty(2_000)
    assert 0 <= plan.gap_ratio <= 1e-3
    assert_within_limits(plan, whole_weeks(plan.book.terms, ON))


def test_many_alike_are_planned_to_the_last_that_fits() -> None:
    plan = make_plan([device(f"T{n:04d}", offers=("laptop",)) for n in range(500)], [LAPTOP],
                     terms(capital_pence=(60_000 * 123 + 59_999,)), ON)  # fmt: skip
    assert plan.counts["replace"] == 123


@given(cases(most=8))
@settings(max_examples=20, deadline=None)
def test_the_same_inputs_give_the_same_plan(case: Case) -> None:
    one, other = make_plan(*case, ON), make_plan(*case, ON)
    assert one.decisions() == other.decisions()
    assert (one.net_pence, one.bound_pence, one.uses()) == (other.net_pence, other.bound_pence, other.uses())
    assert stability(one, runs=2, seed=7).same.tolist() == stability(other, runs=2, seed=7).same.tolist()


def test_the_net_is_what_the_figures_say() -> None:
    (decision,) = plan_of(device("T1", offers=("laptop",))).decisions()
    found = decision.figures
    # Half of 2026/27 and four years after it: 4.5 years; 4.5/5 of the price and of the carbon of making it.
    support, kwh, hours = 4.5 * (4_000 - 2_000), 4.5 * (57 - 19), 4.5 * (40 - 4)
    carbon = kwh * 0.13096 - 0.9 * 241
    pounds = support + kwh * 24 - 0.9 * 62_000
    net = pounds + hours * 1_250 + carbon * 25
    likely = [
        found[name].likely for name in ("hours", "kwh", "kgco2e", "pounds_pence", "net_pence") if found[name]
    ]
    assert likely == pytest.approx([hours, kwh, carbon, pounds, net])
    low = found["net_pence"]
    assert low
    kwh_low = 4.5 * (40 - 28)
    assert low.low == pytest.approx(
        4.5 * (2_000 - 4_000 + (30 - 8) * 1_250) + kwh_low * (20 + 0.11 * 25) - 0.9 * (72_000 + 339 * 25)
    )


@settings(max_examples=25, deadline=None)
@given(cases())
def test_ranges_hold_their_likely_figure_and_totals_are_sums(case: Case) -> None:
    plan = make_plan(*case, ON)
    for decision in plan.decisions():
        for found in decision.figures.values():
            assert found is None or found.low <= found.likely <= found.high
    whole, parts = estate(plan), by_model(plan)
    assert whole.devices == sum(part.devices for part in parts) == len(case[0])
    for name, found in whole.figures.items():
        assert found.low <= found.likely <= found.high
        assert found.likely == pytest.approx(sum(part.figures[name].likely for part in parts), abs=1e-6)
        assert whole.unknown[name] == sum(part.unknown[name] for part in parts)
    assert whole.figures["net_pence"].likely == pytest.approx(plan.net_pence, abs=len(case[0]))


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"hours": None}, ("staff hours while kept",)),
        ({"support_pence": None}, ("support cost while kept",)),
        ({"hours": None, "kwh": None}, ("staff hours while kept", "kWh while kept")),
    ],
)
def test_a_device_whose_net_cannot_be_told_stands_apart(
    change: dict[str, None], missing: tuple[str, ...]
) -> None:
    plan = plan_of(device("T1", **change), device("T2"))
    apart, decided = plan.decisions()
    assert (apart.status, apart.action, apart.figures, apart.missing) == ("apart", "keep", {}, missing)
    assert decided.status == "decided"
    assert plan.counts["apart"] == 1


def test_what_has_no_weight_need_not_be_known_and_is_not_told_as_zero() -> None:
    plan = plan_of(
        device("T1", hours=None, support_pence=Range(80_000, 90_000, 99_000)),
        weights=Weights(pence_per_hour=0, hour_loss_ratio=0.5, pence_per_kgco2e=25),
    )
    (decision,) = plan.decisions()
    assert decision.action == "replace"
    assert decision.figures["hours"] is None
    assert estate(plan).unknown["hours"] == 1


def test_an_unknown_that_the_offer_does_not_touch_is_no_hindrance() -> None:
    plan = plan_of(device("T1", kwh=None, support_pence=None, offers=("ssd",)))
    (decision,) = plan.decisions()
    assert decision.action == "ssd"
    assert decision.figures["kwh"] == (0, 0, 0)


def test_unknown_carbon_of_an_offer_sets_its_devices_apart() -> None:
    plan = make_plan([device("T1", offers=("x",))], [offer("x", embodied_kgco2e=None)], terms(), ON)
    assert plan.decisions()[0].missing == ("embodied carbon of x",)


@pytest.mark.parametrize(
    ("until", "years"),
    [(None, [None]), (date(2029, 1, 1), [None]), (date(2027, 3, 31), [1]), (date(2026, 3, 31), [0])],
)
def test_leases_and_exceptions_fix_a_device_until_the_year_after(
    until: date | None, years: list[int | None]
) -> None:
    plan = plan_of(
        device("T1", offers=("laptop",), holds=(Hold("lease", until),)),
        capital_pence=(60_000, 60_000),
        revenue_pence=(None, None),
    )
    assert [decision.year for decision in plan.decisions()] == years
    assert plan.counts["fixed"] == (years == [None])


def test_a_lot_is_replaced_whole_or_left_to_its_repairs() -> None:
    devices = [device(f"T{number}") for number in range(4)]
    plan = plan_of(*devices, lots=True, capital_pence=(180_000,))
    assert {decision.action for decision in plan.decisions()} == {"ssd"}
    plan = plan_of(*devices, lots=True, capital_pence=(240_000,), stock={})
    assert len({decision.action for decision in plan.decisions()}) == 1


def test_a_stock_that_arrives_later_is_used_later() -> None:
    plan = make_plan(
        [device(f"T{n}", offers=("laptop",)) for n in range(5)],
        [offer("laptop", stock="laptops")],
        terms(capital_pence=(None, None, None), revenue_pence=(None,) * 3, stock={"laptops": (1, 0, 2)}),
        ON,
    )
    assert sorted(d.year for d in plan.decisions() if d.year is not None) == [0, 2, 2]
    assert [use.used for use in plan.uses() if use.what == "laptops"] == [1, 1, 3]


def test_a_plan_without_devices_is_empty() -> None:
    plan = plan_of()
    assert (plan.net_pence, plan.bound_pence, plan.gap_ratio, plan.decisions()) == (0, 0, 0.0, [])
    assert estate(plan).devices == 0
    assert schedule(plan, ON) == []


def test_uses_stand_beside_their_limits_with_what_the_next_unit_would_net() -> None:
    plan = plan_of(*(device(f"T{n}", offers=("laptop",)) for n in range(9)), capital_pence=(200_000,))
    capital = next(use for use in plan.uses() if use.what == "capital")
    assert (capital.used, capital.used_low, capital.used_high, capital.limit) == (
        180_000,
        165_000,
        210_000,
        200_000,
    )
    assert capital.next_unit_nets_pence > 0


def test_frozen_weeks_are_counted_out() -> None:
    frozen = terms(freezes=(Freeze(date(2026, 12, 20), date(2027, 1, 4)),))
    mondays = working_weeks(frozen, 0, ON)
    assert date(2026, 12, 7) in mondays
    assert not {date(2026, 12, 14), date(2026, 12, 28), date(2027, 1, 4)} & set(mondays)
    assert mondays[0] == date(2026, 4, 6)
    assert working_weeks(frozen, 0, date(2027, 3, 30)) == ()


@settings(max_examples=25, deadline=None)
@given(cases())
def test_the_schedule_fits_crews_and_freezes(case: Case) -> None:
    plan = make_plan(*case, ON)
    slots = schedule(plan, ON)
    assert sorted(slot.tag for slot in slots) == sorted(d.tag for d in plan.decisions() if d.offer)
    by_name = {each.name: each for each in case[1]}
    weekly, done = case[2].installations_per_week, {}
    for slot in slots:
        assert slot.year == plan.years[plan.place[slot.tag]]
        weeks = working_weeks(case[2], slot.year, ON)
        assert slot.week in weeks
        assert slot.last_week in weeks
        assert slot.week <= slot.last_week
        if slot.week == slot.last_week:
            done[slot.week] = done.get(slot.week, 0) + by_name[slot.offer].installations
    assert weekly is None or all(each <= weekly for each in done.values())


def test_a_site_is_done_in_one_piece() -> None:
    plan = forty(24, capital_pence=(None,), revenue_pence=(None,), installations_per_week=2)
    sites = [slot.site for slot in schedule(plan, ON)]
    assert len(sites) > 10
    assert sum(a != b for a, b in pairwise(sites)) == len(set(sites)) - 1


def test_certain_inputs_stay_and_close_calls_do_not() -> None:
    sure = device(
        "sure", hours=exactly(90), support_pence=exactly(9_000), kwh=exactly(57), offers=("laptop",)
    )
    close = [device(f"close {n}", hours=Range(20, 60, 100), offers=("laptop",)) for n in range(6)]
    plan = plan_of(sure, *close, device("apart", hours=None), capital_pence=(180_000,))
    found = stability(plan, runs=20, seed=3)
    assert found.runs == 20
    assert found.stays_ratio(plan, 0) == 1.0
    ratios = [found.stays_ratio(plan, place) for place in range(1, 7)]
    assert any(ratio is not None and ratio < 1 for ratio in ratios)
    assert found.stays_ratio(plan, 7) is None
    assert found.least_net_pence <= found.most_net_pence


def test_sampling_ends_when_the_caller_says_so() -> None:
    answers = iter([True, True, False])
    plan = plan_of(device("T1"))
    assert stability(plan, runs=50, seed=1, go_on=lambda: next(answers)).runs == 3
    assert stability(plan, runs=50, seed=1, go_on=lambda: False).runs == 1
    with pytest.raises(ValueError, match="1 or more"):
        stability(plan, runs=0, seed=1)


@pytest.mark.parametrize(
    ("devices", "offers", "changes", "says"),
    [
        ([device("T1"), device("T1")], None, {}, "device T1: is there twice"),
        ([device("T1", offers=("x",))], None, {}, "device T1: offer 'x' is none of the offers"),
        ([device("T1", offers=("ssd", "ssd"))], None, {}, "an offer is there twice"),
        (
            [device("T1", hours=Range(3, 2, 4))],
            None,
            {},
            "device T1: hours is .3, 2, 4.; low <= likely <= high",
        ),
        ([device("T1", hours=Range(0, float("nan"), 4))], None, {}, "device T1: hours"),
        ([device("T1", kwh=Range(0, 1, float("inf")))], None, {}, "device T1: kwh"),
        ([device("T1", support_pence=exactly(-1))], None, {}, "support_pence"),
        ([device("T1", holds=(Hold("whim", None),))], None, {}, "'whim'"),  # type: ignore[arg-type]  # the point
        ([], [offer("a"), offer("a")], {}, "offer a: is there twice"),
        ([], [offer("a", kind="burn")], {}, "offer a: kind 'burn'"),
        ([], [offer("a", capital_pence=exactly(1.5))], {}, "offer a: capital_pence .* whole pence"),
        ([], [offer("a", life_years=0)], {}, "life_years"),
        ([], [offer("a", installations=-1)], {}, "installations"),
        ([], [offer("a", stock="none")], {}, "stock 'none' is none of the stocks"),
        ([], [offer("a", hours=becomes(3, 1, 2))], {}, "offer a: hours"),
        ([], [], {"capital_pence": ()}, "0 years of capital"),
        ([], [], {"capital_pence": (1, 2)}, "2 years of capital and 1 of revenue"),
        ([], [], {"capital_pence": (-1,)}, "capital_pence of 2026/27 is negative"),
        ([], [], {"horizon_years": 0}, "horizon of 0 years"),
        ([], [], {"first_year": 2024}, "the first year, 2024, is over"),
        ([], [], {"installations_per_week": -1}, "installations_per_week is negative"),
        ([], [], {"stock": {"a": (1, 2)}}, "stock 'a': 1 numbers"),
        ([], [], {"freezes": (Freeze(date(2026, 5, 2), date(2026, 5, 1)),)}, "a freeze ends 2026-05-01"),
        (
            [],
            [],
            {"weights": Weights(pence_per_hour=1, hour_loss_ratio=2, pence_per_kgco2e=0)},
            "hour_loss_ratio is 2",
        ),
        (
            [],
            [],
            {"weights": Weights(pence_per_hour=-1, hour_loss_ratio=1, pence_per_kgco2e=0)},
            "pence_per_hour is -1",
        ),
        ([], [], {"kgco2e_per_kwh": Range(2, 1, 3)}, "terms: kgco2e_per_kwh"),
    ],
)
def test_what_no_plan_can_be_made_from_is_named(
    devices: list[PlanDevice], offers: list[Offer] | None, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(PlanInputError, match=says):
        make_plan(devices, [LAPTOP, ssd()] if offers is None else offers, terms(**changes), ON)


@given(st.integers(1901, 9898))
def test_a_financial_year_is_named_by_both_its_years(first: int) -> None:
    asked = terms(first_year=first)
    assert asked.year_name(0) == f"{first}/{(first + 1) % 100:02d}"
    assert asked.year_days(0) == (date(first, 4, 1), date(first + 1, 3, 31))
