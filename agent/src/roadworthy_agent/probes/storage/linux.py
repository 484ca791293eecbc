"""Reading the disks on Linux: /sys/block, and /proc/self/mountinfo for the one that holds the system."""

from __future__ import annotations

from roadworthy_agent.facts import Disk
from roadworthy_agent.placeholders import meaningful
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status, StorageReading
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.storage import parse
from roadworthy_agent.probes.storage.health import Health, HealthError, NoHealth
from roadworthy_agent.probes.tree import Tree, whole_number

SOURCE = "/sys/block"
MOUNTS = "proc/self/mountinfo"
MOST_DISKS = 256  # what the wire takes
MAX_DEPTH = 8  # file system on LVM on LUKS on RAID is four
SNAPSHOTS = "run/roadworthy-smart"  # what the root step of deploy/systemd leaves
ASKABLE = frozenset({"nvme", "ata"})
FIRMWARE_NAMES = ("firmware_rev", "rev", "fwrev")  # NVMe, SCSI (of ATA the last four characters), eMMC
STALE_SECONDS = 3 * 86_400  # it runs daily
RECORDED = "roadworthy/smart"

# The plain files this probe reads, for a recording. Serial numbers and names people gave are left out: `record`
# gives the line of the mount table that matters.
FILES = tuple(
    f"sys/block/*/{name}"
    for name in (
        "size", "removable", "hidden", "dev", "queue/rotational", "*/partition", "*/dev", "slaves/*/dev",
        "device/vendor", "device/model", "device/name", "device/type", "device/rev", "device/firmware_rev",
        "device/fwrev", "device/life_time", "device/pre_eol_info",
    )
)  # fmt: skip


def collect(context: Context) -> ProbeResult[StorageReading]:
    """Read every disk of the device."""
    tree = Tree(context.root)
    where = environment.detect(tree)
    if where.kind == environment.CONTAINER:
        reason = "a container sees the disks of its host, which reports for itself"
        return ProbeResult("storage", Status.CONTAINER, reason=reason, source=SOURCE)
    blocks = [read_block(tree, name) for name in tree.names("sys/block")]
    disks = [block for block in blocks if parse.is_disk(block)]
    if not disks:
        reason = "no disk in /sys/block" if blocks else "/sys/block is not there"
        return ProbeResult("storage", Status.NOT_SUPPORTED, reason=reason, source=SOURCE)
    holders, missing = system_disks(tree)
    found = []
    for block in disks:
        each, without = parse.disk(
            block,
            virtual_machine=where.kind == environment.VIRTUAL_MACHINE,
            holds_system=None if holders is None else block.name in holders,
        )
        each, unhealthy = with_health(context, tree, block, each)
        found.append(each)
        missing += without + unhealthy
    if len(found) > MOST_DISKS:  # a host of a storage network sees each disk once per path
        found = sorted(found, key=lambda each: not each.holds_system)[:MOST_DISKS]
        missing.append(
            Missing("storage", Status.NOT_SUPPORTED, f"more than {MOST_DISKS} disks: the rest is left out")
        )
    # A hypervisor labels its virtual disks as it likes, the same on each of its machines.
    real = sorted(each.name for each in found if each.holds_system and each.medium != "virtual")
    reading = StorageReading(tuple(found), _identifiers(tree, real))
    missing += tree.unsaid("storage", *(each.reason for each in missing))
    return ProbeResult("storage", Status.OK, reading, source=SOURCE, missing=tuple(missing))


