"""Simulated devices in the wire contract's words: facts, probes, half-hours, gaps, start-ups, the open period."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable

from roadworthy_collector.books.identities import hashed
from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.generate import Gap, HalfHour, StartUp
from roadworthy_collector.demo.wear import batteries, disk_wear, has_battery
from roadworthy_collector.ingest import wire, wire_facts

AGENT_VERSION = "0.1.0"
_GIB = 1024**3
_GB = 1000**3
_CPU = "psutil.cpu_times"
_MEMORY = "psutil.virtual_memory"

# How a start-up's seconds divide, per kind of machine: (phase, share).
_PHASES = {
    "physical": (
        ("firmware", 0.11),
        ("loader", 0.03),
        ("kernel", 0.09),
        ("initrd", 0.05),
        ("userspace", 0.72),
    ),
    "virtual_machine": (("kernel", 0.12), ("initrd", 0.1), ("userspace", 0.78)),
    "container": (("userspace", 1.0),),
    "resume": (("kernel", 0.4), ("userspace", 0.6)),
}
# What holds start-ups up: (kind, name, largest share of the total). Services and drivers by name, user
# applications by category only.
_FACTORS = {
    "windows": (
        ("service", "Endpoint protection on-access scanner", 0.34),
        ("policy", "Drive mappings", 0.22),
        ("profile", "Roaming profile download", 0.3),
        ("service", "Software distribution agent", 0.18),
        ("driver", "Storage filter driver", 0.12),
        ("service", "Search indexer", 0.1),
        ("application", "collaboration", 0.16),
        ("application", "office suite", 0.1),
    ),
    "linux": (
        ("unit", "NetworkManager-wait-online.service", 0.3),
        ("unit", "apt-daily-upgrade.service", 0.25),
        ("unit", "plymouth-quit-wait.service", 0.2),
        ("unit", "systemd-udev-settle.service", 0.18),
        ("unit", "snapd.service", 0.14),
        ("unit", "dev-disk-by\\x2duuid-root.device", 0.12),
    ),
    "macos": (("service", "Endpoint protection daemon", 0.2), ("service", "Management agent", 0.12)),
}
_GHOST = "the firmware's figure exceeds the time since the last shutdown; shown, not counted"
_NOBODYS_ADDRESSES = 0x00005EA00000
_UNFILLED = "'To Be Filled By O.E.M.' is a placeholder"
_LAPTOPS = frozenset({9, 10})  # SMBIOS; of laptops the makers' portals tell warranties
_FAILING = 0.04
_POWER = {
    "ok": None,
    "no_permission": "energy counters are readable by root only; the service's helper was not run",
    "not_supported": "no energy counter, battery or management controller that can be read",
    "virtual_machine": "a virtual machine has no meter of its own",
    "container": "a container has no meter of its own",
}


def identity(device: Device) -> dict[str, str]:
    """Return the fingerprint: hashes, as agents make them, of the hardware facts the device can read."""
    rng = device.rng("fingerprint")
    if device.model.environment == "container":
        return {}
    found = {"mac": hashed("mac", mac(device))}
    if device.reads_hardware and device.group.model != "unknown_box":
        found["system_uuid"] = hashed("system_uuid", str(system_uuid(device)))
        found["system_serial"] = hashed("system_serial", device.serial or "")
        found |= {name: f"{rng.getrandbits(256):064x}" for name in ("board_serial", "disk_serial")}
    return found


def system_uuid(device: Device) -> uuid.UUID:
    """Return the UUID in the device's firmware, made up at random."""
    return uuid.UUID(int=device.rng("system uuid").getrandbits(128), version=4)


def mac(device: Device) -> str:
    """Return the device's hardware address: one of a block that IANA has given to nobody (RFC 9542, 2.1.2)."""
    return ":".join(f"{byte:02x}" for byte in (_NOBODYS_ADDRESSES + device.row).to_bytes(6, "big"))


