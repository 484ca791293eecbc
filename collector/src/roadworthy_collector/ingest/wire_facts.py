"""What a device is, as msgspec reads it: `facts` of docs/wire/report-v1.schema.json in structs."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from roadworthy_collector.ingest.wire_parts import Amount, Count, Hash, Part, Source, Text, Word


class OsFacts(Part):
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


class Cpu(Part):
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


class MemoryModule(Part):
    """One memory module."""

    slot: Text | None = None
    size_bytes: Count | None = None
    type: Text | None = None
    speed_mts: Count | None = None
    manufacturer: Text | None = None
    part_number: Text | None = None


class Memory(Part):
    """Main memory."""

    total_bytes: Count | None = None
    source: Source | None = None
    modules: Annotated[tuple[MemoryModule, ...], Meta(max_length=256)] = ()


class Monitor(Part):
    """One display."""

    vendor: Text | None = None
    model: Text | None = None
    year: Annotated[int, Meta(ge=1990, le=2245)] | None = None
    width_millimetres: Count | None = None
    height_millimetres: Count | None = None
    internal: bool | None = None


Date = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class Hardware(Part):
    """The machine; `kind` of a device that is asked over the network and runs no agent."""

    vendor: Text | None = None
    model: Text | None = None
    family: Text | None = None
    sku: Text | None = None
    serial: Text | None = None
    asset_tag: Text | None = None
    chassis_type: Annotated[int, Meta(ge=0, le=127)] | None = None
    bios_vendor: Text | None = None
    bios_version: Text | None = None
    bios_date: Date | None = None
    kind: Word | None = None
    firmware: Text | None = None
    part_number: Text | None = None
    made: Date | None = None
    battery_replaced: Date | None = None
    environment: Word = "unknown"
    environment_detail: Text | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    tpm_version: Annotated[str, Meta(max_length=16)] | None = None
    secure_boot: bool | None = None
    boot_mode: Word | None = None
    monitors: Annotated[tuple[Monitor, ...], Meta(max_length=16)] = ()
    source: Source | None = None


class Disk(Part):
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


class Battery(Part):
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


class Facts(Part):
    """What the device is."""

    hostname: Text | None = None
    fingerprint: Annotated[dict[Word, Hash], Meta(max_length=16)] | None = None
    os: OsFacts | None = None
    hardware: Hardware | None = None
    storage: Annotated[tuple[Disk, ...], Meta(max_length=256)] | None = None
    battery: Annotated[tuple[Battery, ...], Meta(max_length=16)] | None = None
