from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.policy import AUTO, CHOICES, STRICTEST_FIRST, CollectionPolicy, policy_of


@pytest.mark.parametrize(
    ("chassis_type", "has_battery", "expected"),
    [
        (9, True, CollectionPolicy.DAILY),  # laptop
        (10, False, CollectionPolicy.DAILY),  # notebook whose battery is out
        (31, True, CollectionPolicy.DAILY),  # convertible
        (3, False, CollectionPolicy.HALF_HOURLY),  # desktop
        (3, True, CollectionPolicy.HALF_HOURLY),  # desktop with a power supply unit that counts as a battery
        (23, False, CollectionPolicy.HALF_HOURLY),  # rack mount
        (13, False, CollectionPolicy.HALF_HOURLY),  # all in one: stands on a desk
        (None, True, CollectionPolicy.DAILY),
        (2, True, CollectionPolicy.DAILY),
        (None, False, CollectionPolicy.HALF_HOURLY),
    ],
)
def test_what_one_person_carries_is_told_of_by_day(
    *, chassis_type: int | None, has_battery: bool, expected: CollectionPolicy
) -> None:
    assert policy_of(AUTO, chassis_type, has_battery=has_battery) is expected


@given(
    setting=st.sampled_from(CHOICES),
    chassis_type=st.none() | st.integers(0, 127),
    has_battery=st.booleans(),
    asked=st.sampled_from(CHOICES) | st.text(max_size=12) | st.none() | st.integers() | st.lists(st.none()),
)
def test_a_collector_can_only_ask_for_less(
    *, setting: str, chassis_type: int | None, has_battery: bool, asked: object
) -> None:
    own = policy_of(setting, chassis_type, has_battery=has_battery)
    kept = policy_of(setting, chassis_type, asked, has_battery=has_battery)
    assert STRICTEST_FIRST.index(kept) <= STRICTEST_FIRST.index(own)
    if isinstance(asked, str) and asked in set(STRICTEST_FIRST):
        assert kept is min(own, CollectionPolicy(asked), key=STRICTEST_FIRST.index)
    else:
        assert kept is own
