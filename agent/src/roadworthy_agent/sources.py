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

WHERE = (
    (
        "what tells a container or a virtual machine: /run/{systemd/container,host/container-manager,.containerenv}, "
        "/.dockerenv, /proc/1/{cgroup,environ}, /proc/2/stat, /proc/self/{mountinfo,ns/pid}, /proc/cpuinfo, "
        "/proc/sys/kernel/osrelease, /proc/xen/capabilities, /sys/class/dmi/id, /sys/firmware/dmi/entries/0-0/raw, "
        "/sys/firmware/devicetree/base, /sys/firmware/devicetree/base/hypervisor/compatible, /sys/hypervisor/type, "
        "/sys/devices/system/clocksource/clocksource0/available_clocksource"
    ),
    "any account; /proc/1/environ and entries/0-0/raw root, and it does without",
)
CURRENT_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"

PRIVATE_WORDS = (
    (
        rf"registry: ProfileImagePath below {CURRENT_VERSION}\ProfileList, ComputerName of "
        r"HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName: words to leave out of names, never sent"
    ),
    ANY,
)

# The beginning of a path -> the right to read it, where not any account has it
RIGHTS = (
    ("sys/class/powercap/*/energy_uj", ROOT_STEP),
    ("sys/firmware/dmi/tables", ROOT_STEP),
    ("proc/1/environ", "root"),
)

