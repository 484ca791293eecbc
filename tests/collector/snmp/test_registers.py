"""Registers of energy and readings of power as one counter: it only rises, and its half-hours add up to it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_collector.snmp.registers import (
    MICRO,
    PERIOD_SECONDS,
    Closed,
    Counter,
    Look,
    Settled,
    settle,
)

START = 1_789_002_000  # a multiple of 1800
WH = 3600 * MICRO


def run(looks: list[Look]) -> tuple[Counter, list[Closed], list[str]]:
    """Return the counter after all looks, what was closed, and what was odd."""
    counter, closed, events = None, [], []
    for look in looks:
        settled: Settled = settle(counter, look)
        counter = Counter.from_json(json.loads(json.dumps(settled.counter.as_json())))  # as it is kept
        closed += settled.closed
        events += settled.events
    assert counter is not None
    return counter, closed, events


def every(minutes: int, count: int) -> list[float]:
    return [float(START + 60 * minutes * number) for number in range(count)]


def test_a_steady_load_by_register_alone() -> None:
    looks = [Look(at, watt_hours=1000 + 25 * number) for number, at in enumerate(every(15, 5))]
    counter, closed, events = run(looks)
    assert [(one.start, one.joules, one.covered_seconds, one.how) for one in closed] == [
        (START, 50 * 3600, 1800, "register"),
        (START + 1800, 50 * 3600, 1800, "register"),
    ]
    assert (counter.microjoules, events) == (100 * WH, ["first"])


def test_power_alone_is_integrated_and_marked() -> None:
    _, closed, _ = run([Look(at, watts=200.0) for at in every(5, 7)])
    assert closed == [Closed(START, 360_000, 360_000, 1800, "integrated")]


def test_time_without_polls_is_not_covered_by_power_but_by_a_register() -> None:
    later = START + 3 * PERIOD_SECONDS
    _, closed, events = run([Look(START, watts=200.0), Look(later, watts=200.0)])
    assert (closed, events) == ([], ["first", "gap"])
    _, closed, _ = run([Look(START, watt_hours=10), Look(later, watt_hours=310)])
    assert [(one.joules, one.covered_seconds) for one in closed] == [(360_000, 1800)] * 3


def test_a_coarse_register_says_how_much_and_power_when() -> None:
    """0.1 kWh steps at 150 W: by register alone two half-hours of three would be nought."""
    looks = [
        Look(at, watt_hours=100 * (25 * number // 100), watts=150.0, step_watt_hours=100)
        for number, at in enumerate(every(10, 73))
    ]
    counter, closed, _ = run(looks)
    assert {one.how for one in closed} == {"both"}
    assert all(one.joules == pytest.approx(270_000, abs=1) for one in closed[:2])
    assert counter.microjoules / WH == pytest.approx(looks[-1].watt_hours or 0, abs=100)


def test_power_that_reads_high_is_held_to_the_register() -> None:
    looks = [
        Look(at, watt_hours=10.0 * number, watts=240.0, step_watt_hours=1)  # the register says 120 W
        for number, at in enumerate(every(5, 100))
    ]
    counter, _, _ = run(looks)
    assert counter.microjoules / WH == pytest.approx(990, abs=1.01)


def test_a_register_that_wraps_counts_on() -> None:
    looks = [
        Look(START + 300.0 * n, watt_hours=(990 + 20 * n) % 1000, wraps_at_watt_hours=1000) for n in range(4)
    ]
    counter, _, events = run(looks)
    assert (counter.microjoules, events) == (60 * WH, ["first", "wrap"])


def test_a_register_somebody_reset_loses_no_more_than_it_must() -> None:
    looks = [
        Look(START, watt_hours=50_000.0),
        Look(START + 300.0, watt_hours=5.0),
        Look(START + 600.0, watt_hours=12.0),
    ]
    counter, _, events = run(looks)
    assert (counter.microjoules, events) == (12 * WH, ["first", "reset"])
    with_power = [replace(look, watts=120.0) for look in looks]
    counter, _, events = run(with_power)
    assert events == ["first", "reset"]
    assert counter.microjoules / WH == pytest.approx(10 + 7, abs=1.01)


@pytest.mark.parametrize("bad", [0.0, 3.0, 12_345_600.0])
@pytest.mark.parametrize("watts", [None, 120.0])
@pytest.mark.parametrize("times", [1, 3])
def test_a_register_misread_and_back_counts_nothing_twice(
    bad: float, watts: float | None, times: int
) -> None:
    values = [50_000.0, 50_010.0, *[bad] * times, *(50_010.0 + 10 * n for n in range(times + 1, times + 4))]
    looks = [Look(START + 300.0 * n, watt_hours=value, watts=watts) for n, value in enumerate(values)]
    counter, _, events = run(looks)
    assert counter.microjoules / WH == pytest.approx(values[-1] - values[0], abs=0 if watts is None else 1.01)
    assert events[1:3] == [
        "reset" if bad < 50_000 else "implausible",
        "gap" if events[2] == "gap" else "undone",
    ]
    assert events[-1] == "undone"


@pytest.mark.parametrize(
    ("values", "step", "minutes", "truth"),
    [
        ([4000, 3999, 4001, 4002], 1, 5, 2),
        ([4000, 3998, 3999, 4001], 1, 5, 1),
        ([4000, 3999] * 6, 1, 5, 0),
        ([3000, 2999, *range(3001, 3006)], 1, 5, 5),
        ([500_000, 499_900, 500_100], 100, 720, 100),  # 0.1 kWh, half a day apart
        ([3000, 3000, 2900, 3000], 100, 5, 0),
        ([4000, 3900, 3901, 4001], 1, 5, 101),  # no reset; what it says it counts, it counts
        ([4000, 1900, 4001], 1, 5, 1),
        ([4000, 1900, 1900, 4001], 1, 5, 1),
        ([4000, 1900, 1901], 1, 5, 1901),
        ([5000, 100, 8, 20], 1, 5, 20),
    ],
)
def test_a_register_alone_that_falls_and_comes_back_was_not_reset(
    values: list[int], step: int, minutes: int, truth: int
) -> None:
    looks = [
        Look(START + 60.0 * minutes * n, watt_hours=value, step_watt_hours=step)
        for n, value in enumerate(values)
    ]
    assert run(looks)[0].microjoules == truth * WH


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 1)), min_size=1, max_size=40),
    st.sampled_from([0.01, 1.0, 100.0]),
    st.integers(1, 6_000),
)
def test_a_register_alone_that_is_read_a_step_off_is_never_two_steps_wrong(
    polls: list[tuple[int, int]], step: float, begin: int
) -> None:
    truth, looks = begin, []
    for number, (gain, off) in enumerate(polls):
        truth += gain if number else 0
        looks.append(Look(START + 300.0 * number, watt_hours=step * (truth + off), step_watt_hours=step))
    counted = run(looks)[0].microjoules / WH
    assert counted == pytest.approx(step * (truth - begin), abs=2.001 * step)


def test_a_register_that_goes_on_after_its_reset_was_reset() -> None:
    values = [1_000.0, 0.0, 10.0, 1_005.0, 1_015.0]
    looks = [Look(START + 300.0 * n, watt_hours=value) for n, value in enumerate(values)]
    counter, _, events = run(looks)
    assert (counter.microjoules, events) == (1_015 * WH, ["first", "reset"])


@pytest.mark.parametrize(
    ("first", "later", "believed"),
    [
        (Look(START, watt_hours=0.0), Look(START + 3600.0, watt_hours=49_000.0), True),
        (Look(START, watt_hours=0.0), Look(START + 3600.0, watt_hours=60_000.0), False),
        (Look(START, watt_hours=0.0), Look(START + 3600.0, watt_hours=60_000.0, rated_watts=80_000.0), True),
        (Look(START, watt_hours=0.0), Look(START + 3600.0, watt_hours=3_500.0, rated_watts=750.0), False),
        (Look(START, watt_hours=0.0, watts=900.0), Look(START + 3600.0, watt_hours=4_000.0), False),
    ],
)
def test_what_is_known_of_power_bounds_a_register_without_it(
    first: Look, later: Look, *, believed: bool
) -> None:
    _, _, events = run([first, later])
    assert ("implausible" not in events) is believed


def test_power_that_was_read_once_bounds_a_register_that_is_alone_now() -> None:
    looks = [
        Look(START, watt_hours=0.0, watts=900.0),
        Look(START + 300.0, watt_hours=75.0),
        Look(START + 3900.0, watt_hours=4_000.0),
    ]
    counter, _, events = run(looks)
    assert (counter.microjoules, events) == (75 * WH, ["first", "implausible", "gap"])


def test_a_counter_kept_before_it_remembered_a_former_reading_still_loads() -> None:
    kept: dict[str, object] = {**settle(None, Look(START, watt_hours=7.0)).counter.as_json()}
    for key in ("peak_watts", "former_watt_hours", "former_read_at", "former_microjoules"):
        del kept[key]
    assert settle(Counter.from_json(kept), Look(START + 300.0, watt_hours=9.0)).counter.microjoules == 2 * WH


def test_a_jump_no_circuit_carries_is_not_believed() -> None:
    looks = [Look(START, watt_hours=5.0, watts=100.0), Look(START + 300.0, watt_hours=900_000.0, watts=100.0)]
    counter, _, events = run(looks)
    assert events == ["first", "implausible"]
    assert counter.microjoules == round(100 / 12 * WH)


def test_a_register_silent_for_a_poll_is_not_counted_twice() -> None:
    looks = [
        Look(START, watt_hours=0.0, watts=120.0),
        Look(START + 300.0, watts=120.0),
        Look(START + 600.0, watt_hours=20.0, watts=120.0),
    ]
    counter, _, _ = run(looks)
    assert counter.microjoules / WH == pytest.approx(20, abs=1.01)
    counter, _, events = run([replace(look, watts=None) for look in looks])
    assert (counter.microjoules, events) == (20 * WH, ["first", "gap"])


def test_a_register_that_never_comes_back_is_not_waited_for() -> None:
    looks = [Look(START, watt_hours=7.0), Look(START + 90_000.0), Look(START + 90_300.0, watt_hours=9.0)]
    counter, closed, events = run(looks)
    assert (counter.microjoules, closed, events) == (0, [], ["first", "gap", "gap"])


def test_a_clock_set_back_far_begins_anew_from_the_counter_as_it_is() -> None:
    ahead = [Look(at + 7 * 86_400, watts=200.0) for at in every(5, 7)]
    counter, closed, events = run([*ahead, *(Look(at, watts=200.0) for at in every(5, 7))])
    assert counter.microjoules == 2 * 360_000 * MICRO
    assert [(one.start, one.joules, one.counter_end_joules) for one in closed] == [
        (START + 7 * 86_400, 360_000, 360_000),
        (START, 360_000, 720_000),
    ]
    assert events == ["first", "backwards"]


def test_a_poll_that_is_not_later_changes_nothing() -> None:
    first = settle(None, Look(START, watt_hours=7.0)).counter
    assert settle(first, Look(START, watt_hours=9.0)) == Settled(first, events=("backwards",))


POLLS = st.lists(
    st.tuples(
        st.integers(1, 4000),
        st.none() | st.floats(0, 5e5),
        st.none() | st.floats(0, 5e4),
    ),
    min_size=1,
    max_size=30,
)


@given(POLLS, st.sampled_from([0.01, 1.0, 100.0]), st.sampled_from([None, 1e5]))
def test_whatever_devices_say_the_counter_only_rises_and_its_half_hours_add_up(
    polls: list[tuple[int, float | None, float | None]], step: float, wraps: float | None
) -> None:
    at, counter, total, ended = float(START), None, 0, 0
    for seconds, watt_hours, watts in polls:
        at += seconds
        before = 0 if counter is None else counter.microjoules
        settled = settle(counter, Look(at, watt_hours, watts, step, wraps))
        counter = settled.counter
        assert counter.microjoules >= before
        for one in settled.closed:
            assert one.start % PERIOD_SECONDS == 0
            assert one.start + PERIOD_SECONDS <= at
            assert one.start >= ended  # each once, in order
            assert one.joules >= 0
            assert 0 < one.covered_seconds <= PERIOD_SECONDS
            ended = one.start + PERIOD_SECONDS
            total += one.joules
    assert counter is not None
    # What is closed is all of the counter but the open period, floored at its start.
    assert total == counter.period // MICRO
    assert counter.microjoules >= counter.period


@given(st.lists(st.integers(0, 40), min_size=2, max_size=40), st.integers(1, 4))
def test_asking_less_often_gives_the_same_sum_of_a_register(gains: list[int], every_nth: int) -> None:
    read, looks = 0, []
    for number, gain in enumerate(gains):
        read += gain
        looks.append(Look(START + 300.0 * number, watt_hours=float(read)))
    some = looks[::every_nth]
    if some[-1] is not looks[-1]:
        some.append(looks[-1])
    assert run(some)[0].microjoules == run(looks)[0].microjoules == (read - gains[0]) * WH
