"""Reading the disks on macOS: one system_profiler a day; any account may."""

from __future__ import annotations

import re
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.facts import Disk
from roadworthy_agent.macos import profiler
from roadworthy_agent.macos.machine import machine_of, recording
from roadworthy_agent.placeholders import meaningful
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status, StorageReading

FILES: tuple[str, ...] = ()
PROFILER = "storage"
SOURCE = "system_profiler"
NVME, SATA, VOLUMES = "SPNVMeDataType", "SPSerialATADataType", "SPStorageDataType"
MOST_DISKS = 64
BSD_NAME = re.compile(r"disk\d{1,4}")
HEALTH = {"verified": False, "failing": True}
MEDIA = {"solid state": "ssd", "ssd": "ssd", "rotational": "hdd"}
VIRTUAL = ("vbox", "vmware", "qemu", "virtual", "parallels")
NO_WEAR = (
    "macOS tells wear, hours and spare only to tools with rights of their own; none is installed for this"
)
ELSEWHERE = "disks on USB, Thunderbolt and SAS are not asked for"

Result = ProbeResult[StorageReading]


def collect(context: Context) -> Result:
    """Read the disks."""
    printed = machine_of(context).program(PROFILER)
    if isinstance(printed, Missing):
        return ProbeResult("storage", printed.status, reason=printed.reason, source=SOURCE)
    try:
        told = profiler.parse(printed)
    except ProbeError as error:
        return ProbeResult("storage", Status.ERROR, reason=str(error), source=SOURCE)
    disks, identifiers, missing = parse_disks(told)
    if not disks:
        reason = f"system_profiler names neither NVMe nor SATA disks; {ELSEWHERE}"
        return ProbeResult("storage", Status.NOT_SUPPORTED, StorageReading(()), reason, source=SOURCE)
    reading = StorageReading(disks, identifiers)
    return ProbeResult("storage", Status.OK, reading, source=SOURCE, missing=missing)


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe reads, without serial numbers and names of volumes."""
    return recording(context, programs=(PROFILER,))


def parse_disks(
    told: dict[str, list[dict[str, Any]]],
) -> tuple[tuple[Disk, ...], dict[str, str], tuple[Missing, ...]]:
    """Return the disks, the serial number of the one that holds the system, and what is missing."""
    found = [
        (item, bus)
        for kind, bus in ((NVME, "nvme"), (SATA, "ata"))
        for item in profiler.items(told.get(kind, []))
        if BSD_NAME.fullmatch(profiler.text(item, "bsd_name") or "") and profiler.whole(item, "size_in_bytes")
    ][:MOST_DISKS]
    drive = _system_drive(told.get(VOLUMES, []))
    models = [_model(item) for item, _ in found]
    holder = profiler.text(drive, "device_name")
    # Volumes of APFS are on a made-up disk: the drive's name is the only thread, and only while one drive has it
    sure = holder is not None and models.count(holder) == 1
    disks, missing, identifiers = [], [], {}
    for item, bus in found:
        holds = _model(item) == holder if sure else None
        medium = profiler.text(drive, "medium_type") if holds else None
        disk, gone = _disk(item, bus, holds=holds, medium_of_drive=medium)
        disks.append(disk)
        missing += gone
        serial = meaningful(profiler.text(item, profiler.SERIAL))
        if holds and serial:
            identifiers["disk_serial"] = serial
    return tuple(disks), identifiers, tuple(missing)


def _disk(
    item: dict[str, Any], bus: str, *, holds: bool | None, medium_of_drive: str | None
) -> tuple[Disk, list[Missing]]:
    name, model = profiler.text(item, "bsd_name") or "", _model(item)
    word = (
        profiler.text(item, "smart_status") or profiler.text(item, "spnvme_smart_status") or ""
    ).casefold()
    medium = _medium(bus, model, profiler.text(item, "spsata_medium_type") or medium_of_drive)
    removable = profiler.yes(item, "removable_media") or profiler.yes(item, "detachable_drive")
    disk = Disk(
        name=name,
        model=model,
        size_bytes=profiler.whole(item, "size_in_bytes"),
        medium=medium,
        bus=bus,
        removable=removable,
        holds_system=holds,
        source=SOURCE,
        firmware=profiler.text(item, "device_revision"),
        failing=HEALTH.get(word),
        health_source=SOURCE if word in HEALTH else None,
    )
    reasons: list[tuple[str, str]] = [("wear_ratio", NO_WEAR)]
    if disk.failing is None:
        reasons.append(("failing", "the disk's own word on its health is missing or in another language"))
    if medium == "unknown":
        reasons.append(("medium", "system_profiler does not say whether it rotates"))
    if holds is None:
        reasons.append(("holds_system", "no single disk has the name of the drive that holds the system"))
    return disk, [Missing(f"storage.{name}.{field}", Status.NOT_SUPPORTED, why) for field, why in reasons]


def _medium(bus: str, model: str | None, word: str | None) -> str:
    if (model or "").casefold().startswith(VIRTUAL):
        return "virtual"
    if bus == "nvme":
        return "nvme"
    return MEDIA.get((word or "").casefold(), "unknown")


def _model(item: dict[str, Any]) -> str | None:
    return profiler.text(item, "device_model")


def _system_drive(volumes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the physical drive of the volume the system starts from, {} where none is named."""
    for volume in volumes:
        drive = volume.get("physical_drive")
        if volume.get("mount_point") == "/" and isinstance(drive, dict):
            return drive
    return {}
