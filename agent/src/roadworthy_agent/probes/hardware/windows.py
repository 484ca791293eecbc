"""Reading the machine's make and size on Windows: the same SMBIOS tables, by GetSystemFirmwareTable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from roadworthy_agent.facts import Cpu, HardwareFacts, Memory, Monitor
from roadworthy_agent.probe import Context, HardwareReading, Missing, ProbeResult, Status
from roadworthy_agent.probes import environment
from roadworthy_agent.probes.environment import Environment, Signals, judge
from roadworthy_agent.probes.hardware import parse, smbios
from roadworthy_agent.probes.hardware.edid import EdidError, parse_edid, without_serial
from roadworthy_agent.windows.machine import WindowsMachine, machine_of
from roadworthy_agent.windows.processors import Counts, parse_identifier, parse_processors
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.recorder import RecordingWindows
from roadworthy_agent.windows.registry import text_of
from roadworthy_agent.windows.surroundings import CONTROL_KEY, environment_of, in_container

FILES: tuple[str, ...] = ()
CPU_KEY = "HKLM\\HARDWARE\\DESCRIPTION\\System\\CentralProcessor\\0"
SECURE_BOOT_KEY = f"{CONTROL_KEY}\\SecureBoot\\State"
DISPLAYS_KEY = "HKLM\\SYSTEM\\CurrentControlSet\\Enum\\DISPLAY"
CPU_SOURCE = "registry:CentralProcessor, GetLogicalProcessorInformationEx"
SMBIOS_SOURCE = "GetSystemFirmwareTable"
RAW_SMBIOS_HEADER = (
    8  # RawSMBIOSData: calling method, major, minor, DMI revision, then the length as four bytes
)
TBS_E_TPM_NOT_FOUND = 0x8028400F
TPM_VERSIONS = {1: "1.2", 2: "2.0"}
BOOT_MODES = {1: "legacy", 2: "uefi"}
MOST_MONITORS = 16  # what the wire takes
PLAUSIBLE_MHZ = 10_000  # hypervisors make theirs up
FROM_FIRMWARE = ("vendor", "model", "serial", "chassis_type", "bios_date", "memory.modules")
OF_THE_HOST = "a container sees the hardware of its host, which reports for itself"
MONITOR_PATH = re.compile(r"\\\\\?\\DISPLAY#([^#\\]+)#([^#\\]+)#", re.IGNORECASE)


def collect(context: Context) -> ProbeResult[HardwareReading]:
    """Read what the firmware and Windows know of the machine."""
    return read(machine_of(context))


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe read of Windows, without the serial numbers, for a recorded tree."""
    recording = RecordingWindows(machine_of(context))
    read(recording)
    recording.change("hardware", "smbios", _scrubbed_smbios)
    recording.change_registry(
        "EDID", lambda value: without_serial(value) if isinstance(value, bytes) else b""
    )
    return recording.files("hardware")


def read(machine: WindowsMachine) -> ProbeResult[HardwareReading]:
    """Return the facts, the identifiers and what is missing."""
    raw = machine.calls("hardware")
    cpu, memory = _cpu(machine, raw), _memory(raw)
    if in_container(machine):
        return _in_container(cpu, memory)
    firmware, tables, missing = read_firmware(raw)
    where = _environment(firmware, tables) if firmware is not None else environment_of(machine)
    facts, identifiers = HardwareFacts(), dict[str, str]()
    if firmware is not None:
        facts, missing_texts = parse.hardware_facts(firmware)
        missing += missing_texts
        identifiers = parse.identifiers(firmware)
        memory = replace(memory, modules=firmware.modules)
        cpu = _with_firmware_speed(cpu, firmware, where)
    missing += [
        Missing(f"hardware.{name}", Status.NOT_SUPPORTED, f"Windows gives no {reason}")
        for name, value, reason in (
            ("cpu.max_mhz", cpu.max_mhz, "top speed, only the nominal one"),
            ("cpu.cores", cpu.cores, "processor topology"),
            ("memory.total_bytes", memory.total_bytes, "memory size"),
        )
        if value is None
    ]
    facts, without = _with_security(machine, raw, facts, firmware)
    shown, unshown = _monitors(machine, raw)
    facts = replace(
        facts, environment=where.kind, environment_detail=where.detail, cpu=cpu, memory=memory, monitors=shown
    )
    return _result(HardwareReading(facts, identifiers), firmware, (*missing, *without, *unshown))


