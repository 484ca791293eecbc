"""A machine that remembers what it was asked and what it answered, to be written as a recorded tree."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from roadworthy_agent.reading import Missing
from roadworthy_agent.windows.machine import RegistryValue, WindowsMachine
from roadworthy_agent.windows.raw import Raw, to_json


class RecordingWindows:
    """Passes each question on and keeps the answer; `files` gives them in the form `RecordedWindows` reads."""

    def __init__(self, machine: WindowsMachine) -> None:
        self._machine = machine
        self._events: dict[str, list[str]] = {}
        self._registry: dict[str, dict[str, Any]] = {}
        self._looks: dict[str, list[Mapping[str, Any]]] = {}

    def events(
        self, channel: str, ids: Collection[int], *, provider: str | None = None, most: int = 512
    ) -> tuple[str, ...] | Missing:
        """Return what the machine says."""
        answer = self._machine.events(channel, ids, provider=provider, most=most)
        if not isinstance(answer, Missing):
            self._events.setdefault(channel, []).extend(answer)
        return answer

    def registry(self, key: str, name: str) -> RegistryValue | None:
        """Return what the machine says."""
        value = self._machine.registry(key, name)
        if value is not None:
            self._registry.setdefault(key, {})[name] = list(value) if isinstance(value, tuple) else value
        return value

    def registry_keys(self, key: str) -> tuple[str, ...]:
        """Return what the machine says."""
        names = self._machine.registry_keys(key)
        for name in names:
            self._registry.setdefault(f"{key}\\{name}", {})
        return names

    def calls(self, probe: str) -> Raw:
        """Return what the machine says."""
        look = self._machine.calls(probe)
        self._looks.setdefault(probe, []).append(look.values)
        return look

    def power_again(self, meters: Collection[str], batteries: Collection[str]) -> Raw:
        """Return what the machine says."""
        look = self._machine.power_again(meters, batteries)
        self._looks.setdefault("power", []).append(look.values)
        return look

    def change(self, probe: str, name: str, how: Callable[[Any], Any]) -> None:
        """Change one kept result of a probe's calls, in each look: what names the device must not be written."""
        for at, look in enumerate(self._looks.get(probe, [])):
            if name in look:
                self._looks[probe][at] = {**look, name: how(look[name])}

    def change_registry(self, name: str, how: Callable[[Any], Any]) -> None:
        """Change the kept registry values of a name, whatever their key."""
        for values in self._registry.values():
            if name in values:
                values[name] = how(values[name])

    def files(self, probe: str) -> dict[str, bytes]:
        """Return the files of a recorded tree, by their path below it."""
        found = {
            f"roadworthy/events/{probe}/{channel.replace('/', '%2F')}.xml": _events_xml(events)
            for channel, events in self._events.items()
        }
        if self._registry:
            found[f"roadworthy/registry/{probe}.json"] = to_json(self._registry)
        for name, looks in self._looks.items():
            found[f"roadworthy/windows/{name}.json"] = to_json(looks if len(looks) > 1 else looks[0])
        return found


def _events_xml(events: list[str]) -> bytes:
    return ("<Events>\n" + "\n".join(dict.fromkeys(events)) + "\n</Events>\n").encode()
