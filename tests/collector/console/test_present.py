"""Numbers and times as a person reads them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from roadworthy_collector.console import present
from roadworthy_collector.console.device import ticks
from roadworthy_collector.console.present import LocalTime

_SIZES = {"d": 86400, "h": 3600, "min": 60, "s": 1}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (4.2, "4.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (83, "1 min 23 s"),
        (3600, "1 h"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
        (-5, "-5.0 s"),
        (-0.002, "0.0 s"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert present.duration(seconds) == text


@given(st.floats(min_value=0, max_value=4e7))
def test_a_duration_says_what_it_is_given(seconds: float) -> None:
    text = present.duration(seconds)
    said = sum(float(number) * _SIZES[unit] for number, unit in re.findall(r"([0-9.]+) (d|h|min|s)", text))
    smallest = _SIZES[text.rsplit(" ", 1)[1]]
    assert abs(said - seconds) <= max(smallest, 0.06)


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (present.share, 0.1234, "12.3%"),
        (present.memory_size, 16 * 2**30, "16 GiB"),
        (present.memory_size, 16_600_000_000, "15.5 GiB"),
        (present.memory_size, 0, "0 B"),
        (present.disk_size, 512_110_190_592, "512 GB"),
        (present.disk_size, 10**12, "1 TB"),
        (present.energy, 1_800, "0.5 Wh"),
        (present.energy, 9_000_000, "2.50 kWh"),
        (present.count, 12345, "12,345"),
    ],
)
def test_figures_carry_their_unit(function: object, value: float, text: str) -> None:
    assert callable(function)
    assert function(value) == text


def test_plurals() -> None:
    assert present.many(1, "device") == "1 device"
    assert present.many(0, "device") == "0 devices"
    assert present.many(2, "match", "matches") == "2 matches"


def test_times_are_local_and_name_their_zone() -> None:
    when = LocalTime("Europe/London", 1_782_000_000)
    assert when.text(1_782_000_000) == "21 Jun 2026, 01:00 BST"
    assert when.text(1_795_200_000) == "20 Nov 2026, 18:40 GMT"
    assert when.stamp(1_782_000_000) == Markup(
        '<time datetime="2026-06-21T00:00:00Z">21 Jun 2026, 01:00 BST</time>'
    )


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (7199, "1 h ago"),
        (200_000, "2 d ago"),
        (-90, "1 min 30 s ahead of this clock"),
    ],
)
def test_how_long_ago(passed: float, text: str) -> None:
    assert LocalTime("Europe/London", 1_000_000).ago(1_000_000 - passed) == text


def test_text_of_a_device_cannot_turn_the_page_round() -> None:
    assert present.visible("a\u202eb\x07c\u2066\nd\te") == "a·b·c·\nd\te"
    ready = Markup("<b>\u202e</b>")
    assert present.visible(ready) is ready
    assert present.visible(None) is None


@pytest.mark.parametrize(
    ("begin", "days", "midnights"),
    [
        (1_774_656_000, 2, ["28 Mar", "29 Mar", "30 Mar"]),  # the clock goes forward on 29 March 2026
        (1_792_800_000, 2, ["25 Oct", "26 Oct"]),  # and back on 25 October
    ],
)
def test_marks_stand_at_local_midnight_across_clock_changes(
    begin: int, days: int, midnights: list[str]
) -> None:
    when = LocalTime("Europe/London", begin)
    marks = ticks(when, begin, begin + days * 86400)
    assert [text for _, text in marks if " " in text] == midnights
    for epoch, text in marks:
        local = when.local(epoch)
        assert local.minute == 0
        assert local.hour % 6 == 0
        assert (local.hour == 0) == (" " in text)


def test_long_spans_have_few_marks() -> None:
    when = LocalTime("Europe/London", 0)
    for hours in (24, 48, 168, 720):
        assert (
            4
            <= len(ticks(when, 1_790_000_000 // 1800 * 1800, 1_790_000_000 // 1800 * 1800 + hours * 3600))
            <= 10
        )