def facts(device: Device) -> wire_facts.Facts:
    """Return what the device is."""
    model, os = device.model, device.os
    return wire_facts.Facts(
        hostname=device.hostname,
        fingerprint=identity(device) or None,
        os=wire_facts.OsFacts(
            family=os.family,
            name=os.name,
            version=os.version,
            build=os.build,
            id=os.id,
            architecture="arm64" if model.cpu.startswith("Apple") else "x86_64",
            kernel=os.kernel,
            source="simulated",
        ),
        hardware=_hardware(device),
        storage=(
            wire_facts.Disk(
                name="PhysicalDrive0"
                if os.family == "windows"
                else "sda"
                if model.medium != "nvme"
                else "nvme0n1",
                model=f"{model.vendor} {model.medium.upper()} {model.disk_gb}".strip(),
                size_bytes=model.disk_gb * _GB,
                medium=model.medium,
                bus="nvme" if model.medium == "nvme" else "sata",
                removable=False,
                holds_system=True,
                source="simulated",
                wear_ratio=disk_wear(device),
                failing=disk_fails(device) if model.environment == "physical" else None,
                health_source="simulated" if model.environment == "physical" else None,
            ),
        ),
        battery=batteries(device),
    )


def disk_fails(device: Device) -> bool:
    """Return whether the disk says of itself that it is failing: a few of the laptops."""
    return device.model.chassis_type in _LAPTOPS and device.rng("disk health").random() < _FAILING


def _hardware(device: Device) -> wire_facts.Hardware:
    """Return the machine; without the right to read SMBIOS only what any user may read is there."""
    model = device.model
    memory = wire_facts.Memory(total_bytes=model.memory_gib * _GIB, source="simulated")
    cpu = wire_facts.Cpu(
        vendor=model.cpu.split()[0],
        model=model.cpu,
        sockets=2 if model.chassis_type == 23 else 1,  # SMBIOS: rack mount
        cores=model.cores,
        threads=model.threads,
        source="simulated",
    )
    if not device.reads_hardware:
        return wire_facts.Hardware(environment=model.environment, cpu=cpu, memory=memory, source="simulated")
    return wire_facts.Hardware(
        vendor=model.vendor or None,
        model=model.name or None,
        serial=device.serial,
        asset_tag=device.asset_tag if model.environment == "physical" else None,
        chassis_type=model.chassis_type,
        bios_vendor="Simulated Firmware",
        bios_version="1.0",
        bios_date=model.bios_date,
        environment=model.environment,
        environment_detail=model.detail,
        cpu=cpu,
        memory=memory,
        source="simulated",
    )


def probes(device: Device, at: float) -> tuple[wire.Probe, ...]:
    """Return the statuses of the device's probes: blanks are explained, never silent."""
    denied = "reading the SMBIOS tables takes root; the service's helper was not run"
    missing: tuple[wire.MissingValue, ...] = ()
    if not device.reads_hardware:
        missing = (wire.MissingValue("serial", "no_permission", denied),)
    elif not device.model.name:
        missing = tuple(
            wire.MissingValue(f"hardware.{name}", "not_supported", _UNFILLED)
            for name in ("vendor", "model", "serial")
        )
    watched = device.watches_state
    unwatched = "the collection policy of personal-issue devices and servers leaves device state out"
    rows = (
        ("utilisation", "ok", None, _CPU, ()),
        ("startup", "ok", None, "simulated", ()),
        ("hardware", "ok" if device.reads_hardware else "no_permission", None if device.reads_hardware else denied,
         "simulated", missing),
        ("storage", "ok", None, "simulated", ()),
        ("os", "ok" if device.os.name else "no_data_yet", None if device.os.name else "no os-release file found",
         "simulated", ()),
        ("state", "ok" if watched else "off_by_policy", None if watched else unwatched, "simulated", ()),
        ("power", device.power_status, _POWER[device.power_status],
         device.meters[0].source if device.meters else None, ()),
        *((("battery", "ok", None, "simulated", ()),) if has_battery(device) else ()),
    )  # fmt: skip
    return tuple(
        wire.Probe(name, status, reason, source, 0.002, at, missing_values)
        for name, status, reason, source, missing_values in rows
    )


