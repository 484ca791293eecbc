"""From what sysfs says of a block device to a disk; pure.

Attributes: https://www.kernel.org/doc/Documentation/ABI/stable/sysfs-block
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from roadworthy_agent.facts import Disk
from roadworthy_agent.placeholders import meaningful
from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.storage.health import Health, NoHealth

SECTOR_BYTES = 512  # the unit of `size`, whatever the disk's own sectors are

# Not disks of this device: made of memory, files, other disks or the network, or optical and floppy drives
NOT_PHYSICAL = re.compile(
    r"(loop|ram|zram|dm-|md|sr|fd|nbd|zd|bcache|drbd|rbd|pmem)\d*"
    r"|mmcblk\d+(boot\d+|rpmb|gp\d+)"  # corners of an eMMC that is listed anyway
    r"|nvme\d+c\d+n\d+"  # one path of a disk that is listed anyway
)

# a piece of the sysfs path -> bus; the first that fits wins, so bridges come before what is behind them
BUSES = (
    (re.compile(r"/usb\d+/"), "usb"),
    (re.compile(r"/virtio\d+/"), "virtio"),
    (re.compile(r"/VMBUS:|/vmbus_", re.IGNORECASE), "vmbus"),
    (re.compile(r"/vbd-\d+|/xen"), "xen"),
    (re.compile(r"/mmc_host/"), "mmc"),
    (re.compile(r"/nvme/"), "nvme"),
    (re.compile(r"/ata\d+/"), "ata"),
    (re.compile(r"/host\d+/"), "scsi"),
)
MMC_MEDIA = {"MMC": "emmc", "SD": "sd", "SDcombo": "sd"}
VIRTUAL_BUSES = frozenset({"virtio", "vmbus", "xen"})
EMMC_PAST_ITS_LIFE = 0x0B
EMMC_SPARE = {1: False, 2: False, 3: True}
VIRTUAL_VENDORS = ("qemu", "vmware", "vbox", "msft", "virtual")


@dataclass(frozen=True, slots=True)
class Block:
    """What sysfs says of one block device; None where it says nothing."""

    name: str
    path: str  # where /sys/block/<name> leads
    sectors: int | None = None
    rotational: int | None = None
    removable: int | None = None
    hidden: int | None = None
    vendor: str | None = None
    model: str | None = None
    mmc_type: str | None = None
    firmware: str | None = None
    life_time: str | None = None  # eMMC: two hexadecimal numbers
    pre_eol_info: str | None = None  # eMMC: one
    faults: Mapping[str, Missing] = field(default_factory=dict)  # field of Disk -> why its file gave nothing


def is_disk(block: Block) -> bool:
    """Tell whether this is a disk of the device: no memory, no file, no empty card reader."""
    if NOT_PHYSICAL.fullmatch(block.name) or "/virtual/" in block.path or block.hidden == 1:
        return False
    return not (block.removable == 1 and not block.sectors)


def bus_of(path: str) -> str | None:
    """Return the bus a sysfs path runs over, or None for one nobody has seen yet."""
    return next((bus for pattern, bus in BUSES if pattern.search(path)), None)


def medium_of(block: Block, bus: str | None, *, virtual_machine: bool) -> tuple[str, str | None]:
    """Return the medium, and in words why it is unknown if it is.

    In a virtual machine the kernel says `rotational` because nobody told it otherwise, so it is not believed;
    USB bridges say it of flash sticks too, so there only "not rotational" counts.
    """
    label = f"{block.vendor or ''} {block.model or ''}".casefold().strip()
    if virtual_machine or bus in VIRTUAL_BUSES or label.startswith(VIRTUAL_VENDORS):
        return "virtual", None
    if block.name.startswith("nvme"):
        return "nvme", None
    if block.name.startswith("mmcblk"):
        known = MMC_MEDIA.get(block.mmc_type or "")
        return (known, None) if known else ("unknown", f"a memory card of type {block.mmc_type or 'unknown'}")
    return _medium_by_rotation(block.rotational, bus)


def _medium_by_rotation(rotational: int | None, bus: str | None) -> tuple[str, str | None]:
    if rotational == 0:
        return "ssd", None
    if rotational is None:
        return "unknown", "the kernel does not say whether it rotates"
    return ("unknown", "USB bridges call flash rotational too") if bus == "usb" else ("hdd", None)


def model_of(block: Block) -> str | None:
    """Return maker and model as one text; libata's "ATA" and PCI numbers are no makers."""
    vendor = " ".join((block.vendor or "").split())
    model = " ".join((block.model or "").split())
    if (
        vendor in {"", "ATA", "NVMe"}
        or vendor.startswith("0x")
        or model.casefold().startswith(vendor.casefold().rstrip(",."))
    ):
        return model or None
    return f"{vendor} {model}".strip()


