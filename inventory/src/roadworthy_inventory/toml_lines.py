"""On which line of a TOML text a key stands: tomllib reads values without places, and a refusal should name one."""

from __future__ import annotations

import re

Place = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?:"([^"\\]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*=\s*(.*)$""")
_LONG = re.compile(r'"""|' + "'''")


class TomlLines:
    """Finds the line of a place such as ("rule", 2, "value_seconds"): [[rule]] tables are numbered from 0."""

    def __init__(self, text: str) -> None:
        self._found: dict[Place, int] = {(): 1}
        self._at: Place = ()
        self._next: dict[Place, int] = {}
        inside = ""
        for number, line in enumerate(text.split("\n"), start=1):
            if inside:
                inside = "" if inside in line else inside
                continue
            inside = self._take(number, line)

    def _take(self, number: int, line: str) -> str:
        """Note what stands on a line; return the delimiter of a text that goes on below, else ''."""
        header = _HEADER.match(line)
        if header:
            self._enter([part.strip().strip("\"'") for part in header[2].split(".")], many=header[1] == "[[")
            self._found.setdefault(self._at, number)
            return ""
        key = _KEY.match(line)
        if not key:
            return ""
        self._found.setdefault((*self._at, key[1] or key[2] or key[3]), number)
        opened = _LONG.search(key[4])
        return opened[0] if opened and key[4].count(opened[0]) % 2 else ""

    def _enter(self, parts: list[str], *, many: bool) -> None:
        place: Place = ()
        for part in parts[:-1]:
            place = (*place, part)
            if place in self._next:
                place = (*place, self._next[place] - 1)
        place = (*place, parts[-1])
        if many:
            number = self._next.get(place, 0)
            self._next[place] = number + 1
            place = (*place, number)
        self._at = place

    def of(self, place: Place) -> int:
        """Return the line of `place`, or that of the nearest table around it where the key is not written out."""
        while place not in self._found:
            place = place[:-1]
        return self._found[place]
