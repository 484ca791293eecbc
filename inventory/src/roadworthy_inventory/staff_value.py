"""What lost staff time is worth, under the user's own figures; who it is shown for; what the legacy framework takes.

Hours first. Money is a range, because no study tells how much of a wait is lost: at 0.25 somebody does other work
for three quarters of it, at 1.0 for none. No figure here is cashable: nobody's pay falls.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roadworthy_inventory.staff_time import StaffTime, total

# The range the published valuations leave open; ours, and always shown.
LOSS_FACTORS = (0.25, 1.0)
OTHER, UNASSIGNED = "other", "unassigned"
MINIMUM_GROUP = 5
_MILLISECONDS_PER_HOUR = 3_600_000
# A loss factor is taken to the fourth place, so that pence come out of whole numbers.
_FACTOR_SCALE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRange:
    """The worth of lost time in pence: `low_pence` at the low factor, `high_pence` at the high one.

    `chosen_pence` at the user's own `loss_factor`, None where none was given: there is no default. Always
    `cashable` False.
    """

    low_pence: int
    high_pence: int
    loss_factor: float | None
    chosen_pence: int | None
    rate_pence_per_hour: int
    cashable: bool = False


def money(time: StaffTime, rate_pence_per_hour: int, loss_factor: float | None = None) -> MoneyRange:
    """Return what `time` is worth at `rate_pence_per_hour`, the user's loaded rate.

    ValueError for a rate that is not positive, or a loss factor that is not above 0 and at most 1.
    """
    if rate_pence_per_hour <= 0:
        raise ValueError(f"a rate of {rate_pence_per_hour} pence an hour is none; state your own")
    if loss_factor is not None and not 0 < loss_factor <= 1:
        raise ValueError(f"a loss factor of {loss_factor} is not above 0 and at most 1")

    def worth(factor: float) -> int:
        scaled = round(factor * _FACTOR_SCALE)
        divisor = _MILLISECONDS_PER_HOUR * _FACTOR_SCALE
        return (2 * time.lost_milliseconds * rate_pence_per_hour * scaled + divisor) // (2 * divisor)

    low, high = LOSS_FACTORS
    return MoneyRange(
        low_pence=worth(low),
        high_pence=worth(high),
        loss_factor=loss_factor,
        chosen_pence=None if loss_factor is None else worth(loss_factor),
        rate_pence_per_hour=rate_pence_per_hour,
    )


def full_time_equivalents(time: StaffTime, productive_hours: float | None) -> float | None:
    """Return the posts the hours would fill, None where nobody stated productive hours.

    `productive_hours`: of one post over the same period `time` is of. ValueError where it is not positive.
    """
    if productive_hours is None:
        return None
    if not math.isfinite(productive_hours) or productive_hours <= 0:
        raise ValueError(f"{productive_hours} productive hours fill no post")
    return time.hours / productive_hours


@dataclass(frozen=True, slots=True)
class HoursEvidence:
    """The resource hours for impact criterion C5 of the Legacy IT Risk Assessment Framework; people score them.

    Hours measured from `first` to `last`, both included, on `devices` of `devices_in_scope`: nothing is scaled up.
    """

    hours: float
    first: dt.date
    last: dt.date
    waits: int
    devices: int
    devices_in_scope: int


def c5_evidence(time: StaffTime, first: dt.date, last: dt.date, devices_in_scope: int) -> HoursEvidence:
    """Return the evidence of a system's devices; ValueError where the period or the scope cannot hold `time`."""
    if last < first:
        raise ValueError(f"the period ends {last} before it begins {first}")
    if devices_in_scope < time.devices:
        raise ValueError(f"{time.devices} devices were measured, {devices_in_scope} are in scope")
    return HoursEvidence(time.hours, first, last, time.waits, time.devices, devices_in_scope)


@dataclass(frozen=True, slots=True)
class GroupedTime:
    """Lost time by group, with small groups folded into `other`, so that the groups add up to the whole.

    `folded`: the names of the groups in `other`. `suppressed`: the whole is too small to show, and `groups` empty.
    """

    groups: Mapping[str, StaffTime]
    folded: tuple[str, ...]
    suppressed: bool


def by_group(
    devices: Mapping[str, StaffTime], group_of: Mapping[str, str], *, minimum: int = MINIMUM_GROUP
) -> GroupedTime:
    """Return {device: time} summed by `group_of`; devices without a group are `unassigned`.

    A group of fewer than `minimum` devices with counted waits tells how somebody works, so it is folded; where that
    leaves fewer than `minimum` in `other`, the smallest group that is left follows.
    """
    members: defaultdict[str, list[StaffTime]] = defaultdict(list)
    for device, time in devices.items():
        members[group_of.get(device, UNASSIGNED)].append(time)
    sums = {group: total(times) for group, times in members.items()}
    order = sorted(sums, key=lambda group: (sums[group].devices, group))
    folded = [group for group in order if sums[group].devices < minimum]
    left = [group for group in order if sums[group].devices >= minimum]
    while left and 0 < _devices(sums, folded) < minimum:
        folded.append(left.pop(0))
    if 0 < _devices(sums, folded) < minimum:
        return GroupedTime({}, tuple(sorted(folded)), suppressed=True)
    shown = {group: sums[group] for group in sorted(left)}
    if folded:
        already = [shown[OTHER]] if OTHER in shown else []
        shown[OTHER] = total([*already, *(sums[group] for group in folded)])
    return GroupedTime(shown, tuple(sorted(folded)), suppressed=False)


def _devices(sums: Mapping[str, StaffTime], groups: Iterable[str]) -> int:
    return sum(sums[group].devices for group in groups)
