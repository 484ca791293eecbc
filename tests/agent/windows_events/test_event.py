"""One event from its XML: names, instants to 100 ns, and whatever is no event."""

from __future__ import annotations

from dataclasses import fields

import pytest
from agent.windows_events.events import NAMESPACE, at, xml
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.windows.event import (
    TICKS,
    Event,
    parse_event,
    parse_events,
    parse_instant,
    parse_number,
    to_text,
    to_xml,
)

BOOT = at("2026-08-16T22:28:43.1933117Z")
# Before 1601 there is no FILETIME; the last years of a date are left free for time zones
INSTANTS = st.integers(min_value=at("1601-01-01T00:00:00Z"), max_value=at("9998-12-30T00:00:00Z"))
# What XML can carry, and Windows writes
TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=40
)


def test_an_event_keeps_what_probes_use_and_drops_who_and_where() -> None:
    event = parse_event(
        xml("P", 100, BOOT, {"BootTime": 51237}, activity="9C836A43-2E88-0009-E53A-849C882EDD01")
    )
    assert event is not None
    assert (event.provider, event.id, event.ticks, event.record, event.process) == ("P", 100, BOOT, 7, 4)
    assert event.activity_id == "9c836a43-2e88-0009-e53a-849c882edd01"
    assert event.number("BootTime") == 51237
    shown = str(event)
    assert "S-1-5-21" not in shown
    assert "HQ-LT-0042" not in shown


def test_data_without_a_name_go_by_their_place() -> None:
    text = (
        f"<Event xmlns='{NAMESPACE}'><System><Provider Name='EventLog'/><EventID>6008</EventID>"
        "<TimeCreated SystemTime='2026-09-20T21:44:36.0000000Z'/></System>"
        "<EventData><Data>05:57:17</Data><Data Name='param1'>x</Data><Data>last</Data><Binary>00</Binary></EventData></Event>"
    )
    event = parse_event(text)
    assert event is not None
    assert event.data == {"Data0": "05:57:17", "param1": "x", "Data2": "last"}


def test_user_data_are_the_leaves_of_their_element() -> None:
    text = (
        f"<Event xmlns='{NAMESPACE}'><System><Provider Name='P'/><EventID>1</EventID><TimeCreated "
        "SystemTime='2026-01-01T00:00:00Z'/></System><UserData><EventXML xmlns='x'><Param1>12</Param1>"
        "<Deep><Param2>a</Param2></Deep></EventXML></UserData></Event>"
    )
    event = parse_event(text)
    assert event is not None
    assert event.data == {"Param1": "12", "Param2": "a"}


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("2014-07-09T07:33:10.656000200Z", 6560002),  # Windows 7 writes nine digits
        ("2026-08-16T22:28:43.1933117Z", 1933117),  # Windows 11 seven
        ("2026-08-16T22:28:43Z", 0),
        ("\u200e2026\u200e-\u200e08\u200e-\u200e16T22:28:43.5Z", 5000000),  # marks of the writing direction
    ],
)
def test_an_instant_keeps_its_hundred_nanoseconds(text: str, fraction: int) -> None:
    ticks = parse_instant(text)
    assert ticks is not None
    assert ticks % TICKS == fraction


def test_an_instant_with_a_zone_is_put_into_utc() -> None:
    assert parse_instant("2026-08-18T20:27:34.852+07:00") == parse_instant("2026-08-18T13:27:34.852Z")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z",
                                  "2026-01-01T25:00:00Z", "13:27", "\uff12\uff10\uff12\uff16-01-01T00:00:00Z"])  # fmt: skip
def test_what_is_no_instant_is_none(text: str) -> None:
    assert parse_instant(text) is None


@given(INSTANTS)
def test_instants_survive_being_written(ticks: int) -> None:
    assert parse_instant(to_text(ticks)) == ticks


@pytest.mark.parametrize(("text", "number"), [("0x0", 0), ("0x80020003", 0x80020003), ("159", 159), (" 7 ", 7),
                                              ("-1", None), ("1.5", None), ("", None), ("0x", None), ("9" * 30, None),
                                              ("18446744073709551616", None), ("\u0663", None)])  # fmt: skip
def test_numbers_are_decimal_or_hexadecimal_and_never_guessed(text: str, number: int | None) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not xml at all",
        "<Event><System></System></Event>",
        "<Event><System><Provider Name='P'/><EventID>1</EventID></System></Event>",
        "<Event><System><Provider/><EventID>1</EventID><TimeCreated SystemTime='2026-01-01T00:00:00Z'/></System></Event>",
        "<Event><System><Provider Name='P'/><EventID>99999</EventID><TimeCreated SystemTime='2026-01-01T00:00:00Z'/></System></Event>",
        "<Other/>",
        "<!DOCTYPE Event [<!ENTITY a 'aaaaaaaaaa'>]><Event>&a;</Event>",
        "<?xml version='1.0' encoding='utf-99'?><Event/>",
        "<a>" * 200_000,
        "\ud800",
        "\0" * 1000,
    ],
)
def test_what_is_no_event_is_none(text: str) -> None:
    assert parse_event(text) is None


def test_an_entity_is_refused_even_in_a_whole_event() -> None:
    text = "<!DOCTYPE Event [<!ENTITY who SYSTEM 'file:///etc/passwd'>]>" + xml("P", 1, BOOT)
    assert parse_event(text) is None


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    parse_event(text)


@given(st.integers(min_value=0), st.integers(min_value=0), st.text(max_size=3))
def test_no_truncation_and_no_stray_character_raises(end: int, place: int, stray: str) -> None:
    whole = xml("Microsoft-Windows-Kernel-Boot", 27, BOOT, {"BootType": "0x0"})
    parse_event(whole[: end % (len(whole) + 1)])
    cut = place % (len(whole) + 1)
    parse_event(whole[:cut] + stray + whole[cut:])


@given(
    st.dictionaries(st.text("ABCdef", min_size=1, max_size=5), TEXTS, max_size=5),
    INSTANTS,
    st.integers(0, 65535),
)
def test_what_is_recorded_reads_back(data: dict[str, str], ticks: int, number: int) -> None:
    event = Event("P & <Q> 'R'", number, ticks, 2, 3, 11, "0a0b", None, None, data)
    back = parse_event(to_xml(event, data))
    assert back is not None
    for part in fields(Event):
        if part.name != "data":
            assert getattr(back, part.name) == getattr(event, part.name), part.name
    assert {name: value.replace("\r\n", "\n").replace("\r", "\n") for name, value in data.items()} == dict(
        back.data
    )


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=6))
def test_events_come_once_each_and_oldest_first_whatever_their_order(
    order: list[int], again: list[int]
) -> None:
    texts = [xml("P", number, BOOT - number, record=number) for number in range(6)]
    events = parse_events([texts[place] for place in (*order, *again)] + ["garbage"])
    assert [event.id for event in events] == [5, 4, 3, 2, 1, 0]
