r"""Which names of contributing factors may leave a Windows device (decision: components by name, people's programs not).

1. Services and drivers by name; the number that Windows appends to a per-user service (`OneSyncSvc_3f2a1`) is cut off.
2. Programs of Windows itself (below its folder) are components, by name.
3. Other programs only as `application (office)` and the like, unless the settings allow names.
4. Devices by what they are (`USB\VID_046D&PID_C52B`): what follows is a serial number.
5. No path leaves; in whatever remains account names, the host name and identifiers become `*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from roadworthy_agent.probes.startup.names import IDENTIFIERS, LONGEST

# What a program is for, by the beginning of its file's name; the first that fits.
CATEGORIES = (
    ("office", ("winword", "excel", "powerpnt", "outlook", "olk", "onenote", "msaccess", "visio", "soffice", "acro", "adobe", "foxit")),
    ("chat and calls", ("teams", "ms-teams", "msteams", "zoom", "slack", "webex", "skype", "lync", "discord", "whatsapp", "signal")),
    ("browser", ("msedge", "chrome", "firefox", "brave", "opera", "iexplore", "vivaldi")),
    ("file sync", ("onedrive", "dropbox", "googledrive", "box", "nextcloud", "owncloud", "egnyte", "sharefile")),
    ("security", ("msmpeng", "mssense", "csfalcon", "sophos", "savservice", "mcafee", "mfe", "avast", "avgui", "avgsvc", "eset", "ekrn", "sentinel", "cylance", "trend", "ntrtscan", "defender", "securityhealth")),
    ("remote access", ("vpn", "vpnui", "globalprotect", "pangp", "forticlient", "anyconnect", "csc_ui", "openvpn", "citrix", "wfcrun", "teamviewer", "anydesk", "zsa")),
    ("updater", ("update", "googleupdate", "setup", "installer", "squirrel", "jusched")),
    ("device management", ("ccm", "intune", "ivanti", "manageengine", "landesk", "softmon", "tanium", "nexthink", "glpi")),
    ("printing and devices", ("hp", "canon", "epson", "brother", "ricoh", "xerox", "logi", "dell", "lenovo", "igfx", "nvidia", "nvcontainer", "radeon", "rtk", "synt")),
    ("media and games", ("spotify", "steam", "itunes", "vlc", "epicgames", "battle.net")),
)  # fmt: skip
OTHER = "other"
LONGEST_NAME = 512  # files, services and keys of the registry have 255 or 256 letters
# Drivers are called e1d68x64 and b57nd60a, so fewer things are taken for a serial number than in unit names.
SERIALS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?",  # UUID
        r"(?<![0-9a-z])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}(?![0-9a-z])",  # address of a network card
        r"(?<![0-9a-z])S-1-\d+(?:-\d+)+",  # SID
        r"(?<![0-9a-z])(?=[a-f]*\d)[0-9a-f]{12,}(?![0-9a-z])",
        r"\d{6,}",
    )
)

_CATEGORY = re.compile(r"(application \([a-z ]+\))(?:\.exe)?")
_PER_USER = re.compile(r"_[0-9a-f]{4,8}$", re.IGNORECASE)
_WINDOWS = re.compile(
    r"^(?:\\\\\?\\|\\\?\?\\)?(?:[a-z]:\\windows\\|%?\\?systemroot%?\\|%windir%\\|\\windows\\)", re.IGNORECASE
)
_NOT_WINDOWS = re.compile(r"\\windows\\(?:temp|ccmcache|installer)\\", re.IGNORECASE)
_PRIVATE_FOLDER = re.compile(r"(\\users\\)[^\\\s\"]+", re.IGNORECASE)
_DEVICE = re.compile(r"^([A-Za-z][A-Za-z0-9]{1,15})\\([A-Za-z0-9_&.-]{1,64})(?:\\.*)?$")
_PROGRAM = re.compile(r"^\"?([^\"]*?\.(?:exe|com|bat|cmd|vbs|ps1|lnk|dll))(?=[\s\",]|$)", re.IGNORECASE)


def of_service(name: str, private: Iterable[str]) -> str:
    """Return the name of a service or driver."""
    return scrub(_PER_USER.sub("", _last_part(name)), private, SERIALS)


def of_component(name: str, private: Iterable[str]) -> str:
    """Return the name of a part of Windows."""
    return scrub(_last_part(name), private, SERIALS)


def of_program(name: str, path: str, private: Iterable[str], *, allowed: bool) -> tuple[str, str]:
    """Return kind and name of a program: a component where it lies in Windows' folder, else an application.

    What a recording was given in place of a name stays what it is.
    """
    if is_windows(path):
        return "component", of_component(name or path, private)
    if (recorded := _CATEGORY.fullmatch(name)) is not None:
        return "application", recorded[1]
    if allowed:
        return "application", scrub(_last_part(name or path), private)
    return "application", f"application ({category(name or path)})"


def of_device(name: str, private: Iterable[str]) -> str:
    r"""Return what a device is, `bus\kind`, without what tells this one from others; `*` for anything else."""
    match = _DEVICE.fullmatch(name.strip())
    if match is None:
        return "*"
    # The kind is made of numbers by its nature (VID_046D&PID_C52B), so only private words are taken out.
    return _without(f"{match[1]}\\{match[2]}", private)[:LONGEST]


def category(program: str) -> str:
    """Return what a program is for, `other` for most."""
    name = _last_part(program).casefold()
    return next((kind for kind, starts in CATEGORIES if name.startswith(starts)), OTHER)


def program_of(command: str) -> str:
    """Return the file that a command line starts, without its folder and arguments; `*` where that cannot be told."""
    match = _PROGRAM.match(command.lstrip())
    return _last_part(match[1]) if match else "*"


def path_of(command: str) -> str:
    """Return the path of the file that a command line starts."""
    match = _PROGRAM.match(command.lstrip())
    return match[1] if match else ""


def is_windows(path: str) -> bool:
    """Tell whether a file is a part of Windows, by its folder."""
    return bool(_WINDOWS.match(path.strip())) and not _NOT_WINDOWS.search(path)


def scrub(text: str, private: Iterable[str], patterns: Iterable[re.Pattern[str]] = IDENTIFIERS) -> str:
    """Return a name without account names, the host name and identifiers; `*` where nothing is left.

    What is far too long for a name is none: the patterns take seconds for each ten thousand letters, and a Run key
    holds what a person wrote into it.
    """
    if len(text) > LONGEST_NAME:
        return "*"
    name = _without(_PRIVATE_FOLDER.sub(r"\1*", text), private)
    for pattern in patterns:
        name = pattern.sub("*", name)
    return re.sub(r"\*[*-]*\*", "*", name).strip()[:LONGEST] or "*"


def private_words(profile_paths: Iterable[str], host_name: str | None) -> frozenset[str]:
    r"""Return the words that name people or this device: the last part of each profile's folder, the host name.

    A folder may carry the domain too (`C:\Users\jsmith.CORP`).
    """
    words = {
        path.rpartition("\\")[2].partition(".")[0] for path in profile_paths if "\\users\\" in path.casefold()
    }
    words |= {path.rpartition("\\")[2] for path in profile_paths if "\\users\\" in path.casefold()}
    if host_name:
        words.add(host_name)
    return frozenset(word.casefold() for word in words if len(word) > 1)


def _without(text: str, private: Iterable[str]) -> str:
    for word in sorted(private, key=len, reverse=True):
        text = re.sub(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", "*", text, flags=re.IGNORECASE)
    return text


def _last_part(path: str) -> str:
    return path.strip().replace("/", "\\").rstrip("\\").rpartition("\\")[2]
