"""What one look at the machine gives: a value or none, how it is known, and why it is missing.

Missing is never zero. A reader that finds nothing says so with a `Missing`, and the blank travels to the
report with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Quality(StrEnum):
    """How a value is known."""

    METERED = "metered"  # a meter, or a metered power distribution unit, at the wall
    SENSOR = "sensor"  # an instrument of the device itself: kernel counters, RAPL, a battery, a BMC
    MODELLED = "modelled"
    ASSUMED = "assumed"


class Status(StrEnum):
    """What became of a probe, or of one value of it."""

    OK = "ok"
    NO_PERMISSION = "no_permission"
    NOT_SUPPORTED = "not_supported"
    NO_DATA_YET = "no_data_yet"
    VIRTUAL_MACHINE = "virtual_machine"
    CONTAINER = "container"
    OFF_BY_POLICY = "off_by_policy"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Missing:
    """One value that could not be read although its probe ran; `field` is its path on the wire."""

    field: str
    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Means since the sampler's previous call: ratios 0-1, None where nothing could be read.

    A None goes with a `Missing` in the ProbeResult that carries the sample.
    """

    cpu_ratio: float | None
    memory_ratio: float | None
    cpu_source: str = "psutil.cpu_times"
    memory_source: str = "psutil.virtual_memory"
    quality: Quality = Quality.SENSOR
