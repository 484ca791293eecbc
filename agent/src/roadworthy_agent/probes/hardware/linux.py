"""Reading the machine's make and size on Linux: SMBIOS tables, sysfs, device tree, /proc."""

from __future__ import annotations

import re
from dataclasses import replace

from roadworthy_agent.facts import Cpu, HardwareFacts, Memory
from roadworthy_agent.probe import Context, HardwareReading, Missing, ProbeResult, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.environment import CONTAINER, Environment
from roadworthy_agent.probes.hardware import monitors, parse, security, smbios
from roadworthy_agent.probes.hardware.cpu import Topology, cpu_facts, parse_cpuinfo
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.probes.utilisation.parse import parse_meminfo

DMI_TABLE = "sys/firmware/dmi/tables/DMI"
DMI_ENTRY = "sys/firmware/dmi/tables/smbios_entry_point"
DMI_IDS = "sys/class/dmi/id"
DEVICE_TREE = "sys/firmware/devicetree/base"
SYSFS_TEXTS = (
    "sys_vendor", "product_name", "product_version", "product_family", "product_sku", "product_serial",
    "board_vendor", "board_name", "board_serial", "chassis_serial", "chassis_asset_tag",
    "bios_vendor", "bios_version", "bios_date",
)  # fmt: skip
LOCAL_BIT = 0x02  # IEEE 802: the address was handed out by software
PLAUSIBLE_MHZ = 10_000  # VMware says 30,000
FROM_FIRMWARE = ("vendor", "model", "serial", "chassis_type", "bios_date", "memory.modules")
OF_THE_MACHINE = ("tpm_version", "secure_boot", "boot_mode", "monitors")
NO_FIRMWARE = "the firmware gives neither SMBIOS tables nor a device tree"
# Closed to others on every device, which is told by what is missing for it
FOR_ROOT = (
    *(f"/{DMI_IDS}/{name}" for name in ("product_uuid", "product_serial", "board_serial", "chassis_serial")),
    f"/{DMI_TABLE}",
    f"/{DMI_ENTRY}",
    "/proc/1/environ",
)
OF_THE_HOST = "a container sees the hardware of its host, which reports for itself"

# The plain files this probe reads, for a recording; those that name this one machine are left to `record`.
FILES = (
    *(f"{DMI_IDS}/{name}" for name in SYSFS_TEXTS if "serial" not in name and "asset" not in name),
    f"{DMI_IDS}/chassis_type",
    f"{DEVICE_TREE}/model",
    f"{DEVICE_TREE}/compatible",
    "proc/cpuinfo",
    "proc/meminfo",
    "sys/devices/system/cpu/cpu[0-9]*/topology/physical_package_id",
    "sys/devices/system/cpu/cpu[0-9]*/topology/core_id",
    "sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    f"{security.TPM_CLASS}/*/tpm_version_major",
    security.SECURE_BOOT,
    f"{security.EFI}/fw_platform_size",
    f"{monitors.DRM}/card*-*/status",
    # What tells a physical device from a virtual one (probes/environment.py)
    "run/systemd/container",
    "run/host/container-manager",
    "proc/sys/kernel/osrelease",
    "proc/2/stat",
    "proc/xen/capabilities",
    "sys/hypervisor/type",
    environment.CLOCKS,
)


def collect(context: Context) -> ProbeResult[HardwareReading]:
    """Read what the firmware and the kernel know of the machine."""
    tree = Tree(context.root)
    where = environment.detect(tree)
    cpu, (memory, unknown) = _cpu(tree), _memory(tree)
    missing: list[Missing] = []
    if where.kind == CONTAINER:
        return _in_container(where, cpu, memory, unknown)
    firmware, faults = read_firmware(tree)
    identifiers: dict[str, str] = {}
    facts = HardwareFacts()
    if firmware is not None:
        facts, missing_texts = parse.hardware_facts(firmware)
        identifiers = parse.identifiers(firmware)
        missing += missing_texts
        memory = replace(memory, modules=firmware.modules)
        cpu = _with_firmware_facts(cpu, firmware, where)
    missing += faults + _missing_processor(cpu) + unknown
    if mac := _built_in_mac(tree):
        identifiers["mac"] = mac
    facts = replace(facts, environment=where.kind, environment_detail=where.detail, cpu=cpu, memory=memory)
    facts, without = _of_the_machine(tree, facts, firmware)
    missing += without
    missing += tree.unsaid("hardware", *FOR_ROOT, *(each.reason for each in missing))
    reading = HardwareReading(facts, identifiers)
    if firmware is None:
        status = Status.VIRTUAL_MACHINE if where.kind == environment.VIRTUAL_MACHINE else Status.NOT_SUPPORTED
        missing += [Missing(f"hardware.{name}", status, NO_FIRMWARE) for name in FROM_FIRMWARE]
        reason = f"{NO_FIRMWARE}: maker, model and serial are not known"
        return ProbeResult("hardware", status, reading, reason, source=cpu.source, missing=tuple(missing))
    return ProbeResult("hardware", Status.OK, reading, source=firmware.source, missing=tuple(missing))


