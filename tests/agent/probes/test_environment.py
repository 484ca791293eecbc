"""Physical, virtual or container: which sign says what, and which is overruled."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy_agent.probes.environment import (
    Environment,
    Signals,
    detect,
    has_hypervisor_flag,
    judge,
    parse_container_variable,
    parse_root_mount,
    parse_virtual_bit,
)
from roadworthy_agent.probes.tree import Tree

ON_DISK = {"root_on_device": True, "root_type": "ext4", "first_namespace": True}


@pytest.mark.parametrize(
    ("signals", "kind", "detail"),
    [
        (Signals(systemd_container="systemd-nspawn"), "container", "systemd-nspawn"),
        (Signals(init_container="lxc"), "container", "lxc"),
        (Signals(host_container="podman"), "container", "podman"),
        (Signals(containerenv=True), "container", "podman"),
        (Signals(cgroup="0::/docker/9f86d081"), "container", "docker"),
        (Signals(cgroup="0::/kubepods.slice/x/cri-containerd-1.scope"), "container", "kubernetes"),
        (Signals(dockerenv=True, root_type="overlay"), "container", "docker"),
        (Signals(root_type="overlay"), "container", "container"),
        (Signals(kernel="5.15.90.1-microsoft-standard-WSL2", hypervisor_flag=True), "container", "wsl"),
        # a container on a virtual machine is a container
        (Signals(systemd_container="lxc", dmi=("KVM",), hypervisor_flag=True), "container", "lxc"),
        (Signals(dmi=("KVM",)), "virtual_machine", "kvm"),
        (
            Signals(dmi=("Standard PC (Q35 + ICH9, 2009)", "QEMU"), hypervisor_flag=True),
            "virtual_machine",
            "kvm",
        ),
        (Signals(dmi=("Standard PC (Q35 + ICH9, 2009)", "QEMU")), "virtual_machine", "qemu"),
        (Signals(dmi=("VMware Virtual Platform", "VMware, Inc.")), "virtual_machine", "vmware"),
        (Signals(dmi=("VirtualBox", "innotek GmbH")), "virtual_machine", "virtualbox"),
        (Signals(dmi=("Virtual Machine", "Microsoft Corporation")), "virtual_machine", "hyper-v"),
        (Signals(dmi=("HVM domU", "Xen")), "virtual_machine", "xen"),
        (Signals(dmi=("t3.small", "Amazon EC2")), "virtual_machine", "amazon"),
        (Signals(dmi=("Google Compute Engine", "Google")), "virtual_machine", "google"),
        (Signals(hypervisor_type="xen"), "virtual_machine", "xen"),
        (Signals(hypervisor_flag=True), "virtual_machine", None),
        (Signals(hypervisor_flag=True, clock_sources="tsc kvm-clock"), "virtual_machine", "kvm"),
        (Signals(smbios_virtual=True, dmi=("Some Cloud",)), "virtual_machine", None),
        (Signals(device_tree="kvm"), "virtual_machine", "kvm"),
        # an unpacked container image keeps its marker on a machine of its own
        (Signals(dockerenv=True, hypervisor_flag=True, **ON_DISK), "virtual_machine", None),
        (
            Signals(root_type="overlay", first_namespace=True, physical_hint=True),
            "physical",
            None,
        ),  # a live medium
        # Microsoft makes tablets, Amazon rents out whole machines, dom0 is the machine
        (Signals(dmi=("Surface Pro 7", "Microsoft Corporation"), physical_hint=True), "physical", None),
        (Signals(dmi=("c5.metal", "Amazon EC2"), physical_hint=True), "physical", None),
        (Signals(xen_privileged=True, hypervisor_type="xen"), "physical", "xen-dom0"),
        (Signals(dmi=("OptiPlex 7010", "Dell Inc."), physical_hint=True), "physical", None),
        (Signals(), "unknown", None),
    ],
)
def test_what_the_signs_add_up_to(signals: Signals, kind: str, detail: str | None) -> None:
    assert judge(signals) == Environment(kind, detail)


def test_the_last_mount_on_the_root_is_the_one_that_counts() -> None:
    text = (
        "1 1 0:2 / / rw - rootfs rootfs rw\n"
        "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "28 27 0:21 / /proc rw - proc proc rw\n"
    )
    assert parse_root_mount(text) == ("ext4", True)


def test_a_folder_of_a_disk_as_root_is_not_the_disk() -> None:
    assert parse_root_mount("27 1 254:0 /srv/root / rw - ext4 /dev/vda rw") == ("ext4", False)


def test_the_container_variable_is_found_among_others() -> None:
    assert parse_container_variable(b"PATH=/bin\0container=lxc\0HOME=/") == "lxc"
    assert parse_container_variable(b"PATH=/bin\0containers=no\0") is None
    assert parse_container_variable(b"") is None


def test_the_hypervisor_flag_is_a_word_of_the_flags_line() -> None:
    assert has_hypervisor_flag("model name : x\nflags\t\t: fpu hypervisor lahf_lm\n")
    assert not has_hypervisor_flag("flags : fpu\n")
    assert not has_hypervisor_flag("model name : hypervisor\n")


def test_the_virtual_bit_of_the_bios_structure() -> None:
    structure = bytearray(26)
    structure[1] = 26
    assert not parse_virtual_bit(bytes(structure))
    structure[0x13] = 0x10
    assert parse_virtual_bit(bytes(structure))
    assert not parse_virtual_bit(bytes(structure[:10]))


def test_an_empty_tree_is_unknown(tmp_path: Path) -> None:
    assert detect(Tree(tmp_path)) == Environment("unknown")
