"""One agent per state folder: a lock the system lets go of however the agent ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

from roadworthy_agent.errors import HeldError, StateError


def hold(path: Path) -> IO[bytes]:
    """Lock a file and return it; keep it open as long as the lock is wanted.

    Raises HeldError where another process holds it, another StateError where it cannot be locked at all.
    """
    file: IO[bytes] | None = None
    try:
        file = path.open("ab")
        _lock(file)
    except OSError as error:
        if file is not None:
            file.close()
        if isinstance(error, (BlockingIOError, PermissionError)) and file is not None:
            raise HeldError(f"{path.parent}: another agent is running with this state folder") from error
        raise StateError(f"{path}: cannot lock it: {error.strerror}") from error
    return file


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