def record(context: Context) -> dict[str, bytes]:
    """Return what holds serial numbers, without them: the SMBIOS tables and the displays' EDIDs."""
    tree = Tree(context.root)
    found = monitors.record(tree)
    table, entry = tree.read(DMI_TABLE), tree.read(DMI_ENTRY)
    if table.data and entry.data and (scrubbed := smbios.without_identifiers(table.data)):
        found |= {DMI_TABLE: scrubbed, DMI_ENTRY: entry.data}
    return found


def read_firmware(tree: Tree) -> tuple[parse.Firmware | None, list[Missing]]:
    """Return the firmware's texts from the best source there is, and what went wrong on the way to it."""
    table, entry = tree.read(DMI_TABLE), tree.read(DMI_ENTRY)
    faults: list[Missing] = []
    if table.data and entry.data:
        try:
            tables = smbios.parse_tables(table.data, smbios.parse_entry_point(entry.data))
        except smbios.SmbiosError as error:
            faults.append(Missing("hardware.smbios", Status.ERROR, str(error)))
        else:
            if tables.fault is not None:
                faults.append(Missing("hardware.smbios", Status.ERROR, str(tables.fault)))
            return parse.firmware_from_tables(tables), faults
    if tree.names(DMI_IDS):
        if Status.NO_PERMISSION in {table.status, entry.status}:
            why = "the SMBIOS tables are for root only; modules are not in sysfs"
            faults.append(Missing("hardware.memory.modules", Status.NO_PERMISSION, why))
        return _from_sysfs(tree), faults
    if (model := tree.text(f"{DEVICE_TREE}/model")) is not None:
        return _from_device_tree(tree, model), faults
    return None, faults


def _from_sysfs(tree: Tree) -> parse.Firmware:
    """Return the texts of /sys/class/dmi/id: the same as in the tables, serial numbers for root only."""
    contents = {name: tree.read(f"{DMI_IDS}/{name}") for name in SYSFS_TEXTS}
    kind = tree.number(f"{DMI_IDS}/chassis_type")
    return parse.Firmware(
        texts={name: content.text for name, content in contents.items()},
        chassis_type=(kind & 0x7F) or None if kind is not None else None,
        uuid=tree.text(f"{DMI_IDS}/product_uuid"),
        denied={
            name: content.reason or ""
            for name, content in contents.items()
            if content.status is Status.NO_PERMISSION
        },
        source=f"/{DMI_IDS}",
    )


def _from_device_tree(tree: Tree, model: str) -> parse.Firmware:
    """Return the names of an Arm board: `model`, `serial-number` and the vendor prefix of `compatible`.

    https://devicetree-specification.readthedocs.io, section 2.3: compatible is "vendor,model", NUL-separated.
    """
    compatible = (tree.text(f"{DEVICE_TREE}/compatible") or "").split("\0")[0]
    vendor = compatible.partition(",")[0] or None
    texts = {
        "product_name": model,
        "sys_vendor": vendor,
        "product_serial": tree.text(f"{DEVICE_TREE}/serial-number"),
    }
    return parse.Firmware(texts=texts, source=f"/{DEVICE_TREE}")


def _in_container(
    where: Environment, cpu: Cpu, memory: Memory, unknown: list[Missing]
) -> ProbeResult[HardwareReading]:
    facts = HardwareFacts(
        environment=where.kind,
        environment_detail=where.detail,
        cpu=replace(cpu, source=f"{cpu.source} (the host's)"),
        memory=replace(memory, source=f"{memory.source} (the host's)"),
    )
    missing = (
        *(Missing(f"hardware.{name}", Status.CONTAINER, OF_THE_HOST) for name in FROM_FIRMWARE),
        *(Missing(f"hardware.{name}", Status.CONTAINER, OF_THE_HOST) for name in OF_THE_MACHINE),
        *unknown,
    )
    return ProbeResult(
        "hardware", Status.CONTAINER, HardwareReading(facts), OF_THE_HOST, source=cpu.source, missing=missing
    )


