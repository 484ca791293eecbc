"""A recorded Windows machine."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from roadworthy_agent.probe import Missing
from roadworthy_agent.probes.tree import Content, Tree
from roadworthy_agent.reading import Status
from roadworthy_agent.windows.machine import RegistryValue

LIMIT_BYTES = 64 << 20
_EVENT = re.compile(r"<Event[ >].*?</Event>", re.DOTALL)
_ID = re.compile(r"<EventID[^>]*>\s*(\d{1,5})\s*</EventID>")
_PROVIDER = re.compile(r"<Provider[^>]*?\bName=['\"]([^'\"]*)['\"]")


class RecordedWindows:
    """Answers from the files of a tree, see `machine`."""

    def __init__(self, root: Path) -> None:
        self._tree = Tree(root)

    def events(
        self, channel: str, ids: Collection[int], *, provider: str | None = None, most: int = 512
    ) -> tuple[str, ...] | Missing:
        """Return the recorded events of a channel, as recorded: newest first."""
        content = self._tree.read(f"roadworthy/events/{channel.replace('/', '%2F')}.xml", LIMIT_BYTES)
        if content.text is None:
            return content.missing(channel)
        found = (each[0] for each in _EVENT.finditer(content.text))
        return tuple(each for each in found if _is(each, ids, provider))[:most]

    def registry(self, key: str, name: str) -> RegistryValue | None:
        """Return a recorded registry value."""
        value = self._json("roadworthy/registry.json").get(key, {}).get(name)
        if isinstance(value, dict):
            return bytes.fromhex(value["hex"])
        return tuple(value) if isinstance(value, list) else value

    def registry_keys(self, key: str) -> tuple[str, ...]:
        """Return the recorded sub-keys."""
        start = f"{key}\\"
        below = (
            each[len(start) :] for each in self._json("roadworthy/registry.json") if each.startswith(start)
        )
        return tuple(sorted({each.partition("\\")[0] for each in below}))

    def _json(self, path: str) -> dict[str, Any]:
        content: Content = self._tree.read(path, LIMIT_BYTES)
        if content.status is not Status.OK or not content.text:
            return {}
        values: dict[str, Any] = json.loads(content.text)
        return values


def _is(event: str, ids: Collection[int], provider: str | None) -> bool:
    number, name = _ID.search(event), _PROVIDER.search(event)
    return (
        number is not None
        and int(number[1]) in ids
        and (provider is None or (name is not None and name[1] == provider))
    )
