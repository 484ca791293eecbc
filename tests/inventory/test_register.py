"""The register: states, ages with their unknowns, and one item over several device ids."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.register import (
    LIFECYCLE_STATES,
    USUAL_TRANSITIONS,
    DeviceSpan,
    ItemHistory,
    RegisterError,
    RegisterItem,
    age,
    age_bands,
    transition_warning,
)

ON = dt.date(2026, 11, 1)


@pytest.mark.parametrize("state", LIFECYCLE_STATES)
def test_every_state_has_its_usual_ways_on(state: str) -> None:
    assert USUAL_TRANSITIONS[state] <= set(LIFECYCLE_STATES)
    assert transition_warning(state, state) is None
    assert transition_warning("unknown", state) is None


def test_unusual_transitions_are_warned_of_and_not_refused() -> None:
    assert transition_warning("stores", "deployed") is None
    assert transition_warning("disposed", "deployed") == (
        "from disposed to deployed is unusual: disposed is usually the last state"
    )
    assert "after ordered usually comes stores, build" in (transition_warning("ordered", "disposed") or "")


def test_words_that_are_no_state_are_refused() -> None:
    with pytest.raises(RegisterError, match="'scrapped' is no lifecycle state; use one of ordered"):
        transition_warning("deployed", "scrapped")
    with pytest.raises(RegisterError, match="'scrapped'"):
        transition_warning("scrapped", "deployed")


@pytest.mark.parametrize(
    ("item", "years", "basis", "at_least"),
    [
        (RegisterItem(purchased=dt.date(2022, 11, 1)), 4.0, "purchased", False),
        (RegisterItem(purchased=ON), 0.0, "purchased", False),
        (RegisterItem(warranty_start=dt.date(2025, 11, 1)), 1.0, "warranty_start", False),
        (RegisterItem(bios_date=dt.date(2019, 11, 1)), 7.0, "bios_date", True),
        (
            RegisterItem(purchased=dt.date(2021, 11, 1), bios_date=dt.date(2018, 1, 1)),
            5.0,
            "purchased",
            False,
        ),
        (RegisterItem(purchased=dt.date(2027, 1, 1), bios_date=dt.date(2025, 11, 1)), 1.0, "bios_date", True),
    ],
)
def test_age(item: RegisterItem, years: float, basis: str, *, at_least: bool) -> None:
    found = age(item, ON)
    assert found.years == pytest.approx(years, abs=0.01)
    assert (found.basis, found.at_least) == (basis, at_least)


def test_unknown_age_is_a_class_of_its_own() -> None:
    assert age(RegisterItem(), ON).reason == "no purchase, warranty start or firmware date"
    future = age(RegisterItem(purchased=dt.date(2027, 1, 1)), ON)
    assert (future.years, future.reason) == (None, "purchased 2027-01-01 is after 2026-11-01")
    bands = age_bands(
        [RegisterItem(), RegisterItem(purchased=ON), RegisterItem(purchased=dt.date(2010, 1, 1))], ON
    )
    assert (bands["unknown"], bands["under 1"], bands["10 and over"]) == (1, 1, 1)


@given(st.lists(st.none() | st.dates(dt.date(2000, 1, 1), dt.date(2030, 1, 1)), max_size=40))
def test_bands_sum_to_the_items(days: list[dt.date | None]) -> None:
    items = [RegisterItem(purchased=day) for day in days]
    assert sum(age_bands(items, ON).values()) == len(items)


def test_one_item_keeps_its_history_over_several_devices() -> None:
    first, second = dt.date(2024, 1, 1), dt.date(2025, 6, 1)
    history = ItemHistory(RegisterItem(tag="A1")).link(first, "dev-1", "enrolled")
    history = history.unlink(second, "dev-1", "re_imaged").link(second, "dev-2", "re_imaged")
    assert history.device_spans() == (DeviceSpan("dev-1", first, second), DeviceSpan("dev-2", second, None))
    assert history.devices_on(dt.date(2023, 12, 31)) == frozenset()
    assert history.devices_on(dt.date(2025, 5, 31)) == {"dev-1"}
    assert history.devices_on(second) == {"dev-2"}


def test_changes_are_events_and_days_gone_by_stay_answerable() -> None:
    history = ItemHistory(RegisterItem(tag="A1", lifecycle_state="stores", unit="Ops"))
    history = history.change(dt.date(2025, 1, 1), "lifecycle_state", "deployed")
    history = history.change(dt.date(2025, 3, 1), "unit", "Crime")
    assert history.item.unit == "Crime"
    assert history.item_on(dt.date(2025, 2, 1)) == RegisterItem(
        tag="A1", lifecycle_state="deployed", unit="Ops"
    )
    assert history.item_on(dt.date(2024, 12, 31)).lifecycle_state == "stores"
    assert history.change(dt.date(2025, 4, 1), "unit", "Crime") is history


def test_what_history_cannot_hold_is_refused() -> None:
    history = ItemHistory(RegisterItem()).link(dt.date(2025, 1, 1), "dev-1", "enrolled")
    with pytest.raises(RegisterError, match="linked to this item already"):
        history.link(dt.date(2025, 2, 1), "dev-1", "matched")
    with pytest.raises(RegisterError, match="not linked"):
        history.unlink(dt.date(2025, 2, 1), "dev-2", "retired")
    with pytest.raises(RegisterError, match="no reason to link"):
        history.link(dt.date(2025, 2, 1), "dev-2", "because")
    with pytest.raises(RegisterError, match="no reason to unlink"):
        history.unlink(dt.date(2025, 2, 1), "dev-1", "because")
    with pytest.raises(RegisterError, match="appended to, never rewritten"):
        history.link(dt.date(2024, 12, 31), "dev-2", "matched")
    with pytest.raises(RegisterError, match="no field of a register item"):
        history.change(dt.date(2025, 2, 1), "colour", "red")


CHANGES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["unit", "site", "notes"]), st.none() | st.text(max_size=3)),
    max_size=12,
)


@given(CHANGES)
def test_any_day_is_as_it_was_written_then(changes: list[tuple[int, str, str | None]]) -> None:
    history, day = ItemHistory(RegisterItem(tag="A")), dt.date(2025, 1, 1)
    seen = {day: history.item}
    for wait, name, value in changes:
        day += dt.timedelta(days=wait)
        history = history.change(day, name, value)
        seen[day] = history.item
    assert all(history.item_on(on) == item for on, item in seen.items())
