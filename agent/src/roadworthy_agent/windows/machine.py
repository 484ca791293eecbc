r"""The port between the probes and Windows: raw data only, live or from a recorded tree.

A recorded tree of Windows holds, below its root:
    roadworthy/platform             the word `windows`
    roadworthy/clock.json           {"boot_id", "boottime_seconds", "wall"} of the moment of recording
    roadworthy/events/<channel>.xml <Events> around the <Event> elements EvtRender gave, `/` in the name as `%2F`
    roadworthy/registry.json        {key: {name: number | text | [text, ...] | {"hex": bytes}}}, keys as HKLM\...
    roadworthy/windows.json         what system calls returned, by name (see `recorded`)
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from roadworthy_agent.probe import Context, Missing
from roadworthy_agent.windows.raw import Raw

RegistryValue = int | str | bytes | tuple[str, ...]


class WindowsMachine(Protocol):
    """What can be asked of Windows. Nothing here raises for what is absent: the answer says why."""

    def events(
        self, channel: str, ids: Collection[int], *, provider: str | None = None, most: int = 512
    ) -> tuple[str, ...] | Missing:
        """Return events of a channel as EvtRender's XML, newest first; () where there are none.

        A Missing says that the channel cannot be read: absent (not_supported) or closed to us (no_permission).
        """

    def registry(self, key: str, name: str) -> RegistryValue | None:
        r"""Return one value of a key such as `HKLM\SYSTEM\CurrentControlSet\...`, None where there is none."""

    def registry_keys(self, key: str) -> tuple[str, ...]:
        """Return the names of a key's sub-keys, sorted."""

    def calls(self, probe: str) -> Raw:
        """Return what the system calls of a probe give; each call that failed is there as its error.

        A recorded machine gives its looks one after the other, the last again and again.
        """

    def power_again(self, meters: Collection[str], batteries: Collection[str]) -> Raw:
        """Return only the figures of the energy meters and batteries named by their paths."""


def machine_of(context: Context) -> WindowsMachine:
    """Return Windows itself, or what was recorded of it."""
    if context.live:
        from roadworthy_agent.windows.live import LiveWindows

        return LiveWindows()
    from roadworthy_agent.windows.recorded import RecordedWindows

    return RecordedWindows(context.root)
