"""The clocks of Windows: which question stands for which clock, and what a boot is called."""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from agent.windows.fake_api import FakeLibrary

from roadworthy_agent.clock import SystemClock
from roadworthy_agent.windows import api, times
from roadworthy_agent.windows.api import WindowsError


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Give the two counters of a Windows 10, in 100 ns."""
    now = {"QueryInterruptTime": 50_000 * times.TICKS, "QueryUnbiasedInterruptTime": 20_000 * times.TICKS}

    def asker(name: str) -> Any:
        def ask(answer: Any) -> int:
            answer[0] = now[name]
            return 1

        return ask

    pointer = (ctypes.POINTER(ctypes.c_uint64),)
    libraries = {
        "kernelbase": {"QueryInterruptTime": (asker("QueryInterruptTime"), ctypes.c_int32, pointer)},
        "kernel32": {
            "QueryUnbiasedInterruptTime": (asker("QueryUnbiasedInterruptTime"), ctypes.c_int32, pointer),
            "GetTickCount64": (lambda: 77_000, ctypes.c_uint64, ()),
        },
    }
    found = {name: FakeLibrary(functions) for name, functions in libraries.items()}
    monkeypatch.setattr(times, "library", found.__getitem__)
    monkeypatch.setattr(sys, "platform", "win32")
    times._with_sleep.cache_clear()
    times._without_sleep.cache_clear()
    yield now
    times._with_sleep.cache_clear()
    times._without_sleep.cache_clear()


def test_the_difference_of_the_clocks_is_the_time_asleep(ticks: dict[str, int]) -> None:
    clock = SystemClock()
    assert (clock.boottime(), clock.monotonic()) == (50_000.0, 20_000.0)
    ticks["QueryInterruptTime"] += 600 * times.TICKS
    assert clock.boottime() - clock.monotonic() == 30_600.0


def test_before_windows_10_the_tick_count_stands_in(
    ticks: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = times.library

    def old(name: str) -> Any:
        if name == "kernelbase":
            raise WindowsError("LoadLibrary kernelbase", 126)
        return whole(name)

    monkeypatch.setattr(api, "error_text", str)
    monkeypatch.setattr(times, "library", old)
    assert SystemClock().boottime() == 77.0


def kernel(boot: int, bias: int, status: int = 0) -> FakeLibrary:
    """Return an ntdll whose kernel started at `boot`, as its clock has it after it was set by `bias`."""

    def ask(kind: int, answer: int, size: int, _length: Any) -> int:
        assert (kind, size) == (3, 48)
        ctypes.memmove(answer, struct.pack("<3qIIqq", boot + bias, 0, 0, 0, 0, bias, 0), 48)
        return status

    pointer = ctypes.POINTER(ctypes.c_uint32)
    types = (ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint32, pointer)
    return FakeLibrary({"NtQuerySystemInformation": (ask, ctypes.c_int32, types)})


def test_a_boot_is_named_by_its_instant_and_count_however_the_clock_is_set(
    ticks: dict[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = 134_351_230_275_000_000

    def name(boot: int, bias: int, counter: int | None) -> str:
        monkeypatch.setattr(times, "library", lambda _name: kernel(boot, bias))
        monkeypatch.setattr(times, "boot_counter", lambda: counter)
        return SystemClock(tmp_path / "no-such-file").boot_id()

    assert name(started, 0, 7) == name(started, -20_672_530, 7) == name(started, 3_600 * times.TICKS, 7)
    others = {name(started, 0, 8), name(started, 0, None), name(started + 300 * times.TICKS, 0, 7)}
    assert len(others | {name(started, 0, 7)}) == 4


def test_a_kernel_that_does_not_tell_its_start_is_named_by_the_clocks(
    ticks: dict[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = times.library
    silent = kernel(0, 0, status=-1)
    monkeypatch.setattr(times, "library", lambda name: silent if name == "ntdll" else whole(name))
    assert times.boot_instant() is None
    assert len(SystemClock(tmp_path / "no-such-file").boot_id()) == 32


def test_the_kernel_s_instant_is_counted_from_1601(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "library", lambda _name: kernel(134_351_230_275_000_000, 0))
    assert times.boot_instant() == datetime(2026, 9, 29, 2, 37, 7, 500_000, tzinfo=UTC).timestamp()


def test_without_a_registry_there_is_no_count() -> None:
    assert times.boot_counter() is None
