"""The one switch between platforms: which reader answers for a probe, imported when it is first asked.

A probe's package holds `linux.py`, `windows.py` and `macos.py` with the same names. Only the one of the platform is
ever imported: the others would cost memory and bind libraries that are not there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from roadworthy_agent.probe import Context, ProbeResult
from roadworthy_agent.reading import Status

MODULES = {"linux": "linux", "win32": "windows", "darwin": "macos"}
PLATFORM_NAMES = {"linux": "Linux", "win32": "Windows", "darwin": "macOS"}


def reader(package: str, platform: str) -> ModuleType | None:
    """Return the module of a probe's package that reads `platform`, or None where nobody has written one."""
    module = MODULES.get(platform)
    return None if module is None else import_module(f"{package}.{module}")


def chosen(probe: str, package: str) -> Callable[[Context], ProbeResult[Any]]:
    """Return the `collect` of a probe: that of its reader for the context's platform, or one that says there is none."""

    def collect(context: Context) -> ProbeResult[Any]:
        """Look once."""
        module = reader(package, context.platform)
        if module is None:
            return not_supported(probe, context.platform)
        result: ProbeResult[Any] = module.collect(context)
        return result

    return collect


def not_supported(probe: str, platform: str) -> ProbeResult[Any]:
    """Return the answer of a platform nobody has written a reader for."""
    name = PLATFORM_NAMES.get(platform, platform)
    return ProbeResult(probe, Status.NOT_SUPPORTED, reason=f"the {probe} probe has no reader for {name}")