def read_block(tree: Tree, name: str) -> parse.Block:
    """Return what sysfs says of one block device."""
    base = f"sys/block/{name}"
    files = {
        "size_bytes": "size",
        "medium": "queue/rotational",
        "removable": "removable",
        "model": "device/model",
    }
    contents = {field: tree.read(f"{base}/{file}") for field, file in files.items()}
    numbers = {field: whole_number(content.text) for field, content in contents.items()}
    return parse.Block(
        name=name,
        path=tree.link(base) or base,
        sectors=numbers["size_bytes"],
        rotational=numbers["medium"],
        removable=numbers["removable"],
        hidden=tree.number(f"{base}/hidden"),
        vendor=tree.text(f"{base}/device/vendor"),
        model=contents["model"].text or tree.text(f"{base}/device/name"),
        mmc_type=tree.text(f"{base}/device/type"),
        firmware=next(filter(None, (tree.text(f"{base}/device/{name}") for name in FIRMWARE_NAMES)), None),
        life_time=tree.text(f"{base}/device/life_time"),
        pre_eol_info=tree.text(f"{base}/device/pre_eol_info"),
        faults={
            field: content.missing("")
            for field, content in contents.items()
            if content.status in {Status.NO_PERMISSION, Status.ERROR}
        },
    )


def askable(tree: Tree, block: parse.Block) -> str | None:
    """Return the bus over which a disk can be asked how it is, or None.

    Not over USB, where some bridges hang when asked, and not behind a RAID controller, which shows volumes.
    """
    bus = parse.bus_of(block.path)
    if bus not in ASKABLE or not parse.is_disk(block):
        return None
    # A drive the kernel has put to sleep would be woken by being opened.
    asleep = tree.text(f"sys/block/{block.name}/device/power/runtime_status") == "suspended"
    return None if asleep else bus


def with_health(
    context: Context, tree: Tree, block: parse.Block, disk: Disk
) -> tuple[Disk, tuple[Missing, ...]]:
    """Add what the disk says of itself, where there is anything to ask and it may be asked."""
    if disk.medium == "emmc":
        own = parse.emmc_health(block)
        reason = "the kernel shows no life time of this eMMC (it is older than version 5.0)"
        return parse.with_health(disk, own or NoHealth(Status.NOT_SUPPORTED, reason))
    if disk.medium in {"virtual", "sd", "unknown"} or disk.removable:
        return disk, ()
    health = _health(context, tree, block, disk)
    return parse.with_health(disk, health)


def _health(context: Context, tree: Tree, block: parse.Block, disk: Disk) -> Health | NoHealth:
    from roadworthy_agent.probes.storage.document import parse_document  # only where it is asked for

    bus = askable(tree, block)
    if bus is None:
        if disk.bus in ASKABLE:
            return NoHealth(Status.NO_DATA_YET, "the disk sleeps, and is not woken for this")
        return NoHealth(Status.NOT_SUPPORTED, f"a disk on bus {disk.bus or 'unknown'} is not asked how it is")
    if "smart" not in context.allow:
        return NoHealth(
            Status.OFF_BY_POLICY, 'disks are not asked how they are; allow = ["smart"] permits it'
        )
    text = _document(context, tree, block.name, bus)
    if isinstance(text, NoHealth):
        return text
    try:
        return parse_document(text, model=block.model, rotates=disk.medium == "hdd")
    except HealthError as error:
        return NoHealth(Status.ERROR, str(error))


def _document(context: Context, tree: Tree, name: str, bus: str) -> str | NoHealth:
    """Return a disk's document: recorded, left by the root step, or asked for now."""
    if not context.live:
        content = tree.read(f"{RECORDED}/{name}.json")
        if content.status is Status.NO_PERMISSION:
            return NoHealth(content.status, content.reason or "")
        return content.text or NoHealth(Status.NOT_SUPPORTED, "the recording holds no answer of this disk")
    path = context.path(f"{SNAPSHOTS}/{name}.json")
    try:
        if context.clock.wall() - path.stat().st_mtime < STALE_SECONDS:
            return path.read_text("utf-8", "replace")
    except OSError:
        pass  # there is no root step here: ask the disk, which says what it needs
    from roadworthy_agent.probes.storage import ioctl

    return ioctl.ask(name, bus).decode()


