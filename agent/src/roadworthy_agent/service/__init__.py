"""Installing the agent as a service of its platform, and taking it away again.

Each platform module offers the same three: `install_steps`, `remove_steps` and `status`. Steps are values (`steps`):
they can be shown before they are done, and done again without harm.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from roadworthy_agent.errors import ServiceError

MODULES = {"linux": "systemd", "win32": "windows", "darwin": "macos"}


def manager(platform: str) -> ModuleType:
    """Return the module that knows the services of `platform` (sys.platform's word)."""
    name = MODULES.get(platform)
    if name is None:
        raise ServiceError(f"nobody has written how to install a service on {platform}")
    return import_module(f"{__name__}.{name}")
