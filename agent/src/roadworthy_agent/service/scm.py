"""Calls into the service control manager of Windows, one function a call; what they are called with is made here too.

Values and structures: winsvc.h, https://learn.microsoft.com/windows/win32/api/winsvc/.
Not run on a real Windows yet (see docs/probes/README.md); the structures' bytes are tested.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
import time
from collections.abc import Callable
from ctypes import POINTER, byref, c_int32, c_uint32, c_void_p, c_wchar_p
from typing import Self

from roadworthy_agent.windows import api

SC_MANAGER_CONNECT, SC_MANAGER_CREATE_SERVICE = 0x1, 0x2
SERVICE_ALL_ACCESS, SERVICE_QUERY_STATUS = 0xF01FF, 0x4
OWN_PROCESS, AUTO_START, ERROR_NORMAL = 0x10, 2, 1
CONTROL_STOP, CONTROL_SHUTDOWN, CONTROL_INTERROGATE, CONTROL_PRESHUTDOWN = 1, 5, 4, 0xF
STOPPED, START_PENDING, STOP_PENDING, RUNNING = 1, 2, 3, 4
ACCEPT_STOP, ACCEPT_SHUTDOWN = 0x1, 0x4
CONFIG_DESCRIPTION, CONFIG_FAILURE_ACTIONS, CONFIG_DELAYED, CONFIG_FAILURE_FLAG = 1, 2, 3, 4
CONFIG_SID, CONFIG_PRIVILEGES = 5, 6
SID_UNRESTRICTED = 1
ACTION_RESTART = 1
OWNER_SECURITY_INFORMATION, DACL_SECURITY_INFORMATION = 0x1, 0x4
ERROR_SERVICE_EXISTS, ERROR_SERVICE_ALREADY_RUNNING = 1073, 1056
ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_NOT_ACTIVE = 1060, 1062
ERROR_NOT_STARTED_BY_MANAGER = 1063
ERROR_SERVICE_REQUEST_TIMEOUT = 1053
NO_CHANGE = 0xFFFF_FFFF

STATES = {STOPPED: "stopped", START_PENDING: "starting", STOP_PENDING: "stopping", RUNNING: "running"}


class ServiceStatus(ctypes.Structure):
    """SERVICE_STATUS, 28 bytes."""

    _fields_ = tuple(
        (name, c_uint32)
        for name in ("type", "state", "accepted", "exit_code", "specific_code", "checkpoint", "wait_hint")
    )


class Action(ctypes.Structure):
    """SC_ACTION: what to do and after how many milliseconds."""

    _fields_ = (("type", c_uint32), ("delay", c_uint32))


class FailureActions(ctypes.Structure):
    """SERVICE_FAILURE_ACTIONSW."""

    _fields_ = (
        ("reset_seconds", c_uint32),
        ("reboot_message", c_wchar_p),
        ("command", c_wchar_p),
        ("count", c_uint32),
        ("actions", POINTER(Action)),
    )


class Number(ctypes.Structure):
    """The structures that hold one DWORD or BOOL."""

    _fields_ = (("value", c_uint32),)


class Text(ctypes.Structure):
    """The structures that hold one pointer to text; a list of texts ends with an empty one."""

    _fields_ = (("value", c_wchar_p),)


def service_sid(name: str) -> str:
    r"""Return the security identifier Windows gives a service by its name: NT SERVICE\<name>."""
    digest = hashlib.sha1(name.upper().encode("utf-16-le"), usedforsecurity=False).digest()
    return "S-1-5-80-" + "-".join(str(number) for number in struct.unpack("<5I", digest))


def status_of(state: int, wait_milliseconds: int = 0, exit_code: int = 0) -> ServiceStatus:
    """Return what the service tells its manager: it can be stopped only while it runs, and never asks about power.

    A service that accepts power events is asked before a suspend and may hold it up; this one is not asked.
    """
    accepted = ACCEPT_STOP | ACCEPT_SHUTDOWN if state == RUNNING else 0
    return ServiceStatus(OWN_PROCESS, state, accepted, exit_code, 0, 0, wait_milliseconds)


def restarts(delays_milliseconds: tuple[int, ...], reset_seconds: int) -> FailureActions:
    """Return the failure actions: start again after each of these delays, counted anew after `reset_seconds`."""
    actions = (Action * len(delays_milliseconds))(
        *(Action(ACTION_RESTART, delay) for delay in delays_milliseconds)
    )
    return FailureActions(reset_seconds, None, None, len(actions), actions)


class Manager:
    """The service control manager, opened with the rights installing needs; use as a context."""

    def __init__(self, rights: int = SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE) -> None:
        self._library = api.library("advapi32")
        self._close = api.function(self._library, "CloseServiceHandle", c_int32, c_void_p)
        open_manager = api.function(self._library, "OpenSCManagerW", c_void_p, c_wchar_p, c_wchar_p, c_uint32)
        self._handle = open_manager(None, None, rights)
        if not self._handle:
            raise api.WindowsError("OpenSCManager", api.last_error())

    def __enter__(self) -> Self:
        """Return the manager."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the handle."""
        self._close(self._handle)

    def open(self, name: str, rights: int = SERVICE_ALL_ACCESS) -> Service | None:
        """Return a service, or None where there is none of that name."""
        open_service = api.function(self._library, "OpenServiceW", c_void_p, c_void_p, c_wchar_p, c_uint32)
        handle = open_service(self._handle, name, rights)
        if not handle:
            if api.last_error() == ERROR_SERVICE_DOES_NOT_EXIST:
                return None
            raise api.WindowsError("OpenService", api.last_error())
        return Service(self._library, handle)

    def create(self, name: str, shown: str, command: str, account: str) -> Service:
        """Make a service that starts with the system; raises WindowsError."""
        create = api.function(
            self._library, "CreateServiceW", c_void_p,
            c_void_p, c_wchar_p, c_wchar_p, c_uint32, c_uint32, c_uint32, c_uint32, c_wchar_p, c_wchar_p,
            c_void_p, c_wchar_p, c_wchar_p, c_wchar_p,
        )  # fmt: skip
        handle = create(
            self._handle, name, shown, SERVICE_ALL_ACCESS, OWN_PROCESS, AUTO_START, ERROR_NORMAL, command,
            None, None, None, account, None,
        )  # fmt: skip
        if not handle:
            raise api.WindowsError("CreateService", api.last_error())
        return Service(self._library, handle)


