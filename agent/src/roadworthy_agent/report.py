"""The wire contract, as this agent writes it: docs/wire/report-v1.schema.json in dataclasses.

A field that is None is left out; why it is missing travels as a probe's status. Names are the wire's, except
`begin`/`end` of a gap, which are `from`/`to` there (`from` is a Python keyword).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from roadworthy_agent.facts import Facts

SCHEMA_VERSION = "1.0"
PERIOD_SECONDS = 1800
TEXT_LENGTH = 256  # longest text the contract takes
SOURCE_LENGTH = 128  # and longest source


@dataclass(frozen=True, slots=True)
class MissingValue:
    """One value a probe could not read."""

    field: str
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeStatus:
    """What became of one probe."""

    probe: str
    status: str
    reason: str | None = None
    source: str | None = None
    duration_seconds: float | None = None
    checked_at: float | None = None
    missing: tuple[MissingValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent about itself."""

    version: str
    platform: str
    started_at: float | None = None
    rss_bytes: int | None = None
    cpu_seconds: float | None = None
    spool_items: int | None = None
    spool_bytes: int | None = None
    quarantined_items: int | None = None
    thinned_samples: int | None = None
    clock_offset_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """How much of something was used; ratios 0-1 with four decimals."""

    mean_ratio: float
    quality: str
    source: str
    p95_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class StateSeconds:
    """How the seconds of a settlement period went; the six add up to 1800."""

    in_use: int = 0
    idle: int = 0
    locked: int = 0
    asleep: int = 0
    off: int = 0
    unobserved: int = PERIOD_SECONDS


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy of one scope in one settlement period or day; scopes overlap and are never added up."""

    scope: str  # cpu, memory, gpu, machine, wall
    joules: int
    counter_end_joules: int
    quality: str
    source: str
    covered_seconds: int | None = None
    relative_error: float | None = None
    latest_watts: float | None = None  # only in `now`


@dataclass(frozen=True, slots=True)
class BatteryUse:
    """What was drawn from the batteries; `cpu_joules` is scope cpu over the same seconds, None if not in all."""

    discharge_joules: int
    discharge_seconds: int
    source: str
    cpu_joules: int | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """One closed settlement period."""

    start: int
    observed_seconds: int
    samples: int
    state_seconds: StateSeconds
    cpu: Use | None = None
    memory: Use | None = None
    energy: tuple[Energy, ...] = ()
    battery: BatteryUse | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """Device state and energy of one closed UTC day, under the collection policy `daily`; the states add up to 86400."""

    day: int
    observed_seconds: int
    state_seconds: StateSeconds
    energy: tuple[Energy, ...] = ()
    battery: BatteryUse | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """The open settlement period so far, and the latest readings."""

    at: float
    start: int
    observed_seconds: int
    samples: int | None = None
    uptime_seconds: float | None = None
    state_seconds: StateSeconds | None = None
    cpu: Use | None = None
    memory: Use | None = None
    cpu_latest_ratio: float | None = None
    memory_latest_ratio: float | None = None
    energy: tuple[Energy, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of a start-up; `quality` is measured, approximate or suspect."""

    name: str
    seconds: float
    counted: bool | None = None
    quality: str | None = None
    source: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Factor:
    """One contributing factor of a start-up: a service, a driver, a device ... by name."""

    kind: str
    name: str
    seconds: float | None = None
    degradation_seconds: float | None = None
    began_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StartupRecord:
    """A start-up as its probe sees it: placed on the boot clock, because wall time may still be corrected.

    `began_boottime_seconds` is when it began, in seconds of the boot clock: 0 is the kernel's start, firmware
    and loader lie before it and make it negative. The rest is the wire's. The agent adds the revision.
    """

    start_id: str
    boot_id: str
    final: bool
    kind: str
    began_boottime_seconds: float
    quality: str
    environment: str | None = None
    total_seconds: float | None = None
    usable_seconds: float | None = None
    shutdown_seconds: float | None = None  # how long the shutdown before it took
    attended: bool | None = None
    reason: str | None = None
    source: str | None = None
    phases: tuple[Phase, ...] = ()
    factors: tuple[Factor, ...] = ()


@dataclass(frozen=True, slots=True)
class SigninRecord:
    """A sign-in as its probe sees it, without who.

    `key` names it on this device and never leaves it (the agent sends a random id in its place), and
    `began_boottime_seconds` gives the day; the clock time is never sent. The rest is the wire's.
    """

    key: str
    began_boottime_seconds: float
    final: bool
    quality: str
    start_id: str | None = None
    total_seconds: float | None = None
    usable_seconds: float | None = None
    first_on_device: bool | None = None
    credentials: str | None = None  # cached, network, unknown
    connection: str | None = None  # lan, wifi, vpn, none, unknown
    roaming_profile: bool | None = None
    source: str | None = None
    phases: tuple[Phase, ...] = ()
    factors: tuple[Factor, ...] = ()


@dataclass(frozen=True, slots=True)
class Startup:
    """One start-up on the wire."""

    start_id: str
    boot_id: str
    revision: int
    final: bool
    kind: str
    started_at: float
    quality: str
    environment: str | None = None
    total_seconds: float | None = None
    usable_seconds: float | None = None
    shutdown_seconds: float | None = None
    attended: bool | None = None
    reason: str | None = None
    source: str | None = None
    phases: tuple[Phase, ...] = ()
    factors: tuple[Factor, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch in which the agent did not sample; `begin` and `end` are epoch seconds."""

    begin: int
    end: int
    kind: str
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one device sends."""

    schema_version: str = SCHEMA_VERSION
    device_id: str
    instance: str
    seq: int
    boot_id: str
    sent_at: float
    agent: Agent
    probes: tuple[ProbeStatus, ...] = ()
    facts: Facts | None = None
    now: Now | None = None
    periods: tuple[dict[str, Any], ...] = ()  # as frozen: the bytes a settlement period was first given
    startups: tuple[dict[str, Any], ...] = ()
    days: tuple[dict[str, Any], ...] = ()
    signins: tuple[dict[str, Any], ...] = ()
    gaps: tuple[dict[str, Any], ...] = ()


_WIRE_NAMES: dict[tuple[type, str], str] = {(Gap, "begin"): "from", (Gap, "end"): "to"}


def to_wire(value: Any) -> Any:
    """Return dataclasses as the JSON-ready values of the contract; None and empty lists are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            _WIRE_NAMES.get((type(value), part.name), part.name): _bounded(part.name, to_wire(item))
            for part in fields(value)
            if (item := getattr(value, part.name)) is not None and item != ()
        }
    if isinstance(value, dict):
        return {name: to_wire(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_wire(item) for item in value]
    return one_line(value)[:TEXT_LENGTH] if isinstance(value, str) else value


def _bounded(name: str, item: Any) -> Any:
    return item[:SOURCE_LENGTH] if isinstance(item, str) and name.endswith("source") else item


def one_line(text: str) -> str:
    """Return a text without what could act on a terminal or cannot be written as UTF-8.

    Firmware and files hold anything: line ends, escape sequences, marks that turn the direction of writing, bytes
    that are no text.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text
    )


def to_json(value: Any) -> str:
    """Return wire values as compact JSON, the same text for the same values."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=False)
