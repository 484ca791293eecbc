"""Which block device is a disk, of what kind, and which of them holds the system."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.storage.linux import system_disks
from roadworthy_agent.probes.storage.parse import (
    Block,
    bus_of,
    disk,
    is_disk,
    medium_of,
    model_of,
    parse_root_mount,
    parse_vpd_serial,
)
from roadworthy_agent.probes.tree import Tree

PCI = "../devices/pci0000:00/0000:00:17.0"


@pytest.mark.parametrize(
    "name",
    [
        "loop0",
        "ram1",
        "zram0",
        "dm-3",
        "md127",
        "sr0",
        "fd0",
        "nbd5",
        "mmcblk0boot0",
        "mmcblk0rpmb",
        "nvme0c0n1",
        "zd16",
    ],
)
def test_what_is_no_disk(name: str) -> None:
    assert not is_disk(Block(name, f"{PCI}/{name}", sectors=100))


@pytest.mark.parametrize("name", ["sda", "sdaa", "vda", "xvda", "hda", "nvme0n1", "mmcblk0", "dasda"])
def test_what_is_a_disk(name: str) -> None:
    assert is_disk(Block(name, f"{PCI}/{name}", sectors=100))


def test_an_empty_card_reader_and_a_hidden_path_are_no_disks() -> None:
    assert not is_disk(Block("sdc", f"{PCI}/usb1/sdc", sectors=0, removable=1))
    assert not is_disk(Block("nvme1n1", f"{PCI}/nvme1n1", sectors=100, hidden=1))


@pytest.mark.parametrize(
    ("path", "bus"),
    [
        (f"{PCI}/ata1/host0/target0:0:0/0:0:0:0/block/sda", "ata"),
        (f"{PCI}/usb2/2-1/2-1:1.0/host4/target4:0:0/4:0:0:0/block/sdb", "usb"),
        ("../devices/pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme0/nvme0n1", "nvme"),
        ("../devices/pci0000:00/0000:00:02.0/virtio1/block/vda", "virtio"),
        ("../devices/platform/fe340000.emmc2/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0", "mmc"),
        ("../devices/pci0000:00/0000:03:00.0/host0/target0:2:0/0:2:0:0/block/sda", "scsi"),
        (
            "../devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0004:00/VMBUS:00/f8b3781a/host0/target0:0:0/block/sda",
            "vmbus",
        ),
        ("../devices/vbd-51712/block/xvda", "xen"),
        ("../devices/something/new", None),
    ],
)
def test_the_bus_is_read_from_the_path(path: str, bus: str | None) -> None:
    assert bus_of(path) == bus


@pytest.mark.parametrize(
    ("block", "bus", "virtual_machine", "medium"),
    [
        (Block("sda", "", rotational=1), "ata", False, "hdd"),
        (Block("sda", "", rotational=0), "ata", False, "ssd"),
        (Block("sda", "", rotational=None), "ata", False, "unknown"),
        (Block("nvme0n1", "", rotational=0), "nvme", False, "nvme"),
        (Block("mmcblk0", "", rotational=0, mmc_type="MMC"), "mmc", False, "emmc"),
        (Block("mmcblk0", "", rotational=0, mmc_type="SD"), "mmc", False, "sd"),
        (Block("mmcblk0", "", rotational=0, mmc_type="SDIO"), "mmc", False, "unknown"),
        (Block("mmcblk0", "", rotational=0), "mmc", False, "unknown"),
        (Block("sdb", "", rotational=1), "usb", False, "unknown"),
        (Block("sdb", "", rotational=0), "usb", False, "ssd"),
        (Block("vda", "", rotational=1), "virtio", False, "virtual"),
        (Block("sda", "", rotational=1), "ata", True, "virtual"),
        (Block("sda", "", rotational=1, vendor="VMware", model="Virtual disk"), "scsi", False, "virtual"),
        (Block("sda", "", rotational=1, vendor="ATA", model="QEMU HARDDISK"), "ata", True, "virtual"),
        (Block("sda", "", rotational=1, vendor="Msft", model="Virtual Disk"), "vmbus", False, "virtual"),
    ],
)
def test_the_medium(block: Block, bus: str, *, virtual_machine: bool, medium: str) -> None:
    found, why = medium_of(block, bus, virtual_machine=virtual_machine)
    assert found == medium
    assert (why is not None) == (medium == "unknown")


def test_makers_that_are_none_are_left_out_of_the_model() -> None:
    assert model_of(Block("sda", "", vendor="ATA     ", model="ST500DM002-1BD14 ")) == "ST500DM002-1BD14"
    assert model_of(Block("vda", "", vendor="0x1af4")) is None
    assert model_of(Block("sdb", "", vendor="SanDisk ", model="Cruzer Blade")) == "SanDisk Cruzer Blade"
    assert model_of(Block("sdb", "", vendor="Samsung", model="Samsung SSD")) == "Samsung SSD"


def test_a_usb_disk_counts_as_removable_whatever_it_says() -> None:
    found, _ = disk(
        Block("sdb", f"{PCI}/usb1/1-1/host6/block/sdb", sectors=8, rotational=0, removable=0),
        virtual_machine=False,
        holds_system=False,
    )
    assert found.removable is True


def test_a_missing_size_is_none_with_a_reason_and_not_zero() -> None:
    found, missing = disk(
        Block("sda", f"{PCI}/ata1/sda", rotational=0), virtual_machine=False, holds_system=None
    )
    assert found.size_bytes is None
    assert [each.field for each in missing] == [
        f"storage.sda.{name}" for name in ("size_bytes", "removable", "model")
    ]


def test_the_serial_number_of_a_vital_product_data_page() -> None:
    assert parse_vpd_serial(b"\0\x80\0\x08  Z2A001" + b"junk") == "Z2A001"
    assert parse_vpd_serial(b"\0\x83\0\x04Z2A0") is None
    assert parse_vpd_serial(b"") is None


def test_the_root_mount() -> None:
    mount = parse_root_mount(
        "28 1 8:7 / / rw shared:1 - ext4 /dev/sda7 rw\n30 28 8:1 / /boot rw - vfat /dev/sda1 rw"
    )
    assert mount is not None
    assert (mount.device, mount.type, mount.source) == ("8:7", "ext4", "/dev/sda7")
    assert parse_root_mount("") is None


def machine(root: Path, files: dict[str, str]) -> Tree:
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return Tree(root)


DISKS = {
    "sys/block/sda/dev": "8:0", "sys/block/sda/sda2/partition": "2", "sys/block/sda/sda2/dev": "8:2",
    "sys/block/sdb/dev": "8:16", "sys/block/sdb/sdb1/partition": "1", "sys/block/sdb/sdb1/dev": "8:17",
    "sys/block/md0/dev": "9:0", "sys/block/md0/slaves/sda2": "", "sys/block/md0/slaves/sdb1": "",
    "sys/block/dm-0/dev": "253:0", "sys/block/dm-0/dm/name": "luks-root", "sys/block/dm-0/slaves/md0": "",
    "sys/block/dm-1/dev": "253:1", "sys/block/dm-1/dm/name": "vg-root", "sys/block/dm-1/slaves/dm-0": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("mount", "disks"),
    [
        ("8:2 / / rw - ext4 /dev/sda2 rw", {"sda"}),
        ("8:0 / / rw - ext4 /dev/root rw", {"sda"}),
        ("253:1 / / rw - ext4 /dev/mapper/vg-root rw", {"sda", "sdb"}),  # LVM on LUKS on RAID 1
        ("0:34 /root / rw - btrfs /dev/mapper/luks-root rw", {"sda", "sdb"}),
        ("0:34 /@ / rw - btrfs /dev/sdb1 rw", {"sdb"}),
    ],
)
def test_the_system_is_followed_down_to_its_disks(tmp_path: Path, mount: str, disks: set[str]) -> None:
    tree = machine(tmp_path, DISKS | {"proc/self/mountinfo": f"28 1 {mount}"})
    assert system_disks(tree) == (disks, [])


@pytest.mark.parametrize("mount", ["0:40 / / rw - zfs rpool/ROOT rw", "0:41 / / rw - nfs server:/root rw"])
def test_a_system_on_no_disk_of_sysfs_is_missing_with_a_reason(tmp_path: Path, mount: str) -> None:
    holders, missing = system_disks(machine(tmp_path, DISKS | {"proc/self/mountinfo": f"28 1 {mount}"}))
    assert holders is None
    assert missing[0].field == "storage.holds_system"
    assert "server" not in missing[0].reason  # nor anything else that names a machine


def test_slaves_that_go_in_a_circle_end(tmp_path: Path) -> None:
    files = {
        "sys/block/dm-0/dev": "253:0", "sys/block/dm-0/slaves/dm-1": "",
        "sys/block/dm-1/dev": "253:1", "sys/block/dm-1/slaves/dm-0": "",
        "proc/self/mountinfo": "28 1 253:0 / / rw - ext4 /dev/dm-0 rw",
    }  # fmt: skip
    assert system_disks(machine(tmp_path, files))[0] is None


def test_a_machine_without_disks_says_so(tmp_path: Path) -> None:
    result = PROBES["storage"].collect(Context.recorded(tmp_path))
    assert (result.status, result.value) == (Status.NOT_SUPPORTED, None)
    assert result.reason == "/sys/block is not there"


def test_of_a_host_of_a_storage_network_no_more_disks_are_sent_than_the_wire_takes(tmp_path: Path) -> None:
    disks = {f"sys/block/sd{number:04}/size": "2048" for number in range(300)}
    system = {"sys/block/sd0299/dev": "8:0", "proc/self/mountinfo": "1 0 8:0 / / rw - ext4 /dev/root rw\n"}
    machine(tmp_path, disks | system)
    result = PROBES["storage"].collect(Context.recorded(tmp_path))
    assert len(result.value.disks) == 256
    assert result.value.disks[0].name == "sd0299"  # the one that holds the system is never left out
    assert any("more than 256 disks" in each.reason for each in result.missing)
