"""Calibration: what siblings and meters teach, and whether nine unseen machines in ten lie in the interval."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.calibration import (
    CalibrationError,
    Evidence,
    meter_line,
    rest_of_machine,
    student,
)

HOUR = 3600.0


def _machine(name: str, rest_watts: float, seconds: float = 10 * HOUR) -> Evidence:
    return Evidence(name, seconds, (rest_watts + 3) * seconds, 3 * seconds)


@pytest.mark.parametrize("siblings", [3, 6, 40])
def test_nine_siblings_in_ten_lie_in_the_interval(siblings: int) -> None:
    chance = random.Random(siblings)  # noqa: S311 - made-up machines, no secret
    inside = []
    for _ in range(400):
        found = rest_of_machine(_machine(str(number), chance.gauss(6, 0.8)) for number in range(siblings))
        inside.append(found.watts.low <= chance.gauss(6, 0.8) <= found.watts.high)
    assert 0.85 <= statistics.fmean(inside) <= 0.95


def test_a_sibling_is_its_processor_and_the_rest() -> None:
    found = rest_of_machine([_machine("a", 5), _machine("b", 6), _machine("c", 7)])
    assert found.watts.likely == pytest.approx(6)
    assert found.machines == 3
    assert found.joules(1000, 100).likely == pytest.approx(1600)
    assert found.watts.low < 6 < found.watts.high


def test_short_evidence_and_a_whole_below_its_part_are_left_out() -> None:
    odd = [_machine("short", 90, seconds=600), _machine("less", -2)]
    with pytest.raises(CalibrationError, match="2 machines"):
        rest_of_machine([*odd, _machine("a", 5), _machine("b", 6)])
    assert rest_of_machine([*odd, *map(_machine, "abc", (5, 6, 7))]).machines == 3


def test_evidence_of_one_machine_is_one_machine() -> None:
    parts = [_machine("a", 5, HOUR / 2), _machine("a", 5, HOUR / 2), _machine("b", 6), _machine("c", 7)]
    assert rest_of_machine(parts).machines == 3


@given(
    st.floats(0, 50),
    st.floats(0, 3),
    st.lists(st.floats(1, 500), min_size=5, max_size=30, unique_by=round),
)
def test_a_perfect_line_is_found_and_leaves_nothing_over(
    intercept: float, slope: float, estimates: list[float]
) -> None:
    line = meter_line([(estimate, intercept + slope * estimate) for estimate in estimates])
    assert line.slope == pytest.approx(slope, abs=1e-6)
    assert line.intercept_watts == pytest.approx(intercept, abs=1e-3)
    assert line.residual_watts == pytest.approx(0, abs=1e-3)
    low, likely, high = line.watts(100)
    assert low <= likely <= high
    assert likely == pytest.approx(intercept + slope * 100, abs=1e-2)


def test_nine_readings_in_ten_lie_around_the_line() -> None:
    chance = random.Random(4)  # noqa: S311 - made-up readings, no secret
    inside = []
    for _ in range(400):
        pairs = [(watts, 4 + 1.2 * watts + chance.gauss(0, 5)) for watts in range(10, 90, 8)]
        at = chance.uniform(10, 90)
        low, _, high = meter_line(pairs).watts(at)
        inside.append(low <= 4 + 1.2 * at + chance.gauss(0, 5) <= high)
    assert 0.85 <= statistics.fmean(inside) <= 0.95


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([(1.0, 1.0)] * 4, "4 readings"),
        ([(5.0, float(metered)) for metered in range(6)], "the same"),
        ([(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, -4.0), (5.0, 5.0)], "negative"),
        ([(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, float("nan")), (5.0, 5.0)], "no number"),
        ([(float(watts), 10.0 - watts) for watts in range(6)], "falls"),
    ],
)
def test_readings_that_teach_nothing_are_refused(pairs: list[tuple[float, float]], says: str) -> None:
    with pytest.raises(CalibrationError, match=says):
        meter_line(pairs)


def test_student_never_narrows_an_interval() -> None:
    assert student(1) == 6.314
    assert student(24) == student(20)
    assert student(10_000) == 1.658
    with pytest.raises(CalibrationError):
        student(0)
