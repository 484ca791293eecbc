"""Values no agent should send, and where in a report they can stand."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]

_MARK = "put the raw value here"
# As JSON text: some of these are nothing Python's own encoder would write.
TEXTS = (
    '"\\u0000"',
    '"before\\u0000after"',
    '"\\\\u0000"',  # a backslash and five characters, not a NUL
    '"\\\\\\u0000"',
    '"\\ud800"',
    '"\\udc00 tail"',
    '"\\ud83d\\ude00"',
    '""',
    f'"{"x" * 64}"',
    f'"{"x" * 97}"',
    f'"{"x" * 256}"',
    '"' + "😀" * 256 + '"',
    f'"{"x" * 5000}"',
    '"\\u202e%s%(a)s\'\\";--"',
)
NUMBERS = (
    *("0", "-1", "1.5", "-0.0", "32767", "32768", "2147483647", "2147483648", "9007199254740993"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616"),
    *("-9223372036854775808", "-9223372036854775809", "1" + "0" * 30, "1" + "0" * 400, "-1" + "0" * 400),
    *("5e-324", "1e-320", "1.7976931348623157e308", "-1.7976931348623157e308", "1e999", "-1e999"),
)
OTHERS = ("null", "true", "[]", "{}", "[[]]", '{"a": {"b": null}}', "[" * 500 + "]" * 500)
ALL = TEXTS + NUMBERS + OTHERS
TOKENS = ("NaN", "Infinity", "-Infinity", "01", "1.", '"\x01"', '"\\x00"', "'", "", "tru")


def paths(value: Any, here: Place = ()) -> Iterator[Place]:
    """Return where in `value` something else can be put; of lists the first two items stand for all."""
    if here:
        yield here
    if isinstance(value, dict):
        for name, part in value.items():
            yield from paths(part, (*here, name))
    elif isinstance(value, list):
        for number, part in enumerate(value[:2]):
            yield from paths(part, (*here, number))


def replaced(report: dict[str, Any], where: Place, text: str) -> bytes:
    """Return a report as JSON with `text` in place of what stands at `where`."""
    changed = copy.deepcopy(report)
    part: Any = changed
    for step in where[:-1]:
        part = part[step]
    part[where[-1]] = _MARK
    return json.dumps(changed).replace(json.dumps(_MARK), text).encode()