def agent(device: Device, at: float) -> wire.Agent:
    """Return what the agent says of itself."""
    rng = device.rng(int(at) // 3600)
    return wire.Agent(
        version=AGENT_VERSION,
        platform=device.platform,
        started_at=at - rng.randrange(600, 400_000),
        rss_bytes=rng.randrange(17, 24) * 1024 * 1024,
        cpu_seconds=round(rng.uniform(2, 60), 2),
        spool_items=0,
        spool_bytes=16384,
        quarantined_items=0,
        thinned_samples=0,
        clock_offset_seconds=round(rng.gauss(0, 0.4), 3),
    )


def period(half_hour: HalfHour) -> wire.Period:
    """Return a half-hour as a closed settlement period."""
    return wire.Period(
        half_hour.start,
        half_hour.observed,
        max(1, half_hour.observed // 60),
        wire.StateSeconds(*half_hour.state),
        wire.Use(half_hour.cpu, "sensor", _CPU, half_hour.cpu_p95),
        wire.Use(half_hour.memory, "sensor", _MEMORY, half_hour.memory_p95),
        energy(half_hour),
    )


def energy(half_hour: HalfHour) -> tuple[wire.Energy, ...]:
    """Return a half-hour's energy rows."""
    return tuple(
        wire.Energy(scope, joules, counter, "sensor", source, covered, error)
        for scope, joules, counter, covered, source, error in half_hour.energy
    )


def open_period(half_hour: HalfHour, at: float, booted_at: float, *, watched: bool) -> wire.Now:
    """Return the open half-hour so far; what is still to come is no part of its state seconds."""
    in_use, idle, locked, asleep, off, _ = half_hour.state
    unobserved = 0 if watched else half_hour.observed
    return wire.Now(
        at=at,
        start=half_hour.start,
        observed_seconds=half_hour.observed,
        samples=max(1, half_hour.observed // 60),
        uptime_seconds=round(at - booted_at, 1),
        state_seconds=wire.StateSeconds(in_use, idle, locked, asleep, off, unobserved),
        cpu=wire.Use(half_hour.cpu, "sensor", _CPU, half_hour.cpu_p95),
        memory=wire.Use(half_hour.memory, "sensor", _MEMORY, half_hour.memory_p95),
        cpu_latest_ratio=half_hour.cpu,
        memory_latest_ratio=half_hour.memory,
        energy=energy(half_hour),
    )


def gap(stretch: Gap) -> wire.Gap:
    """Return a gap record."""
    return wire.Gap(stretch.begin, stretch.end, stretch.kind, stretch.basis)


def boot_id(device: Device, boot: int) -> str:
    """Return the id of the boot that began at `boot`, shaped like the kernel's."""
    text = f"{device.rng(f'boot {boot}').getrandbits(128):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def startup(device: Device, outline: StartUp) -> wire.Startup:
    """Return a finished start-up with its phases and contributing factors."""
    rng = device.rng(f"phases {outline.begin}")
    boot = boot_id(device, outline.boot)
    environment = device.model.environment
    shape = "resume" if outline.cause == "resume" else environment
    ghost = device.ghost and outline.cause == "restart"
    told = _phases(rng, _PHASES[shape], outline.seconds, ghost=ghost)
    total = round(sum(phase.seconds for phase in told if phase.counted), 3)
    return wire.Startup(
        start_id=f"{boot}:{outline.ordinal}",
        boot_id=boot,
        revision=1,
        final=True,
        kind=outline.cause if environment != "container" else "container",
        started_at=float(outline.begin),
        quality="suspect" if ghost else "approximate" if environment != "physical" else "measured",
        environment=environment,
        total_seconds=total,
        usable_seconds=round(total * (0.86 + 0.12 * rng.random()), 3),
        attended=rng.random() < 0.8 if device.watches_state else None,
        reason=_GHOST if ghost else None,
        source="simulated",
        phases=told,
        factors=tuple(_factors(rng, device, total)) if outline.cause != "resume" else (),
    )


def _phases(
    rng: random.Random, shape: Iterable[tuple[str, float]], seconds: float, *, ghost: bool
) -> tuple[wire.Phase, ...]:
    """Divide `seconds` among the phases; a ghost's firmware time is shown, marked suspect and not counted."""
    weights = [(name, share * (0.7 + 0.6 * rng.random())) for name, share in shape]
    whole = sum(weight for _, weight in weights)
    told = []
    for name, weight in weights:
        if name == "firmware" and ghost:
            nonsense = round(rng.uniform(1200, 3500), 3)
            told.append(
                wire.Phase(
                    name, nonsense, counted=False, quality="suspect", source="simulated", reason=_GHOST
                )
            )
        else:
            told.append(wire.Phase(name, round(seconds * weight / whole, 3), True, "measured", "simulated"))
    return tuple(told)


def _factors(rng: random.Random, device: Device, total: float) -> Iterable[wire.Factor]:
    """Yield two to four contributing factors, the largest first."""
    table = _FACTORS[device.os.family]
    chosen = rng.sample(table, min(len(table), rng.randrange(2, 5)))
    found = [(share * total * (0.4 + 0.6 * rng.random()), kind, name) for kind, name, share in chosen]
    for seconds, kind, name in sorted(found, reverse=True):
        began = rng.uniform(0.1, 0.5) * total
        yield wire.Factor(kind, name, round(seconds, 3), None, round(began, 3))
