"""What meters and siblings teach: the rest of a machine beside its processor, and estimates against a meter.

A laptop on battery measures its whole draw, and a smart plug any machine's. Taken beside what the processor's own
counter said over the same seconds, the difference is the rest of the machine: screen, memory, disks, conversion. Its
siblings of the same model are then estimated as their processor's counter plus that rest. Taken beside our estimate,
a meter gives a line that corrects it. Both come with the interval in which 90 % of machines not fitted to should lie
(a prediction interval: Student's t on the machines' own figures) and with what the fit leaves over.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roadworthy_inventory.replacement_inputs import Range

# 95th percentile of Student's t by degrees of freedom, from 1 on; beyond, the next smaller of those listed.
_STUDENT = {
    1: 6.314, 2: 2.920, 3: 2.353, 4: 2.132, 5: 2.015, 6: 1.943, 7: 1.895, 8: 1.860, 9: 1.833, 10: 1.812, 11: 1.796,
    12: 1.782, 13: 1.771, 14: 1.761, 15: 1.753, 16: 1.746, 17: 1.740, 18: 1.734, 19: 1.729, 20: 1.725, 25: 1.708,
    30: 1.697, 40: 1.684, 60: 1.671, 120: 1.658,
}  # fmt: skip
MINIMUM_SECONDS = 3600.0  # of evidence from one machine
MINIMUM_MACHINES, MINIMUM_PAIRS = 3, 5


class CalibrationError(ValueError):
    """Evidence nothing can be fitted to; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one machine drew in all and what its processor's counter said, in joules over the same `seconds`."""

    machine: str
    seconds: float
    machine_joules: float
    processor_joules: float


@dataclass(frozen=True, slots=True)
class RestOfMachine:
    """Watts beside the processor's, as (low, likely, high), from so many machines; their standard deviation."""

    watts: Range
    machines: int
    deviation_watts: float

    def joules(self, processor_joules: float, seconds: float) -> Range:
        """Return the energy of a sibling whose processor's counter said `processor_joules` over `seconds`."""
        return Range(*(processor_joules + watts * seconds for watts in self.watts))


@dataclass(frozen=True, slots=True)
class MeterLine:
    """Metered watts as `intercept_watts + slope x estimated watts`, from so many `pairs`; what it leaves over."""

    intercept_watts: float
    slope: float
    residual_watts: float
    pairs: int
    mean_estimate_watts: float
    spread: float  # sum of squares of the estimates around their mean

    def watts(self, estimate_watts: float) -> Range:
        """Return the corrected watts as (low, likely, high); never below nought."""
        likely = max(self.intercept_watts + self.slope * estimate_watts, 0.0)
        off = (estimate_watts - self.mean_estimate_watts) ** 2 / self.spread
        half = student(self.pairs - 2) * self.residual_watts * math.sqrt(1 + 1 / self.pairs + off)
        return Range(max(likely - half, 0.0), likely, likely + half)


def student(degrees: int) -> float:
    """Return the 95th percentile of Student's t, a little too large between listed degrees of freedom."""
    if degrees < 1:
        raise CalibrationError("a single machine says nothing of how far others are off")
    return _STUDENT[max(known for known in _STUDENT if known <= degrees)]


def rest_of_machine(evidence: Iterable[Evidence]) -> RestOfMachine:
    """Return the rest fitted from siblings: the mean of the machines' own rests, whatever each had to tell.

    Machines with less than an hour of evidence, or whose whole is less than its part, are left out. Raises
    CalibrationError where fewer than three remain.
    """
    told: dict[str, list[Evidence]] = defaultdict(list)
    for one in evidence:
        told[one.machine].append(one)
    rests = []
    for some in told.values():
        seconds = sum(one.seconds for one in some)
        rest = sum(one.machine_joules - one.processor_joules for one in some)
        if seconds >= MINIMUM_SECONDS and rest >= 0:
            rests.append(rest / seconds)
    if len(rests) < MINIMUM_MACHINES:
        raise CalibrationError(
            f"{len(rests)} machines with an hour of evidence; {MINIMUM_MACHINES} are needed"
        )
    mean, deviation = statistics.fmean(rests), statistics.stdev(rests)
    half = student(len(rests) - 1) * deviation * math.sqrt(1 + 1 / len(rests))
    return RestOfMachine(Range(max(mean - half, 0.0), mean, mean + half), len(rests), deviation)


def meter_line(pairs: Sequence[tuple[float, float]]) -> MeterLine:
    """Return the line through (estimated watts, metered watts) by least squares.

    Raises CalibrationError for fewer than five pairs, estimates that are all the same, values that are negative or no
    number, or a line that falls: more estimated and less metered is a fault of the evidence.
    """
    if len(pairs) < MINIMUM_PAIRS:
        raise CalibrationError(f"{len(pairs)} readings; {MINIMUM_PAIRS} are needed")
    if any(not (math.isfinite(value) and value >= 0) for pair in pairs for value in pair):
        raise CalibrationError("a reading is negative or no number")
    estimates, metered = zip(*pairs, strict=True)
    middle = statistics.fmean(estimates)
    spread = sum((estimate - middle) ** 2 for estimate in estimates)
    if spread <= 1e-9 * max(middle, 1.0) ** 2:
        raise CalibrationError("all estimates are the same; readings at different loads are needed")
    slope, intercept = statistics.linear_regression(estimates, metered)
    if slope < -1e-6:  # less is rounding
        raise CalibrationError(
            "the meter falls where the estimate rises; are the readings of the same machine?"
        )
    left = sum((meter - intercept - slope * estimate) ** 2 for estimate, meter in pairs)
    return MeterLine(
        intercept, max(slope, 0.0), math.sqrt(left / (len(pairs) - 2)), len(pairs), middle, spread
    )
