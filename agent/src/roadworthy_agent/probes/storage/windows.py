"""Reading the disks on Windows: what their drivers answer, and which of them the system's volume lies on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from roadworthy_agent.facts import Disk
from roadworthy_agent.placeholders import meaningful
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status, StorageReading
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.storage import nvme, parse, smart
from roadworthy_agent.probes.storage.health import Health, HealthError
from roadworthy_agent.windows.descriptors import (
    Descriptor,
    parse_descriptor,
    parse_extents,
    parse_flag,
    parse_health_page,
    parse_number,
    parse_predict_failure,
    parse_size,
    without_serial,
)
from roadworthy_agent.windows.machine import WindowsMachine, machine_of
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.recorder import RecordingWindows
from roadworthy_agent.windows.surroundings import environment_of

FILES: tuple[str, ...] = ()
SOURCE = "IOCTL_STORAGE_QUERY_PROPERTY"
MOST_DISKS = 256  # what the wire takes
HEALTH_FIELDS = (
    "wear_ratio",
    "spare_ratio",
    "power_on_hours",
    "media_errors",
    "reallocated_sectors",
    "failing",
)

# STORAGE_BUS_TYPE (ntddstor.h), in the words the other systems' readers use
BUSES = {
    1: "scsi", 2: "ata", 3: "ata", 4: "firewire", 6: "fibre_channel", 7: "usb", 8: "raid", 9: "iscsi", 10: "sas",
    11: "ata", 12: "mmc", 13: "mmc", 14: "virtual", 16: "storage_spaces", 17: "nvme", 18: "scm", 19: "ufs",
}  # fmt: skip
SD, MMC, FILE_BACKED, NVME = 12, 13, 15, 17
BY_BUS = {
    NVME: ("nvme", None),
    MMC: ("emmc", None),
    SD: ("unknown", "an SD card, which is neither an SSD nor a hard disk"),
}
# Behind these nobody sees the disk itself, so a seek penalty may be only what nobody told the driver otherwise.
HIDING = {"usb": "USB bridges call flash rotating too", "raid": "a RAID controller hides its disks",
          "iscsi": "a disk of the network", "fibre_channel": "a disk of the network",
          "storage_spaces": "a storage space of several disks"}  # fmt: skip


def collect(context: Context) -> ProbeResult[StorageReading]:
    """Read every disk of the device."""
    return read(machine_of(context))


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe read of Windows, without the disks' serial numbers, for a recorded tree."""
    recording = RecordingWindows(machine_of(context))
    read(recording)
    recording.change("storage", "disks", _scrubbed)
    return recording.files("storage")


def read(machine: WindowsMachine) -> ProbeResult[StorageReading]:
    """Return the disks, the serial number of the system's, and what is missing."""
    where = environment_of(machine)
    if where.kind == environment.CONTAINER:
        reason = "a container sees the disks of its host, which reports for itself"
        return ProbeResult("storage", Status.CONTAINER, reason=reason, source=SOURCE)
    raw = machine.calls("storage")
    seen = [(each, descriptor) for each in raw.each("disks") if (descriptor := _descriptor(each)) is not None]
    disks = [(each, descriptor) for each, descriptor in seen if is_disk(each, descriptor)]
    if not disks:
        refused = raw.missing("disks", "storage")
        told = raw.fault is not None or raw.inner("disks").values
        reason = refused.reason if told else "Windows lists no disk"
        return ProbeResult("storage", refused.status, reason=reason, source=SOURCE)
    holders = parse_extents(raw.octets("system_extents"))
    missing: list[Missing] = [] if holders else [raw.missing("system_extents", "storage.holds_system")]
    found: list[tuple[Disk, Descriptor]] = []
    for each, descriptor in disks[:MOST_DISKS]:
        disk, without = _disk(
            each, descriptor, holders, virtual_machine=where.kind == environment.VIRTUAL_MACHINE
        )
        found.append((disk, descriptor))
        missing += without
    reading = StorageReading(tuple(disk for disk, _ in found), _identifiers(found))
    return ProbeResult("storage", Status.OK, reading, source=SOURCE, missing=tuple(missing))


def is_disk(raw: Raw, descriptor: Descriptor) -> bool:
    """Tell whether this is a disk of the device: no mounted disk image, no empty card reader."""
    if descriptor.bus == FILE_BACKED or parse_number(raw.octets("number")) is None:
        return False
    return not (descriptor.removable and _size(raw) is None)


