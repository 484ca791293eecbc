"""Reading the machine's make and size on Linux: SMBIOS tables, sysfs, device tree, /proc."""

from __future__ import annotations

import re
from dataclasses import replace

from roadworthy_agent.probe import Context, HardwareReading, Missing, ProbeResult, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.environment import CONTAINER, Environment
from roadworthy_agent.probes.hardware import parse, smbios
from roadworthy_agent.probes.hardware.cpu import Topology, cpu_facts, parse_cpuinfo
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.probes.utilisation.parse import parse_meminfo
from roadworthy_agent.report import Cpu, HardwareFacts, Memory

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
NO_FIRMWARE = "the firmware gives neither SMBIOS tables nor a device tree"
OF_THE_HOST = "a container sees the hardware of its host, which reports for itself"


def collect(context: Context) -> ProbeResult[HardwareReading]:
    """Read what the firmware and the kernel know of the machine."""
    tree = Tree(context.root)
    where = environment.detect(tree)
    cpu, memory = _cpu(tree), _memory(tree)
    missing: list[Missing] = []
    if where.kind == CONTAINER:
        return _in_container(where, cpu, memory)
    firmware, faults = read_firmware(tree)
    identifiers: dict[str, str] = {}
    facts = HardwareFacts()
    if firmware is not None:
        facts, missing_texts = parse.hardware_facts(firmware)
        identifiers = parse.identifiers(firmware)
        missing += missing_texts
        memory = replace(memory, modules=firmware.modules)
        cpu = _with_firmware_speed(cpu, firmware, where)
    missing += faults
    if mac := _built_in_mac(tree):
        identifiers["mac"] = mac
    if cpu.max_mhz is None:
        missing.append(
            Missing("hardware.cpu.max_mhz", Status.NOT_SUPPORTED, "no cpufreq and no firmware speed")
        )
    facts = replace(facts, environment=where.kind, environment_detail=where.detail, cpu=cpu, memory=memory)
    reading = HardwareReading(facts, identifiers)
    if firmware is None:
        status = Status.VIRTUAL_MACHINE if where.kind == environment.VIRTUAL_MACHINE else Status.NOT_SUPPORTED
        missing += [Missing(f"hardware.{name}", status, NO_FIRMWARE) for name in FROM_FIRMWARE]
        reason = f"{NO_FIRMWARE}: maker, model and serial are not known"
        return ProbeResult("hardware", status, reading, reason, source=cpu.source, missing=tuple(missing))
    return ProbeResult("hardware", Status.OK, reading, source=firmware.source, missing=tuple(missing))


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


def _in_container(where: Environment, cpu: Cpu, memory: Memory) -> ProbeResult[HardwareReading]:
    facts = HardwareFacts(
        environment=where.kind,
        environment_detail=where.detail,
        cpu=replace(cpu, source=f"{cpu.source} (the host's)"),
        memory=replace(memory, source=f"{memory.source} (the host's)"),
    )
    missing = tuple(Missing(f"hardware.{name}", Status.CONTAINER, OF_THE_HOST) for name in FROM_FIRMWARE)
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


def _with_firmware_speed(cpu: Cpu, firmware: parse.Firmware, where: Environment) -> Cpu:
    """Take the top speed from the firmware where the kernel has none; a hypervisor's figure is made up."""
    speed = firmware.cpu_max_mhz
    if (
        cpu.max_mhz is not None
        or speed is None
        or speed > PLAUSIBLE_MHZ
        or where.kind != environment.PHYSICAL
    ):
        return cpu
    return replace(cpu, max_mhz=speed, source=f"{cpu.source}, {firmware.source}")


def _memory(tree: Tree) -> Memory:
    total = parse_meminfo(tree.text("proc/meminfo") or "").get("MemTotal")
    return Memory(total_bytes=total, source="/proc/meminfo")


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