# (probe, platform) -> what is no plain file, and the right it takes
OTHER: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("hardware", "linux"): (
        ("/sys/firmware/dmi/tables/{DMI,smbios_entry_point}", ROOT_STEP),
        ("/sys/class/drm/*/edid: displays, without their serial numbers", ANY),
        (
            "/sys/class/net/*/{address,addr_assign_type,type}: of the built-in card, only its SHA-256 leaves",
            ANY,
        ),
        ("/sys/class/dmi/id/{product_serial,board_serial,chassis_serial,product_uuid}", "root"),
        ("/sys/class/dmi/id/chassis_asset_tag", ANY),
        ("/sys/firmware/devicetree/base/serial-number", ANY),
        WHERE,
    ),
    ("storage", "linux"): (
        ("/proc/self/mountinfo: which disk holds the system", ANY),
        ("/sys/block/*/device/power/runtime_status: a sleeping disk is not asked", ANY),
        ("/sys/block/*/{serial,device/serial,device/vpd_pg80}: only the SHA-256 leaves", ANY),
        ("the disks' own health: NVMe log page, ATA SMART, in /run/roadworthy-smart", OPT_IN_SMART),
        WHERE,
    ),
    ("startup", "linux"): (
        ("/run/systemd/system: whether systemd runs", ANY),
        ("systemd over D-Bus: instants of the start-up, of units, of sleeps and of password prompts", ANY),
        ("logind over D-Bus: whether somebody signed in at the device, not who", ANY),
        (
            "/var/log/wtmp, /var/lib/wtmpdb/wtmp.db, /var/log/wtmp.db: boots and shutdowns, no other record",
            "any account on most distributions",
        ),
        ("/var/lib/PackageKit/offline-update-competed: when the last offline update ended", ANY),
        (
            (
                "/dev/kmsg, the kernel's log, outside containers: its hand-over to init, recovered file systems, lines of "
                "falling asleep and waking"
            ),
            "root, or any account with kernel.dmesg_restrict=0",
        ),
        (
            (
                "/run/roadworthy-agent-open/{kernel-log,kernel-log.wake}: these lines and no other, where /dev/kmsg is "
                "closed"
            ),
            "root; steps of the service copy them for the agent's group at its start and after each waking",
        ),
        (
            "/proc/*/stat: when the earliest process started, only where neither systemd nor the log tells",
            ANY,
        ),
        ("/etc/{passwd,hostname}, names in /home: words to leave out of names, never sent", ANY),
        WHERE,
    ),
    ("signin", "linux"): (
        ("logind and systemd over D-Bus: instants of sessions, kinds of mounts; not whose", ANY),
        ("the session's own systemd (/run/user/*/systemd/private): when its desktop was ready", "root"),
        (
            (
                "/sys/class/net/*/{type,uevent,wireless,phy80211,tun_flags,flags,operstate}: wire, Wi-Fi or tunnel, while "
                "somebody is signed in"
            ),
            ANY,
        ),
        ("/proc/net/{route,ipv6_route}: which of them carries the default route; no address is kept", ANY),
        WHERE,
    ),
    ("state", "linux"): (("logind over D-Bus: whether sessions are active, idle, locked; not whose", ANY),),
    ("power", "linux"): (
        (
            "NVIDIA's library NVML, where /proc/driver/nvidia or /dev/nvidiactl is; /proc/driver/nvidia/gpus and /sys/bus/pci/devices: whether a card is awake",
            "any account that may use /dev/nvidia*",
        ),
        ("IPMI DCMI through /dev/{ipmi0,ipmi/0,ipmidev/0}: one command, the power reading", OPT_IN_IPMI),
        WHERE,
    ),
    ("battery", "linux"): (WHERE,),
    ("utilisation", "linux"): (WHERE,),
    ("os", "win32"): ((f"registry: {CURRENT_VERSION}", ANY),),
    ("hardware", "win32"): (
        (
            "firmware tables (GetSystemFirmwareTable), processors (registry, system calls), displays' EDID",
            ANY,
        ),
        ("TPM: TPM Base Services (TBS, Tbsi_GetDeviceInfo)", ANY),
        (r"Secure Boot: registry, HKLM\SYSTEM\CurrentControlSet\Control\SecureBoot\State", ANY),
    ),
    ("storage", "win32"): (
        ("control codes to disks: model, kind, size", ANY),
        ("wear and SMART", 'an administrator, and allow = ["smart"]'),
    ),
    ("battery", "win32"): (("control codes to batteries", ANY),),
    ("startup", "win32"): (
        (
            (
                "event log System: Kernel-General, Kernel-Boot, Kernel-Power, Power-Troubleshooter, EventLog, User32 (which "
                "end was planned), Winlogon (that somebody signed in, not who)"
            ),
            ANY,
        ),
        ("event log Microsoft-Windows-Diagnostics-Performance/Operational", EVENT_LOG),
        (
            (
                "event logs Microsoft-Windows-{GroupPolicy,User Profile Service}/Operational: what policy and profiles "
                "took of the start-up; not whose"
            ),
            EVENT_LOG,
        ),
        (
            (
                rf"registry: InstallDate and InstallationType of {CURRENT_VERSION}, AutoAdminLogon of its Winlogon, "
                r"whether HKLM\SYSTEM\Setup has a `Source OS`, ContainerType of HKLM\SYSTEM\CurrentControlSet\Control, "
                r"FwPOSTTime of HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Power, SystemManufacturer, "
                r"SystemProductName, SystemVersion, BIOSVendor and BaseBoardManufacturer of "
                r"HKLM\HARDWARE\DESCRIPTION\System\BIOS"
            ),
            ANY,
        ),
        PRIVATE_WORDS,
    ),
    ("signin", "win32"): (
        (
            "event logs Microsoft-Windows-{Winlogon,User Profile Service,GroupPolicy,Shell-Core}/Operational; not whose",
            EVENT_LOG,
        ),
        (
            (
                "event log Microsoft-Windows-WLAN-AutoConfig/Operational, and RasClient of the event log Application: "
                "whether Wi-Fi or VPN connected; not to what"
            ),
            EVENT_LOG,
        ),
        (
            (
                "event log System: Kernel-General, Kernel-Boot, Kernel-Power, Power-Troubleshooter, EventLog, User32, "
                "Winlogon: which start-up a sign-in followed"
            ),
            ANY,
        ),
        PRIVATE_WORDS,
    ),
    ("state", "win32"): (("terminal sessions (WTS): locked, last input; not whose", EVENT_LOG),),
    ("power", "win32"): (
        ("energy meter interface (EMI) and batteries, by control codes", ANY),
        ("registry: display adapters' MatchingDeviceId, to say that NVIDIA's library is not asked", ANY),
    ),
    ("utilisation", "win32"): (("psutil: processor times (GetSystemTimes), memory", ANY),),
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
        (
            "sysctl hw.model, hw.optional.arm64, hw.tbfrequency, kern.hv_vmm_present, kern.bootsessionuuid",
            ANY,
        ),
        (
            "the login window's notifications (notify(3)): was a restart or switching off asked for; not by whom",
            ANY,
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
