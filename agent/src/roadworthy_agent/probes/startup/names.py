r"""Which part of a systemd unit's name may leave the device.

Services, drivers and system components go by name. But unit names also carry what someone typed or a maker
printed: `user@1001.service`, `home-jsmith.mount`, `openvpn-client@jsmith.service`,
`dev-disk-by\x2did-nvme\x2dWDS200T1X0E_20515N800199.device` (a disk's serial number).
So the rule is by kind, and what is not known to be harmless becomes `*`:

1. slices, scopes, targets, timers and paths do no work of their own: left out.
2. `name@instance.service`: the template `name@.service`, except for a few whose instances are kernel names.
3. mounts and swaps: well-known places by name, else the top folder and `*`.
4. devices: disks by their kernel name (`dev-sda2.device`), else what kind of alias it was and `*`.
5. in whatever remains, long numbers, identifiers, escaped characters, account names and the host name: `*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NO_WORK = frozenset({"slice", "scope", "target", "timer", "path"})

# Templates whose instance is a kernel name: a terminal, a module, a network interface
HARMLESS_TEMPLATES = frozenset({"autovt", "container-getty", "getty", "modprobe", "serial-getty"})
HARMLESS_INSTANCE = re.compile(r"[a-z0-9_]{1,24}", re.IGNORECASE)

PLACES = frozenset(
    {
        "-", "boot", "boot-efi", "boot-firmware", "data", "dev-hugepages", "dev-mqueue", "efi", "export", "home",
        "media", "mnt", "opt", "root", "run", "run-lock", "run-rpc_pipefs", "run-user", "srv", "tmp", "usr",
        "usr-local", "var", "var-cache", "var-lib", "var-lib-nfs-rpc_pipefs", "var-log", "var-log-audit",
        "var-spool", "var-tmp",
    }
)  # fmt: skip
KERNEL_PLACES = ("sys-fs-", "sys-kernel-", "proc-")  # pseudo file systems the kernel names
TOP_FOLDERS = frozenset(place for place in PLACES if place.isalpha()) | {"snap", "sys", "dev"}

DISK = re.compile(
    r"dev-((?:[shv]d|xvd)[a-z]+\d*|nvme\d+n\d+(?:p\d+)?|mmcblk\d+(?:p\d+)?|md\d+(?:p\d+)?|dm-\d+|zram\d+|sr\d+)"
)
SWAP_FILES = frozenset({"swapfile", "swap.img", "swap", "swap-swapfile"})

IDENTIFIERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",  # UUID
        r"(?<![0-9a-z])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}(?![0-9a-z])",  # address of a network card
        r"(?<![0-9a-z])(?=[a-f]*\d)[0-9a-f]{8,}(?![0-9a-z])",  # hexadecimal identifier
        r"(?<![0-9a-z])(?=(?:[a-z]*\d){3})[0-9a-z]{8,}(?![0-9a-z])",  # serial number, random name
        r"\d{4,}",
        r"[^-_.@\s]*\\x[0-9a-f]{2}[^-_.@\s]*",  # a word with an escaped character
        r"[^-_.@]*[^\x21-\x7e]+[^-_.@]*",  # a word that is no plain ASCII
    )
)
LONGEST = 128


def reduce_name(unit: str, private: Iterable[str] = ()) -> str | None:
    """Return the part of a unit's name that may leave the device, or None for a unit to leave out.

    `private` are words that name people or this device: account names, the host name.
    """
    stem, dot, kind = unit.rpartition(".")
    if not dot or not stem or kind in NO_WORK:
        return None
    if kind == "device":
        return f"{_device(stem)}.device"
    if kind in {"mount", "automount"}:
        return f"{_place(stem)}.{kind}"
    if kind == "swap":
        return f"{_swap(stem)}.swap"
    template, at, instance = stem.partition("@")
    if at:
        kept = template in HARMLESS_TEMPLATES and HARMLESS_INSTANCE.fullmatch(instance)
        stem = f"{template}@{instance if kept else ''}"
    return f"{_scrub(stem, private)}.{kind}"[:LONGEST]


def worth_asking(unit: str) -> bool:
    """Tell whether a unit may become a contributing factor; an alias repeats its disk's own line (hundreds do)."""
    name = reduce_name(unit)
    return name is not None and not is_alias(name)


def is_alias(name: str) -> bool:
    """Tell whether a reduced name is a device by something else than its kernel name."""
    return name.endswith("*.device")


def kind_of(name: str) -> str:
    """Return the kind of contributing factor a reduced name is."""
    if name.startswith("modprobe@"):
        return "driver"
    suffix = name.rpartition(".")[2]
    return suffix if suffix in {"service", "device"} else "unit"


def private_words(passwd: str, homes: Iterable[str], host_name: str | None) -> frozenset[str]:
    """Return the words that name people or this device: accounts from 1000 on, home folders, the host name."""
    words = set(homes)
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdecimal() and 1000 <= int(fields[2]) < 65534:
            words.add(fields[0])
    if host_name:
        words |= {host_name, host_name.partition(".")[0]}
    return frozenset(word.casefold() for word in words if len(word) > 1)


def _device(stem: str) -> str:
    plain = stem.replace("\\x2d", "-")
    if DISK.fullmatch(plain):
        return plain
    for beginning in ("dev-disk-by-uuid", "dev-disk-by-label", "dev-disk-by-partuuid", "dev-disk-by-id",
                      "dev-disk", "dev-mapper", "dev", "sys-subsystem-net", "sys"):  # fmt: skip
        if plain.startswith(f"{beginning}-"):
            return f"{beginning}-*"
    return "*"


def _place(stem: str) -> str:
    if stem in PLACES:
        return stem
    if stem.startswith(KERNEL_PLACES) and "\\" not in stem:
        return _scrub(stem, ())
    top = stem.partition("-")[0]
    return f"{top}-*" if top in TOP_FOLDERS else "*"


def _swap(stem: str) -> str:
    plain = stem.replace("\\x2d", "-")
    return plain if DISK.fullmatch(plain) or plain in SWAP_FILES else "*"


def _scrub(text: str, private: Iterable[str]) -> str:
    # private words first: a number taken out of the host name would hide it from the search
    for word in sorted(private, key=len, reverse=True):
        text = re.sub(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", "*", text, flags=re.IGNORECASE)
    for pattern in IDENTIFIERS:
        text = pattern.sub("*", text)
    return re.sub(r"\*[*-]*\*", "*", text)
