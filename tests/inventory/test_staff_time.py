"""Staff time: what counts, that nothing counts twice, that sums close, and that money stays a range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.staff_time import (
    BOTH,
    SIGNIN,
    STARTUP,
    Signin,
    StaffTime,
    Startup,
    estate_reference,
    fixed_reference,
    hours_lost,
    sort_waits,
    total,
)
from roadworthy_inventory.staff_value import (
    OTHER,
    UNASSIGNED,
    by_group,
    c5_evidence,
    full_time_equivalents,
    money,
)

DAY = date(2026, 11, 2)
NONE = fixed_reference(0, 0)
BOOT = Startup(
    device="d1", start_id="s1", day=DAY, kind="cold", seconds=100.0, attended=True, includes_signin=False
)
LOGON = Signin(
    device="d1",
    signin_id="i1",
    day=DAY,
    seconds=40.0,
    start_id="s1",
    first_on_device=False,
    after_update=False,
)


def lost(startups: list[Startup], signins: list[Signin]) -> StaffTime:
    return total(hours_lost(sort_waits(startups, signins), NONE).values())


def seconds(startups: list[Startup], signins: list[Signin]) -> float:
    return lost(startups, signins).lost_milliseconds / 1000


def test_a_start_up_and_its_sign_in_are_one_wait() -> None:
    found = lost([BOOT], [LOGON])
    assert (found.lost_milliseconds, found.waits, found.devices) == (140_000, 1, 1)
    assert (found.counted_startups, found.counted_signins) == (1, 1)


def test_a_start_up_that_covers_its_sign_in_counts_alone() -> None:
    found = lost([replace(BOOT, includes_signin=True)], [LOGON])
    assert found.lost_milliseconds == 100_000
    assert (found.counted_startups, found.counted_signins) == (1, 0)
    assert found.excluded_signins == {"within its start-up": 1}


@pytest.mark.parametrize(("signin", "longer"), [(40.0, 100.0), (130.0, 130.0)])
def test_where_nothing_tells_the_longer_of_the_two_counts(signin: float, longer: float) -> None:
    found = lost([replace(BOOT, includes_signin=None)], [replace(LOGON, seconds=signin)])
    assert found.lost_milliseconds == longer * 1000
    assert found.unsure == {"whether the start-up covers its sign-in": 1}


def test_only_the_first_sign_in_belongs_to_the_start_up() -> None:
    later = replace(LOGON, signin_id="i2", day=DAY + timedelta(2), seconds=7.0)
    same_day = replace(LOGON, signin_id="i0", seconds=9.0)
    covering = replace(BOOT, includes_signin=True)
    # The longest of that day is taken as its own: 100 + 9 + 7.
    assert seconds([covering], [later, same_day, LOGON]) == 116.0
    assert lost([covering], [later, same_day, LOGON]).waits == 3


@pytest.mark.parametrize(("after", "together"), [(0, True), (1, True), (2, False), (-1, False)])
def test_a_sign_in_days_later_is_a_wait_of_its_own(after: int, *, together: bool) -> None:
    found = sort_waits([BOOT], [replace(LOGON, day=DAY + timedelta(after))])
    assert [wait.basis for wait in found.waits] == ([BOTH] if together else [STARTUP, SIGNIN])


def test_sign_ins_without_a_start_up_count_too() -> None:
    alone = [replace(LOGON, signin_id="a", start_id=None), replace(LOGON, signin_id="b", start_id="gone")]
    found = lost([], alone)
    assert (found.lost_milliseconds, found.counted_signins, found.raw_startups) == (80_000, 2, 0)


def test_another_devices_start_up_is_not_its_own() -> None:
    assert lost([BOOT], [replace(LOGON, device="d2")]).waits == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"attended": False}, "unattended"),
        ({"attended": None}, "not known whether attended"),
        ({"kind": "update"}, "update"),
        ({"kind": "first"}, "first start-up"),
        ({"kind": "resume"}, "waking"),
        ({"kind": "hibernate"}, "waking"),
        ({"kind": "container"}, "container"),
        ({"kind": "other"}, "unheard-of kind"),
        ({"seconds": None}, "no length"),
        ({"seconds": -1.0}, "no length"),
        ({"seconds": float("nan")}, "no length"),
        ({"seconds": float("inf")}, "no length"),
        ({"seconds": 1e308}, "no length"),
        ({"quality": "suspect"}, "suspect measurement"),
        ({"quality": "unfinished"}, "not finished"),
    ],
)
def test_start_ups_left_out_are_counted_by_reason(changes: dict[str, Any], reason: str) -> None:
    found = lost([replace(BOOT, **changes)], [])
    assert (found.raw_startups, found.counted_startups, found.lost_milliseconds) == (1, 0, 0)
    assert found.excluded_startups == {reason: 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"first_on_device": True}, "first sign-in"),
        ({"after_update": True}, "update"),
        ({"seconds": None}, "no length"),
        ({"seconds": -0.5}, "no length"),
        ({"quality": "suspect"}, "suspect measurement"),
        ({"quality": "unfinished"}, "not finished"),
    ],
)
def test_sign_ins_left_out_are_counted_by_reason(changes: dict[str, Any], reason: str) -> None:
    found = lost([], [replace(LOGON, **changes)])
    assert (found.raw_signins, found.counted_signins, found.lost_milliseconds) == (1, 0, 0)
    assert found.excluded_signins == {reason: 1}


def test_the_sign_in_after_an_update_goes_with_it_and_the_next_does_not() -> None:
    update = replace(BOOT, kind="update")
    found = lost([update], [LOGON, replace(LOGON, signin_id="i2", day=DAY + timedelta(1))])
    assert found.excluded_startups == {"update": 1}
    assert found.excluded_signins == {"update": 1}
    assert found.counted_signins == 1


def test_a_sign_in_after_an_unattended_start_up_is_a_wait() -> None:
    found = lost([replace(BOOT, attended=False)], [LOGON])
    assert (found.lost_milliseconds, found.counted_startups, found.counted_signins) == (40_000, 0, 1)


def test_a_start_up_that_covers_a_first_sign_in_goes_with_it() -> None:
    first = replace(LOGON, first_on_device=True)
    assert lost([replace(BOOT, includes_signin=True)], [first]).excluded_startups == {"first sign-in": 1}
    assert seconds([BOOT], [first]) == 100.0


def test_what_is_not_known_is_counted_and_told() -> None:
    found = lost([replace(BOOT, kind="unknown")], [replace(LOGON, first_on_device=None)])
    assert found.unsure == {"first sign-in": 1, "kind of start-up": 1}
    assert found.waits == 1


def test_a_record_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        sort_waits([BOOT, replace(BOOT, seconds=5.0)], [])
    with pytest.raises(ValueError, match="twice"):
        sort_waits([], [LOGON, LOGON])


def test_the_hours_are_those_above_the_reference() -> None:
    startups = [
        replace(BOOT, start_id=str(n), seconds=length) for n, length in enumerate((59.0, 60.0, 61.0, 3660.0))
    ]
    found = total(hours_lost(sort_waits(startups, []), fixed_reference(60, 10)).values())
    assert (found.lost_milliseconds, found.waits, found.slow_waits) == (3_601_000, 4, 2)
    assert found.hours == pytest.approx(1.000278, abs=1e-6)


def test_each_kind_of_wait_has_its_own_reference() -> None:
    startups = [BOOT, replace(BOOT, device="d2"), replace(BOOT, device="d3", includes_signin=True)]
    signins = [LOGON, replace(LOGON, device="d4")]
    found = hours_lost(sort_waits(startups, signins), fixed_reference(60, 10))
    assert {device: time.lost_milliseconds for device, time in found.items()} == {
        "d1": 70_000,
        "d2": 40_000,
        "d3": 30_000,
        "d4": 30_000,
    }


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_a_reference_is_a_length(bad: float) -> None:
    with pytest.raises(ValueError, match="a reference is a number of seconds"):
        fixed_reference(bad, 10)
    with pytest.raises(ValueError, match="a reference is a number of seconds"):
        fixed_reference(60, bad)


def test_the_published_example() -> None:
    # 30,000 PCs, 220 start-ups of half an hour against a minute: 3.19 million hours. One PC of them:
    startups = [replace(BOOT, start_id=str(n), seconds=1800.0) for n in range(220)]
    found = total(hours_lost(sort_waits(startups, []), fixed_reference(60, 10)).values())
    assert found.hours * 30_000 == pytest.approx(3.19e6)
    worth = money(found, 2500)
    assert worth.high_pence * 30_000 == pytest.approx(79.75e8, rel=1e-4)
    assert worth.low_pence * 30_000 == pytest.approx(19.94e8, rel=1e-3)


def estate(lengths: Mapping[str, list[float]]) -> list[Startup]:
    return [
        replace(BOOT, device=device, start_id=str(n), seconds=length)
        for device, of in lengths.items()
        for n, length in enumerate(of)
    ]


def test_the_estates_own_reference_is_a_median_of_devices() -> None:
    # The device that starts a hundred times weighs no more than another; the slow one is not eligible.
    lengths = {
        "a": [20.0] * 100,
        "b": [30.0],
        "c": [40.0, 41.0, 90.0],
        "d": [50.0],
        "e": [60.0],
        "x": [900.0],
    }
    waits = sort_waits(estate(lengths), [])
    found = estate_reference(waits, {"a", "b", "c", "d", "e"})
    assert (found.startup_seconds, found.devices[STARTUP]) == (41.0, 5)
    assert (found.signin_seconds, found.startup_and_signin_seconds) == (None, None)
    assert estate_reference(waits, {"a", "b", "c", "d"}).startup_seconds is None


def test_without_a_reference_nothing_is_held_against_zero() -> None:
    waits = sort_waits([BOOT, replace(BOOT, device="d2")], [LOGON])
    found = total(hours_lost(waits, estate_reference(waits, set())).values())
    assert (found.lost_milliseconds, found.waits, found.devices) == (0, 0, 0)
    assert (found.excluded_startups, found.excluded_signins) == ({"no reference": 2}, {"no reference": 1})


def test_money_is_a_range_and_has_no_single_figure_of_its_own() -> None:
    hour = replace(lost([], []), lost_milliseconds=3_600_000)
    found = money(hour, 2501)
    assert (found.low_pence, found.high_pence, found.chosen_pence) == (625, 2501, None)
    assert found.cashable is False
    assert money(hour, 2501, 0.5).chosen_pence == 1251  # 1250.5, half up
    assert money(hour, 2501, 1).chosen_pence == 2501


@pytest.mark.parametrize("factor", [0.0, -0.1, 1.01, float("nan"), float("inf")])
def test_a_loss_factor_is_a_share(factor: float) -> None:
    with pytest.raises(ValueError, match="loss factor"):
        money(lost([], []), 2500, factor)


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_is_the_users_own(rate: int) -> None:
    with pytest.raises(ValueError, match="state your own"):
        money(lost([], []), rate)


def test_posts_only_with_stated_hours() -> None:
    time = replace(lost([], []), lost_milliseconds=1500 * 3_600_000)
    assert full_time_equivalents(time, None) is None
    assert full_time_equivalents(time, 1500) == 1.0
    for hours in (0.0, -5.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="fill no post"):
            full_time_equivalents(time, hours)


def test_the_legacy_framework_gets_hours_and_no_score() -> None:
    found = c5_evidence(lost([BOOT], []), DAY, DAY, 40)
    assert (found.hours, found.devices, found.devices_in_scope) == (100 / 3600, 1, 40)
    with pytest.raises(ValueError, match="ends"):
        c5_evidence(lost([BOOT], []), DAY, DAY - timedelta(1), 40)
    with pytest.raises(ValueError, match="in scope"):
        c5_evidence(lost([BOOT], []), DAY, DAY, 0)


def people(sizes: Mapping[str, int]) -> tuple[dict[str, StaffTime], dict[str, str]]:
    group_of = {f"{group}-{n}": group for group, size in sizes.items() for n in range(size)}
    startups = [replace(BOOT, device=device) for device in group_of]
    return hours_lost(sort_waits(startups, []), NONE), group_of


def test_small_groups_are_folded_and_the_sums_close() -> None:
    devices, group_of = people({"A": 9, "B": 4, "C": 3, "D": 5})
    found = by_group(devices, group_of)
    assert {group: time.devices for group, time in found.groups.items()} == {"A": 9, "D": 5, OTHER: 7}
    assert (found.folded, found.suppressed) == (("B", "C"), False)


def test_one_small_group_takes_the_next_along() -> None:
    # "other" of three devices would be that group under another name.
    devices, group_of = people({"A": 9, "B": 3, "C": 6})
    found = by_group(devices, group_of)
    assert {group: time.devices for group, time in found.groups.items()} == {"A": 9, OTHER: 9}
    assert found.folded == ("B", "C")


def test_a_small_whole_is_not_shown() -> None:
    devices, group_of = people({"A": 2, "B": 2})
    found = by_group(devices, group_of)
    assert (dict(found.groups), found.suppressed) == ({}, True)


def test_devices_that_nobody_waited_for_do_not_make_a_group_large() -> None:
    devices, group_of = people({"A": 4, "B": 20})
    idle = [replace(BOOT, device=f"idle-{n}", attended=False) for n in range(10)]
    devices |= hours_lost(sort_waits(idle, []), NONE)
    group_of |= {one.device: "A" for one in idle}
    assert by_group(devices, group_of).folded == ("A", "B")


def test_without_a_group_they_are_unassigned() -> None:
    devices, _ = people({"A": 6})
    assert list(by_group(devices, {}).groups) == [UNASSIGNED]


LENGTHS = st.none() | st.floats(0, 5000) | st.sampled_from([float("nan"), -1.0, 1e308])
MAYBE = st.none() | st.booleans()
DAYS = st.dates(DAY, DAY + timedelta(3))
DEVICES = st.sampled_from([f"d{n}" for n in range(8)])
QUALITIES = st.sampled_from(["measured", "measured", "approximate", "suspect", "unfinished"])
STARTUPS = st.lists(
    st.builds(
        Startup,
        device=DEVICES,
        start_id=st.sampled_from(["s1", "s2", "s3"]),
        day=DAYS,
        kind=st.sampled_from(["cold", "restart", "update", "first", "resume", "unknown", "odd"]),
        seconds=LENGTHS,
        attended=MAYBE,
        quality=QUALITIES,
        includes_signin=MAYBE,
    ),
    max_size=20,
    unique_by=lambda one: (one.device, one.start_id),
)
SIGNINS = st.lists(
    st.builds(
        Signin,
        device=DEVICES,
        signin_id=st.sampled_from(["i1", "i2", "i3", "i4"]),
        day=DAYS,
        seconds=LENGTHS,
        start_id=st.none() | st.sampled_from(["s1", "s2", "s3"]),
        first_on_device=MAYBE,
        after_update=MAYBE,
        quality=QUALITIES,
    ),
    max_size=25,
    unique_by=lambda one: (one.device, one.signin_id),
)
REFERENCES = st.builds(fixed_reference, st.floats(0, 600), st.floats(0, 600))


@given(STARTUPS, SIGNINS, REFERENCES)
def test_counted_and_excluded_are_all_there_was(
    startups: list[Startup], signins: list[Signin], reference: Any
) -> None:
    waits = sort_waits(startups, signins)
    for held in (reference, estate_reference(waits, {"d1", "d2"}, minimum=1)):
        devices = hours_lost(waits, held)
        for time in [*devices.values(), total(devices.values())]:
            assert time.raw_startups == time.counted_startups + sum(time.excluded_startups.values())
            assert time.raw_signins == time.counted_signins + sum(time.excluded_signins.values())
            assert 0 <= time.slow_waits <= time.waits
            assert time.lost_milliseconds >= 0
        whole = total(devices.values())
        assert (whole.raw_startups, whole.raw_signins) == (len(startups), len(signins))


@given(STARTUPS, SIGNINS, REFERENCES)
def test_hours_are_additive_over_devices(
    startups: list[Startup], signins: list[Signin], reference: Any
) -> None:
    together = hours_lost(sort_waits(startups, signins), reference)
    for device in {one.device for one in [*startups, *signins]}:
        own = sort_waits(
            [one for one in startups if one.device == device],
            [one for one in signins if one.device == device],
        )
        assert hours_lost(own, reference) == {device: together[device]}
    assert total(together.values()).lost_milliseconds == sum(
        one.lost_milliseconds for one in together.values()
    )


@given(STARTUPS, SIGNINS, st.floats(0, 600), st.floats(0, 600), st.floats(0, 300), st.floats(0, 300))
def test_a_longer_reference_never_loses_more(
    startups: list[Startup], signins: list[Signin], start: float, sign: float, longer: float, longest: float
) -> None:
    waits = sort_waits(startups, signins)
    short = total(hours_lost(waits, fixed_reference(start, sign)).values())
    long = total(hours_lost(waits, fixed_reference(start + longer, sign + longest)).values())
    assert long.lost_milliseconds <= short.lost_milliseconds


@given(STARTUPS, SIGNINS)
def test_no_wait_counts_twice(startups: list[Startup], signins: list[Signin]) -> None:
    found = total(hours_lost(sort_waits(startups, signins), NONE).values())
    lengths = [one.seconds for one in [*startups, *signins]]
    usable = [length for length in lengths if length is not None and 0 <= length < 1e300]
    assert found.lost_milliseconds <= sum(round(length * 1000) for length in usable)
    assert found.waits <= found.counted_startups + found.counted_signins


@given(st.permutations([BOOT, replace(BOOT, start_id="s2", includes_signin=True)]), st.randoms())
def test_the_order_of_the_records_does_not_matter(startups: list[Startup], random: Any) -> None:
    signins = [
        replace(LOGON, signin_id=f"i{n}", start_id=f"s{n % 2 + 1}", seconds=10.0 * n) for n in range(6)
    ]
    shuffled = random.sample(signins, len(signins))
    assert lost(startups, shuffled) == lost(
        [BOOT, replace(BOOT, start_id="s2", includes_signin=True)], signins
    )


@given(st.dictionaries(st.sampled_from(["A", "B", "C", "D", "other"]), st.integers(0, 8), max_size=5))
def test_groups_add_up_and_none_shown_is_small(sizes: dict[str, int]) -> None:
    devices, group_of = people(sizes)
    found = by_group(devices, group_of)
    if found.suppressed:
        assert 0 < len(devices) < 5
        return
    assert total(found.groups.values()) == total(devices.values())
    assert all(time.devices >= 5 for time in found.groups.values())


@given(st.integers(0, 10**12), st.integers(1, 10**5), st.floats(0.25, 1))
def test_the_users_own_factor_lies_in_the_range(length: int, rate: int, factor: float) -> None:
    found = money(replace(lost([], []), lost_milliseconds=length), rate, factor)
    assert found.chosen_pence is not None
    assert found.low_pence <= found.chosen_pence <= found.high_pence
