"""Backups a running collector makes of its own database, in the folder `backups` of its data folder.

Names are the collector's, so that nobody who calls its API chooses where on the machine a file is written.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from roadworthy_collector.errors import StoreError
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.backup import backup
from roadworthy_collector.store.lock import file_lock

FOLDER = "backups"
_NAME = re.compile(r"roadworthy-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}\.(db|dump)")
# A full disk stops what comes in; this much of the database's size is left free beyond the copy itself.
_ROOM_RATIO = 0.2


class BackupRunningError(StoreError):
    """One backup at a time."""


def make_backup(
    settings: Settings,
    *,
    now: float,
    room: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> dict[str, Any]:
    """Back the database up and return {name, bytes, made_at}.

    Raises BackupRunningError while another is being made, StoreError where there is no room or it cannot be written.
    """
    folder = settings.data / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot keep backups here: {error.strerror}") from None
    database = settings.database
    if not isinstance(database, URL):
        needed = int(database.stat().st_size * (1 + _ROOM_RATIO))
        if room(folder) < needed:
            raise StoreError(f"{folder}: a backup needs {needed} bytes of free space; nothing was written")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    ending = "dump" if isinstance(database, URL) else "db"
    try:
        with file_lock(folder / "backup.lock", wait=False):
            made = backup(database, folder / f"roadworthy-{stamp}-{secrets.token_hex(2)}.{ending}")
    except (BlockingIOError, PermissionError):  # the latter is what Windows says
        raise BackupRunningError("another backup is being made; wait until it is there") from None
    return _described(made)


def list_backups(settings: Settings) -> list[dict[str, Any]]:
    """Return {name, bytes, made_at} of the backups in the folder, the newest first."""
    folder = settings.data / FOLDER
    found = [path for path in folder.glob("roadworthy-*") if _NAME.fullmatch(path.name)]
    return [_described(path) for path in sorted(found, reverse=True)]


def _described(path: Path) -> dict[str, Any]:
    state = path.stat()
    return {"name": path.name, "bytes": state.st_size, "made_at": int(state.st_mtime)}
