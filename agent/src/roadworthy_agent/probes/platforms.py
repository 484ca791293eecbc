"""The one switch between platforms: which reader answers for a probe on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

from roadworthy_agent.probe import Context, ProbeResult
from roadworthy_agent.reading import Status

T = TypeVar("T")
Collect = Callable[[Context], ProbeResult[T]]

PLATFORM_NAMES = {"win32": "Windows", "darwin": "macOS"}


def chosen(
    probe: str, readers: Mapping[str, Collect[T]], platform: str = sys.platform
) -> Callable[[Context], ProbeResult[T]]:
    """Return the `collect` of a probe: its reader for `platform`, or one that says there is none yet.

    Recorded trees are Linux trees, so the Linux reader takes them on whatever platform.
    """
    here: Collect[T] = readers.get(platform) or (lambda _context: not_supported(probe, platform))

    def collect(context: Context) -> ProbeResult[T]:
        """Look once."""
        return here(context) if context.live else readers["linux"](context)

    return collect


def not_supported(probe: str, platform: str) -> ProbeResult[T]:
    """Return the answer of a platform nobody has written a reader for."""
    name = PLATFORM_NAMES.get(platform, platform)
    return ProbeResult(probe, Status.NOT_SUPPORTED, reason=f"the {probe} probe has no reader for {name} yet")
