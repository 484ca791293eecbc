"""System calls of the state probe: the sessions of this device, without who.

WTSEnumerateSessions gives numbers and states. WTSSessionInfoEx also hands over names; they are left where Windows put
them, only numbers are taken out, and the log-on time is reduced to whether there is one.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int32, c_uint32, c_void_p
from typing import Any

from roadworthy_agent.windows.api import (
    ERROR_INSUFFICIENT_BUFFER,
    WindowsError,
    function,
    last_error,
    library,
)
from roadworthy_agent.windows.raw import Raw, outcome
from roadworthy_agent.windows.structs import SessionInfo

SESSION_INFO_EX = 25  # WTSSessionInfoEx
LEVEL_1 = 1
MOST_SESSIONS = 1024
NO_CONSOLE = 0xFFFF_FFFF


class Entry(ctypes.Structure):
    """WTS_SESSION_INFOW (wtsapi32.h), 24 bytes on 64 bits."""

    _fields_ = (("session", c_uint32), ("station", c_void_p), ("state", c_int32))


def look() -> Raw:
    """Return the console's session number and each session's state, lock flag and times of input."""
    return Raw({"console": outcome(_console), "sessions": outcome(_sessions)})


def numbers_of(info: SessionInfo) -> dict[str, Any]:
    """Return the numbers of a session's answer; raises ValueError for another level than asked for."""
    if info.level != LEVEL_1:
        raise ValueError(f"WTSSessionInfoEx level {info.level}")
    return {
        "session": info.session,
        "state": info.state,
        "flags": info.flags,
        "signed_in": info.logon_time != 0,
        "last_input": info.last_input_time,
        "now": info.current_time,
    }


def parse_session(data: bytes) -> dict[str, Any]:
    """Return the numbers of a WTSINFOEXW as bytes; raises ValueError for fewer than it has."""
    if len(data) < ctypes.sizeof(SessionInfo):
        raise ValueError(f"WTSINFOEXW of {len(data)} bytes")
    return numbers_of(SessionInfo.from_buffer_copy(data))


def _console() -> int | None:
    ask = function(library("kernel32"), "WTSGetActiveConsoleSessionId", c_uint32)
    session = int(ask())
    return None if session == NO_CONSOLE else session


def _sessions() -> list[dict[str, Any]]:
    api = library("wtsapi32")
    enumerate_all = function(
        api, "WTSEnumerateSessionsW", c_int32,
        c_void_p, c_uint32, c_uint32, POINTER(POINTER(Entry)), POINTER(c_uint32),
    )  # fmt: skip
    free = function(api, "WTSFreeMemory", None, c_void_p)
    entries, count = POINTER(Entry)(), c_uint32(0)
    if not enumerate_all(None, 0, 1, byref(entries), byref(count)):
        raise WindowsError("WTSEnumerateSessions", last_error())
    try:
        found = [(entries[at].session, entries[at].state) for at in range(min(count.value, MOST_SESSIONS))]
    finally:
        free(entries)
    return [_session(api, number, state) for number, state in found]


def _session(api: ctypes.CDLL, number: int, state: int) -> dict[str, Any]:
    seen = outcome(lambda: _numbers(api, number))
    return {"session": number, "state": state, **seen}


def _numbers(api: ctypes.CDLL, number: int) -> dict[str, Any]:
    ask = function(
        api, "WTSQuerySessionInformationW", c_int32,
        c_void_p, c_uint32, c_int32, POINTER(c_void_p), POINTER(c_uint32),
    )  # fmt: skip
    free = function(api, "WTSFreeMemory", None, c_void_p)
    buffer, size = c_void_p(), c_uint32(0)
    if not ask(None, number, SESSION_INFO_EX, byref(buffer), byref(size)):
        raise WindowsError("WTSQuerySessionInformation", last_error())
    try:
        if not buffer.value or size.value < ctypes.sizeof(SessionInfo):
            raise WindowsError("WTSQuerySessionInformation", ERROR_INSUFFICIENT_BUFFER)
        return numbers_of(SessionInfo.from_address(buffer.value))
    except ValueError as error:
        raise WindowsError(f"WTSQuerySessionInformation ({error})", 0) from error
    finally:
        free(buffer)
