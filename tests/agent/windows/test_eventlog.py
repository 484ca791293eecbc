"""Asking event channels: the query, the refusals, and the calls by which events come."""

from __future__ import annotations

import ctypes
import re
import xml.etree.ElementTree as ET

import pytest
from agent.windows.fake_api import FakeLibrary, FakeWindows
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.reading import Missing, Status
from roadworthy_agent.windows.eventlog import MOST_TERMS, query_of, read_events

CHANNEL = "Microsoft-Windows-Diagnostics-Performance/Operational"
EVENT = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>100</EventID></System>{}</Event>"


def ids_of(query: str) -> set[int]:
    """Return the event numbers a query asks for, as the service would understand it."""
    found: set[int] = set()
    for select in ET.fromstring(query).iter("Select"):  # noqa: S314 - the query is our own
        text = select.text or ""
        found |= {int(one) for one in re.findall(r"EventID=(\d+)", text)}
        for first, last in re.findall(r"EventID>=(\d+) and EventID<=(\d+)", text):
            found |= set(range(int(first), int(last) + 1))
    return found


def test_the_query_names_channel_provider_and_numbers() -> None:
    query = query_of("System", [12, 6005], "Microsoft-Windows-Kernel-General")
    select = next(ET.fromstring(query).iter("Select"))  # noqa: S314 - the query is our own
    assert select.get("Path") == "System"
    assert select.text == (
        "*[System[Provider[@Name='Microsoft-Windows-Kernel-General'] and (EventID=12 or EventID=6005)]]"
    )


@given(st.sets(st.integers(0, 65535), min_size=1, max_size=200))
def test_the_query_asks_for_all_numbers_and_no_other(ids: set[int]) -> None:
    query = query_of(CHANNEL, ids)
    assert ids_of(query) == ids
    for select in ET.fromstring(query).iter("Select"):  # noqa: S314 - the query is our own
        assert (select.text or "").count("EventID") <= MOST_TERMS


def test_nothing_is_asked_for_no_numbers() -> None:
    assert read_events(CHANNEL, []) == ()


class Log:
    """wevtapi with some events in a channel."""

    def __init__(self, windows: FakeWindows, events: list[str]) -> None:
        self.windows, self.events = windows, events
        self.query_error, self.largest_batch, self.next_error = 0, 1000, 0
        self.handles: set[int] = set()
        self.queries: list[tuple[str, int]] = []
        self.at = 0
        self.damaged: set[int] = set()
        u32, pointer, wide = ctypes.c_uint32, ctypes.c_void_p, ctypes.c_wchar_p
        windows.libraries["wevtapi"] = FakeLibrary(
            {
                "EvtQuery": (self._query, pointer, (pointer, wide, wide, u32)),
                "EvtNext": (self._next, ctypes.c_int32, (pointer, u32, ctypes.POINTER(pointer), u32, u32, ctypes.POINTER(u32))),
                "EvtRender": (
                    self._render, ctypes.c_int32,
                    (pointer, pointer, u32, u32, pointer, ctypes.POINTER(u32), ctypes.POINTER(u32)),
                ),
                "EvtClose": (self._close, ctypes.c_int32, (pointer,)),
            }
        )  # fmt: skip

    def _query(self, _session: int, _path: str, query: str, flags: int) -> int:
        self.queries.append((query, flags))
        if self.query_error:
            return self.windows.fail(self.query_error)
        self.at = 0
        return self._new(0x6000_0000_0000_0000)

    def _new(self, handle: int) -> int:
        self.handles.add(handle)
        return handle

    def _next(
        self,
        _results: int,
        size: int,
        handles: ctypes._Pointer[ctypes.c_void_p],
        _wait: int,
        _flags: int,
        count: ctypes._Pointer[ctypes.c_uint32],
    ) -> int:
        if size > self.largest_batch:
            self.at += size  # the service has moved on all the same
            return self.windows.fail(1734)
        if self.next_error and self.at:
            return self.windows.fail(self.next_error)
        given = range(self.at, min(self.at + size, len(self.events)))
        for place, number in enumerate(given):
            handles[place] = self._new(0x7000_0000_0000_0000 + number)
        self.at = given.stop
        count[0] = len(given)
        return 1 if given else self.windows.fail(259)

    def _render(
        self,
        _context: int,
        handle: int,
        flags: int,
        size: int,
        buffer: int,
        used: ctypes._Pointer[ctypes.c_uint32],
        properties: ctypes._Pointer[ctypes.c_uint32],
    ) -> int:
        assert flags == 1
        if handle - 0x7000_0000_0000_0000 in self.damaged:
            return self.windows.fail(13)
        text = (self.events[handle - 0x7000_0000_0000_0000] + "\0").encode("utf-16-le")
        used[0], properties[0] = len(text), 0
        if size < len(text):
            return self.windows.fail(122)
        ctypes.memmove(buffer, text, len(text))
        return 1

    def _close(self, handle: int) -> int:
        self.handles.remove(handle)
        return 1


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> FakeWindows:
    return FakeWindows(monkeypatch)


