"""What an operating system's name tells: the product of the table, and the version where no other field has it.

Exports often have one column, "Windows 11 Pro 23H2" or "Ubuntu 22.04.3 LTS". A version is taken out of a name only
where the name can mean one: what is told in a field of its own is never gone against, and two numbers are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from roadworthy_inventory.os_rows import SupportRow, os_support, products


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What a device says of its operating system; None where it does not.

    `os_id`: the os-release ID, or windows or macos. `name`: the display name (Windows 11 Pro). `version`: 22H2,
    10.0.19045, 12, 22.04. `build`: 26100 or 26100.1742. `edition`: Windows' EditionID (Professional, EnterpriseS) or
    a display name. `installation_type`: client, server or server_core. `long_term`: of a long-term channel.
    """

    os_id: str | None = None
    name: str | None = None
    version: str | None = None
    build: str | None = None
    edition: str | None = None
    installation_type: str | None = None
    long_term: bool | None = None


# Names of os-release and of display names that the table spells otherwise.
_PRODUCTS_BY_ID = {
    "rocky": "rocky-linux",
    "ol": "oracle-linux",
    "oracle": "oracle-linux",
    "alma": "almalinux",
    "redhat": "rhel",
    "sled": "sles",
    "sles_sap": "sles",
    "suse": "sles",
    "esxi": "vmware-esxi",
    "darwin": "macos",
}
_PRODUCTS_BY_NAME = {
    "debian": "debian",
    "ubuntu": "ubuntu",
    "red hat": "rhel",
    "macos": "macos",
    "mac os": "macos",
    "suse linux enterprise": "sles",
    "sles": "sles",
    "rocky": "rocky-linux",
    "almalinux": "almalinux",
    "oracle linux": "oracle-linux",
    "vmware esxi": "vmware-esxi",
    "esxi": "vmware-esxi",
}
# Windows' own number since 2015; a build below 10240 never had it. Active Directory and ConfigMgr put the build in
# brackets: 10.0 (19045).
_NT10 = re.compile(r"(?<![\d.])10\.0(?:\.[1-9]\d{4}(?:\.\d+)?(?![\d.])| ?\([1-9]\d{4}\))")
_BARE = re.compile(rf"\s*{_NT10.pattern}\s*")
_WINDOWS_RELEASE = re.compile(r"\b(?:\d\dh[12]|1507|1511|1607|1703|1709|1803|1809|1903|1909|2004)\b")
# The long-term releases are named by a year: learn.microsoft.com/windows/release-health/release-information
_LONG_TERM_YEARS = {"2015": "1507", "2016": "1607", "2019": "1809", "2021": "21H2", "2024": "24H2"}
_SERVICE_PACK = re.compile(r"\b(?:sp|service pack) ?(\d)\b")
# Devices of their own, with dates of their own that the table does not hold under these names.
_OTHER_WINDOWS = ("embedded", "posready", "thin pc")
# What stands beside a version and is none: a code name in brackets, a width, a build.
_BESIDE = re.compile(r"\([^)]*\)|\b(?:32|64)[- ]?bit\b|\bbuild[- ]?\d+\b")
_NUMBER = re.compile(r"(?<![\w.-])\d+(?:\.\d+)*(?: ?-?sp ?\d)?(?![\w.-])")


def is_windows(os_id: str | None, said: str) -> bool:
    """Return whether an os-release ID or a name in lower case is of Windows."""
    return "windows" in (os_id or "").casefold() or said.startswith(("windows", "microsoft windows"))


def product_of(os_id: str | None, name: str | None, rows: Iterable[SupportRow] | None = None) -> str | None:
    """Return the table's product for an os-release ID (or `windows`, `macos`) and a display name."""
    said = (name or "").casefold()
    if is_windows(os_id, said):
        if "server" in said:
            return "windows-server"
        found = re.search(r"windows (\d+(?:\.\d)?|xp|vista)\b", said)
        return f"windows-{found[1]}" if found else None
    known = {product for product in products(rows or os_support()) if not product.startswith("windows")}
    by_id = (os_id or "").casefold()
    if by_id:
        by_id = _PRODUCTS_BY_ID.get(by_id, by_id)
        return by_id if by_id in known else None
    return next((product for start, product in _PRODUCTS_BY_NAME.items() if said.startswith(start)), None)


def with_version(system: System, rows: Sequence[SupportRow]) -> System:
    """Return the system with the version its name tells, where neither a version nor a build is told.

    A bare 10.0.19045.3000 is Windows, whichever field has it. What the name leaves open is left as it is.
    """
    name, version = (system.name or "").strip(), (system.version or "").strip()
    if not name and not system.os_id and _BARE.fullmatch(version):
        return replace(system, os_id="windows")
    if version or (system.build or "").strip() or not name:
        return system
    if _BARE.fullmatch(name) and not system.os_id:
        return replace(system, os_id="windows", name=None, version=name)
    if is_windows(system.os_id, name.casefold()):
        return _windows(system, name.casefold(), rows)
    product = product_of(system.os_id, name, rows)
    found = None if product is None else _version_in(product, name.casefold(), rows)
    return system if found is None else replace(system, version=found)


def _version_in(product: str, said: str, rows: Sequence[SupportRow]) -> str | None:
    """Return the one number in the name of what is no Windows."""
    if said.startswith("red hat") and "enterprise linux" not in said:
        return None  # another product of theirs, with numbers of its own
    numbers = set(_NUMBER.findall(_BESIDE.sub(" ", said)))
    if len(numbers) != 1:
        return None
    version = numbers.pop()
    # SUSE Linux Enterprise 15 may be any of its service packs, each of which has an end of its own.
    apart = any(row.product == product and row.version.startswith(f"{version}.") for row in rows)
    return None if apart else version


def _windows(system: System, said: str, rows: Sequence[SupportRow]) -> System:
    if any(word in said for word in _OTHER_WINDOWS):
        return system
    numbers = set(_NT10.findall(said))
    if numbers:
        if len(numbers) > 1:
            return system
        number = numbers.pop()
        # "Windows 10.0.26100" is every Windows of that build, not Windows 10.
        rest = " ".join(_NT10.sub(" ", system.name or "").replace("[Version", " ").replace("]", " ").split())
        return replace(system, name=rest or None, os_id=system.os_id or "windows", version=number)
    product = product_of("windows", system.name)
    if product == "windows-server" and re.search(r"server \d{4}\b", said):
        return system  # the year is its release
    releases = set(_WINDOWS_RELEASE.findall(said)) | _long_term(said)
    if not releases and product not in {None, "windows-10", "windows-11", "windows-server"}:
        releases = _only_release(str(product), said, rows)
    return replace(system, version=releases.pop().upper()) if len(releases) == 1 else system


def _long_term(said: str) -> set[str]:
    """Return the releases that the years of a long-term channel's name mean."""
    if "ltsc" not in said and "ltsb" not in said:
        return set()
    return {
        release.casefold() for year, release in _LONG_TERM_YEARS.items() if re.search(rf"\b{year}\b", said)
    }


def _only_release(product: str, said: str, rows: Sequence[SupportRow]) -> set[str]:
    """Return the release of a Windows that has one in the table: XP, Vista, 7, 8; none where another is named."""
    held = {row.version for row in rows if row.product == product}
    pack = _SERVICE_PACK.search(said)
    return held if len(held) == 1 and (pack is None or held == {f"SP{pack[1]}"}) else set()
