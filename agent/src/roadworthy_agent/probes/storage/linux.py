"""Reading the disks on Linux: /sys/block, and /proc/self/mountinfo for the one that holds the system."""

from __future__ import annotations

from roadworthy_agent.placeholders import meaningful
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status, StorageReading
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.storage import parse
from roadworthy_agent.probes.tree import Tree

SOURCE = "/sys/block"
MOUNTS = "proc/self/mountinfo"
MOST_DISKS = 256  # what the wire takes
MAX_DEPTH = 8  # file system on LVM on LUKS on RAID is four


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
        found.append(each)
        missing += without
    if len(found) > MOST_DISKS:  # a host of a storage network sees each disk once per path
        found = sorted(found, key=lambda each: not each.holds_system)[:MOST_DISKS]
        missing.append(
            Missing("storage", Status.NOT_SUPPORTED, f"more than {MOST_DISKS} disks: the rest is left out")
        )
    # A hypervisor labels its virtual disks as it likes, the same on each of its machines.
    real = sorted(each.name for each in found if each.holds_system and each.medium != "virtual")
    reading = StorageReading(tuple(found), _identifiers(tree, real))
    return ProbeResult("storage", Status.OK, reading, source=SOURCE, missing=tuple(missing))


def read_block(tree: Tree, name: str) -> parse.Block:
    """Return what sysfs says of one block device."""
    base = f"sys/block/{name}"
    return parse.Block(
        name=name,
        path=tree.link(base) or base,
        sectors=tree.number(f"{base}/size"),
        rotational=tree.number(f"{base}/queue/rotational"),
        removable=tree.number(f"{base}/removable"),
        hidden=tree.number(f"{base}/hidden"),
        vendor=tree.text(f"{base}/device/vendor"),
        model=tree.text(f"{base}/device/model") or tree.text(f"{base}/device/name"),
        mmc_type=tree.text(f"{base}/device/type"),
    )


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
