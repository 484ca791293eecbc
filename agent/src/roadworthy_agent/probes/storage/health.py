"""How worn a disk is, whatever kind it is: what the parsers of `nvme`, `smart` and eMMC give."""

from __future__ import annotations

from dataclasses import dataclass, field

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.reading import Status

MOST_HOURS = 219_150  # 25 years: more is a counter of something else, or garbage
MOST_COUNT = (1 << 53) - 1  # what a JSON number carries exactly


class HealthError(ProbeError):
    """What a disk (or a document about it) says cannot be; the text says why."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a disk says of itself; None where it says nothing, `reasons` say why where that is worth a word.

    `wear_ratio` is the share of its rated life used and may pass 1; `failing` is the disk's own word.
    """

    source: str
    wear_ratio: float | None = None
    spare_ratio: float | None = None
    power_on_hours: int | None = None
    media_errors: int | None = None
    reallocated_sectors: int | None = None
    failing: bool | None = None
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoHealth:
    """A disk that gave no answer, and why."""

    status: Status
    reason: str


def hours(number: int) -> int | None:
    """Return power-on hours, or None for a number no disk can have reached."""
    return number if 0 <= number <= MOST_HOURS else None


def count(number: int) -> int | None:
    """Return a count that can be carried exactly, or None."""
    return number if 0 <= number <= MOST_COUNT else None
