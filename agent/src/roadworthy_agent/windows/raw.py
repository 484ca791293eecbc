"""What system calls gave, before anybody made sense of it: numbers, texts, bytes, lists, and refusals.

In a recorded tree it stands as JSON, bytes as {"hex": "..."} and a call that failed as {"error": number, "call":
name}. Reading it back trusts nothing: a value of another kind than asked for is a value that is not there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from roadworthy_agent.reading import Missing, Status
from roadworthy_agent.windows.api import (
    ERROR_ACCESS_DENIED,
    ERROR_FILE_NOT_FOUND,
    ERROR_INVALID_FUNCTION,
    ERROR_INVALID_PARAMETER,
    ERROR_NOT_SUPPORTED,
    ERROR_PATH_NOT_FOUND,
    ERROR_PROC_NOT_FOUND,
    WindowsError,
)

MOST_ITEMS = 4096
LARGEST_PLAIN_CODE = 1 << 16  # above it codes are made of parts and are written in hexadecimal
WORDS = {
    ERROR_INVALID_FUNCTION: "the driver does not know this question",
    ERROR_FILE_NOT_FOUND: "there is none",
    ERROR_PATH_NOT_FOUND: "there is none",
    ERROR_ACCESS_DENIED: "this account may not ask",
    ERROR_NOT_SUPPORTED: "the driver does not support this question",
    ERROR_INVALID_PARAMETER: "the driver does not understand this question",
    ERROR_PROC_NOT_FOUND: "this Windows has no such call",
}
NOT_THERE = frozenset(
    {
        ERROR_INVALID_FUNCTION,
        ERROR_FILE_NOT_FOUND,
        ERROR_PATH_NOT_FOUND,
        ERROR_NOT_SUPPORTED,
        ERROR_INVALID_PARAMETER,
        ERROR_PROC_NOT_FOUND,
    }
)


@dataclass(frozen=True, slots=True)
class Raw:
    """Named results of system calls; `fault` says why there are none, where all of them are lost at once."""

    values: Mapping[str, Any] = field(default_factory=dict)
    fault: Missing | None = None

    def octets(self, name: str) -> bytes | None:
        """Return bytes, None where there are none."""
        value = self.values.get(name)
        return value if isinstance(value, bytes) else None

    def number(self, name: str) -> int | None:
        """Return a whole number; None for one that no call could have given, as it does not fit 64 bits."""
        value = self.values.get(name)
        usable = isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 64
        return value if usable else None

    def decimal(self, name: str) -> float | None:
        """Return a number with or without a fraction; JSON also knows NaN and infinity, which are none."""
        value = self.values.get(name)
        if isinstance(value, float) and math.isfinite(value):
            return value
        whole = self.number(name)
        return None if whole is None else float(whole)

    def text(self, name: str) -> str | None:
        """Return a text, None for a blank one."""
        value = self.values.get(name)
        return value.strip() or None if isinstance(value, str) else None

    def flag(self, name: str) -> bool | None:
        """Return yes or no."""
        value = self.values.get(name)
        return value if isinstance(value, bool) else None

    def each(self, name: str) -> tuple[Raw, ...]:
        """Return the items of a list."""
        value = self.values.get(name)
        items = value[:MOST_ITEMS] if isinstance(value, (list, tuple)) else ()
        return tuple(Raw(item) for item in items if isinstance(item, dict))

    def inner(self, name: str) -> Raw:
        """Return results within the results, empty where there are none."""
        value = self.values.get(name)
        return Raw(value) if isinstance(value, dict) else Raw()

    def missing(self, name: str, wire_field: str) -> Missing:
        """Say that a field is missing because of what became of the call `name`."""
        if self.fault is not None:
            return Missing(wire_field, self.fault.status, self.fault.reason)
        inner = self.inner(name)
        code, call = inner.number("error"), inner.text("call") or name
        if code is None:
            return Missing(wire_field, Status.NOT_SUPPORTED, f"{call} gave nothing usable")
        return Missing(wire_field, status_of(code), f"{call}: {words_of(code)}"[:256])


def status_of(code: int) -> Status:
    """Return what an error code means for a reading."""
    if code == ERROR_ACCESS_DENIED:
        return Status.NO_PERMISSION
    return Status.NOT_SUPPORTED if code in NOT_THERE else Status.ERROR


def words_of(code: int) -> str:
    """Return an error code in words, where this agent knows any, with its number."""
    number = f"error {code}" if code < LARGEST_PLAIN_CODE else f"error {code:#010x}"
    return f"{WORDS[code]} ({number})" if code in WORDS else number


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call gave, or its failure as a value: one call that fails must not hide the others."""
    try:
        return call()
    except WindowsError as error:
        return {"error": error.code, "call": error.call}


def to_json(looks: Mapping[str, Any] | list[Mapping[str, Any]]) -> bytes:
    """Return results as the JSON of a recorded tree."""
    return (json.dumps(looks, indent=1, default=_hex) + "\n").encode()


def from_json(values: dict[str, Any]) -> Any:
    """Return an object of a recorded tree's JSON, one that stands for bytes as these (json's `object_hook`)."""
    if values.keys() == {"hex"} and isinstance(values["hex"], str):
        try:
            return bytes.fromhex(values["hex"])
        except ValueError:
            return values
    return values


def _hex(value: Any) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is no result of a system call")
    return {"hex": value.hex()}
