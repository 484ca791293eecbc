"""Reading the machine's make and size on macOS: sysctl, the I/O Registry and, once a day, system_profiler."""

from __future__ import annotations

from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.facts import Cpu, HardwareFacts, Memory
from roadworthy_agent.macos import profiler
from roadworthy_agent.macos.machine import MacMachine, machine_of, recording
from roadworthy_agent.placeholders import meaningful, meaningful_uuid, why_missing
from roadworthy_agent.probe import Context, HardwareReading, Missing, ProbeResult, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.hardware.macos_parse import (
    chassis_type,
    memory_modules,
    monitors,
    secure_boot,
    virtual_by,
)

FILES: tuple[str, ...] = ()
SYSCTLS = (
    "hw.cpufrequency_max", "hw.logicalcpu_max", "hw.memsize", "hw.model", "hw.optional.arm64", "hw.packages",
    "hw.physicalcpu_max", "kern.hv_vmm_present", "machdep.cpu.brand_string", "machdep.cpu.family",
    "machdep.cpu.model", "machdep.cpu.stepping", "machdep.cpu.vendor", "sysctl.proc_translated",
)  # fmt: skip
COUNTS = {
    "model": "machdep.cpu.brand_string",
    "sockets": "hw.packages",
    "cores": "hw.physicalcpu_max",
    "threads": "hw.logicalcpu_max",
}
EXPERT = "IOPlatformExpertDevice"
PROFILER = "hardware"
SOURCE = "sysctl, I/O Registry, system_profiler"
TRANSLATED = "VirtualApple"  # the name Rosetta gives the processor
NO_TPM = "a Mac has no TPM; its Secure Enclave is not one"
NO_CLOCK = "Apple's own processors tell no clock rate"


