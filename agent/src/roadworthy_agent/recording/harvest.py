r"""Finding what names this device or a person in what is about to be recorded.

Four ways: files that hold nothing else (`product_serial`), values whose key says so (`"serial": ...`), patterns that
can be nothing else (network addresses, security identifiers), and the names of accounts, homes, networks and this
machine. What everybody has ("root", "localhost", "Default string") is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.placeholders import meaningful, meaningful_uuid
from roadworthy_agent.probes.hardware import smbios
from roadworthy_agent.recording.replace import Kind, Secret

# Names that many devices share, and that stand in system files with another meaning
COMMON = frozenset(
    {
        "admin", "administrator", "all", "archlinux", "arch", "computer", "console", "debian", "default",
        "defaultuser", "defaultuser0", "desktop", "domain", "eth0", "false", "fedora", "guest", "home", "host", "kiosk",
        "laptop", "linux", "local", "localdomain", "localhost", "lost+found", "macos", "network", "nobody", "none", "null",
        "pi", "public", "raspberrypi", "root", "server", "service", "shared", "suse", "system", "test", "true", "ubuntu",
        "unknown", "user", "username", "users", "windows", "wired", "workgroup", "workstation", "home-network",
        "wired connection 1", "wired connection 2", "all users", "default user", "nt authority", "local service",
        "network service", "lo",
    }
)  # fmt: skip
HOST_FILES = ("etc/hostname", "proc/sys/kernel/hostname", "proc/sys/kernel/domainname", "etc/mailname")
HOMES = ("home", "Users")
# Connections are files named after networks. The files hold passwords and are never read.
NETWORKS = ("etc/NetworkManager/system-connections", "var/lib/iwd", "etc/netctl", "etc/wpa_supplicant")
NETWORK_SUFFIXES = (".nmconnection", ".psk", ".open", ".8021x", ".conf")

ONE_NAME_FILE = re.compile(
    r"(?:.*[_-])?(?:serial|serial[_-]number|serial_no|asset_tag|uuid|wwid|wwn|nguid|eui|unique_id|machine-id|"
    r"boot_id|iserial|partuuid)(?:\.\w+)?",
    re.IGNORECASE,
)
KEYS = r"[\w .-]*(?:serial|asset_?tag|uuid|udid|wwn|wwid|nguid|eui64|ssid|machine_?id|provisioning)[\w .-]*"
# Whose value is a name; longer keys with these words in them are durations and counts
NAME_KEYS = (
    r"(?:computer|computername|host_?name|user|user_?name|account|accountname|owner|"
    r"(?:subject|target)user(?:name|sid)|(?:subject|target)domainname|workstationname|principalsamname|logonid_name)"
)
KEYED = tuple(
    re.compile(pattern.format(key=key), re.IGNORECASE | re.MULTILINE)
    for key in (KEYS, NAME_KEYS)
    for pattern in (
        r'"{key}"\s*:\s*"((?:[^"\\]|\\.){{2,256}})"',  # JSON
        r"<key>{key}</key>\s*<string>([^<]{{2,256}})</string>",  # property list
        r"<Data Name=['\"]{key}['\"]>([^<]{{2,256}})</Data>",  # event
        r"^{key}=\"?([^\"\n]{{2,256}})\"?$",  # uevent, environment
        r"^{key}\s*:\s(\S[^\n]{{1,255}})$",  # /proc/cpuinfo, system_profiler
    )
)
COMPUTER = re.compile(r"<Computer>([^<]{2,256})</Computer>")
HOME_PATH = re.compile(r"(?:[A-Za-z]:\\+Users\\+|/home/|/Users/)([^\\/\s\"'<>:]{2,64})")
# Not within a longer run: `dev-disk-by...` names and version numbers have runs of their own
MAC = re.compile(
    # With colons also between hyphens: `hid-aa:bb:cc:dd:ee:ff-battery` of a mouse
    r"((?<![0-9a-f:.])[0-9a-f]{2}(?::[0-9a-f]{2}){5}(?![0-9a-f:])"
    r"|(?<![0-9a-f:.-])[0-9a-f]{2}(?:-[0-9a-f]{2}){5}(?![0-9a-f:-]))",
    re.IGNORECASE,
)
# systemd names a network card after its own address, which need not be the one it uses
MAC_IN_NAME = re.compile(r"(?<![0-9a-z])(?:en|wl|ww|ib|sl)x([0-9a-f]{12})(?![0-9a-z])", re.IGNORECASE)
# What the kernel and systemd call network interfaces; any other name was somebody's idea
INTERFACE = re.compile(
    r"lo|(?:eth|wlan|wwan|usb|ib|br|bond|team|tun|tap|wg|vnet|virbr|docker|lxcbr|dummy|ifb|sit|ip6tnl|tunl|can|vlan|"
    r"bnep|p2p-dev-wlan)\d*(?:-nic)?|veth\w*|br-[0-9a-f]{12}|(?:en|wl|ww|ib|sl)[bcopsvxPaid]\w+"
)
SID = re.compile(r"S-1-5-21-(\d{1,10}-\d{1,10}-\d{1,10})")
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
UUID_FILES = re.compile(r"(?:^|/)(?:cmdline|mountinfo|mounts|fstab|systemd\.json|links|by-\w+)(?:$|/)")
CONTAINER_FILES = re.compile(r"(?:cgroup|mountinfo|container)$")
# Machines and containers have the names people gave them: machine-NAME.scope, lxc.payload.NAME
MACHINE = re.compile(
    r"(?:/machine-(?:qemu\\x2d\d+\\x2d)?|/lxc\.(?:payload|monitor)\.|/lxc/)([^/\s]+?)(?:\.scope|\.service|/|\s|$)"
)
CONTAINER = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
# Addresses look like version numbers, so they are looked for only where the network is spoken of
NETWORK_FILES = re.compile(r"cmdline|mountinfo|mounts|dmesg|resolv\.conf|hosts|logind|events")
IPV4 = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])")
IPV6 = re.compile(
    r"(?<![0-9a-f:])(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){1,6}(?![0-9a-f:])", re.IGNORECASE
)

SBDS_BATTERY = 22
SERIALS_OF_TYPES = {**smbios.READ_TYPES, SBDS_BATTERY: (7,)}


def of_files(files: Mapping[str, bytes]) -> Iterator[Secret]:
    """Yield what the files to be recorded give away."""
    for path, data in files.items():
        if path.endswith("dmi/tables/DMI"):
            yield from of_tables(data)
        name = path.rpartition("/")[2]
        if name == "vpd_pg80":  # SPC-4, 7.8.10: four bytes, then the unit's serial number
            yield from identifier(data[4:].decode("latin-1"))
        for text in _texts(data):
            if ONE_NAME_FILE.fullmatch(name):
                yield from identifier(text)
            yield from of_text(path, text)
        yield from of_path(path)


def _texts(data: bytes) -> Iterator[str]:
    """Yield bytes as the texts they may be: UTF-8, and UTF-16 where every other byte is a NUL."""
    yield data.decode("utf-8", "replace").strip(" \t\r\n\0")
    for encoding, nul in (("utf-16-le", 1), ("utf-16-be", 0)):
        if data[nul::2].count(0) * 4 > len(data) > 7:
            yield data.decode(encoding, "replace")


def of_text(path: str, text: str) -> Iterator[Secret]:
    """Yield what stands in a text under a key or by its pattern."""
    for pattern, what in EVERYWHERE:
        for found in pattern.finditer(text):
            yield from what(found[1] if pattern.groups else found[0])
    if UUID_FILES.search(path):
        for found in UUID.finditer(text.replace("\\\\x2d", "-").replace("\\x2d", "-")):
            yield from identifier(found[0])
    if CONTAINER_FILES.search(path):
        for found in CONTAINER.finditer(text):
            yield Secret(found[0])
        for found in MACHINE.finditer(text):
            yield from words(found[1])
    if NETWORK_FILES.search(path):
        for found in (*IPV4.finditer(text), *IPV6.finditer(text)):
            yield from address(found[0])


def of_path(path: str) -> Iterator[Secret]:
    """Yield what a path gives away: homes, and disks named after their serial number."""
    for part in path.split("/"):
        if part.startswith(("wwn-", "nvme-eui.", "nvme-nvme.")):
            yield from words(re.split(r"[-.]", part)[-1])
        for found in (*MAC.finditer(part), *MAC_IN_NAME.finditer(part)):
            yield from mac(found[1])
    if path.startswith("sys/class/net/") and not INTERFACE.fullmatch(name := path.split("/")[3]):
        yield from words(name)
    for folder in HOMES:
        if path.startswith(f"{folder}/"):
            yield from words(path.split("/")[1])


def of_tables(data: bytes) -> Iterator[Secret]:
    """Yield serial numbers, asset tags and the UUID of SMBIOS tables."""
    try:
        tables = smbios.parse_tables(data, smbios.Version(3, 0))
    except ProbeError:
        return
    for each in tables.structures:
        for offset in SERIALS_OF_TYPES.get(each.type, ()):
            yield from identifier(each.string(offset) or "")
        if each.type == smbios.SYSTEM and (uuid := smbios.system_uuid(each, smbios.Version(3, 0))):
            yield from identifier(str(uuid))


def identifier(text: str) -> Iterator[Secret]:
    """Yield an identifier, and the last part of one that begins with what kind it is (`naa.5000c500...`)."""
    plain = text.strip(" \t\r\n\0\"'")
    if UUID.fullmatch(plain.strip("{}")):
        if meaningful_uuid(plain.strip("{}")) is not None:
            yield Secret(plain.strip("{}").casefold(), Kind.UUID)
    elif re.fullmatch(r"[0-9a-f]{32}", plain, re.IGNORECASE) and meaningful(plain):
        yield Secret(plain.casefold(), Kind.UUID)
    elif MAC.fullmatch(plain):
        yield from mac(plain)
    elif meaningful(plain) is not None:
        *kind, last = re.split(r"\s+|(?<=naa)\.|(?<=eui)\.|(?<=uuid)\.|(?<=t10)\.|^0x", plain)
        if not kind:
            yield from words(plain)
        elif any(letter.isdigit() for letter in last):
            yield from words(last)
        else:
            yield from words(plain)


def words(text: str) -> Iterator[Secret]:
    """Yield a name, unless everybody has it."""
    plain = text.strip(" \t\r\n\0.")
    if not plain or plain.casefold() in COMMON or not any(letter.isalnum() for letter in plain):
        return
    if meaningful(plain) is not None and not plain.upper().startswith("S-1-5-"):
        yield Secret(plain)


def host(name: str) -> Iterator[Secret]:
    """Yield a host name and, of a full one, its first label and its domain."""
    plain = name.strip(" \t\r\n\0.$")
    first, _, domain = plain.partition(".")
    yield from words(first)
    if "." in domain:
        yield from words(domain)


def mac(text: str) -> Iterator[Secret]:
    """Yield a network address, unless it is all zeros or for everybody."""
    plain = re.sub(r"[^0-9a-f]", "", text.casefold())
    if len(plain) == 12 and len(set(plain)) > 1:
        yield Secret(plain, Kind.MAC)


def address(text: str) -> Iterator[Secret]:
    """Yield an IP address that is neither this machine's loopback nor everybody's."""
    import ipaddress

    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return
    if not (found.is_loopback or found.is_unspecified or found.is_multicast or str(found).startswith("255.")):
        yield Secret(text, Kind.ADDRESS)


def of_accounts(passwd: str, homes: Iterable[str]) -> Iterator[Secret]:
    """Yield the names of people's accounts (from 1000 on, or at home in /home), their full names and homes."""
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) < 6 or not fields[2].isdecimal():
            continue
        if 1000 <= int(fields[2]) < 65534 or fields[5].startswith("/home/"):
            yield from words(fields[0])
            yield from words(fields[5].rpartition("/")[2])
            if " " in (full := fields[4].partition(",")[0].strip()):
                yield from words(full)
    for home in homes:
        yield from words(home)


def of_networks(files: Iterable[str]) -> Iterator[Secret]:
    """Yield names of networks from the names of their connections' files."""
    for name in files:
        plain = name
        for suffix in NETWORK_SUFFIXES:
            plain = plain.removesuffix(suffix)
        if not re.fullmatch(
            r"(?:wpa_supplicant.*|examples|hooks|interfaces|netplan-.*|eth\d+|en\w+|lo)", plain
        ):
            yield from words(plain)


# Looked for in every file: what the pattern finds (its first group), and what to make of it
EVERYWHERE: tuple[tuple[re.Pattern[str], Callable[[str], Iterator[Secret]]], ...] = (
    *((pattern, identifier) for pattern in KEYED),
    (COMPUTER, host),
    (HOME_PATH, words),
    (MAC, mac),
    (MAC_IN_NAME, mac),
    (SID, lambda text: iter((Secret(text),))),
)