def _cpu(tree: Tree) -> Cpu:
    base = "sys/devices/system/cpu"
    numbers = [name for name in tree.names(base) if re.fullmatch(r"cpu\d+", name)]
    topology = []
    for name in numbers:
        package = tree.number(f"{base}/{name}/topology/physical_package_id")
        core = tree.number(f"{base}/{name}/topology/core_id")
        if package is not None and core is not None:
            topology.append(Topology(package, core))
    speeds = [
        khz for name in numbers if (khz := tree.number(f"{base}/{name}/cpufreq/cpuinfo_max_freq")) is not None
    ]
    source = "/proc/cpuinfo" + (f", /{base}" if topology else "")
    return cpu_facts(parse_cpuinfo(tree.text("proc/cpuinfo") or ""), topology, speeds, source)


def _with_firmware_facts(cpu: Cpu, firmware: parse.Firmware, where: Environment) -> Cpu:
    """Take from the firmware what the kernel has not; a hypervisor's top speed is made up."""
    found = cpu
    if cpu.family is None and cpu.model_number is None and firmware.cpu_signature is not None:
        family, model, stepping = firmware.cpu_signature
        found = replace(found, family=family, model_number=model, stepping=stepping)
    speed = firmware.cpu_max_mhz
    if cpu.max_mhz is None and speed and speed <= PLAUSIBLE_MHZ and where.kind == environment.PHYSICAL:
        found = replace(found, max_mhz=speed)
    return cpu if found == cpu else replace(found, source=f"{cpu.source}, {firmware.source}")


def _missing_processor(cpu: Cpu) -> list[Missing]:
    reasons = {
        "max_mhz": "no cpufreq and no firmware speed",
        "model": "/proc/cpuinfo names no processor",
        "family": "/proc/cpuinfo and the firmware give no family",
    }
    return [
        Missing(f"hardware.cpu.{name}", Status.NOT_SUPPORTED, reason)
        for name, reason in reasons.items()
        if getattr(cpu, name) is None
    ]


def _of_the_machine(
    tree: Tree, facts: HardwareFacts, firmware: parse.Firmware | None
) -> tuple[HardwareFacts, list[Missing]]:
    """Add TPM, Secure Boot, the way the machine starts, and its displays."""
    has_smbios = firmware is not None and not firmware.source.startswith(f"/{DEVICE_TREE}")
    mode = security.read_boot_mode(tree, has_smbios=has_smbios)
    tpm, no_tpm = security.read_tpm(tree, firmware.tpm_version if firmware else None)
    secure, not_secure = security.read_secure_boot(tree, mode)
    shown, missing = monitors.read_monitors(tree)
    found = replace(facts, tpm_version=tpm, secure_boot=secure, boot_mode=mode, monitors=shown)
    return found, [each for each in (no_tpm, not_secure) if each is not None] + missing


def _memory(tree: Tree) -> tuple[Memory, list[Missing]]:
    """Return the memory the kernel has, and why that is not known."""
    content = tree.read("proc/meminfo")
    total = parse_meminfo(content.text or "").get("MemTotal")
    field = "hardware.memory.total_bytes"
    if total is not None:
        missing = []
    elif content.text is None:
        missing = [content.missing(field)]
    else:
        missing = [Missing(field, Status.ERROR, "/proc/meminfo holds no MemTotal")]
    return Memory(total_bytes=total, source="/proc/meminfo"), missing


def _built_in_mac(tree: Tree) -> str | None:
    """Return the address of the first built-in network card.

    A dock's or a USB stick's address moves with it, a bond's or bridge's is made up, a card whose
    `addr_assign_type` is not 0 has been given another address, and one with the "local" bit set (as hypervisors
    hand them out) is not unique: none of these names the device.
    """
    for name in tree.names("sys/class/net"):
        base = f"sys/class/net/{name}"
        device = tree.link(base) or ""
        if "/virtual/" in device or "/usb" in device or not tree.exists(f"{base}/device"):
            continue
        address = (tree.text(f"{base}/address") or "").casefold()
        if tree.number(f"{base}/addr_assign_type") != 0 or tree.number(f"{base}/type") != 1:
            continue
        if re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", address) and not int(address[:2], 16) & LOCAL_BIT:
            return address
    return None
