r"""What each probe reads, with which right, and under which name it is sent: what `explain` prints.

Plain files are named by the platform modules (`FILES`); here stands what is no file, and what needs a right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roadworthy_agent.probe import Context
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.reading import Status

ANY = "any account"
ROOT_STEP = "root; a step of the service that runs as root opens it to the agent's group while the agent runs"
EVENT_LOG = "LocalService, LocalSystem or an administrator"
OPT_IN_SMART = 'off unless allow = ["smart"]; then root, once a day (roadworthy-agent-smart.timer)'
OPT_IN_IPMI = 'off unless allow = ["ipmi"]; then the service is shown the device'

# The beginning of a path -> the right to read it, where not any account has it
RIGHTS = (
    ("sys/class/powercap/*/energy_uj", ROOT_STEP),
    ("sys/firmware/dmi/tables", ROOT_STEP),
)

# (probe, platform) -> what is no plain file, and the right it takes
OTHER: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("hardware", "linux"): (
        ("/sys/firmware/dmi/tables/{DMI,smbios_entry_point}", ROOT_STEP),
        ("/sys/class/drm/*/edid: displays, without their serial numbers", ANY),
        ("/sys/class/dmi/id/{product_serial, board_serial, chassis_serial, product_uuid}", "root"),
        ("/sys/class/dmi/id/chassis_asset_tag", ANY),
        ("/sys/firmware/devicetree/base/serial-number", ANY),
        (
            "/sys/class/net/*/{address, addr_assign_type, type}: of the built-in card, only its SHA-256 leaves",
            ANY,
        ),
        (
            (
                "/proc/self/{mountinfo, ns/pid}, /proc/1/cgroup, /run/.containerenv, /.dockerenv, "
                "/sys/firmware/devicetree/base/hypervisor/compatible: whether this is a container or a virtual machine"
            ),
            ANY,
        ),
        ("/proc/1/environ and /sys/firmware/dmi/entries/0-0/raw, for the same", "root"),
    ),
    ("storage", "linux"): (
        (
            (
                "/sys/block/*/device/{serial, vpd_pg80} and /sys/block/*/serial: of the disk that holds the system, "
                "only its SHA-256 leaves"
            ),
            ANY,
        ),
        ("/proc/self/mountinfo: which disk holds the system", ANY),
        ("/sys/block/*/device/power/runtime_status: a sleeping disk is not asked", ANY),
        ("the disks' own health: NVMe log page, ATA SMART", OPT_IN_SMART),
    ),
    ("startup", "linux"): (
        ("systemd over D-Bus: instants of the start-up, of units and of sleeps", ANY),
        ("logind over D-Bus: whether anybody signed in at the device, not who", ANY),
        (
            "/var/log/wtmp, else /var/lib/wtmpdb/wtmp.db or /var/log/wtmp.db: boots and shutdowns, nothing of accounts",
            ANY,
        ),
        ("/var/lib/PackageKit/offline-update-competed: its time", ANY),
        (
            "/dev/kmsg: hand-over to init, recovered file systems, sleeps; else the times in /proc/*/stat",
            "root, or kernel.dmesg_restrict=0",
        ),
        (
            (
                "/etc/passwd, /etc/hostname, /proc/sys/kernel/hostname and names in /home: words to leave out of names, "
                "never sent"
            ),
            ANY,
        ),
    ),
    ("signin", "linux"): (
        (
            "logind and systemd over D-Bus: instants of sessions, not whose; kinds of file systems mounted",
            ANY,
        ),
        ("the session's own systemd over D-Bus: whether its desktop is there", "the person and root"),
        ("/sys/class/net/* and /proc/net/{route, ipv6_route}: LAN, Wi-Fi or VPN, never which network", ANY),
    ),
    ("state", "linux"): (("logind over D-Bus: whether sessions are active, idle, locked; not whose", ANY),),
    ("power", "linux"): (
        ("NVIDIA's library NVML", "any account that may see /dev/nvidia*"),
        (
            "/proc/driver/nvidia/gpus, /sys/bus/pci/devices/*/power/{runtime_status, control}: whether a card sleeps",
            ANY,
        ),
        ("IPMI DCMI through /dev/ipmi0: one command, the power reading", OPT_IN_IPMI),
    ),
    ("utilisation", "linux"): (),
    ("os", "win32"): ((r"registry: HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion", ANY),),
    ("hardware", "win32"): (
        ("firmware tables (GetSystemFirmwareTable), registry, displays' EDID", ANY),
        ("TPM and Secure Boot: registry", ANY),
    ),
    ("storage", "win32"): (
        ("control codes to disks: model, kind, size", ANY),
        ("wear and SMART", 'an administrator, and allow = ["smart"]'),
    ),
    ("battery", "win32"): (("control codes to batteries", ANY),),
    ("startup", "win32"): (
        (
            (
                "event log System: Kernel-General, Kernel-Boot, Kernel-Power, Power-Troubleshooter, EventLog, User32, "
                "Winlogon; not whose"
            ),
            ANY,
        ),
        ("registry: installation, firmware's time, computer's name as a word to leave out, never sent", ANY),
        ("event log Microsoft-Windows-Diagnostics-Performance/Operational", EVENT_LOG),
    ),
    ("signin", "win32"): (
        (
            (
                "event logs System, Application (RasClient), Winlogon, User Profile Service, GroupPolicy, Shell-Core, "
                "WLAN-AutoConfig; not whose"
            ),
            EVENT_LOG,
        ),
    ),
    ("state", "win32"): (("terminal sessions (WTS): locked, last input; not whose", EVENT_LOG),),
    ("power", "win32"): (("energy meter interface (EMI) and batteries, by control codes", ANY),),
    ("utilisation", "win32"): (("psutil: processor times, memory", ANY),),
    ("os", "darwin"): (("sysctl kern.osversion, kern.osrelease", ANY),),
    ("hardware", "darwin"): (("sysctl hw.*; I/O Registry; system_profiler", ANY),),
    ("storage", "darwin"): (("system_profiler: NVMe, SATA, volumes", ANY),),
    ("battery", "darwin"): (("I/O Registry: AppleSmartBattery", ANY),),
    ("power", "darwin"): (("I/O Registry: AppleSmartBattery", ANY),),
    ("state", "darwin"): (("I/O Registry: IOConsoleLocked, HIDIdleTime; not whose session", ANY),),
    ("startup", "darwin"): (
        (
            "a few lines of the unified log",
            "root; a job of launchd asks one fixed question and leaves the answer",
        ),
    ),
    ("signin", "darwin"): (),
    ("utilisation", "darwin"): (("psutil: processor times, memory", ANY),),
}

SENT = {
    "os": (
        "facts.os: name, version, build, edition, installation type, whether it is a long-term release, architecture, "
        "kernel"
    ),
    "hardware": "facts.hardware, and SHA-256 of identifiers in facts.fingerprint",
    "storage": "facts.storage, and SHA-256 of the system disk's serial number in facts.fingerprint",
    "battery": "facts.battery: name, maker, model, technology, what it held when new and holds now, cycles",
    "startup": "startups: phases and contributing factors",
    "signin": "signins: phases and contributing factors, with the day and a random id",
    "state": "state_seconds of half-hours, or of days where the collection policy is daily; nothing where it is off",
    "power": "energy and battery of half-hours, or of days where the collection policy is daily; nothing where it is off",
    "utilisation": "cpu and memory of half-hours, and the latest in `now`",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One source of a probe: what, with which right, and what was found of it here (None: not looked at)."""

    what: str
    right: str
    found: str | None = None


