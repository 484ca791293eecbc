"""The few steps every call into Windows shares: libraries, errors, devices, control codes.

Only `library`, `last_error` and `error_text` touch what exists on Windows alone; everything else is plain ctypes,
so the type checker reads it for every platform. Sizes are fixed (c_uint32, not c_ulong): a Windows DWORD has four
bytes wherever the declaration is looked at.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_int32, c_uint8, c_uint16, c_uint32, c_void_p, c_wchar_p
from uuid import UUID

from roadworthy_agent.errors import ProbeError

# https://learn.microsoft.com/windows/win32/debug/system-error-codes
ERROR_INVALID_FUNCTION = 1
ERROR_FILE_NOT_FOUND = 2
ERROR_PATH_NOT_FOUND = 3
ERROR_ACCESS_DENIED = 5
ERROR_NOT_SUPPORTED = 50
ERROR_INVALID_PARAMETER = 87
ERROR_INSUFFICIENT_BUFFER = 122
ERROR_PROC_NOT_FOUND = 127
ERROR_MORE_DATA = 234
ERROR_NO_MORE_ITEMS = 259

GENERIC_READ = 0x8000_0000
GENERIC_WRITE = 0x4000_0000
NO_ACCESS = 0  # enough for control codes that ask for FILE_ANY_ACCESS, and any account may
SHARE_READ_WRITE = 0x3
OPEN_EXISTING = 3
INVALID_HANDLE = c_void_p(-1).value
CR_SUCCESS = 0
CR_BUFFER_SMALL = 0x1A
PRESENT_ONLY = 0
MOST_TRIES = 4
MOST_INTERFACE_CHARACTERS = 1 << 20


class Guid(ctypes.Structure):
    """GUID, 16 bytes."""

    _fields_ = (
        ("data1", c_uint32),
        ("data2", c_uint16),
        ("data3", c_uint16),
        ("data4", c_uint8 * 8),
    )

    @classmethod
    def of(cls, text: str) -> Guid:
        """Return the GUID a text such as `{45bd8344-...}` names."""
        return cls.from_buffer_copy(UUID(text).bytes_le)


class WindowsError(ProbeError):
    """A call into Windows failed; `code` is what GetLastError (or the call itself) said."""

    def __init__(self, call: str, code: int) -> None:
        super().__init__(f"{call}: {error_text(code)}")
        self.call = call
        self.code = code


def library(name: str) -> ctypes.CDLL:
    """Return a system library; raises ProbeError elsewhere than on Windows, WindowsError where it is absent."""
    if sys.platform != "win32":
        raise ProbeError(f"{name} exists only on Windows")
    try:
        return ctypes.WinDLL(name, use_last_error=True)
    except OSError as error:
        raise WindowsError(f"LoadLibrary {name}", error.winerror or ERROR_FILE_NOT_FOUND) from error


def last_error() -> int:
    """Return GetLastError as ctypes kept it, 0 elsewhere than on Windows."""
    if sys.platform == "win32":
        return ctypes.get_last_error()
    return 0


def error_text(code: int) -> str:
    """Return Windows's words for an error and its number, the number alone elsewhere."""
    if sys.platform == "win32":
        return f"{ctypes.FormatError(code).strip()} (error {code})"
    return f"error {code}"


def function(
    where: ctypes.CDLL, name: str, result: type | None, *arguments: type
) -> ctypes._NamedFuncPointer:
    """Return a function with its types declared; raises WindowsError where this Windows has none of that name."""
    try:
        found = where[name]
    except AttributeError as error:
        raise WindowsError(name, ERROR_PROC_NOT_FOUND) from error
    found.restype = result
    found.argtypes = arguments
    return found


class Device:
    """An open device, by its handle."""

    def __init__(self, path: str, access: int) -> None:
        kernel = library("kernel32")
        create = function(
            kernel, "CreateFileW", c_void_p,
            c_wchar_p, c_uint32, c_uint32, c_void_p, c_uint32, c_uint32, c_void_p,
        )  # fmt: skip
        self._close = function(kernel, "CloseHandle", c_int32, c_void_p)
        self._control = function(
            kernel, "DeviceIoControl", c_int32,
            c_void_p, c_uint32, c_void_p, c_uint32, c_void_p, c_uint32, POINTER(c_uint32), c_void_p,
        )  # fmt: skip
        self._handle: int | None = create(path, access, SHARE_READ_WRITE, None, OPEN_EXISTING, 0, None)
        if self._handle is None or self._handle == INVALID_HANDLE:
            self._handle = None
            raise WindowsError("CreateFile", last_error())

    def close(self) -> None:
        """Close the handle; a second time does nothing."""
        if self._handle is not None:
            self._close(self._handle)
            self._handle = None

    def control(self, code: int, given: bytes, most: int) -> bytes:
        """Send a control code and return what came back, at most `most` bytes; raises WindowsError."""
        answer = ctypes.create_string_buffer(most)
        length = c_uint32(0)
        done = self._control(self._handle, code, given or None, len(given), answer, most, byref(length), None)
        if not done:
            raise WindowsError(f"DeviceIoControl {code:#x}", last_error())
        return answer.raw[: min(length.value, most)]


@contextmanager
def device(path: str, access: int = NO_ACCESS) -> Iterator[Device]:
    """Open a device for the length of a `with`; raises WindowsError."""
    opened = Device(path, access)
    try:
        yield opened
    finally:
        opened.close()


def interfaces(guid: str) -> tuple[str, ...]:
    """Return the paths of the present devices of an interface class; raises WindowsError.

    Devices may come between asking for the size and for the list, so that is tried again.
    """
    manager = library("cfgmgr32")
    size_of = function(
        manager, "CM_Get_Device_Interface_List_SizeW", c_uint32,
        POINTER(c_uint32), POINTER(Guid), c_wchar_p, c_uint32,
    )  # fmt: skip
    list_of = function(
        manager, "CM_Get_Device_Interface_ListW", c_uint32,
        POINTER(Guid), c_wchar_p, c_void_p, c_uint32, c_uint32,
    )  # fmt: skip
    wanted, size = Guid.of(guid), c_uint32(0)
    for _ in range(MOST_TRIES):
        if (code := size_of(byref(size), byref(wanted), None, PRESENT_ONLY)) != CR_SUCCESS:
            raise WindowsError("CM_Get_Device_Interface_List_Size (CONFIGRET)", code)
        characters = min(size.value, MOST_INTERFACE_CHARACTERS)
        if characters <= 1:
            return ()
        buffer = ctypes.create_string_buffer(2 * characters)
        code = list_of(byref(wanted), None, buffer, characters, PRESENT_ONLY)
        if code == CR_SUCCESS:
            return texts_of(buffer.raw)
        if code != CR_BUFFER_SMALL:
            break
    raise WindowsError("CM_Get_Device_Interface_List (CONFIGRET)", code)


def texts_of(raw: bytes) -> tuple[str, ...]:
    """Return the texts of a MULTI_SZ: UTF-16, each ended by a NUL, the list by an empty one."""
    return tuple(text for text in raw.decode("utf-16-le", "replace").split("\0") if text)
