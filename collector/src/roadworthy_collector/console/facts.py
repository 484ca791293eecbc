"""A device's facts as a table: each with its source and how it is known, each blank with its reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from roadworthy_collector.console import present, words
from roadworthy_collector.console.why import ProbeWord, reason
from roadworthy_collector.ingest.identity import in_words

_READ = "read on the device"
_GIVEN = "given at enrolment"
_WORKED_OUT = "worked out by the collector"


class Fact(NamedTuple):
    """One row: `value` None means not known, and `why` says why; `how` says how it is known."""

    name: str
    value: str | None
    how: str
    source: str
    why: str


def facts_of(device: Any, facts: Mapping[str, Any], probes: Sequence[ProbeWord]) -> list[Fact]:
    """Return the facts of `device` (a row of `find_device`) and of what it reported (`facts` on the wire)."""
    hardware = facts.get("hardware") or {}
    return [
        *place_facts(device),
        Fact("Hostname", device.hostname, _READ, "operating system", "the device has not sent it"),
        *_hardware(hardware, probes),
        *_machine(device, hardware, probes),
        *_system(facts.get("os") or {}, probes),
    ]


def capacity(battery: Mapping[str, Any], which: str) -> str | None:
    """Return what a battery holds (`design` or `full`) in the one quantity it tells, or None."""
    for quantity, unit in (("watt_hours", "Wh"), ("ampere_hours", "Ah")):
        if (value := battery.get(f"{which}_{quantity}")) is not None:
            return f"{value:.1f} {unit}"
    return None


def disk_health(disk: Mapping[str, Any]) -> str | None:
    """Return what a disk says of its own health in words, or None where it says nothing."""
    said: list[str] = []
    if disk.get("failing") is not None:
        said.append("says it is failing" if disk["failing"] else "says it is well")
    if disk.get("wear_ratio") is not None:
        said.append(f"{disk['wear_ratio']:.0%} of its rated life used")
    for key, one, more in (
        ("reallocated_sectors", "replaced sector", "replaced sectors"),
        ("media_errors", "media error", "media errors"),
        ("power_on_hours", "hour on", "hours on"),
    ):
        if disk.get(key):
            said.append(present.many(disk[key], one, more))
    return ", ".join(said) or None


def place_facts(device: Any) -> list[Fact]:
    """Return who a device is to the collector, and where it belongs."""
    return [
        Fact(
            "Device id",
            device.device_id,
            "issued by the collector",
            "random, says nothing about the hardware",
            "",
        ),
        Fact("Identity", _identity(device), _WORKED_OUT, "hardware facts and numbered reports", ""),
        Fact(
            "Site", f"{device.site_name} ({device.site_kind.replace('_', ' ')})", _GIVEN, "enrolment key", ""
        ),
        Fact("Unit", device.unit_name, _GIVEN, "enrolment key", ""),
        Fact("Usage profile", device.usage_profile, _GIVEN, "enrolment key or administrator", ""),
    ]


def _identity(device: Any) -> str:
    copied = "" if device.cloned_from is None else f"a copy of {device.cloned_from}; "
    return copied + in_words(device.identity, device.fingerprint)


def _hardware(hardware: Mapping[str, Any], probes: Sequence[ProbeWord]) -> list[Fact]:
    source = str(hardware.get("source") or "source not named")

    def fact(title: str, key: str) -> Fact:
        return Fact(title, _text(hardware.get(key)), _READ, source, reason(probes, "hardware", key))

    bios = (
        " ".join(str(hardware[key]) for key in ("bios_vendor", "bios_version") if hardware.get(key)) or None
    )
    dated = f"{bios}, dated {hardware['bios_date']}" if bios and hardware.get("bios_date") else bios
    return [
        fact("Make", "vendor"),
        fact("Model", "model"),
        fact("Serial number", "serial"),
        fact("Asset tag", "asset_tag"),
        Fact("TPM", _tpm(hardware), _READ, source, reason(probes, "hardware", "tpm_version")),
        Fact("Secure Boot", _secure_boot(hardware), _READ, source, reason(probes, "hardware", "secure_boot")),
        Fact(
            "Displays",
            _displays(hardware),
            _READ,
            "EDID",
            reason(probes, "hardware", "monitors", "none is connected"),
        ),
        Fact("Firmware", dated, _READ, source, reason(probes, "hardware", "bios_version")),
    ]


def _machine(device: Any, hardware: Mapping[str, Any], probes: Sequence[ProbeWord]) -> list[Fact]:
    cpu, memory = hardware.get("cpu") or {}, hardware.get("memory") or {}
    total = memory.get("total_bytes")
    known_class = device.device_class != "unknown"
    environment = (
        words.say(words.ENVIRONMENTS, device.environment) if device.environment != "unknown" else None
    )
    if environment and hardware.get("environment_detail"):
        environment = f"{environment} ({hardware['environment_detail']})"
    hardware_source = str(hardware.get("source") or "source not named")
    return [
        Fact(
            "Class",
            words.say(words.CLASSES, device.device_class) if known_class else None,
            _WORKED_OUT,
            "chassis type and environment",
            "neither chassis type nor environment says which",
        ),
        Fact("Environment", environment, _READ, hardware_source, reason(probes, "hardware", "environment")),
        Fact("Processor", _processor(cpu), _READ, _source(cpu), reason(probes, "hardware", "cpu.model")),
        Fact(
            "Memory",
            present.memory_size(total) if total is not None else None,
            _READ,
            _source(memory),
            reason(probes, "hardware", "memory.total_bytes"),
        ),
    ]


def _system(system: Mapping[str, Any], probes: Sequence[ProbeWord]) -> list[Fact]:
    named = " ".join(str(system[key]) for key in ("name", "version") if system.get(key)) or None
    rows = [
        ("Operating system", named, "name"),
        ("Edition", _edition(system), "edition"),
        ("Build", _text(system.get("build")), "build"),
        ("Kernel", _text(system.get("kernel")), "kernel"),
        ("Architecture", _text(system.get("architecture")), "architecture"),
    ]
    return [
        Fact(title, value, _READ, _source(system), reason(probes, "os", key)) for title, value, key in rows
    ]


def _processor(cpu: Mapping[str, Any]) -> str | None:
    counts = [
        present.many(cpu[key], one)
        for key, one in (("sockets", "socket"), ("cores", "core"), ("threads", "thread"))
        if cpu.get(key)
    ]
    parts = [str(cpu["model"])] if cpu.get("model") else []
    return ", ".join(parts + counts) or None


def _tpm(hardware: Mapping[str, Any]) -> str | None:
    version = _text(hardware.get("tpm_version"))
    return "the device has none" if version == "none" else version


def _secure_boot(hardware: Mapping[str, Any]) -> str | None:
    if hardware.get("secure_boot") is not None:
        return "on" if hardware["secure_boot"] else "off"
    return "not possible: starts in legacy (BIOS) mode" if hardware.get("boot_mode") == "legacy" else None


def _displays(hardware: Mapping[str, Any]) -> str | None:
    named = [
        " ".join(
            str(part)
            for part in (
                display.get("vendor"),
                display.get("model"),
                f"({display['year']})" if display.get("year") else None,
                "built in" if display.get("internal") else None,
            )
            if part
        )
        for display in hardware.get("monitors") or ()
    ]
    return ", ".join(name or "not named" for name in named) or None


def _edition(system: Mapping[str, Any]) -> str | None:
    words_known = [_text(system.get("edition")), _text(system.get("installation_type"))]
    if system.get("long_term"):
        words_known.append("long-term servicing")
    return ", ".join(word for word in words_known if word) or None


def _source(part: Mapping[str, Any]) -> str:
    return str(part.get("source") or "source not named")


def _text(value: Any) -> str | None:
    return str(value) if value not in (None, "") else None
