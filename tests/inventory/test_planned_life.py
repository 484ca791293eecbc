"""Ageing: years against planned life; unknown age is its own class, and nothing here says legacy."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.planned_life import (
    AGE_BANDS,
    BANDS,
    OwnLife,
    OwnLifeError,
    age_band,
    ageing,
    parse_own_lives,
    parse_planned_lives,
    planned_lives,
)
from roadworthy_inventory.tables import TableError

ON = date(2026, 11, 21)
HEADER = "item_class,years,low_years,high_years,note,source,as_of\n"


def test_every_life_has_its_source_and_lies_in_its_range() -> None:
    lives = planned_lives()
    assert {"laptop", "desktop", "server", "monitor", "printer", "network", "ups_battery"} <= set(lives)
    for life in lives.values():
        assert life.source.startswith("https://")
        assert life.low_years <= life.years <= life.high_years


@pytest.mark.parametrize(
    ("since", "band"),
    [
        (date(2025, 11, 21), "first_half"),
        (date(2024, 11, 22), "first_half"),
        (date(2024, 11, 20), "second_half"),
        (date(2022, 11, 22), "second_half"),
        (date(2022, 11, 20), "past"),
        (date(2020, 11, 22), "past"),
        (date(2020, 11, 20), "long_past"),
        (None, "unknown_age"),
        (ON + timedelta(days=1), "unknown_age"),
    ],
)
def test_bands(since: date | None, band: str) -> None:
    found = ageing("laptop", since, ON)
    assert found.band == band
    assert (found.ratio is None) == (band == "unknown_age")
    assert bool(found.reason) == (band == "unknown_age")
    assert found.planned_years == 4


def test_what_the_register_and_the_organisation_say_goes_first() -> None:
    since = date(2021, 11, 21)
    assert ageing("laptop", since, ON, own={"laptop": OwnLife(10.0, "ICT strategy")}).planned_years == 10
    assert (
        ageing("laptop", since, ON, own={"laptop": OwnLife(10.0, "ICT strategy")}).source
        == "stated by the organisation: ICT strategy"
    )
    assert ageing("dock", since, ON, own={"dock": OwnLife(6)}).source == "stated by the organisation"
    found = ageing(
        "laptop", since, ON, own={"laptop": OwnLife(10.0, "ICT strategy")}, planned_end=date(2027, 11, 21)
    )
    assert found.planned_years == pytest.approx(6, abs=0.01)
    assert found.source == "the register's planned end"
    assert (
        ageing("laptop", since, ON, planned_end=date(2020, 1, 1)).planned_years == 4
    )  # an end before its start


def test_a_class_without_a_life_has_none() -> None:
    found = ageing("dock", date(2020, 1, 1), ON)
    assert (found.band, found.planned_years, found.ratio) == ("no_planned_life", None, None)
    assert found.age_years


@pytest.mark.parametrize(
    ("since", "band"),
    [(ON, "under_1"), (date(2019, 11, 1), "7_and_over"), (date(1990, 1, 1), "7_and_over"), (None, "unknown")],
)
def test_age_bands(since: date | None, band: str) -> None:
    assert age_band(since, ON) == band


@given(st.dates(date(1980, 1, 1), date(2040, 1, 1)), st.sampled_from([*planned_lives(), "other"]))
def test_every_age_has_a_band_and_time_only_moves_it_on(since: date, item_class: str) -> None:
    order = {band: at for at, band in enumerate(BANDS[:4])}
    now, later = (ageing(item_class, since, on) for on in (ON, ON + timedelta(days=400)))
    assert now.band in BANDS
    assert age_band(since, ON) in AGE_BANDS
    if now.band in order and later.band in order:
        assert order[now.band] <= order[later.band]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("laptop,x,3,5,,https://example.org,2026-01-01\n", "line 2: years: 'x' is no number of years"),
        ("laptop,nan,3,5,,https://example.org,2026-01-01\n", "line 2: years: 'nan' is no number of years"),
        ("laptop,0,0,5,,https://example.org,2026-01-01\n", "line 2: low_years: '0' is no number"),
        ("laptop,9,3,5,,https://example.org,2026-01-01\n", "line 2: years: 9 is outside its own range"),
        ("laptop,4,3,5,,https://example.org,2026-01-01\n" * 2, "line 3: item_class: laptop is there twice"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(row: str, message: str) -> None:
    with pytest.raises(TableError, match=f"planned_life.csv: {message}"):
        parse_planned_lives(HEADER + row)


def test_an_organisation_states_its_own_lives() -> None:
    text = '[laptop]\nyears = 5\nsource = "ICT strategy"\n\n[monitor]\nyears = 7.5\n'
    assert parse_own_lives(text) == {"laptop": OwnLife(5.0, "ICT strategy"), "monitor": OwnLife(7.5)}
    assert parse_own_lives("# nothing yet") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("laptop = 5\n", "line 1: write a table"),
        ("[laptop]\nyears = nan\n", "line 2: years"),
        ("[laptop]\nyears = true\n", "line 2: years"),
        ('[laptop]\nyears = "5"\n', "line 2: years"),
        ("[laptop]\n", "line 1: years"),
        ("[laptop]\nyears = 5\nwhy = 1\n", "line 3: why is no key"),
        ("[laptop]\nyears = 5\nsource = 1\n", "line 3: source"),
        ("\n[toaster]\nyears = 5\n", "line 2: toaster is no class"),
        ("[laptop", "planned lives: "),
    ],
)
def test_lives_that_are_wrong_are_refused_with_their_line(text: str, said: str) -> None:
    with pytest.raises(OwnLifeError, match=said):
        parse_own_lives(text)
