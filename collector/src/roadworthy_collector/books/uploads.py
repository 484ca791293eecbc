"""Files on their way into the register: bounded while they come, and kept between a dry run and its being applied.

Kept files lie in the folder `imports` of the data folder (0700), for an hour, each for whoever sent it.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
from pathlib import Path
from typing import BinaryIO, NamedTuple

from roadworthy_collector.errors import NotFoundError, StoreError
from roadworthy_collector.settings import Settings

UPLOAD_BYTES = 64 * 1024 * 1024
UPLOAD_SECONDS = 300.0
KEPT_SECONDS = 3600
FOLDER = "imports"
_TOKEN = re.compile(r"[0-9a-f]{32}")
_MOST_KEPT = 20
CORRECTIONS = "corrections"  # the format of a kept correction file, which no file that is sent has


class Kept(NamedTuple):
    """A file that was sent: where it lies, and how it was meant."""

    token: str
    path: Path
    name: str
    format: str | None
    mapping: str | None
    strict: bool


def keep(
    settings: Settings,
    body: BinaryIO,
    *,
    actor: str,
    now: float,
    name: str,
    format_: str | None,
    mapping: str | None,
    strict: bool,
) -> Kept:
    """Keep a file that was sent and return it; those older than an hour go. StoreError where it cannot be written."""
    folder = settings.data / FOLDER
    token = secrets.token_hex(16)
    path = folder / f"{token}.upload"
    said = {
        "actor": actor, "at": now, "name": name, "format": format_, "mapping": mapping, "strict": strict,
    }  # fmt: skip
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _tidy(folder, now)
        with _new(path) as target:
            body.seek(0)
            while piece := body.read(1024 * 1024):
                target.write(piece)
        with _new(folder / f"{token}.json") as target:
            target.write(json.dumps(said).encode())
    except OSError as error:
        raise StoreError(f"{folder}: cannot keep the file here: {error.strerror}") from None
    return Kept(token, path, name, format_, mapping, strict)


def keep_text(settings: Settings, text: str, *, actor: str, now: float, name: str) -> Kept:
    """Keep a correction file for whoever sent the file it is of; StoreError where it cannot be written."""
    body = io.BytesIO(b"\xef\xbb\xbf" + text.encode())
    return keep(
        settings, body, actor=actor, now=now, name=name, format_=CORRECTIONS, mapping=None, strict=False
    )


def corrections_name(file: str) -> str:
    """Return what the correction file of a file is called."""
    return f"{file.rpartition('.')[0] or file}.corrections.csv"


def find(settings: Settings, token: str, *, actor: str, now: float) -> Kept:
    """Return a kept file of `actor`; NotFoundError where it is none, of another, or older than an hour."""
    missing = NotFoundError("this file is no longer kept; send it again")
    if not _TOKEN.fullmatch(token):
        raise missing
    folder = settings.data / FOLDER
    try:
        said = json.loads((folder / f"{token}.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise missing from None
    if said["actor"] != actor or not 0 <= now - said["at"] <= KEPT_SECONDS:
        raise missing
    path = folder / f"{token}.upload"
    return Kept(token, path, said["name"], said["format"], said["mapping"], said["strict"])


def drop(kept: Kept) -> None:
    """Forget a kept file."""
    kept.path.unlink(missing_ok=True)
    kept.path.with_suffix(".json").unlink(missing_ok=True)


def _new(path: Path) -> BinaryIO:
    """Open a new file that is this user's alone from its first moment."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _tidy(folder: Path, now: float) -> None:
    """Drop what is old, and the oldest of too many: an unread file must not fill the disk."""
    found: list[tuple[float, Path]] = []
    for path in folder.glob("*.json"):
        try:
            at = float(json.loads(path.read_text("utf-8"))["at"])
        except (OSError, ValueError, KeyError):
            at = 0.0
        found.append((at, path))
    found.sort(reverse=True)
    for number, (at, path) in enumerate(found):
        if number >= _MOST_KEPT - 1 or not 0 <= now - at <= KEPT_SECONDS:
            path.unlink(missing_ok=True)
            path.with_suffix(".upload").unlink(missing_ok=True)
