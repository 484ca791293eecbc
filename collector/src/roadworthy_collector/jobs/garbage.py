"""When the jobs process looks for garbage: not while a job holds the write lock.

A full look takes 50 ms and more in a process with everything the jobs need, begins wherever something happens to be
made, and stops every thread: in a transaction each report would wait for it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Looking:
    """Whether Python may look for garbage: not while one of the threads that asked for that is at work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work = 0
        self._was_on = False

    def put_off(self) -> None:
        with self._lock:
            if not self._at_work:
                self._was_on = gc.isenabled()
                gc.disable()
            self._at_work += 1

    def go_on(self) -> None:
        with self._lock:
            self._at_work -= 1
            if not self._at_work and self._was_on:
                gc.enable()


_LOOKING = _Looking()


@contextmanager
def put_off() -> Iterator[None]:
    """Have no thread begin to look for garbage while the block runs; for blocks of milliseconds. Blocks may overlap."""
    _LOOKING.put_off()
    try:
        yield
    finally:
        _LOOKING.go_on()


def pass_over_what_is_there() -> None:
    """Look through everything once and never again: modules and tables that stay as long as the process."""
    gc.collect()
    gc.freeze()
