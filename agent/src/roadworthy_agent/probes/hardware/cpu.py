"""The processors: /proc/cpuinfo (x86 and Arm) and sysfs topology."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roadworthy_agent.facts import Cpu

# Arm gives numbers instead of names: the Main ID Register's implementer and part (Arm Architecture Reference
# Manual; the same table as in util-linux sys-utils/lscpu-arm.c). The commonest of each.
ARM_IMPLEMENTERS = {
    0x41: "ARM", 0x42: "Broadcom", 0x43: "Cavium", 0x46: "Fujitsu", 0x48: "HiSilicon", 0x4E: "NVIDIA",
    0x51: "Qualcomm", 0x53: "Samsung", 0x56: "Marvell", 0x61: "Apple", 0x6D: "Microsoft", 0xC0: "Ampere",
}  # fmt: skip
ARM_PARTS = {
    0xC07: "Cortex-A7", 0xC08: "Cortex-A8", 0xC09: "Cortex-A9", 0xC0F: "Cortex-A15", 0xD03: "Cortex-A53",
    0xD04: "Cortex-A35", 0xD05: "Cortex-A55", 0xD07: "Cortex-A57", 0xD08: "Cortex-A72", 0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75", 0xD0B: "Cortex-A76", 0xD0C: "Neoverse-N1", 0xD0D: "Cortex-A77", 0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78", 0xD44: "Cortex-X1", 0xD46: "Cortex-A510", 0xD47: "Cortex-A710", 0xD48: "Cortex-X2",
    0xD49: "Neoverse-N2", 0xD4F: "Neoverse-V2",
}  # fmt: skip


HEXADECIMAL = re.compile(r"(0x)?[0-9a-fA-F]{1,8}")


@dataclass(frozen=True, slots=True)
class CpuInfo:
    """What /proc/cpuinfo says."""

    vendor: str | None
    model: str | None
    threads: int | None
    sockets: int | None
    cores: int | None
    family: int | None = None
    model_number: int | None = None
    stepping: int | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """What sysfs says of one logical processor."""

    package: int
    core: int


def parse_cpuinfo(text: str) -> CpuInfo:
    """Return names and counts; a field the kernel leaves out is None.

    x86 repeats a block per logical processor. Arm gives implementer and part; big.LITTLE machines have several
    parts, which are all named. Family, model number and stepping are the first processor's: x86's own numbers, for
    Arm architecture, part, and variant and revision as in the Main ID Register (r1p3 is 0x13).
    """
    blocks = [_fields(block) for block in text.split("\n\n")]
    processors = [block for block in blocks if block.get("processor", "").isdecimal()]
    first = processors[0] if processors else {}
    arm = [name for block in processors if (name := _arm_part(block))]
    vendor = first.get("vendor_id") or _arm_implementer(first)
    model = first.get("model name") or " + ".join(dict.fromkeys(arm)) or None
    packages = {block["physical id"] for block in processors if "physical id" in block}
    cores = {
        (block["physical id"], block["core id"])
        for block in processors
        if "physical id" in block and "core id" in block
    }
    return CpuInfo(
        vendor=vendor,
        model=" ".join(model.split()) if model else None,
        threads=len(processors) or None,
        sockets=len(packages) or None,
        cores=len(cores) or None,
        family=_decimal(first, "cpu family")
        if "cpu family" in first
        else _decimal(first, "CPU architecture"),
        model_number=_decimal(first, "model") if "model" in first else _hex(first, "CPU part"),
        stepping=_decimal(first, "stepping") if "stepping" in first else _arm_revision(first),
    )


def cpu_facts(info: CpuInfo, topology: Iterable[Topology], max_khz: Iterable[int], source: str) -> Cpu:
    """Join both sources: sysfs counts win, as Arm's /proc/cpuinfo has none.

    A package number of -1 means the kernel does not know: one socket then.
    """
    seen = tuple(topology)
    return Cpu(
        vendor=info.vendor,
        model=info.model,
        sockets=len({each.package for each in seen}) or info.sockets,
        cores=len({(each.package, each.core) for each in seen}) or info.cores,
        threads=info.threads or len(seen) or None,
        max_mhz=round(khz / 1000) if (khz := max(max_khz, default=0)) > 0 else None,
        family=info.family,
        model_number=info.model_number,
        stepping=info.stepping,
        source=source,
    )


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _hex(fields: Mapping[str, str], name: str) -> int | None:
    text = fields.get(name, "")
    return int(text, 16) if HEXADECIMAL.fullmatch(text) else None


def _decimal(fields: Mapping[str, str], name: str) -> int | None:
    """Return a number of at most nine digits; a hypervisor may write "unknown"."""
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _arm_revision(fields: Mapping[str, str]) -> int | None:
    variant, revision = _hex(fields, "CPU variant"), _decimal(fields, "CPU revision")
    return None if variant is None or revision is None else variant << 4 | revision


def _arm_implementer(fields: Mapping[str, str]) -> str | None:
    number = _hex(fields, "CPU implementer")
    return None if number is None else ARM_IMPLEMENTERS.get(number, f"implementer {number:#04x}")


def _arm_part(fields: Mapping[str, str]) -> str | None:
    number = _hex(fields, "CPU part")
    if number is None:
        return None
    return (
        ARM_PARTS.get(number, f"part {number:#05x}")
        if _hex(fields, "CPU implementer") == 0x41
        else f"part {number:#05x}"
    )
