"""What a probe is given and what it returns.

A probe is a package `probes/<name>/` with NAME, WHAT and `collect(context)`; `probes.PROBES` lists them.
To add one, copy a neighbour.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from roadworthy_agent.clock import Clock, RecordedClock, SystemClock
from roadworthy_agent.errors import ProbeError
from roadworthy_agent.facts import Disk, HardwareFacts
from roadworthy_agent.reading import Missing, PowerReading, Quality, Sample, StateReading, Status

__all__ = [
    "Context",
    "HardwareReading",
    "Missing",
    "Probe",
    "ProbeResult",
    "Quality",
    "Sample",
    "Sampler",
    "Status",
    "StorageReading",
    "run",
]

# What a parser raises for input it was not written for
NOT_UNDERSTOOD = (ValueError, LookupError, ArithmeticError, RecursionError)

RECORDED_LATER = "roadworthy/later"
RECORDED_PLATFORM = "roadworthy/platform"  # linux, windows or macos; linux where there is none
PLATFORM_WORDS = {"linux": "linux", "windows": "win32", "macos": "darwin"}

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class ProbeResult(Generic[T_co]):
    """What one run of a probe gave.

    `reason` says in words what is missing and why, and is set whenever `status` is not ok. `value` may be there
    beside such a status: part of the answer. `duration_seconds` is filled in by `run`.
    """

    probe: str
    status: Status
    value: T_co | None = None
    reason: str | None = None
    source: str | None = None
    missing: tuple[Missing, ...] = ()
    duration_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Context:
    """Where and when a probe looks.

    `live` is False for a recorded tree: then no psutil, no D-Bus and no clock of this machine, only files under
    `root`. `last_seen_at` is the wall time (epoch seconds) of the last sample stored in an earlier boot, None
    where none is known: the start-up probe does not believe firmware that took longer than the device was away.
    `last_ended` is how that boot ended as the agent saw it when it was stopped (reboot, poweroff), None if it did not.
    `platform` is sys.platform's word (linux, win32, darwin), for a recorded tree that of the recorded device.
    `allow` names what the settings permit beyond the usual: `ipmi`, `smart`, `application_names`. A tree was
    recorded with what was permitted then, so all of it is read there.
    """

    root: Path = Path("/")
    live: bool = True
    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], None] = time.sleep
    last_seen_at: float | None = None
    last_ended: str | None = None
    platform: str = sys.platform
    allow: frozenset[str] = frozenset()

    @classmethod
    def recorded(cls, root: Path) -> Context:
        """Return the context of a recorded tree, of whichever platform it was recorded on."""
        return cls(
            root=root,
            live=False,
            clock=RecordedClock(root),
            sleep=lambda _seconds: None,
            platform=recorded_platform(root),
            allow=frozenset({"ipmi", "smart", "application_names"}),
        )

    def later(self) -> Context | None:
        """Return where a second look finds what has changed since the first; None where nothing was recorded.

        A recorded tree may hold a second one, taken a moment later, under roadworthy/later.
        """
        if self.live:
            return self
        root = self.root / RECORDED_LATER
        if not root.is_dir():
            return None
        return replace(Context.recorded(root), platform=self.platform)

    def path(self, below: str) -> Path:
        """Return a path under the root; a leading slash makes no difference."""
        return self.root / below.lstrip("/")


def recorded_platform(root: Path) -> str:
    """Return sys.platform's word for the machine a tree was recorded on; `roadworthy/platform` says which."""
    try:
        word = (root / RECORDED_PLATFORM).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "linux"
    return PLATFORM_WORDS.get(word, "linux")


@dataclass(frozen=True, slots=True)
class HardwareReading:
    """The value of the hardware probe.

    `identifiers` are raw: system_uuid, system_serial, board_serial, chassis_serial, mac. Only their SHA-256
    leaves the device (see `identity`), placeholders are left out there.
    """

    facts: HardwareFacts
    identifiers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StorageReading:
    """The value of the storage probe; `identifiers` may hold disk_serial, of the disk that holds the system."""

    disks: tuple[Disk, ...]
    identifiers: Mapping[str, str] = field(default_factory=dict)


class Probe(Protocol[T_co]):
    """What each `probes/<name>/__init__.py` offers as a module.

    NAME is the probe's name on the wire, in settings and in messages; WHAT one plain sentence: what is collected
    and why. `collect` looks once: os gives ProbeResult[OsFacts], hardware ProbeResult[HardwareReading], storage
    ProbeResult[StorageReading], battery ProbeResult[tuple[Battery, ...]], startup
    ProbeResult[tuple[StartupRecord, ...]], signin ProbeResult[tuple[SigninRecord, ...]], power
    ProbeResult[PowerReading], state ProbeResult[StateReading], utilisation ProbeResult[Sample] after about a
    second of looking (`context.sleep`).
    """

    NAME: str
    WHAT: str

    def collect(self, context: Context, /) -> ProbeResult[T_co]:
        """Look once."""


class Sampler(Protocol):
    """What `probes.utilisation.Sampler(context)` offers: means between calls, without waiting."""

    def sample(self) -> ProbeResult[Sample]:
        """Return the means since the previous call (the first: since construction)."""


class PowerSampler(Protocol):
    """What `probes.power.Sampler(context)` offers: it chooses its sources once and then only reads them.

    Called at each sample, so it is quick (under a millisecond), starts nothing and opens no more than it must.
    """

    def read(self) -> ProbeResult[PowerReading]:
        """Return what the instruments say now."""


class StateSampler(Protocol):
    """What `probes.state.Sampler(context)` offers: asked at each sample, it answers within a second at most."""

    def read(self) -> ProbeResult[StateReading]:
        """Return the device state at this moment."""


def run(
    probe: Probe[Any], context: Context, timer: Callable[[], float] = time.perf_counter
) -> ProbeResult[Any]:
    """Run one probe so that a fault in it stays in it: what it cannot read or understand is status `error`."""
    return _guarded(probe.NAME, lambda: probe.collect(context), timer)


def run_reader(
    name: str, look: Callable[[], ProbeResult[T]], timer: Callable[[], float] = time.perf_counter
) -> ProbeResult[T]:
    """Ask what is asked at each sample, guarded the same way; `name` is the probe's."""
    return _guarded(name, look, timer)


def _guarded(name: str, look: Callable[[], ProbeResult[T]], timer: Callable[[], float]) -> ProbeResult[T]:
    began = timer()
    try:
        result = look()
    except PermissionError as error:
        result = ProbeResult(name, Status.NO_PERMISSION, reason=describe(error))
    except (OSError, ProbeError) as error:
        result = ProbeResult(name, Status.ERROR, reason=describe(error))
    except NOT_UNDERSTOOD as error:
        # A parser met what nobody has seen yet. Left alone it would end the agent, and again after each restart.
        result = ProbeResult(
            name, Status.ERROR, reason=f"the probe did not understand what it read ({_at(error)})"
        )
    return replace(result, duration_seconds=max(0.0, timer() - began))


def _at(error: BaseException) -> str:
    """Return kind and place of an error, without its text: that may quote what was read."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def describe(error: OSError | ProbeError) -> str:
    """Return an error as one line a person can read, at most 256 characters."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"[:256]
    return (str(error) or type(error).__name__)[:256]