def disk(
    block: Block, *, virtual_machine: bool, holds_system: bool | None
) -> tuple[Disk, tuple[Missing, ...]]:
    """Return the disk and what is missing of it."""
    bus = bus_of(block.path)
    medium, why = medium_of(block, bus, virtual_machine=virtual_machine)
    size = block.sectors * SECTOR_BYTES if block.sectors and block.sectors > 0 else None
    found = Disk(
        name=block.name,
        model=model_of(block),
        size_bytes=size,
        medium=medium,
        bus=bus,
        removable=bus == "usb" or (None if block.removable is None else block.removable == 1),
        holds_system=holds_system,
        source=f"/sys/block/{block.name}",
        firmware=meaningful(block.firmware),
    )
    reasons = {
        "medium": why,
        "size_bytes": "the kernel gives no size" if size is None else None,
        "removable": "the kernel does not say whether it can be taken out"
        if found.removable is None
        else None,
        # A hypervisor's disk has none
        "model": "the disk gives no model" if found.model is None and medium != "virtual" else None,
    }
    missing = tuple(_without(block, name, reason) for name, reason in reasons.items() if reason is not None)
    return found, missing


def _without(block: Block, name: str, reason: str) -> Missing:
    """Say that a field is missing: because its file could not be read, or else for `reason`."""
    fault = block.faults.get(name)
    where = f"storage.{block.name}.{name}"
    if fault is None:
        return Missing(where, Status.NOT_SUPPORTED, reason)
    return Missing(where, fault.status, fault.reason)


def with_health(disk: Disk, health: Health | NoHealth) -> tuple[Disk, tuple[Missing, ...]]:
    """Return the disk with what it says of itself, and what is missing of that."""
    if isinstance(health, NoHealth):
        return disk, (Missing(f"storage.{disk.name}.health", health.status, health.reason),)
    found = replace(
        disk,
        wear_ratio=health.wear_ratio,
        spare_ratio=health.spare_ratio,
        power_on_hours=health.power_on_hours,
        media_errors=health.media_errors,
        reallocated_sectors=health.reallocated_sectors,
        failing=health.failing,
        health_source=health.source,
    )
    missing = (
        Missing(f"storage.{disk.name}.{name}", Status.NOT_SUPPORTED, reason)
        for name, reason in health.reasons.items()
    )
    return found, tuple(missing)


def emmc_health(block: Block) -> Health | None:
    """Return what an eMMC says of itself, None where the kernel shows nothing (eMMC before 5.0).

    JEDEC JESD84-B51, 7.4: life time used of the two kinds of cells in tenths, 0x01 for up to a tenth, 0x0A for
    up to all of it, 0x0B for past it; 0 is not told. The upper end of the worse kind is given, so 1.1 means no
    more than "past its rating". Spare blocks: 1 normal, 2 four fifths used, 3 nine tenths: that is called failing.
    """
    tenths = [number for number in map(_hexadecimal, (block.life_time or "").split()) if number]
    worst = max((number for number in tenths if number <= EMMC_PAST_ITS_LIFE), default=None)
    spare = _hexadecimal(block.pre_eol_info or "")
    if worst is None and spare not in EMMC_SPARE:
        return None
    return Health(
        source=f"/sys/block/{block.name}/device/life_time",
        wear_ratio=None if worst is None else worst / 10,
        failing=EMMC_SPARE.get(spare or 0),
        reasons={} if worst is not None else {"wear_ratio": "the eMMC does not tell the life time used"},
    )


def _hexadecimal(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"(0x)?[0-9a-fA-F]{1,2}", text.strip()) else None


@dataclass(frozen=True, slots=True)
class RootMount:
    """Where `/` comes from: device number `major:minor`, type and source."""

    device: str
    type: str
    source: str


def parse_root_mount(mountinfo: str) -> RootMount | None:
    """Return the last mount on `/` (proc_pid_mountinfo(5)), or None."""
    found = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, tail = before.split(), after.split()
        if len(fields) > 4 and fields[4] == "/" and len(tail) > 1:
            found = RootMount(device=fields[2], type=tail[0], source=tail[1])
    return found


def parse_vpd_serial(page: bytes) -> str | None:
    """Return the serial number of a SCSI vital product data page 0x80 (SPC-4, 7.8.15), or None."""
    if len(page) < 4 or page[1] != 0x80:
        return None
    length = int.from_bytes(page[2:4], "big")
    return page[4 : 4 + length].decode("ascii", "replace").strip(" \0") or None
