"""Reading event channels through wevtapi: EvtQuery, EvtNext, EvtRender, EvtClose.

https://learn.microsoft.com/windows/win32/wes/querying-for-events. Events are asked for by number and provider and
come as XML; no message text is asked for, as that is in the machine's language and costs a library per provider.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_int32, c_uint32, c_void_p, c_wchar_p

from roadworthy_agent.reading import Missing, Status
from roadworthy_agent.windows.api import (
    ERROR_ACCESS_DENIED,
    ERROR_INSUFFICIENT_BUFFER,
    ERROR_NO_MORE_ITEMS,
    WindowsError,
    function,
    last_error,
    library,
)

ERROR_EVT_CHANNEL_NOT_FOUND = 15007
RPC_S_INVALID_BOUND = 1734  # EvtNext's answer where a batch of large events does not fit
CHANNEL_PATH = 0x1
REVERSE_DIRECTION = 0x200
RENDER_XML = 1
BATCH = 32
MOST_TERMS = 20  # the service refuses an XPath of more than some twenty comparisons
LONGEST_EVENT_BYTES = 4 << 20
WAIT_MILLISECONDS = 5000


def query_of(channel: str, ids: Collection[int], provider: str | None = None) -> str:
    """Return the structured query for events of a channel by number and, if given, by provider.

    Neighbouring numbers become one range and long lists several Selects, which the service joins.
    """
    terms = [_term(first, last) for first, last in _ranges(ids)]
    name = f"Provider[@Name='{provider}'] and " if provider is not None else ""
    selects = "".join(
        f'<Select Path="{_escaped(channel)}">{_escaped(f"*[System[{name}({or_terms})]]")}</Select>'
        for or_terms in (
            " or ".join(terms[at : at + MOST_TERMS // 2]) for at in range(0, len(terms), MOST_TERMS // 2)
        )
    )
    return f'<QueryList><Query Id="0" Path="{_escaped(channel)}">{selects}</Query></QueryList>'


def read_events(
    channel: str, ids: Collection[int], *, provider: str | None = None, most: int = 512
) -> tuple[str, ...] | Missing:
    """Return events as XML, newest first, or why the channel cannot be read."""
    if not ids or most <= 0:
        return ()
    try:
        return _read(query_of(channel, ids, provider), most)
    except WindowsError as error:
        return refusal(channel, error)


def refusal(channel: str, error: WindowsError) -> Missing:
    """Return why a channel cannot be read, from what the service said."""
    if error.code == ERROR_EVT_CHANNEL_NOT_FOUND:
        return Missing(channel, Status.NOT_SUPPORTED, f"this Windows has no event channel {channel}")
    if error.code == ERROR_ACCESS_DENIED:
        return Missing(
            channel,
            Status.NO_PERMISSION,
            f"{channel} is closed to this account; LocalService, the account of the service, may read it",
        )
    return Missing(channel, Status.ERROR, f"{channel}: {error}"[:256])


class _Service:
    """wevtapi's four functions, declared."""

    def __init__(self) -> None:
        api = library("wevtapi")
        self.query = function(api, "EvtQuery", c_void_p, c_void_p, c_wchar_p, c_wchar_p, c_uint32)
        self.next = function(
            api, "EvtNext", c_int32,
            c_void_p, c_uint32, POINTER(c_void_p), c_uint32, c_uint32, POINTER(c_uint32),
        )  # fmt: skip
        self.render = function(
            api, "EvtRender", c_int32,
            c_void_p, c_void_p, c_uint32, c_uint32, c_void_p, POINTER(c_uint32), POINTER(c_uint32),
        )  # fmt: skip
        self.close = function(api, "EvtClose", c_int32, c_void_p)


def _read(query: str, most: int) -> tuple[str, ...]:
    """Return the events; with a batch that is too large the query is asked anew, as the old one has moved on."""
    service, size = _Service(), BATCH
    while True:
        try:
            return _read_by(service, query, most, size)
        except WindowsError as error:
            if error.code != RPC_S_INVALID_BOUND or size == 1:
                raise
            size //= 2


def _read_by(service: _Service, query: str, most: int, size: int) -> tuple[str, ...]:
    found: list[str] = []
    taken = 0
    fault: WindowsError | None = None
    with _results(service, query) as results:
        while taken < most:
            handles = (c_void_p * size)()
            count = c_uint32(0)
            if not service.next(
                results, min(size, most - taken), handles, WAIT_MILLISECONDS, 0, byref(count)
            ):
                if (code := last_error()) == ERROR_NO_MORE_ITEMS:
                    break
                raise WindowsError("EvtNext", code)
            taken += count.value
            texts, faults = _rendered(service, [handle for handle in handles[: count.value] if handle])
            found += texts
            fault = fault or next(iter(faults), None)
    if fault is not None and not found:
        raise fault
    return tuple(found)


@contextmanager
def _results(service: _Service, query: str) -> Iterator[int]:
    results = service.query(None, None, query, CHANNEL_PATH | REVERSE_DIRECTION)
    if not results:
        raise WindowsError("EvtQuery", last_error())
    try:
        yield results
    finally:
        service.close(results)


def _rendered(service: _Service, handles: list[int]) -> tuple[list[str], list[WindowsError]]:
    """Return the XML of a batch and close all of it; an event that is damaged hides none of the others."""
    texts: list[str] = []
    faults: list[WindowsError] = []
    for handle in handles:
        try:
            texts.append(_xml(service, handle))
        except WindowsError as error:
            faults.append(error)
        finally:
            service.close(handle)
    return texts, faults


def _xml(service: _Service, handle: int) -> str:
    size, used, properties = 16384, c_uint32(0), c_uint32(0)
    while True:
        buffer = ctypes.create_string_buffer(size)
        if service.render(None, handle, RENDER_XML, size, buffer, byref(used), byref(properties)):
            return buffer.raw[: min(used.value, size)].decode("utf-16-le", "replace").rstrip("\0")
        code = last_error()
        if code != ERROR_INSUFFICIENT_BUFFER or not size < used.value <= LONGEST_EVENT_BYTES:
            raise WindowsError("EvtRender", code)
        size = used.value


def _ranges(ids: Collection[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(ids)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def _term(first: int, last: int) -> str:
    return f"EventID={first}" if first == last else f"(EventID>={first} and EventID<={last})"


def _escaped(text: str) -> str:
    for letter, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(letter, name)
    return text