def _result(
    reading: HardwareReading, firmware: parse.Firmware | None, missing: tuple[Missing, ...]
) -> ProbeResult[HardwareReading]:
    if firmware is not None:
        return ProbeResult("hardware", Status.OK, reading, source=firmware.source, missing=missing)
    fault = missing[0]
    absent = tuple(Missing(f"hardware.{name}", fault.status, fault.reason) for name in FROM_FIRMWARE)
    reason = f"{fault.reason}: maker, model and serial are not known"
    return ProbeResult(
        "hardware", fault.status, reading, reason, source=SMBIOS_SOURCE, missing=(*missing, *absent)
    )


def read_firmware(raw: Raw) -> tuple[parse.Firmware | None, smbios.Tables | None, list[Missing]]:
    """Return the firmware's texts, its tables, and what was wrong with them."""
    data = raw.octets("smbios")
    if data is None:
        return None, None, [raw.missing("smbios", "hardware.smbios")]
    try:
        tables = parse_raw_smbios(data)
    except smbios.SmbiosError as error:
        return None, None, [Missing("hardware.smbios", Status.ERROR, str(error))]
    faults = [Missing("hardware.smbios", Status.ERROR, str(tables.fault))] if tables.fault else []
    firmware = parse.firmware_from_tables(tables)
    return replace(firmware, source=f"{SMBIOS_SOURCE}: {firmware.source}"), tables, faults


def parse_raw_smbios(data: bytes) -> smbios.Tables:
    """Return the tables of a RawSMBIOSData; a length beyond the bytes there are is not believed.

    https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-getsystemfirmwaretable
    """
    if len(data) <= RAW_SMBIOS_HEADER:
        raise smbios.SmbiosError(f"GetSystemFirmwareTable gave {len(data)} bytes, not even a header")
    length = int.from_bytes(data[4:8], "little")
    tables = data[RAW_SMBIOS_HEADER : RAW_SMBIOS_HEADER + length] if length else data[RAW_SMBIOS_HEADER:]
    return smbios.parse_tables(tables, smbios.Version(data[1], data[2]))


def _environment(firmware: parse.Firmware, tables: smbios.Tables | None) -> Environment:
    """Judge by the names a hypervisor gives itself in SMBIOS; the machine that runs Hyper-V keeps its own."""
    bios = tables.first(smbios.BIOS) if tables is not None else None
    dmi = tuple(text for name in environment.DMI_FIELDS if (text := firmware.texts.get(name)))
    return judge(
        Signals(
            dmi=dmi,
            smbios_virtual=bios is not None and smbios.is_virtual(bios),
            physical_hint=bool(dmi),
        )
    )


def _in_container(cpu: Cpu, memory: Memory) -> ProbeResult[HardwareReading]:
    facts = HardwareFacts(
        environment=environment.CONTAINER, environment_detail="windows", cpu=cpu, memory=memory
    )
    missing = tuple(Missing(f"hardware.{name}", Status.CONTAINER, OF_THE_HOST) for name in FROM_FIRMWARE)
    return ProbeResult(
        "hardware", Status.CONTAINER, HardwareReading(facts), OF_THE_HOST, source=CPU_SOURCE, missing=missing
    )


