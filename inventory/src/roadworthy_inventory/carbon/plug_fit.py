"""What smart plugs teach about a model: metered on modelled watts of its devices' days, and what the line leaves over.

A pair is one device's day: the watts its model says, and those its plug metered. From three devices on the line corrects
the estimate of their siblings without a plug. How far it may be off is its residual times Student's t of the devices
less one, not of the days: days of one device are much alike.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from roadworthy_inventory.carbon.calibration import (
    MINIMUM_MACHINES,
    CalibrationError,
    MeterLine,
    meter_line,
    student,
)
from roadworthy_inventory.carbon.ledger import Entry, Off

_ESTIMATED = ("modelled", "assumed")


class Pair(NamedTuple):
    """A day of one device in watts, and the joules behind them."""

    device: int
    estimate_watts: float
    metered_watts: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What the plugs of one model's devices say. `why` is empty where the line is used, else why it is not."""

    devices: int
    days: int
    line: MeterLine | None
    low_watts: float  # of the estimates it was fitted to
    high_watts: float
    why: str

    @property
    def used(self) -> bool:
        """Whether siblings are corrected by it."""
        return not self.why

    def corrected(self, entry: Entry, seconds: float, model: str) -> Entry:
        """Return a sibling's estimate over `seconds` of known state as the line corrects it.

        What a counter within the machine said stays as it is, and the rest is fitted round it. An estimate outside
        those the line was fitted to stays as it is: nobody knows what the line would be there.
        """
        line = self.line
        if not self.used or line is None or seconds <= 0:
            return entry
        estimate = entry.wall_joules / seconds
        if not self.low_watts <= estimate <= self.high_watts:
            return entry
        counted = sum(joules for quality, joules in entry.joules.items() if quality not in _ESTIMATED)
        rest = max(round(max(line.intercept_watts + line.slope * estimate, 0.0) * seconds) - counted, 0)
        joules = dict(entry.joules)
        held = sum(joules.get(quality, 0) for quality in _ESTIMATED)
        assumed = rest * joules.get("assumed", 0) // held if held else 0
        joules |= {"modelled": rest - assumed, "assumed": assumed}
        t_residual = student(self.devices - 1) * line.residual_watts * seconds
        off = (estimate - line.mean_estimate_watts) ** 2 / line.spread
        shared = t_residual * math.sqrt(1 / self.devices + off)
        # No estimate below what was counted, or below nought.
        return Entry(
            joules, {f"plugs of {model}": Off(min(shared, rest), shared)}, Off(min(t_residual, rest), t_residual),
            entry.unknown_seconds,
        )  # fmt: skip


def fits(pairs: Mapping[str, Iterable[Pair]]) -> dict[str, Fit]:
    """Return {model: what its plugs say}, used or not, in order of the models."""
    return {model: _fit(list(some)) for model, some in sorted(pairs.items())}


def _fit(some: list[Pair]) -> Fit:
    devices = len(Counter(one.device for one in some))
    estimates = [one.estimate_watts for one in some]
    low, high = min(estimates, default=0.0), max(estimates, default=0.0)
    try:
        line = meter_line([(one.estimate_watts, one.metered_watts) for one in some])
    except CalibrationError as error:
        return Fit(devices, len(some), None, low, high, str(error))
    why = ""
    if devices < MINIMUM_MACHINES:
        why = f"{devices} devices with a plug; {MINIMUM_MACHINES} are needed"
    return Fit(devices, len(some), line, low, high, why)


def by_model(pairs: Iterable[tuple[str, Pair]]) -> dict[str, list[Pair]]:
    """Return the pairs by their model."""
    found: dict[str, list[Pair]] = defaultdict(list)
    for model, one in pairs:
        found[model].append(one)
    return found
