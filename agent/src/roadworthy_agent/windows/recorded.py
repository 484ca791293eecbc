"""A recorded Windows machine."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from roadworthy_agent.probe import NOT_UNDERSTOOD, Missing
from roadworthy_agent.probes.tree import Content, Tree
from roadworthy_agent.reading import Status
from roadworthy_agent.windows.machine import RegistryValue
from roadworthy_agent.windows.raw import Raw, from_json
from roadworthy_agent.windows.registry import plain

LIMIT_BYTES = 64 << 20
_END = "</Event>"
_BEGIN = re.compile(r"<Event[ >]")
# Bounded everywhere: a tag that never ends must not be followed to the end of the file from each of its beginnings
_ID = re.compile(r"<EventID[^>]{0,64}>\s{0,64}(\d{1,5})\s{0,64}</EventID>")
_RECORD = re.compile(r"<EventRecordID>\s{0,64}(\d{1,20})\s{0,64}</EventRecordID>")
_PROVIDER = re.compile(r"<Provider[^>]{0,512}?\bName=['\"]([^'\"]{0,256})['\"]")


class RecordedWindows:
    """Answers from the files of a tree, see `machine`."""

    def __init__(self, root: Path) -> None:
        self._tree = Tree(root)
        self._looks: dict[str, int] = {}

    def events(
        self, channel: str, ids: Collection[int], *, provider: str | None = None, most: int = 512
    ) -> tuple[str, ...] | Missing:
        """Return the recorded events of a channel, as recorded: newest first.

        Several probes may have recorded the same channel: what they saw is joined, by record number.
        """
        name = f"{channel.replace('/', '%2F')}.xml"
        whole = self._tree.read(f"roadworthy/events/{name}", LIMIT_BYTES)
        contents = [whole] + [
            self._tree.read(f"roadworthy/events/{probe}/{name}", LIMIT_BYTES)
            for probe in self._tree.names("roadworthy/events")
            if self._tree.exists(f"roadworthy/events/{probe}/{name}")
        ]
        texts = [content.text for content in contents if content.text is not None]
        if not texts:
            return whole.missing(channel)
        found = dict.fromkeys(each for text in texts for each in _events(text))
        newest = list(found) if len(texts) == 1 else sorted(found, key=_record, reverse=True)
        return tuple(each for each in newest if _is(each, ids, provider))[:most]

    def registry(self, key: str, name: str) -> RegistryValue | None:
        """Return a recorded registry value."""
        return plain(_values(self._registry.get(key)).get(name))

    def registry_keys(self, key: str) -> tuple[str, ...]:
        """Return the recorded sub-keys."""
        start = f"{key}\\"
        below = (each[len(start) :] for each in self._registry if each.startswith(start))
        return tuple(sorted({each.partition("\\")[0] for each in below}))

    def calls(self, probe: str) -> Raw:
        """Return the next recorded look of a probe's system calls."""
        looks = self._json(f"roadworthy/windows/{probe}.json")
        if isinstance(looks, Missing):
            return Raw(fault=looks)
        if isinstance(looks, dict):
            looks = [looks]
        if not isinstance(looks, list) or not looks:
            return Raw()
        at = self._looks.get(probe, 0)
        self._looks[probe] = at + 1
        look = looks[min(at, len(looks) - 1)]
        return Raw(look) if isinstance(look, dict) else Raw()

    def power_again(self, meters: Collection[str], batteries: Collection[str]) -> Raw:  # noqa: ARG002 - recorded whole
        """Return the next recorded look, whatever of it was asked for."""
        return self.calls("power")

    @cached_property
    def _registry(self) -> dict[str, Any]:
        """The registry as recorded whole and by each probe."""
        values = dict(_values(self._json("roadworthy/registry.json")))
        for name in self._tree.names("roadworthy/registry"):
            for key, recorded in _values(self._json(f"roadworthy/registry/{name}")).items():
                values[key] = _values(values.get(key)) | _values(recorded)
        return values

    def _json(self, path: str) -> Any:
        """Return what a file holds, None where there is none, or why it gives nothing: it harms no other file."""
        content: Content = self._tree.read(path, LIMIT_BYTES)
        if content.status is Status.NOT_SUPPORTED:
            return None
        if content.data is None:
            return content.missing(path)
        try:
            return json.loads(content.text or "", object_hook=from_json)
        except NOT_UNDERSTOOD:
            return Missing(path, Status.ERROR, f"/{path} is no JSON")


def _events(text: str) -> Iterator[str]:
    """Yield the events of a file, each from its beginning to the next end; in one pass over the file."""
    at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        end = text.find(_END, begin.start())
        if end < 0:
            return
        at = end + len(_END)
        yield text[begin.start() : at]


def _values(recorded: Any) -> dict[str, Any]:
    return recorded if isinstance(recorded, dict) else {}


def _record(event: str) -> int:
    number = _RECORD.search(event)
    return int(number[1]) if number else -1


def _is(event: str, ids: Collection[int], provider: str | None) -> bool:
    number, name = _ID.search(event), _PROVIDER.search(event)
    return (
        number is not None
        and int(number[1]) in ids
        and (provider is None or (name is not None and name[1] == provider))
    )
