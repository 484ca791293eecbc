"""The energy ledger: joules add up whatever the grouping, errors as they should, and nothing unknown is nought."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.ledger import QUALITIES, Entry, Facts, LedgerError, Total, total, wall
from roadworthy_inventory.replacement_inputs import Range

DAY = 86_400
NEW = dt.date(2022, 1, 1)
seconds = st.fixed_dictionaries(
    {state: st.floats(0, 20_000) for state in ("in_use", "idle", "locked", "asleep", "off", "unobserved")}
)
joules = st.dictionaries(
    st.sampled_from(["cpu", "machine", "wall", "memory"]),
    st.dictionaries(st.sampled_from(QUALITIES), st.integers(0, 10**9), min_size=1, max_size=2),
    max_size=3,
)
rests = st.none() | st.builds(RestOfMachine, st.just(Range(3, 6, 9)), st.integers(3, 50), st.floats(0, 5))
facts = st.builds(
    Facts,
    item_class=st.sampled_from(["laptop", "desktop", "server", "unknown"]),
    made=st.none() | st.just(NEW),
    seconds=seconds,
    observed_seconds=st.floats(0, DAY),
    joules=joules,
    rest=rests,
    model=st.sampled_from(["A", "B"]),
)


def _day(**joules: dict[str, int]) -> Facts:
    states = {"in_use": 6.0 * 3600, "idle": 2.0 * 3600, "asleep": 0.0, "off": 16.0 * 3600}
    return Facts(item_class="desktop", made=NEW, seconds=states, observed_seconds=8.0 * 3600, joules=joules)


@given(st.lists(facts, max_size=12), st.randoms(use_true_random=False), st.integers(1, 4))
def test_a_sum_is_the_same_however_it_is_grouped(some: list[Facts], chance: object, groups: int) -> None:
    entries = [wall(one) for one in some]
    whole = total(entries)
    chance.shuffle(entries)  # type: ignore[attr-defined]  # hypothesis' own Random
    parts = Total()
    for number in range(groups):
        parts.merge(total(entries[number::groups]))
    assert parts.joules == whole.joules
    assert whole.wall_joules == sum(sum(entry.joules.values()) for entry in entries)
    assert parts.unknown_seconds == pytest.approx(whole.unknown_seconds)
    assert parts.interval_joules() == pytest.approx(whole.interval_joules())


@given(facts)
def test_every_entry_is_whole_joules_with_an_interval_around_them(one: Facts) -> None:
    entry = wall(one)
    assert set(entry.joules) == set(QUALITIES)
    assert all(isinstance(told, int) and told >= 0 for told in entry.joules.values())
    low, likely, high = total([entry]).interval_joules()
    assert 0 <= low <= likely <= high
    assert entry.unknown_seconds >= 0


def test_a_meter_at_the_wall_is_believed_alone() -> None:
    entry = wall(_day(wall={"metered": 1_000_000}, machine={"sensor": 500_000}, cpu={"sensor": 200_000}))
    assert entry.joules == {"metered": 1_000_000, "sensor": 0, "modelled": 0, "assumed": 0}
    assert total([entry]).interval_joules() == pytest.approx((980_000, 1_000_000, 1_020_000))


def test_a_machine_counter_gets_its_conversion_and_its_nights() -> None:
    entry = wall(_day(machine={"sensor": 880_000}))
    assert entry.joules["sensor"] == 880_000
    assert entry.joules["modelled"] == pytest.approx(120_000 + 16 * 3600 * 1, abs=2)  # 1 W switched off


def test_a_processor_counter_gets_the_rest_its_siblings_taught() -> None:
    one = _day(cpu={"sensor": 100_000})
    taught = Facts(
        item_class="desktop",
        made=NEW,
        seconds=one.seconds,
        observed_seconds=one.observed_seconds,
        joules=one.joules,
        rest=RestOfMachine(Range(8, 10, 12), 9, 1.2),
        model="A",
    )
    inner = 100_000 + 10 * 8 * 3600
    assert wall(taught).wall_joules == pytest.approx(inner / 0.88 + 16 * 3600, abs=3)
    untaught = wall(one)
    assert untaught.wall_joules == pytest.approx(6 * 3600 * 33 + 2 * 3600 * 12 + 16 * 3600, abs=3)
    assert untaught.joules["sensor"] == 100_000


def test_on_in_no_known_state_is_assumed_and_the_rest_is_unknown() -> None:
    entry = wall(
        Facts(item_class="laptop", made=NEW, seconds={"unobserved": float(DAY)}, observed_seconds=10 * 3600.0)
    )
    assert entry.joules["assumed"] == round(7.1 * 10 * 3600)
    assert entry.joules["modelled"] == 0
    assert entry.unknown_seconds == DAY - 10 * 3600


def test_a_class_nobody_publishes_keeps_its_counter_and_is_counted() -> None:
    entry = wall(
        Facts(
            item_class="unknown",
            made=None,
            seconds={"in_use": 3600.0},
            observed_seconds=3600.0,
            joules={"cpu": {"sensor": 50_000}},
        )
    )
    assert entry.wall_joules == 50_000
    assert entry.unknown_seconds == 3600


def test_a_shared_error_adds_in_a_line_and_own_errors_in_quadrature() -> None:
    modelled = total(wall(_day()) for _ in range(100)).interval_joules()
    alone = total([wall(_day())]).interval_joules()
    assert modelled.high - modelled.likely == pytest.approx(100 * (alone.high - alone.likely))
    metered = total(wall(_day(wall={"metered": 1_000_000})) for _ in range(100)).interval_joules()
    assert metered.high - metered.likely == pytest.approx(math.sqrt(100) * 20_000)


def test_shares_are_of_the_whole_and_of_nothing_there_is_none() -> None:
    shares = total([wall(_day(machine={"sensor": 880_000}))]).shares()
    assert sum(share for share in shares.values() if share is not None) == pytest.approx(1)
    assert Total().shares() == dict.fromkeys(QUALITIES)
    assert total([Entry({"metered": 5})]).shares()["metered"] == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"joules": {"wall": {"guessed": 1}}}, "'guessed'"),
        ({"joules": {"wall": {"metered": -1}}}, "below nought"),
        ({"seconds": {"dozing": 1.0}}, "'dozing'"),
        ({"seconds": {"idle": -1.0}}, "-1.0 seconds idle"),
        ({"observed_seconds": math.nan}, "observed seconds"),
    ],
)
def test_facts_that_cannot_be_are_refused(change: dict[str, object], says: str) -> None:
    given_facts = {"item_class": "laptop", "made": None, "seconds": {}, "observed_seconds": 0.0} | change
    with pytest.raises(LedgerError, match=says):
        wall(Facts(**given_facts))  # type: ignore[arg-type]  # that is what is tried