def record(context: Context) -> dict[str, bytes]:
    """Return the disks' answers, the mount of `/` without names people gave, and where /sys/block leads."""
    tree = Tree(context.root)
    found: dict[str, bytes] = {}
    links = []
    for name in tree.names("sys/block"):
        block = read_block(tree, name)
        if target := tree.link(f"sys/block/{name}"):
            links.append(f"sys/block/{name} {target}\n")
        bus = askable(tree, block)
        if bus is not None and "smart" in context.allow:
            text = _document(context, tree, name, bus)
            if isinstance(text, str):
                found[f"{RECORDED}/{name}.json"] = text.encode()
    mount = parse.parse_root_mount(tree.text(MOUNTS) or "")
    if mount is not None:
        source = mount.source if mount.source.startswith(("/dev/sd", "/dev/nvme", "/dev/vd")) else "none"
        found[MOUNTS] = f"1 0 {mount.device} / / rw - {mount.type} {source} rw\n".encode()
    return found | {"roadworthy/links": "".join(links).encode()}


def system_disks(tree: Tree) -> tuple[frozenset[str] | None, list[Missing]]:
    """Return the disks below `/`, through partitions, LVM, LUKS and RAID; None with a reason if not known."""
    content = tree.read(MOUNTS)
    mount = parse.parse_root_mount(content.text or "")
    if mount is None:
        return None, [content.missing("storage.holds_system")]
    top = _device_by_number(tree, mount.device) or _device_by_name(tree, mount.source)
    disks = frozenset(_below(tree, top, MAX_DEPTH)) if top else frozenset()
    if disks:
        return disks, []
    reason = f"/ is {mount.type}, which leads to no block device in /sys/block"
    return None, [Missing("storage.holds_system", Status.NOT_SUPPORTED, reason)]


def _partitions(tree: Tree, disk: str) -> list[str]:
    return [
        name for name in tree.names(f"sys/block/{disk}") if tree.exists(f"sys/block/{disk}/{name}/partition")
    ]


def _device_by_number(tree: Tree, number: str) -> str | None:
    """Return the name of a disk or partition by `major:minor`; 0:x is a file system without a device."""
    if number.startswith("0:"):
        return None
    for disk in tree.names("sys/block"):
        if tree.text(f"sys/block/{disk}/dev") == number:
            return disk
        for partition in _partitions(tree, disk):
            if tree.text(f"sys/block/{disk}/{partition}/dev") == number:
                return partition
    return None


def _device_by_name(tree: Tree, source: str) -> str | None:
    """Return the kernel's name of a mount source such as /dev/nvme0n1p2 or /dev/mapper/luks-root (btrfs)."""
    if not source.startswith("/dev/"):
        return None
    name = source.removeprefix("/dev/")
    for disk in tree.names("sys/block"):
        if name == disk or name in _partitions(tree, disk):
            return name
        if name.removeprefix("mapper/") == tree.text(f"sys/block/{disk}/dm/name"):
            return disk
    return None


def _below(tree: Tree, name: str, depth: int) -> set[str]:
    """Return the disks a device rests on: itself, the disk of a partition, or its slaves' disks."""
    if depth == 0:
        return set()
    if not tree.exists(f"sys/block/{name}"):
        return {disk for disk in tree.names("sys/block") if tree.exists(f"sys/block/{disk}/{name}/partition")}
    slaves = tree.names(f"sys/block/{name}/slaves")
    if not slaves:
        return {name}
    return {disk for slave in slaves for disk in _below(tree, slave, depth - 1)}


def _identifiers(tree: Tree, disks: list[str]) -> dict[str, str]:
    """Return the serial number of the disk that holds the system, where the kernel shows one."""
    for name in disks:
        base = f"sys/block/{name}"
        texts = (
            tree.text(f"{base}/device/serial"),
            tree.text(f"{base}/serial"),
            parse.parse_vpd_serial(tree.read(f"{base}/device/vpd_pg80").data or b""),
        )
        if serial := next((text for text in map(meaningful, texts) if text), None):
            return {"disk_serial": serial}
    return {}
