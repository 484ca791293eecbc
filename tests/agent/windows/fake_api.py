"""A Windows made of callbacks: real ctypes calls with the declared types, answered by Python functions.

What cannot run here is Windows; what can is everything on this side of the call: declared types, 64-bit handles,
buffers, sizes, and whether each handle that was opened is closed again.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

from roadworthy_agent.windows import api, batteries, disks, eventlog, firmware, meters, sessions, versions

MODULES = (api, batteries, disks, eventlog, firmware, meters, sessions, versions)


class FakeLibrary:
    """A library whose functions are Python's, behind real function pointers."""

    def __init__(self, functions: dict[str, tuple[Callable[..., Any], Any, tuple[Any, ...]]]) -> None:
        self._functions = {
            name: ctypes.CFUNCTYPE(result, *arguments)(call)
            for name, (call, result, arguments) in functions.items()
        }

    def __getitem__(self, name: str) -> Any:
        if name not in self._functions:
            raise AttributeError(name)
        return self._functions[name]


class FakeWindows:
    """Libraries by name, and the error the next GetLastError gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.libraries: dict[str, FakeLibrary] = {}
        self.error = 0
        for module in MODULES:
            for name, value in (("library", self.library), ("last_error", self.last_error)):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, value)

    def library(self, name: str) -> Any:
        return self.libraries[name]

    def last_error(self) -> int:
        return self.error

    def fail(self, code: int, answer: int = 0) -> int:
        self.error = code
        return answer


class Devices:
    """kernel32 and cfgmgr32 for devices: paths by interface class, and an answer for each control code."""

    HANDLE = 0x7FFF_FFFF_1234_5678  # what is declared too narrow loses its upper half

    def __init__(self, windows: FakeWindows) -> None:
        self.windows = windows
        self.paths: dict[str, list[str]] = {}
        self.answers: dict[tuple[str, int], bytes | int] = {}
        self.closed_doors: dict[tuple[str, int], int] = {}  # (path, access) -> error
        self.open: dict[int, str] = {}
        self.asked: list[tuple[str, int, bytes]] = []
        self.accesses: list[tuple[str, int]] = []
        u32, pointer, wide = ctypes.c_uint32, ctypes.c_void_p, ctypes.c_wchar_p
        windows.libraries["kernel32"] = FakeLibrary(
            {
                "CreateFileW": (self._create, pointer, (wide, u32, u32, pointer, u32, u32, pointer)),
                "CloseHandle": (self._close, ctypes.c_int32, (pointer,)),
                "DeviceIoControl": (
                    self._control, ctypes.c_int32, (pointer, u32, pointer, u32, pointer, u32, ctypes.POINTER(u32), pointer),
                ),
            }
        )  # fmt: skip
        windows.libraries["cfgmgr32"] = FakeLibrary(
            {
                "CM_Get_Device_Interface_List_SizeW": (
                    self._size, u32, (ctypes.POINTER(u32), ctypes.POINTER(api.Guid), wide, u32),
                ),
                "CM_Get_Device_Interface_ListW": (
                    self._list, u32, (ctypes.POINTER(api.Guid), wide, pointer, u32, u32),
                ),
            }
        )  # fmt: skip

    def _create(
        self, path: str, access: int, share: int, _security: int, how: int, _flags: int, _template: int
    ) -> int:
        assert (share, how) == (3, 3)  # others may read and write, and nothing is created
        if (error := self.closed_doors.get((path, access))) is not None:
            return self.windows.fail(error, api.INVALID_HANDLE or 0)
        self.accesses.append((path, access))
        handle = self.HANDLE + len(self.accesses)
        self.open[handle] = path
        return handle

    def _close(self, handle: int) -> int:
        del self.open[handle]
        return 1

    def _control(
        self,
        handle: int,
        code: int,
        given: int,
        size: int,
        answer: int,
        most: int,
        length: Any,
        _overlapped: int,
    ) -> int:
        path = self.open[handle]
        self.asked.append((path, code, ctypes.string_at(given, size) if given else b""))
        said = self.answers.get((path, code), 1)
        if isinstance(said, int):
            return self.windows.fail(said)
        ctypes.memmove(answer, said, min(len(said), most))
        length[0] = min(len(said), most)
        return 1

    def _text(self, guid: Any) -> bytes:
        raw = ctypes.string_at(guid, 16)
        known = {bytes(api.Guid.of(text)): paths for text, paths in self.paths.items()}
        return ("".join(f"{path}\0" for path in known.get(raw, [])) + "\0").encode("utf-16-le")

    def _size(self, size: Any, guid: Any, _filter: str, flags: int) -> int:
        assert flags == 0
        size[0] = len(self._text(guid)) // 2
        return 0

    def _list(self, guid: Any, _filter: str, buffer: int, characters: int, _flags: int) -> int:
        text = self._text(guid)
        assert characters * 2 >= len(text)
        ctypes.memmove(buffer, text, len(text))
        return 0
