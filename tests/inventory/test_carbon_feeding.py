"""What hangs on what: nothing is counted twice, nothing is lost, and the order of what was said does not matter."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.feeding import (
    NOBODY,
    Counted,
    Feeding,
    LeftOut,
    Outlet,
    Own,
    Settled,
    outside,
    settle,
    split,
)

DAY = 86_400
UPS, PDU, OTHER_PDU, SERVER, OTHER, CONTROLLER = 1, 2, 3, 10, 11, 20
CLASSES = {
    UPS: "ups",
    PDU: "pdu",
    OTHER_PDU: "pdu",
    SERVER: "server",
    OTHER: "server",
    CONTROLLER: "controller",
}


def metered(joules: int, covered: float = DAY) -> Own:
    return Own({"metered": joules}, "wall", covered)


def modelled(joules: int) -> Own:
    return Own({"modelled": joules}, "", DAY)


def outlet(joules: int, covered: float = DAY) -> Outlet:
    return Outlet(joules, "metered", covered)


def of(
    own: Mapping[int, Own],
    feedings: list[Feeding],
    outlets: Mapping[tuple[int, str], Outlet] | None = None,
) -> Settled:
    feeding = {one for each in feedings for one in (each.feeder, each.fed) if one is not None}
    classes = {device: CLASSES[device] for device in {*own, *feeding}}
    return settle(classes, own, outlets or {}, feedings, DAY)


def test_two_outlets_of_two_units_speak_for_a_server_and_their_units_count_the_rest() -> None:
    own = {
        PDU: metered(500),
        OTHER_PDU: metered(450),
        SERVER: Own({"sensor": 90, "modelled": 210}, "cpu", DAY),
    }
    feedings = [Feeding(PDU, "3", SERVER), Feeding(OTHER_PDU, "7", SERVER)]
    found = of(own, feedings, {(PDU, "3"): outlet(200), (OTHER_PDU, "7"): outlet(190, 0.96 * DAY)})
    assert found.changed == {
        SERVER: Counted({"metered": 390}, 0.96 * DAY),
        PDU: Counted({"metered": 300}, DAY),
        OTHER_PDU: Counted({"metered": 260}, DAY),
    }
    assert found.left_out == [
        LeftOut(PDU, "3", SERVER, "feeder", 200),
        LeftOut(PDU, "3", SERVER, "outlet", 153),
        LeftOut(OTHER_PDU, "7", SERVER, "feeder", 190),
        LeftOut(OTHER_PDU, "7", SERVER, "outlet", 147),
    ]


@pytest.mark.parametrize("meter", [outlet(200, 0.94 * DAY), None, Outlet(200, "modelled", DAY)])
def test_an_outlet_that_missed_too_much_does_not_speak_for_the_server(meter: Outlet | None) -> None:
    own = {PDU: metered(500), SERVER: modelled(170)}
    found = of(own, [Feeding(PDU, "3", SERVER)], {} if meter is None else {(PDU, "3"): meter})
    # The server counts as it told, and the unit what is left: what was metered there and is more stays in the unit.
    assert found.changed == {PDU: Counted({"metered": 330}, DAY)}
    assert found.left_out == [LeftOut(PDU, "3", SERVER, "feeder", 170)]


def test_a_second_supply_nobody_meters_leaves_the_server_to_itself() -> None:
    own = {PDU: metered(500), OTHER_PDU: metered(400), SERVER: modelled(301)}
    feedings = [Feeding(PDU, "3", SERVER), Feeding(OTHER_PDU, "", SERVER)]
    found = of(own, feedings, {(PDU, "3"): outlet(150)})
    assert SERVER not in found.changed
    # Its joules are taken off both units, half of each.
    assert (found.changed[PDU], found.changed[OTHER_PDU]) == (
        Counted({"metered": 350}, DAY),
        Counted({"metered": 249}, DAY),
    )


def test_a_controller_speaks_for_its_server_and_counts_nothing_itself() -> None:
    own = {CONTROLLER: Own({"sensor": 400}, "wall", DAY), SERVER: Own({"sensor": 300}, "machine", DAY)}
    found = of(own, [Feeding(CONTROLLER, "", SERVER)])
    assert found.changed == {SERVER: Counted({"sensor": 400}, DAY), CONTROLLER: None}
    assert found.left_out == [LeftOut(CONTROLLER, "", SERVER, "controller", 300)]


def test_a_meter_at_the_wall_beats_the_controller() -> None:
    reading = Own({"sensor": 400}, "wall", DAY)
    link = Feeding(CONTROLLER, "", SERVER)
    found = of({CONTROLLER: reading, SERVER: metered(420)}, [link])
    assert found.changed == {CONTROLLER: None}
    assert found.left_out == [LeftOut(CONTROLLER, "", SERVER, "controller", 400)]
    fed = [link, Feeding(PDU, "3", SERVER)]
    found = of({CONTROLLER: reading, SERVER: modelled(300)}, fed, {(PDU, "3"): outlet(410)})
    assert found.changed[SERVER] == Counted({"metered": 410}, DAY)
    assert found.left_out == [LeftOut(CONTROLLER, "", SERVER, "controller", 400)]


def test_half_a_day_of_the_controller_speaks_only_for_a_server_that_told_nothing() -> None:
    reading = Own({"sensor": 200}, "wall", DAY / 2)
    link = [Feeding(CONTROLLER, "", SERVER)]
    assert SERVER not in of({CONTROLLER: reading, SERVER: modelled(380)}, link).changed
    assert of({CONTROLLER: reading}, link).changed[SERVER] == Counted({"sensor": 200}, DAY / 2)


def test_an_outlet_that_feeds_a_controller_feeds_its_server() -> None:
    feedings = [Feeding(CONTROLLER, "", SERVER), Feeding(PDU, "3", CONTROLLER)]
    found = of({PDU: metered(500)}, feedings, {(PDU, "3"): outlet(200)})
    assert found.changed[SERVER] == Counted({"metered": 200}, DAY)
    assert found.changed[PDU] == Counted({"metered": 300}, DAY)


def test_a_ups_that_feeds_a_pdu_that_feeds_a_server_counts_what_is_lost_on_the_way() -> None:
    own = {UPS: metered(1000), PDU: metered(900), SERVER: modelled(250)}
    feedings = [Feeding(UPS, "", PDU), Feeding(PDU, "3", SERVER)]
    found = of(own, feedings, {(PDU, "3"): outlet(300)})
    counted = {device: one.whole for device, one in found.changed.items() if one is not None}
    assert counted == {UPS: 100, PDU: 600, SERVER: 300}  # 1,000 in all: what the UPS took
    # Saying also that the server hangs on the UPS, which it does through the PDU, takes nothing off twice.
    assert of(own, [*feedings, Feeding(UPS, "", SERVER)], {(PDU, "3"): outlet(300)}) == found


def test_a_feeder_of_which_nobody_said_anything_is_listed_and_nothing_known_counts() -> None:
    found = of({PDU: metered(500)}, [])
    assert found.changed == {PDU: None}
    assert found.left_out == [LeftOut(PDU, "", NOBODY, "undeclared", 500)]
    assert of({PDU: metered(500)}, [Feeding(PDU, "", None)]) == Settled({}, [])
    # What hangs on it is not taken for nothing known by what it hangs on.
    found = of({UPS: metered(550), PDU: metered(500)}, [Feeding(UPS, "", PDU)])
    assert found.changed == {UPS: Counted({"metered": 50}, DAY), PDU: None}


def test_a_controller_whose_server_runs_no_agent_counts_as_it_told() -> None:
    told = Own({"sensor": 1000}, "wall", 0.5 * DAY)
    assert of({CONTROLLER: told}, []) == Settled({}, [])
    # It stays what is taken off, and the outlets it hangs on speak for it as for any device.
    found = of({PDU: metered(1500), CONTROLLER: told}, [Feeding(PDU, "", CONTROLLER)])
    assert found.changed == {PDU: Counted({"metered": 500}, DAY)}
    found = of(
        {PDU: metered(1500), CONTROLLER: told}, [Feeding(PDU, "3", CONTROLLER)], {(PDU, "3"): outlet(1100)}
    )
    assert found.changed == {PDU: Counted({"metered": 400}, DAY), CONTROLLER: Counted({"metered": 1100}, DAY)}
    assert LeftOut(PDU, "3", CONTROLLER, "outlet", 1000) in found.left_out


def test_a_day_without_facts_of_the_feeder_changes_nothing_for_the_fed() -> None:
    for feedings in ([Feeding(PDU, "3", SERVER)], [Feeding(PDU, "", SERVER)]):
        assert of({SERVER: modelled(250)}, feedings) == Settled({}, [])


def test_who_hangs_there_and_told_nothing_leaves_it_in_the_unit() -> None:
    """Missing is not nought: what nobody counts elsewhere is counted by the meter that saw it."""
    found = of({PDU: metered(500)}, [Feeding(PDU, "3", SERVER)])
    assert found.changed == {PDU: Counted({"metered": 500}, DAY)}


def test_days_outside_the_ledger_are_no_silent_ones() -> None:
    feedings = [Feeding(CONTROLLER, "", SERVER), Feeding(UPS, "", None)]
    assert outside(CLASSES, feedings) == {CONTROLLER, PDU, OTHER_PDU}


class Estate(NamedTuple):
    classes: dict[int, str]
    own: dict[int, Own]
    outlets: dict[tuple[int, str], Outlet]
    feedings: list[Feeding]


@st.composite
def estates(draw: st.DrawFn) -> Estate:
    """Draw devices measured at the wall, fed by ones of lower numbers only, so that none feeds itself."""
    classes = dict(
        enumerate(draw(st.lists(st.sampled_from(["ups", "pdu", "server", "controller"]), max_size=7)), 1)
    )
    amounts, covered = st.integers(0, 10**9), st.sampled_from([DAY, 0.95 * DAY, 0.5 * DAY])
    own = {one: metered(draw(amounts), draw(covered)) for one in classes if draw(st.booleans())}
    feedings = [
        Feeding(feeder, draw(st.sampled_from(["", "1", "2", "3"])), fed)
        for feeder in classes
        for fed in [None, *range(feeder + 1, len(classes) + 1)]
        if draw(st.integers(0, 2)) == 0
    ]
    outlets = {
        (one.feeder, one.outlet): outlet(draw(amounts), draw(covered))
        for one in feedings
        if one.outlet and draw(st.booleans())
    }
    return Estate(classes, own, outlets, feedings)


@given(estates(), st.randoms(use_true_random=False))
def test_every_measurement_ends_counted_or_left_out_whatever_order(
    estate: Estate, shuffled: random.Random
) -> None:
    found = settle(*estate, DAY)
    speaking = {
        (one.feeder, one.outlet, one.fed): estate.outlets[one.feeder, one.outlet].joules
        for one in estate.feedings
        if (one.feeder, one.outlet) in estate.outlets
    }
    counted = {device: told.whole for device, told in estate.own.items()}
    counted |= {device: one.whole if one is not None else 0 for device, one in found.changed.items()}
    left = sum(one.joules for one in found.left_out)
    measured = sum(told.whole for told in estate.own.values())
    # What is counted or left out is what devices told, and outlets that spoke for one: each of these whole.
    assert measured <= sum(counted.values()) + left <= measured + sum(speaking.values())
    if not estate.outlets:
        assert sum(counted.values()) + left == measured
        assert sum(counted.values()) <= measured
    assert all(joules >= 0 for joules in counted.values())
    assert all(one.joules > 0 for one in found.left_out)
    mixed = estate.feedings[:]
    shuffled.shuffle(mixed)
    other = (
        dict(reversed(estate.classes.items())),
        dict(reversed(estate.own.items())),
        dict(reversed(estate.outlets.items())),
    )
    assert settle(*other, [*mixed, *mixed], DAY) == found


@given(estates(), st.integers(1, 7))
def test_estates_that_feed_one_another_nothing_settle_apart(estate: Estate, by: int) -> None:
    shifted = Estate(
        {one + 100 * by: kind for one, kind in estate.classes.items()},
        {one + 100 * by: told for one, told in estate.own.items()},
        {(one + 100 * by, name): meter for (one, name), meter in estate.outlets.items()},
        [
            Feeding(one.feeder + 100 * by, one.outlet, None if one.fed is None else one.fed + 100 * by)
            for one in estate.feedings
        ],
    )
    both = settle(
        estate.classes | shifted.classes,
        estate.own | shifted.own,
        estate.outlets | shifted.outlets,
        [*shifted.feedings, *estate.feedings],
        DAY,
    )
    alone, apart = settle(*estate, DAY), settle(*shifted, DAY)
    assert both.changed == {**alone.changed, **apart.changed}
    assert both.left_out == sorted([*alone.left_out, *apart.left_out])


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=9))
def test_parts_add_up_exactly(whole: int, weights: list[int]) -> None:
    parts = split(whole, weights)
    assert sum(parts) == whole
    assert len(parts) == len(weights)
    assert all(part >= 0 for part in parts)
