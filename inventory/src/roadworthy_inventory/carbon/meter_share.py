"""The devices' energy beside the meter of their site, half-hour by half-hour: an allocation inside the billed total.

The energy ledger says what a site's devices drew in a month, with an interval; the site's half-hours say when they were
on, in which state. So the month's energy is laid over its half-hours by the watts of their states (a shape, and no
measurement), and each is held against what the meter saw. Where even the low end of the interval is more than the
meter's figure, a meter or a model is wrong, or a device is told at the wrong site: that is an alarm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH
from roadworthy_inventory.carbon.state_power import watts_of
from roadworthy_inventory.replacement_inputs import Range

ON = ("in_use", "idle", "locked")
STATES = (*ON, "asleep", "off")
WORST = 20
SLOTS = 48
# A class without watts by state (network, unknown) is taken to draw alike whenever it is on.
_FLAT = {**dict.fromkeys(ON, 1.0), "asleep": 0.0, "off": 0.0}


class HalfHour(NamedTuple):
    """What all devices of a site did in a half-hour; `slot` 0-47 of the day by the local clock."""

    start: int
    slot: int
    observed_seconds: float
    seconds: Mapping[str, float]


class Above(NamedTuple):
    """A half-hour in which devices claim more than the meter saw, kWh: the low end, what is likely, the meter."""

    start: int
    low_kwh: float
    likely_kwh: float
    meter_kwh: float


@dataclass(frozen=True, slots=True)
class Share:
    """A site's month. `ratio` of the half-hours that have both figures, low, likely and high; None where none has.

    `above` counts half-hours with a claim above the meter, `worst` has the worst of them. `profile`: for each half-hour
    of the day the mean kWh of devices and meter, None where there is none.
    """

    compared: int
    without_meter: int
    claimed_kwh: float
    meter_kwh: float
    ratio: tuple[float, float, float] | None
    above: int
    worst: tuple[Above, ...]
    profile: tuple[tuple[float, float] | None, ...]


def mean_watts(days_by_class: Mapping[str, float]) -> dict[str, float]:
    """Return watts by state of a site's mix of classes, weighted by device-days."""
    whole, found = 0.0, dict.fromkeys(STATES, 0.0)
    for item_class, days in days_by_class.items():
        rows = {state: watts_of(item_class, state) for state in STATES}
        if rows["in_use"] is None or rows["idle"] is None:
            continue
        whole += days
        for state, row in rows.items():
            found[state] += days * (row.watts.likely if row is not None else 0.0)
    return {state: watts / whole for state, watts in found.items()} if whole else dict(_FLAT)


def shape(half_hours: Sequence[HalfHour], watts: Mapping[str, float]) -> list[float]:
    """Return the weight of each half-hour; what was on in no known state lies between idle and in use."""
    between = (watts["idle"] + watts["in_use"]) / 2
    return [
        sum(one.seconds.get(state, 0.0) * watts[state] for state in STATES)
        + max(one.observed_seconds - sum(one.seconds.get(state, 0.0) for state in ON), 0.0) * between
        for one in half_hours
    ]


def share(
    half_hours: Sequence[HalfHour], weights: Sequence[float], joules: Range, meter: Mapping[int, float]
) -> Share:
    """Return devices beside the meter: `joules` of the month at the wall, `meter` {start: kWh}."""
    whole = sum(weights)
    compared = 0
    claimed = seen = 0.0
    above: list[Above] = []
    slots: list[list[float]] = [[0.0, 0.0, 0.0] for _ in range(SLOTS)]
    for one, weight in zip(half_hours, weights, strict=True):
        kwh = meter.get(one.start)
        if kwh is None or not whole:
            continue
        low, likely = (part * weight / whole / JOULES_PER_KWH for part in (joules.low, joules.likely))
        compared += 1
        claimed += likely
        seen += kwh
        slots[one.slot] = [was + more for was, more in zip(slots[one.slot], (1, likely, kwh), strict=True)]
        if low > kwh:
            above.append(Above(one.start, low, likely, kwh))
    above.sort(key=lambda one: one.meter_kwh - one.low_kwh)
    return Share(
        compared,
        len(half_hours) - compared,
        claimed,
        seen,
        _ratio(claimed, seen, joules),
        len(above),
        tuple(above[:WORST]),
        tuple((told[1] / told[0], told[2] / told[0]) if told[0] else None for told in slots),
    )


def _ratio(claimed: float, seen: float, joules: Range) -> tuple[float, float, float] | None:
    if not seen or not joules.likely:
        return None
    likely = claimed / seen
    return (likely * joules.low / joules.likely, likely, likely * joules.high / joules.likely)
