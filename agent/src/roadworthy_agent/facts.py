"""What a device is, as the wire has it: docs/wire/report-v1.schema.json, `facts`, in dataclasses.

A field that is None is left out; why it is missing travels as a probe's status.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OsFacts:
    """The operating system."""

    family: str
    name: str | None = None
    version: str | None = None
    build: str | None = None
    id: str | None = None
    architecture: str | None = None
    kernel: str | None = None
    edition: str | None = None
    installation_type: str | None = None
    long_term: bool | None = None  # a long-term servicing release (LTSC, LTSB)
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processors together."""

    vendor: str | None = None
    model: str | None = None
    sockets: int | None = None
    cores: int | None = None
    threads: int | None = None
    max_mhz: int | None = None
    family: int | None = None
    model_number: int | None = None
    stepping: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class MemoryModule:
    """One memory module."""

    slot: str | None = None
    size_bytes: int | None = None
    type: str | None = None
    speed_mts: int | None = None
    manufacturer: str | None = None
    part_number: str | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory."""

    total_bytes: int | None = None
    source: str | None = None
    modules: tuple[MemoryModule, ...] = ()


@dataclass(frozen=True, slots=True)
class Monitor:
    """One display, from its EDID, without its serial number; `vendor` is the maker's three PNP letters."""

    vendor: str | None = None
    model: str | None = None
    year: int | None = None
    width_millimetres: int | None = None
    height_millimetres: int | None = None
    internal: bool | None = None


@dataclass(frozen=True, slots=True)
class HardwareFacts:
    """The machine. `bios_date` is YYYY-MM-DD; `chassis_type` is SMBIOS's number without its lock bit."""

    vendor: str | None = None
    model: str | None = None
    family: str | None = None
    sku: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    chassis_type: int | None = None
    bios_vendor: str | None = None
    bios_version: str | None = None
    bios_date: str | None = None
    environment: str | None = None  # physical, virtual_machine, container, unknown
    environment_detail: str | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    tpm_version: str | None = None  # 2.0, 1.2, or none where the device says it has none
    secure_boot: bool | None = None
    boot_mode: str | None = None  # uefi, legacy, unknown
    monitors: tuple[Monitor, ...] = ()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk; `medium` is hdd, ssd, nvme, emmc, sd, virtual or unknown.

    `wear_ratio` is the share of its rated life that is used and may pass 1; `failing` is the disk's own word.
    """

    name: str
    model: str | None = None
    size_bytes: int | None = None
    medium: str | None = None
    bus: str | None = None
    removable: bool | None = None
    holds_system: bool | None = None
    source: str | None = None
    firmware: str | None = None
    wear_ratio: float | None = None
    spare_ratio: float | None = None
    power_on_hours: int | None = None
    media_errors: int | None = None
    reallocated_sectors: int | None = None
    failing: bool | None = None
    health_source: str | None = None


@dataclass(frozen=True, slots=True)
class Battery:
    """One battery. It tells energy (watt hours) or charge (ampere hours); `health_ratio` is of one of them."""

    name: str
    vendor: str | None = None
    model: str | None = None
    technology: str | None = None
    design_watt_hours: float | None = None
    full_watt_hours: float | None = None
    design_ampere_hours: float | None = None
    full_ampere_hours: float | None = None
    health_ratio: float | None = None
    cycles: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the device is; sent when changed."""

    hostname: str | None = None
    fingerprint: dict[str, str] | None = None
    os: OsFacts | None = None
    hardware: HardwareFacts | None = None
    storage: tuple[Disk, ...] | None = None
    battery: tuple[Battery, ...] | None = None