def test_events_come_newest_first_and_every_handle_is_closed(windows: FakeWindows) -> None:
    events = [EVENT.format(f"<!-- {number} -->") for number in range(70)]
    log = Log(windows, events)
    assert read_events(CHANNEL, [100]) == tuple(events)
    assert log.handles == set()
    ((query, flags),) = log.queries
    assert flags == 0x1 | 0x200  # a channel's path, newest first
    assert ids_of(query) == {100}


def test_no_more_events_are_taken_than_asked_for(windows: FakeWindows) -> None:
    log = Log(windows, [EVENT.format("")] * 70)
    assert len(read_events(CHANNEL, [100], most=40)) == 40  # type: ignore[arg-type] # a tuple here
    assert log.handles == set()


def test_a_large_event_gets_a_larger_buffer(windows: FakeWindows) -> None:
    event = EVENT.format("<Data>" + "é" * 40_000 + "</Data>")
    log = Log(windows, [event])
    assert read_events(CHANNEL, [100]) == (event,)
    assert log.handles == set()


def test_a_batch_that_is_too_large_is_made_smaller(windows: FakeWindows) -> None:
    events = [EVENT.format(f"<!-- {number} -->") for number in range(9)]
    log = Log(windows, events)
    log.largest_batch = 3
    assert read_events(CHANNEL, [100]) == tuple(events)
    assert log.handles == set()


def test_a_damaged_event_hides_none_of_the_others(windows: FakeWindows) -> None:
    events = [EVENT.format(f"<!-- {number} -->") for number in range(40)]
    log = Log(windows, events)
    log.damaged = {0, 7, 39}
    assert read_events(CHANNEL, [100]) == tuple(events[1:7] + events[8:39])
    assert log.handles == set()


def test_a_log_of_nothing_but_damaged_events_cannot_be_read(windows: FakeWindows) -> None:
    log = Log(windows, [EVENT.format("")] * 2)
    log.damaged = {0, 1}
    answer = read_events(CHANNEL, [100])
    assert isinstance(answer, Missing)
    assert answer.status is Status.ERROR
    assert log.handles == set()


@pytest.mark.parametrize(
    ("code", "status"), [(15007, Status.NOT_SUPPORTED), (5, Status.NO_PERMISSION), (1722, Status.ERROR)]
)
def test_a_channel_that_cannot_be_read_says_why(windows: FakeWindows, code: int, status: Status) -> None:
    Log(windows, []).query_error = code
    answer = read_events(CHANNEL, [100])
    assert isinstance(answer, Missing)
    assert answer.status is status
    assert CHANNEL in answer.reason


def test_a_log_that_breaks_off_is_no_log_and_leaves_no_handle(windows: FakeWindows) -> None:
    log = Log(windows, [EVENT.format("")] * 64)
    log.next_error = 1
    answer = read_events(CHANNEL, [100])
    assert isinstance(answer, Missing)
    assert answer.status is Status.ERROR
    assert log.handles == set()
