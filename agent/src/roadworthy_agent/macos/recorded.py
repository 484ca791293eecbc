"""A recorded Mac."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roadworthy_agent.macos import registry
from roadworthy_agent.macos.machine import PROGRAMS, REGISTRY, SYSCTL
from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.tree import Content, Tree

LIMIT_BYTES = 4 << 20


class RecordedMac:
    """Answers from the files of a tree, see `machine`."""

    def __init__(self, root: Path) -> None:
        self._tree = Tree(root)

    def sysctl(self, name: str) -> str | None:
        """Return a recorded value."""
        return self._tree.text(f"{SYSCTL}/{name}")

    def registry(self, entry: str) -> Mapping[str, Any] | Missing:
        """Return the recorded properties of an entry."""
        content = self._tree.read(f"{REGISTRY}/{entry}.plist", registry.LIMIT_BYTES + 1)
        if content.data is None:
            return _missing(content, f"this Mac has no {entry}")
        return registry.parse(content.data, entry)

    def program(self, key: str) -> bytes | Missing:
        """Return what a program had printed."""
        content = self._tree.read(f"{PROGRAMS}/{key}", LIMIT_BYTES)
        return _missing(content, f"{key} was not recorded") if content.data is None else content.data


def _missing(content: Content, absent: str) -> Missing:
    """Say why there is nothing: it was not there when the tree was recorded, or cannot be read."""
    reason = absent if content.status is Status.NOT_SUPPORTED else content.reason or absent
    return Missing(content.path, content.status, reason)
