from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.schedule import Calls, spread

TEN = 1_778_580_000.0


def dice(seed: int) -> Callable[[float, float], float]:
    return random.Random(seed).uniform  # noqa: S311 - dice that fall the same way again, no secret


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def lowest(low: float, _high: float) -> float:
    return low


def calls(now: float = 100.0) -> Calls:
    return Calls(now, "0123456789abcdef", middle)


def test_the_first_call_is_due_at_once() -> None:
    assert calls().due_at() == 100.0


def test_the_collector_s_interval_is_kept() -> None:
    planned = calls()
    planned.answered(100.0, TEN + 10, 900)
    assert planned.due_at() == 1000.0


@given(st.floats(-10, 1e9), st.integers())
def test_the_interval_is_bounded_and_jittered(next_call: float, seed: int) -> None:
    planned = Calls(0.0, "x", dice(seed))
    planned.answered(0.0, TEN, next_call)
    low, high = 0.95 * 60, 1.05 * 86_400
    assert min(low, spread("x")) <= planned.due_at() <= high


def test_a_period_s_close_brings_a_call_in_the_device_s_own_share_of_a_minute() -> None:
    planned = calls()
    planned.answered(100.0, TEN + 1700, 900)
    assert planned.due_at() == 100.0 + 100 + spread("0123456789abcdef")
    assert 0 <= spread("0123456789abcdef") < 60


def test_a_fleet_does_not_call_in_one_second() -> None:
    shares = [spread(f"{number:016x}") for number in range(6000)]
    a_second = [sum(int(share) == second for share in shares) for second in range(60)]
    assert max(a_second) < 200
    assert min(a_second) > 40


def test_an_interval_beyond_a_period_is_a_wish_for_fewer_calls() -> None:
    planned = calls()
    planned.answered(100.0, TEN + 1700, 7200)
    assert planned.due_at() == 7300.0


def test_a_start_up_brings_a_call_at_once() -> None:
    planned = calls()
    planned.answered(100.0, TEN, 900)
    planned.at_once(130.0)
    assert planned.due_at() == 130.0


def test_nothing_calls_before_the_back_off_has_passed() -> None:
    planned = calls()
    planned.failed(100.0, 300.0)
    planned.at_once(110.0)
    assert planned.due_at() >= 400.0


def test_the_back_off_doubles_up_to_an_hour_and_ends_with_an_answer() -> None:
    planned = Calls(0.0, "x", lambda _low, high: high)
    waits = [planned.failed(0.0) for _ in range(12)]
    assert waits[:4] == [10, 20, 40, 80]
    assert waits[-1] == 3600
    planned.answered(0.0, TEN, 900)
    assert planned.failed(0.0) == 10


@given(st.integers(0, 40), st.one_of(st.none(), st.floats(0, 1e6)), st.integers())
def test_retry_after_is_obeyed_and_full_jitter_kept(
    failures: int, retry_after: float | None, seed: int
) -> None:
    planned = Calls(0.0, "x", dice(seed))
    for _ in range(failures):
        planned.failed(0.0)
    wait = planned.failed(0.0, retry_after)
    assert wait >= min(retry_after or 0.0, 86_400)
    assert wait <= min(retry_after or 0.0, 86_400) + 3600


def test_devices_that_failed_together_do_not_come_back_together() -> None:
    waits = set()
    for seed in range(50):
        planned = Calls(0.0, "x", dice(seed))
        for _ in range(5):
            planned.failed(0.0)
        waits.add(round(planned.due_at()))
    assert len(waits) > 25
    assert Calls(0.0, "x", lowest).failed(0.0) == 1.0


def test_a_long_postponement_is_kept() -> None:
    planned = calls()
    planned.postponed(100.0, 86_400)
    planned.at_once(200.0)
    assert planned.due_at() == 86_500.0
