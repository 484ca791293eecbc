"""Which place of a device is the whole of it, and which of its rows gave no value. Pure.

What a device takes (or, of a UPS, gives) is the outermost place of which every row was read. A place of which one row was
refused, or of which fewer rows came than the device says there are, is no whole: its sum would be too small. What one poll
made of it is not kept for ever: a first poll may have found an inlet that had no value yet.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from roadworthy_collector.snmp.readings import DeviceAnswer

# From the outermost inwards; the first that was read in full is the whole device.
WHOLE_PLACES = ("input", "output", "system", "supply_unit", "phase", "bank", "poe")
# Of these kinds all rows of a place add up.
COUNTED = {"active_power": "watts", "energy": "watt_hours"}
# Another place is trusted once it was read so often in a row; at once where the one there is was itself chosen so lately.
_SURE_POLLS = 3
# A row that was refused so long ago and not since is no longer there; a whole not read for so long gives way to another.
_LONG_SECONDS = 86_400.0
# What a switch gives to others is less than what it takes: never taken in the stead of a place that was read before.
_NEVER_INSTEAD = "poe"
_SOME = "?"  # the index of rows that the device says there are, which did not come


@dataclass(frozen=True, slots=True)
class Whole:
    """The place that is the whole device, and what may change that; epoch seconds.

    `polls` since it was chosen; `read_at` when all of it was read last; `other` a place that may take its stead, read
    in full for `other_polls`; `unread` rows of the whole that gave no value ever, and when they were refused last.
    """

    place: str = ""
    polls: int = 0
    read_at: float | None = None
    other: str = ""
    other_polls: int = 0
    unread: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can keep."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Whole:
        """Return what `as_json` gave."""
        return cls(**kept)


class Rows(NamedTuple):
    """The rows of a place by index: those with power or energy, and why others gave neither."""

    read: frozenset[str]
    lost: Mapping[str, str]


def rows_of(answer: DeviceAnswer) -> dict[str, Rows]:
    """Return the rows of each place that may be the whole."""
    read: defaultdict[str, set[str]] = defaultdict(set)
    lost: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for one in answer.readings:
        if one.kind in COUNTED and not isinstance(one.value, str):
            read[one.place].add(one.index)
    for refused in answer.refusals:
        if refused.parts is not None:
            lost[refused.parts][_SOME] = refused.reason
        elif refused.place is not None and refused.kind in COUNTED:
            lost[refused.place].setdefault(refused.index, refused.reason)
    return {
        place: Rows(
            frozenset(read[place]),
            {index: why for index, why in lost[place].items() if index not in read[place]},
        )
        for place in WHOLE_PLACES
    }


def whole_place(answer: DeviceAnswer) -> str | None:
    """Return the outermost place of which this answer has every row, None where there is none."""
    rows = rows_of(answer)
    return next((place for place in WHOLE_PLACES if rows[place].read and not rows[place].lost), None)


def whole_watts(answer: DeviceAnswer) -> float | None:
    """Return the power of the whole device, None where not every row of it told its own."""
    place = whole_place(answer)
    if place is None:
        return None
    watts = {
        one.index: float(one.value)
        for one in answer.readings
        if one.kind == "active_power" and one.place == place
    }
    return math.fsum(watts.values()) if watts.keys() == rows_of(answer)[place].read else None


def why_not_whole(answer: DeviceAnswer, whole: Whole, counted: AbstractSet[str]) -> str | None:
    """Return in words which row keeps the whole from being known, None where none does; `counted` as of `next_whole`."""
    rows = rows_of(answer)
    places = (whole.place,) if whole.place else WHOLE_PLACES
    for place in places:
        if not (whole.place or rows[place].read):
            continue
        for index, why in rows[place].lost.items():
            named = f"{place} {index}".strip() if index != _SOME else place
            return f"{named} is not known, and the rest is not the whole device: {why}"
    read = {f"{place}:{index}" for place in places for index in rows[place].read}
    gone = next(iter(sorted({*whole.unread, *counted} - read)), None)
    if gone is None:
        return None
    named = gone.replace(":", " ").strip()
    return f"{named} gave no value, or has not yet: the rest is not the whole device"


def next_whole(whole: Whole, answer: DeviceAnswer, counted: AbstractSet[str], at: float) -> Whole:
    """Return what is the whole from this poll on; `counted` are the rows of it that have a counter ("phase:1")."""
    best = whole_place(answer)
    if not whole.place:
        return Whole(place=best or "", polls=1, read_at=at)
    here = rows_of(answer)[whole.place]
    read = {f"{whole.place}:{index}" for index in here.read}
    lost = {f"{whole.place}:{index}" for index in here.lost} - counted
    unread = {
        key: since
        for key, since in whole.unread.items()
        if key not in read and not key.endswith(f":{_SOME}") and at - since < _LONG_SECONDS
    } | dict.fromkeys(lost, at)
    is_read = bool(read) and counted <= read and not unread
    read_at = at if is_read or whole.read_at is None else whole.read_at
    other = best or ""
    if not other or not (
        WHOLE_PLACES.index(other) < WHOLE_PLACES.index(whole.place)
        or (at - read_at >= _LONG_SECONDS and other not in {whole.place, _NEVER_INSTEAD})
    ):
        other = ""
    polls = 0 if not other else whole.other_polls + 1 if other == whole.other else 1
    if other and polls >= (_SURE_POLLS if whole.polls >= _SURE_POLLS else 1):
        return Whole(place=other, polls=1, read_at=at)
    return replace(
        whole,
        polls=min(whole.polls + 1, _SURE_POLLS),
        read_at=read_at,
        other=other,
        other_polls=polls,
        unread=unread,
    )
