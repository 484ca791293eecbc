"""System calls of the os probe: which processor this Windows was built for.

IsWow64Process2 (Windows 10 1709) names the machine also to a program run under emulation, which
GetNativeSystemInfo does not on Arm.
"""

from __future__ import annotations

from ctypes import POINTER, byref, c_int32, c_uint16, c_void_p

from roadworthy_agent.windows.api import WindowsError, function, last_error, library
from roadworthy_agent.windows.raw import Raw, outcome
from roadworthy_agent.windows.structs import SystemInfo


def look() -> Raw:
    """Return the native machine (an IMAGE_FILE_MACHINE number) and processor architecture."""
    return Raw({"native_machine": outcome(_native_machine), "architecture": outcome(_architecture)})


def _native_machine() -> int:
    kernel = library("kernel32")
    current = function(kernel, "GetCurrentProcess", c_void_p)
    ask = function(kernel, "IsWow64Process2", c_int32, c_void_p, POINTER(c_uint16), POINTER(c_uint16))
    process, native = c_uint16(0), c_uint16(0)
    if not ask(current(), byref(process), byref(native)):
        raise WindowsError("IsWow64Process2", last_error())
    return native.value


def _architecture() -> int:
    system = SystemInfo()
    function(library("kernel32"), "GetNativeSystemInfo", None, POINTER(SystemInfo))(byref(system))
    return int(system.architecture)
