"""Windows itself, behind the port: each question is answered by the module that knows the calls for it."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module

from roadworthy_agent.reading import Missing
from roadworthy_agent.windows.eventlog import read_events
from roadworthy_agent.windows.machine import RegistryValue
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.registry import read_keys, read_value

# probe -> the module whose `look()` makes its system calls
CALLS = {
    "hardware": "firmware",
    "storage": "disks",
    "battery": "batteries",
    "power": "meters",
    "os": "versions",
    "state": "sessions",
    "utilisation": "load",
}


class LiveWindows:
    """Answers by asking Windows, see `machine`."""

    def events(
        self, channel: str, ids: Collection[int], *, provider: str | None = None, most: int = 512
    ) -> tuple[str, ...] | Missing:
        """Return events of a channel as XML, newest first."""
        return read_events(channel, ids, provider=provider, most=most)

    def registry(self, key: str, name: str) -> RegistryValue | None:
        """Return a registry value."""
        return read_value(key, name)

    def registry_keys(self, key: str) -> tuple[str, ...]:
        """Return the sub-keys of a registry key."""
        return read_keys(key)

    def calls(self, probe: str) -> Raw:
        """Return what the system calls of a probe gave."""
        module = import_module(f"roadworthy_agent.windows.{CALLS[probe]}")
        looked: Raw = module.look()
        return looked

    def power_again(self, meters: Collection[str], batteries: Collection[str]) -> Raw:
        """Return the figures of the devices named."""
        from roadworthy_agent.windows.meters import again

        return again(meters, batteries)
