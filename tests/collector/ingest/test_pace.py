"""When devices call again: spread, bounded, and always the same for a device."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from roadworthy_collector.ingest.pace import next_call

IDS = [f"rwd_{number:032x}" for number in range(4000)]
LOADS = st.floats(allow_nan=False) | st.just(math.inf)


@given(st.sampled_from(IDS), st.integers(60, 86_400), LOADS)
def test_a_device_is_told_the_same_under_the_same_load_and_within_bounds(
    device_id: str, interval: int, load: float
) -> None:
    seconds = next_call(device_id, interval, load)
    assert seconds == next_call(device_id, interval, load)
    assert max(60, round(0.9 * interval) - 1) <= seconds <= min(86_400, 2 * interval)
    assert seconds <= interval or load > 0


@given(st.sampled_from(IDS), st.integers(60, 86_400), st.floats(0, 1), st.floats(0, 1))
def test_nobody_is_called_sooner_because_more_is_going_on(
    device_id: str, interval: int, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    assert next_call(device_id, interval, less) <= next_call(device_id, interval, more)


@given(st.floats(0, 1))
def test_a_herd_is_spread_evenly_over_what_the_load_allows(load: float) -> None:
    """No tenth of the span gets more than a fair share and a quarter."""
    interval = 36_000
    begin, span = 0.9 * interval, (0.1 + load) * interval
    tenths = [0] * 10
    for device_id in IDS:
        place = (next_call(device_id, interval, load) - begin) / span
        tenths[min(9, max(0, int(place * 10)))] += 1
    assert max(tenths) <= len(IDS) / 10 * 1.25
    assert min(tenths) >= len(IDS) / 10 * 0.75