def _cpu(machine: WindowsMachine, raw: Raw) -> Cpu:
    data = raw.octets("processors")
    counts = parse_processors(data, raw.number("pointer_bytes") or 8) if data else Counts()
    family, model_number, stepping = parse_identifier(text_of(machine, CPU_KEY, "Identifier"))
    return Cpu(
        vendor=text_of(machine, CPU_KEY, "VendorIdentifier"),
        model=text_of(machine, CPU_KEY, "ProcessorNameString"),
        sockets=counts.sockets,
        cores=counts.cores,
        threads=counts.threads,
        family=family,
        model_number=model_number,
        stepping=stepping,
        source=CPU_SOURCE,
    )


def _with_firmware_speed(cpu: Cpu, firmware: parse.Firmware, where: Environment) -> Cpu:
    """Take the top speed from the firmware: `~MHz` in the registry is the nominal one."""
    speed = firmware.cpu_max_mhz
    if not speed or speed > PLAUSIBLE_MHZ or where.kind != environment.PHYSICAL:
        return cpu
    return replace(cpu, max_mhz=speed, source=f"{cpu.source}, {SMBIOS_SOURCE}")


def _memory(raw: Raw) -> Memory:
    total = raw.inner("memory").number("total") or 0
    return Memory(total_bytes=total if 0 < total < 1 << 63 else None, source="GlobalMemoryStatusEx")


def _with_security(
    machine: WindowsMachine, raw: Raw, facts: HardwareFacts, firmware: parse.Firmware | None
) -> tuple[HardwareFacts, list[Missing]]:
    """Add TPM, Secure Boot and the way the machine starts."""
    missing: list[Missing] = []
    tpm = raw.inner("tpm")
    version = TPM_VERSIONS.get(tpm.number("version") or 0)
    if version is None and tpm.number("error") == TBS_E_TPM_NOT_FOUND:
        version = "none"
    version = version or (firmware.tpm_version if firmware is not None else None)
    if version is None:
        missing.append(raw.missing("tpm", "hardware.tpm_version"))
    mode = BOOT_MODES.get(raw.number("firmware_type") or 0, "unknown")
    if mode == "unknown":
        missing.append(raw.missing("firmware_type", "hardware.boot_mode"))
    enabled = machine.registry(SECURE_BOOT_KEY, "UEFISecureBootEnabled")
    secure = enabled == 1 if enabled in {0, 1} else None
    if secure is None:
        reason = (
            "there is no Secure Boot without UEFI" if mode == "legacy" else f"{SECURE_BOOT_KEY} says nothing"
        )
        missing.append(Missing("hardware.secure_boot", Status.NOT_SUPPORTED, reason))
    return replace(facts, tpm_version=version, secure_boot=secure, boot_mode=mode), missing


def _monitors(machine: WindowsMachine, raw: Raw) -> tuple[tuple[Monitor, ...], list[Missing]]:
    """Return the displays present now: the registry keeps the EDID of every display ever connected."""
    field = "hardware.monitors"
    if raw.inner("monitors").number("error") is not None:
        return (), [raw.missing("monitors", field)]
    found: list[Monitor] = []
    missing: list[Missing] = []
    for each in raw.each("monitors"):
        place = MONITOR_PATH.match(each.text("path") or "")
        if place is None:
            continue
        key = f"{DISPLAYS_KEY}\\{place[1]}\\{place[2]}\\Device Parameters"
        data = machine.registry(key, "EDID")
        if not isinstance(data, bytes):
            missing.append(Missing(field, Status.NOT_SUPPORTED, f"the display {place[1]} gives no EDID"))
            continue
        try:
            found.append(parse_edid(data))
        except EdidError as error:
            missing.append(Missing(field, Status.ERROR, f"{place[1]}: {error}"))
    return tuple(found[:MOST_MONITORS]), missing


def _scrubbed_smbios(value: Any) -> Any:
    """Return a RawSMBIOSData without serial numbers; what failed stays as it is."""
    if not isinstance(value, bytes):
        return value if isinstance(value, Mapping) and "error" in value else None
    tables = smbios.without_identifiers(value[RAW_SMBIOS_HEADER:])
    return value[:4] + len(tables).to_bytes(4, "little") + tables