class Service:
    """One service, by its handle; use as a context."""

    def __init__(self, library: ctypes.CDLL, handle: int) -> None:
        self._library = library
        self._handle = handle

    def __enter__(self) -> Self:
        """Return the service."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the handle."""
        api.function(self._library, "CloseServiceHandle", c_int32, c_void_p)(self._handle)

    def set(self, what: int, value: ctypes.Structure) -> None:
        """Set one part of the configuration (ChangeServiceConfig2)."""
        change = api.function(self._library, "ChangeServiceConfig2W", c_int32, c_void_p, c_uint32, c_void_p)
        if not change(self._handle, what, byref(value)):
            raise api.WindowsError(f"ChangeServiceConfig2 {what}", api.last_error())

    def set_command(self, command: str, account: str) -> None:
        """Set what is started and as whom, for a service another version installed."""
        change = api.function(
            self._library, "ChangeServiceConfigW", c_int32,
            c_void_p, c_uint32, c_uint32, c_uint32, c_wchar_p, c_wchar_p, c_void_p, c_wchar_p, c_wchar_p,
            c_wchar_p, c_wchar_p,
        )  # fmt: skip
        done = change(
            self._handle, OWN_PROCESS, AUTO_START, NO_CHANGE, command, None, None, None, account, None, None
        )
        if not done:
            raise api.WindowsError("ChangeServiceConfig", api.last_error())

    def start(self) -> bool:
        """Start it; False where it runs already."""
        start = api.function(self._library, "StartServiceW", c_int32, c_void_p, c_uint32, c_void_p)
        if start(self._handle, 0, None):
            return True
        if api.last_error() == ERROR_SERVICE_ALREADY_RUNNING:
            return False
        raise api.WindowsError("StartService", api.last_error())

    def stop(self, seconds: float = 30.0, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Ask it to stop and wait until it has; False where it did not run."""
        control = api.function(
            self._library, "ControlService", c_int32, c_void_p, c_uint32, POINTER(ServiceStatus)
        )
        if not control(self._handle, CONTROL_STOP, byref(ServiceStatus())):
            if api.last_error() == ERROR_SERVICE_NOT_ACTIVE:
                return False
            raise api.WindowsError("ControlService", api.last_error())
        ends = time.monotonic() + seconds
        while self.state() != STOPPED:
            if time.monotonic() > ends:
                raise api.WindowsError("ControlService", ERROR_SERVICE_REQUEST_TIMEOUT)
            sleep(0.2)
        return True

    def state(self) -> int:
        """Return its state, one of STATES."""
        query = api.function(self._library, "QueryServiceStatus", c_int32, c_void_p, POINTER(ServiceStatus))
        found = ServiceStatus()
        if not query(self._handle, byref(found)):
            raise api.WindowsError("QueryServiceStatus", api.last_error())
        return int(found.state)

    def delete(self) -> None:
        """Mark it for deletion; it goes when its last handle is closed."""
        if not api.function(self._library, "DeleteService", c_int32, c_void_p)(self._handle):
            raise api.WindowsError("DeleteService", api.last_error())


def protect(path: str, descriptor: str) -> None:
    """Give a file or folder owner and access list of a security descriptor's text (SDDL).

    The owner too: whoever made the folder before us could else change the list again.
    """
    security = api.library("advapi32")
    convert = api.function(
        security, "ConvertStringSecurityDescriptorToSecurityDescriptorW", c_int32,
        c_wchar_p, c_uint32, POINTER(c_void_p), c_void_p,
    )  # fmt: skip
    made = c_void_p()
    if not convert(descriptor, 1, byref(made), None):
        raise api.WindowsError("ConvertStringSecurityDescriptor", api.last_error())
    try:
        set_security = api.function(security, "SetFileSecurityW", c_int32, c_wchar_p, c_uint32, c_void_p)
        if not set_security(path, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, made):
            raise api.WindowsError(f"SetFileSecurity {path}", api.last_error())
    finally:
        api.function(api.library("kernel32"), "LocalFree", c_void_p, c_void_p)(made)
