"""The processors as GetLogicalProcessorInformationEx tells them; pure.

Records of SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX (winnt.h): relationship and size, four bytes each, then what the
relationship holds. https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-processor_relationship
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

CORE, PACKAGE = 0, 3
HEADER_BYTES = 8
GROUP_COUNT = 22  # of PROCESSOR_RELATIONSHIP, from its beginning
GROUPS = 24
IDENTIFIER = re.compile(r"Family (\d{1,9}) Model (\d{1,9})(?: Stepping (\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of each, None where the records do not say."""

    sockets: int | None = None
    cores: int | None = None
    threads: int | None = None


def parse_processors(data: bytes, pointer_bytes: int = 8) -> Counts:
    """Return the counts; a record that says it is longer than what is left ends the list."""
    cores = [body for kind, body in _records(data) if kind == CORE]
    packages = sum(1 for kind, _ in _records(data) if kind == PACKAGE)
    threads = sum(_threads(body, pointer_bytes) for body in cores)
    return Counts(packages or None, len(cores) or None, threads or None)


def parse_identifier(text: str | None) -> tuple[int | None, int | None, int | None]:
    """Return family, model and stepping of `Intel64 Family 6 Model 158 Stepping 10`; Arm gives no stepping."""
    found = IDENTIFIER.search(text or "")
    if found is None:
        return None, None, None
    family, model, stepping = found.groups()
    return int(family), int(model), int(stepping) if stepping is not None else None


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + HEADER_BYTES <= len(data):
        kind = int.from_bytes(data[offset : offset + 4], "little")
        size = int.from_bytes(data[offset + 4 : offset + 8], "little")
        if size < HEADER_BYTES or offset + size > len(data):
            return
        yield kind, data[offset + HEADER_BYTES : offset + size]
        offset += size


def _threads(body: bytes, pointer_bytes: int) -> int:
    """Return the logical processors of one core: the bits set in its groups' masks.

    GROUP_AFFINITY is a mask of a pointer's width, then a group number and padding, 8 bytes together.
    """
    width = pointer_bytes if pointer_bytes in {4, 8} else 8
    count = int.from_bytes(body[GROUP_COUNT : GROUP_COUNT + 2], "little")
    masks = (body[at : at + width] for at in range(GROUPS, GROUPS + count * (width + 8), width + 8))
    return sum(int.from_bytes(mask, "little").bit_count() for mask in masks if len(mask) == width)
