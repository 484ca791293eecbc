from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.timeline import EARLIEST, Boot, latest_possible, place

TEN = 1_778_580_000.0


def boot(number: int, began: float, up: float, *, wrong_by: float = 0.0, heard: bool = False) -> Boot:
    """Return a boot that truly began at `began`, was up for `up` seconds and had a clock that was wrong."""
    return Boot(
        number, f"boot-{number}", up, up, began + up + wrong_by, server_anchor=began if heard else None
    )


def test_a_clock_within_five_seconds_is_left_alone() -> None:
    assert boot(1, TEN, 60, wrong_by=4.9, heard=True).anchor == TEN + 4.9
    assert boot(1, TEN, 60, wrong_by=5.1, heard=True).anchor == TEN
    assert boot(1, TEN, 60, wrong_by=-5.1, heard=True).anchor == TEN


def test_a_clock_set_wrong_after_the_answer_does_not_move_the_boot() -> None:
    right = boot(1, TEN, 60, heard=True)
    assert replace(right, wall=right.wall + 86_400).anchor == TEN


def test_a_boot_without_an_answer_keeps_a_clock_that_fits() -> None:
    boots = [boot(1, TEN, 3600), boot(2, TEN + 7200, 60, heard=True)]
    assert place(boots) == {1: TEN, 2: TEN + 7200}


def test_a_clock_two_hours_fast_in_every_boot_is_moved_in_every_boot() -> None:
    boots = [
        boot(1, TEN, 600, heard=True),
        boot(2, TEN + 1000, 3600, wrong_by=7200),
        boot(3, TEN + 9000, 60, wrong_by=7200, heard=True),
    ]
    assert place(boots) == {1: TEN, 2: TEN + 1000, 3: TEN + 9000}


def test_a_boot_in_1970_that_heard_no_answer_is_not_guessed_at() -> None:
    # A dead clock battery: each boot begins on 1 January 1970.
    boots = [boot(1, TEN, 600, wrong_by=-TEN), boot(2, TEN + 1000, 60, wrong_by=-TEN - 1000, heard=True)]
    anchors = place(boots)
    assert anchors == {1: None, 2: TEN + 1000}
    assert latest_possible(boots[0], boots, anchors) == TEN + 400


def test_a_clock_that_would_overlap_the_next_boot_is_not_believed() -> None:
    boots = [boot(1, TEN, 600, wrong_by=86_400), boot(2, TEN + 1000, 60, heard=True)]
    assert place(boots)[1] is None


def test_a_place_once_given_stays() -> None:
    placed = replace(boot(1, TEN, 600, wrong_by=3), placed_anchor=TEN + 3)
    boots = [replace(placed, wall=0.0), boot(2, TEN + 1000, 60, heard=True)]
    assert place(boots)[1] == TEN + 3


@given(
    st.lists(
        st.tuples(st.floats(1, 90_000), st.floats(1, 90_000), st.floats(-2e9, 2e9), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
def test_boots_are_placed_in_the_order_they_happened(drawn: list[tuple[float, float, float, bool]]) -> None:
    boots: list[Boot] = []
    began = TEN
    for number, (up, off, wrong_by, heard) in enumerate(drawn):
        boots.append(boot(number, began, up, wrong_by=wrong_by, heard=heard or number == len(drawn) - 1))
        began += up + off
    anchors = place(boots)
    kept = [(anchor, one.boottime) for one in boots if (anchor := anchors[one.id]) is not None]
    assert all(anchor >= EARLIEST - 10 for anchor, _up in kept)
    for (anchor, up), (following, _up) in itertools.pairwise(kept):
        assert anchor + up <= following + 15
