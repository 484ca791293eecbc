"""Whether this is a physical device, a virtual machine or a container, and which.

The container is asked after first, because a container on a virtual machine is a container. Signals are
collected by `read_signals` and judged by the pure `judge`. What they mean: systemd-detect-virt(1),
https://systemd.io/CONTAINER_INTERFACE, and the SMBIOS specification (DMTF DSP0134) for the virtual machine bit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from roadworthy_agent.probes.tree import Tree

PHYSICAL = "physical"
VIRTUAL_MACHINE = "virtual_machine"
CONTAINER = "container"
UNKNOWN = "unknown"

# DMI names a hypervisor gives itself: the beginning of the text, and what to call it.
DMI_NAMES = (
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("Google Compute Engine", "google"),
    ("Amazon EC2", "amazon"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("VirtualBox", "virtualbox"),
    ("innotek GmbH", "virtualbox"),
    ("Hyper-V", "hyper-v"),
    ("Xen", "xen"),
    ("HVM domU", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Apple Virtualization", "apple"),
    ("Standard PC (", "qemu"),
)
DMI_FIELDS = ("product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version")
# Microsoft makes real machines too: only this product is a virtual one.
HYPER_V = ("Microsoft Corporation", "Virtual Machine")

CLOCKS = "sys/devices/system/clocksource/clocksource0/available_clocksource"
# Clocks that only a guest of that hypervisor is offered
CLOCK_SOURCES = (("kvm-clock", "kvm"), ("hyperv_clocksource", "hyper-v"), ("xen", "xen"))

# PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h; readable even where other processes are hidden
FIRST_PID_NAMESPACE = "pid:[4026531836]"

CGROUP_NAMES = (
    (re.compile(r"/docker[/-]|/docker$"), "docker"),
    (re.compile(r"/kubepods|/kubelet"), "kubernetes"),
    (re.compile(r"/libpod|/podman"), "podman"),
    (re.compile(r"/lxc[/.]|/lxc$"), "lxc"),
    (re.compile(r"/containerd|cri-containerd"), "containerd"),
)


@dataclass(frozen=True, slots=True)
class Environment:
    """The verdict; `kind` is one of the four above, `detail` names the technique where it is known."""

    kind: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Signals:
    """What was found, before anybody judged it."""

    systemd_container: str | None = None  # /run/systemd/container, written by systemd in a container
    host_container: str | None = None  # /run/host/container-manager
    init_container: str | None = None  # container= in the environment of process 1; root only
    containerenv: bool = False  # /run/.containerenv, left by podman
    dockerenv: bool = False  # /.dockerenv, left by docker, and kept by images unpacked onto real disks
    cgroup: str = ""  # /proc/1/cgroup
    root_type: str | None = None  # file system type of /
    root_on_device: bool = False  # / is the top of a file system on a block device
    first_namespace: bool = (
        False  # process numbers are the kernel's own: no container has put a wall before them
    )
    kernel: str = ""  # /proc/sys/kernel/osrelease
    dmi: tuple[str, ...] = ()  # texts of DMI_FIELDS
    smbios_virtual: bool = False  # the virtual machine bit of the BIOS characteristics
    hypervisor_flag: bool = False  # x86: the CPU says there is a hypervisor
    clock_sources: str = ""  # /sys/devices/system/clocksource/clocksource0/available_clocksource
    hypervisor_type: str | None = None  # /sys/hypervisor/type
    device_tree: str | None = None  # hypervisor node or firmware-config node of the device tree
    xen_privileged: bool = False  # dom0: the machine itself, although Xen is there
    physical_hint: bool = False  # a DMI vendor or a device tree model without any hypervisor sign


def judge(signals: Signals) -> Environment:
    """Return what the signals add up to; pure."""
    if (name := container_name(signals)) is not None:
        return Environment(CONTAINER, name)
    if signals.xen_privileged:
        return Environment(PHYSICAL, "xen-dom0")
    if (name := hypervisor_name(signals)) is not None:
        return Environment(VIRTUAL_MACHINE, name or None)
    return Environment(PHYSICAL if signals.physical_hint else UNKNOWN)


def container_name(signals: Signals) -> str | None:
    """Return the kind of container, or None where this is none."""
    told = signals.systemd_container or signals.host_container or signals.init_container
    if told:
        return told[:64]
    kernel = signals.kernel.casefold()
    if "microsoft" in kernel and "wsl" in kernel:
        return "wsl"
    if signals.containerenv:
        return "podman"
    from_cgroup = next((name for pattern, name in CGROUP_NAMES if pattern.search(signals.cgroup)), None)
    return from_cgroup or _container_by_root(signals)


def _container_by_root(signals: Signals) -> str | None:
    """Judge the root file system: an image unpacked onto a disk keeps its marker, so it must not be contradicted."""
    if signals.dockerenv and not (signals.root_on_device and signals.first_namespace):
        return "docker"
    return "container" if signals.root_type == "overlay" and not signals.first_namespace else None


def hypervisor_name(signals: Signals) -> str | None:
    """Return the hypervisor, "" for one without a name, or None where there is none."""
    # Nested: QEMU says its own name in DMI and KVM's only in the CPU, which cannot be read from files.
    for text in signals.dmi:
        for beginning, name in DMI_NAMES:
            if text.startswith(beginning):
                if name == "amazon" and any(".metal" in other for other in signals.dmi):
                    return None  # Amazon's bare metal carries the same vendor
                return "kvm" if name == "qemu" and signals.hypervisor_flag else name
    if all(any(text == wanted for text in signals.dmi) for wanted in HYPER_V):
        return "hyper-v"
    clock = next((name for source, name in CLOCK_SOURCES if source in signals.clock_sources), None)
    if told := signals.hypervisor_type or signals.device_tree or clock:
        return told[:64]
    return "" if signals.smbios_virtual or signals.hypervisor_flag else None


def read_signals(tree: Tree) -> Signals:
    """Collect every signal that can be read; what cannot be read is left at its default."""
    mounts = tree.text("proc/self/mountinfo") or ""
    root_type, root_on_device = parse_root_mount(mounts)
    cpuinfo = tree.text("proc/cpuinfo") or ""
    dmi = tuple(text for name in DMI_FIELDS if (text := tree.text(f"sys/class/dmi/id/{name}")))
    return Signals(
        systemd_container=tree.text("run/systemd/container"),
        host_container=tree.text("run/host/container-manager"),
        init_container=parse_container_variable(tree.read("proc/1/environ").data or b""),
        containerenv=tree.exists("run/.containerenv"),
        dockerenv=tree.exists(".dockerenv"),
        cgroup=tree.text("proc/1/cgroup") or "",
        root_type=root_type,
        root_on_device=root_on_device,
        first_namespace=tree.link("proc/self/ns/pid") == FIRST_PID_NAMESPACE
        or " (kthreadd) " in (tree.text("proc/2/stat") or ""),
        kernel=tree.text("proc/sys/kernel/osrelease") or "",
        dmi=dmi,
        smbios_virtual=parse_virtual_bit(tree.read("sys/firmware/dmi/entries/0-0/raw").data or b""),
        hypervisor_flag=has_hypervisor_flag(cpuinfo),
        clock_sources=tree.text(CLOCKS) or "",
        hypervisor_type=tree.text("sys/hypervisor/type"),
        device_tree=_device_tree_hypervisor(tree),
        xen_privileged="control_d" in (tree.text("proc/xen/capabilities") or ""),
        physical_hint=bool(dmi) or tree.exists("sys/firmware/devicetree/base/model"),
    )


def detect(tree: Tree) -> Environment:
    """Return the environment of a tree."""
    return judge(read_signals(tree))


def parse_root_mount(mountinfo: str) -> tuple[str | None, bool]:
    """Return the type of `/` and whether it is the top of a file system on a block device (proc_pid_mountinfo(5))."""
    kind, on_device = None, False
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, tail = before.split(), after.split()
        if len(fields) > 4 and fields[4] == "/" and len(tail) > 1:
            kind, on_device = tail[0], tail[1].startswith("/dev/") and fields[3] == "/"
    return kind, on_device


def parse_container_variable(environ: bytes) -> str | None:
    """Return the value of `container` in a NUL-separated environment, or None."""
    for entry in environ.split(b"\0"):
        if entry.startswith(b"container="):
            return entry.removeprefix(b"container=").decode("utf-8", "replace") or None
    return None


def has_hypervisor_flag(cpuinfo: str) -> bool:
    """Tell whether the x86 CPU flags of /proc/cpuinfo name a hypervisor."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return "hypervisor" in value.split()
    return False


def parse_virtual_bit(bios_structure: bytes) -> bool:
    """Tell whether a raw SMBIOS type 0 structure says "virtual machine": extension byte 2, bit 4."""
    return len(bios_structure) > 0x13 and bios_structure[1] > 0x13 and bool(bios_structure[0x13] & 0x10)


def _device_tree_hypervisor(tree: Tree) -> str | None:
    base = "sys/firmware/devicetree/base"
    name = tree.text(f"{base}/hypervisor/compatible")
    if name:
        return {"linux,kvm": "kvm"}.get(name, "xen" if "xen" in name else name)
    return "qemu" if any("fw-cfg" in entry for entry in tree.names(base)) else None
