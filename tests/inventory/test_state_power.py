"""Energy by state: what is known is modelled, what is not is assumed or counted, and never nought."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.carbon.state_power import (
    AVERAGE,
    STATES,
    UNOBSERVED,
    energy,
    parse_state_watts,
    state_watts,
    watts_of,
)
from roadworthy_inventory.tables import TableError

HEADER = "item_class,state,made_from,made_before,low_watts,likely_watts,high_watts,basis,note,source,as_of\n"
NEW, OLD = dt.date(2022, 1, 1), dt.date(2008, 1, 1)
spent = st.dictionaries(st.sampled_from([*STATES, UNOBSERVED]), st.floats(0, 86_400), max_size=6)
classes = st.sampled_from(["laptop", "desktop", "server", "all_in_one", "tablet", "network", "unknown"])


def test_every_row_has_its_source_and_more_use_draws_no_less() -> None:
    for item_class in ("laptop", "desktop", "all_in_one", "tablet", "server"):
        for made in (OLD, NEW, None):
            idle, in_use, off = (watts_of(item_class, state, made) for state in ("idle", "in_use", "off"))
            assert idle is not None
            assert in_use is not None
            assert off is not None
            assert off.watts.likely < idle.watts.likely < in_use.watts.likely
    assert all(row.source.startswith("https://") for rows in state_watts().values() for row in rows)


def test_age_decides_and_an_unknown_age_is_the_newest() -> None:
    assert watts_of("desktop", "idle", OLD) != watts_of("desktop", "idle", NEW)
    assert watts_of("desktop", "idle") == watts_of("desktop", "idle", NEW)
    assert watts_of("desktop", "idle", dt.date(2010, 1, 1)) == watts_of("desktop", "idle", NEW)
    assert watts_of("desktop", "idle", dt.date(2009, 12, 31)) == watts_of("desktop", "idle", OLD)


def test_a_night_off_is_a_night_off() -> None:
    found = energy("desktop", NEW, {"in_use": 8 * 3600, "off": 16 * 3600})
    assert found.modelled_joules.likely == pytest.approx(8 * 3600 * 33 + 16 * 3600 * 1)
    assert found.assumed_joules.high == 0
    assert found.unknown_seconds == 0


def test_on_without_a_state_is_assumed_between_idle_and_in_use() -> None:
    found = energy("laptop", NEW, {UNOBSERVED: 3600})
    assert found.modelled_joules.high == 0
    assert found.assumed_joules == pytest.approx((1.7 * 3600, 7.1 * 3600, 20 * 3600))


def test_a_class_without_a_row_is_counted_and_not_nought() -> None:
    found = energy("network", NEW, {"in_use": 60, UNOBSERVED: 40})
    assert found.unknown_seconds == 100
    assert energy("printer", None, {AVERAGE: 100}).modelled_joules.likely == pytest.approx(220)


@given(classes, spent, spent)
def test_energy_adds_up_over_time(item_class: str, one: dict[str, float], other: dict[str, float]) -> None:
    both = {state: one.get(state, 0) + other.get(state, 0) for state in one.keys() | other.keys()}
    parts, whole = [energy(item_class, NEW, some) for some in (one, other)], energy(item_class, NEW, both)
    assert whole.unknown_seconds == pytest.approx(sum(part.unknown_seconds for part in parts))
    for name in ("modelled_joules", "assumed_joules"):
        for index in range(3):
            told = sum(getattr(part, name)[index] for part in parts)
            assert getattr(whole, name)[index] == pytest.approx(told)
        low, likely, high = getattr(whole, name)
        assert 0 <= low <= likely <= high


@pytest.mark.parametrize("seconds", [{"awake": 1.0}, {"idle": -1.0}, {"idle": float("nan")}])
def test_seconds_that_are_none_are_refused(seconds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="none"):
        energy("laptop", NEW, seconds)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("laptop,dozing,,,1,2,3,ours,x,https://x.example,2026-01-01\n", "line 2: state: 'dozing'"),
        ("laptop,idle,,,3,2,1,ours,x,https://x.example,2026-01-01\n", "line 2: watts: 3.0, 2.0, 1.0"),
        ("laptop,idle,,,a,2,3,ours,x,https://x.example,2026-01-01\n", "line 2: watts: could not"),
        ("laptop,idle,,,1,2,3,guess,x,https://x.example,2026-01-01\n", "line 2: basis: 'guess'"),
        (
            "laptop,idle,,,1,2,3,ours,x,https://x.example,2026-01-01\n" * 2,
            "line 3: two rows are about the same",
        ),
    ],
)
def test_a_wrong_row_is_named(rows: str, says: str) -> None:
    with pytest.raises(TableError, match=says):
        parse_state_watts(HEADER + rows)
