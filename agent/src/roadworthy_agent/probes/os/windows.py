"""Reading which Windows this is: the registry, and one system call for the processor it was built for.

`ProductName` still says "Windows 10" on Windows 11, so the build number decides. The build with its update
revision (`22631.3447`) tells which month's updates are in.
"""

from __future__ import annotations

import re

from roadworthy_agent.facts import OsFacts
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status
from roadworthy_agent.windows.machine import WindowsMachine, machine_of
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.recorder import RecordingWindows
from roadworthy_agent.windows.registry import text_of

KEY = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"
SOURCE = f"registry:{KEY}"
FILES: tuple[str, ...] = ()
FIRST_WINDOWS_11 = 22000

# https://learn.microsoft.com/windows/deployment/upgrade/windows-edition-upgrade and .../iot: the S stands for the
# long-term servicing channel, N for "without media player", K for Korea; Eval is a trial copy of the same.
LONG_TERM = re.compile(r"(IoT)?EnterpriseS(N|K|Eval|NEval)?", re.IGNORECASE)
# Windows Server by build: https://learn.microsoft.com/windows-server/get-started/windows-server-release-info
LONG_TERM_SERVERS = frozenset({14393, 17763, 20348, 26100})
FIRST_SERVER_WITH_CHANNELS = 14393

# IMAGE_FILE_MACHINE_* (winnt.h) and PROCESSOR_ARCHITECTURE_* (winnt.h), in the words uname has for them
MACHINES = {0x014C: "i686", 0x01C4: "armv7l", 0x8664: "x86_64", 0xAA64: "aarch64"}
ARCHITECTURES = {0: "i686", 5: "armv7l", 9: "x86_64", 12: "aarch64"}


def collect(context: Context) -> ProbeResult[OsFacts]:
    """Read the registry's CurrentVersion key."""
    return read(machine_of(context))


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe read of Windows, for a recorded tree; nothing in it names the device."""
    recording = RecordingWindows(machine_of(context))
    read(recording)
    return recording.files("os")


def read(machine: WindowsMachine) -> ProbeResult[OsFacts]:
    """Return the facts and what is missing of them."""
    texts = {
        name: text_of(machine, KEY, name)
        for name in ("ProductName", "EditionID", "InstallationType", "DisplayVersion", "ReleaseId")
    }
    build = _number(text_of(machine, KEY, "CurrentBuildNumber") or text_of(machine, KEY, "CurrentBuild"))
    revision = _number(machine.registry(KEY, "UBR"))
    kernel = kernel_version(
        _number(machine.registry(KEY, "CurrentMajorVersionNumber")),
        _number(machine.registry(KEY, "CurrentMinorVersionNumber")),
        text_of(machine, KEY, "CurrentVersion"),
        build,
    )
    server = (texts["InstallationType"] or "").casefold().startswith("server")
    edition = texts["EditionID"]
    long_term = is_long_term(edition, build, server=server)
    facts = OsFacts(
        family="windows",
        name=display_name(texts["ProductName"], build, server=server, long_term=long_term),
        version=texts["DisplayVersion"] or texts["ReleaseId"] or kernel,
        build=f"{build}.{revision}" if build and revision is not None else str(build) if build else None,
        id="windows",
        architecture=architecture(machine.calls("os")),
        kernel=kernel,
        edition=edition,
        installation_type="_".join((texts["InstallationType"] or "").casefold().split()) or None,
        long_term=long_term,
        source=SOURCE,
    )
    return _result(facts)


def _result(facts: OsFacts) -> ProbeResult[OsFacts]:
    reasons = {
        "name": f"{KEY} has no ProductName",
        "version": f"{KEY} has neither DisplayVersion nor ReleaseId nor a build",
        "build": f"{KEY} has no CurrentBuildNumber",
        "architecture": "neither IsWow64Process2 nor GetNativeSystemInfo answered",
        "edition": f"{KEY} has no EditionID",
        "installation_type": f"{KEY} has no InstallationType",
    }
    missing = tuple(
        Missing(f"os.{field}", Status.NOT_SUPPORTED, reason)
        for field, reason in reasons.items()
        if getattr(facts, field) is None
    )
    if facts.build is None:
        reason = f"{KEY} cannot be read"
        return ProbeResult("os", Status.ERROR, facts, reason=reason, source=SOURCE, missing=missing)
    return ProbeResult("os", Status.OK, facts, source=SOURCE, missing=missing)


def display_name(
    product: str | None, build: int | None, *, server: bool, long_term: bool | None
) -> str | None:
    """Return the product's name: Windows 11 by its build, and LTSC said where the edition has it."""
    if product is None:
        return None
    name = product
    if not server and build is not None and build >= FIRST_WINDOWS_11:
        name = re.sub(r"^(Microsoft )?Windows 10\b", "Windows 11", product)
    if not server and long_term and not re.search(r"LTS[BC]", name):
        name = f"{name} LTSC"
    return name


def is_long_term(edition: str | None, build: int | None, *, server: bool) -> bool | None:
    """Tell whether this is a long-term servicing release; None where the edition is not known.

    Servers before 2016 knew one kind of release only, so there is nothing to tell.
    """
    if edition is None:
        return None
    if server:
        if build is None or build < FIRST_SERVER_WITH_CHANNELS:
            return None
        return build in LONG_TERM_SERVERS and not edition.casefold().endswith("acor")
    return LONG_TERM.fullmatch(edition) is not None


def kernel_version(major: int | None, minor: int | None, old: str | None, build: int | None) -> str | None:
    """Return `10.0.22631`; before Windows 10 the version stands in `CurrentVersion` (`6.1`)."""
    if build is None:
        return None
    version = f"{major}.{minor or 0}" if major is not None else old
    return f"{version}.{build}" if version else None


def architecture(raw: Raw) -> str | None:
    """Return the machine Windows was built for, as uname says it elsewhere."""
    native, older = raw.number("native_machine"), raw.number("architecture")
    return MACHINES.get(native or 0) or (ARCHITECTURES.get(older) if older is not None else None)


def _number(value: object) -> int | None:
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        return int(value)
    return None
