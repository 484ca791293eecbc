"""Reading small files under a root, so that each blank keeps its reason.

`Tree(root)` is the live machine (`/`) or a recorded one, which may hold two lists of its own:
`roadworthy/unreadable` names, one a line, the files its recorder had no right to read, so that a tree read by
root still tells what an ordinary account saw; `roadworthy/links` gives, as "path target", where symbolic links
led, because targets such as `pci0000:00` are no file names everywhere.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.reading import Missing, Status

LIMIT_BYTES = 1 << 20  # more than any file read here; a DMI table is at most some 64 kB
MOST_UNSAID = 8  # files that could not be read, beside what a probe says itself
MOST_DIGITS = 18  # of a whole number: what fits 64 bits whatever the digits
UNREADABLE = "roadworthy/unreadable"
LINKS = "roadworthy/links"


@dataclass(frozen=True, slots=True)
class Content:
    """What one file gave: its bytes, or why there are none."""

    path: str
    data: bytes | None
    status: Status = Status.OK
    reason: str | None = None

    @property
    def text(self) -> str | None:
        """The bytes as text without surrounding blanks and NULs, or None; bytes that are no text are marked."""
        return None if self.data is None else self.data.decode("utf-8", "replace").strip(" \t\r\n\0")

    def missing(self, field: str) -> Missing:
        """Say that `field` is missing for this file's reason."""
        status = Status.ERROR if self.status is Status.OK else self.status  # it was read, and is of no use
        return Missing(field, status, self.reason or f"/{self.path} holds nothing usable")


class Tree:
    """Files below one root. Paths are given without a leading slash."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._failed: dict[str, Content] = {}

    @cached_property
    def _unreadable(self) -> frozenset[str]:
        return frozenset(line.lstrip("/") for line in self._lines(UNREADABLE))

    @cached_property
    def _links(self) -> dict[str, str]:
        pairs = (line.partition(" ") for line in self._lines(LINKS))
        return {path.lstrip("/"): target.strip() for path, _, target in pairs}

    def _lines(self, path: str) -> list[str]:
        try:
            text = (self.root / path).read_text("utf-8", "replace")
        except OSError:
            return []
        return [line.strip() for line in text.splitlines() if line.strip()]

    def read(self, path: str, limit: int = LIMIT_BYTES) -> Content:
        """Read at most `limit` bytes; never raises: what went wrong is in the status."""
        content = self._read(path, limit)
        if content.status is not Status.OK and content.status is not Status.NOT_SUPPORTED:
            self._failed[path] = content
        return content

    def unsaid(self, field: str, *said: str | None) -> tuple[Missing, ...]:
        """Return what was there and could not be read, as missing of `field`, unless `said` names the file already.

        A source may be one of many for a value, or tell whether there is anything to measure at all: without this a
        broken one would be a value less and no word about it.
        """
        known = " ".join(filter(None, said))
        untold = (each for path, each in self._failed.items() if f"/{path}" not in known)
        return tuple(each.missing(field) for each in islice(untold, MOST_UNSAID))

    def _read(self, path: str, limit: int) -> Content:
        if path in self._unreadable:
            return Content(path, None, Status.NO_PERMISSION, f"/{path}: Permission denied")
        try:
            with (self.root / path).open("rb") as file:
                return Content(path, file.read(limit))
        except PermissionError as error:
            return Content(path, None, Status.NO_PERMISSION, f"/{path}: {error.strerror}")
        except (
            FileNotFoundError,
            NotADirectoryError,
            ProcessLookupError,
        ):  # the last: a process that has ended
            return Content(path, None, Status.NOT_SUPPORTED, f"/{path} does not exist here")
        except OSError as error:  # sysfs answers EIO, ENODEV or ENODATA for what a driver cannot tell
            return Content(path, None, Status.ERROR, f"/{path}: {error.strerror}")

    def text(self, path: str) -> str | None:
        """Return the text of a small file, or None where there is none or it is blank."""
        return self.read(path).text or None

    def number(self, path: str) -> int | None:
        """Return the whole number a file holds, or None."""
        return whole_number(self.text(path))

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; an absent or closed folder has none."""
        try:
            return sorted(each.name for each in (self.root / path).iterdir())
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        """Tell whether something is there."""
        return os.path.lexists(self.root / path)

    def link(self, path: str) -> str | None:
        """Return where a symbolic link points, as written or as recorded, or None."""
        if path in self._links:
            return self._links[path]
        try:
            return str((self.root / path).readlink())
        except OSError:
            return None


def whole_number(text: str | None) -> int | None:
    """Return a decimal whole number of at most 64 bits, or None for anything else."""
    if text is None:
        return None
    number = text.strip()
    digits = number.removeprefix("-")
    return int(number) if digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS else None


def recorded_object(text: str, path: str) -> dict[str, Any]:
    """Return the JSON object a recorded file holds; raises ProbeError naming the file and what is wrong with it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProbeError(f"{path} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ProbeError(f"{path} holds no object")
    return document
