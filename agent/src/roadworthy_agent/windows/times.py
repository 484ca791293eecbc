"""The clocks of Windows that nobody can set: since the start with sleep, and without.

QueryInterruptTime (Windows 10) counts sleep and hibernation, QueryUnbiasedInterruptTime (Windows 7) does not, both in
100 ns: https://learn.microsoft.com/windows/win32/sysinfo/interrupt-time. Before Windows 10, GetTickCount64 stands in
for the first. After a "fast startup" the kernel is the one that was hibernated, so both run on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from ctypes import POINTER, Structure, byref, c_int32, c_int64, c_uint32, c_uint64, c_void_p, sizeof
from functools import cache

from roadworthy_agent.windows.api import WindowsError, function, library
from roadworthy_agent.windows.registry import read_value

TICKS = 10_000_000
PREFETCH_KEY = (
    "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters"
)


TIME_OF_DAY = 3  # SystemTimeOfDayInformation
EPOCH = 116_444_736_000_000_000  # 1970 in the 100 ns since 1601
SHARED_DATA, BOOT_ID_OFFSET = 0x7FFE_0000, 0x2C4
FIRST_WITH_BOOT_ID = 10


class TimeOfDay(Structure):
    """SYSTEM_TIMEOFDAY_INFORMATION (winternl.h calls it reserved), 48 bytes."""

    _fields_ = (
        ("boot_time", c_int64),
        ("current_time", c_int64),
        ("time_zone_bias", c_int64),
        ("time_zone", c_uint32),
        ("reserved", c_uint32),
        ("boot_time_bias", c_int64),
        ("sleep_time_bias", c_int64),
    )


def seconds_since_start() -> float:
    """Return seconds since Windows started, time asleep included."""
    return _with_sleep()()


def seconds_awake() -> float:
    """Return seconds since Windows started, time asleep left out."""
    return _without_sleep()()


def boot_instant() -> float | None:
    """Return when the kernel started, epoch seconds by the clock of that moment, None where it does not tell.

    BootTime less BootTimeBias of SystemTimeOfDayInformation: the kernel moves both whenever the clock is set, so the
    difference stays as it was, in every process of a boot.
    """
    ask = function(
        library("ntdll"), "NtQuerySystemInformation", c_int32, c_int32, c_void_p, c_uint32, POINTER(c_uint32)
    )
    told, length = TimeOfDay(), c_uint32(0)
    if ask(TIME_OF_DAY, byref(told), sizeof(told), byref(length)) != 0:
        return None
    return float(told.boot_time - told.boot_time_bias - EPOCH) / TICKS


def boot_counter() -> int | None:
    """Return the number the loader counts starts by, None where there is none.

    KUSER_SHARED_DATA.BootId (ntddk.h, Windows 10), a page every process sees at the same address. The registry's copy,
    which stands in before Windows 10, is written some time into the boot and so is the old one until then.
    """
    if sys.platform == "win32" and sys.getwindowsversion().major >= FIRST_WITH_BOOT_ID:
        return int(c_uint32.from_address(SHARED_DATA + BOOT_ID_OFFSET).value)
    value = read_value(PREFETCH_KEY, "BootId")
    return value if isinstance(value, int) else None


@cache
def _with_sleep() -> Callable[[], float]:
    try:
        ask = function(library("kernelbase"), "QueryInterruptTime", None, POINTER(c_uint64))
    except WindowsError:
        milliseconds = function(library("kernel32"), "GetTickCount64", c_uint64)
        return lambda: milliseconds() / 1000
    return lambda: _ticks(ask) / TICKS


@cache
def _without_sleep() -> Callable[[], float]:
    ask = function(library("kernel32"), "QueryUnbiasedInterruptTime", c_int32, POINTER(c_uint64))
    return lambda: _ticks(ask) / TICKS


def _ticks(ask: Callable[..., object]) -> int:
    ticks = c_uint64(0)
    ask(byref(ticks))
    return ticks.value