def of_probe(name: str, files: tuple[str, ...], context: Context) -> Iterator[Source]:
    """Yield the sources of a probe; plain files with how many are there and can be read."""
    folders: dict[str, list[str]] = {}
    for pattern in files:
        folder, _, last = pattern.rpartition("/")
        folders.setdefault(folder, []).append(last)
    tree = Tree(context.root)
    for folder, names in folders.items():
        by_right: dict[str, list[str]] = {}
        for last in names:
            by_right.setdefault(_right(f"{folder}/{last}"), []).append(last)
        for right, some in by_right.items():
            what = f"/{folder}/{some[0]}" if len(some) == 1 else f"/{folder}/{{{', '.join(some)}}}"
            yield Source(what.replace("//", "/"), right, _found(tree, [f"{folder}/{last}" for last in some]))
    for what, right in OTHER.get((name, context.platform), ()):
        yield Source(what, right)


def _right(pattern: str) -> str:
    return next((right for beginning, right in RIGHTS if pattern.startswith(beginning)), ANY)


def _found(tree: Tree, patterns: list[str]) -> str:
    """Say how many files there are, and how many of them are closed to this account."""
    paths = [path for pattern in patterns for path in _matching(tree.root, pattern.lstrip("/"))]
    if not paths:
        return "not here"
    # Nothing is read: opening it tells
    denied = sum(tree.read(path, 0).status is Status.NO_PERMISSION for path in paths)
    count = "1 file" if len(paths) == 1 else f"{len(paths)} files"
    return count if not denied else f"{count}, {denied} closed to this account"


def _matching(root: Path, pattern: str) -> list[str]:
    try:
        return [path.relative_to(root).as_posix() for path in root.glob(pattern)]
    except OSError:  # a folder nobody may list
        return []
