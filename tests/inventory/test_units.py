"""The dated tree of units: what was true on a day stays true, and sums close."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.units import SEPARATOR, UNASSIGNED, Site, Unit, UnitError, UnitTree, roll_up

START = dt.date(2024, 4, 1)
LATER = dt.date(2025, 4, 1)


def day(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


def force() -> UnitTree:
    tree = UnitTree()
    tree = tree.add("force", "Force", None, START).add("ops", "Operations", "force", START)
    tree = tree.add("crime", "Crime", "force", START).add("custody", "Custody", "ops", START)
    return tree.add("north", "North", "custody", START)


def test_paths_are_names_from_the_root_down() -> None:
    tree = force().at(START)
    assert tree.path("north") == "Force / Operations / Custody / North"
    assert tree.find("force/ OPERATIONS /custody") == "custody"
    assert tree.find("Force / Custody") is None
    assert tree.children(None) == ("force",)
    assert tree.children("force") == ("crime", "ops")
    assert tree.below("ops") == {"ops", "custody", "north"}
    with pytest.raises(UnitError, match="no unit south on 2024-04-01"):
        tree.path("south")


def test_before_a_unit_is_there_it_is_not_there() -> None:
    assert force().at(day(-1)).units == {}


def test_a_move_keeps_history_at_its_date() -> None:
    tree = force().move("custody", "crime", LATER)
    assert tree.at(LATER - dt.timedelta(days=1)).path("north") == "Force / Operations / Custody / North"
    assert tree.at(LATER).path("north") == "Force / Crime / Custody / North"
    figures = [("north", START, 10), ("north", LATER, 3)]
    sums = roll_up(tree, figures)
    assert sums == {"north": 13, "custody": 13, "ops": 10, "crime": 3, "force": 13}


def test_a_rename_keeps_history_at_its_date() -> None:
    tree = force().rename("ops", "Response", LATER)
    assert tree.at(START).path("ops") == "Force / Operations"
    assert tree.at(LATER).path("ops") == "Force / Response"


def test_a_merged_unit_hands_over_children_and_later_figures() -> None:
    tree = force().merge("ops", "crime", LATER)
    assert tree.at(START).path("custody") == "Force / Operations / Custody"
    assert tree.at(LATER).path("custody") == "Force / Crime / Custody"
    assert "ops" not in tree.at(LATER).units
    assert tree.answering("ops", LATER) == "crime"
    assert tree.answering("ops", START) == "ops"
    # The ledger goes on naming the old unit after it is gone.
    sums = roll_up(tree, [("ops", START, 5), ("ops", LATER, 7)])
    assert sums == {"ops": 5, "crime": 7, "force": 12}


def test_mergers_follow_each_other() -> None:
    tree = force().merge("custody", "ops", day(10)).merge("ops", "crime", day(20))
    assert tree.answering("custody", day(15)) == "ops"
    assert tree.answering("custody", day(25)) == "crime"


def test_figures_nobody_answers_for_are_counted() -> None:
    tree = force().close("crime", LATER)
    sums = roll_up(
        tree, [("crime", LATER, 4), ("nowhere", START, 2), (None, START, 1), ("crime", day(-5), 8)]
    )
    assert sums == {UNASSIGNED: 15}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tree: tree.move("ops", "north", LATER), "cannot be under itself"),
        (lambda tree: tree.move("ops", "ops", LATER), "cannot be under itself"),
        (lambda tree: tree.move("ops", "nowhere", LATER), "not there that day"),
        (
            lambda tree: tree.close("ops", LATER),
            "under ops, which is not there that day; move or close it first",
        ),
        (lambda tree: tree.merge("ops", "north", LATER), "north is under ops; move it out"),
        (lambda tree: tree.merge("ops", "ops", LATER), "into itself"),
        (lambda tree: tree.add("ops", "Again", None, LATER), "ids are never used again"),
        (lambda tree: tree.add("ops2", "operations", "force", LATER), "two units are called"),
        (lambda tree: tree.add("x", "IT/Support", "force", LATER), "has a slash"),
        (lambda tree: tree.add("x", " ", "force", LATER), "is empty"),
        (lambda tree: tree.rename("ops", "Ops", day(-1)), "last changed on 2024-04-01"),
        (lambda tree: tree.close("north", START), "end it on a later day"),
        (lambda tree: tree.close("north", day(1)).rename("north", "N", day(2)), "ended on 2024-04-02"),
        (lambda tree: tree.add("y", "Y", "force", day(-9)), "not there that day"),
        (lambda tree: tree.merge("crime", "gone", LATER), "no unit gone"),
    ],
)
def test_what_cannot_be_is_refused(change: object, says: str) -> None:
    with pytest.raises(UnitError, match=says):
        change(force())  # type: ignore[operator]  # a lambda of the list above


def test_a_correction_on_the_same_day_leaves_one_version() -> None:
    tree = force().rename("north", "Northern", START)
    assert [unit.name for unit in tree.versions if unit.id == "north"] == ["Northern"]


def test_overlapping_versions_are_refused() -> None:
    with pytest.raises(UnitError, match="two versions hold on 2025-04-01"):
        UnitTree((Unit("a", "A", None, START), Unit("a", "B", None, LATER)))
    with pytest.raises(UnitError, match="not after its start"):
        UnitTree((Unit("a", "A", None, START, START),))


def test_restricted_holds_for_all_below() -> None:
    tree = (
        force().add("covert", "Covert", "crime", START, restricted=True).add("team", "Team", "covert", START)
    )
    assert tree.at(START).restricted("team")
    assert not tree.at(START).restricted("crime")


def test_sites_have_a_kind() -> None:
    assert Site("hq", "Headquarters", "force").kind == "force"
    with pytest.raises(UnitError, match="none of force"):
        Site("x", "X", "castle")


@st.composite
def changed_trees(draw: st.DrawFn) -> UnitTree:
    """Return a tree after changes drawn at random; those it refuses are passed over."""
    tree = UnitTree().add("u0", "Unit 0", None, START)
    ids = ["u0"]
    for number in range(1, draw(st.integers(1, 12))):
        on = day(number * 10)
        action = draw(st.sampled_from(["add", "add", "move", "rename", "merge", "close"]))
        one, other = draw(st.sampled_from(ids)), draw(st.sampled_from([*ids, None]))
        try:
            if action == "add":
                tree = tree.add(f"u{number}", f"Unit {number}", other, on)
                ids.append(f"u{number}")
            elif action == "move":
                tree = tree.move(one, other, on)
            elif action == "rename":
                tree = tree.rename(one, f"Renamed {number}", on)
            elif action == "merge" and other is not None:
                tree = tree.merge(one, other, on)
            elif action == "close":
                tree = tree.close(one, on)
        except UnitError:
            continue
    return tree


FIGURES = st.lists(
    st.tuples(
        st.sampled_from(["u0", "u1", "u2", "u3", "u5", "nowhere", None]),
        st.integers(-5, 150).map(day),
        st.integers(-1000, 1000),
    ),
    max_size=30,
)


@given(changed_trees(), FIGURES)
def test_roots_and_unassigned_sum_to_all_figures(
    tree: UnitTree, figures: list[tuple[str | None, dt.date, int]]
) -> None:
    for on in {figure[1] for figure in figures}:
        of_day = [figure for figure in figures if figure[1] == on]
        sums = roll_up(tree, of_day)
        roots = tree.at(on).children(None)
        assert sum(sums.get(root, 0) for root in roots) + sums.get(UNASSIGNED, 0) == sum(f[2] for f in of_day)


@given(changed_trees(), FIGURES)
def test_a_unit_is_its_own_figures_and_its_childrens(
    tree: UnitTree, figures: list[tuple[str | None, dt.date, int]]
) -> None:
    for on in {figure[1] for figure in figures}:
        of_day = [figure for figure in figures if figure[1] == on]
        sums, then = roll_up(tree, of_day), tree.at(on)
        for unit in then.units:
            own = sum(f[2] for f in of_day if f[0] is not None and tree.answering(f[0], on) == unit)
            assert sums.get(unit, 0) == own + sum(sums.get(child, 0) for child in then.children(unit))


@given(changed_trees(), st.integers(0, 200))
def test_every_path_finds_its_unit_on_every_day(tree: UnitTree, number: int) -> None:
    then = tree.at(day(number))
    for unit in then.units:
        assert then.find(then.path(unit)) == unit
        assert len(then.path(unit).split(SEPARATOR)) == len(then.line(unit))


@given(changed_trees())
def test_later_changes_leave_earlier_days_alone(tree: UnitTree) -> None:
    on = day(500)
    before = {number: dict(tree.at(day(number)).units) for number in range(0, 130, 10)}
    for unit in list(tree.at(on).units):
        changed = tree.rename(unit, "Something else entirely", on)
        for number, units in before.items():
            then = changed.at(day(number)).units
            assert {one: (of.name, of.parent) for one, of in then.items()} == {
                one: (of.name, of.parent) for one, of in units.items()
            }
