"""The I/O Registry through ctypes: one function that returns the property list of one entry.

https://developer.apple.com/documentation/iokit/iokitlib_h
No process is started: the power and state probes ask at each sample.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

FRAMEWORKS = "/System/Library/Frameworks"
BINARY_FORMAT = 200  # kCFPropertyListBinaryFormat_v1_0
ROOT = "Root"


class _Libraries:
    """IOKit and CoreFoundation with the types of the few functions that are called."""

    def __init__(self) -> None:
        self.iokit = ctypes.CDLL(f"{FRAMEWORKS}/IOKit.framework/IOKit")
        self.core = ctypes.CDLL(f"{FRAMEWORKS}/CoreFoundation.framework/CoreFoundation")
        pointer, port = ctypes.c_void_p, ctypes.c_uint32
        signatures = (
            (self.iokit.IOServiceMatching, pointer, (ctypes.c_char_p,)),
            (self.iokit.IOServiceGetMatchingService, port, (port, pointer)),
            (self.iokit.IORegistryGetRootEntry, port, (port,)),
            (
                self.iokit.IORegistryEntryCreateCFProperties,
                ctypes.c_int,
                (port, ctypes.POINTER(ctypes.c_void_p), pointer, ctypes.c_uint32),
            ),
            (self.iokit.IOObjectRelease, ctypes.c_int, (port,)),
            (
                self.core.CFPropertyListCreateData,
                pointer,
                (pointer, pointer, ctypes.c_long, ctypes.c_ulong, pointer),
            ),
            (self.core.CFDataGetBytePtr, pointer, (pointer,)),
            (self.core.CFDataGetLength, ctypes.c_long, (pointer,)),
            (self.core.CFRelease, None, (pointer,)),
        )
        for function, result, arguments in signatures:
            function.restype, function.argtypes = result, arguments


@lru_cache(maxsize=1)
def _libraries() -> _Libraries:
    return _Libraries()


def properties(entry: str) -> bytes | None:
    """Return the properties of the first service of a class as a property list, None where there is none.

    OSError: the frameworks cannot be loaded, or the entry cannot be read.
    """
    libraries = _libraries()
    if entry == ROOT:
        service = libraries.iokit.IORegistryGetRootEntry(0)
    else:
        # The matching dictionary is consumed by the call; port 0 is the main port
        service = libraries.iokit.IOServiceGetMatchingService(
            0, libraries.iokit.IOServiceMatching(entry.encode())
        )
    if not service:
        return None
    found = ctypes.c_void_p()
    try:
        code = libraries.iokit.IORegistryEntryCreateCFProperties(service, ctypes.byref(found), None, 0)
    finally:
        libraries.iokit.IOObjectRelease(service)
    if code != 0 or not found:
        raise OSError(code, "its properties cannot be read", entry)
    try:
        return _serialised(libraries, found, entry)
    finally:
        libraries.core.CFRelease(found)


def _serialised(libraries: _Libraries, value: ctypes.c_void_p, entry: str) -> bytes:
    data = libraries.core.CFPropertyListCreateData(None, value, BINARY_FORMAT, 0, None)
    if not data:
        raise OSError(0, "its properties are no property list", entry)
    try:
        return ctypes.string_at(libraries.core.CFDataGetBytePtr(data), libraries.core.CFDataGetLength(data))
    finally:
        libraries.core.CFRelease(data)
