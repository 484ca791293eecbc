"""The power of devices without a meter or sensor: watts by class, age and state, times the seconds the device told.

A device that is asleep or off is accounted as such, by its own seconds and not by a table of typical days. Where the
state is known the energy is `modelled`; where a device was on and its state was not collected it is `assumed`,
anywhere between idle and in use. Classes without a row (network equipment, virtual machines, unknown ones) get no
energy and are counted: nothing unknown becomes nought. `data/state_watts.csv` says where each row is from; no fleet
of office PCs measured at the wall is published, so the ranges are wide, and rows marked `ours` are our own reading.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from roadworthy_inventory import tables
from roadworthy_inventory.replacement_inputs import Range

STATES = ("in_use", "idle", "locked", "asleep", "off")
AVERAGE = "average"  # of all hours, for what has no states
UNOBSERVED = "unobserved"  # on, and nobody told in which state
_FILE = "state_watts.csv"
_BASES = ("derived", "limit", "ours")
_COLUMNS = (
    "item_class",
    "state",
    "made_from",
    "made_before",
    "low_watts",
    "likely_watts",
    "high_watts",
    "basis",
    "note",
    "source",
    "as_of",
)
# A locked machine idles; its screen is an item of its own.
_SAME_WATTS = {"locked": "idle"}
_NOTHING = Range(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class StateWatts:
    """The watts at the wall of a class in a state, made from `made_from` until before `made_before`.

    `basis`: derived from published figures, a published limit, or ours.
    """

    item_class: str
    state: str
    made_from: dt.date | None
    made_before: dt.date | None
    watts: Range
    basis: str
    note: str
    source: str
    as_of: dt.date

    def of(self, made: dt.date | None) -> bool:
        """Whether the row is about machines made then; the newest row stands for those of unknown age."""
        if made is None:
            return self.made_before is None
        return (self.made_from is None or self.made_from <= made) and (
            self.made_before is None or made < self.made_before
        )


@dataclass(frozen=True, slots=True)
class StateEnergy:
    """The energy of a device over some time, in joules as (low, likely, high), and the seconds nothing is known of."""

    modelled_joules: Range
    assumed_joules: Range
    unknown_seconds: float


def parse_state_watts(text: str) -> dict[tuple[str, str], tuple[StateWatts, ...]]:
    """Return {(class, state): rows} of the table's text; TableError where a row is wrong or two overlap."""
    found: dict[tuple[str, str], list[StateWatts]] = defaultdict(list)
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        read = _row(line, row)
        for other in found[read.item_class, read.state]:
            if (read.made_from or dt.date.min) < (other.made_before or dt.date.max) and (
                other.made_from or dt.date.min
            ) < (read.made_before or dt.date.max):
                raise tables.TableError(f"{_FILE}: line {line}: two rows are about the same years")
        found[read.item_class, read.state].append(read)
    return {key: tuple(rows) for key, rows in found.items()}


@cache
def state_watts() -> Mapping[tuple[str, str], tuple[StateWatts, ...]]:
    """Return the table that ships with this package, read once."""
    return MappingProxyType(parse_state_watts(tables.read_text(_FILE)))


def watts_of(item_class: str, state: str, made: dt.date | None = None) -> StateWatts | None:
    """Return the row for a device of `item_class` in `state`, None where the table has none."""
    rows = state_watts().get((item_class, _SAME_WATTS.get(state, state)), ())
    return next((row for row in rows if row.of(made)), None)


def energy(item_class: str, made: dt.date | None, seconds: Mapping[str, float]) -> StateEnergy:
    """Return the energy of a device that spent `seconds` in each of STATES, AVERAGE or UNOBSERVED.

    ValueError for another state, or seconds that are negative or no number.
    """
    modelled, assumed, unknown = _NOTHING, _NOTHING, 0.0
    for state, spent in seconds.items():
        if state not in (*STATES, AVERAGE, UNOBSERVED):
            raise ValueError(f"{state!r} is none of {', '.join((*STATES, AVERAGE, UNOBSERVED))}")
        if not (math.isfinite(spent) and spent >= 0):
            raise ValueError(f"{spent} seconds {state} are none")
        watts = _between(item_class, made) if state == UNOBSERVED else _known(item_class, state, made)
        if watts is None:
            unknown += spent
        elif state == UNOBSERVED:
            assumed = _add(assumed, watts, spent)
        else:
            modelled = _add(modelled, watts, spent)
    return StateEnergy(modelled, assumed, unknown)


def _row(line: int, row: Mapping[str, str]) -> StateWatts:
    try:
        low, likely, high = (float(row[f"{name}_watts"]) for name in ("low", "likely", "high"))
    except ValueError as error:
        raise tables.TableError(f"{_FILE}: line {line}: watts: {error}") from None
    if not 0 <= low <= likely <= high < math.inf:
        raise tables.TableError(f"{_FILE}: line {line}: watts: {low}, {likely}, {high} are not in order")
    first, before = (
        tables.iso_date(_FILE, line, name, row[name]) if row[name] else None
        for name in ("made_from", "made_before")
    )
    return StateWatts(
        item_class=row["item_class"],
        state=tables.one_of(_FILE, line, "state", row["state"], (*STATES, AVERAGE)),
        made_from=first,
        made_before=before,
        watts=Range(low, likely, high),
        basis=tables.one_of(_FILE, line, "basis", row["basis"], _BASES),
        note=row["note"],
        source=row["source"],
        as_of=tables.iso_date(_FILE, line, "as_of", row["as_of"]),
    )


def _known(item_class: str, state: str, made: dt.date | None) -> Range | None:
    row = watts_of(item_class, state, made)
    return None if row is None else row.watts


def _between(item_class: str, made: dt.date | None) -> Range | None:
    """Return the watts of a device that is on: as low as idle, as high as in use, likely half of each."""
    idle, in_use = (_known(item_class, state, made) for state in ("idle", "in_use"))
    if idle is None or in_use is None:
        return None
    return Range(idle.low, (idle.likely + in_use.likely) / 2, in_use.high)


def _add(joules: Range, watts: Range, seconds: float) -> Range:
    return Range(*(total + rate * seconds for total, rate in zip(joules, watts, strict=True)))
