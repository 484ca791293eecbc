"""A report as msgspec reads it: docs/wire/report-v1.schema.json in structs.

Unknown fields are ignored. Enumerations are read as text, because a value this version does not know must not cost
the report; `vocabulary` turns it into `other`. Types, lengths and patterns are checked here while decoding;
what depends on other values or on the time is checked by `validate`.

`omit_defaults` keeps an item's bytes, and so its content hash, the same when a later version adds optional fields.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from roadworthy_collector.ingest.wire_facts import Facts
from roadworthy_collector.ingest.wire_parts import (
    BootId,
    Count,
    DeviceId,
    Instance,
    Key,
    Name,
    Part,
    Seq,
    Source,
    Text,
    Word,
)

MAJOR = "1"
LISTS = {"periods": 2000, "days": 500, "startups": 500, "signins": 500, "gaps": 500}  # items per report


class Agent(Part):
    """The agent about itself."""

    version: Text
    platform: Word
    started_at: float | None = None
    rss_bytes: Count | None = None
    cpu_seconds: float | None = None
    spool_items: Count | None = None
    spool_bytes: Count | None = None
    quarantined_items: Count | None = None
    thinned_samples: Count | None = None
    clock_offset_seconds: float | None = None


class MissingValue(Part):
    """One value a probe could not read."""

    field: Text
    status: Word
    reason: Text | None = None


class Probe(Part):
    """What became of one probe."""

    probe: Name
    status: Word
    reason: Text | None = None
    source: Text | None = None
    duration_seconds: float | None = None
    checked_at: float | None = None
    missing: Annotated[tuple[MissingValue, ...], Meta(max_length=64)] = ()


class Use(Part):
    """How much of something was used."""

    mean_ratio: float
    quality: Word
    source: Source
    p95_ratio: float | None = None


class Energy(Part):
    """Energy of one scope in one settlement period or day; `latest_watts` only in the open one."""

    scope: Word
    joules: int
    counter_end_joules: int
    quality: Word
    source: Source
    covered_seconds: int | None = None
    relative_error: float | None = None
    latest_watts: float | None = None


class BatteryUse(Part):
    """What was drawn from the batteries, and by the processor over the same seconds."""

    discharge_joules: int
    discharge_seconds: int
    source: Source
    cpu_joules: int | None = None


class StateSeconds(Part):
    """How the 1,800 seconds of a settlement period went, or the 86,400 of a day."""

    in_use: int
    idle: int
    locked: int
    asleep: int
    off: int
    unobserved: int


class Outlet(Part):
    """Energy given out through one outlet of a power unit in one settlement period."""

    outlet: Annotated[str, Meta(min_length=1, max_length=64)]
    joules: int
    covered_seconds: int
    quality: Word


class Period(Part):
    """One closed settlement period."""

    start: int
    observed_seconds: int
    samples: int
    state_seconds: StateSeconds
    cpu: Use | None = None
    memory: Use | None = None
    energy: Annotated[tuple[Energy, ...], Meta(max_length=8)] = ()
    battery: BatteryUse | None = None
    outlets: Annotated[tuple[Outlet, ...], Meta(max_length=256)] = ()


class Day(Part):
    """Device state and energy of one closed UTC day, of a device whose collection policy is daily."""

    day: int
    observed_seconds: int
    state_seconds: StateSeconds
    energy: Annotated[tuple[Energy, ...], Meta(max_length=8)] = ()
    battery: BatteryUse | None = None


class Reading(Part):
    """One value of a device that is asked over the network; a state has a text, everything else a value."""

    name: Annotated[str, Meta(pattern="^[a-z0-9_]{1,48}$")]
    kind: Word
    place: Word
    quality: Word
    source: Source
    index: Annotated[str, Meta(max_length=96)] = ""
    value: Annotated[float, Meta(ge=-1e15, le=1e15)] | None = None
    text: Text | None = None
    label: Text | None = None
    relative_error: Annotated[float, Meta(ge=0, le=10)] | None = None


class Now(Part):
    """The open settlement period so far and the latest readings."""

    at: float
    start: int
    observed_seconds: int
    samples: Count | None = None
    uptime_seconds: float | None = None
    state_seconds: StateSeconds | None = None
    cpu: Use | None = None
    memory: Use | None = None
    cpu_latest_ratio: float | None = None
    memory_latest_ratio: float | None = None
    energy: Annotated[tuple[Energy, ...], Meta(max_length=8)] = ()
    readings: Annotated[tuple[Reading, ...], Meta(max_length=512)] = ()
    flags: Annotated[dict[Word, bool], Meta(max_length=16)] | None = None


class Phase(Part):
    """One part of a start-up or sign-in."""

    name: Name
    seconds: float
    counted: bool = True
    quality: Word | None = None
    source: Source | None = None
    reason: Text | None = None


class Factor(Part):
    """One contributing factor."""

    kind: Word
    name: Text
    seconds: float | None = None
    degradation_seconds: float | None = None
    began_seconds: float | None = None


Phases = Annotated[tuple[Phase, ...], Meta(max_length=32)]
Factors = Annotated[tuple[Factor, ...], Meta(max_length=100)]


class Startup(Part):
    """One start-up."""

    start_id: Key
    boot_id: BootId
    revision: int
    final: bool
    kind: Word
    started_at: float
    quality: Word
    environment: Word = "unknown"
    total_seconds: float | None = None
    usable_seconds: float | None = None
    shutdown_seconds: float | None = None
    attended: bool | None = None
    reason: Text | None = None
    source: Source | None = None
    phases: Phases = ()
    factors: Factors = ()


class Signin(Part):
    """One sign-in, without who and without its clock time."""

    signin_id: Key
    revision: int
    final: bool
    day: int
    quality: Word
    start_id: Annotated[str, Meta(max_length=96)] | None = None
    total_seconds: float | None = None
    usable_seconds: float | None = None
    first_on_device: bool | None = None
    credentials: Word | None = None
    connection: Word | None = None
    roaming_profile: bool | None = None
    source: Source | None = None
    phases: Phases = ()
    factors: Factors = ()


class Gap(Part, rename={"begin": "from", "end": "to"}):
    """A stretch in which the agent did not sample."""

    begin: int
    end: int
    kind: Word
    basis: Word | None = None


class Head(Struct):
    """The envelope without its items: what a report must have to be taken at all."""

    schema_version: Annotated[str, Meta(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}$")]
    device_id: DeviceId
    instance: Instance
    seq: Seq
    boot_id: BootId
    sent_at: float
    agent: Agent


class Report(Head):
    """A report, read in one go."""

    probes: Annotated[tuple[Probe, ...], Meta(max_length=64)] = ()
    facts: Facts | None = None
    now: Now | None = None
    periods: Annotated[tuple[Period, ...], Meta(max_length=LISTS["periods"])] = ()
    days: Annotated[tuple[Day, ...], Meta(max_length=LISTS["days"])] = ()
    startups: Annotated[tuple[Startup, ...], Meta(max_length=LISTS["startups"])] = ()
    signins: Annotated[tuple[Signin, ...], Meta(max_length=LISTS["signins"])] = ()
    gaps: Annotated[tuple[Gap, ...], Meta(max_length=LISTS["gaps"])] = ()


class Envelope(Head):
    """The same with its items unread, to find which of them are bad."""

    probes: Annotated[tuple[Raw, ...], Meta(max_length=64)] = ()
    facts: Raw = Raw(b"null")
    now: Raw = Raw(b"null")
    periods: Annotated[tuple[Raw, ...], Meta(max_length=LISTS["periods"])] = ()
    days: Annotated[tuple[Raw, ...], Meta(max_length=LISTS["days"])] = ()
    startups: Annotated[tuple[Raw, ...], Meta(max_length=LISTS["startups"])] = ()
    signins: Annotated[tuple[Raw, ...], Meta(max_length=LISTS["signins"])] = ()
    gaps: Annotated[tuple[Raw, ...], Meta(max_length=LISTS["gaps"])] = ()


class Rejected(Struct, omit_defaults=False):
    """One item that is not taken, as it is answered.

    `item` is period, startup, signin, gap, now, facts or probe; `key` the item's key as it was sent, None where it
    has none that can be read; `field` the offending field within the item.
    """

    item: str
    key: int | str | None
    code: str
    field: str | None
    message: str


class Answer(Struct):
    """What a taken report is answered."""

    received: int
    accepted: int
    rejected: list[Rejected]
    next_call: int
    server_time: float
    collection_policy: str | UnsetType = UNSET  # asked of the device; it can only be stricter than its own
    token: str | UnsetType = UNSET  # to be used from the next call on; the old one holds until then
    resend: tuple[str, ...] | UnsetType = (
        UNSET  # what the agent is to tell again although it did not change: facts
    )