def medium_of(
    descriptor: Descriptor, *, penalty: bool | None, trim: bool | None, virtual_machine: bool
) -> tuple[str, str | None]:
    """Return the medium, and in words why it is unknown if it is.

    In a virtual machine nobody told the driver what is behind the disk, so its answer is not believed.
    """
    bus = BUSES.get(descriptor.bus)
    label = f"{descriptor.vendor or ''} {descriptor.product or ''}".casefold().strip()
    if virtual_machine or bus == "virtual" or label.startswith(parse.VIRTUAL_VENDORS):
        return "virtual", None
    if descriptor.bus in BY_BUS:
        return BY_BUS[descriptor.bus]
    if penalty is False or (penalty is None and trim):
        return "ssd", None
    if bus in HIDING:
        return "unknown", HIDING[bus]
    return ("hdd", None) if penalty else ("unknown", "the driver does not say whether seeking costs time")


def health_of(raw: Raw, descriptor: Descriptor, model: str | None, *, rotates: bool) -> Health | Missing:
    """Return what the disk says of its health, or why it does not.

    IOCTL_STORAGE_PREDICT_FAILURE is what Windows itself asks each hour, so asking wakes no disk it would not wake.
    """
    field = "storage.health"
    try:
        if descriptor.bus == NVME:
            data = raw.octets("nvme_health")
            if data is None:
                return raw.missing("nvme_health", field)
            return nvme.parse_health_log(parse_health_page(data))
        data = raw.octets("predict_failure")
        said = parse_predict_failure(data) if data is not None else None
        if said is None:
            return raw.missing("predict_failure", field)
        failing, table = said
        status = smart.STATUS_FAILING if failing else smart.STATUS_GOOD
        answers = smart.AtaAnswers(attributes=table, status=status)
        try:
            return smart.parse_health(answers, model=model, rotates=rotates)
        except HealthError:  # a SCSI disk has a verdict and no attributes
            return Health(source="IOCTL_STORAGE_PREDICT_FAILURE", failing=failing)
    except HealthError as error:
        return Missing(field, Status.ERROR, str(error))


def _descriptor(raw: Raw) -> Descriptor | None:
    data = raw.octets("device")
    return None if data is None else parse_descriptor(data)


def _size(raw: Raw) -> int | None:
    return parse_size(raw.octets("length"), raw.octets("geometry"))


def _disk(
    raw: Raw, descriptor: Descriptor, holders: frozenset[int], *, virtual_machine: bool
) -> tuple[Disk, list[Missing]]:
    number = parse_number(raw.octets("number"))
    name = f"PhysicalDrive{number}"
    medium, why = medium_of(
        descriptor,
        penalty=parse_flag(raw.octets("seek_penalty")),
        trim=parse_flag(raw.octets("trim")),
        virtual_machine=virtual_machine,
    )
    bus = BUSES.get(descriptor.bus)
    disk = Disk(
        name=name,
        model=parse.model_of(
            parse.Block(name=name, path="", vendor=descriptor.vendor, model=descriptor.product)
        ),
        size_bytes=_size(raw),
        medium=medium,
        bus=bus,
        removable=bus == "usb" or descriptor.removable,
        holds_system=number in holders if holders else None,
        source=SOURCE,
        firmware=descriptor.revision,
    )
    missing = []
    if why is not None:
        missing.append(Missing(f"storage.{name}.medium", Status.NOT_SUPPORTED, why))
    if disk.size_bytes is None:
        missing.append(raw.missing("geometry", f"storage.{name}.size_bytes"))
    if medium == "virtual":
        return disk, missing
    return _with_health(raw, descriptor, disk, missing)


def _with_health(
    raw: Raw, descriptor: Descriptor, disk: Disk, missing: list[Missing]
) -> tuple[Disk, list[Missing]]:
    health = health_of(raw, descriptor, disk.model, rotates=disk.medium == "hdd")
    if isinstance(health, Missing):
        return disk, [*missing, replace(health, field=f"storage.{disk.name}.health")]
    missing = missing + [
        Missing(f"storage.{disk.name}.{field}", Status.NOT_SUPPORTED, reason)
        for field, reason in health.reasons.items()
        if field in HEALTH_FIELDS
    ]
    values: dict[str, Any] = {name: getattr(health, name) for name in HEALTH_FIELDS}
    return replace(disk, **values, health_source=health.source), missing


def _identifiers(found: list[tuple[Disk, Descriptor]]) -> dict[str, str]:
    """Return the serial number of the disk that holds the system; a hypervisor's is the same on all its machines."""
    for disk, descriptor in sorted(found, key=lambda each: each[0].name):
        if disk.holds_system and disk.medium != "virtual" and (serial := meaningful(descriptor.serial)):
            return {"disk_serial": serial}
    return {}


def _scrubbed(disks: Any) -> Any:
    if not isinstance(disks, list):
        return disks
    return [
        {**disk, "device": without_serial(disk["device"])} if isinstance(disk.get("device"), bytes) else disk
        for disk in disks
        if isinstance(disk, dict)
    ]
