"""Running under the service manager of Windows.

The manager calls back on threads of its own, and the agent wants the main thread, whose signals end its sleep. So:

1. a thread connects to the manager (StartServiceCtrlDispatcher) and stays with it until the service has ended,
2. the manager calls `_main` on another thread, which says "running" and waits for the end,
3. the agent runs in the main thread,
4. "stop" and "shutdown" are answered at once with "stopping" and become a SIGTERM in the main thread,
5. the agent returns, `_main` says "stopped", the manager lets the thread of step 1 go.
"""

from __future__ import annotations

import _thread
import logging
import signal
import threading
from collections.abc import Callable
from ctypes import POINTER, Structure, byref, c_int32, c_uint32, c_void_p, c_wchar_p
from pathlib import Path
from typing import Any

from roadworthy_agent.errors import ProbeError, ServiceError
from roadworthy_agent.service import scm
from roadworthy_agent.service.options import NAME
from roadworthy_agent.windows import api

CONNECT_SECONDS = 30.0  # what the manager gives a service to connect
STOP_MILLISECONDS = 10_000  # how long stopping may take: a call under way is cut off
NO_ERROR, CALL_NOT_IMPLEMENTED = 0, 120
FAILED = 1


class TableEntry(Structure):
    """SERVICE_TABLE_ENTRYW: a name and what to call; the table ends with an empty one."""

    _fields_ = (("name", c_wchar_p), ("main", c_void_p))


def log_file(state_dir: Path) -> logging.Handler:
    """Return where a service without a terminal writes: agent.log in its folder, a quarter of a megabyte and one old one."""
    from logging.handlers import RotatingFileHandler

    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return RotatingFileHandler(state_dir / "agent.log", maxBytes=262_144, backupCount=1, encoding="utf-8")


def stop_main() -> None:
    """End the agent in the main thread, as SIGTERM does on other systems; from any thread."""
    _thread.interrupt_main(signal.SIGTERM)


class Hosted:
    """A service under its manager: what is told, and what is done when it asks. `tell` passes a status on."""

    def __init__(
        self, tell: Callable[[scm.ServiceStatus], None], stop: Callable[[], None] = stop_main
    ) -> None:
        self._tell = tell
        self._stop = stop
        self.running = threading.Event()
        self.ended = threading.Event()
        self.exit_code = 0

    def main(self) -> None:
        """Say that it runs, wait until it has ended, say so."""
        self._tell(scm.status_of(scm.START_PENDING, STOP_MILLISECONDS))
        self._tell(scm.status_of(scm.RUNNING))
        self.running.set()
        self.ended.wait()
        self._tell(scm.status_of(scm.STOPPED, exit_code=self.exit_code))

    def control(self, code: int) -> int:
        """Answer the manager at once; what is asked is done meanwhile."""
        if code in {scm.CONTROL_STOP, scm.CONTROL_SHUTDOWN, scm.CONTROL_PRESHUTDOWN}:
            self._tell(scm.status_of(scm.STOP_PENDING, STOP_MILLISECONDS))
            self._stop()
            return NO_ERROR
        return NO_ERROR if code == scm.CONTROL_INTERROGATE else CALL_NOT_IMPLEMENTED


def run_as_service(run: Callable[[], int]) -> int:
    """Run the agent under the service manager; raises ServiceError where nobody of that kind started it."""
    signal.signal(signal.SIGTERM, _asked_early)  # until the agent itself listens
    manager = _Connection()
    manager.connect()
    try:
        manager.hosted.exit_code = FAILED
        manager.hosted.exit_code = run()
    except KeyboardInterrupt:
        manager.hosted.exit_code = (
            NO_ERROR  # a failure would make the manager start again what it was told to stop
        )
    finally:
        manager.hosted.ended.set()
        manager.thread.join(CONNECT_SECONDS)
    return manager.hosted.exit_code


def _asked_early(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


class _Connection:
    """The way to the manager, with the callbacks it holds: they live as long as this."""

    def __init__(self) -> None:
        self._library = api.library("advapi32")
        self._handle: int | None = None
        self._fault: Exception | None = None
        self.hosted = Hosted(self._tell)
        self.thread = threading.Thread(target=self._dispatch, name="service", daemon=True)
        make = _callback_type()
        self._main = make(None, c_uint32, c_void_p)(lambda _count, _texts: self._service_main())
        self._control = make(c_uint32, c_uint32, c_uint32, c_void_p, c_void_p)(
            lambda code, _event, _data, _context: self.hosted.control(code)
        )

    def connect(self) -> None:
        """Connect and wait until the manager knows that it runs."""
        self.thread.start()
        while not self.hosted.running.wait(0.1):
            if not self.thread.is_alive():
                code = getattr(self._fault, "code", 0)
                if code == scm.ERROR_NOT_STARTED_BY_MANAGER:
                    raise ServiceError(
                        "--service is for the service manager of Windows; run: roadworthy-agent service install"
                    )
                raise ServiceError(f"cannot reach the service manager: {self._fault}")

    def _dispatch(self) -> None:
        table = (TableEntry * 2)(TableEntry(NAME, _address(self._main)), TableEntry(None, None))
        start = api.function(self._library, "StartServiceCtrlDispatcherW", c_int32, POINTER(TableEntry))
        if not start(table):
            self._fault = api.WindowsError("StartServiceCtrlDispatcher", api.last_error())

    def _service_main(self) -> None:
        register = api.function(
            self._library, "RegisterServiceCtrlHandlerExW", c_void_p, c_wchar_p, c_void_p, c_void_p
        )
        self._handle = register(NAME, _address(self._control), None)
        self.hosted.main()

    def _tell(self, status: scm.ServiceStatus) -> None:
        set_status = api.function(
            self._library, "SetServiceStatus", c_int32, c_void_p, POINTER(scm.ServiceStatus)
        )
        set_status(self._handle, byref(status))


def _callback_type() -> Any:
    """Return what makes callback types: stdcall on Windows."""
    import ctypes
    import sys

    if sys.platform == "win32":
        return ctypes.WINFUNCTYPE
    raise ProbeError("services of this kind exist only on Windows")


def _address(callback: Any) -> c_void_p:
    import ctypes

    return ctypes.cast(callback, c_void_p)
