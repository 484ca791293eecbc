"""One file lock between processes: for changing the database's shape, and for running on a data folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int, *, wait: bool, shared: bool) -> None:
        if not shared:  # Windows locks only for one, and keeps files that are open in their place by itself
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

    def _give_back(descriptor: int, *, shared: bool) -> None:
        if not shared:
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(descriptor: int, *, wait: bool, shared: bool) -> None:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)

    def _give_back(descriptor: int, *, shared: bool) -> None:  # noqa: ARG001 - as on Windows
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def file_lock(path: Path, *, wait: bool = True, shared: bool = False) -> Iterator[None]:
    """Hold the lock `path` (made if missing, mode 0600, never removed) while the block runs.

    Waits for whoever holds it; the system gives it back when a process dies. Any number may hold it `shared`, as
    long as nobody holds it alone. Raises OSError if `path` cannot be opened or, without `wait`, is held.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, wait=wait, shared=shared)
        try:
            yield
        finally:
            _give_back(descriptor, shared=shared)
    finally:
        os.close(descriptor)
