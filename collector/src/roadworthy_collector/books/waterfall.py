"""The waterfall as people read it, out of where the records stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

STATES = ("matched", "undecided", "orphan")
_STEPS = (
    ("in the MDM export", "not_in_mdm"),
    ("with an agent", "no_agent"),
    ("reporting this week", "silent"),
)
# With an export each step is of those the one before left: an item with an agent that no MDM knows is in none of them.
_LEFT = {"not_in_mdm": "in_mdm", "no_agent": "with_both", "silent": "reporting"}
_BOTH = {"no_agent": "in the MDM export and with an agent", "silent": "of those, reporting this week"}


class Step(NamedTuple):
    """A step: what is left of the register there (listed as `rows`), and how many dropped out, standing at `place`.

    `share` is of the register, None where that is empty.
    """

    name: str
    items: int
    share: float | None
    gap: int
    place: str | None
    rows: str


def waterfall(counts: Mapping[tuple[str, str], int], *, with_mdm: bool) -> list[Step]:
    """Return the steps from the register to what reported this week; without an MDM export there is no step of it."""

    def at(place: str) -> int:
        return sum(counts.get((place, state), 0) for state in STATES)

    total = sum(at(place) for place in ("not_in_mdm", "no_agent", "silent", "reporting"))
    found = [Step("register items that could report", total, 1.0 if total else None, 0, None, "register")]
    left = total
    for name, place in _STEPS if with_mdm else _STEPS[1:]:
        gap = at(place)
        left -= gap
        found.append(
            Step(
                _BOTH.get(place, name) if with_mdm else name,
                left,
                left / total if total else None,
                gap,
                place,
                _LEFT[place] if with_mdm or place == "silent" else "with_agent",
            )
        )
    return found


def with_agent(counts: Mapping[tuple[str, str], int]) -> int:
    """Return how many items have an agent, whether an MDM knows them or not."""
    beside = counts.get(("not_in_mdm", "matched"), 0)  # matched, and not by an MDM record: by an agent
    return beside + sum(
        counts.get((place, state), 0) for place in ("silent", "reporting") for state in STATES
    )
