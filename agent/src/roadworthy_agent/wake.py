"""Waiting for the next thing to do without polling, and ending at once on a signal."""

from __future__ import annotations

import select
import signal
import socket
from types import FrameType
from typing import Self


class Waker:
    """A sleep that another thread or a signal can end.

    A signal writes to the socket by itself (`signal.set_wakeup_fd`), so none is lost between looking and
    sleeping, and nothing takes a lock inside a signal handler.
    """

    def __init__(self) -> None:
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)
        self.stopping = False

    def __enter__(self) -> Self:
        """Take over SIGINT and SIGTERM, also where SIGINT was inherited ignored; main thread only."""
        self._before = signal.set_wakeup_fd(self._outer.fileno(), warn_on_full_buffer=False)
        self._handlers = {name: signal.signal(name, self._stop) for name in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_exception: object) -> None:
        """Give the signals back."""
        for name, handler in self._handlers.items():
            signal.signal(name, handler)
        signal.set_wakeup_fd(self._before)
        self._inner.close()
        self._outer.close()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def wake(self) -> None:
        """End a sleep, now or the next one; from any thread."""
        try:
            self._outer.send(b"\0")
        except (BlockingIOError, OSError):
            return  # already full of reasons to wake up, or closed: the agent is ending

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`, or less if woken."""
        if self.stopping:
            return
        select.select([self._inner], [], [], max(0.0, seconds))
        try:
            self._inner.recv(4096)
        except BlockingIOError:
            return
