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


class Scope(StrEnum):
    """What an instrument sees of the device. Scopes overlap (a machine holds its processor): never added up."""

    CPU = "cpu"
    MEMORY = "memory"
    GPU = "gpu"
    MACHINE = "machine"
    WALL = "wall"


@dataclass(frozen=True, slots=True)
class Register:
    """One figure of an instrument: a counter that only grows (and may wrap), or a level where there is no counter.

    `key` is stable while the device runs. Both None: it could not be read this time, which is no zero.
    `wraps_at_microjoules` is the counter's modulus, None where it never wraps. `most_watts` is what the
    instrument's device cannot exceed: a step that would need more is a reset, not a wrap.
    """

    key: str
    microjoules: int | None = None
    watts: float | None = None
    wraps_at_microjoules: int | None = None
    most_watts: float | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """The one source chosen for a scope: its registers, which do not overlap, add up to the scope.

    `source` is what a person reads, e.g. `rapl:package-0+package-1`. `relative_error` is how wide it is, 0-1.
    """

    scope: Scope
    source: str
    registers: tuple[Register, ...]
    quality: Quality = Quality.SENSOR
    relative_error: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A source that was found and not taken, and why; shown by `explain power`."""

    scope: Scope
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class BatteryFlow:
    """All batteries together: the device's whole draw while `discharging`; `watts` None where it cannot be read."""

    discharging: bool
    watts: float | None
    source: str


@dataclass(frozen=True, slots=True)
class PowerReading:
    """What the instruments say now: at most one meter a scope, what was refused, and the batteries."""

    meters: tuple[Meter, ...] = ()
    refused: tuple[Refusal, ...] = ()
    battery: BatteryFlow | None = None


class DeviceState(StrEnum):
    """How a device that is on is used. Asleep and off are known from the clocks instead."""

    IN_USE = "in_use"
    IDLE = "idle"  # on, and nobody uses it: no input for a while, or nobody signed in
    LOCKED = "locked"
    UNOBSERVED = "unobserved"


@dataclass(frozen=True, slots=True)
class StateReading:
    """The device state at this moment; never who."""

    state: DeviceState
    source: str


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
    power: PowerReading | None = None  # what the instruments say at its end
    state: DeviceState | None = None  # the device state at its end; None: nobody watched
