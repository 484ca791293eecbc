from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.periods import Absence, Stretch, compute, nearest_rank, period_of, split
from roadworthy_agent.report import StateSeconds

TEN = 1_778_580_000
ratios = st.one_of(st.none(), st.floats(0, 1))
moments = st.floats(TEN - 4000, TEN + 9000)


@st.composite
def days(draw: st.DrawFn) -> tuple[list[Stretch], list[Absence]]:
    """Draw a timeline as an agent makes it: samples and absences one after the other, none overlapping."""
    at = draw(moments)
    stretches: list[Stretch] = []
    absences: list[Absence] = []
    for _ in range(draw(st.integers(0, 30))):
        length = draw(st.floats(0.01, 60))
        stretches.append(
            Stretch(at, at + length, draw(ratios), draw(ratios), "psutil.cpu_times", "psutil.memory")
        )
        at += length
        if draw(st.integers(0, 4)) == 0:
            away = draw(st.floats(0.5, 5000))
            absences.append(Absence(at, at + away, draw(st.sampled_from(["asleep", "off", "unobserved"]))))
            at += away
    return stretches, absences


def total(state: StateSeconds) -> int:
    return state.in_use + state.idle + state.locked + state.asleep + state.off + state.unobserved


@given(days())
def test_the_states_of_every_period_add_up_to_a_half_hour(day: tuple[list[Stretch], list[Absence]]) -> None:
    for period in compute(*day).values():
        assert total(period.state_seconds) == 1800
        assert 0 <= period.observed_seconds <= 1800
        assert period.observed_seconds + period.state_seconds.asleep + period.state_seconds.off <= 1800 + 1


@given(days())
def test_observed_seconds_close_to_within_one_second_a_period(
    day: tuple[list[Stretch], list[Absence]],
) -> None:
    stretches, absences = day
    periods = compute(stretches, absences)
    covered = math.fsum(stretch.end - stretch.begin for stretch in stretches)
    observed = sum(period.observed_seconds for period in periods.values())
    assert observed <= covered + 1e-6
    assert covered - observed <= len(periods) + 1e-6


@given(days(), st.randoms(use_true_random=False))
def test_the_order_of_what_comes_in_makes_no_difference(
    day: tuple[list[Stretch], list[Absence]], dice: random.Random
) -> None:
    stretches, absences = day
    before = compute(stretches, absences)
    shuffled, away = list(stretches), list(absences)
    dice.shuffle(shuffled)
    dice.shuffle(away)
    assert compute(shuffled, away) == before == compute(stretches, absences)


@given(moments, st.floats(0.001, 20_000), ratios)
def test_splitting_loses_nothing(begin: float, length: float, cpu: float | None) -> None:
    whole = Stretch(begin, begin + length, cpu, 0.5)
    parts = list(split(whole))
    assert parts[0][1].begin == whole.begin
    assert parts[-1][1].end == whole.end
    for (start, part), (_next_start, following) in itertools.pairwise(parts):
        assert part.end == following.begin == start + 1800
    assert all(start <= part.begin < part.end <= start + 1800 for start, part in parts)
    assert all(part.cpu == cpu for _start, part in parts)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_the_95th_percentile_is_a_value_seen_that_95_percent_do_not_exceed(values: list[float]) -> None:
    p95 = nearest_rank(values, 0.95)
    assert p95 in values
    assert sum(value <= p95 for value in values) >= 0.95 * len(values)
    assert sum(value < p95 for value in values) < 0.95 * len(values)


def test_the_mean_is_weighted_by_covered_seconds() -> None:
    period = compute([Stretch(TEN, TEN + 60, 1.0, None), Stretch(TEN + 60, TEN + 80, 0.0, None)], [])[TEN]
    assert period.cpu is not None
    assert period.cpu.mean_ratio == 0.75
    assert period.cpu.p95_ratio == 1.0
    assert period.memory is None
    assert (period.samples, period.observed_seconds) == (2, 80)


def test_a_sample_across_the_half_hour_belongs_to_both_periods() -> None:
    periods = compute([Stretch(TEN + 1790, TEN + 1850, 0.5, 0.5)], [])
    assert {start: period.observed_seconds for start, period in periods.items()} == {TEN: 10, TEN + 1800: 50}


def test_a_nap_inside_a_period_is_asleep_and_the_rest_unobserved() -> None:
    samples = [Stretch(TEN, TEN + 60, 0.1, 0.1), Stretch(TEN + 660, TEN + 720, 0.1, 0.1)]
    period = compute(samples, [Absence(TEN + 60, TEN + 660, "asleep")])[TEN]
    assert period.state_seconds == StateSeconds(asleep=600, unobserved=1200)


def test_a_period_nobody_sampled_is_told_by_a_gap_and_not_by_a_row() -> None:
    samples = [Stretch(TEN, TEN + 60, 0.1, 0.1), Stretch(TEN + 7200, TEN + 7260, 0.1, 0.1)]
    periods = compute(samples, [Absence(TEN + 60, TEN + 7200, "off")])
    assert sorted(periods) == [TEN, TEN + 7200]
    assert periods[TEN].state_seconds.off == 1740


def test_ratios_have_four_decimals() -> None:
    period = compute([Stretch(TEN, TEN + 60, 1 / 3, 2 / 3)], [])[TEN]
    assert period.cpu is not None
    assert period.memory is not None
    assert (period.cpu.mean_ratio, period.memory.p95_ratio) == (0.3333, 0.6667)


@pytest.mark.parametrize(
    "midnight",
    [
        1_774_742_400,  # 29 March 2026, when British clocks go forward
        1_792_886_400,  # 25 October 2026, when they go back
        1_835_395_200,  # 29 February 2028
    ],
)
def test_every_utc_day_has_48_periods(midnight: int) -> None:
    samples = [Stretch(midnight + i * 60, midnight + (i + 1) * 60, 0.5, 0.5) for i in range(1440)]
    periods = compute(samples, [])
    assert len(periods) == 48
    assert all(period.observed_seconds == 1800 and period.samples == 30 for period in periods.values())
    assert period_of(midnight) == midnight
    assert period_of(midnight - 0.001) == midnight - 1800