def collect(context: Context) -> ProbeResult[HardwareReading]:
    """Read what the firmware and the kernel know of the machine."""
    machine = machine_of(context)
    missing: list[Missing] = [Missing("hardware.tpm_version", Status.NOT_SUPPORTED, NO_TPM)]
    told = _told(machine, missing)
    identity, identifiers = _identity(machine, missing)
    hardware = next(iter(told.get("SPHardwareDataType", [])), {})
    model = machine.sysctl("hw.model") or profiler.text(hardware, "machine_model")
    where = virtual_by(model, machine.sysctl("kern.hv_vmm_present"))
    arm = machine.sysctl("hw.optional.arm64") == "1"
    cpu, cpu_missing = _cpu(machine, arm=arm)
    boot = secure_boot(told.get("SPiBridgeDataType", []))
    name = profiler.text(hardware, "machine_name")
    facts = HardwareFacts(
        vendor="Apple Inc." if model else None,
        model=model,
        family=name,
        sku=profiler.text(hardware, "model_number"),
        serial=identity,
        chassis_type=chassis_type(name, model) if where.kind == environment.PHYSICAL else None,
        bios_version=profiler.text(hardware, "boot_rom_version"),
        environment=where.kind,
        environment_detail=where.detail,
        cpu=cpu,
        memory=Memory(
            total_bytes=_number(machine, "hw.memsize"),
            source="sysctl hw.memsize",
            modules=memory_modules(told.get("SPMemoryDataType", [])),
        ),
        secure_boot=boot,
        boot_mode=None if arm else "uefi",
        monitors=monitors(told.get("SPDisplaysDataType", [])),
        source=SOURCE,
    )
    missing += [*cpu_missing, *_gone(facts, told, arm=arm)]
    return ProbeResult(
        "hardware", Status.OK, HardwareReading(facts, identifiers), source=SOURCE, missing=tuple(missing)
    )


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe reads, without serial number and UUID."""
    return recording(context, SYSCTLS, (EXPERT,), (PROFILER,))


def _told(machine: MacMachine, missing: list[Missing]) -> dict[str, list[dict[str, Any]]]:
    printed = machine.program(PROFILER)
    if isinstance(printed, Missing):
        missing.append(Missing("hardware.family", printed.status, printed.reason))
        return {}
    try:
        return profiler.parse(printed)
    except ProbeError as error:
        missing.append(Missing("hardware.family", Status.ERROR, str(error)))
        return {}


def _identity(machine: MacMachine, missing: list[Missing]) -> tuple[str | None, dict[str, str]]:
    """Return the serial number, and the raw identifiers of the fingerprint."""
    try:
        found = machine.registry(EXPERT)
    except ProbeError as error:
        found = Missing("hardware.serial", Status.ERROR, str(error))
    if isinstance(found, Missing):
        missing.append(Missing("hardware.serial", found.status, found.reason))
        return None, {}
    raw = found.get("IOPlatformSerialNumber")
    serial = meaningful(raw) if isinstance(raw, str) else None
    if serial is None:
        why = why_missing(raw if isinstance(raw, str) else None)
        missing.append(Missing("hardware.serial", Status.NOT_SUPPORTED, why))
    uuid = meaningful_uuid(str(found.get("IOPlatformUUID", "")))
    identifiers = {"system_uuid": uuid, "system_serial": serial}
    return serial, {name: value for name, value in identifiers.items() if value}


def _cpu(machine: MacMachine, *, arm: bool) -> tuple[Cpu, list[Missing]]:
    model = machine.sysctl("machdep.cpu.brand_string")
    missing = []
    if model is not None and model.startswith(TRANSLATED):
        missing.append(
            Missing("hardware.cpu.model", Status.NOT_SUPPORTED, "Rosetta hides the processor's name")
        )
        model = None
    hertz = _number(machine, "hw.cpufrequency_max")
    if hertz is None:
        reason = NO_CLOCK if arm else "sysctl has no hw.cpufrequency_max"
        missing.append(Missing("hardware.cpu.max_mhz", Status.NOT_SUPPORTED, reason))
    cpu = Cpu(
        vendor="Apple" if arm else machine.sysctl("machdep.cpu.vendor"),
        model=model,
        sockets=_number(machine, "hw.packages"),
        cores=_number(machine, "hw.physicalcpu_max"),
        threads=_number(machine, "hw.logicalcpu_max"),
        max_mhz=None if hertz is None else hertz // 1_000_000,
        # Numbers of x86: Rosetta would tell those of a processor that is not there
        family=None if arm else _number(machine, "machdep.cpu.family"),
        model_number=None if arm else _number(machine, "machdep.cpu.model"),
        stepping=None if arm else _number(machine, "machdep.cpu.stepping", least=0),
        source="sysctl",
    )
    told = {missed.field for missed in missing}
    missing += [
        Missing(f"hardware.cpu.{name}", Status.NOT_SUPPORTED, f"sysctl gives no usable {entry}")
        for name, entry in COUNTS.items()
        if getattr(cpu, name) is None and f"hardware.cpu.{name}" not in told
    ]
    return cpu, missing


def _gone(facts: HardwareFacts, told: dict[str, list[dict[str, Any]]], *, arm: bool) -> list[Missing]:
    """Say what is missing and why, besides what the sources themselves could not give."""
    reasons = {
        "model": "sysctl has no hw.model",
        "chassis_type": "macOS tells no chassis type, and this model's name does not either",
        "secure_boot": "no word of system_profiler that is known, or a Mac without a security chip",
    }
    found = [
        Missing(f"hardware.{name}", Status.NOT_SUPPORTED, reason)
        for name, reason in reasons.items()
        if getattr(facts, name) is None
    ]
    if facts.memory is None or facts.memory.total_bytes is None:
        why = "sysctl gives no usable hw.memsize"
        found.append(Missing("hardware.memory.total_bytes", Status.NOT_SUPPORTED, why))
    if arm:
        why = "Apple's own processors start through iBoot, which is neither UEFI nor legacy"
        found.append(Missing("hardware.boot_mode", Status.NOT_SUPPORTED, why))
    if told and facts.memory is not None and not facts.memory.modules:
        why = "the memory is part of the processor's package"
        found.append(Missing("hardware.memory.modules", Status.NOT_SUPPORTED, why))
    return found


def _number(machine: MacMachine, name: str, least: int = 1) -> int | None:
    text = machine.sysctl(name)
    value = int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None
    return value if value is not None and value >= least else None
