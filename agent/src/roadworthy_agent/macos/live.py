"""A Mac itself, behind the port."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from roadworthy_agent.macos import bootlog, iokit, programs, registry, sysctl
from roadworthy_agent.macos.launchd import ASK, STARTUP_LOG
from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.tree import Tree

ASK_AGAIN_SECONDS = 300.0  # reading half an hour of log takes a second or two
TAIL_BYTES = 256 << 10  # launchd appends some kilobytes a boot
NOT_READABLE = "the unified log is for administrators: roadworthy-agent service install adds the job that reads these few lines"


class LiveMac:
    """Answers by asking macOS, see `machine`."""

    def __init__(
        self,
        root: Path = Path("/"),
        read: Callable[[str], str | None] = sysctl.read,
        *,
        as_root: bool | None = None,
    ) -> None:
        self._tree = Tree(root)
        self._read = read
        self._as_root = _is_root() if as_root is None else as_root

    def sysctl(self, name: str) -> str | None:
        """Return a value of sysctl."""
        return self._read(name)

    def registry(self, entry: str) -> Mapping[str, Any] | Missing:
        """Return the kept properties of an entry of the I/O Registry."""
        try:
            data = iokit.properties(entry)
        except OSError as error:
            return Missing(entry, Status.ERROR, f"{entry} cannot be read: {error.strerror or error}"[:256])
        if data is None:
            return Missing(entry, Status.NOT_SUPPORTED, f"this Mac has no {entry}")
        return registry.parse(data, entry)

    def program(self, key: str) -> bytes | Missing:
        """Return what a program printed; the log of this start-up from the job that reads it, where there is one."""
        if key != "boot-log":
            return programs.run(programs.PROGRAMS[key])
        if handed := self._handed_over():
            return handed
        if self._as_root:
            return programs.run(programs.PROGRAMS[key])
        return self._asked()

    def _handed_over(self) -> bytes | None:
        """Return the end of the job's file if it holds marks of this boot."""
        try:
            with (self._tree.root / str(STARTUP_LOG).lstrip("/")).open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - TAIL_BYTES))
                data = file.read(TAIL_BYTES)
        except OSError:
            return None
        boot_id = self._read("kern.bootsessionuuid")
        return data if boot_id and bootlog.parse(data, boot_id).any else None

    def _asked(self) -> Missing:
        """Touch the file launchd watches, so that it runs the job, and say that the answer comes later."""
        ask = self._tree.root / str(ASK).lstrip("/")
        if not self._tree.exists(str(STARTUP_LOG.parent).lstrip("/")):
            return Missing("startups", Status.NO_PERMISSION, NOT_READABLE)
        try:
            if not ask.exists() or abs(time.time() - ask.stat().st_mtime) > ASK_AGAIN_SECONDS:
                ask.touch(mode=0o600)
        except OSError:
            return Missing("startups", Status.NO_PERMISSION, NOT_READABLE)
        return Missing(
            "startups", Status.NO_DATA_YET, "the start-up log job has been asked for this start-up"
        )


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0
