"""A report as msgspec reads it: docs/wire/report-v1.schema.json in structs.

Unknown fields are ignored. Enumerations are read as text, because a value this version does not know must not cost
the report; `vocabulary` turns it into `other`. Types, lengths and patterns are checked here while decoding;
what depends on other values or on the time is checked by `validate`.

`omit_defaults` keeps an item's bytes, and so its content hash, the same when a later version adds optional fields.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

MAJOR = "1"
MAX_INTEGER = 2**63 - 1  # what the database holds
LISTS = {"periods": 2000, "days": 500, "startups": 500, "signins": 500, "gaps": 500}  # items per report

Text = Annotated[str, Meta(max_length=256)]
Source = Annotated[str, Meta(max_length=128)]
Word = Annotated[str, Meta(max_length=64)]  # a value of an enumeration
Name = Annotated[str, Meta(pattern="^[a-z_]{1,32}$")]
Key = Annotated[str, Meta(min_length=1, max_length=96)]
BootId = Annotated[str, Meta(min_length=1, max_length=64)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Amount = Annotated[float, Meta(ge=0, le=MAX_INTEGER)]
DeviceId = Annotated[str, Meta(pattern="^rwd_[0-9a-f]{32}$")]
Instance = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
Seq = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]


class _Part(Struct, omit_defaults=True, gc=False):
    """What all parts of a report have in common. They hold no cycles, so the collector of cycles skips them."""


class Agent(_Part):
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


class MissingValue(_Part):
    """One value a probe could not read."""

    field: Text
    status: Word
    reason: Text | None = None


class Probe(_Part):
    """What became of one probe."""

    probe: Name
    status: Word
    reason: Text | None = None
    source: Text | None = None
    duration_seconds: float | None = None
    checked_at: float | None = None
    missing: Annotated[tuple[MissingValue, ...], Meta(max_length=64)] = ()


class OsFacts(_Part):
    """The operating system."""

    family: Word | None = None
    name: Text | None = None
    version: Text | None = None
    build: Text | None = None
    id: Text | None = None
    architecture: Text | None = None
    kernel: Text | None = None
    edition: Text | None = None
    installation_type: Text | None = None
    long_term: bool | None = None
    source: Source | None = None


class Cpu(_Part):
    """The processors together."""

    vendor: Text | None = None
    model: Text | None = None
    sockets: Count | None = None
    cores: Count | None = None
    threads: Count | None = None
    max_mhz: Count | None = None
    family: Count | None = None
    model_number: Count | None = None
    stepping: Count | None = None
    source: Source | None = None


class MemoryModule(_Part):
    """One memory module."""

    slot: Text | None = None
    size_bytes: Count | None = None
    type: Text | None = None
    speed_mts: Count | None = None
    manufacturer: Text | None = None
    part_number: Text | None = None


class Memory(_Part):
    """Main memory."""

    total_bytes: Count | None = None
    source: Source | None = None
    modules: Annotated[tuple[MemoryModule, ...], Meta(max_length=256)] = ()


class Monitor(_Part):
    """One display."""

    vendor: Text | None = None
    model: Text | None = None
    year: Annotated[int, Meta(ge=1990, le=2245)] | None = None
    width_millimetres: Count | None = None
    height_millimetres: Count | None = None
    internal: bool | None = None


class Hardware(_Part):
    """The machine."""

    vendor: Text | None = None
    model: Text | None = None
    family: Text | None = None
    sku: Text | None = None
    serial: Text | None = None
    asset_tag: Text | None = None
    chassis_type: Annotated[int, Meta(ge=0, le=127)] | None = None
    bios_vendor: Text | None = None
    bios_version: Text | None = None
    bios_date: Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    environment: Word = "unknown"
    environment_detail: Text | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    tpm_version: Annotated[str, Meta(max_length=16)] | None = None
    secure_boot: bool | None = None
    boot_mode: Word | None = None
    monitors: Annotated[tuple[Monitor, ...], Meta(max_length=16)] = ()
    source: Source | None = None


class Disk(_Part):
    """One disk."""

    name: Text
    model: Text | None = None
    size_bytes: Count | None = None
    medium: Word = "unknown"
    bus: Text | None = None
    removable: bool | None = None
    holds_system: bool | None = None
    source: Source | None = None
    firmware: Text | None = None
    wear_ratio: Annotated[float, Meta(ge=0, le=2.55)] | None = None
    spare_ratio: Annotated[float, Meta(ge=0, le=1)] | None = None
    power_on_hours: Count | None = None
    media_errors: Count | None = None
    reallocated_sectors: Count | None = None
    failing: bool | None = None
    health_source: Source | None = None


class Battery(_Part):
    """One battery; it tells energy or charge, never both."""

    name: Text
    vendor: Text | None = None
    model: Text | None = None
    technology: Text | None = None
    design_watt_hours: Amount | None = None
    full_watt_hours: Amount | None = None
    design_ampere_hours: Amount | None = None
    full_ampere_hours: Amount | None = None
    health_ratio: Annotated[float, Meta(ge=0, le=2)] | None = None
    cycles: Count | None = None
    source: Source | None = None


class Facts(_Part):
    """What the device is."""

    hostname: Text | None = None
    fingerprint: Annotated[dict[Word, Hash], Meta(max_length=16)] | None = None
    os: OsFacts | None = None
    hardware: Hardware | None = None
    storage: Annotated[tuple[Disk, ...], Meta(max_length=256)] | None = None
    battery: Annotated[tuple[Battery, ...], Meta(max_length=16)] | None = None


class Use(_Part):
    """How much of something was used."""

    mean_ratio: float
    quality: Word
    source: Source
    p95_ratio: float | None = None


class Energy(_Part):
    """Energy of one scope in one settlement period or day; `latest_watts` only in the open one."""

    scope: Word
    joules: int
    counter_end_joules: int
    quality: Word
    source: Source
    covered_seconds: int | None = None
    relative_error: float | None = None
    latest_watts: float | None = None


class BatteryUse(_Part):
    """What was drawn from the batteries, and by the processor over the same seconds."""

    discharge_joules: int
    discharge_seconds: int
    source: Source
    cpu_joules: int | None = None


class StateSeconds(_Part):
    """How the 1,800 seconds of a settlement period went, or the 86,400 of a day."""

    in_use: int
    idle: int
    locked: int
    asleep: int
    off: int
    unobserved: int


class Period(_Part):
    """One closed settlement period."""

    start: int
    observed_seconds: int
    samples: int
    state_seconds: StateSeconds
    cpu: Use | None = None
    memory: Use | None = None
    energy: Annotated[tuple[Energy, ...], Meta(max_length=8)] = ()
    battery: BatteryUse | None = None


class Day(_Part):
    """Device state and energy of one closed UTC day, of a device whose collection policy is daily."""

    day: int
    observed_seconds: int
    state_seconds: StateSeconds
    energy: Annotated[tuple[Energy, ...], Meta(max_length=8)] = ()
    battery: BatteryUse | None = None


class Now(_Part):
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


class Phase(_Part):
    """One part of a start-up or sign-in."""

    name: Name
    seconds: float
    counted: bool = True
    quality: Word | None = None
    source: Source | None = None
    reason: Text | None = None


class Factor(_Part):
    """One contributing factor."""

    kind: Word
    name: Text
    seconds: float | None = None
    degradation_seconds: float | None = None
    began_seconds: float | None = None


Phases = Annotated[tuple[Phase, ...], Meta(max_length=32)]
Factors = Annotated[tuple[Factor, ...], Meta(max_length=100)]


class Startup(_Part):
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


class Signin(_Part):
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


class Gap(_Part, rename={"begin": "from", "end": "to"}):
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
